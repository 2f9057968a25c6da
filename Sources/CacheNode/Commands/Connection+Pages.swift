import EventLoop
import MemcacheProtocol
import Synchronization

/// `stats` and its pages. Those that grow with connections, items or prefixes are listings.
extension Connection {
    func showStatistics(_ page: StatsPage, now: Moment) {
        switch page {
        case .reset:
            context.resetStatistics()
            reply(.reset)
        case .detail(let detail): showDetail(detail)
        case .cachedump(let request): showKeys(request)
        case .connections: begin(connections())
        case .general, .settings, .items, .slabs, .sizes:
            context.write(page, to: &output, now: now)
            reply(.end)
        }
    }

    // MARK: stats detail

    private static let prefixesPerStep = 64

    private func showDetail(_ detail: StatsPage.Detail) {
        guard areKeysShown else {
            context.noteKeysRefused()
            return fail(.statsDetailNotAllowed, isQuiet: false)
        }
        switch detail {
        case .on:
            context.prefixes.setCollecting(true)
            reply(.ok)
        case .off:
            context.prefixes.setCollecting(false)
            reply(.ok)
        case .dump: begin(prefixes())
        case .unknown: fail(.statsDetailUsage, isQuiet: false)
        }
    }

    private func prefixes() -> Listing {
        var left = context.prefixes.all()[...]
        return Listing { output, _ in
            for (prefix, counts) in left.prefix(Self.prefixesPerStep) {
                output.append("PREFIX ")
                output.append(lineSafe: prefix)
                output.append(
                    " get \(counts.gets) hit \(counts.hits) set \(counts.sets) del \(counts.deletes)\r\n"
                )
            }
            left = left.dropFirst(Self.prefixesPerStep)
            guard left.isEmpty else { return .more }
            output.append(Reply.end.line)
            return .over
        }
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
        return Listing { output, now in
            var writer = StatisticsWriter()
            for entry in left.prefix(Self.connectionsPerStep) {
                entry.write(to: &writer, context, now: now)
            }
            output.append(writer.text())
            left = left.dropFirst(Self.connectionsPerStep)
            guard left.isEmpty else { return .more }
            output.append(Reply.end.line)
            return .over
        }
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

extension OutputBuffer {
    fileprivate mutating func append(lineSafe bytes: [UInt8]) {
        var writer = ReplyWriter(room(bytes.count * 3))
        bytes.withUnsafeBytes { writer.write(lineSafe: $0) }
        noteAppended(writer.count)
    }
}
