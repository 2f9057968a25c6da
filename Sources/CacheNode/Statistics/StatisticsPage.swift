import MemcacheProtocol
import Synchronization

/// The pages that are one list. Those that grow with connections or prefixes are made step by step.
enum StatisticsPage: CaseIterable {
    case general, settings, items, slabs, sizes, requests, latency, sessions, clients, restarts, top

    /// Nothing for a page that is no list.
    init?(_ page: StatsPage) {
        switch page {
        case .general: self = .general
        case .settings: self = .settings
        case .items: self = .items
        case .slabs: self = .slabs
        case .sizes: self = .sizes
        case .requests: self = .requests
        case .latency: self = .latency
        case .sessions: self = .sessions
        case .clients: self = .clients
        case .restarts: self = .restarts
        case .top(.all): self = .top
        case .top(.one), .reset, .detail, .cachedump, .connections, .locks: return nil
        }
    }
}

/// What the counters of each page were when they were last reset.
typealias StatisticsZero = [StatisticsPage: [String: UInt64]]

extension NodeContext {
    /// A page of a space: what is there, and what was counted since the last `stats reset`.
    func statistics(_ page: StatisticsPage, of space: Space, now: Moment) -> [Statistic] {
        // Before anything is counted: a zero that another connection takes later would be above it.
        let zero = space.zero.withLock { $0[page] ?? [:] }
        return StatisticsReading(self, space, now: now).list(page).since(zero)
    }

    /// `stats reset`: what was counted so far counts no more.
    func resetStatistics(of space: Space) {
        // Within the lock, so that of two resets the later one's zero is the one that stays.
        space.zero.withLock { zero in
            let reading = StatisticsReading(self, space, now: space.clock.now())
            for page in StatisticsPage.allCases { zero[page] = reading.list(page).counts }
        }
        space.resetLatencies()
        space.resetAges()
        for tally in space.requests { tally.tops.clear() }
        space.locks?.forgetLongestWait()
        space.prefixes.clear()
    }
}
