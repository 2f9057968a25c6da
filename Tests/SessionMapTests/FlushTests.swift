import Testing

@testable import SessionMap

@Suite struct FlushTests {
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
