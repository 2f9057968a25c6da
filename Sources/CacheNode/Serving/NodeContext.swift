import EventLoop
import Logging
import MemcacheProtocol
import SessionMap
import Synchronization

/// What all workers and connections of a node share, whatever their space.
final class NodeContext: Sendable {
    let rules: NodeRules
    let switches: NodeSwitches
    let spaces: Spaces
    /// There where one of the spaces is a member of a cluster that keeps copies.
    let peers: Peers?
    /// There where members speak TLS to each other.
    let peerSecurity: PeerSecurity?
    let logger: Logger
    let log: LogQueue?
    let workers: [WorkerRecord]
    let isWatched: Bool
    /// Under which IDs are shown.
    let idKey: IDKey
    /// What the operator's port counts.
    let admin = AdminTally()
    /// How often whoever watches the process was told nothing, as a thread had not come around.
    let withheldFeedCount = Atomic<UInt64>(0)
    private let shutdownRequest: Mutex<@Sendable (ShutdownMode) -> Void> = Mutex { _ in }

    init(
        configuration: NodeConfiguration, spaces: [Space], peerSecurity: PeerSecurity? = nil,
        idKey: IDKey = IDKey()
    ) {
        self.idKey = idKey
        rules = configuration.rules
        self.peerSecurity = peerSecurity
        peers = spaces.lazy.compactMap(\.peers).first
        switches = NodeSwitches(configuration)
        isWatched = configuration.watchdog != nil
        self.spaces = Spaces(spaces)
        logger = configuration.logger
        log = configuration.log
        workers = (0..<configuration.rules.threadCount).map { WorkerRecord(number: $0) }
    }

    /// Whether messages of this level are wanted; `verbosity` changes that while the node runs.
    @inline(__always)
    func isVerbose(_ level: Int) -> Bool { switches.verbosity.load(ordering: .relaxed) >= level }

    /// Tells the operator, who may wonder, why a command that shows keys was refused.
    func noteKeysRefused() {
        guard isVerbose(1) else { return }
        logger.info(
            "refused to show keys: that needs a Unix socket or '-o show_keys', and no -X")
    }

    func onShutdownRequest(_ body: @escaping @Sendable (ShutdownMode) -> Void) {
        shutdownRequest.withLock { $0 = body }
    }

    func requestShutdown(_ mode: ShutdownMode) {
        let request = shutdownRequest.withLock { $0 }
        request(mode)
    }
}

/// What others may see of one worker.
final class WorkerRecord: Sendable {
    /// Its place among the node's, and among each space's counters.
    let number: Int
    let pulse = Pulse()
    /// The worker's connections by descriptor, for `stats conns`.
    let connections = Mutex<[Int32: ConnectionRecord]>([:])
    /// Wakes the worker up for what its watchers are to be told.
    let attention = Mutex<WakeUp?>(nil)
    /// What its connections waited for and may have come; see `resume`.
    let resumptions = Mutex<[Resumption]>([])
    /// The number of the last ticket. The worker's own.
    let lastTicket = Atomic<UInt64>(0)
    let lentBufferCount = Atomic<Int>(0)
    let freeBufferCount = Atomic<Int>(0)

    init(number: Int) { self.number = number }
}

/// What others may see of one connection.
final class ConnectionRecord: Sendable {
    /// The socket's; -1 where there is none.
    let descriptor: Int32
    let space: Space
    let lastCommandSeconds: Atomic<UInt32>
    private let phase = Atomic<UInt8>(Phase.reading.rawValue)
    private let transportNumber = Atomic<UInt8>(ClientTransport.tcp.rawValue)
    private let firstWordNumber = Atomic<UInt8>(FirstWord.nothing.rawValue)

    var transport: ClientTransport {
        get { ClientTransport(rawValue: transportNumber.load(ordering: .relaxed)) ?? .tcp }
        set { transportNumber.store(newValue.rawValue, ordering: .relaxed) }
    }

    var firstWord: FirstWord {
        get { FirstWord(rawValue: firstWordNumber.load(ordering: .relaxed)) ?? .other }
        set { firstWordNumber.store(newValue.rawValue, ordering: .relaxed) }
    }

    enum Phase: UInt8 {
        case reading, parsing, receivingValue, swallowing, writing, watching, closing, waiting
        case handshaking

        /// memcached's name of the state.
        var name: String {
            switch self {
            case .reading: "conn_read"
            case .parsing: "conn_parse_cmd"
            case .receivingValue: "conn_nread"
            case .swallowing: "conn_swallow"
            case .writing: "conn_mwrite"
            case .watching: "conn_watch"
            case .closing: "conn_closing"
            case .waiting: "conn_waiting"
            case .handshaking: "conn_handshake"
            }
        }
    }

    @inline(__always)
    func note(_ phase: Phase) { self.phase.store(phase.rawValue, ordering: .relaxed) }

    var phaseName: String {
        Phase(rawValue: phase.load(ordering: .relaxed))?.name ?? Phase.reading.name
    }

    init(descriptor: Int32, of space: Space, now: UInt32) {
        self.descriptor = descriptor
        self.space = space
        lastCommandSeconds = Atomic(now)
    }
}
