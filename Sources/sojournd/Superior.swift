import CacheNode
import Glibc

/// Whoever started this process and wants to know how it is doing: systemd with `Type=notify`, or a
/// supervisor. Both are told in systemd's words, one datagram each: sd_notify(3).
enum Superior: Sendable {
    case nobody
    /// NOTIFY_SOCKET: the path of a Unix socket, or an abstract address that begins with `@`. The descriptor is
    /// kept: a node that has none left is busy, and no reason to kill it.
    case notifySocket(String, descriptor: Int32)
    case supervisor(channel: Int32)

    /// A full queue is waited for so long: to lose `READY=1` would end the node.
    private static let patienceSeconds = 5

    init(notifySocket address: String) {
        // Other kinds (vsock) are for virtual machines.
        guard address.hasPrefix("/") || address.hasPrefix("@") else {
            self = .nobody
            return
        }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var patience = timeval(tv_sec: Self.patienceSeconds, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        self = .notifySocket(address, descriptor: descriptor)
    }

    /// - Returns: what went wrong, for the log.
    @discardableResult
    func tell(_ lines: String...) -> String? {
        let message = lines.joined(separator: "\n")
        switch self {
        case .nobody: return nil
        case .supervisor(let channel):
            return Self.send(message, on: channel, to: nil)
        case .notifySocket(let address, let descriptor):
            return Self.send(message, on: descriptor, to: address)
        }
    }

    func tell(_ stage: NodeConfiguration.NodeStage) {
        switch stage {
        case .reloading: tell("RELOADING=1", Self.monotonicMicroseconds())
        case .serving: tell("READY=1")
        case .standing(let sentence): tell("STATUS=\(sentence)")
        case .stopping: tell("STOPPING=1")
        }
    }

    /// That the process gets somewhere.
    static let feed = "WATCHDOG=1"

    private static func send(_ message: String, on descriptor: Int32, to address: String?)
        -> String?
    {
        var bytes = Array(message.utf8)
        guard let address else {
            let count = Glibc.send(descriptor, &bytes, bytes.count, Int32(MSG_NOSIGNAL))
            return count == bytes.count ? nil : Process.reason(errno)
        }
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        var path = Array(address.utf8)
        guard path.count < MemoryLayout.size(ofValue: name.sun_path) else {
            return Process.reason(ENAMETOOLONG)
        }
        // An abstract address is as long as it is told to be, and begins with a zero.
        let isAbstract = path[0] == UInt8(ascii: "@")
        if isAbstract { path[0] = 0 }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path) }
        let length = MemoryLayout<sa_family_t>.size + path.count + (isAbstract ? 0 : 1)
        let count = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    descriptor, &bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, socklen_t(length))
            }
        }
        return count == bytes.count ? nil : Process.reason(errno)
    }

    /// The moment that systemd wants with `RELOADING=1`.
    private static func monotonicMicroseconds() -> String {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return "MONOTONIC_USEC=\(now.tv_sec * 1_000_000 + now.tv_nsec / 1_000)"
    }
}
