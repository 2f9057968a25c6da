internal import CLibevent
import Glibc

/// What a descriptor is ready for.
package struct Readiness: OptionSet, Sendable {
    package let rawValue: Int16
    package init(rawValue: Int16) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: Int16(EV_READ))
    package static let writable = Readiness(rawValue: Int16(EV_WRITE))
}

/// Something that a loop calls: the owner of one libevent `event`.
///
/// The event knows this object by an unretained pointer; `deinit` takes it out of the loop first. So
/// whoever wants to be called keeps the object.
package class EventSource {
    private let event: OpaquePointer
    fileprivate let loop: Unmanaged<Loop>
    private(set) package var isEnabled = false

    fileprivate init(
        loop: Loop, descriptor: Int32, flags: Int32
    ) throws(EventLoopError) {
        // Allocated without a callback argument first: `self` exists only once all is set.
        guard let event = event_new(loop.base, descriptor, Int16(flags), eventFired, nil) else {
            throw .noMemory
        }
        self.event = event
        self.loop = .passUnretained(loop)
        event_assign(
            event, loop.base, descriptor, Int16(flags), eventFired,
            Unmanaged.passUnretained(self).toOpaque())
    }

    deinit { event_free(event) }

    fileprivate func add(after timeout: timeval? = nil) throws(EventLoopError) {
        let result: Int32
        if var timeout {
            result = event_add(event, &timeout)
        } else {
            result = event_add(event, nil)
        }
        guard result == 0 else { throw .refused(errno: errno) }
        isEnabled = true
    }

    package func disable() {
        event_del(event)
        isEnabled = false
    }

    fileprivate func activate(_ readiness: Readiness) {
        event_active(event, Int32(readiness.rawValue), 1)
    }

    fileprivate func noteFired() { isEnabled = false }

    fileprivate func fired(_ readiness: Readiness) {}
}

private let eventFired: event_callback_fn = { _, what, context in
    guard let context else { return }
    // Retained, as a handler may let go of its own event.
    let source = Unmanaged<EventSource>.fromOpaque(context).takeUnretainedValue()
    source.fired(Readiness(rawValue: what))
    source.loop._withUnsafeGuaranteedRef { $0.noteHandled() }
}

/// Calls when a descriptor is ready, again and again while it stays so. Does not own it.
package final class DescriptorEvent: EventSource {
    private var handler: (Readiness) -> Void

    package init(
        loop: Loop, descriptor: Int32, interest: Readiness,
        handler: @escaping (Readiness) -> Void
    ) throws(EventLoopError) {
        self.handler = handler
        try super.init(
            loop: loop, descriptor: descriptor,
            flags: Int32(interest.rawValue) | Int32(EV_PERSIST))
    }

    package func enable() throws(EventLoopError) { try add() }

    /// From now on another is called. The kernel is told nothing, as nothing has changed for it.
    package func handOver(to handler: @escaping (Readiness) -> Void) { self.handler = handler }

    /// Lets the handler be called in the loop's next turn as if the descriptor were ready.
    package func fire(_ readiness: Readiness) { activate(readiness) }

    fileprivate override func fired(_ readiness: Readiness) { handler(readiness) }
}

/// Calls once, some time after `start`; again after another `start`.
package final class Timer: EventSource {
    private let handler: () -> Void

    package init(loop: Loop, handler: @escaping () -> Void) throws(EventLoopError) {
        self.handler = handler
        try super.init(loop: loop, descriptor: -1, flags: 0)
    }

    package func start(afterMilliseconds milliseconds: Int) throws(EventLoopError) {
        try add(
            after: timeval(
                tv_sec: milliseconds / 1_000, tv_usec: (milliseconds % 1_000) * 1_000))
    }

    fileprivate override func fired(_ readiness: Readiness) {
        noteFired()
        handler()
    }
}

/// Calls when the process gets a signal. One loop of the process may have signal sources.
package final class SignalSource: EventSource {
    private let handler: () -> Void

    package init(
        loop: Loop, signal: Int32, handler: @escaping () -> Void
    ) throws(EventLoopError) {
        self.handler = handler
        try super.init(
            loop: loop, descriptor: signal, flags: Int32(EV_SIGNAL) | Int32(EV_PERSIST))
        try add()
    }

    fileprivate override func fired(_ readiness: Readiness) { handler() }
}
