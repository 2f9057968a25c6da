import Synchronization

/// What visitors have found, all together.
final class DemoTally: Sendable {
    struct Counts: Sendable {
        var requests = 0
        /// Nobody knows what has come of these.
        var failures = 0
        var loggedOut = 0
        var back = 0
        var stale = 0
        var longest: Duration = .zero
        /// The same since the last look.
        var longestNow: Duration = .zero

        var isRight: Bool { loggedOut == 0 && back == 0 && stale == 0 }
    }

    private let counts = Mutex(Counts())

    func note(_ body: (inout Counts) -> Void) { counts.withLock { body(&$0) } }

    /// - Parameter looks: whether what is counted since the last look begins anew.
    func read(looks: Bool = false) -> Counts {
        counts.withLock { counts in
            defer { if looks { counts.longestNow = .zero } }
            return counts
        }
    }
}
