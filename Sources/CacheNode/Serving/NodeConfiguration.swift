package import Logging
package import SessionMap

/// Everything that is decided before a node starts.
package struct NodeConfiguration: Sendable {
    package enum BindingProtocol: String, Sendable {
        case auto, ascii, binary

        var settingsName: String { self == .auto ? "auto-negotiate" : rawValue }
    }

    /// What to do with one connection too many.
    package enum ConnectionLimitRule: Sendable {
        /// Accept it, say so, and close it.
        case refuse
        /// Do not accept until another one closes.
        case wait
    }

    /// What to do with a memory file that cannot be taken over.
    package enum DamagedFileRule: String, Sendable {
        /// Not start, and say why.
        case refuse
        /// Keep it under another name, say so, and start without items.
        case aside
    }

    package enum Listening: Sendable {
        /// Host and port; no host is every address.
        case tcp([(host: String?, port: Int)])
        case unix(path: String, mode: UInt32)
        /// Sockets that another process made, and keeps while this node is not there.
        case handedOver([Int32])
    }

    package var memoryByteCount = 64 << 20
    package var itemByteCountMax = 1 << 20
    /// The file that the items live in and that outlives the process; none is ordinary memory.
    package var memoryFile: String?
    package var damagedFileRule = DamagedFileRule.refuse
    /// Whether items of a new memory file have checksums; by default those of one on disk do.
    package var checksums: Bool?
    package var eviction = EvictionPolicy.standard
    package var evicts = true
    package var assignsCASUniques = true
    package var locksPages = false
    package var threadCount = 4
    package var connectionCountMax = 1_024
    package var connectionLimitRule = ConnectionLimitRule.refuse
    package var commandsPerTurn = 20
    package var idleTimeoutSeconds = 0
    package var listening = Listening.tcp([(host: "127.0.0.1", port: 11_211)])
    package var backlog = 1_024
    package var bindingProtocol = BindingProtocol.auto
    package var exptimeRule = ExptimeRule.asWritten
    package var isFlushAllowed = true
    /// `-X`: no command shows keys, whatever else is said.
    package var isDumpAllowed = true
    /// `-W`: nobody watches.
    package var isWatchAllowed = true
    /// Session keys are secrets: whoever has one is logged in. On a Unix socket its mode says who may
    /// see them; on TCP nobody does unless this is set.
    package var showsKeys = false
    /// Whether `lru_crawler` does what it says from the start.
    package var isCrawlerEnabled = true
    package var tuning = Tuning()
    /// For clients that ask for the cluster's nodes; without it the node knows of none.
    package var cluster: ClusterSource?
    package var isShutdownAllowed = false
    package var knowsDebugtime = false
    package var tracksSizes = false
    package var prefixDelimiter: UInt8 = UInt8(ascii: ":")
    package var collectsPrefixDetail = false
    package var verbosity = 0
    /// Shown in `stats settings` only.
    package var interfaces: String?
    package var version = "0.1.0"
    package var logger = Logger(label: "sojournd")
    /// Where the logger's lines go, if they can be lost on the way.
    package var log: LogQueue?
    /// Is told what the node does, on the thread that runs it.
    package var follow: @Sendable (NodeStage) -> Void = { _ in }

    /// Whether the node has been asked to stop, which the work of its start looks at now and then.
    package var shouldStop: @Sendable () -> Bool = { false }

    package init() {}

    /// Connections beyond `-c` for peers on this machine, where the node serves others, too: a probe that
    /// finds no place would end a node that is well, and an operator wants to see who has them all.
    static let localConnectionCount = 8

    /// How many descriptors the node may need: those of connections, four for each loop, and the rest
    /// (sockets that listen, files, one to refuse a connection with) with room to spare.
    package var descriptorCountMax: Int {
        connectionCountMax + Self.localConnectionCount + threadCount * 4 + 40
    }

    /// What whoever started a node wants to know of it.
    package enum NodeStage: Sendable {
        /// It reads again what it was started with; `serving` follows.
        case reloading
        case serving
        case stopping
    }

    /// What `version` answers: clients parse it, and take memcached's newest for granted.
    static let protocolVersion: StaticString = "1.6.45"
}

extension NodeConfiguration {
    package static let probationPercentRange = EvictionPolicy.sharePercentRange
    package static let probationPercentDefault = EvictionPolicy.sharePercentDefault
    package static let proofAgeRange = EvictionPolicy.proofAgeSecondsRange
    package static let proofAgeDefault = EvictionPolicy.proofAgeSecondsDefault

    /// Without numbers: one strict LRU queue.
    package mutating func setEviction(probationPercent: Int?, proofAgeSeconds: Int?) {
        guard let probationPercent, let proofAgeSeconds else {
            eviction = .lru
            return
        }
        eviction = .probation(
            sharePercent: probationPercent, proofAgeSeconds: proofAgeSeconds)
    }
}
