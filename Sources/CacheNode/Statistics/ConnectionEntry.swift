import EventLoop
import Synchronization

/// A socket that `stats conns` shows.
enum ConnectionEntry {
    case listener(Int32)
    case client(ConnectionRecord, WorkerRecord)

    var descriptor: Int32 {
        switch self {
        case .listener(let descriptor): descriptor
        case .client(let record, _): record.descriptor
        }
    }

    /// Nothing when it has gone.
    func statistics(_ space: Space, now: Moment) -> [Statistic] {
        let number = descriptor
        let local: SocketAddress
        let state: String
        let idleSeconds: UInt32
        var list: [Statistic] = []
        func add(_ name: String, _ value: Statistic.Value, _ help: String) {
            list.append(Statistic(name: "\(number):\(name)", value: value, help: help))
        }
        switch self {
        case .listener:
            local = SocketAddress.local(of: number)
            state = "conn_listening"
            idleSeconds = space.uptime(now)
            add("addr", .text("\(local)"), "Where the node listens")
        case .client(let record, let worker):
            // It may have gone since the page was begun, and its descriptor be another's.
            guard worker.connections.withLock({ $0[number] === record }) else { return [] }
            local = SocketAddress.local(of: number)
            state = record.phaseName
            idleSeconds =
                now.seconds
                - min(record.lastCommandSeconds.load(ordering: .relaxed), now.seconds)
            let peer = local.isUnix ? local : SocketAddress.peer(of: number)
            add("addr", .text("\(peer)"), "The client; of a Unix socket its path")
            add("listen_addr", .text("\(local)"), "Where it came in")
        }
        add("state", .text(state), "What the socket waits for, in memcached's words")
        add("secs_since_last_cmd", .gauge(Int(idleSeconds)), "Seconds since it sent something")
        return list
    }
}
