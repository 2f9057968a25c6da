import Testing

@testable import SessionClient

private let down = CacheError(.nodeUnavailable, node: "a")

private func copy(_ place: Int, _ state: Copy.State) -> Copy { Copy(place: place, state: state) }

/// A change, and a clock that makes the versions 1 << 14, 2 << 14 and so on, plus 7.
private func write(
    _ goal: CopyWrite.Goal, _ settings: Copies = Copies(count: 2), nodeCount: Int? = nil
) -> CopyWrite {
    let clock = VersionClock(writer: 7) { VersionClock.epochMicroseconds }
    return CopyWrite(
        goal, settings: settings, nodeCount: nodeCount ?? settings.count, clock: clock)
}

/// The clock's version after one that it has made.
private func version(_ number: UInt64) -> UInt64 { number << 14 | 7 }

@Suite(.timeLimit(.minutes(10)))
struct CopyWriteTests {
    @Test("set looks, and spreads a version above all that were seen over what each node has")
    func set() {
        var set = write(.set)
        #expect(set.begin() == .look(needed: 1))
        let copies = [copy(0, .missing), copy(1, .live(version: version(5)))]
        #expect(
            set.looked(copies, needed: 1)
                == .spread(version: version(6), over: [0: 0, 1: version(5)], needed: 1))
        #expect(set.spread(to: [0, 1]) == .finish(.stored(version(6))))
    }

    @Test("A node that does not answer is left out, and what it misses is remembered by the others")
    func missed() {
        var set = write(.set)
        _ = set.begin()
        let copies = [copy(0, .unknown(down)), copy(1, .missing)]
        #expect(
            set.looked(copies, needed: 1)
                == .spread(version: version(1), over: [1: 0], needed: 1))
        #expect(set.spread(to: [1]) == .remember(version: version(1), places: [1]))
        #expect(set.remembered() == .finish(.stored(version(1))))
    }

    @Test("Where the cluster has fewer nodes than there are to be copies, nobody has to remember")
    func fewNodes() {
        var set = write(.set, Copies(count: 2), nodeCount: 1)
        _ = set.begin()
        _ = set.looked([copy(0, .missing)], needed: 1)
        #expect(set.spread(to: [0]) == .remember(version: version(1), places: []))
        #expect(set.remembered() == .finish(.stored(version(1))))
    }

    @Test("A change that too few copies have fails, after it is remembered")
    func tooFew() {
        let settings = Copies(count: 3, writeCountMin: 2)
        var set = write(.set, settings)
        #expect(set.begin() == .look(needed: 2))
        let copies = [copy(0, .missing), copy(1, .missing), copy(2, .unknown(down))]
        #expect(
            set.looked(copies, needed: 2)
                == .spread(version: version(1), over: [0: 0, 1: 0], needed: 2))
        #expect(set.spread(to: [1]) == .remember(version: version(1), places: [1]))
        #expect(set.remembered() == .fail(CacheError(.tooFewCopies, reason: "1 of 2")))
    }

    @Test("With too few known copies nothing is stored; where none is known, the reason is told")
    func tooFewKnown() {
        let settings = Copies(count: 3, writeCountMin: 2)
        for goal: CopyWrite.Goal in [.set, .delete, .add, .replace] {
            var one = write(goal, settings)
            _ = one.begin()
            let copies = [copy(0, .unknown(down)), copy(1, .unknown(down)), copy(2, .missing)]
            #expect(
                one.looked(copies, needed: 2)
                    == .fail(CacheError(.tooFewCopies, reason: "1 of 2, \(down)")))
            var none = write(goal, settings)
            _ = none.begin()
            #expect(
                none.looked(copies.map { copy($0.place, .unknown(down)) }, needed: 2)
                    == .fail(down))
        }
        var few = write(.set, settings, nodeCount: 1)
        _ = few.begin()
        #expect(
            few.looked([copy(0, .missing)], needed: 2)
                == .fail(CacheError(.tooFewCopies, reason: "1 of 2, the cluster has 1")))
    }

    @Test("add and replace go by the newest copy, wherever it is")
    func conditions() {
        let live = [copy(0, .tombstone(version: 4)), copy(1, .live(version: 5))]
        let dead = [copy(0, .live(version: 4)), copy(1, .tombstone(version: 5))]
        for (goal, copies, end) in [
            (.add, live, .present), (.replace, dead, .absent),
            (.replace, [copy(0, .missing), copy(1, .missing)], .absent),
        ] as [(CopyWrite.Goal, [Copy], StoreOutcome)] {
            var change = write(goal)
            #expect(change.begin() == .look(needed: 1))
            #expect(change.looked(copies, needed: 1) == .finish(end))
        }
        for (goal, copies) in [(.add, dead), (.replace, live)] as [(CopyWrite.Goal, [Copy])] {
            var change = write(goal)
            _ = change.begin()
            #expect(
                change.looked(copies, needed: 1)
                    == .decide(version: version(1), place: 0, over: 4, partCount: 3))
            #expect(
                change.decided(.stored)
                    == .spread(version: version(1), over: [1: 5], needed: 0))
            #expect(change.spread(to: [1]) == .finish(.stored(version(1))))
        }
    }

    @Test("The first node that answers decides; those before it are not asked again")
    func nextDecides() {
        var add = write(.add, Copies(count: 3))
        _ = add.begin()
        let copies = (0..<3).map { copy($0, $0 == 1 ? .unknown(down) : .missing) }
        #expect(
            add.looked(copies, needed: 1)
                == .decide(version: version(1), place: 0, over: 0, partCount: 4))
        #expect(
            add.decided(.failed(down))
                == .decide(version: version(1), place: 2, over: 0, partCount: 2))
        #expect(add.decided(.stored) == .spread(version: version(1), over: [:], needed: 0))
        #expect(add.spread(to: []) == .remember(version: version(1), places: [2]))
        #expect(add.remembered() == .finish(.stored(version(1))))
        var lost = write(.add)
        _ = lost.begin()
        _ = lost.looked([copy(0, .missing), copy(1, .unknown(down))], needed: 1)
        #expect(lost.decided(.failed(down)) == .fail(down))
    }

    @Test("Who was overtaken looks again, eight times")
    func contended() {
        for goal: CopyWrite.Goal in [.add, .replace] {
            var change = write(goal)
            let state: Copy.State = goal == .add ? .missing : .live(version: 5)
            var step = change.begin()
            for _ in 0..<8 {
                #expect(step == .look(needed: 1))
                _ = change.looked([copy(0, state), copy(1, state)], needed: 1)
                step = change.decided(.refused)
            }
            #expect(step == .fail(CacheError(.contended)))
        }
    }

    @Test("A deletion leaves a tombstone, unless everybody says that there is nothing")
    func delete() {
        var nothing = write(.delete)
        #expect(nothing.begin() == .look(needed: 1))
        #expect(
            nothing.looked([copy(0, .missing), copy(1, .missing)], needed: 1) == .finish(.absent))
        // The node that does not answer may have one.
        var unknown = write(.delete)
        _ = unknown.begin()
        #expect(
            unknown.looked([copy(0, .unknown(down)), copy(1, .missing)], needed: 1)
                == .spread(version: version(1), over: [1: 0], needed: 1))
        _ = unknown.spread(to: [1])
        #expect(unknown.remembered() == .finish(.absent))
        var again = write(.delete)
        _ = again.begin()
        let copies = [copy(0, .tombstone(version: 5)), copy(1, .live(version: 4))]
        #expect(
            again.looked(copies, needed: 1)
                == .spread(version: version(1), over: [0: 5, 1: 4], needed: 1))
        #expect(again.spread(to: [0, 1]) == .finish(.absent))
        var live = write(.delete)
        _ = live.begin()
        _ = live.looked([copy(0, .live(version: 5)), copy(1, .missing)], needed: 1)
        #expect(live.spread(to: [0, 1]) == .finish(.stored(version(1))))
    }

    @Test("Compare and set assumes the expected version, and reads where it is refused")
    func compareAndSet() {
        let copies = [copy(0, .live(version: 5)), copy(1, .live(version: 5))]
        let decision = CopyWrite.Step.decide(
            version: version(1), place: 0, over: 5, partCount: 3)
        var change = write(.compareAndSet(expected: 5))
        #expect(change.begin() == .look(needed: 1))
        #expect(change.looked(copies, needed: 1) == decision)
        #expect(change.decided(.stored) == .spread(version: version(1), over: [1: 5], needed: 0))
        #expect(change.spread(to: [1]) == .finish(.stored(version(1))))
        for (read, end) in [(nil, .absent), (6, .changed)] as [(UInt64?, StoreOutcome)] {
            var change = write(.compareAndSet(expected: 5))
            _ = change.begin()
            _ = change.looked(copies, needed: 1)
            #expect(change.decided(.refused) == .read)
            #expect(change.read(read) == .finish(end))
        }
        // The node that decides lagged behind, and was brought up to date by reading.
        var behind = write(.compareAndSet(expected: 5))
        var step = behind.begin()
        for attempt in 1...8 as ClosedRange<UInt64> {
            #expect(step == .look(needed: 1))
            #expect(
                behind.looked(copies, needed: 1)
                    == .decide(version: version(attempt), place: 0, over: 5, partCount: 3))
            #expect(behind.decided(.refused) == .read)
            step = behind.read(5)
        }
        #expect(step == .fail(CacheError(.contended)))
    }

    @Test(
        "A save does not bring back what was deleted, or changed, while the node that decides was down"
    )
    func compareAndSetAtAStaleNode() {
        for newer in [
            .tombstone(version: 9, timeLeft: nil), .live(version: 9), .unknown(down),
        ] as [Copy.State] {
            var change = write(.compareAndSet(expected: 5))
            _ = change.begin()
            let copies = [copy(0, .live(version: 5)), copy(1, newer)]
            let step = change.looked(copies, needed: 1)
            if case .unknown = newer {
                // Nobody who answers knows of anything later.
                #expect(
                    step == .decide(version: version(1), place: 0, over: 5, partCount: 3))
            } else {
                #expect(step == .read)
            }
        }
    }

    @Test("A version of zero is no item's: it is read, and nothing is stored")
    func zero() {
        for (read, end) in [(nil, .absent), (5, .changed), (0, .changed)]
            as [(UInt64?, StoreOutcome)]
        {
            var change = write(.compareAndSet(expected: 0))
            #expect(change.begin() == .read)
            #expect(change.read(read) == .finish(end))
        }
    }

    @Test("A fresh item is one that no copy has, and that enough have stored")
    func fresh() {
        let settings = Copies(count: 3, writeCountMin: 2)
        let start = CopyWrite.Step.addEverywhere(version: version(1), needed: 2)
        func end(_ additions: [CopyWrite.Addition]) -> CopyWrite.Step {
            var add = write(.addFresh, settings)
            #expect(add.begin() == start)
            let step = add.added(additions)
            guard case .remember = step else { return step }
            return add.remembered()
        }
        #expect(end([.stored, .stored, .stored]) == .finish(.stored(version(1))))
        #expect(end([.stored, .stored, .unknown(down)]) == .finish(.stored(version(1))))
        #expect(end([.stored, .present, .stored]) == .finish(.present))
        #expect(end([.unknown(down), .present, .stored]) == .finish(.present))
        #expect(
            end([.unknown(down), .stored, .unknown(down)])
                == .fail(CacheError(.tooFewCopies, reason: "1 of 2, \(down)")))
        #expect(end([.unknown(down), .unknown(down), .unknown(down)]) == .fail(down))
        var short = write(.addFresh, settings)
        _ = short.begin()
        // It is counted; nothing older is there that it would have to outlive.
        #expect(
            short.added([.stored, .stored, .unknown(down)])
                == .remember(version: version(1), places: []))
    }

    @Test("After the last version there is none")
    func lastVersion() {
        var set = write(.set)
        _ = set.begin()
        guard case .fail(let error) = set.looked([copy(0, .live(version: .max))], needed: 1) else {
            Issue.record("a version above the last")
            return
        }
        #expect(error.code == .contended)
    }
}
