import Testing

@testable import SessionMap

/// One shard is one least recently used queue, without exception.
@Suite(.timeLimit(.minutes(10))) struct EvictionTests {
    private func makeMap(byteCount: Int) throws -> SessionMap {
        try SessionMap(
            MapConfiguration(byteCount: byteCount, shardCount: 1, hashSeed: 10), now: 10)
    }

    private final class Evicted {
        var keys: [String] = []
    }

    private func observe(_ map: SessionMap) -> Evicted {
        let evicted = Evicted()
        map.observeEvictions { evicted.keys.append($0.keyText) }
        return evicted
    }

    @Test func itemsGoInTheOrderOfTheirLastAccess() throws {
        let map = try makeMap(byteCount: 1 << 20)
        let evicted = observe(map)
        let value = [UInt8](repeating: 1, count: 1000)
        var stored: [String] = []
        while evicted.keys.isEmpty {
            stored.append("item-\(stored.count)")
            #expect(map.set(stored[stored.count - 1], value) == .stored)
        }
        #expect(evicted.keys.allSatisfy { stored.prefix(evicted.keys.count).contains($0) })
        evicted.keys = []
        var alive = stored.filter { map.value($0) != nil }
        #expect(alive.count > 900)
        // Every way of access counts, but the ones that meet nothing do not.
        var generator = SeededGenerator(seed: 11)
        alive.shuffle(using: &generator)
        for key in alive {
            let bytes = Array(key.utf8)
            switch generator.number(below: 5) {
            case 0: #expect(map.value(key) != nil)
            case 1: #expect(map.get(bytes, touch: .at(1000)).outcome == .hit)
            case 2: #expect(map.set(bytes, value, mode: .add) == .notStored)
            case 3:
                #expect(map.remove(bytes))
                #expect(map.set(bytes, value) == .stored)
            default: #expect(map.isContained(bytes))
            }
        }
        #expect(evicted.keys.isEmpty)
        for number in 0..<(2 * alive.count) { #expect(map.set("new-\(number)", value) == .stored) }
        #expect(Array(evicted.keys.prefix(alive.count)) == alive)
        // And then the new ones, in their order.
        let rest = evicted.keys.dropFirst(alive.count)
        #expect(Array(rest) == (0..<rest.count).map { "new-\($0)" })
        map.checkInvariants(now: 10)
    }

    @Test func deadItemsGoBeforeLivingOnes() throws {
        let map = try makeMap(byteCount: 1 << 20)
        let evicted = observe(map)
        let value = [UInt8](repeating: 1, count: 10_000)
        for number in 0..<40 { #expect(map.set("living-\(number)", value) == .stored) }
        for number in 0..<40 {
            let key = Array("dying-\(number)".utf8)
            #expect(map.set(key, value, deadline: .at(20)) == .stored)
        }
        for number in 0..<40 { #expect(map.set("new-\(number)", value, now: 20) == .stored) }
        #expect(evicted.keys.isEmpty)
        #expect(map.statistics(now: 20).reclaimedCount > 0)
        for number in 0..<40 { #expect(map.value("living-\(number)", now: 20) != nil) }
    }

    /// What memcached's own tests ask of 64 MiB, and a little more.
    @Test func sixtyFourLargeItemsFitInto64MiBAndThe65thEvictsTheFirst() throws {
        let map = try makeMap(byteCount: 64 << 20)
        let evicted = observe(map)
        let value = [UInt8](repeating: 0x78, count: 1_048_326)
        for number in 0..<64 { #expect(map.set("key\(number)", value) == .stored) }
        #expect(evicted.keys.isEmpty)
        #expect(map.statistics(now: 10).itemCount == 64)
        #expect(map.set("key64", value) == .stored)
        #expect(evicted.keys == ["key0"])
        #expect(map.value("key0") == nil)
        for number in 1...64 {
            #expect(hasEqualBytes(map.value("key\(number)") ?? [], value))
        }
        map.checkInvariants(now: 10)
    }

    @Test func aLowerLimitEvictsTheOldestInTurnsAndAHigherOneNobody() throws {
        let map = try SessionMap(
            MapConfiguration(
                byteCount: 4 << 20, itemByteCountMax: 1 << 19, shardCount: 1, hashSeed: 12),
            now: 10)
        let evicted = observe(map)
        let value = [UInt8](repeating: 1, count: 10_000)
        for number in 0..<400 { #expect(map.set("key-\(number)", value) == .stored) }
        #expect(evicted.keys.isEmpty)
        #expect(!map.setLimit(byteCount: (1 << 20) - 1))
        #expect(map.setLimit(byteCount: 1 << 20))
        #expect(evicted.keys.isEmpty)
        #expect(map.maintain(shard: 0, now: 10, itemBudget: 10))
        #expect(evicted.keys.count == 10)
        map.maintainFully(now: 10)
        let all = map.statistics(now: 10)
        #expect(all.itemByteCount + all.indexByteCount <= 1 << 20)
        #expect(evicted.keys == (0..<evicted.keys.count).map { "key-\($0)" })
        #expect(map.setLimit(byteCount: 16 << 20))
        let before = evicted.keys.count
        for number in 0..<1500 { #expect(map.set("more-\(number)", value) == .stored) }
        #expect(evicted.keys.count == before)
        map.checkInvariants(now: 10)
        #expect(!map.setLimit(byteCount: 65 << 20))
    }

    @Test func aLimitLeavesEachShardLessThanAGibibyte() throws {
        let map = try SessionMap(MapConfiguration(byteCount: 64 << 20), now: 10)
        #expect(map.setLimit(byteCount: (1 << 30) - Region.unitByteCount))
        #expect(!map.setLimit(byteCount: 1 << 30))
        #expect(map.set("key", [UInt8](repeating: 1, count: 10)) == .stored)
    }
}

extension SessionMap {
    fileprivate func isContained(_ key: [UInt8]) -> Bool { contains(key.span, now: 10) }
}
