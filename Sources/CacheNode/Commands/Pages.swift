import EventLoop
import MemcacheProtocol
import Synchronization

/// `stats` and its pages. Those that grow with connections, items or prefixes are listings.
extension Executor {
    func statistics(_ page: StatsPage, now: Moment) -> Answer {
        switch page {
        case .reset:
            context.resetStatistics()
            return .reply(.reset)
        case .detail(let detail): return prefixDetail(detail)
        case .cachedump(let request): return keys(request)
        case .connections: return .listing(connections(), isAnnounced: false)
        case .general, .settings, .items, .slabs, .sizes: return .page(page)
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
            context.prefixes.setCollecting(true)
            return .reply(.ok)
        case .off:
            context.prefixes.setCollecting(false)
            return .reply(.ok)
        case .dump: return .listing(prefixes(), isAnnounced: false)
        case .unknown: return .error(.statsDetailUsage)
        }
    }

    private func prefixes() -> Listing {
        var left = context.prefixes.all()[...]
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

/// A socket that `stats conns` shows.
private enum ConnectionEntry {
    case listener(Int32)
    case client(ConnectionRecord, WorkerRecord)

    var descriptor: Int32 {
        switch self {
        case .listener(let descriptor): descriptor
        case .client(let record, _): record.descriptor
        }
    }

    func write(to writer: inout StatisticsWriter, _ context: NodeContext, now: Moment) {
        let number = descriptor
        switch self {
        case .listener:
            writer.line("\(number):addr", SocketAddress.local(of: number))
            writer.line("\(number):state", "conn_listening")
            writer.line("\(number):secs_since_last_cmd", context.uptime(now))
        case .client(let record, let worker):
            // It may have gone since the page was begun, and its descriptor be another's.
            guard worker.connections.withLock({ $0[number] === record }) else { return }
            let local = SocketAddress.local(of: number)
            if case .unix = local {
                writer.line("\(number):addr", local)
            } else {
                writer.line("\(number):addr", SocketAddress.peer(of: number))
            }
            writer.line("\(number):listen_addr", local)
            writer.line("\(number):state", record.phaseName)
            let last = record.lastCommandSeconds.load(ordering: .relaxed)
            writer.line("\(number):secs_since_last_cmd", now.seconds - min(last, now.seconds))
        }
    }
}
