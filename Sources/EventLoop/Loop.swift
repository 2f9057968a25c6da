internal import CLibevent
import Glibc

/// One thread's loop over libevent's event base.
///
/// Goals: readiness of descriptors, timers, signals and wake-ups from other threads, each as a
/// small object whose handler runs on the loop's thread. Not goals: buffers (bufferevent costs 30 to
/// 45 % more per request than raw events with buffers of one's own) and thread safety: only
/// `WakeUp.wake` may be called from another thread.
///
/// An object must not outlive its loop, and is used on the loop's thread, or before it runs.
package final class Loop {
    let base: OpaquePointer
    private var endOfTurn: () -> Void = {}
    private var wantsEndOfTurn = false

    package init() throws(EventLoopError) {
        guard let configuration = event_config_new() else { throw .noMemory }
        defer { event_config_free(configuration) }
        // No locks: each loop belongs to one thread.
        event_config_set_flag(configuration, Int32(EVENT_BASE_FLAG_NOLOCK.rawValue))
        guard let base = event_base_new_with_config(configuration) else {
            throw .noBackend
        }
        self.base = base
    }

    deinit { event_base_free(base) }

    /// The version of libevent that is linked.
    package static var libraryVersion: String { String(cString: event_get_version()) }

    /// The kernel interface in use: `epoll` on Linux.
    package var backend: String { String(cString: event_base_get_method(base)) }

    /// Runs handlers until `stop` is called.
    package func run() {
        event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY)
    }

    /// Sets what is called when everything that was ready has been handled, in turns in which
    /// `requestEndOfTurn` was called.
    package func onEndOfTurn(_ handler: @escaping () -> Void) { endOfTurn = handler }

    @inline(__always)
    package func requestEndOfTurn() { wantsEndOfTurn = true }

    /// Every handler ends here: libevent itself has no end of a turn that could be waited for.
    @inline(__always)
    func noteHandled() {
        guard wantsEndOfTurn,
            event_base_get_num_events(base, UInt32(EVENT_BASE_COUNT_ACTIVE)) == 0
        else { return }
        wantsEndOfTurn = false
        endOfTurn()
    }

    /// Lets `run` return once the handler that calls this has returned.
    package func stop() {
        event_base_loopbreak(base)
    }

    /// Runs what is ready now and returns at once: for those who poll because a millisecond, the
    /// resolution of waiting, is too coarse for them.
    package func poll() {
        event_base_loop(base, EVLOOP_NONBLOCK)
    }

    /// Waits for the next event and runs what is ready; for tests.
    package func runOnce() {
        event_base_loop(base, EVLOOP_ONCE)
    }
}

package enum EventLoopError: Error, Equatable {
    case noMemory
    case noBackend
    /// A descriptor, signal or timer that the kernel interface refuses.
    case refused(errno: Int32)
}
