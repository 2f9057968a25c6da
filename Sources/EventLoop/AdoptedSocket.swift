import Glibc

/// Sockets that another process made, lets listen, and keeps open: peers that come while nobody accepts
/// wait in their backlog.
extension ListeningSocket {
    /// Takes over a socket without `objection`. Its address, its backlog and its path are its maker's.
    package convenience init(adopting descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        // What is accepted takes these over. Whoever made the socket may not have asked for them.
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        self.init(descriptor: descriptor, address: .local(of: descriptor))
    }

    /// Why a descriptor cannot be adopted: nothing for a stream socket that listens.
    package static func objection(to descriptor: Int32) -> String? {
        guard let type = option(descriptor, SO_TYPE) else {
            return errno == ENOTSOCK ? "is not a socket" : "is not open"
        }
        guard type == Int32(SOCK_STREAM.rawValue) else { return "is not a stream socket" }
        switch SocketAddress.local(of: descriptor) {
        case .tcp, .tcp6, .unix: break
        case .unknown: return "is neither of IPv4, of IPv6, nor a Unix socket"
        }
        guard option(descriptor, SO_ACCEPTCONN) == 1 else { return "does not listen" }
        return nil
    }

    private static func option(_ descriptor: Int32, _ name: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        let result = getsockopt(descriptor, SOL_SOCKET, name, &value, &length)
        return result == 0 ? value : nil
    }
}
