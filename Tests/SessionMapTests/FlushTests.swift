import Testing

@testable import SessionMap

@Suite(.timeLimit(.minutes(10))) struct FlushTests {
    private func makeMap() throws -> SessionMap {
        try SessionMap(MapConfiguration(byteCount: 4 << 20, shardCount: 2, hashSeed: 8), now: 10)
    }

    @Test func aFlushAskedForInAdvanceComesInItsSecond() throws {
        let map = try makeMap()
        #expect(map.set("a", [1]) == .stored)
        map.flush(at: .at(20), now: 10)
        #expect(map.value("a", now: 19) == [1])
        #expect(map.get(Array("a".utf8), now: 20).outcome == .flushed)
        #expect(map.set("a", [2], now: 20) == .stored)
        #expect(map.value("a", now: 30) == [2])
    }

    @Test func whatWasFlushedIsNotCountedFromThatMomentOn() throws {
        let map = try SessionMap(
            MapConfiguration(
                byteCount: 4 << 20, eviction: .standard, tracksSizes: true, shardCount: 2,
                hashSeed: 8), now: 10)
        let keys = (0..<100).map { Array("key-\($0)".utf8) }
        for key in keys { #expect(map.set(key, [1]) == .stored) }
        for key in keys[..<40] { #expect(map.get(key, now: 12).outcome == .hit) }
        let before = map.statistics(now: 12)
        #expect(before.itemCount == 100 && before.provenItemCount == 40)
        map.flush()
        let after = map.statistics(now: 12)
        #expect(after.itemCount == 0 && after.itemByteCount == 0)
        #expect(after.provenItemCount == 0 && after.probationaryByteCount == 0)
        #expect(after.freeByteCount == before.freeByteCount + before.itemByteCount)
        #expect(map.sizes().isEmpty && after.oldestAge == 0)
        // New items count, and the old ones' removal, one by one or by the new ones, changes nothing.
        for key in keys[30..<50] { #expect(map.set(key, [2], now: 12) == .stored) }
        for _ in 0..<30 {
            #expect(map.statistics(now: 12).itemCount == 20)
            map.checkInvariants(now: 12)
            for shard in 0..<2 { _ = map.maintain(shard: shard, now: 12, itemBudget: 2) }
        }
        map.maintainFully(now: 12)
        let end = map.statistics(now: 12)
        #expect(end.itemCount == 20 && end.reclaimedCount == 100)
        #expect(end.expiredUnfetchedCount == 0 && end.evictionCount == 0)
        #expect(map.sizes().map { $0.itemCount } == [20])
        // One that was asked for in advance counts at its second, whether or not anybody came by.
        map.flush(at: .at(20), now: 12)
        #expect(map.statistics(now: 19).itemCount == 20)
        #expect(map.statistics(now: 20).itemCount == 0)
    }

    @Test func aFlushThatIsDueIsNotTakenBackByALaterOne() throws {
        let map = try makeMap()
        let keys = (0..<50).map { Array("key-\($0)".utf8) }
        for key in keys { #expect(map.set(key, [1]) == .stored) }
        map.flush(at: .at(20), now: 10)
        // Nobody has asked the map for anything since; the first flush is due all the same.
        map.flush(at: .at(100), now: 30)
        for key in keys { #expect(map.get(key, now: 30).outcome == .flushed) }
    }

    @Test func manyFlushesInARowNeverBringAnItemBack() throws {
        let map = try makeMap()
        for number in 0..<20 { #expect(map.set("old-\(number)", [1]) == .stored) }
        for round in 0..<600 {
            #expect(map.set("new", [UInt8(truncatingIfNeeded: round)]) == .stored)
            #expect(map.value("new") == [UInt8(truncatingIfNeeded: round)])
            map.flush()
            #expect(map.value("new") == nil)
            #expect(map.value("old-\(round % 20)") == nil)
        }
        map.checkInvariants(now: 10)
    }
}
