import SessionMap
import Synchronization

/// What the pages of a space are made of, read once: pages that are made of one reading agree.
struct StatisticsReading {
    let context: NodeContext
    let space: Space
    let configuration: SpaceConfiguration
    let now: Moment
    let tuning: Tuning
    let map: MapStatistics
    let watchers: Watchers.Counts
    let locks: LockQueues.Counts
    /// Of all workers, by the counters' raw values.
    private let counts: [UInt64]

    init(_ context: NodeContext, _ space: Space, now: Moment) {
        self.context = context
        self.space = space
        configuration = space.configuration
        self.now = now
        tuning = context.switches.tuning.withLock { $0 }
        counts = Counter.allCases.map { counter in
            space.counters.reduce(0) { $0 &+ $1.value(counter) }
        }
        map = space.map.statistics(now: now.seconds)
        watchers = space.watchers.counts
        locks = space.locks?.counts ?? LockQueues.Counts()
    }

    subscript(counter: Counter) -> UInt64 { counts[counter.rawValue] }

    func list(_ page: StatisticsPage) -> StatisticsList {
        var list = StatisticsList()
        switch page {
        case .general: addGeneral(to: &list)
        case .settings: addSettings(to: &list)
        case .items: addItems(to: &list)
        case .slabs: addSlabs(to: &list)
        case .sizes: addSizes(to: &list)
        case .requests: addRequests(to: &list)
        case .latency: addLatencies(to: &list)
        case .sessions: addSessions(to: &list)
        case .clients: addClients(to: &list)
        case .restarts: addRestarts(to: &list)
        case .top: addTops(to: &list)
        }
        return list
    }
}
