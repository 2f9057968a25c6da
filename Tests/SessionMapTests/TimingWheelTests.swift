import Testing

@testable import SessionMap

/// A wheel over items that are nothing but links and a deadline.
private final class TestWheel {
    private let memory: TestRegion
    private var wheel: TimingWheel
    private static let itemUnitCount: UInt32 = 3

    var time: UInt32 { wheel.time }
    var count: Int { wheel.count }

    init(itemCount: Int, time: UInt32) {
        memory = TestRegion(unitCount: UInt32(itemCount + 2) * Self.itemUnitCount)
        wheel = TimingWheel(region: memory.region, time: time)
    }

    private func item(_ number: Int) -> Item { Item(UInt32(number + 1) * Self.itemUnitCount) }
    private func number(_ item: Item) -> Int { Int(item.unit / Self.itemUnitCount) - 1 }

    func add(_ number: Int, deadline: UInt32) {
        let item = item(number)
        memory.region[item, .wheelPrevious] = TimingWheel.unscheduled
        memory.region[item, .deadline] = deadline
        if deadline != 0 { wheel.schedule(item, deadline: deadline) }
    }

    func touch(_ number: Int, deadline: UInt32) {
        wheel.setDeadline(item(number), Deadline(stored: deadline))
    }

    /// The first second that an item's slot stands for.
    func slotSecond(_ number: Int) -> UInt32? {
        var second: UInt32?
        let item = item(number)
        wheel.forEachScheduled { if $0 == item { second = $1 } }
        return second
    }

    func remove(_ number: Int) {
        if wheel.isScheduled(item(number)) { wheel.unschedule(item(number)) }
    }

    func isScheduled(_ number: Int) -> Bool { wheel.isScheduled(item(number)) }

    /// One turn; what expired in it.
    func turn(now: UInt32, items: Int) -> [Int] {
        var budget = WorkBudget(items: items)
        var expired: [Int] = []
        while let item = wheel.nextExpired(now: now, budget: &budget) {
            expired.append(number(item))
        }
        return expired
    }

    /// Lets time pass to `now`, in as many turns as it takes.
    func advance(to now: UInt32) -> [Int] {
        var expired: [Int] = []
        repeat { expired += turn(now: now, items: 1000) } while wheel.time < now
        return expired.sorted()
    }

    func prepareAhead(items: Int) -> Bool {
        var budget = WorkBudget(items: items)
        return wheel.prepareAhead(budget: &budget)
    }

    /// No slot comes up later than its items' deadlines, and the count is right.
    func check() -> Bool {
        var count = 0
        var isWell = true
        wheel.forEachScheduled { item, earliest in
            count += 1
            let deadline = memory.region[item, .deadline]
            let next = min(wheel.time, .max - 1) + 1
            if deadline != 0, earliest > max(deadline, next) { isWell = false }
        }
        return isWell && count == wheel.count
    }
}

@Suite(.timeLimit(.minutes(10))) struct TimingWheelTests {
    /// Seconds around every border of slots and windows.
    private static let distances: [UInt32] = [
        1, 2, 254, 255, 256, 257, 510, 511, 512, 513, 65_534, 65_535, 65_536, 65_537, 65_791,
        65_792,
        131_070, 131_071, 131_072, 131_073, 16_777_215, 16_777_216, 16_777_217, 33_554_431,
        33_554_432, 33_554_433, 946_080_000,
    ]

    private static let starts: [UInt32] = [
        2, 254, 255, 256, 511, 65_535, 65_536, 131_071, 16_777_215, 1_000_000_000,
    ]

    @Test(arguments: starts)
    func anItemExpiresInTheSecondOfItsDeadlineAndNotBefore(start: UInt32) {
        for distance in Self.distances where distance < 200_000 {
            let wheel = TestWheel(itemCount: 1, time: start)
            wheel.add(0, deadline: start + distance)
            #expect(wheel.check())
            #expect(wheel.advance(to: start + distance - 1) == [])
            #expect(wheel.check() && wheel.count == 1)
            #expect(wheel.advance(to: start + distance) == [0])
            #expect(wheel.count == 0)
        }
    }

    @Test(arguments: starts)
    func itemsOfAllDistancesExpireInTheirOrder(start: UInt32) {
        let wheel = TestWheel(itemCount: Self.distances.count, time: start)
        for (number, distance) in Self.distances.enumerated() {
            wheel.add(number, deadline: start + distance)
        }
        #expect(wheel.check())
        for (number, distance) in Self.distances.enumerated() {
            #expect(wheel.advance(to: start + distance - 1) == [])
            #expect(wheel.advance(to: start + distance) == [number])
            #expect(wheel.check())
        }
    }

    @Test func aDeadlineInThePastIsDueInTheNextSecond() {
        let wheel = TestWheel(itemCount: 3, time: 100)
        wheel.add(0, deadline: 1)
        wheel.add(1, deadline: 99)
        wheel.add(2, deadline: 100)
        #expect(wheel.check())
        #expect(wheel.advance(to: 100) == [])
        #expect(wheel.advance(to: 101) == [0, 1, 2])
    }

    /// A client's `debugtime` gets there, and no other clock does.
    @Test(arguments: [.max - 300, .max - 1, .max] as [UInt32])
    func theLastSecondsOfTheClockTakeItemsAsAnyOther(time: UInt32) {
        let wheel = TestWheel(itemCount: 4, time: time)
        for (number, deadline) in [1, time - 1, time, .max].enumerated() {
            wheel.add(number, deadline: deadline)
        }
        #expect(wheel.check() && wheel.count == 4)
        wheel.touch(3, deadline: 5)
        #expect(wheel.check() && wheel.count == 4)
        // The slots of the last second never come up: there is none after it.
        #expect(wheel.advance(to: .max) == (time == .max ? [] : [0, 1, 2, 3]))
        #expect(wheel.time == .max)
        _ = wheel.prepareAhead(items: 100)
        for number in 0..<4 { wheel.remove(number) }
        wheel.add(0, deadline: 1)
        #expect(wheel.check() && wheel.count == 1)
        wheel.remove(0)
        #expect(wheel.count == 0)
    }

    @Test func aTouchToLaterMovesTheItemWhenItsOldSlotComesUp() {
        for later: UInt32 in [1, 100, 255, 256, 300, 512, 70_000, 200_000] {
            let wheel = TestWheel(itemCount: 1, time: 1000)
            wheel.add(0, deadline: 1100)
            wheel.touch(0, deadline: 1100 + later)
            // Nothing moved: the item comes up at its old second, and stays.
            #expect(wheel.slotSecond(0) == 1100)
            #expect(wheel.turn(now: 1100, items: 1000) == [])
            #expect(wheel.count == 1 && wheel.check())
            #expect(wheel.advance(to: 1100 + later - 1) == [])
            #expect(wheel.advance(to: 1100 + later) == [0])
        }
    }

    @Test func aTouchToEarlierMovesTheItemAtOnce() {
        let wheel = TestWheel(itemCount: 2, time: 1000)
        wheel.add(0, deadline: 200_000)
        wheel.touch(0, deadline: 1005)
        #expect(wheel.advance(to: 1004) == [])
        #expect(wheel.advance(to: 1005) == [0])
        // To later first, which leaves it in its slot; then to earlier, but behind that slot.
        wheel.add(1, deadline: 1100)
        wheel.touch(1, deadline: 3000)
        wheel.touch(1, deadline: 2000)
        #expect(wheel.advance(to: 1999) == [])
        #expect(wheel.advance(to: 2000) == [1])
    }

    @Test func anItemTouchedToNeverLeavesTheWheelWhenItsSlotComesUp() {
        for deadline: UInt32 in [1010, 1300, 70_000, 200_000] {
            let wheel = TestWheel(itemCount: 1, time: 1000)
            wheel.add(0, deadline: deadline)
            wheel.touch(0, deadline: 0)
            #expect(wheel.isScheduled(0))
            #expect(wheel.advance(to: deadline + 1) == [])
            #expect(!wheel.isScheduled(0) && wheel.count == 0)
            wheel.touch(0, deadline: deadline + 9)
            #expect(wheel.advance(to: deadline + 9) == [0])
        }
    }

    @Test func anItemTouchedToNeverAndBackExpires() {
        let wheel = TestWheel(itemCount: 1, time: 1000)
        wheel.add(0, deadline: 1100)
        wheel.touch(0, deadline: 0)
        wheel.touch(0, deadline: 1200)
        #expect(wheel.advance(to: 1199) == [])
        #expect(wheel.advance(to: 1200) == [0])
        wheel.add(0, deadline: 0)
        wheel.touch(0, deadline: 1300)
        #expect(wheel.advance(to: 1299) == [])
        #expect(wheel.advance(to: 1300) == [0])
    }

    @Test(arguments: [1, 60, 3600, 86_400, 7 * 86_400, 946_080_000] as [UInt32])
    func aJumpOfTheClockExpiresExactlyWhatItPassed(jump: UInt32) {
        var generator = SeededGenerator(seed: UInt64(jump))
        let wheel = TestWheel(itemCount: 1000, time: 5000)
        var deadlines: [UInt32] = []
        for number in 0..<1000 {
            let deadline = 5001 + UInt32.random(in: 0..<(2 * jump), using: &generator)
            wheel.add(number, deadline: deadline)
            deadlines.append(deadline)
        }
        let now = 5000 + jump
        #expect(wheel.advance(to: now) == deadlines.indices.filter { deadlines[$0] <= now })
        #expect(wheel.check())
        let end = 5001 + 2 * jump
        #expect(wheel.advance(to: end) == deadlines.indices.filter { deadlines[$0] > now })
        #expect(wheel.count == 0)
    }

    @Test func aJumpOf30YearsTakesFewTurns() {
        let wheel = TestWheel(itemCount: 1, time: 2)
        let now: UInt32 = 946_080_000
        wheel.add(0, deadline: now)
        var turnCount = 0
        while wheel.time < now {
            _ = wheel.turn(now: now, items: 256)
            turnCount += 1
        }
        #expect(wheel.count == 0)
        // A turn of 256 items passes 4,096 windows of 256 seconds.
        #expect(turnCount < 1000)
    }

    @Test func aBudgetThatIsUsedUpLeavesTheRestToTheNextTurn() {
        let wheel = TestWheel(itemCount: 1000, time: 1000)
        for number in 0..<1000 { wheel.add(number, deadline: 1300) }
        _ = wheel.turn(now: 1299, items: 100)
        while wheel.time < 1299 { _ = wheel.turn(now: 1299, items: 100) }
        var turns: [Int] = []
        while wheel.time < 1300 { turns.append(wheel.turn(now: 1300, items: 100).count) }
        #expect(turns.reduce(0, +) == 1000)
        #expect(turns.allSatisfy { $0 <= 101 } && turns.count >= 10)
    }

    @Test func randomUseAgreesWithADictionary() {
        let seed = environmentNumber("SOJOURN_SEED", default: 5)
        var generator = SeededGenerator(seed: seed)
        let wheel = TestWheel(itemCount: 200, time: 60_000)
        var deadlines: [Int: UInt32] = [:]
        var now: UInt32 = 60_000
        for _ in 0..<20_000 {
            let number = generator.number(below: 200)
            let reach = 1 << generator.number(below: 19)
            let deadline =
                generator.isHit(oneIn: 8) ? 0 : now + UInt32(1 + generator.number(below: reach))
            switch generator.number(below: 8) {
            case 0...3:
                if deadlines[number] == nil {
                    wheel.add(number, deadline: deadline)
                } else {
                    wheel.touch(number, deadline: deadline)
                }
                deadlines[number] = deadline
            case 4:
                if deadlines.removeValue(forKey: number) != nil { wheel.remove(number) }
            case 5: _ = wheel.prepareAhead(items: generator.number(below: 40))
            default:
                now += UInt32(generator.number(below: 1 << generator.number(below: 13)))
                var expired: [Int] = []
                repeat {
                    expired += wheel.turn(now: now, items: 1 + generator.number(below: 20))
                } while wheel.time < now
                let due = deadlines.filter { $0.value != 0 && $0.value <= now }.keys.sorted()
                #expect(expired.sorted() == due, "seed \(seed)")
                for number in due { deadlines[number] = nil }
            }
            #expect(wheel.check(), "seed \(seed)")
        }
    }

    /// A million items of one time to live, stored within a quarter of an hour: between the moments
    /// at which they are due, no second has to move any of them if `prepareAhead` had its turns.
    @Test(arguments: [1440, 86_400] as [UInt32])
    func preparingAheadLeavesNothingForTheMomentOfAChange(secondsToLive: UInt32) {
        let itemCount = 1_000_000
        let storingSeconds: UInt32 = 900
        let perSecond = itemCount / Int(storingSeconds) + 1
        let start: UInt32 = 65_000
        let wheel = TestWheel(itemCount: itemCount, time: start)
        var stored = 0
        var expired = 0
        var mostExpired = 0
        var mostTurns = 0
        for now in (start + 1)...(start + storingSeconds + secondsToLive + 1) {
            // Without budget for more than a step, a second that had anything to move would stay.
            let due = Int(now) - Int(start + secondsToLive)
            if due <= 0 {
                #expect(wheel.turn(now: now, items: 1) == [] && wheel.time == now)
            } else {
                let count = wheel.turn(now: now, items: perSecond + 1).count
                mostExpired = max(mostExpired, count)
                expired += count
                #expect(wheel.time == now)
            }
            var turns = 1
            while !wheel.prepareAhead(items: 256) { turns += 1 }
            mostTurns = max(mostTurns, turns)
            for _ in 0..<perSecond where stored < itemCount && now <= start + storingSeconds {
                wheel.add(stored, deadline: now + secondsToLive)
                stored += 1
            }
        }
        #expect(stored == itemCount && expired == itemCount && wheel.count == 0)
        #expect(mostExpired == perSecond)
        // The most that one second had to move ahead, in turns of 256.
        print("\(secondsToLive) s to live: at most \(mostTurns) turns of 256 items in a second")
    }
}
