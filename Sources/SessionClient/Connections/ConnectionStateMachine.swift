import DequeModule
import MemcacheProtocol

/// What one connection to a node is about, without any I/O.
///
///     idle ──submit──> connecting ──connected──> loggingIn ──STORED──> greeting ──MN──> ready
///       ^                  │                        │                     │               │
///       └──────────────────┴─────────────── failed, refused, lost ────────┴───────────────┘
///
/// Without credentials nobody logs in. Shut down, it is closed, wherever it was.
///
/// Goals: replies go to the requests that they answer, or the connection is closed; nothing waits
/// beyond its deadline; at most `inFlightCountMax` requests are unanswered on the wire.
/// Not goals: choosing a node, knowing its health, reconnecting before there is something to send.
///
/// Invariants: nothing is in flight unless the connection is ready; `inFlightCount` is the number of
/// requests in flight that are not answered.
struct ConnectionStateMachine {
    struct Limits: Sendable {
        var inFlightCountMax: Int
        /// From the beginning of an attempt to the node's first answer.
        var connectTimeout: Duration
        /// So long without a byte while replies are due, and the node is taken for hung.
        var silenceTimeout: Duration
    }

    enum Phase: Equatable, Sendable {
        case idle
        case connecting(since: Instant)
        case loggingIn(since: Instant)
        case greeting(since: Instant)
        case ready
        case closed
    }

    /// An exchange on the wire.
    private struct InFlight {
        let exchange: Exchange
        /// The token of its first request; the others follow.
        let firstOpaque: UInt64
        let sent: Instant
        var replies: [NodeReply] = []
    }

    let limits: Limits
    private let logsIn: Bool
    private(set) var phase = Phase.idle
    private var waiting: Deque<Exchange> = []
    private var inFlight: Deque<InFlight> = []
    private(set) var inFlightCount = 0
    /// Settled by others before they were sent, or too late to be sent.
    private var dropped: [Exchange] = []
    private var isWritable = true
    private var nextOpaque: UInt64
    private var lastHeard: Instant?

    /// - Parameters:
    ///   - firstOpaque: unlike that of other connections, so that their replies are recognised.
    ///   - logsIn: whether there are credentials.
    init(limits: Limits, firstOpaque: UInt64, logsIn: Bool = false) {
        self.limits = limits
        self.logsIn = logsIn
        nextOpaque = firstOpaque
    }

    // MARK: Sending

    enum Submission: Equatable {
        /// It will be sent with the next `nextToSend`, or when the connection is ready.
        case waits
        /// It waits, and somebody has to connect.
        case connect
        case refused(CacheError)
    }

    mutating func submit(_ exchange: Exchange, now: Instant) -> Submission {
        switch phase {
        case .closed: return .refused(CacheError(.shutDown))
        case .idle:
            waiting.append(exchange)
            phase = .connecting(since: now)
            return .connect
        case .connecting, .loggingIn, .greeting, .ready:
            waiting.append(exchange)
            return .waits
        }
    }

    /// The next exchange that can be sent now, with the token of its first request. Those that were
    /// cancelled or came too late are left out.
    mutating func nextToSend(now: Instant) -> (exchange: Exchange, firstOpaque: UInt64)? {
        guard phase == .ready, isWritable else { return nil }
        while let exchange = waiting.first {
            // Whoever is told that it failed must not see it carried out after that.
            guard !exchange.isSettled, now < exchange.deadline else {
                dropped.append(waiting.removeFirst())
                continue
            }
            let count = exchange.requests.count
            // A single exchange that is larger than the limit goes alone.
            guard inFlightCount + count <= limits.inFlightCountMax || inFlightCount == 0 else {
                return nil
            }
            waiting.removeFirst()
            let firstOpaque = nextOpaque
            nextOpaque &+= UInt64(count)
            if inFlight.isEmpty { lastHeard = now }
            inFlight.append(InFlight(exchange: exchange, firstOpaque: firstOpaque, sent: now))
            inFlightCount += count
            return (exchange, firstOpaque)
        }
        return nil
    }

    /// Those that were left out since the last time.
    mutating func takeDropped() -> [Exchange] {
        defer { dropped.removeAll() }
        return dropped
    }

    mutating func setWritable(_ isWritable: Bool) { self.isWritable = isWritable }

    // MARK: Connecting

    /// What is to be sent before any request.
    enum Opening {
        case login
        /// A no-op.
        case greeting
    }

    /// - Returns: what is to be sent now; nil if this connection is not wanted any more.
    mutating func connected() -> Opening? {
        guard case .connecting(let since) = phase else { return nil }
        phase = logsIn ? .loggingIn(since: since) : .greeting(since: since)
        isWritable = true
        return logsIn ? .login : .greeting
    }

    /// The connection could not be made, broke, or has to be closed.
    ///
    /// - Returns: what was on it; none of it will be sent or answered.
    mutating func lost() -> (inFlight: [Exchange], waiting: [Exchange]) {
        if phase != .closed { phase = .idle }
        let lost = (inFlight.map(\.exchange), Array(waiting))
        inFlight.removeAll()
        waiting.removeAll()
        inFlightCount = 0
        return lost
    }

    /// The answer to a login is due.
    var isLoggingIn: Bool { if case .loggingIn = phase { true } else { false } }

    /// Nothing waits and nothing is in flight.
    var isUnused: Bool { waiting.isEmpty && inFlight.isEmpty }

    mutating func shutDown() { phase = .closed }

    // MARK: Receiving

    enum Receipt {
        /// The node has let the client in, and is to be greeted now.
        case loggedIn
        /// The node does not let the client in.
        case keptOut(CacheError)
        /// The node answered the greeting.
        case ready
        /// More replies of its exchange are due.
        case part
        case complete(Exchange, [NodeReply])
        /// The node did not understand it, and where its next command begins is doubtful.
        case refused(Exchange, CacheError)
        /// Not what was asked for.
        case violation(reason: String)
    }

    mutating func heard(now: Instant) { lastHeard = now }

    mutating func receive(_ reply: NodeReply) -> Receipt {
        switch phase {
        case .loggingIn(let since): return receiveLogin(reply, since)
        case .greeting: return receiveGreeting(reply)
        case .ready: return receiveAnswer(reply)
        case .idle, .connecting, .closed:
            return .violation(reason: "a reply on a connection that is not open")
        }
    }

    private mutating func receiveLogin(_ reply: NodeReply, _ since: Instant) -> Receipt {
        switch reply.status {
        case .stored:
            phase = .greeting(since: since)
            return .loggedIn
        case .clientError(let text):
            return .keptOut(CacheError(.authenticationFailed, reason: text))
        case .unknownCommand(let text), .serverError(let text): return .violation(reason: text)
        default: return .violation(reason: "a reply that nobody asked for")
        }
    }

    private mutating func receiveGreeting(_ reply: NodeReply) -> Receipt {
        switch reply.status {
        case .noop:
            phase = .ready
            return .ready
        case .clientError(LoginRequest.needed):
            return .keptOut(CacheError(.authenticationFailed, reason: LoginRequest.needed))
        case .unknownCommand(let text), .clientError(let text), .serverError(let text):
            return .violation(reason: text)
        default: return .violation(reason: "a reply that nobody asked for")
        }
    }

    private mutating func receiveAnswer(_ reply: NodeReply) -> Receipt {
        guard let exchange = inFlight.first?.exchange else {
            return .violation(reason: "a reply that nobody asked for")
        }
        let place = inFlight[0].replies.count
        let opaque = inFlight[0].firstOpaque &+ UInt64(place)
        let request = exchange.requests[place]
        switch reply.status {
        case .unknownCommand(let text): return refuseFirst(text)
        case .clientError(let text) where !request.mayBeRefusedForItsItem: return refuseFirst(text)
        default: break
        }
        guard Self.isAnswer(reply, to: request, opaque: opaque) else {
            return .violation(reason: "somebody else's reply")
        }
        inFlightCount -= 1
        // In place: the replies of a long exchange would be copied for each.
        inFlight[0].replies.append(reply)
        guard place + 1 == exchange.requests.count else { return .part }
        return .complete(exchange, inFlight.removeFirst().replies)
    }

    private static func isAnswer(
        _ reply: NodeReply, to request: NodeRequest, opaque: UInt64
    ) -> Bool {
        // Errors carry no token: they are told by their place.
        if reply.isError { return true }
        if case .noop = request { return reply.status == .noop }
        return reply.opaque == opaque && reply.status != .noop
    }

    private mutating func refuseFirst(_ text: String) -> Receipt {
        let first = inFlight.removeFirst()
        inFlightCount -= first.exchange.requests.count - first.replies.count
        let code: CacheError.Code =
            text == LoginRequest.needed ? .authenticationFailed : .refused
        return .refused(first.exchange, CacheError(code, reason: text))
    }

    // MARK: Time

    struct Tick {
        /// Their deadlines are over.
        var late: [(exchange: Exchange, wasSent: Bool)] = []
        /// The attempt to connect took too long, or the node is silent: the connection is to be closed.
        var closes: CacheError?
        /// When to come again.
        var next: Instant?
    }

    mutating func tick(now: Instant) -> Tick {
        var tick = Tick()
        var next: Instant?
        func comeAgain(_ time: Instant) { next = min(next ?? time, time) }
        waiting.removeAll { exchange in
            if exchange.isSettled {
                dropped.append(exchange)
            } else if exchange.deadline <= now {
                tick.late.append((exchange, false))
            } else {
                comeAgain(exchange.deadline)
                return false
            }
            return true
        }
        // These stay: their replies are still to come, and to be dropped.
        for item in inFlight where !item.exchange.isSettled {
            if item.exchange.deadline <= now {
                tick.late.append((item.exchange, true))
            } else {
                comeAgain(item.exchange.deadline)
            }
        }
        if let (end, error) = patience() {
            if end <= now { tick.closes = error } else { comeAgain(end) }
        }
        tick.next = next
        return tick
    }

    /// Until when the node has to be heard, if it has.
    private func patience() -> (end: Instant, error: CacheError)? {
        switch phase {
        case .connecting(let since), .loggingIn(let since), .greeting(let since):
            let error = CacheError(.nodeUnavailable, reason: "no answer to an attempt to connect")
            return (since + limits.connectTimeout, error)
        case .ready:
            guard let first = inFlight.first else { return nil }
            let error = CacheError(.connectionLost, reason: "the node is silent")
            return (max(first.sent, lastHeard ?? first.sent) + limits.silenceTimeout, error)
        case .idle, .closed: return nil
        }
    }

    /// When the node has to be heard at the latest, if it has.
    var patienceEnd: Instant? { patience()?.end }
}
