import Glibc
import Testing

@testable import SessionMap

/// A limit that is lowered: who goes, what moves, and which pages the system has back.
@Suite(.timeLimit(.minutes(10)))
struct ShrinkingTests {
    private static let mebibyte = 1 << 20

    private func makeMap(
        megabytes: Int = 32, itemByteCountMax: Int = 512 << 10
    ) throws -> SessionMap {
        try SessionMap(
            MapConfiguration(
                byteCount: megabytes << 20, itemByteCountMax: itemByteCountMax,
                eviction: .standard, shardCount: 1, hashSeed: 5), now: 10)
    }

    /// Bytes of the region's pages that are there, from `start` to `end`.
    private func presentByteCount(
        _ map: SessionMap, from start: Int, to end: Int
    ) throws -> Int {
        let base = map.withShard(0) { $0.region.base }
        let pageByteCount = sysconf(Int32(_SC_PAGESIZE))
        var marks = [UInt8](repeating: 0, count: (end - start) / pageByteCount)
        try #require(mincore(base + start, end - start, &marks) == 0, "mincore: \(errno)")
        return marks.count { $0 & 1 != 0 } * pageByteCount
    }

    private static func key(_ number: Int) -> [UInt8] { Array("key-\(number)".utf8) }

    private static func value(_ number: Int, _ byteCount: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(number % 251), count: byteCount)
    }

    /// So many turns as it takes until nothing is due, and whoever cannot move may be waited for.
    private func maintain(_ map: SessionMap, now: UInt32, itemBudget: Int = 256) -> Int {
        var count = 1
        while map.maintain(shard: 0, now: now, itemBudget: itemBudget) { count += 1 }
        return count
    }

    private func isRetreating(_ map: SessionMap) -> Bool {
        map.withShard(0) { $0.retreat != nil }
    }

    @Test("A lower limit lets unproven items go, keeps the proven ones, and gives pages back")
    func pagesGoBack() throws {
        let map = try makeMap()
        var count = 0
        // Users and bots come mixed, in sizes that differ.
        while map.statistics(now: 10).itemByteCount < 30 * Self.mebibyte {
            #expect(map.set(Self.key(count), Self.value(count, 200 + count % 900)) == .stored)
            count += 1
        }
        for number in stride(from: 0, to: count, by: 3) {
            #expect(map.get(Self.key(number), now: 20).outcome == .hit)
        }
        let before = map.statistics(now: 20)
        #expect(before.evictionCount == 0)
        #expect(
            try presentByteCount(map, from: 16 << 20, to: 30 << 20) == 14 * Self.mebibyte)
        #expect(map.setLimit(byteCount: 16 << 20))
        // A store does not have to wait until all of it has gone.
        #expect(map.set(Self.key(count), Self.value(count, 500), now: 20) == .stored)
        let first = map.statistics(now: 20).evictionCount
        #expect(first < 100)
        #expect(map.maintain(shard: 0, now: 20, itemBudget: 256))
        #expect(map.statistics(now: 20).evictionCount <= first + 256)
        #expect(maintain(map, now: 20) > 50)
        map.checkInvariants(now: 20)
        let after = map.statistics(now: 20)
        // The index has a directory besides.
        #expect(after.itemByteCount + after.indexByteCount <= 16 * Self.mebibyte + 1_024)
        #expect(after.evictedProvenCount == 0 && after.provenItemCount == before.provenItemCount)
        // Nobody more than had to go.
        #expect(after.itemByteCount + after.indexByteCount > 15 * Self.mebibyte)
        #expect(!isRetreating(map))
        #expect(try presentByteCount(map, from: (16 << 20) + 4096, to: 32 << 20) <= 4096)
        #expect(after.releasedByteCount > 15 << 20)
        for number in 0..<count {
            let hit = map.get(Self.key(number), now: 20).hit
            if number % 3 == 0 { #expect(hit != nil) }
            if let hit { #expect(hit.value == Self.value(number, 200 + number % 900)) }
        }
        // And up again: it is as it was.
        #expect(map.setLimit(byteCount: 32 << 20))
        for number in 0..<20_000 {
            #expect(map.set("new-\(number)", Self.value(number, 600), now: 20) == .stored)
        }
        #expect(map.statistics(now: 20).evictionCount == after.evictionCount)
        map.checkInvariants(now: 20)
        for number in stride(from: 0, to: count, by: 3) {
            #expect(map.get(Self.key(number), now: 20).outcome == .hit)
        }
    }

    @Test(
        "What a reply reads, and a value on its way, stay where they are, and pages around them go")
    func whatCannotMove() throws {
        let map = try makeMap(megabytes: 16, itemByteCountMax: 1 << 20)
        var count = 0
        while map.statistics(now: 10).itemByteCount < 12 * Self.mebibyte {
            #expect(map.set(Self.key(count), Self.value(count, 40_000)) == .stored)
            count += 1
        }
        let last = count - 1
        let pinned = try #require(map.pin(Self.key(last)))
        let unit = map.withShard(0) { _ in pinned.item.unit }
        #expect(Int(unit) * 8 > 11 * Self.mebibyte)
        switch map.begin(
            Self.key(9_999).span, StoreRequest(mode: .set, clientFlags: 0, deadline: .never),
            valueByteCount: 20_000, now: 10)
        {
        case .refused: Issue.record("refused")
        case .pending(var store):
            store.target.copyBytes(from: Self.value(7, store.target.count))
            #expect(map.setLimit(byteCount: 4 << 20))
            _ = maintain(map, now: 11)
            #expect(isRetreating(map))
            let present = try presentByteCount(map, from: (4 << 20) + 4096, to: 16 << 20)
            #expect(present > 50_000 && present < 200_000)
            #expect(hasEqualBytes(pinned.bytes, Self.value(last, 40_000)))
            map.checkInvariants(now: 11)
            map.unpin(pinned)
            #expect(map.received(store.target.count, in: &store, now: 11))
            store.target.copyBytes(from: Self.value(7, store.target.count))
            #expect(map.received(store.target.count, in: &store, now: 11))
            let outcome = map.commit(store, now: 11)
            #expect(outcome == .stored)
            _ = maintain(map, now: 12)
            #expect(!isRetreating(map))
            #expect(try presentByteCount(map, from: (4 << 20) + 4096, to: 16 << 20) <= 4096)
            #expect(map.get(Self.key(9_999), now: 12).hit?.value == Self.value(7, 20_000))
            #expect(map.statistics(now: 12).heldByteCount == 0)
            map.checkInvariants(now: 12)
        }
    }

    @Test("Pages that nothing lies in any more go back, too")
    func emptyEnd() throws {
        let map = try makeMap()
        for number in 0..<25_000 {
            #expect(map.set(Self.key(number), Self.value(number, 1_000)) == .stored)
        }
        for number in 0..<25_000 { #expect(map.remove(Self.key(number))) }
        #expect(try presentByteCount(map, from: 8 << 20, to: 24 << 20) == 16 * Self.mebibyte)
        #expect(map.setLimit(byteCount: 8 << 20))
        _ = maintain(map, now: 10)
        #expect(!isRetreating(map))
        #expect(try presentByteCount(map, from: (8 << 20) + 4096, to: 32 << 20) <= 4096)
        // Once is enough: there is nothing more to give back.
        let released = map.statistics(now: 10).releasedByteCount
        #expect(map.setLimit(byteCount: 8 << 20) && !isRetreating(map))
        #expect(map.setLimit(byteCount: 12 << 20) && !isRetreating(map))
        #expect(map.setLimit(byteCount: 8 << 20))
        _ = maintain(map, now: 10)
        #expect(map.statistics(now: 10).releasedByteCount <= released + (4 << 20))
    }

    @Test("A limit that goes up and down while its region is left holds in the end")
    func changesOfMind() throws {
        var generator = SeededGenerator(seed: environmentNumber("SOJOURN_SEED", default: 3))
        let map = try makeMap(megabytes: 8, itemByteCountMax: 256 << 10)
        var limit = 8 << 20
        for round in 0..<40 {
            for _ in 0..<400 {
                let number = generator.number(below: 20_000)
                _ = map.set(
                    Self.key(number), Self.value(number, 1 << generator.number(below: 14)), now: 10)
            }
            limit = (1 << 20) + generator.number(below: 12 << 20)
            #expect(map.setLimit(byteCount: limit))
            for _ in 0..<generator.number(below: 60) {
                _ = map.maintain(shard: 0, now: 10, itemBudget: 1 + generator.number(below: 300))
                let number = generator.number(below: 20_000)
                #expect(map.set(Self.key(number), Self.value(number, 300), now: 10) == .stored)
            }
            map.checkInvariants(now: 10)
            if round % 4 == 0 {
                _ = maintain(map, now: 10)
                #expect(!isRetreating(map))
                let all = map.statistics(now: 10)
                #expect(all.itemByteCount + all.indexByteCount <= limit + 1_024)
            }
        }
        map.forEachItem(now: 10) { hit in
            let copy = HitCopy(hit)
            let number = Int(String(decoding: copy.key.dropFirst(4), as: UTF8.self)) ?? 0
            #expect(copy.value == Self.value(number, copy.value.count))
        }
    }

    @Test("What has moved within memory that outlives the process is whole")
    func recoveredAfterwards() throws {
        let memory = OutlivingMemory(
            MapConfiguration(
                byteCount: 16 << 20, itemByteCountMax: 1 << 20, eviction: .standard,
                shardCount: 1, hashSeed: 9, features: .checksums))
        var left = 0
        do {
            let map = try memory.makeMap()
            for number in 0..<900 {
                #expect(
                    map.set(
                        Self.key(number), Self.value(number, number % 30 == 0 ? 200_000 : 9_000))
                        == .stored)
            }
            #expect(map.setLimit(byteCount: 6 << 20))
            _ = maintain(map, now: 11)
            #expect(!isRetreating(map))
            left = map.statistics(now: 11).itemCount
            #expect(left > 300 && left < 600)
            map.checkInvariants(now: 11)
        }
        let (map, report) = try memory.recover(now: 11)
        #expect(report.itemCount == left && report.damagedCount == 0)
        map.forEachItem(now: 11) { hit in
            let copy = HitCopy(hit)
            let number = Int(String(decoding: copy.key.dropFirst(4), as: UTF8.self)) ?? 0
            #expect(hasEqualBytes(copy.value, Self.value(number, copy.value.count)))
        }
    }
}
