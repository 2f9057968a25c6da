internal import CLibevent
import Glibc

/// Accepts connections on a listening socket, which it owns.
package final class Listener {
    package let socket: ListeningSocket
    private var readable: DescriptorEvent?
    private let accepted: (Int32) -> Void
    private let failed: (Int32) -> Void

    /// - Parameters:
    ///   - accepted: is given a connected, non-blocking descriptor, and owns it from then on.
    ///   - failed: is given `errno` when accepting failed for want of descriptors or memory.
    package init(
        loop: Loop, socket: ListeningSocket, accepted: @escaping (Int32) -> Void,
        failed: @escaping (Int32) -> Void
    ) throws(EventLoopError) {
        self.socket = socket
        self.accepted = accepted
        self.failed = failed
        let readable = try DescriptorEvent(
            loop: loop, descriptor: socket.descriptor, interest: .readable
        ) { [unowned self] _ in accept() }
        self.readable = readable
        try readable.enable()
    }

    /// One each time that the loop tells of any: to find that there is no more makes and drops a socket in the kernel, and
    /// costs more than to be told again.
    private func accept() {
        let descriptor = accept_nonblocking(socket.descriptor)
        guard descriptor < 0 else { return accepted(descriptor) }
        switch errno {
        // The peer has gone already, or another process took it.
        case EAGAIN, EINTR, ECONNABORTED: return
        default: failed(errno)
        }
    }

    /// Stops accepting; connections wait in the backlog.
    package func pause() { readable?.disable() }

    package func resume() {
        do { try readable?.enable() } catch { failed(ENOMEM) }
    }
}
