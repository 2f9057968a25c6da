import Testing

@testable import Cluster

/// From one generation of the definition to the next, rule by rule. All keys have the same owners.
@Suite(.timeLimit(.minutes(10)))
struct ChangeTests {
    private let first = ChangeStage.generation(1, [0, 1], [0, 1])
    /// Member 2 joins, and takes member 1's place.
    private let joined = ChangeStage.generation(2, [0, 1, 2], [2, 0])
    /// Member 2 joins, and owns everything together with member 1, which is not the first one any more.
    private let left = ChangeStage.generation(2, [1, 2], [2, 1])

    /// Members 0 and 1, which serve.
    private func stage() -> ChangeStage {
        let stage = ChangeStage()
        stage.start(0, by: first)
        stage.start(1, by: first)
        stage.goOn(200)
        return stage
    }

    /// Member 2 is there, too, and lets the others know of the change.
    private func stageWithNewcomer(
        _ next: Generation, isKnown: Bool = true,
        holding holds: @escaping (Int, Int, PeerFrame) -> Bool = { _, _, _ in false }
    ) -> ChangeStage {
        let stage = stage()
        let client = stage.ask(0, .set, 1)
        #expect(stage.told[client]?.result == .stored)
        stage.holds = holds
        if isKnown { stage.generations = [next.number: next] }
        stage.start(2, by: first)
        stage.change(2, to: next)
        return stage
    }

    private func isMoved(_ frame: PeerFrame) -> Bool {
        if case .moved = frame { true } else { false }
    }

    private func isInform(_ frame: PeerFrame) -> Bool {
        if case .inform = frame { true } else { false }
    }

    @Test("Who joins has everything, decides on it, and who owns it no more has nothing")
    func joins() {
        let stage = stageWithNewcomer(joined)
        stage.goOn(300)
        for number in 0...2 {
            #expect(stage.members[number]?.generation == 2)
            #expect(stage.members[number]?.phase == .settled)
            #expect(stage.members[number]?.isEverybodyHere == true)
        }
        #expect(stage.value(0) == [1] && stage.value(2) == [1] && stage.value(1) == nil)
        for number in 0...2 {
            let client = stage.ask(number, .append, 2)
            #expect(stage.told[client]?.result == .stored)
        }
        #expect(stage.value(0) == [1, 2, 2, 2] && stage.value(2) == stage.value(0))
        #expect(stage.value(1) == nil)
    }

    @Test(
        "Who leaves passes on, has nothing, and decides on nothing, also after it was started again"
    )
    func leaves() {
        let stage = stageWithNewcomer(left)
        stage.goOn(300)
        #expect(stage.members[0]?.phase == .settled && stage.value(0) == nil)
        #expect(stage.value(1) == [1] && stage.value(2) == [1])
        #expect(stage.members[1]?.peers == [2])
        let client = stage.ask(0, .get)
        #expect(stage.told[client] == ModelOutcome(.hit, value: [1]))
        // What it had before nobody takes.
        stage.stop(0)
        let deletion = stage.ask(1, .delete)
        #expect(stage.told[deletion]?.result == .deleted)
        _ = stage.stores[0]?.perform(
            Request(
                number: OperationNumber(member: 0, worker: 0, count: 1), isRead: false, key: [7],
                command: ModelCommand(.set, value: [9]).bytes))
        stage.start(0, by: first)
        stage.goOn(300)
        #expect(stage.value(1) == [] && stage.value(2) == [] && stage.value(0) == nil)
        let read = stage.ask(0, .get)
        #expect(stage.told[read]?.result == .miss)
    }

    @Test("What is changed meanwhile goes to who is to own it as soon as it is settled, not before")
    func tells() {
        // Member 1 does not let anybody know that it has compared.
        let stage = stageWithNewcomer(joined) { from, _, frame in
            if case .exchanged = frame { from == 1 } else { false }
        }
        stage.goOn(100)
        #expect(stage.members[0]?.phase == .transferring)
        stage.holds = { from, _, frame in
            if case .exchanged = frame { return from == 1 }
            if case .acknowledge = frame { return from == 1 }
            return false
        }
        let count = stage.sent.count
        let client = stage.ask(0, .set, 3)
        #expect(stage.told[client] == nil)
        #expect(!stage.sent[count...].contains { $0.to == 2 && isInform($0.frame) })
        stage.holds = { _, _, _ in false }
        #expect(stage.told[client]?.result == .stored)
        #expect(stage.value(2) == [3])
    }

    @Test("Nothing is decided or read by the later generation before the earlier owners' words")
    func words() {
        let stage = stageWithNewcomer(joined) { from, to, frame in
            from == 1 && to == 2 && self.isMoved(frame)
        }
        stage.goOn(60)
        #expect(stage.members[2]?.generation == 2 && stage.members[2]?.phase == .moving)
        #expect(stage.members[2]?.readableUntil([7]) == 0)
        // Nor by the earlier one: nobody owns it that would not wait for member 2.
        let read = stage.ask(2, .get)
        let change = stage.ask(0, .append, 2)
        let other = stage.ask(1, .get)
        stage.goOn(20)
        for client in [read, change, other] { #expect(stage.told[client] == nil) }
        stage.holds = { _, _, _ in false }
        #expect(stage.told[read]?.result == .hit)
        #expect(stage.told[change]?.result == .stored)
        #expect(stage.told[other]?.result == .hit)
        stage.goOn(100)
        #expect(stage.members[2]?.phase == .settled)
        #expect(stage.members[2]?.readableUntil([7]) ?? 0 > 0)
    }

    @Test("A word comes only once all that was decided on by the earlier generation is settled")
    func drains() {
        func isExchanged(_ from: Int, _ to: Int, _ frame: PeerFrame) -> Bool {
            if case .exchanged = frame { from == 1 && to == 2 } else { false }
        }
        func isAcknowledged(_ from: Int, _ to: Int, _ frame: PeerFrame) -> Bool {
            if case .acknowledge = frame { from == 1 && to == 0 } else { false }
        }
        let stage = stageWithNewcomer(joined, holding: isExchanged)
        stage.goOn(100)
        stage.holds = { isExchanged($0, $1, $2) || isAcknowledged($0, $1, $2) }
        let client = stage.ask(0, .set, 4)
        #expect(stage.members[0]?.generation == 1 && stage.told[client] == nil)
        stage.holds = isAcknowledged
        stage.goOn(100)
        #expect(stage.members[0]?.generation == 2)
        #expect(!stage.sent.contains { $0.from == 0 && isMoved($0.frame) })
        stage.holds = { _, _, _ in false }
        #expect(stage.told[client]?.result == .stored)
        stage.goOn(50)
        #expect(stage.sent.contains { $0.from == 0 && isMoved($0.frame) })
        #expect(stage.value(2) == [4])
    }

    @Test("Of an owner that has died nobody waits for a word: the other one vouches for it")
    func dies() {
        let stage = stageWithNewcomer(joined) { from, to, frame in
            from == 1 && to == 2 && self.isMoved(frame)
        }
        stage.goOn(60)
        stage.stop(1)
        let client = stage.ask(2, .append, 2)
        stage.goOn(400)
        #expect(stage.told[client]?.result == .stored)
        #expect(stage.value(2) == [1, 2] && stage.value(0) == [1, 2])
        #expect(stage.members[2]?.phase == .settled)
        // It hears of all that when it comes back, and has nothing to say.
        stage.holds = { _, _, _ in false }
        stage.start(1, by: first)
        stage.goOn(300)
        #expect(stage.members[1]?.generation == 2 && stage.members[1]?.phase == .settled)
        #expect(stage.value(1) == nil)
        let read = stage.ask(1, .get)
        #expect(stage.told[read] == ModelOutcome(.hit, value: [1, 2]))
    }

    @Test("While who is to join is not there the earlier generation serves")
    func waits() {
        let stage = stage()
        stage.change(0, to: joined)
        stage.change(1, to: joined)
        stage.goOn(1_000)
        #expect(stage.members[0]?.phase == .transferring)
        let client = stage.ask(1, .set, 1)
        #expect(stage.told[client]?.result == .stored)
        // And a later one may take the change back.
        let again = ChangeStage.generation(3, [0, 1], [0, 1])
        stage.change(0, to: again)
        stage.change(1, to: again)
        stage.goOn(200)
        #expect(stage.members[0]?.generation == 3 && stage.members[0]?.phase == .settled)
        #expect(stage.members[1]?.generation == 3 && stage.members[1]?.phase == .settled)
        let read = stage.ask(0, .get)
        #expect(stage.told[read]?.result == .hit)
    }

    @Test("An earlier generation, a known one, and one that has to wait are refused")
    func refuses() {
        let stage = stageWithNewcomer(joined, isKnown: false) { from, to, frame in
            from == 1 && to == 2 && self.isMoved(frame)
        }
        #expect(!stage.change(0, to: first))
        #expect(stage.change(0, to: joined))
        #expect(!stage.change(0, to: joined))
        stage.change(1, to: joined)
        stage.goOn(60)
        let later = ChangeStage.generation(3, [0, 1, 2], [1, 2])
        #expect(stage.members[2]?.phase == .moving)
        #expect(!stage.change(2, to: later))
        stage.holds = { _, _, _ in false }
        stage.goOn(100)
        #expect(stage.change(2, to: later))
        stage.generations = [3: later]
        stage.goOn(400)
        for number in 0...2 { #expect(stage.members[number]?.generation == 3) }
        #expect(stage.value(0) == nil && stage.value(1) == [1] && stage.value(2) == [1])
    }

    @Test("Who hears that others act by a generation that it does not know serves nothing")
    func outdated() {
        let stage = stage()
        _ = stage.ask(0, .set, 1)
        var statement = Statement(process: 99, time: .max >> 2, standing: .together, isReady: true)
        (statement.generation, statement.next, statement.phase) = (2, 2, .moving)
        let member = stage.members[0]
        member?.heard(1, statement, now: stage.now)
        let client = stage.ask(0, .get)
        #expect(stage.told[client] == nil)
        #expect(stage.wanted[0] == 2)
        #expect(member?.readableUntil([7]) == 0)
    }

    @Test("A state is taken only from who owns the key, and what was changed only by the owners")
    func foreign() {
        let stage = stageWithNewcomer(joined)
        stage.goOn(300)
        // It does not go by the same one for certain.
        stage.members[0]?.transfers[1]?.agreed = 0
        let version = UInt64.max >> 8
        let state = KeyState(
            key: [7], stamp: Stamp(birth: .max, version: version), kind: .tombstone)
        stage.receive(.inform(nil, nil, state), from: 1, at: 0)
        let number = OperationNumber(member: 1, worker: 0, count: 5)
        stage.receive(.replicate(sequence: 9, number, nil, state), from: 1, at: 0)
        #expect(stage.value(0) == [1])
        #expect(!stage.sent.contains { $0.to == 1 && $0.frame == .acknowledge(sequence: 9) })
        stage.receive(.inform(nil, nil, state), from: 2, at: 0)
        #expect(stage.value(0) == [])
    }

    @Test(
        "What is known of a later process: the generation that is acted by, before anything is sent by it"
    )
    func writesDown() {
        let stage = stageWithNewcomer(joined)
        stage.goOn(300)
        // Acted by, and settled.
        for number in 0...2 { #expect(stage.acted[number] == [2, 2]) }
    }
}

/// What one generation says of the next.
@Suite(.timeLimit(.minutes(10)))
struct GenerationTests {
    @Test("One is acted by after the other, and what comes later waits, unless others are as far")
    func order() {
        func generation(_ number: UInt64) -> Generation {
            ChangeStage.generation(number, [0, 1], [0, 1])
        }
        var generations = Generations(me: 0, acted: generation(1))
        #expect(generations.phase == .settled && generations.target == 1)
        let isTaken = [3, 2].map { generations.add(generation($0), isActedBy: false) }
        #expect(isTaken == [true, true])
        #expect(generations.target == 3 && generations.phase == .transferring)
        generations.act(by: 2)
        #expect(generations.phase == .moving && generations.target == 2)
        let mustWait = !generations.add(generation(4), isActedBy: false)
        let mayCome = generations.add(generation(5), isActedBy: true)
        #expect(mustWait && mayCome)
        generations.settle()
        #expect(generations.phase == .transferring && generations.target == 5)
    }

    @Test("What a word covers depends on what its sender had when it gave it")
    func covers() {
        let whole = Word(generation: 2, has: [1], without: [3])
        #expect(whole.covers(1) && !whole.covers(3))
        #expect(whole.coversAsBefore(1) && whole.coversAsBefore(3) && !whole.coversAsBefore(2))
        let late = Word(generation: 2, isWhole: false, hasAll: true)
        #expect(late.covers(5) && !late.coversAsBefore(5))
        let merged = late.merged(with: whole)
        #expect(merged.covers(5) && merged.coversAsBefore(1))
        #expect(Word(generation: 3).merged(with: whole) == Word(generation: 3))
    }

    @Test(
        "A comparison counts if both were of what comes next, and says nothing if not of the present"
    )
    func spans() {
        func result(
            _ mine: GenerationSpan, _ theirs: GenerationSpan
        ) -> (agrees: Bool, isDone: Bool) {
            var transfer = Transfer()
            _ = transfer.start(
                mine, mayCount: true, word: Word(generation: mine.next), isSettled: true, now: 1)
            transfer.theirSpan = theirs
            let agrees = transfer.end(mine)
            return (agrees, transfer.isDone)
        }
        let (one, change, two) = (
            GenerationSpan(acted: 1, next: 1), GenerationSpan(acted: 1, next: 2),
            GenerationSpan(acted: 2, next: 2)
        )
        #expect(result(one, one) == (true, true))
        #expect(result(change, one) == (true, false))
        #expect(result(change, change) == (true, true))
        #expect(result(change, two) == (true, true))
        #expect(result(one, two) == (false, false))
        #expect(result(two, one) == (false, false))
    }
}
