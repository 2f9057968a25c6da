package import EventLoop
package import SessionMap
package import SessionValues

/// What is decided of a space before it starts.
package struct SpaceConfiguration: Sendable {
    /// Of the only one, where nobody gives it another name.
    package static let nameDefault = "default"

    package var name = Self.nameDefault
    /// Whether somebody has given it its name, which its memory file then has, too.
    package var isNamed = false
    /// Under which it was known before, if under another one.
    package var formerName: String?
    package var listening = [
        NodeConfiguration.Listening.tcp([
            NodeConfiguration.TCPPlace(host: "127.0.0.1", port: 11_211)
        ])
    ]
    // Shown in `stats settings` only.
    package var interfaces: String?
    package var connectionCountMax = 1_024
    package var connectionLimitRule = NodeConfiguration.ConnectionLimitRule.refuse
    /// `-Z`: TLS, on every TCP listener that does not say otherwise.
    package var tls: TLSSettings?
    /// `-Y` and what belongs to it; nothing where everybody may do everything.
    package var authentication: AuthenticationRules?
    /// What every listener's connections may do.
    package var listener = ListenerRules()
    package var exptimeRule = ExptimeRule.asWritten
    /// For clients that ask for the cluster's nodes; without it the space knows of none.
    package var cluster: ClusterSource?
    /// The members of a cluster that keeps copies, of which the space is one; without it it is by itself.
    package var peers: PeerConfiguration?
    /// Where what is not here is looked for, while a memcached is replaced.
    package var predecessor: PredecessorConfiguration?
    package var memoryByteCount = 64 << 20
    package var itemByteCountMax = 1 << 20
    /// The file that the items live in and that outlives the process; none is ordinary memory.
    package var memoryFile: String?
    package var damagedFileRule = NodeConfiguration.DamagedFileRule.refuse
    /// Whether items of a new memory file have checksums; by default those of one on disk do.
    package var checksums: Bool?
    package var eviction = EvictionPolicy.standard
    package var evicts = true
    package var assignsCASUniques = true
    package var locksPages = false
    package var tracksSizes = false
    package var prefixDelimiter: UInt8 = UInt8(ascii: ":")
    package var collectsPrefixDetail = false
    /// Whether `lru_crawler` does what it says from the start.
    package var isCrawlerEnabled = true
    package var locks = LockRules()
    package var timeouts = TimeoutRules()
    /// How a user is found in what is stored; for operators.
    package var userRule: UserRule?
    package var fence = FenceRules()

    var map: MapConfiguration {
        MapConfiguration(
            byteCount: memoryByteCount, itemByteCountMax: itemByteCountMax, eviction: eviction,
            evicts: evicts, assignsCASUniques: assignsCASUniques, locksPages: locksPages,
            tracksSizes: tracksSizes, features: features,
            lifetimes: Lifetimes(timeouts),
            // Locked memory is all there from the start.
            growth: memoryFile == nil || locksPages ? 1 : SessionMap.growthMax)
    }

    package static let timeoutSecondsMax = Int(TimeoutRules.secondsMax)

    /// Seconds, 0 for none. Returns why these cannot stand beside each other.
    package mutating func setTimeouts(
        idle: Int, absolute: Int, exptimeDefault: Int, exptimeMax: Int
    ) -> String? {
        timeouts.idleSeconds = UInt32(clamping: idle)
        timeouts.absoluteSeconds = UInt32(clamping: absolute)
        timeouts.defaultSeconds = UInt32(clamping: exptimeDefault)
        timeouts.maxSeconds = UInt32(clamping: exptimeMax)
        return timeouts.contradiction
    }

    /// Copies are told apart by their births, an absolute timeout begins with them, and operators ask for them.
    var features: ArenaFeatures {
        peers != nil || timeouts.absoluteSeconds != 0 || userRule != nil ? .births : []
    }
}
