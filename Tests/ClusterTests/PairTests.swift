import Testing

@testable import Cluster

/// Two sides of a pair, and a link between them that is as fast as light.
private struct TwoSides {
    var first: Pair
    var second: Pair
    let times = PairTimes()
    var now: UInt64 = 10_000_000

    init(_ one: Standing = .unknown, _ other: Standing = .unknown) {
        first = Pair(me: 0, peer: 1, process: 11, times: times, standing: one, now: now)
        second = Pair(me: 1, peer: 0, process: 22, times: times, standing: other, now: now)
    }

    mutating func link() {
        let (one, other) = (
            first.statement(hears: [], clock: 0, now: now),
            second.statement(hears: [], clock: 0, now: now)
        )
        _ = first.linked(other, now: now)
        _ = second.linked(one, now: now)
        talk()
    }

    /// Both say what they are, several times, and let time go by.
    mutating func talk(_ count: Int = 3) {
        for _ in 0..<count {
            now += 1_000
            _ = first.hear(second.statement(hears: [], clock: 0, now: now), now: now)
            now += 1_000
            _ = second.hear(first.statement(hears: [], clock: 0, now: now), now: now)
        }
    }

    mutating func compare() {
        _ = first.compared(now: now)
        _ = second.compared(now: now)
        talk()
        if first.waitsSince != 0 { _ = second.barrierCame(first.waitsSince, now: now) }
        talk()
        if second.waitsSince != 0 { _ = first.barrierCame(second.waitsSince, now: now) }
        talk()
    }

    mutating func comeTogether() {
        link()
        compare()
    }
}

@Suite(.timeLimit(.minutes(10)))
struct PairTests {
    @Test("Two that have just started serve nothing before all was compared, and then both")
    func start() {
        var sides = TwoSides()
        #expect(sides.first.charge(isFirst: true, now: sides.now) == .undecided)
        sides.link()
        #expect(sides.first.standing == .unknown && sides.second.standing == .unknown)
        sides.compare()
        #expect(sides.first.standing == .together && sides.second.standing == .together)
        #expect(sides.first.charge(isFirst: true, now: sides.now) == .mine(waits: true))
        #expect(sides.second.charge(isFirst: false, now: sides.now) == .peers(readsHere: true))
    }

    @Test(
        "Who comes back asks who served on, until all was compared and what was under way has come")
    func comingBack() {
        var sides = TwoSides(.alone)
        sides.link()
        #expect(sides.second.standing == .behind)
        #expect(sides.second.charge(isFirst: true, now: sides.now) == .peers(readsHere: false))
        #expect(sides.first.charge(isFirst: false, now: sides.now) == .mine(waits: false))
        #expect(sides.first.tellsPeer)
        _ = sides.second.compared(now: sides.now)
        _ = sides.first.compared(now: sides.now)
        sides.talk()
        #expect(sides.first.standing == .together)
        // A barrier has not come.
        #expect(sides.second.standing == .behind)
        _ = sides.second.barrierCame(sides.first.waitsSince, now: sides.now)
        #expect(sides.second.standing == .together)
    }

    @Test("Who hears nothing stops serving before its peer goes on alone")
    func leases() {
        var sides = TwoSides()
        sides.comeTogether()
        let lastHeard = sides.now
        _ = sides.first.unlinked(now: sides.now)
        var servedUntil: UInt64 = 0
        var aloneAt: UInt64?
        while aloneAt == nil, sides.now < lastHeard + 2_000_000 {
            sides.now += 1_000
            _ = sides.first.tick(now: sides.now)
            if sides.first.standing == .alone { aloneAt = sides.now }
            if sides.second.charge(isFirst: false, now: sides.now) == .peers(readsHere: true) {
                servedUntil = sides.now
            }
        }
        #expect(servedUntil > lastHeard + sides.times.lease / 2)
        #expect((aloneAt ?? 0) >= servedUntil + sides.times.margin / 2)
        #expect((aloneAt ?? .max) <= lastHeard + sides.times.lease + sides.times.margin + 2_000)
    }

    @Test(
        "A new process of the peer means that the old one serves nothing: there is nothing to wait for"
    )
    func newProcess() {
        var sides = TwoSides()
        sides.comeTogether()
        sides.second = Pair(me: 1, peer: 0, process: 33, times: sides.times, now: sides.now)
        sides.link()
        #expect(sides.first.standing == .alone)
        #expect(sides.second.standing == .behind)
        sides.compare()
        #expect(sides.first.standing == .together && sides.second.standing == .together)
    }

    @Test(
        "Each of two that do not hear each other serves what it owns first, while others hear both")
    func divided() {
        var sides = TwoSides()
        sides.comeTogether()
        _ = sides.first.unlinked(now: sides.now)
        sides.now += 1_000_000
        _ = sides.first.tick(othersHear: true, now: sides.now)
        #expect(sides.first.standing == .divided)
        #expect(sides.first.charge(isFirst: true, now: sides.now) == .mine(waits: false))
        #expect(sides.first.charge(isFirst: false, now: sides.now) == .peers(readsHere: false))
        sides.now += 1_000_000
        _ = sides.first.tick(othersHear: false, now: sides.now)
        #expect(sides.first.standing == .alone)
    }

    @Test(
        "Who has been stopped does not take the others for silent, and serves nothing until it has heard them"
    )
    func stopped() {
        var sides = TwoSides()
        sides.comeTogether()
        _ = sides.first.tick(now: sides.now)
        sides.now += 30_000_000
        _ = sides.first.tick(now: sides.now)
        #expect(sides.first.standing == .together)
        #expect(sides.first.charge(isFirst: true, now: sides.now) == .undecided)
    }

    @Test(
        "Who may be cut off itself serves nothing, and takes nobody's place before long; a peer that has ended is no such case"
    )
    func isolated() {
        for hasEnded in [false, true] {
            var sides = TwoSides()
            sides.comeTogether()
            if hasEnded { _ = sides.first.unlinked(now: sides.now) }
            let silentSince = sides.now
            while sides.now < silentSince + 2 * sides.times.silence {
                sides.now += 5_000
                _ = sides.first.tick(isIsolated: true, now: sides.now)
            }
            guard !hasEnded else {
                #expect(sides.first.standing == .alone)
                continue
            }
            #expect(sides.first.charge(isFirst: true, now: sides.now) == .undecided)
            // That the link is closed for its silence changes nothing.
            _ = sides.first.unlinked(now: sides.now)
            _ = sides.first.tick(isIsolated: true, now: sides.now)
            #expect(sides.first.charge(isFirst: true, now: sides.now) == .undecided)
            var other = sides
            // Another one is heard: it is the peer that is silent.
            _ = other.first.tick(now: sides.now)
            #expect(other.first.standing == .alone)
            while sides.now <= silentSince + sides.times.solitude + 5_000 {
                sides.now += 5_000
                _ = sides.first.tick(isIsolated: true, now: sides.now)
            }
            #expect(sides.first.standing == .alone)
        }
    }

    @Test(
        "What was said before a cut and comes after it tells nothing of the present: nobody's place is taken before the peer is heard"
    )
    func late() {
        for others in [false, true] {
            var sides = TwoSides()
            sides.comeTogether()
            let late = sides.second.statement(hears: [], clock: 0, now: sides.now)
            func tick(_ microseconds: UInt64, isIsolated: Bool?, others: Bool = false) {
                let end = sides.now + microseconds
                while sides.now < end {
                    sides.now += 5_000
                    _ = sides.first.tick(
                        othersHear: others, isIsolated: isIsolated, now: sides.now)
                }
            }
            tick(1_000_000, isIsolated: true)
            _ = sides.first.hear(late, now: sides.now)
            tick(20_000, isIsolated: true)
            _ = sides.first.unlinked(now: sides.now)
            // Others are there again, and have gone on without this member.
            tick(sides.times.silence, isIsolated: nil, others: others)
            #expect(sides.first.charge(isFirst: true, now: sides.now) == .undecided)
            tick(4 * sides.times.silence, isIsolated: nil, others: others)
            #expect(
                sides.first.charge(isFirst: true, now: sides.now)
                    == (others ? .peers(readsHere: false) : .undecided))
        }
    }

    @Test("Who is heard and acknowledges nothing is given up, whoever else is silent")
    func slow() {
        var sides = TwoSides()
        sides.comeTogether()
        for _ in 0..<120 {
            sides.talk(1)
            _ = sides.first.noteSlow()
            _ = sides.first.tick(isIsolated: true, now: sides.now)
        }
        #expect(sides.first.standing == .alone)
    }

    @Test("Who was cut off and is there again is behind whoever went on without it")
    func reconnected() {
        var sides = TwoSides()
        sides.comeTogether()
        for _ in 0..<200 {
            sides.now += 5_000
            _ = sides.first.tick(now: sides.now)
            _ = sides.second.tick(isIsolated: true, now: sides.now)
        }
        #expect(sides.first.standing == .alone && sides.second.standing == .together)
        sides.link()
        #expect(sides.second.standing == .behind)
        sides.compare()
        #expect(sides.first.standing == .together && sides.second.standing == .together)
    }

    /// The peer has given it up meanwhile, and is in charge of all; the two may be linked late.
    @Test(
        "Who was stopped does not decide beside a peer that others hear",
        arguments: [160_000, 3_000_000] as [UInt64])
    func stopped(microseconds: UInt64) {
        var sides = TwoSides()
        sides.comeTogether()
        sides.now += microseconds
        for _ in 0..<200 {
            _ = sides.first.tick(othersHear: true, isIsolated: false, now: sides.now)
            sides.now += 5_000
        }
        // Nobody is given up for less: the link of the two is cut.
        #expect(sides.first.standing == (microseconds < 300_000 ? .divided : .behind))
    }

    @Test("Whoever knows nothing and finds nobody serves alone after a while")
    func solitude() {
        var sides = TwoSides()
        sides.now += sides.times.solitude
        _ = sides.first.tick(now: sides.now)
        #expect(sides.first.standing == .unknown)
        sides.now += 1
        _ = sides.first.tick(now: sides.now)
        #expect(sides.first.standing == .alone)
    }

    /// What a peer has decided and not been acknowledged is not known here, though it is heard and waits.
    @Test("Two agree up to what each has of the other")
    func agreement() {
        let now: UInt64 = 10_000_000
        var pair = Pair(me: 1, peer: 0, process: 1, times: PairTimes(), now: now)
        func statement(_ standing: Standing, time: UInt64, agreed: UInt64) -> Statement {
            Statement(
                process: 2, time: time, echo: now, standing: standing, isReady: true,
                waitsSince: standing == .together ? 5 : 0, agreed: agreed)
        }
        _ = pair.linked(statement(.unknown, time: 1, agreed: 50), now: now)
        _ = pair.compared(now: now)
        _ = pair.hear(statement(.together, time: 2, agreed: 70), now: now)
        pair.noteAgreed(100, now: now)
        #expect(pair.standing == .together && pair.agreement.until == 0)
        // Now everything from before is here.
        _ = pair.barrierCame(5, now: now)
        pair.noteAgreed(100, now: now)
        #expect(pair.agreement.until == 70)
        _ = pair.hear(statement(.together, time: 3, agreed: 200), now: now)
        pair.noteAgreed(110, now: now)
        #expect(pair.agreement.until == 110)
        // The lease is over: it may go on alone.
        pair.noteAgreed(150, now: now + pair.times.lease)
        #expect(pair.agreement.until == 110)
    }
}
