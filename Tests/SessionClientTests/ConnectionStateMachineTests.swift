import Testing

@testable import SessionClient

private let start = Instant.now

private func at(_ milliseconds: Int64) -> Instant {
    start + .milliseconds(milliseconds)
}

private func gets(_ count: Int = 1, deadline: Instant = at(1_000)) -> Exchange {
    Exchange(
        (0..<count).map { _ in .get(.init(key: "k")) }, deadline: deadline)
}

/// A machine, and what a test does to it.
private final class Conversation {
    var machine: ConnectionStateMachine

    init(logsIn: Bool = false) {
        machine = ConnectionStateMachine(
            limits: .init(
                inFlightCountMax: 4, connectTimeout: .milliseconds(100),
                silenceTimeout: .milliseconds(300)),
            firstOpaque: 1_000, logsIn: logsIn)
    }

    /// One whose node has answered the greeting, at time 0.
    static func ready() -> Conversation {
        let conversation = Conversation()
        _ = conversation.machine.submit(gets(), now: at(0))
        _ = conversation.connected()
        _ = conversation.receive(NodeReply(.noop))
        _ = conversation.send(now: at(0))
        _ = conversation.receive(NodeReply(.miss, opaque: 1_000))
        return conversation
    }

    /// The first tokens of all that can be sent now.
    func send(now: Instant) -> [UInt64] {
        var opaques: [UInt64] = []
        while let sending = machine.nextToSend(now: now) { opaques.append(sending.firstOpaque) }
        return opaques
    }

    func submit(_ exchange: Exchange, now: Instant = at(0)) {
        #expect(machine.submit(exchange, now: now) == .waits)
    }

    func connected() -> Bool { machine.connected() != nil }

    func receive(_ reply: NodeReply) -> ConnectionStateMachine.Receipt { machine.receive(reply) }
}

extension ConnectionStateMachine.Receipt {
    fileprivate var isViolation: Bool { if case .violation = self { true } else { false } }
    fileprivate var isPart: Bool { if case .part = self { true } else { false } }
    fileprivate func completes(_ exchange: Exchange) -> Bool {
        if case .complete(exchange, _) = self { true } else { false }
    }
    fileprivate func refuses(_ exchange: Exchange) -> Bool {
        if case .refused(exchange, _) = self { true } else { false }
    }
}

extension Exchange: Equatable {
    static func == (one: Exchange, other: Exchange) -> Bool { one === other }
}

@Suite(.timeLimit(.minutes(10)))
struct ConnectionStateMachineTests {
    @Test(
        "The first exchange connects, is greeted, and is then sent with those that came meanwhile")
    func connecting() {
        let conversation = Conversation()
        let (first, second) = (gets(), gets())
        #expect(conversation.machine.submit(first, now: at(0)) == .connect)
        conversation.submit(second)
        #expect(conversation.send(now: at(1)) == [])
        #expect(conversation.connected())
        #expect(conversation.send(now: at(1)) == [])
        guard case .ready = conversation.receive(NodeReply(.noop)) else {
            Issue.record("the greeting was answered")
            return
        }
        #expect(conversation.send(now: at(2)) == [1_000, 1_001])
        #expect(
            conversation.receive(NodeReply(.miss, opaque: 1_000)).completes(first))
        #expect(
            conversation.receive(NodeReply(.miss, opaque: 1_001)).completes(second))
        #expect(conversation.machine.inFlightCount == 0)
    }

    @Test("A node that answers the greeting with anything else is none")
    func greeting() {
        for status: NodeReply.Status in [
            .done, .miss, .unknownCommand("ERROR Too many open connections"),
            .serverError("SERVER_ERROR"), .clientError("CLIENT_ERROR"), .description("ME"),
        ] {
            let conversation = Conversation()
            _ = conversation.machine.submit(gets(), now: at(0))
            _ = conversation.connected()
            #expect(conversation.receive(NodeReply(status)).isViolation, "\(status)")
        }
    }

    @Test("With credentials the login comes first, and is greeted after its answer")
    func login() {
        let conversation = Conversation(logsIn: true)
        let exchange = gets()
        #expect(conversation.machine.submit(exchange, now: at(0)) == .connect)
        #expect(conversation.machine.connected() == .login)
        #expect(conversation.send(now: at(1)) == [])
        guard case .loggedIn = conversation.receive(NodeReply(.stored)) else {
            Issue.record("not let in")
            return
        }
        #expect(conversation.send(now: at(1)) == [])
        guard case .ready = conversation.receive(NodeReply(.noop)) else {
            Issue.record("the greeting was answered")
            return
        }
        #expect(conversation.send(now: at(2)) == [1_000])
        // Nothing else is answered so.
        #expect(conversation.receive(NodeReply(.stored)).isViolation)
    }

    @Test("A login that is refused, and one that is missing, are failed authentications")
    func keptOut() {
        for (logsIn, text) in [
            (true, "CLIENT_ERROR authentication failure"), (false, "CLIENT_ERROR unauthenticated"),
        ] {
            let conversation = Conversation(logsIn: logsIn)
            _ = conversation.machine.submit(gets(), now: at(0))
            _ = conversation.connected()
            guard case .keptOut(let error) = conversation.receive(NodeReply(.clientError(text)))
            else {
                Issue.record("let in")
                continue
            }
            #expect(error == CacheError(.authenticationFailed, reason: text))
        }
        let ready = Conversation.ready()
        let exchange = gets()
        ready.submit(exchange)
        _ = ready.send(now: at(1))
        let reply = NodeReply(.clientError("CLIENT_ERROR unauthenticated"))
        guard case .refused(exchange, let error) = ready.receive(reply) else {
            Issue.record("not refused")
            return
        }
        #expect(error.code == .authenticationFailed)
    }

    @Test("A node that does not answer a login is given up as one that does not answer at all")
    func silentLogin() {
        let conversation = Conversation(logsIn: true)
        _ = conversation.machine.submit(gets(), now: at(0))
        _ = conversation.connected()
        #expect(conversation.machine.tick(now: at(99)).closes == nil)
        #expect(conversation.machine.tick(now: at(100)).closes?.code == .nodeUnavailable)
    }

    @Test("Somebody else's reply is told, whatever it says")
    func foreignReply() {
        for opaque: UInt64? in [1_000, 1_002, 0, .max, nil] {
            let conversation = Conversation.ready()
            conversation.submit(gets())
            #expect(conversation.send(now: at(1)) == [1_001])
            #expect(conversation.receive(NodeReply(.miss, opaque: opaque)).isViolation)
        }
    }

    @Test("A reply that nobody asked for is told, also a no-op's")
    func unaskedReply() {
        let conversation = Conversation.ready()
        #expect(conversation.receive(NodeReply(.miss, opaque: 1_000)).isViolation)
        let other = Conversation.ready()
        other.submit(gets())
        _ = other.send(now: at(1))
        #expect(other.receive(NodeReply(.noop, opaque: 1_001)).isViolation)
        let idle = Conversation()
        #expect(idle.receive(NodeReply(.noop)).isViolation)
    }

    @Test("An exchange of several requests is complete with its last reply")
    func batch() {
        let conversation = Conversation.ready()
        let exchange = gets(3)
        conversation.submit(exchange)
        #expect(conversation.send(now: at(1)) == [1_001])
        #expect(conversation.machine.inFlightCount == 3)
        #expect(conversation.receive(NodeReply(.miss, opaque: 1_001)).isPart)
        // A server's error has no token; it takes its place.
        #expect(conversation.receive(NodeReply(.serverError("SERVER_ERROR"))).isPart)
        guard
            case .complete(exchange, let replies) = conversation.receive(
                NodeReply(.done, opaque: 1_003))
        else {
            Issue.record("not complete")
            return
        }
        #expect(
            replies.map(\.status) == [.miss, .serverError("SERVER_ERROR"), .done])
        #expect(conversation.machine.inFlightCount == 0)
    }

    @Test(
        "What the node does not understand is refused, but for arithmetic's complaint of the item")
    func refused() {
        let conversation = Conversation.ready()
        let (first, second) = (gets(2), gets())
        conversation.submit(first)
        conversation.submit(second)
        _ = conversation.send(now: at(1))
        #expect(conversation.receive(NodeReply(.clientError("C"))).refuses(first))
        #expect(conversation.machine.inFlightCount == 1)
        #expect(conversation.receive(NodeReply(.unknownCommand("ERROR"))).refuses(second))
        #expect(conversation.machine.inFlightCount == 0)
        let arithmetic = Exchange(
            [.arithmetic(.init(key: "k", delta: 1))], deadline: at(1_000))
        conversation.submit(arithmetic)
        _ = conversation.send(now: at(1))
        #expect(conversation.receive(NodeReply(.clientError("C"))).completes(arithmetic))
    }

    @Test("At most so many requests are in flight, and replies make room", arguments: [3, 4, 5])
    func inFlightBound(count: Int) {
        let conversation = Conversation.ready()
        for _ in 0..<count { conversation.submit(gets()) }
        let sent = conversation.send(now: at(1))
        #expect(sent.count == min(count, 4))
        #expect(conversation.send(now: at(1)) == [])
        _ = conversation.receive(NodeReply(.miss, opaque: 1_001))
        #expect(conversation.send(now: at(1)) == (count > 4 ? [1_005] : []))
    }

    @Test("An exchange that is larger than the limit goes alone")
    func largeExchange() {
        let conversation = Conversation.ready()
        conversation.submit(gets())
        conversation.submit(gets(9))
        conversation.submit(gets())
        #expect(conversation.send(now: at(1)) == [1_001])
        _ = conversation.receive(NodeReply(.miss, opaque: 1_001))
        #expect(conversation.send(now: at(1)) == [1_002])
        #expect(conversation.machine.inFlightCount == 9)
    }

    @Test("A peer that does not read is not written to")
    func unwritable() {
        let conversation = Conversation.ready()
        conversation.machine.setWritable(false)
        conversation.submit(gets())
        #expect(conversation.send(now: at(1)) == [])
        conversation.machine.setWritable(true)
        #expect(conversation.send(now: at(1)) == [1_001])
    }

    @Test("What was cancelled before it was sent is not sent")
    func cancelledEarly() {
        let conversation = Conversation.ready()
        let (first, second) = (gets(), gets())
        conversation.submit(first)
        conversation.submit(second)
        first.fail(CacheError(.cancelled), wasSent: false)
        #expect(conversation.send(now: at(1)) == [1_001])
        #expect(
            conversation.receive(NodeReply(.miss, opaque: 1_001)).completes(second))
    }

    @Test("What comes too late to be sent is not sent, and has failed")
    func late() {
        let conversation = Conversation.ready()
        let (first, second) = (gets(deadline: at(10)), gets())
        conversation.submit(first)
        conversation.submit(second)
        #expect(conversation.send(now: at(10)) == [1_001])
        #expect(conversation.machine.takeDropped() == [first])
        #expect(
            conversation.receive(NodeReply(.miss, opaque: 1_001)).completes(second))
        let inTime = gets(deadline: at(10))
        conversation.submit(inTime)
        #expect(conversation.send(now: at(9)) == [1_002])
    }

    @Test("The reply to what was cancelled later is awaited, and harms no other")
    func cancelledLate() {
        let conversation = Conversation.ready()
        let (first, second) = (gets(), gets())
        conversation.submit(first)
        conversation.submit(second)
        _ = conversation.send(now: at(1))
        first.fail(CacheError(.cancelled), wasSent: true)
        #expect(conversation.machine.inFlightCount == 2)
        #expect(conversation.receive(NodeReply(.done, opaque: 1_001)).completes(first))
        #expect(conversation.receive(NodeReply(.miss, opaque: 1_002)).completes(second))
    }

    @Test("What is lost tells what was sent and what was not")
    func lost() {
        let conversation = Conversation.ready()
        let exchanges = (0..<6).map { _ in gets() }
        for exchange in exchanges { conversation.submit(exchange) }
        _ = conversation.send(now: at(1))
        let lost = conversation.machine.lost()
        #expect(lost.inFlight == Array(exchanges[..<4]))
        #expect(lost.waiting == Array(exchanges[4...]))
        #expect(conversation.machine.phase == .idle)
        #expect(conversation.machine.inFlightCount == 0)
        #expect(conversation.machine.submit(gets(), now: at(2)) == .connect)
    }

    @Test("After the shut-down nothing is taken")
    func shutDown() {
        let conversation = Conversation.ready()
        conversation.machine.shutDown()
        _ = conversation.machine.lost()
        #expect(conversation.machine.phase == .closed)
        #expect(
            conversation.machine.submit(gets(), now: at(1)) == .refused(CacheError(.shutDown)))
        #expect(!conversation.connected())
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ConnectionTimeTests {
    @Test("Deadlines are told, in flight or waiting, and only once they have come")
    func deadlines() {
        let conversation = Conversation.ready()
        let exchanges = (0..<6).map { gets(deadline: at(10 + Int64($0))) }
        for exchange in exchanges { conversation.submit(exchange) }
        _ = conversation.send(now: at(1))
        let early = conversation.machine.tick(now: at(9))
        #expect(early.late.isEmpty)
        #expect(early.next == at(10))
        let first = conversation.machine.tick(now: at(10))
        #expect(first.late.map(\.exchange) == [exchanges[0]])
        #expect(first.next == at(11))
        for late in first.late { late.exchange.fail(CacheError(.deadlineExceeded), wasSent: true) }
        let rest = conversation.machine.tick(now: at(15))
        #expect(rest.late.filter(\.wasSent).map(\.exchange) == Array(exchanges[1..<4]))
        #expect(rest.late.filter { !$0.wasSent }.map(\.exchange) == Array(exchanges[4...]))
        #expect(rest.closes == nil)
        // Those that wait are gone; of those in flight the replies are still due.
        #expect(conversation.machine.inFlightCount == 4)
        #expect(conversation.machine.lost().waiting == [])
    }

    @Test("An attempt to connect has its time, the greeting included")
    func connectTimeout() {
        for greets in [false, true] {
            let conversation = Conversation()
            _ = conversation.machine.submit(gets(), now: at(50))
            if greets { _ = conversation.connected() }
            let early = conversation.machine.tick(now: at(149))
            #expect(early.closes == nil)
            #expect(early.next == at(150))
            #expect(conversation.machine.tick(now: at(150)).closes?.code == .nodeUnavailable)
        }
    }

    @Test("A node is taken for hung when replies are due and nothing comes for a while")
    func silence() {
        let conversation = Conversation.ready()
        #expect(conversation.machine.tick(now: at(10_000)).closes == nil)
        conversation.submit(gets(deadline: at(20_000)), now: at(10_000))
        conversation.submit(gets(deadline: at(20_000)), now: at(10_000))
        _ = conversation.send(now: at(10_000))
        #expect(conversation.machine.tick(now: at(10_299)).closes == nil)
        #expect(conversation.machine.tick(now: at(10_299)).next == at(10_300))
        conversation.machine.heard(now: at(10_299))
        #expect(conversation.machine.tick(now: at(10_300)).closes == nil)
        #expect(conversation.machine.tick(now: at(10_598)).next == at(10_599))
        #expect(conversation.machine.tick(now: at(10_599)).closes?.code == .connectionLost)
    }

    @Test("When all is answered, nothing has to be looked at again")
    func noNextTick() {
        let conversation = Conversation.ready()
        #expect(conversation.machine.tick(now: at(1)).next == nil)
        let exchange = gets(deadline: at(500))
        conversation.submit(exchange)
        _ = conversation.send(now: at(1))
        #expect(conversation.machine.patienceEnd == at(301))
        _ = conversation.receive(NodeReply(.miss, opaque: 1_001))
        #expect(conversation.machine.patienceEnd == nil)
        #expect(conversation.machine.tick(now: at(2)).next == nil)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ExchangeTests {
    @Test("The first to settle it decides")
    func settlesOnce() async {
        let exchange = gets()
        #expect(!exchange.isSettled)
        #expect(exchange.settle(.success([NodeReply(.miss)])))
        #expect(!exchange.settle(.success([])))
        exchange.fail(CacheError(.cancelled), wasSent: true)
        #expect(await exchange.outcome() == .success([NodeReply(.miss)]))
    }

    @Test("A cancelled task does not wait")
    func cancelled() async {
        let exchange = gets()
        let task = Task { await exchange.outcome() }
        task.cancel()
        let failure = Exchange.Failure(error: CacheError(.cancelled), wasSent: true)
        #expect(await task.value == .failure(failure))
        #expect(exchange.isSettled)
    }

    @Test("In a task that was cancelled before, nothing is begun", arguments: [false, true])
    func cancelledBefore(isCancelled: Bool) async {
        let task = Task {
            if isCancelled { withUnsafeCurrentTask { $0?.cancel() } }
            var wasBegun = false
            let outcome = await gets().outcome { exchange throws(CacheError) in
                wasBegun = true
                throw CacheError(.overloaded)
            }
            return (wasBegun, outcome)
        }
        let (wasBegun, outcome) = await task.value
        #expect(wasBegun == !isCancelled)
        guard case .failure(let failure) = outcome else {
            Issue.record("there are no replies")
            return
        }
        #expect(failure.error.code == (isCancelled ? .cancelled : .overloaded))
    }
}
