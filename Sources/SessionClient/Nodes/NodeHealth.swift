/// Whether a node is asked at all: by what became of the attempts to ask it.
///
///     admitted ──countMax failures in a row──> ejected ──backoff over──> probed ──answer──> admitted
///        │  ^                                     ^                        │
///      no connection: again after a pause,        └── failure: twice as ───┘
///        └──┘ while it may be restarting              long, up to a limit
///
/// A failure is an attempt to connect, a connection that broke with requests on it, a silent node, or
/// one that sends garbage. A request whose own deadline is short, an error reply and a cancelled task
/// are none. Only an answer to a request ends a row of failures, and the doubling of the backoff, not one
/// to a greeting or a probe: a server that greets and then breaks would never be ejected for long, and
/// each request would make connections.
///
/// A node that does not let the client in is ejected at once: whoever tries again and again with a wrong password
/// is taken for somebody who guesses.
///
/// A node that cannot be connected to may be restarting. For `restartPatience` it is not ejected, and
/// asked again after short pauses, which all callers share.
struct NodeHealth: Sendable {
    struct Policy: Hashable, Sendable {
        var failureCountMax: Int
        var backoffMin: Duration
        var backoffMax: Duration
        /// The backoff is longer by up to this part of itself, so that clients come back apart.
        var jitter: Double
        /// Zero where nobody waits: others hold the key, or take it over.
        var restartPatience: Duration
    }

    /// Failures since the last answer.
    private struct Row {
        /// How often the backoff is doubled when they eject the node: it has been since then already.
        var round = 0
        var count = 0
        var since: Instant?
        /// Before then nobody is to try again.
        var nextAttempt: Instant?
    }

    private enum State {
        case admitted(Row)
        case ejected(until: Instant, round: Int)
        case probed(round: Int)
    }

    enum Admission: Equatable {
        case admitted
        /// To be asked again then: the node may be restarting.
        case later(Instant)
        case refused
        /// Refused, and the one who asks has to see whether the node is back.
        case probe
    }

    enum Failure: Equatable, Sendable {
        /// There was no connection.
        case unreachable
        case broken
        /// It does not let the client in.
        case keptOut
    }

    enum Change: Equatable {
        case ejected(for: Duration)
        case returned
    }

    let policy: Policy
    private var state = State.admitted(Row())

    static let pauseMin = Duration.milliseconds(10)
    static let pauseMax = Duration.milliseconds(100)

    init(policy: Policy) { self.policy = policy }

    var isEjected: Bool {
        if case .admitted = state { false } else { true }
    }

    mutating func admission(now: Instant) -> Admission {
        switch state {
        case .admitted(let row):
            if let next = row.nextAttempt, now < next { return .later(next) }
            return .admitted
        case .probed: return .refused
        case .ejected(let until, let round):
            guard until <= now else { return .refused }
            state = .probed(round: round)
            return .probe
        }
    }

    /// A node that is ejected comes back by its probe only: a late answer shows that it is slow.
    mutating func recordAnswer() {
        if case .admitted(let row) = state, row.count > 0 || row.round > 0 {
            state = .admitted(Row())
        }
    }

    /// - Parameter draw: a random number from 0 to 1.
    mutating func recordFailure(
        _ failure: Failure = .broken, now: Instant, draw: Double
    ) -> Change? {
        guard case .admitted(var row) = state else { return nil }
        let since = row.since ?? now
        row.since = since
        row.count += 1
        let mayBeRestarting =
            failure == .unreachable && now < since + policy.restartPatience
        guard mayBeRestarting || row.count < policy.failureCountMax && failure != .keptOut else {
            return eject(round: row.round, now: now, draw: draw)
        }
        row.nextAttempt = mayBeRestarting ? now + pause(after: row.count) : nil
        state = .admitted(row)
        return nil
    }

    private func pause(after count: Int) -> Duration {
        min(Self.pauseMin * (1 << min(count - 1, 10)), Self.pauseMax)
    }

    /// - Parameter draw: a random number from 0 to 1.
    mutating func recordProbe(hasAnswered: Bool, now: Instant, draw: Double) -> Change? {
        guard case .probed(let round) = state else { return nil }
        guard hasAnswered else { return eject(round: round + 1, now: now, draw: draw) }
        state = .admitted(Row(round: round + 1))
        return .returned
    }

    private mutating func eject(round: Int, now: Instant, draw: Double) -> Change {
        let doubled = Double(policy.backoffMin.nanoseconds) * Double(UInt64(1) << min(round, 40))
        let bounded = min(doubled, Double(policy.backoffMax.nanoseconds))
        let backoff = Duration.nanoseconds(Int64(bounded * (1 + policy.jitter * draw)))
        state = .ejected(until: now + backoff, round: round)
        return .ejected(for: backoff)
    }
}
