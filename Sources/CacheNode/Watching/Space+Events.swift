import EventLoop
import MemcacheProtocol
import SessionMap

/// Why a connection has ended, in memcached's words.
enum CloseReason {
    /// The peer said so, or went.
    case normal
    case idleTimeout
    case shutdown
    /// The node would not go on, or the network.
    case error

    fileprivate var logName: StaticString {
        switch self {
        case .normal: "normal"
        case .idleTimeout: "idle_timeout"
        case .shutdown: "shutdown"
        case .error: "error"
        }
    }
}

extension Space {
    /// Writes a line and gives it to everybody who wants such events.
    func tell(_ event: WatchedEvents, _ write: (inout EventLine) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: EventLine.byteCountMax, alignment: 1) { room in
            var line = EventLine(
                room, wallMicroseconds: clock.wallMicroseconds(), number: watchers.nextNumber())
            write(&line)
            line.write("\n")
            watchers.tell(event, UnsafeRawBufferPointer(rebasing: room[..<line.count]))
        }
    }

    /// Called for every item that is evicted alive, with its shard locked.
    func noteEvicted(_ hit: Hit) {
        peers?.evicted.set()
        ages.note(hit, map.lifetimes)
        guard watchers.want(.evictions) else { return }
        tell(.evictions) { line in
            hit.withKey { line.write(" type=eviction key=", key: $0) }
            line.write(hit.wasFetched ? " fetch=yes" : " fetch=no")
            line.write(" ttl=", hit.secondsLeft.map { Int64($0) } ?? -1)
            line.write(" la=", hit.secondsSinceAccess)
            line.write(" clsid=1 size=", hit.valueByteCount)
        }
    }

    func tellOpened(_ descriptor: Int32, peer: SocketAddress) {
        tell(.connections) { line in
            line.write(" type=conn_new")
            line.write(peer)
            line.write(" cfd=", descriptor)
        }
    }

    func tellClosed(_ descriptor: Int32, peer: SocketAddress, _ reason: CloseReason) {
        tell(.connections) { line in
            line.write(" type=conn_close")
            line.write(peer)
            line.write(" reason=")
            line.write(reason.logName)
            line.write(" cfd=", descriptor)
        }
    }
}

extension EventLine {
    fileprivate mutating func write(_ peer: SocketAddress) {
        switch peer {
        case .tcp(let host, let port), .tcp6(let host, let port):
            write(" rip=", host)
            write(" rport=", port)
            write(" transport=tcp")
        case .unix: write(" rip=unix rport=0 transport=local")
        case .unknown: write(" rip=unknown rport=0 transport=tcp")
        }
    }
}
