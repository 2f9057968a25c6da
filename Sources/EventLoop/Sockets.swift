internal import CLibevent
import Glibc

/// Where a socket listens or a peer is, in the words that memcached uses in `stats conns`.
package enum SocketAddress: Equatable, Sendable, CustomStringConvertible {
    case tcp(host: String, port: Int)
    case tcp6(host: String, port: Int)
    case unix(path: String)
    case unknown

    package var description: String {
        switch self {
        case .tcp(let host, let port): "tcp:\(host):\(port)"
        case .tcp6(let host, let port): "tcp6:[\(host)]:\(port)"
        case .unix(let path): "unix:\(path)"
        case .unknown: "unknown"
        }
    }

    package var port: Int? {
        switch self {
        case .tcp(_, let port), .tcp6(_, let port): port
        case .unix, .unknown: nil
        }
    }

    package var isUnix: Bool {
        if case .unix = self { true } else { false }
    }

    /// Whether only peers on this machine can have, or reach, this address.
    package var isLocal: Bool {
        switch self {
        case .tcp(let host, _): host.hasPrefix("127.")
        case .tcp6(let host, _): host == "::1" || host.hasPrefix("::ffff:127.")
        case .unix: true
        case .unknown: false
        }
    }

    /// The local address of a socket.
    package static func local(of descriptor: Int32) -> SocketAddress {
        read { getsockname(descriptor, $0, $1) }
    }

    /// The peer's address of a connected socket.
    package static func peer(of descriptor: Int32) -> SocketAddress {
        read { getpeername(descriptor, $0, $1) }
    }

    private static func read(
        _ ask: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> SocketAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard ask(address, &length) == 0 else { return .unknown }
                return SocketAddress(address, length: length)
            }
        }
    }

    init(_ address: UnsafeMutablePointer<sockaddr>, length: socklen_t) {
        switch Int32(address.pointee.sa_family) {
        case AF_UNIX:
            let offset = 2  // sun_path follows the family
            let bytes = UnsafeRawBufferPointer(start: address, count: Int(length))
            let path = bytes.dropFirst(offset).prefix { $0 != 0 }
            self = .unix(path: String(decoding: path, as: UTF8.self))
        case AF_INET, AF_INET6:
            var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
            let result = getnameinfo(
                address, length, &host, socklen_t(host.count), &port, socklen_t(port.count),
                NI_NUMERICHOST | NI_NUMERICSERV)
            guard result == 0, let number = Int(Self.text(port)) else {
                self = .unknown
                return
            }
            self =
                Int32(address.pointee.sa_family) == AF_INET
                ? .tcp(host: Self.text(host), port: number)
                : .tcp6(host: Self.text(host), port: number)
        default: self = .unknown
        }
    }

    private static func text(_ characters: [CChar]) -> String {
        String(
            decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

package enum SocketError: Error, Equatable {
    /// A name that stands for no address; the resolver's reason.
    case unresolvable(name: String, reason: String)
    case failed(call: String, address: String, errno: Int32)
    case pathTooLong(String)
}

/// A socket that listens. Closes its descriptor when it goes, and removes a Unix socket's path if it
/// made it.
package final class ListeningSocket {
    package let descriptor: Int32
    package let address: SocketAddress
    /// The file that a Unix socket made.
    private let file: UnixSocketFile?

    init(descriptor: Int32, address: SocketAddress, file: UnixSocketFile? = nil) {
        self.descriptor = descriptor
        self.address = address
        self.file = file
    }

    deinit {
        // First the file: whoever finds it can connect.
        file?.remove()
        close(descriptor)
    }

    /// Listens on every address that `host` and `port` stand for; port 0 takes a free one for each.
    package static func tcp(
        host: String?, port: Int, backlog: Int32
    ) throws(SocketError) -> [ListeningSocket] {
        var sockets: [ListeningSocket] = []
        let candidates = try AddressList(host: host, port: port, isPassive: true)
        for info in candidates.entries {
            if let socket = try listen(on: info, port: port, backlog: backlog) {
                sockets.append(socket)
            }
        }
        guard !sockets.isEmpty else {
            throw .failed(
                call: "socket", address: "\(host ?? "*"):\(port)", errno: EAFNOSUPPORT)
        }
        return sockets
    }

    /// Nothing when the machine does not know the address family.
    private static func listen(
        on info: addrinfo, port: Int, backlog: Int32
    ) throws(SocketError) -> ListeningSocket? {
        let name = SocketAddress(info.ai_addr, length: info.ai_addrlen).description
        let descriptor = socket(
            info.ai_family,
            info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue)
                | Int32(SOCK_NONBLOCK.rawValue), info.ai_protocol)
        guard descriptor >= 0 else {
            if errno == EAFNOSUPPORT { return nil }
            throw .failed(call: "socket", address: name, errno: errno)
        }
        func fail(_ call: String) -> SocketError {
            let reason = errno
            close(descriptor)
            return .failed(call: call, address: name, errno: reason)
        }
        setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        // What is accepted takes both over: replies go out at once.
        setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        if info.ai_family == AF_INET6 { setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        guard bind(descriptor, info.ai_addr, info.ai_addrlen) == 0 else { throw fail("bind") }
        guard Glibc.listen(descriptor, backlog) == 0 else { throw fail("listen") }
        return ListeningSocket(descriptor: descriptor, address: .local(of: descriptor))
    }

    /// Listens on a Unix socket. One in its place on which nobody listens is removed, anything else is not.
    package static func unix(
        path: String, mode: UInt32, backlog: Int32
    ) throws(SocketError) -> ListeningSocket {
        let address = try UnixAddress(path: path)
        let descriptor = socket(
            AF_UNIX,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
                | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else {
            throw .failed(call: "socket", address: path, errno: errno)
        }
        func fail(_ call: String, _ reason: Int32 = errno) -> SocketError {
            close(descriptor)
            return .failed(call: call, address: path, errno: reason)
        }
        let lock = UnixSocketFile.lockDirectory(of: path)
        defer { if lock >= 0 { close(lock) } }
        if let reason = UnixSocketFile.removeStale(path, address) { throw fail("bind", reason) }
        // The file gets the descriptor's mode, but for what the process's umask takes; that is added
        // when it is there. Another umask would for a moment be one for all threads' files.
        fchmod(descriptor, mode & 0o777)
        guard address.withPointer({ bind(descriptor, $0, $1) }) == 0 else { throw fail("bind") }
        guard chmod(path, mode & 0o777) == 0 else { throw fail("chmod") }
        guard Glibc.listen(descriptor, backlog) == 0 else { throw fail("listen") }
        return ListeningSocket(
            descriptor: descriptor, address: .unix(path: path), file: UnixSocketFile(path))
    }
}

/// The addresses that a name and a port stand for; freed with the object.
struct AddressList: ~Copyable {
    private let list: UnsafeMutablePointer<addrinfo>?

    init(host: String?, port: Int, isPassive: Bool) throws(SocketError) {
        var hints = addrinfo()
        hints.ai_flags = isPassive ? AI_PASSIVE : 0
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let result = getaddrinfo(host, String(port), &hints, &list)
        guard result == 0 else {
            throw .unresolvable(name: host ?? "*", reason: String(cString: gai_strerror(result)))
        }
        self.list = list
    }

    deinit { freeaddrinfo(list) }

    /// Valid as long as the list is.
    var entries: [addrinfo] {
        var entries: [addrinfo] = []
        var current = list
        while let info = current {
            entries.append(info.pointee)
            current = info.pointee.ai_next
        }
        return entries
    }
}

func setOption(_ descriptor: Int32, _ level: Int32, _ name: Int32, _ value: Int32) {
    var value = value
    // Options are improvements: a socket without them works.
    _ = setsockopt(descriptor, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
}
