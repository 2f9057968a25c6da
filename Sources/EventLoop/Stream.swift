internal import CLibevent
import Glibc

/// A connected socket's byte stream: non-blocking reads and writes. Owns its descriptor.
package struct Stream: ~Copyable {
    package let descriptor: Int32

    /// Takes over a connected, non-blocking descriptor.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { Glibc.close(descriptor) }

    /// Connects to the first address of `host` that answers, and waits for it; then non-blocking.
    package static func connect(host: String, port: Int) throws(SocketError) -> Stream {
        let candidates = try AddressList(host: host, port: port, isPassive: false)
        var reason = ECONNREFUSED
        for info in candidates.entries {
            let descriptor = socket(
                info.ai_family, info.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), info.ai_protocol)
            guard descriptor >= 0 else {
                reason = errno
                continue
            }
            if Glibc.connect(descriptor, info.ai_addr, info.ai_addrlen) == 0 {
                setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
                _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
                return Stream(descriptor: descriptor)
            }
            reason = errno
            close(descriptor)
        }
        throw .failed(call: "connect", address: "\(host):\(port)", errno: reason)
    }

    /// Connects to a Unix socket; then non-blocking.
    package static func connect(path: String) throws(SocketError) -> Stream {
        let address = try UnixAddress(path: path)
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else {
            throw .failed(call: "socket", address: path, errno: errno)
        }
        guard address.withPointer({ Glibc.connect(descriptor, $0, $1) }) == 0 else {
            let reason = errno
            close(descriptor)
            throw .failed(call: "connect", address: path, errno: reason)
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        return Stream(descriptor: descriptor)
    }

    package enum Transfer: Equatable, Sendable {
        case bytes(Int)
        /// Nothing can be transferred now; wait for readiness.
        case wouldBlock
        /// The peer has ended its side (reading only).
        case ended
        case failed(errno: Int32)
    }

    @inline(__always)
    package func read(into target: UnsafeMutableRawBufferPointer) -> Transfer {
        while true {
            // Not `read`, which takes the longer way into the kernel: through the file system.
            let count = uncancelled_recv(descriptor, target.baseAddress, target.count)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .ended }
            let reason = errno
            if reason == EAGAIN || reason == EWOULDBLOCK { return .wouldBlock }
            if reason != EINTR { return .failed(errno: reason) }
        }
    }

    /// Fills `first`, then `second`.
    package func read(
        into first: UnsafeMutableRawBufferPointer, then second: UnsafeMutableRawBufferPointer
    ) -> Transfer {
        var parts = InlineArray<2, iovec>(repeating: iovec())
        parts[0] = iovec(iov_base: first.baseAddress, iov_len: first.count)
        parts[1] = iovec(iov_base: second.baseAddress, iov_len: second.count)
        while true {
            let count = parts.span.withUnsafeBufferPointer {
                readv(descriptor, $0.baseAddress, 2)
            }
            if count > 0 { return .bytes(count) }
            if count == 0 { return .ended }
            let reason = errno
            if reason == EAGAIN || reason == EWOULDBLOCK { return .wouldBlock }
            if reason != EINTR { return .failed(errno: reason) }
        }
    }

    @inline(__always)
    package func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        while true {
            // MSG_NOSIGNAL: a peer that has gone is an error here, not a signal to the process.
            let count = uncancelled_send(descriptor, bytes.baseAddress, bytes.count)
            if count >= 0 { return .bytes(count) }
            let reason = errno
            if reason == EAGAIN || reason == EWOULDBLOCK { return .wouldBlock }
            if reason != EINTR { return .failed(errno: reason) }
        }
    }

    /// Writes several pieces by one system call; at most 1,024 of them.
    package func write(_ pieces: [UnsafeRawBufferPointer]) -> Transfer {
        var parts = pieces.prefix(1_024).map {
            iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
        }
        while true {
            let count = parts.withUnsafeMutableBufferPointer { buffer -> Int in
                var message = msghdr()
                message.msg_iov = buffer.baseAddress
                message.msg_iovlen = buffer.count
                return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
            }
            if count >= 0 { return .bytes(count) }
            let reason = errno
            if reason == EAGAIN || reason == EWOULDBLOCK { return .wouldBlock }
            if reason != EINTR { return .failed(errno: reason) }
        }
    }

    /// The first byte that can be read from a socket, which stays there; or why there is none.
    package static func peek(at descriptor: Int32) -> (byte: UInt8, transfer: Transfer) {
        var byte: UInt8 = 0
        while true {
            let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK))
            if count > 0 { return (byte, .bytes(count)) }
            if count == 0 { return (0, .ended) }
            let reason = errno
            if reason == EAGAIN || reason == EWOULDBLOCK { return (0, .wouldBlock) }
            if reason != EINTR { return (0, .failed(errno: reason)) }
        }
    }

    // For descriptors that are nobody's stream yet.

    package static func drop(_ descriptor: Int32) { Glibc.close(descriptor) }

    /// How much was written; negative for nothing.
    package static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int {
        uncancelled_send(descriptor, bytes.baseAddress, bytes.count)
    }

    /// How much has come: 0 at the end, negative if nothing is there.
    package static func read(
        into target: UnsafeMutableRawBufferPointer, from descriptor: Int32
    ) -> Int {
        let count = uncancelled_recv(descriptor, target.baseAddress, target.count)
        return count < 0 && errno != EAGAIN && errno != EINTR ? 0 : count
    }

    /// Bytes that were written and that the peer's side has not acknowledged.
    package var queuedByteCount: Int {
        var count: Int32 = 0
        return ioctl(descriptor, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : 0
    }

    /// Whether the connection has ended in both directions, as far as the kernel knows.
    package var isGone: Bool {
        var request = pollfd(fd: descriptor, events: 0, revents: 0)
        return poll(&request, 1, 0) > 0 && Int32(request.revents) & (POLLHUP | POLLERR) != 0
    }

    /// Whether the peer has ended its sending, read or not: it may have gone.
    package var hasPeerEnded: Bool {
        // `POLLRDHUP`, which Glibc's module has under a condition.
        let hasEnded: Int32 = 0x2000
        var request = pollfd(fd: descriptor, events: Int16(hasEnded), revents: 0)
        return poll(&request, 1, 0) > 0
    }

    /// Has the kernel ask the peer's, from now on, whether the connection is still known there: who has
    /// ended its sending may be gone as well, and nothing that is written would tell.
    package func probePeer(afterSeconds seconds: Int32) {
        setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, seconds)
        setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, seconds)
    }

    /// The peer's address.
    package var peer: SocketAddress { .peer(of: descriptor) }
    package var local: SocketAddress { .local(of: descriptor) }

    /// The user that a Unix socket's peer was when it connected; nothing on other sockets.
    package var peerUserID: UInt32? {
        local.isUnix ? socketUserID(of: descriptor) : nil
    }
}

/// The user of this machine at the other end of a Unix socket; of another socket it means nothing.
func socketUserID(of descriptor: Int32) -> UInt32? {
    // `struct ucred`: process, user, group.
    var numbers: [UInt32] = [0, 0, 0]
    var length = socklen_t(numbers.count * MemoryLayout<UInt32>.size)
    guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &numbers, &length) == 0 else {
        return nil
    }
    return numbers[1]
}
