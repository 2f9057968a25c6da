import Cluster
import Testing

/// Member 1, the first owner of every key, once member 0 serves beside it.
private final class Together {
    let member: Member
    private(set) var now: UInt64 = 10_000_000

    init() {
        let owners: @Sendable ([UInt8]) -> (first: Int, second: Int?) = { _ in (1, 0) }
        member = Member(
            me: 1, memberCount: 2, process: 1,
            store: ModelStore(me: 1, memberCount: 2, owners: owners), now: now, owners: owners)
        hear(.unknown, time: 1, isFirst: true)
        receive(.compare(round: 1))
        for case .survey(let peer, let number) in effects() {
            member.take(Survey([]), for: peer, number: number, now: now)
        }
        receive(.exchanged(round: 1))
        hear(.together, time: 2, isFirst: false)
        _ = effects()
        now += 1
    }

    private func hear(_ standing: Standing, time: UInt64, isFirst: Bool) {
        let statement = Statement(
            process: 2, time: time, echo: now, standing: standing, isReady: true, waitsSince: 5)
        if isFirst {
            member.linked(0, statement, now: now)
        } else {
            member.heard(0, statement, now: now)
        }
    }

    /// What is to be done, all of it.
    func effects() -> [Member.Effect] {
        var effects: [Member.Effect] = []
        while let effect = member.takeEffect() { effects.append(effect) }
        return effects
    }

    private func hear(_ standing: Standing, waitsSince: UInt64) {
        now += 1
        let statement = Statement(
            process: 2, time: now, echo: now, standing: standing, isReady: waitsSince != 0,
            waitsSince: waitsSince)
        member.heard(0, statement, now: now)
    }

    /// Member 0 has gone on without this one.
    func part() {
        hear(.alone, waitsSince: 0)
        _ = effects()
    }

    /// Until then member 0 takes no request with this number.
    func joinAgain(declining number: OperationNumber) {
        receive(.compare(round: 2))
        for case .survey(let peer, let number) in effects() {
            member.take(Survey([]), for: peer, number: number, now: now)
        }
        receive(.exchanged(round: 2))
        hear(.together, waitsSince: 6)
        receive(.decline(number))
        _ = effects()
        receive(.barrier(since: 6))
    }

    /// The last request that goes to member 0.
    func forwarded() -> Request? {
        var last: Request?
        for case .send(0, .forward(let request, _)) in effects() { last = request }
        return last
    }

    func receive(_ frame: PeerFrame) { member.receive(frame, from: 0, now: now) }

    /// What the other owner is to acknowledge.
    func set(by client: UInt64) throws -> (sequence: UInt32, request: Request) {
        let command = ModelCommand(.set, value: [1]).bytes
        member.ask(client, key: [7], isRead: false, command: command, now: now)
        for case .send(0, .replicate(let sequence, let number, _, _)) in effects() {
            return (
                sequence, Request(number: number, isRead: false, key: [7], command: command)
            )
        }
        throw NothingSent()
    }

    private struct NothingSent: Error {}
}

@Suite(.timeLimit(.minutes(10)))
struct MemberTests {
    @Test("A client is answered, though its command has come back by way of others meanwhile")
    func circle() throws {
        for comesBack in [false, true] {
            let together = Together()
            let (sequence, request) = try together.set(by: 9)
            if comesBack { together.receive(.forward(request, hops: 2)) }
            #expect(together.effects() == [])
            together.receive(.acknowledge(sequence: sequence))
            let outcome = ModelOutcome(.stored).outcome
            #expect(together.effects() == [.reply(9, outcome)])
        }
    }

    /// Else it waits in vain there, and its client for nothing: two of three that are cut off from each other.
    @Test("What only who has sent it reaches goes back to it", arguments: [false, true])
    func wayBack(hasAnother: Bool) {
        let now: UInt64 = 10_000_000
        let owners: @Sendable ([UInt8]) -> (first: Int, second: Int?) = { _ in (0, nil) }
        let member = Member(
            me: 1, memberCount: 4, process: 1,
            store: ModelStore(me: 1, memberCount: 4, owners: owners), now: now, owners: owners)
        for peer in hasAnother ? [2, 3] : [2] {
            let statement = Statement(
                process: UInt64(peer), time: 1, standing: .unknown, hears: [0])
            member.linked(peer, statement, now: now)
        }
        while member.takeEffect() != nil {}
        let request = Request(
            number: OperationNumber(member: 2, worker: 0, count: 5), isRead: true, key: [7],
            command: ModelCommand(.get).bytes)
        member.receive(.forward(request, hops: 1), from: 2, now: now)
        let wanted =
            hasAnother
            ? Member.Effect.send(peer: 3, .forward(request, hops: 2))
            : .send(peer: 2, .decline(request.number))
        #expect(member.takeEffect() == wanted)
        #expect(member.takeEffect() == nil)
    }

    /// Else a deletion that found nothing, and was answered, takes away what was stored since.
    @Test("What came while another was in charge is not carried out before that one was asked")
    func askedFirst() throws {
        for isKnown in [false, true] {
            let together = Together()
            together.part()
            let command = ModelCommand(.delete).bytes
            together.member.ask(
                9, key: [7], isRead: false, command: command, now: together.now)
            let request = try #require(together.forwarded())
            // It waits for a moment, as nobody can tell who decides.
            together.joinAgain(declining: request.number)
            #expect(together.forwarded()?.number == request.number)
            if isKnown {
                together.receive(.outcome(request.number, ModelOutcome(.deleted).outcome))
            } else {
                together.receive(.decline(request.number))
                together.member.tick(now: together.now)
            }
            let answer = ModelOutcome(isKnown ? .deleted : .notFound).outcome
            #expect(together.effects().contains(.reply(9, answer)))
        }
    }

    /// Statements and all else have links of their own, and a short cut may be the end of one of them.
    @Test(
        "What went to somebody of whom nothing comes but statements goes another way",
        arguments: [false, true])
    func secondWay(answersOthers: Bool) throws {
        var now: UInt64 = 10_000_000
        let owners: @Sendable ([UInt8]) -> (first: Int, second: Int?) = { _ in (0, 2) }
        let member = Member(
            me: 1, memberCount: 3, process: 1,
            store: ModelStore(me: 1, memberCount: 3, owners: owners), now: now, owners: owners)
        func state(_ peer: Int, isFirst: Bool = false, process: UInt64 = 5) {
            let statement = Statement(
                process: process, time: now, standing: .together, hears: [0, 1, 2])
            if isFirst {
                member.linked(peer, statement, now: now)
            } else {
                member.heard(peer, statement, now: now)
            }
        }
        func forwards() -> [Int] {
            var peers: [Int] = []
            while let effect = member.takeEffect() {
                if case .send(let peer, .forward) = effect { peers.append(peer) }
            }
            return peers
        }
        for peer in [0, 2] { state(peer, isFirst: true) }
        member.ask(9, key: [7], isRead: true, command: ModelCommand(.get).bytes, now: now)
        #expect(forwards() == [0])
        // By another link it goes again.
        state(0, isFirst: true)
        #expect(forwards() == [0])
        var later: [Int] = []
        for _ in 0..<15 {
            now += 10_000
            for peer in [0, 2] { state(peer) }
            if answersOthers { member.receive(.notes([]), from: 0, now: now) }
            member.tick(now: now)
            later += forwards()
        }
        // Of what one did that has died the other owner knows.
        let command = ModelCommand(.add, value: [1]).bytes
        member.ask(10, key: [7], isRead: false, command: command, now: now)
        #expect(forwards() == [0])
        state(0, isFirst: true, process: 6)
        member.tick(now: now)
        #expect(forwards().filter { $0 == 2 } == [2])
        #expect(later == (answersOthers ? [] : [2]))
        #expect(member.counts.reroutes == (answersOthers ? 0 : 1))
    }

    /// It may have gone on without this member, which knew of nothing.
    @Test("What a peer refuses is made anew of what the peer has")
    func refusal() throws {
        let together = Together()
        let (sequence, request) = try together.set(by: 9)
        let later = KeyState(
            key: [7], stamp: Stamp(birth: .max, version: 1 << 40), kind: .item, value: [5])
        together.receive(.refuse(sequence: sequence, later.stamp))
        #expect(together.effects() == [.send(peer: 0, .fetch(request.number, key: [7]))])
        together.receive(.fetched(request.number, later))
        guard case .send(0, .replicate(sequence + 1, _, _, let state)) = together.effects().first
        else {
            Issue.record("not made anew")
            return
        }
        #expect(state.stamp > later.stamp)
        together.receive(.acknowledge(sequence: sequence + 1))
        #expect(together.effects() == [.reply(9, ModelOutcome(.stored).outcome)])
    }

    /// Behind a value that both owners have one of them has appended another.
    private func appending() -> MemberStage {
        var stage = MemberStage()
        stage.comeTogether()
        stage.ask(1, .set)
        stage.acknowledge()
        stage.ask(2, .append, value: [2])
        return stage
    }

    /// A member appends to what was let go elsewhere; it would be there twice, or once on what has gone.
    @Test("What a peer refuses because it has let everything go is made of nothing")
    func refusedByFlush() throws {
        var stage = appending()
        guard case .replicate(let sequence, let number, _, let appended)? = stage.sent.last else {
            Issue.record("nothing sent")
            return
        }
        #expect(appended.value == [1, 2])
        let flushed = Stamp(endOf: VersionClock.microseconds(of: appended.stamp.version) + 5)
        stage.receive(.refuse(sequence: sequence, flushed))
        // What comes behind it must not see what was refused.
        stage.ask(3, .get)
        #expect(stage.replies == [1])
        stage.receive(.fetched(try #require(number), nil))
        #expect(stage.outcomes.dropFirst() == [.notStored, .miss])
        #expect(stage.store.state(of: [107])?.kind != .item)
    }

    @Test("What was refused by a peer that does not answer any more is done, once")
    func refusedAndAlone() throws {
        var stage = appending()
        guard case .replicate(let sequence, _, _, let appended)? = stage.sent.last else {
            Issue.record("nothing sent")
            return
        }
        stage.receive(.refuse(sequence: sequence, appended.stamp))
        stage.unlink()
        stage.goOn(stage.times.silence + 100_000, isHeard: false)
        #expect(stage.outcomes == [.stored, .stored])
        #expect(stage.store.state(of: [107])?.value == [1, 2])
    }

    @Test("What a peer refuses twice goes to it again with a later stamp, unless there is none")
    func refusals() throws {
        let end = VersionClock.last(of: .max)
        for version in [1 << 40, end - 3 << 14, end, .max] as [UInt64] {
            let together = Together()
            let (sequence, request) = try together.set(by: 9)
            let stamp = Stamp(birth: .max, version: version)
            together.receive(.refuse(sequence: sequence, stamp))
            together.receive(.fetched(request.number, nil))
            _ = together.effects()
            together.receive(.refuse(sequence: sequence + 1, stamp))
            let effects = together.effects()
            if version < end {
                guard case .send(0, .replicate(sequence + 2, _, _, let state)) = effects.first
                else {
                    Issue.record("\(effects)")
                    continue
                }
                #expect(state.stamp > Stamp(birth: .max, version: version))
            } else {
                #expect(effects == [.reply(9, ModelOutcome(.stored).outcome)])
            }
        }
    }

    @Test("What may have been carried out on the other side of a cut is not refused on this one")
    func refusedAfterSent() {
        var stage = MemberStage(isFirst: false, needsMajority: true)
        stage.comeTogether()
        stage.ask(1, .append)
        stage.ask(2, .renew)
        stage.unlink()
        stage.goOn(400_000, isHeard: false)
        #expect(stage.hangUps == [1])
        // A read does no harm.
        #expect(stage.outcomes == [.miss])
        stage.ask(3, .append)
        #expect(stage.outcomes == [.miss, .refused])
    }

    @Test("What may be in a state that somebody brings is not made of it once more")
    func broughtAgain() {
        var stage = MemberStage(isFirst: false)
        stage.comeTogether()
        stage.ask(1, .append)
        stage.unlink()
        // Nobody was asked for this one before.
        stage.ask(2, .append)
        stage.link()
        let stamp = Stamp(birth: 1, version: VersionClock.last(of: stage.store.clock + 1_000))
        stage.receive(
            .inform(nil, nil, KeyState(key: [107], stamp: stamp, kind: .item, value: [1])))
        #expect(stage.hangUps == [1])
    }

    @Test("Nobody lets everything go by a stamp that nothing can be later than")
    func lastFlush() {
        let together = Together()
        let number = OperationNumber(member: 0, worker: 0, count: 1)
        let stamps = [Stamp(endOf: 1), Stamp(birth: .max, version: .max)]
        for stamp in stamps {
            together.receive(.flush(number, stamp, asked: [0, 1]))
            #expect(together.member.store.flushed == stamps[0])
            #expect(
                together.effects().contains {
                    if case .send(0, .flushed(number, _)) = $0 { true } else { false }
                })
        }
    }
}
