import Glibc
import Synchronization

/// The signals that end a node, from the first moment of the process until its loop attends them.
///
/// A signal has to find a handler: without one SIGTERM ends a process in the middle of its start, and the
/// kernel throws it away when that process is the first of its namespace, as in a container.
package enum StopSignals {
    private static let isAsked = Atomic<Bool>(false)

    /// To be called first of all. Signals that come later than the node's loop are the loop's; when it has
    /// ended they are taken note of here again, and the node ends as it was about to.
    package static func attend() {
        // A peer, or a reader of the log, that has gone is an error of one write.
        signal(SIGPIPE, SIG_IGN)
        // Made now: a handler must not be the first to touch it.
        isAsked.store(false, ordering: .relaxed)
        for number in [SIGTERM, SIGINT, SIGUSR1] {
            handle(number) { _ in StopSignals.isAsked.store(true, ordering: .relaxed) }
        }
        // Nothing has been read yet that could be read again.
        handle(SIGHUP) { _ in }
    }

    /// Whether one has come. Work that takes longer than a blink during the start asks now and then, and
    /// throws `NodeError.stopped`.
    package static var haveCome: Bool { isAsked.load(ordering: .relaxed) }

    private static func handle(_ number: Int32, _ handler: @escaping @convention(c) (Int32) -> Void)
    {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        action.sa_flags = SA_RESTART
        sigaction(number, &action, nil)
    }
}
