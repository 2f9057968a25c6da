import Logging

/// Work of the start that may take long: says every second how far it has come, and ends when the node
/// is asked to stop.
final class StartWork {
    private let logger: Logger?
    private let shouldStop: @Sendable () -> Bool
    private var nextLine = ContinuousClock.now + interval

    private static let interval = Duration.seconds(1)

    init(logger: Logger? = nil, shouldStop: @escaping @Sendable () -> Bool = { false }) {
        self.logger = logger
        self.shouldStop = shouldStop
    }

    /// Between two parts of the work, each of which takes well below a second.
    func goOn(_ progress: () -> String) throws(NodeError) {
        guard !shouldStop() else { throw .stopped }
        let now = ContinuousClock.now
        guard now >= nextLine else { return }
        nextLine = now + Self.interval
        say(progress())
    }

    func say(_ line: String) { logger?.notice("\(line)") }
    func warn(_ line: String) { logger?.warning("\(line)") }
}
