import Glibc

/// A connection to a node, waited on with a deadline.
package final class SocketPeer: TranscriptPeer {
    package private(set) var descriptor: Int32
    package var received: [UInt8] = []
    package private(set) var hasEnded = false

    private static let patienceMilliseconds: Int32 = 60_000
    /// How long nothing must come to be believed. There is no telling that nothing will come.
    private static let quietMilliseconds: Int32 = 100

    /// - Parameter isNarrow: whether the kernels take some 30 KB at most of what is on the way to it, by TCP.
    package init(_ place: RunningNode.Place, isNarrow: Bool = false) throws {
        switch place {
        case .tcp(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
            descriptor = try Self.connect(AF_INET, address, isNarrow: isNarrow)
        case .tcp6(let port):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_addr = in6addr_loopback
            descriptor = try Self.connect(AF_INET6, address)
        case .address(let host, let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
                throw Trouble("\(host) is no address")
            }
            descriptor = try Self.connect(AF_INET, address)
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
            descriptor = try Self.connect(AF_UNIX, address)
        }
    }

    /// Takes over a connected, non-blocking descriptor.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    private static func connect<Address>(
        _ family: Int32, _ address: Address, isNarrow: Bool = false
    ) throws -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, type, 0)
        guard descriptor >= 0 else { throw Trouble("no socket: \(reason(errno))") }
        if isNarrow {
            // The other side's kernel makes its buffer as large as some segments.
            var (window, segment): (Int32, Int32) = (2_048, 536)
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &window, socklen_t(4))
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_MAXSEG, &segment, socklen_t(4))
        }
        let result = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        guard result == 0 else {
            let number = errno
            Glibc.close(descriptor)
            throw Trouble("cannot connect: \(reason(number))")
        }
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(4))
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        return descriptor
    }

    deinit { close() }

    /// Ends the connection now, also where a process that is just being started has its descriptor, too.
    package func close() {
        if descriptor >= 0 { shutdown(descriptor, Int32(SHUT_RDWR)) }
        release()
    }

    /// Gives the connection to somebody else, who closes it.
    package func takeDescriptor() -> Int32 {
        defer { descriptor = -1 }
        return descriptor
    }

    private func release() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    /// Ends the connection by a reset.
    package func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        release()
    }

    private func isReady(_ events: Int32, milliseconds: Int32) -> Bool {
        var request = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&request, 1, milliseconds) > 0
    }

    /// Sends all. Replies are taken only when the node does not go on without: a value may be meant
    /// to stay on its way.
    package func send(_ bytes: [UInt8]) throws {
        let deadline = ContinuousClock.now + .seconds(60)
        var sent = 0
        while sent < bytes.count {
            guard isReady(Int32(POLLOUT), milliseconds: 500) else {
                _ = receive(milliseconds: 0)
                guard ContinuousClock.now < deadline else { throw Trouble("sending stalled") }
                continue
            }
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress.unsafelyUnwrapped + sent, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                sent += count
            } else if errno != EAGAIN, errno != EINTR {
                // The node has hung up, which receiving will show.
                return
            }
        }
    }

    package func endSending() {
        shutdown(descriptor, Int32(SHUT_WR))
    }

    package func receive(isUnexpected: Bool) -> Bool {
        receive(
            milliseconds: isUnexpected ? Self.quietMilliseconds : Self.patienceMilliseconds)
    }

    package func receive(milliseconds: Int32) -> Bool {
        guard !hasEnded, isReady(Int32(POLLIN), milliseconds: milliseconds) else { return false }
        let part = [UInt8](unsafeUninitializedCapacity: 262_144) { buffer, count in
            count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
        }
        if part.isEmpty {
            hasEnded = true
            return false
        }
        received += part
        return true
    }

    private static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
}
