import NIOCore

/// Whether a node is asked at all: by what became of the attempts to ask it.
///
///     admitted ──countMax failures in a row──> ejected ──backoff over──> probed ──answer──> admitted
///                                                 ^                        │
///                                                 └── failure: twice as ───┘
///                                                     long, up to a limit
///
/// A failure is an attempt to connect, a connection that broke with requests on it, a silent node, or
/// one that sends garbage. A request whose own deadline is short, an error reply and a cancelled task
/// are none.
struct NodeHealth: Sendable {
    struct Policy: Hashable, Sendable {
        var failureCountMax: Int
        var backoffMin: TimeAmount
        var backoffMax: TimeAmount
        /// The backoff is longer by up to this part of itself, so that clients come back apart.
        var jitter: Double
    }

    private enum State {
        case admitted(failureCount: Int)
        case ejected(until: NIODeadline, round: Int)
        case probed(round: Int)
    }

    enum Admission: Equatable {
        case admitted
        case refused
        /// Refused, and the one who asks has to see whether the node is back.
        case probe
    }

    enum Change: Equatable {
        case ejected(for: TimeAmount)
        case returned
    }

    let policy: Policy
    private var state = State.admitted(failureCount: 0)

    init(policy: Policy) { self.policy = policy }

    var isEjected: Bool { if case .admitted = state { false } else { true } }

    mutating func admission(now: NIODeadline) -> Admission {
        switch state {
        case .admitted: return .admitted
        case .probed: return .refused
        case .ejected(let until, let round):
            guard until <= now else { return .refused }
            state = .probed(round: round)
            return .probe
        }
    }

    /// A node that is ejected comes back by its probe only: a late answer shows that it is slow.
    mutating func recordAnswer() {
        if case .admitted(1...) = state { state = .admitted(failureCount: 0) }
    }

    /// - Parameter draw: a random number from 0 to 1.
    mutating func recordFailure(now: NIODeadline, draw: Double) -> Change? {
        guard case .admitted(let failureCount) = state else { return nil }
        guard failureCount + 1 >= policy.failureCountMax else {
            state = .admitted(failureCount: failureCount + 1)
            return nil
        }
        return eject(round: 0, now: now, draw: draw)
    }

    /// - Parameter draw: a random number from 0 to 1.
    mutating func recordProbe(hasAnswered: Bool, now: NIODeadline, draw: Double) -> Change? {
        guard case .probed(let round) = state else { return nil }
        guard hasAnswered else { return eject(round: round + 1, now: now, draw: draw) }
        state = .admitted(failureCount: 0)
        return .returned
    }

    private mutating func eject(round: Int, now: NIODeadline, draw: Double) -> Change {
        let doubled = Double(policy.backoffMin.nanoseconds) * Double(UInt64(1) << min(round, 40))
        let bounded = min(doubled, Double(policy.backoffMax.nanoseconds))
        let backoff = TimeAmount.nanoseconds(Int64(bounded * (1 + policy.jitter * draw)))
        state = .ejected(until: now + backoff, round: round)
        return .ejected(for: backoff)
    }
}
