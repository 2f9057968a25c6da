import EventLoop
import Logging
import SessionMap
import Synchronization

/// A map with all that belongs to it: its listeners, limit, users, rules, clock, statistics, dumps, watchers
/// and its file.
///
/// A node has one or several, and nothing of one is another's: not an item, a counter or a place for a
/// connection. What a command works on is its connection's, which has it by its listener.
final class Space: Sendable {
    let name: String
    private let current: Mutex<SpaceConfiguration>
    let map: SessionMap
    /// What deadlines are told by. It goes on with the map, so each space has its own.
    let clock: NodeClock
    /// Keeps the file, if there is one: it outlives the map, which lives in it.
    let preparer: MemoryPreparer
    let memory: SpaceMemory
    /// By worker: each writes its own.
    let counters: [Counters]
    /// The same of requests and their times.
    let requests: [RequestTally]
    let prefixes: PrefixStatistics
    let dumps: DumpRecord
    let watchers = Watchers()
    let acceptance: AcceptanceRecord
    /// There where keys are locks.
    let locks: LockQueues?
    let fence: Fence
    /// There where TLS is on.
    let security: NodeSecurity?
    /// There where it is one of a cluster that keeps copies.
    let peers: Peers?
    /// There where a memcached, whose place this takes, is asked for what is not here.
    let predecessor: Predecessor?
    /// What `config get cluster` answers.
    let cluster = Mutex<ClusterListing?>(nil)
    private let access: Mutex<NodeAuthentication?>
    /// What the counters on the pages were at the last `stats reset`.
    let zero = Mutex(StatisticsZero())
    let latencyZero = Mutex(LatencyZero())
    /// How old what was evicted was, and of that what does not count any more.
    let ages = EvictionAges()
    let agesZero = Mutex<[Distribution]>([])
    let history = SessionHistory()
    /// There where its memory was another process's before.
    let takeover: Takeover?

    init(
        _ configuration: SpaceConfiguration, map: SessionMap, clock: NodeClock,
        file: MemoryFile? = nil, workerCount: Int, security: NodeSecurity? = nil,
        authentication: NodeAuthentication? = nil, fenceLog: FenceLog? = nil,
        takeover: Takeover? = nil
    ) {
        self.takeover = takeover
        name = configuration.name
        current = Mutex(configuration)
        self.map = map
        self.clock = clock
        self.security = security
        access = Mutex(authentication)
        acceptance = AcceptanceRecord(placeCount: configuration.connectionCountMax)
        preparer = MemoryPreparer(map: map, file: file)
        memory = SpaceMemory(
            map: map, preparer: preparer, byteCount: configuration.memoryByteCount)
        counters = (0..<workerCount).map { _ in Counters() }
        requests = (0..<workerCount).map { _ in RequestTally() }
        prefixes = PrefixStatistics(
            delimiter: configuration.prefixDelimiter, isOn: configuration.collectsPrefixDetail)
        locks =
            configuration.locks.keys.isEmpty ? nil : LockQueues(configuration.locks, map: map)
        fence = Fence(
            configuration.fence, locks: configuration.locks, map: map, log: fenceLog,
            now: clock.now().seconds)
        dumps = DumpRecord(isEnabled: configuration.isCrawlerEnabled)
        peers = configuration.peers.map { Peers($0) }
        predecessor = configuration.predecessor.map { Predecessor($0) }
        map.observeEvictions { [unowned self] in noteEvicted($0) }
    }

    /// What was decided of it last.
    var configuration: SpaceConfiguration { current.withLock { $0 } }

    /// All but its memory, which changes on a thread of its own.
    func decide(_ configuration: SpaceConfiguration) {
        current.withLock { current in
            let memoryByteCount = current.memoryByteCount
            current = configuration
            current.memoryByteCount = memoryByteCount
        }
    }

    func decide(memoryByteCount: Int) {
        current.withLock { $0.memoryByteCount = memoryByteCount }
    }

    /// There where peers have to say who they are. Who is connected goes on with what there was.
    var authentication: NodeAuthentication? {
        get { access.withLock { $0 } }
        set { access.withLock { $0 = newValue } }
    }

    /// Since it is served, in seconds.
    func uptime(_ now: Moment) -> UInt32 { now.seconds - min(now.seconds, clock.startSeconds) }
}
