import Testing

@testable import SessionMap

/// An index over a region of its own, with items that are nothing but keys.
private final class TestIndex {
    let memory: TestExtents
    private var index: ItemIndex
    private var items: [[UInt8]: (item: Item, tag: UInt32)] = [:]

    /// The region is too small for an index.
    struct NoRoom: Error {}

    var count: Int { index.count }
    var unitCount: UInt32 { index.unitCount }
    var totalSlotCount: Int { index.totalSlotCount }
    var directoryByteCount: Int { index.directoryByteCount }

    init(unitCount: UInt32) throws {
        memory = TestExtents(unitCount: unitCount)
        guard let index = ItemIndex(region: memory.region, extents: &memory.extents) else {
            throw NoRoom()
        }
        self.index = index
    }

    /// Adds an item as a shard does it; false when there is no room for it.
    func add(_ key: [UInt8], tag: UInt32) -> Bool {
        while index.wantsGrowth(tag) {
            guard index.grow(tag, extents: &memory.extents) else { break }
        }
        guard index.hasRoom(tag) else { return false }
        let byteCount = memory.region.itemHeaderByteCount(clientFlags: 0) + key.count
        guard let extent = memory.take(Region.units(forByteCount: byteCount)) else { return false }
        let item = Item(extent)
        memory.region.setKind(extent, .item)
        memory.region.setClientFlags(item, 0)
        memory.region[item, .keyByteCount] = UInt32(key.count)
        key.withUnsafeBytes {
            memory.region.bytes(extent, offset: memory.region.keyOffset(item), count: key.count)
                .copyMemory(from: $0)
        }
        index.insert(item, tag: tag)
        items[key] = (item, tag)
        return true
    }

    func remove(_ key: [UInt8]) throws {
        let (item, tag) = try #require(items[key], "a key that was not added")
        items[key] = nil
        let slot = index.slot(of: item, tag: tag)
        index.remove(slot)
        if index.wantsShrinking(slot) { index.shrink(tag, extents: &memory.extents) }
        memory.give(item.head)
    }

    func replace(_ key: [UInt8], by other: Item) -> Item? {
        guard let (item, tag) = items[key] else { return nil }
        index.replace(index.slot(of: item, tag: tag), with: other)
        defer { index.replace(index.slot(of: other, tag: tag), with: item) }
        var seen: Item?
        index.forEachItem { unit, _ in if unit == other { seen = unit } }
        return seen
    }

    func find(_ key: [UInt8], tag: UInt32) -> Item? { index.find(key.span, tag: tag)?.item }

    /// Every item is found by its key and tag, and is met once by the walk over all.
    func check() -> Bool {
        for (key, place) in items where find(key, tag: place.tag) != place.item { return false }
        var seen: [Item: UInt32] = [:]
        var isWell = true
        index.forEachItem { item, tag in
            if seen.updateValue(tag, forKey: item) != nil { isWell = false }
        }
        for (item, tag) in items.values where seen[item] != tag { isWell = false }
        _ = memory.walk()
        return isWell && seen.count == items.count && index.count == items.count
    }
}

@Suite(.timeLimit(.minutes(10))) struct ItemIndexTests {
    private func key(_ number: Int) -> [UInt8] { Array("key-\(number)".utf8) }

    private func randomTags(_ count: Int, seed: UInt64 = 3) -> [UInt32] {
        var generator = SeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt32(truncatingIfNeeded: generator.next()) }
    }

    @Test func aSegmentGrowsThroughEverySizeAndThenSplits() throws {
        let index = try TestIndex(unitCount: 120_000)
        var shapes: [UInt32] = []
        var countsAtChange: [Int] = []
        for (number, tag) in randomTags(720).enumerated() {
            #expect(index.add(key(number), tag: tag))
            if shapes.last != index.unitCount {
                shapes.append(index.unitCount)
                countsAtChange.append(number)
            }
        }
        // 512, 640, 768, 896 slots, then two segments of 512; each 4/5 full when it grows.
        #expect(shapes == [514, 642, 770, 898, 1028])
        #expect(countsAtChange == [0, 410, 512, 615, 717])
        #expect(index.directoryByteCount == 8)
        #expect(index.check())
    }

    @Test func manyItemsAreFoundAndNothingElse() throws {
        let index = try TestIndex(unitCount: 400_000)
        let tags = randomTags(20_000)
        for (number, tag) in tags.enumerated() { #expect(index.add(key(number), tag: tag)) }
        #expect(index.check())
        // 8 bytes at fill grades between 0.4 and 0.8.
        #expect(Double(index.unitCount) * 8 / 20_000 < 14)
        #expect(index.totalSlotCount > 20_000 * 5 / 4 && index.totalSlotCount < 20_000 * 5 / 2)
        for number in 0..<1000 {
            #expect(index.find(key(-1 - number), tag: tags[number]) == nil)
            #expect(index.find(key(number), tag: tags[number] ^ 1 << 7) == nil)
        }
    }

    @Test func anEmptiedIndexIsAsSmallAsAFreshOne() throws {
        let index = try TestIndex(unitCount: 400_000)
        let fresh = index.memory.freeUnitCount
        let tags = randomTags(10_000)
        for round in 0..<2 {
            for (number, tag) in tags.enumerated() { #expect(index.add(key(number), tag: tag)) }
            var order = Array(tags.indices)
            var generator = SeededGenerator(seed: UInt64(round))
            order.shuffle(using: &generator)
            for (place, number) in order.enumerated() {
                try index.remove(key(number))
                if place % 1000 == 0 { #expect(index.check()) }
            }
            #expect(index.count == 0 && index.check())
            #expect(index.unitCount == 514)
            #expect(index.memory.freeUnitCount == fresh)
        }
    }

    @Test func itemsWithOneTagAreToldApartByTheirKeys() throws {
        let index = try TestIndex(unitCount: 120_000)
        for number in 0..<300 { #expect(index.add(key(number), tag: 0xFFFF_FFFF)) }
        #expect(index.check())
        #expect(index.find(key(300), tag: 0xFFFF_FFFF) == nil)
        // From the middle of the run outwards, so that every probe passes an emptied slot.
        for number in 0..<150 {
            try index.remove(key(150 + number))
            try index.remove(key(149 - number))
            if number % 10 == 0 { #expect(index.check()) }
        }
        #expect(index.count == 0)
    }

    @Test func removalKeepsProbesIntactAcrossTheEndOfTheTable() throws {
        // Home slots at the very end of the table, so that runs go on at its beginning.
        var generator = SeededGenerator(seed: 4)
        let index = try TestIndex(unitCount: 120_000)
        var present: [Int] = []
        var next = 0
        for step in 0..<3000 {
            if present.count < 40 || generator.isHit(oneIn: 2) && present.count < 100 {
                let distance = UInt32(generator.number(below: 20)) << 23
                #expect(index.add(key(next), tag: UInt32.max - distance))
                present.append(next)
                next += 1
            } else {
                try index.remove(key(present.remove(at: generator.number(below: present.count))))
            }
            if step % 10 == 0 { #expect(index.check()) }
        }
    }

    @Test func aSplitThatPutsEverythingOnOneSideEndsAndLosesNothing() throws {
        let index = try TestIndex(unitCount: 400_000)
        // Equal low bits: the first eleven splits separate nothing.
        for number in 0..<3000 {
            #expect(index.add(key(number), tag: UInt32(number) << 11 | 0x2A))
        }
        #expect(index.check())
        #expect(index.find(key(0), tag: 0) == nil)
        for number in 0..<3000 { try index.remove(key(number)) }
        #expect(index.count == 0 && index.check())
    }

    @Test func tagsThatNoSplitCanSeparateFillOneSegmentAndNoMore() throws {
        let index = try TestIndex(unitCount: 4_000_000)
        // 20 equal low bits are as deep as the directory goes; one slot of 896 stays empty.
        for number in 0..<895 { #expect(index.add(key(number), tag: UInt32(number) << 20)) }
        #expect(!index.add(key(895), tag: 895 << 20))
        #expect(index.add(key(896), tag: 1))
        #expect(index.check())
        #expect(index.find(key(895), tag: 895 << 20) == nil)
        try index.remove(key(0))
        #expect(index.add(key(895), tag: 895 << 20))
        #expect(index.check())
    }

    @Test func withoutAFreeExtentItFillsItsSegmentToTheLastSlotButOne() throws {
        let index = try TestIndex(unitCount: 120_000)
        let tags = randomTags(600)
        for number in 0..<400 { #expect(index.add(key(number), tag: tags[number])) }
        // Holes that hold an item each, but no segment.
        var holes: [Extent] = []
        while let hole = index.memory.take(8) { holes.append(hole) }
        for (number, hole) in holes.enumerated() where number % 2 == 0 { index.memory.give(hole) }
        for number in 400..<511 { #expect(index.add(key(number), tag: tags[number])) }
        #expect(!index.add(key(511), tag: tags[511]))
        #expect(index.unitCount == 514 && index.check())
        #expect(index.find(key(511), tag: tags[511]) == nil)
        for (number, hole) in holes.enumerated() where number % 2 == 1 { index.memory.give(hole) }
        #expect(index.add(key(511), tag: tags[511]))
        #expect(index.unitCount == 642 && index.check())
    }

    @Test func aSlotCanBeGivenToAnotherItem() throws {
        let index = try TestIndex(unitCount: 120_000)
        for number in 0..<50 { #expect(index.add(key(number), tag: 7 << 24)) }
        #expect(index.replace(key(25), by: Item(55_555)) == Item(55_555))
        #expect(index.check())
    }

    /// The same through a map: keys that were chosen for the low bits of their hashes.
    @Test func aMapTakesKeysWhoseHashesCollideInTheirLowBits() throws {
        let map = try SessionMap(MapConfiguration(byteCount: 4 << 20, hashSeed: 1), now: 10)
        let hash = KeyHash(seed: 1)
        var keys: [[UInt8]] = []
        var number: UInt64 = 0
        while keys.count < 1500 {
            let key = Array("k\(number)".utf8)
            if key.withUnsafeBytes({ hash.hash($0) }) & 63 == 0 { keys.append(key) }
            number += 1
        }
        for key in keys { #expect(map.set(key, [1, 2, 3]) == .stored) }
        map.checkInvariants(now: 10)
        for key in keys { #expect(map.get(key).hit?.value == [1, 2, 3]) }
        for key in keys { #expect(map.remove(key)) }
        map.checkInvariants(now: 10)
        #expect(map.statistics(now: 10).itemCount == 0)
    }
}
