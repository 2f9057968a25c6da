/// What to do next, by what became of what was done: the follower without its sockets, its clock and its file.
///
///     authenticate ──> read ──> watch ──the interval is over──> read
///          ^            │         │
///          └── pause <──┴─────────┴── trouble: at the next endpoint
///
/// The key is read anew each time that a watch ends, for whatever reason: no change is missed, whatever etcd has
/// forgotten meanwhile, and a connection that is silent because nobody is there any more is noticed.
struct Following: Equatable, Sendable {
    enum Step: Equatable, Sendable {
        case authenticate
        case read
        /// All changes from this revision on.
        case watch(from: Int64)
        case pause(Duration)
    }

    static let pauseMin = Duration.milliseconds(100)
    static let pauseMax = Duration.seconds(10)

    private let endpointCount: Int
    private let logsIn: Bool
    private(set) var step: Step
    private(set) var endpoint = 0
    private(set) var token: String?
    /// Whether a token was refused, as one is that has expired, since a watch was of use.
    private var hasLoggedInAgain = false
    /// In a row, until a watch has been of use.
    private(set) var troubleCount = 0

    init(endpointCount: Int, logsIn: Bool) {
        precondition(endpointCount > 0, "there is somebody to ask")
        self.endpointCount = endpointCount
        self.logsIn = logsIn
        step = logsIn ? .authenticate : .read
    }

    mutating func hasLoggedIn(token: String) {
        self.token = token
        step = .read
    }

    mutating func hasRead(revision: Int64) { step = .watch(from: revision + 1) }

    /// The watch has told a change.
    mutating func hasHeard() {
        troubleCount = 0
        hasLoggedInAgain = false
    }

    /// The watch has lasted for as long as it should.
    mutating func watchIsOver() {
        hasHeard()
        step = .read
    }

    mutating func hasPaused() { step = logsIn && token == nil ? .authenticate : .read }

    /// - Parameter draw: a random number from 0 to 1, so that followers come back apart.
    /// - Returns: whether this is worth a word: a token that has expired is not.
    mutating func hasFailed(_ trouble: EtcdTrouble, draw: Double) -> Bool {
        if case .refused = trouble, logsIn, token != nil {
            token = nil
            if !hasLoggedInAgain {
                hasLoggedInAgain = true
                step = .authenticate
                return false
            }
        }
        step = .pause(pause(after: trouble, draw: draw))
        troubleCount += 1
        endpoint = (endpoint + 1) % endpointCount
        return true
    }

    /// Twice as long each time that all endpoints have been tried, and half of it by chance.
    private func pause(after trouble: EtcdTrouble, draw: Double) -> Duration {
        // Whoever tries again and again with a wrong password is taken for somebody who guesses.
        let isLoginRefused = if case .refused = trouble { step == .authenticate } else { false }
        let round = min(troubleCount / endpointCount, 10)
        let longest =
            isLoginRefused ? Self.pauseMax : min(Self.pauseMin * (1 << round), Self.pauseMax)
        return longest * (0.5 + draw / 2)
    }
}
