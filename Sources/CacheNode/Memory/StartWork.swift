import Logging
import SessionMap
import Synchronization

/// Work of the start that may take long: says every second how far it has come, and ends when the node
/// is asked to stop. Several threads may do it.
final class StartWork: Sendable {
    private let logger: Logger?
    private let shouldStop: @Sendable () -> Bool
    private let nextLine = Mutex(ContinuousClock.now + interval)

    private static let interval = Duration.seconds(1)

    init(logger: Logger? = nil, shouldStop: @escaping @Sendable () -> Bool = { false }) {
        self.logger = logger
        self.shouldStop = shouldStop
    }

    /// Between two parts of the work, each of which takes well below a second.
    func goOn(_ progress: () -> String) throws(NodeError) {
        guard !shouldStop() else { throw .stopped }
        let now = ContinuousClock.now
        let isDue = nextLine.withLock { nextLine in
            guard now >= nextLine else { return false }
            nextLine = now + Self.interval
            return true
        }
        if isDue { say(progress()) }
    }

    func say(_ line: String) { logger?.notice("\(line)") }
    func warn(_ line: String) { logger?.warning("\(line)") }

    /// What was found to be damaged, if anything was.
    func warn(ofDamageIn report: RecoveryReport, shardCount: Int) {
        guard let damage = report.firstDamage else { return }
        warn(
            """
            the memory file is damaged: \(report.damagedCount) items or places dropped, \
            \(report.emptiedShardCount) of \(shardCount) shards emptied; first \(damage.reason)
            """)
    }
}
