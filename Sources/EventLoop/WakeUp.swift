internal import CLibevent
import Glibc

/// Lets another thread call into a loop: the handler runs on the loop's thread some time after
/// `wake`, once for any number of calls since its last run.
///
/// `@unchecked Sendable`: `wake` only writes to an eventfd, which is open as long as this object is;
/// the event belongs to the loop's thread, which made it and is the only one to touch it.
package final class WakeUp: @unchecked Sendable {
    private let descriptor: Int32
    private var event: DescriptorEvent?

    package init(loop: Loop, handler: @escaping () -> Void) throws(EventLoopError) {
        let descriptor = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
        guard descriptor >= 0 else { throw .refused(errno: errno) }
        self.descriptor = descriptor
        let event = try DescriptorEvent(
            loop: loop, descriptor: descriptor, interest: .readable
        ) { _ in
            var count: UInt64 = 0
            // Sets the eventfd back to 0; a failure means that somebody else did.
            _ = read(descriptor, &count, 8)
            handler()
        }
        try event.enable()
        self.event = event
    }

    deinit {
        event = nil
        close(descriptor)
    }

    /// May be called from any thread.
    package func wake() {
        var one: UInt64 = 1
        // EAGAIN means that the counter is full, and so that a wake-up is on its way.
        _ = write(descriptor, &one, 8)
    }
}
