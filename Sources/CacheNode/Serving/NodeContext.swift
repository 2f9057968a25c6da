import EventLoop
import Logging
import MemcacheProtocol
import SessionMap
import Synchronization

/// What all workers and connections of a node share: the map, the clock, the rules, and the switches
/// that an operator can change.
final class NodeContext: Sendable {
    let configuration: NodeConfiguration
    let map: SessionMap
    let clock: NodeClock
    let logger: Logger
    let workers: [WorkerRecord]
    let acceptance: AcceptanceRecord
    let prefixes: PrefixStatistics
    let watchers = Watchers()
    let dumps: DumpRecord
    let tuning: Mutex<Tuning>
    /// What `config get cluster` answers.
    let cluster = Mutex<ClusterListing?>(nil)
    let verbosity: Atomic<Int>
    let memoryLimitByteCount: Atomic<Int>
    /// The counters' values that `stats` shows as zero: those at the last `stats reset`.
    let zero: Mutex<CounterSnapshot>
    private let shutdownRequest: Mutex<@Sendable (ShutdownMode) -> Void>

    init(configuration: NodeConfiguration, map: SessionMap, clock: NodeClock) {
        self.configuration = configuration
        self.map = map
        self.clock = clock
        logger = configuration.logger
        workers = (0..<configuration.threadCount).map { _ in WorkerRecord() }
        acceptance = AcceptanceRecord()
        prefixes = PrefixStatistics(
            delimiter: configuration.prefixDelimiter, isOn: configuration.collectsPrefixDetail)
        dumps = DumpRecord(isEnabled: configuration.isCrawlerEnabled)
        tuning = Mutex(configuration.tuning)
        verbosity = Atomic(configuration.verbosity)
        memoryLimitByteCount = Atomic(configuration.memoryByteCount)
        zero = Mutex(CounterSnapshot())
        shutdownRequest = Mutex { _ in }
        map.observeEvictions { [unowned self] in noteEvicted($0) }
    }

    /// Whether messages of this level are wanted; `verbosity` changes that while the node runs.
    @inline(__always)
    func isVerbose(_ level: Int) -> Bool { verbosity.load(ordering: .relaxed) >= level }

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
    let counters = Counters()
    /// The worker's connections by descriptor, for `stats conns`.
    let connections = Mutex<[Int32: ConnectionRecord]>([:])
    /// Wakes the worker up for what its watchers are to be told.
    let attention = Mutex<WakeUp?>(nil)
    let lentBufferCount = Atomic<Int>(0)
    let freeBufferCount = Atomic<Int>(0)
}

/// What others may see of one connection.
final class ConnectionRecord: Sendable {
    /// The socket's; -1 where there is none.
    let descriptor: Int32
    let lastCommandSeconds: Atomic<UInt32>
    private let phase = Atomic<UInt8>(Phase.reading.rawValue)

    enum Phase: UInt8 {
        case reading, parsing, receivingValue, swallowing, writing, watching, closing

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
            }
        }
    }

    @inline(__always)
    func note(_ phase: Phase) { self.phase.store(phase.rawValue, ordering: .relaxed) }

    var phaseName: String {
        Phase(rawValue: phase.load(ordering: .relaxed))?.name ?? Phase.reading.name
    }

    init(descriptor: Int32, now: UInt32) {
        self.descriptor = descriptor
        lastCommandSeconds = Atomic(now)
    }
}
