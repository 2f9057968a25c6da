import MemcacheProtocol
import Synchronization

/// `stats` and its pages. Those that grow with connections, items or prefixes are made in parts.
extension Executor {
    func statistics(_ page: StatsPage, now: Moment) -> Answer {
        switch page {
        case .reset:
            context.resetStatistics(of: space)
            return .reply(.reset)
        case .detail(let detail): return prefixDetail(detail)
        case .cachedump(let request): return keys(request)
        case .connections: return .pageInParts(connections())
        case .locks: return .pageInParts(awaitedLocks())
        case .top(.one(let word)):
            guard let question = TopQuestion(rawValue: word.rawValue) else {
                preconditionFailure("a question that there is not")
            }
            return .page(space.tops(question))
        case .general, .settings, .items, .slabs, .sizes, .requests, .latency, .sessions,
            .clients, .restarts, .top(.all):
            guard let list = StatisticsPage(page) else { preconditionFailure("no list") }
            return .page(context.statistics(list, of: space, now: now))
        }
    }

    // MARK: stats detail

    private func prefixDetail(_ detail: StatsPage.Detail) -> Answer {
        guard areKeysShown else {
            context.noteKeysRefused()
            return .error(.statsDetailNotAllowed)
        }
        switch detail {
        case .on:
            prefixes.setCollecting(true)
            return .reply(.ok)
        case .off:
            prefixes.setCollecting(false)
            return .reply(.ok)
        case .dump: return .prefixes(prefixes.all())
        case .unknown: return .error(.statsDetailUsage)
        }
    }

    // MARK: stats locks

    private static let locksPerStep = 64

    /// Counts for everybody; keys where they may be shown.
    private func awaitedLocks() -> StatisticsInParts {
        let locks = space.locks?.awaitedLocks ?? []
        var head = StatisticsList()
        head.gauge("locks", locks.count, "Locks for which somebody waits")
        head.gauge(
            "waiting", locks.reduce(0) { $0 + $1.waiterCount }, "Connections that wait for them")
        var first: [Statistic]? = head.since([:])
        var left = areKeysShown ? locks[...] : []
        let nanoseconds = NodeClock.nanoseconds()
        return StatisticsInParts { _ in
            if let list = first.take() { return list }
            guard !left.isEmpty else { return nil }
            defer { left = left.dropFirst(Self.locksPerStep) }
            return left.prefix(Self.locksPerStep).flatMap { $0.statistics(at: nanoseconds) }
        }
    }

    // MARK: stats conns

    /// The kernel is asked for two addresses of each.
    private static let connectionsPerStep = 16

    private func connections() -> StatisticsInParts {
        let space = space
        var entries: [ConnectionEntry] = space.acceptance.listeners.withLock { $0 }
            .map { .listener($0.descriptor) }
        for worker in context.workers {
            worker.connections.withLock { connections in
                entries += connections.values.filter { $0.space === space }
                    .map { .client($0, worker) }
            }
        }
        entries.sort { $0.descriptor < $1.descriptor }
        var left = entries[...]
        return StatisticsInParts { now in
            guard !left.isEmpty else { return nil }
            defer { left = left.dropFirst(Self.connectionsPerStep) }
            return left.prefix(Self.connectionsPerStep).flatMap {
                $0.statistics(space, now: now)
            }
        }
    }
}
