import MemcacheProtocol
import Synchronization

/// `stats` and its pages. Those that grow with connections, items or prefixes are listings.
extension Executor {
    func statistics(_ page: StatsPage, now: Moment) -> Answer {
        switch page {
        case .reset:
            context.resetStatistics(of: space)
            return .reply(.reset)
        case .detail(let detail): return prefixDetail(detail)
        case .cachedump(let request): return keys(request)
        case .connections: return .listing(connections(), isAnnounced: false)
        case .locks: return .listing(awaitedLocks(), isAnnounced: false)
        case .general, .settings, .items, .slabs, .sizes:
            guard let list = StatisticsPage(page) else { preconditionFailure("no list") }
            return .page(context.statistics(list, of: space, now: now))
        }
    }

    // MARK: stats detail

    private static let prefixesPerStep = 64

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
        case .dump: return .listing(prefixDump(), isAnnounced: false)
        case .unknown: return .error(.statsDetailUsage)
        }
    }

    private func prefixDump() -> Listing {
        var left = prefixes.all()[...]
        return Listing(step: { output, _ in
            for (prefix, counts) in left.prefix(Self.prefixesPerStep) {
                let line = PrefixLine(
                    gets: counts.gets, hits: counts.hits, sets: counts.sets,
                    deletes: counts.deletes)
                output.append(atMost: PrefixLine.room(prefixByteCount: prefix.count)) { writer in
                    prefix.withUnsafeBytes { line.encode(prefix: $0, to: &writer) }
                }
            }
            left = left.dropFirst(Self.prefixesPerStep)
            guard left.isEmpty else { return .more }
            output.append(Reply.end.line)
            return .over
        })
    }

    // MARK: stats locks

    private static let locksPerStep = 64

    /// Counts for everybody; keys where they may be shown.
    private func awaitedLocks() -> Listing {
        let locks = space.locks?.awaitedLocks ?? []
        var head = StatisticsList()
        head.gauge("locks", locks.count, "Locks for which somebody waits")
        head.gauge(
            "waiting", locks.reduce(0) { $0 + $1.waiterCount }, "Connections that wait for them")
        var first = head.since([:])
        var left = areKeysShown ? locks[...] : []
        let nanoseconds = context.clock.nanoseconds()
        return Listing(step: { output, _ in
            var writer = StatisticsWriter()
            writer.write(first)
            first = []
            for lock in left.prefix(Self.locksPerStep) {
                writer.write(lock.statistics(at: nanoseconds))
            }
            output.append(writer.text())
            left = left.dropFirst(Self.locksPerStep)
            guard left.isEmpty else { return .more }
            output.append(Reply.end.line)
            return .over
        })
    }

    // MARK: stats conns

    /// The kernel is asked for two addresses of each.
    private static let connectionsPerStep = 16

    private func connections() -> Listing {
        var entries: [ConnectionEntry] = context.acceptance.listeners.withLock { $0 }
            .map { .listener($0.descriptor) }
        for worker in context.workers {
            worker.connections.withLock { connections in
                entries += connections.values.map { .client($0, worker) }
            }
        }
        entries.sort { $0.descriptor < $1.descriptor }
        let context = context
        var left = entries[...]
        return Listing(step: { output, now in
            var writer = StatisticsWriter()
            for entry in left.prefix(Self.connectionsPerStep) {
                entry.write(to: &writer, context, now: now)
            }
            output.append(writer.text())
            left = left.dropFirst(Self.connectionsPerStep)
            guard left.isEmpty else { return .more }
            output.append(Reply.end.line)
            return .over
        })
    }
}
