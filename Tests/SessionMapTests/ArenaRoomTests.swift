import Testing

@testable import SessionMap

/// Memory that outlives the process and has room to grow.
@Suite(.timeLimit(.minutes(10)))
struct ArenaRoomTests {
    private func configuration(
        megabytes: Int = 4, shardCount: Int = 2, growth: Int = 4
    ) -> MapConfiguration {
        MapConfiguration(
            byteCount: megabytes << 20, itemByteCountMax: 128 << 10, eviction: .standard,
            shardCount: shardCount, hashSeed: 77, features: .checksums, growth: growth)
    }

    private static func value(_ number: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(number % 251), count: 900 + number % 200)
    }

    private func store(_ map: SessionMap, _ numbers: Range<Int>) {
        for number in numbers {
            #expect(map.set("key-\(number)", Self.value(number)) == .stored)
        }
    }

    private func left(_ map: SessionMap, _ numbers: Range<Int>) -> Int {
        numbers.count { number in
            guard let value = map.value("key-\(number)", now: 12) else { return false }
            #expect(value == Self.value(number))
            return true
        }
    }

    @Test("What needs memory is the first part of each region and its last page")
    func usedRanges() throws {
        let header = ArenaHeader.planned(for: configuration())
        let page = 4_096
        #expect(header.regionByteCount == 8 << 20 && header.limitByteCount == 2 << 20)
        #expect(header.arenaByteCount == page + (16 << 20) + page)
        let second = page + (8 << 20)
        #expect(
            header.usedRanges == [
                0..<page + (2 << 20),
                second - page..<second + (2 << 20),
                header.arenaByteCount - 2 * page..<header.arenaByteCount,
            ])
        #expect(header.usedByteCount == (4 << 20) + 4 * page)
        // All of the room in use is all of the file, but for nothing.
        let whole = header.with(limitByteCount: 8 << 20)
        #expect(whole.usedRanges == [0..<header.arenaByteCount])
        let odd = header.with(limitByteCount: (2 << 20) + 8)
        #expect(odd.usedRanges[0] == 0..<2 * page + (2 << 20))
    }

    @Test("Without growth, or without room for any, an arena is as it was before there was room")
    func noRoom() throws {
        let header = ArenaHeader.planned(for: configuration(growth: 1))
        #expect(header.room == nil && header.limitByteCount == header.regionByteCount)
        #expect(header.arenaByteCount == SessionMap.arenaByteCount(forMapOf: 4 << 20))
        #expect(header.usedRanges == [0..<header.arenaByteCount])
        let largest = MapConfiguration(
            byteCount: (1 << 30) - 8, shardCount: 1, hashSeed: 1, growth: 16)
        let full = ArenaHeader.planned(for: largest)
        #expect(full.room == nil && full.regionByteCount == (1 << 30) - 8)
        let nearly = MapConfiguration(
            byteCount: 1_000 << 20, shardCount: 1, hashSeed: 1, growth: 16)
        #expect(ArenaHeader.planned(for: nearly).regionByteCount == (1 << 30) - 4_096)
    }

    @Test("A map grows into its room, and the next process has all of it, and its limit")
    func growing() throws {
        let memory = OutlivingMemory(configuration())
        do {
            let map = try memory.makeMap()
            #expect(map.limitByteCountMax == 16 << 20)
            store(map, 0..<3_000)
            #expect(map.statistics(now: 10).evictionCount == 0)
            #expect(!map.setLimit(byteCount: (16 << 20) + 16))
            let more = map.bytes(between: 4 << 20, and: 16 << 20)
            #expect(more.map(\.count) == [6 << 20, 6 << 20])
            #expect(more[0].lowerBound == 4_096 + (2 << 20))
            #expect(map.setLimit(byteCount: 16 << 20))
            store(map, 3_000..<13_000)
            #expect(map.statistics(now: 10).evictionCount == 0)
            map.checkInvariants(now: 10)
        }
        let header = try ArenaHeader.read(memory.page).get()
        #expect(header.limitByteCount == 8 << 20 && header.isSettled)
        let (map, report) = try memory.recover()
        #expect(report.itemCount == 13_000 && report.evictedCount == 0)
        #expect(left(map, 0..<13_000) == 13_000)
        // As far as it goes, and no further.
        store(map, 13_000..<16_000)
        let all = map.statistics(now: 10)
        #expect(all.evictionCount > 0)
        #expect(all.itemByteCount + all.indexByteCount <= (16 << 20) + 1_024)
        map.checkInvariants(now: 10)
    }

    @Test("Who dies while a limit is lowered leaves all items, and the next process goes on")
    func dyingWhileShrinking() throws {
        let memory = OutlivingMemory(configuration())
        let map = try memory.makeMap()
        #expect(map.setLimit(byteCount: 16 << 20))
        store(map, 0..<10_000)
        for number in stride(from: 0, to: 10_000, by: 4) {
            #expect(map.get(Array("key-\(number)".utf8), now: 12).outcome == .hit)
        }
        #expect(map.setLimit(byteCount: 5 << 20))
        var turn = 0
        var isOver = false
        while !isOver {
            if turn % 29 == 0 {
                let copy = OutlivingMemory(copying: memory)
                let header = try ArenaHeader.read(copy.page).get()
                #expect(header.limitByteCount == 5 << 19 && !header.isSettled)
                let (next, report) = try copy.recover(now: 12)
                #expect(report.damagedCount == 0)
                for number in 0..<2 {
                    while next.maintain(shard: number, now: 12, itemBudget: 256) {}
                }
                #expect(next.brokenInvariants() == [])
                let after = next.statistics(now: 12)
                #expect(after.itemByteCount + after.indexByteCount <= (5 << 20) + 1_024)
                #expect(after.itemByteCount > 9 << 19)
                #expect(after.evictedProvenCount == 0)
                #expect(try ArenaHeader.read(copy.page).get().isSettled)
            }
            turn += 1
            let first = map.maintain(shard: 0, now: 12, itemBudget: 256)
            let second = map.maintain(shard: 1, now: 12, itemBudget: 256)
            isOver = !first && !second
        }
        #expect(turn > 60)
        #expect(try ArenaHeader.read(memory.page).get().isSettled)
        #expect(map.statistics(now: 12).evictedProvenCount == 0)
        for number in stride(from: 0, to: 10_000, by: 4) {
            #expect(map.value("key-\(number)", now: 12) == Self.value(number))
        }
    }

    @Test("Into an arena with room no more moves than is in use, and from one everything")
    func moving() throws {
        let memory = OutlivingMemory(configuration())
        do {
            let map = try memory.makeMap()
            #expect(map.setLimit(byteCount: 8 << 20))
            store(map, 0..<6_000)
            for number in 0..<2_000 {
                #expect(map.get(Array("key-\(number)".utf8), now: 12).outcome == .hit)
            }
        }
        for (megabytes, shardCount) in [(4, 1), (12, 4)] {
            let target = configuration(megabytes: megabytes, shardCount: shardCount)
            let found = try FoundArena.read(memory.page).get()
            #expect(found.reasonToMove(for: target) == "8 MB become \(megabytes)")
            #expect(found.reasonToMove(for: configuration(megabytes: 8)) == nil)
            let movers = try Movers(copying: Movers(memory, to: target))
            _ = try #require(try movers.goOn(now: 12))
            let header = try ArenaHeader.read(UnsafeRawBufferPointer(movers.newPage)).get()
            #expect(header.limitByteCount == (megabytes << 20) / shardCount)
            #expect(header.regionByteCount == 4 * header.limitByteCount)
            let (map, report) = try movers.recover(target, now: 12)
            map.checkInvariants(now: 12)
            #expect(report.damagedCount == 0 && report.evictedCount == 0)
            #expect(left(map, 0..<2_000) == 2_000)
            #expect(left(map, 0..<6_000) == report.itemCount)
            #expect(megabytes == 4 ? report.itemCount < 4_200 : report.itemCount == 6_000)
        }
    }

    @Test("What is said of the room and does not hold is not believed")
    func damage() throws {
        let memory = OutlivingMemory(configuration())
        do { store(try memory.makeMap(), 0..<100) }
        let base = try #require(memory.bytes.baseAddress)
        let word = base.load(fromByteOffset: 160, as: UInt64.self)
        base.storeBytes(of: word ^ 0x100, toByteOffset: 160, as: UInt64.self)
        // All of it is in use then, which is no lie.
        #expect(try ArenaHeader.read(memory.page).get().limitByteCount == 8 << 20)
        let more = ArenaRoom(unitCount: (8 << 20) / 8 + 1, isSettled: true)
        more.write(to: base)
        #expect(ArenaHeader.read(memory.page) == .failure(.foreign))
    }
}
