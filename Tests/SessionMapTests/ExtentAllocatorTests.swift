import Testing

@testable import SessionMap

@Suite(.timeLimit(.minutes(10))) struct ExtentAllocatorTests {
    private static let unitCount: UInt32 = 1000

    private func makeExtents() -> TestExtents {
        TestExtents(unitCount: Self.unitCount, unitCountMax: 2000)
    }

    @Test func aFreshRegionIsOneFreeExtent() {
        let extents = makeExtents()
        #expect(extents.capacity == Self.unitCount - ExtentAllocator.headUnitCount - 1)
        #expect(extents.freeUnitCount == extents.capacity)
        #expect(
            extents.walk() == [
                WalkedExtent(
                    extent: Extent(ExtentAllocator.headUnitCount), length: extents.capacity,
                    isFree: true)
            ])
    }

    @Test func takingSplitsAnExtentAndGivingJoinsItAgain() throws {
        let extents = makeExtents()
        let whole = extents.walk()
        let first = try #require(extents.take(10))
        #expect(extents.lengths == [10, extents.capacity - 10])
        extents.give(first)
        #expect(extents.walk() == whole)
    }

    @Test func aGivenExtentJoinsNeighboursOnBothSidesInAnyOrder() throws {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let extents = makeExtents()
            var taken: [Extent] = []
            for length in [5, 1, 70] as [UInt32] {
                taken.append(try #require(extents.take(length)))
            }
            let fence = try #require(extents.take(3))
            for number in order { extents.give(taken[number]) }
            #expect(extents.lengths == [76, 3, extents.capacity - 79])
            extents.give(fence)
            #expect(extents.walk().count == 1)
        }
    }

    @Test func anExactFitIsPreferredToALargerExtent() throws {
        let extents = makeExtents()
        // Holes of 8, 9 and 20 units, kept apart by fences.
        var holes: [Extent] = []
        for length in [8, 9, 20] as [UInt32] {
            holes.append(try #require(extents.take(length)))
            _ = try #require(extents.take(1))
        }
        for hole in holes { extents.give(hole) }
        #expect(extents.take(9) == holes[1])
        #expect(extents.take(8) == holes[0])
        // No exact fit is left: the smallest hole that is large enough.
        #expect(extents.take(9) == holes[2])
        _ = extents.walk()
    }

    @Test func theBestOfAClassOfSeveralLengthsIsTaken() throws {
        let extents = makeExtents()
        // 128...135 units share a list.
        var holes: [UInt32: Extent] = [:]
        for length in [135, 128, 131] as [UInt32] {
            let hole = try #require(extents.take(length))
            holes[length] = hole
            _ = try #require(extents.take(1))
        }
        for hole in holes.values { extents.give(hole) }
        #expect(extents.take(129) == holes[131])
        #expect(extents.take(129) == holes[135])
        #expect(extents.take(128) == holes[128])
    }

    @Test func freeExtentsOfOneUnitAreNotTakenButJoinTheirNeighbours() throws {
        let extents = makeExtents()
        var taken: [Extent] = []
        while let unit = extents.take(1) { taken.append(unit) }
        // The last one is free, and in no list.
        #expect(UInt32(taken.count) == extents.capacity - 1)
        #expect(extents.freeUnitCount == 1)
        // Every other one: free extents of one unit, none of which touch.
        for (number, unit) in taken.enumerated() where number % 2 == 0 { extents.give(unit) }
        #expect(extents.walk().allSatisfy { $0.length == 1 })
        #expect(extents.take(1) == nil && extents.takeLargest(atMost: 2, atLeast: 1) == nil)
        for (number, unit) in taken.enumerated() where number % 2 == 1 { extents.give(unit) }
        #expect(extents.walk().count == 1)
    }

    @Test(arguments: [2, 63, 64, 65, 127, 128, 500, 990] as [UInt32])
    func takingEndsExactlyAtWhatIsFree(limit: UInt32) throws {
        let extents = makeExtents()
        let fence = try #require(extents.take(extents.capacity - limit))
        #expect(extents.freeUnitCount == limit)
        #expect(extents.take(limit + 1) == nil)
        if limit > 1 {
            let below = try #require(extents.take(limit - 1))
            #expect(extents.freeUnitCount == 1)
            extents.give(below)
        }
        let whole = try #require(extents.take(limit))
        #expect(extents.freeUnitCount == 0)
        #expect(extents.take(1) == nil)
        _ = extents.walk()
        extents.give(whole)
        extents.give(fence)
        #expect(extents.walk().count == 1)
    }

    @Test func theLargestExtentIsTakenWithinItsBounds() throws {
        let extents = makeExtents()
        var holes: [Extent] = []
        for length in [10, 300, 40] as [UInt32] {
            holes.append(try #require(extents.take(length)))
            _ = try #require(extents.take(1))
        }
        _ = try #require(extents.take(extents.freeUnitCount))
        for hole in holes { extents.give(hole) }
        #expect(extents.takeLargest(atMost: 400, atLeast: 301) == nil)
        #expect(extents.reach(ofPieces: 1) == 300)
        #expect(extents.reach(ofPieces: 2) == 340)
        #expect(extents.reach(ofPieces: 9) == 350)
        let cut = try #require(extents.takeLargest(atMost: 298, atLeast: 1))
        #expect(cut == holes[1] && extents.region.length(cut) == 298)
        #expect(extents.takeLargest(atMost: 400, atLeast: 40) == holes[2])
        #expect(extents.takeLargest(atMost: 400, atLeast: 11) == nil)
        #expect(extents.takeLargest(atMost: 400, atLeast: 10) == holes[0])
        #expect(extents.takeLargest(atMost: 400, atLeast: 1) == holes[1] + 298)
        #expect(extents.freeUnitCount == 0)
    }

    @Test func shorteningGivesTheTailBack() throws {
        let extents = makeExtents()
        let extent = try #require(extents.take(10))
        extents.shorten(extent, to: 10)
        #expect(extents.lengths == [10, extents.capacity - 10])
        extents.shorten(extent, to: 9)
        #expect(extents.lengths == [9, extents.capacity - 9])
        extents.shorten(extent, to: 1)
        #expect(extents.lengths == [1, extents.capacity - 1])
        extents.give(extent)
        #expect(extents.walk().count == 1)
    }

    @Test func aTailBeforeATakenNeighbourStaysByItself() throws {
        let extents = makeExtents()
        let extent = try #require(extents.take(10))
        _ = try #require(extents.take(10))
        extents.shorten(extent, to: 4)
        #expect(extents.lengths == [4, 6, 10, extents.capacity - 20])
        #expect(extents.walk().map(\.isFree) == [false, true, false, true])
    }

    @Test func aRegionGrowsBehindFreeSpaceAndBehindTakenSpace() throws {
        let extents = makeExtents()
        let before = extents.capacity
        extents.extend(to: Self.unitCount + 1)
        #expect(extents.capacity == before + 1 && extents.freeUnitCount == before + 1)
        #expect(extents.walk().count == 1)
        let whole = try #require(extents.take(extents.capacity))
        extents.extend(to: 2000)
        #expect(extents.walk().map(\.isFree) == [false, true])
        #expect(extents.freeUnitCount == 2000 - Self.unitCount - 1)
        extents.give(whole)
        #expect(extents.walk().count == 1)
        #expect(extents.freeUnitCount == extents.capacity)
    }

    @Test func aFenceKeepsWhatLiesBehindItToTheLastUnit() throws {
        let extents = makeExtents()
        let whole = extents.capacity
        let fence = ExtentAllocator.headUnitCount + 500
        extents.setFence(fence)
        #expect(extents.capacity == 500 && extents.freeUnitCount == 500)
        #expect(extents.isEmptyBehindFence && extents.reach(ofPieces: 2) == 500)
        #expect(extents.take(501) == nil)
        #expect(extents.takeLargest(atMost: 1_000, atLeast: 501) == nil)
        let first = try #require(extents.take(499))
        #expect(extents.take(2) == nil && extents.freeUnitCount == 1)
        _ = extents.walk()
        extents.give(first)
        let all = try #require(extents.take(500))
        #expect(extents.walk().map(\.isFree) == [false, true] && extents.isEmptyBehindFence)
        // Of what lies behind, only who asks for that has some.
        let behind = try #require(extents.takeFenced(10))
        #expect(behind.unit == fence && !extents.isEmptyBehindFence)
        extents.give(all)
        #expect(extents.walk().map(\.isFree) == [true, false, true])
        extents.give(behind)
        #expect(extents.isEmptyBehindFence && extents.walk().count == 1)
        extents.setFence(ExtentAllocator.headUnitCount + whole)
        #expect(extents.freeUnitCount == whole && extents.take(whole) != nil)
    }

    @Test func whateverIsTakenAndGivenAFenceHolds() {
        var generator = SeededGenerator(seed: environmentNumber("SOJOURN_SEED", default: 1))
        let extents = makeExtents()
        let end = extents.extents.end
        var taken: [Extent] = []
        for step in 0..<4000 {
            if generator.isHit(oneIn: 40) {
                extents.setFence(
                    ExtentAllocator.headUnitCount + 1
                        + UInt32(
                            generator.number(below: Int(end - 2 - ExtentAllocator.headUnitCount))))
            }
            let fence = extents.extents.fence
            if generator.number(below: 9) < 5 {
                let length = UInt32(1 << generator.number(below: 8)) + UInt32(step % 3)
                let unit: Extent? =
                    switch generator.number(below: 4) {
                    case 0: extents.takeLargest(atMost: length, atLeast: 1)
                    case 1 where generator.isHit(oneIn: 4): extents.takeFenced(length)
                    default: extents.take(length)
                    }
                if let unit {
                    let isBefore = unit.unit + extents.region.length(unit) <= fence
                    #expect(isBefore || unit.unit >= fence - 1)
                    taken.append(unit)
                }
            } else if !taken.isEmpty {
                extents.give(taken.remove(at: generator.number(below: taken.count)))
            }
            if step % 16 == 0 {
                #expect(Set(extents.walk().filter { !$0.isFree }.map(\.extent)) == Set(taken))
            }
        }
        for unit in taken { extents.give(unit) }
        #expect(extents.walk().count == 1 && extents.isEmptyBehindFence)
    }

    @Test func randomTakingAndGivingLosesNothing() {
        var generator = SeededGenerator(seed: environmentNumber("SOJOURN_SEED", default: 1))
        let extents = makeExtents()
        var taken: [Extent] = []
        for step in 0..<4000 {
            if generator.number(below: 9) < 5 {
                let length = UInt32(1 << generator.number(below: 8)) + UInt32(step % 3)
                let free = extents.freeUnitCount
                if let unit = extents.take(length) {
                    #expect(extents.region.length(unit) == length)
                    #expect(extents.freeUnitCount == free - length)
                    taken.append(unit)
                }
            } else if !taken.isEmpty {
                extents.give(taken.remove(at: generator.number(below: taken.count)))
            }
            if step % 16 == 0 {
                #expect(Set(extents.walk().filter { !$0.isFree }.map(\.extent)) == Set(taken))
            }
        }
        for unit in taken { extents.give(unit) }
        #expect(extents.walk().count == 1)
    }
}
