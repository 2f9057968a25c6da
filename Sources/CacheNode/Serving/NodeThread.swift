import Glibc
import Synchronization

/// A thread of the node's own: a worker's, or one that works in the background.
struct NodeThread {
    private let thread: pthread_t

    /// A tenth of another thread's share where both have work.
    private static let yieldingNiceness: Int32 = 10

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// - Parameter yields: whether it is long work that nobody waits for: all others' threads come first.
    init(
        yields: Bool = false, _ run: @escaping @Sendable () -> Void
    ) throws(NodeError) {
        // Signals are the main thread's: all others start with all of them blocked, but those that tell of
        // what the thread itself has done. One of these that is blocked kills without a word.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        for own in [SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP] { sigdelset(&all, own) }
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let body = Unmanaged.passRetained(
            Body {
                // On Linux of the calling thread alone. Where that is refused it only takes its share.
                if yields { _ = nice(Self.yieldingNiceness) }
                run()
            })
        let result = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        guard result == 0 else {
            body.release()
            throw NodeError(message: "cannot start a thread: \(String(cString: strerror(result)))")
        }
        self.thread = thread
    }

    func join() { pthread_join(thread, nil) }

    /// Calls `body` once with each number below `count`, in this thread and up to `threadCount` - 1
    /// others, and returns when all calls have.
    static func each(_ count: Int, threadCount: Int, _ body: @escaping @Sendable (Int) -> Void) {
        let next = SharedNumber()
        let work: @Sendable () -> Void = {
            while let number = next.take(below: count) { body(number) }
        }
        // One that cannot be had is none: whoever is there does the work.
        let others = (1..<max(1, min(threadCount, count))).compactMap { _ in
            try? NodeThread(work)
        }
        work()
        for thread in others { thread.join() }
    }

    private final class SharedNumber: Sendable {
        private let next = Atomic<Int>(0)

        func take(below count: Int) -> Int? {
            let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
            return number < count ? number : nil
        }
    }
}
