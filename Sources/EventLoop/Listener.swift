internal import CLibevent
import Glibc

/// Accepts connections on a listening socket, which it owns.
package final class Listener {
    package let socket: ListeningSocket
    private let listener: OpaquePointer
    private let accepted: (Int32) -> Void
    private let failed: (Int32) -> Void

    /// - Parameters:
    ///   - accepted: is given a connected, non-blocking descriptor, and owns it from then on.
    ///   - failed: is given `errno` when accepting failed for want of descriptors or memory.
    package init(
        loop: Loop, socket: ListeningSocket, accepted: @escaping (Int32) -> Void,
        failed: @escaping (Int32) -> Void
    ) throws(EventLoopError) {
        self.accepted = accepted
        self.failed = failed
        // The socket listens already: no backlog is given here. Descriptors come non-blocking and
        // close-on-exec. The callback's argument is set below, when there is a `self`.
        guard
            let listener = evconnlistener_new(
                loop.base, nil, nil, LEV_OPT_CLOSE_ON_EXEC, 0, socket.descriptor)
        else { throw .refused(errno: errno) }
        self.listener = listener
        self.socket = socket
        evconnlistener_set_error_cb(listener) { _, context in
            guard let context else { return }
            let reason = errno
            Unmanaged<Listener>.fromOpaque(context).takeUnretainedValue().failed(reason)
        }
        evconnlistener_set_cb(
            listener,
            { _, descriptor, _, _, context in
                guard let context else { return }
                Unmanaged<Listener>.fromOpaque(context).takeUnretainedValue()
                    .accepted(descriptor)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit { evconnlistener_free(listener) }

    /// Stops accepting; connections wait in the backlog.
    package func pause() { evconnlistener_disable(listener) }

    package func resume() { evconnlistener_enable(listener) }
}
