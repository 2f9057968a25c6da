package import EventLoop
package import Logging
import SessionMap

/// Everything that is decided before a node starts.
///
/// Its parts are read and set by their names alone: `memoryByteCount` is the first space's.
@dynamicMemberLookup
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

    package enum Listening: Equatable, Sendable {
        case tcp([TCPPlace])
        case unix(path: String, mode: UInt32)
        /// Sockets that another process made, and keeps while this node is not there.
        case handedOver([HandedOverSocket])

        /// A Unix socket is never encrypted.
        var securities: [ListenerSecurity] {
            switch self {
            case .tcp(let places): places.map(\.security)
            case .unix: [.clear]
            case .handedOver(let sockets): sockets.map(\.security)
            }
        }

        package var isUnix: Bool { if case .unix = self { true } else { false } }

        /// Whether there can be Unix sockets among them.
        package var mayBeUnix: Bool {
            if case .tcp = self { false } else { true }
        }
    }

    package struct HandedOverSocket: Equatable, Sendable {
        package var descriptor: Int32
        /// `notls`, or a space's name, or both with a dot between them.
        package var name: String

        package init(descriptor: Int32, name: String) {
            self.descriptor = descriptor
            self.name = name
        }

        package var space: String { String(name.prefix { $0 != "." }) }

        package var security: ListenerSecurity {
            let last = name.split(separator: ".").last ?? ""
            return ListenerSecurity(rawValue: String(last)) ?? .standard
        }
    }

    /// Where to listen over TCP; no host is every address, port 0 any free one.
    package struct TCPPlace: Equatable, Sendable {
        package var host: String?
        package var port: Int
        package var security: ListenerSecurity

        package init(host: String?, port: Int, security: ListenerSecurity = .standard) {
            self.host = host
            self.port = port
            self.security = security
        }
    }

    package var rules = NodeRules()
    /// One at least. Their names differ.
    package var spaces = [SpaceConfiguration()]
    /// What an operator finds, and may change.
    package var tuning = Tuning()
    package var verbosity = 0
    package var logger = Logger(label: "sojournd")
    /// Where the logger's lines go, if they can be lost on the way.
    package var log: LogQueue?
    /// Reads what the node was started with once more, for SIGHUP; nothing where that cannot have changed.
    package var readAgain: (@Sendable () throws -> NodeConfiguration)?
    /// Is told what the node does, on the thread that runs it.
    package var follow: @Sendable (NodeStage) -> Void = { _ in }

    /// Is fed as long as every thread of the node gets somewhere.
    package var watchdog: Watchdog?

    /// Whether the node has been asked to stop, which the work of its start looks at now and then.
    package var shouldStop: @Sendable () -> Bool = { false }

    package init() {}

    /// The first space: the only one of a node that flags describe.
    package var space: SpaceConfiguration {
        get { spaces[0] }
        set { spaces[0] = newValue }
    }

    /// Connections beyond `-c` for peers on this machine, where the node serves others, too: a probe that
    /// finds no place would end a node that is well, and an operator wants to see who has them all.
    static let localConnectionCount = 8

    /// How many descriptors the node may need: those of connections, four for each loop, and the rest
    /// (sockets that listen, files, one to refuse a connection with) with room to spare.
    package var descriptorCountMax: Int {
        spaces.reduce(0) { $0 + $1.connectionCountMax + Self.localConnectionCount }
            + rules.threadCount * 4 + 40
            + (rules.admin == nil ? 0 : AdminRules.descriptorCount)
    }

    /// What whoever started a node wants to know of it.
    package enum NodeStage: Sendable {
        /// It reads again what it was started with; `serving` follows.
        case reloading
        case serving
        /// What a member of a cluster is to the others has changed, in a sentence.
        case standing(String)
        case stopping
    }

    /// What `version` answers: clients parse it, and take memcached's newest for granted.
    static let protocolVersion: StaticString = "1.6.45"
}

extension NodeConfiguration {
    package subscript<Value>(dynamicMember path: WritableKeyPath<NodeRules, Value>) -> Value {
        get { rules[keyPath: path] }
        set { rules[keyPath: path] = newValue }
    }

    package subscript<Value>(dynamicMember path: WritableKeyPath<ListenerRules, Value>) -> Value {
        get { space.listener[keyPath: path] }
        set { space.listener[keyPath: path] = newValue }
    }

    package subscript<Value>(
        dynamicMember path: WritableKeyPath<SpaceConfiguration, Value>
    ) -> Value {
        get { space[keyPath: path] }
        set { space[keyPath: path] = newValue }
    }
}

extension NodeConfiguration {
    package static let probationPercentRange = EvictionPolicy.sharePercentRange
    package static let probationPercentDefault = EvictionPolicy.sharePercentDefault
    package static let proofAgeRange = EvictionPolicy.proofAgeSecondsRange
    package static let proofAgeDefault = EvictionPolicy.proofAgeSecondsDefault

    /// Without numbers: one strict LRU queue.
    package mutating func setEviction(probationPercent: Int?, proofAgeSeconds: Int?) {
        guard let probationPercent, let proofAgeSeconds else {
            space.eviction = .lru
            return
        }
        space.eviction = .probation(
            sharePercent: probationPercent, proofAgeSeconds: proofAgeSeconds)
    }
}

extension SpaceConfiguration {
    /// Whether a client's certificate may be asked for somewhere.
    package func asksForCertificates(_ settings: TLSSettings) -> Bool {
        listening.contains { $0.securities.contains { $0.needsAuthority(settings) } }
    }
}

extension SpaceConfiguration {
    /// Each place where it listens, by itself.
    package var places: [NodeConfiguration.Listening] {
        listening.flatMap { listening -> [NodeConfiguration.Listening] in
            switch listening {
            case .tcp(let places): places.map { .tcp([$0]) }
            case .unix: [listening]
            case .handedOver(let sockets): sockets.map { .handedOver([$0]) }
            }
        }
    }
}

extension NodeConfiguration.Listening: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tcp(let places):
            places.map { "\($0.host ?? "*"):\($0.port)" }.joined(separator: ", ")
        case .unix(let path, _): path
        case .handedOver(let sockets):
            sockets.map { "descriptor \($0.descriptor)" }.joined(separator: ", ")
        }
    }

    /// Whether both, each a place by itself, cannot be listened on.
    package func overlaps(_ other: Self) -> Bool {
        switch (self, other) {
        case (.tcp(let own), .tcp(let others)):
            own.contains { place in
                others.contains {
                    place.port == $0.port && place.port != 0
                        && (place.host == nil || $0.host == nil || place.host == $0.host)
                }
            }
        case (.unix(let path, _), .unix(let other, _)): path == other
        default: false
        }
    }
}
