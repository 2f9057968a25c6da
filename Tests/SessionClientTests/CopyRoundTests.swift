import Testing

@testable import SessionClient

@Suite(.timeLimit(.minutes(10)))
struct CopyRoundTests {
    /// A round that has enough with so many answers.
    private func round(of placeCount: Int, enough: Int) -> CopyRound<String> {
        CopyRound(placeCount: placeCount) { $0.count >= enough }
    }

    @Test("Stragglers are timed once, as soon as there is enough, and all are waited for")
    func stragglers() {
        var round = round(of: 3, enough: 2)
        #expect(round.begin() == .wait)
        #expect(round.receive("c", from: 2) == .wait)
        #expect(round.receive("a", from: 0) == .timeStragglers)
        #expect(round.receive("b", from: 1) == .end)
        #expect(round.result.map(\.answer) == ["a", "b", "c"])
        #expect(round.result.map(\.place) == [0, 1, 2])
    }

    @Test("Where nothing has to be waited for, the time begins at once, and not again")
    func atOnce() {
        var round = round(of: 3, enough: 0)
        #expect(round.begin() == .timeStragglers)
        #expect(round.receive("a", from: 0) == .wait)
        #expect(round.receive("b", from: 1) == .wait)
        #expect(round.receive("c", from: 2) == .end)
    }

    @Test("A round that never has enough ends with its last answer; one of nobody is over")
    func never() {
        var hopeless = round(of: 2, enough: 5)
        #expect(hopeless.begin() == .wait)
        #expect(hopeless.receive("a", from: 0) == .wait)
        #expect(hopeless.receive("b", from: 1) == .end)
        var empty = round(of: 0, enough: 0)
        #expect(empty.begin() == .end)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct CopyPushTests {
    @Test("An older copy is stored over, exactly where it was seen")
    func older() {
        var push = CopyPush(to: 9, over: 4)
        #expect(push.begin() == .store(over: 4))
        #expect(push.stored(true) == .finish(true))
    }

    @Test("What is as new or newer is let be", arguments: [9, 10, .max] as [UInt64])
    func newer(known: UInt64) {
        var push = CopyPush(to: 9, over: known)
        #expect(push.begin() == .finish(true))
    }

    @Test("Who was there in between is looked at: an older one is tried again, a newer one wins")
    func between() {
        var push = CopyPush(to: 9, over: 0)
        #expect(push.begin() == .store(over: 0))
        #expect(push.stored(false) == .look)
        #expect(push.seen(5) == .store(over: 5))
        #expect(push.stored(false) == .look)
        #expect(push.seen(0) == .store(over: 0))
        #expect(push.stored(false) == .look)
        #expect(push.seen(11) == .finish(true))
    }

    @Test("It is tried eight times")
    func attempts() {
        var push = CopyPush(to: 9, over: 0)
        var step = push.begin()
        for number in 1...8 {
            #expect(step == .store(over: 0), "attempt \(number)")
            #expect(push.stored(false) == .look)
            step = push.seen(0)
        }
        #expect(step == .finish(false))
    }
}
