import Testing

@testable import SessionMap

/// Sessions that grow by orders of magnitude, and shrink again, while memory is full.
///
/// SOJOURN_SEED chooses another run, SOJOURN_STEPS a longer one.
@Suite(.timeLimit(.minutes(10))) struct GrowingValueTests {
    private static let seed = environmentNumber("SOJOURN_SEED", default: 61)
    private static let roundCount = Int(environmentNumber("SOJOURN_STEPS", default: 1_000))
    private static let sizes = [2 << 10, 200 << 10, 2 << 20, 200 << 10]

    private func pattern(_ byteCount: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: UInt64(byteCount))
        let word = generator.next()
        return withUnsafeBytes(of: word) { bytes in
            [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
                for start in stride(from: 0, to: byteCount, by: 8) {
                    let part = min(8, byteCount - start)
                    UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(buffer)[start..<start + part]
                    )
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<part]))
                }
                count = byteCount
            }
        }
    }

    /// Stores as a connection does it: the value arrives in parts.
    private func receive(_ map: SessionMap, _ key: [UInt8], _ value: [UInt8], now: UInt32)
        -> StoreOutcome
    {
        let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
        switch map.begin(key.span, request, valueByteCount: value.count, now: now) {
        case .refused(let outcome): return outcome
        case .pending(var pending):
            var arrived = 0
            while pending.bytesLeft > 0 {
                let count = min(pending.target.count, 64 << 10)
                let target = UnsafeMutableRawBufferPointer(rebasing: pending.target[..<count])
                target.copyBytes(from: value[arrived..<arrived + count])
                arrived += count
                guard map.received(count, in: &pending, now: now) else {
                    map.abandon(pending, deletingOldAt: now)
                    return .outOfMemory
                }
            }
            return map.commit(pending, now: now)
        }
    }

    @Test(arguments: [false, true])
    func aSessionGrowsTo2MiBAndBackInAFullMap(arrivesInParts: Bool) throws {
        print("growing values: SOJOURN_SEED=\(Self.seed)")
        let map = try SessionMap(
            MapConfiguration(
                byteCount: 32 << 20, itemByteCountMax: 4 << 20, eviction: .standard,
                shardCount: 1, hashSeed: Self.seed), now: 10)
        var generator = SeededGenerator(seed: Self.seed)
        let values = Self.sizes.map(pattern)
        let other = pattern(60_000)
        // The one that grows is proven; the others are bots of all sizes.
        let key = Array("growing".utf8)
        #expect(map.set(key, values[0]) == .stored)
        #expect(map.get(key, now: 12).outcome == .hit)
        while map.statistics(now: 12).evictionCount == 0 {
            #expect(map.set(sessionKey(generator.next()), other, now: 12) == .stored)
        }
        for round in 0..<Self.roundCount {
            let value = values[round % values.count]
            for _ in 0..<4 {
                let byteCount = 1 + generator.number(below: 60_000 >> generator.number(below: 8))
                #expect(
                    map.set(sessionKey(generator.next()), Array(other[..<byteCount]), now: 12)
                        == .stored)
            }
            let outcome =
                arrivesInParts
                ? receive(map, key, value, now: 12) : map.set(key, value, now: 12)
            try #require(outcome == .stored, "round \(round)")
            try #require(map.get(key, now: 12).hit?.value == value, "round \(round)")
            if round % 100 == 0 { map.checkInvariants(now: 12) }
        }
        map.checkInvariants(now: 12)
        let all = map.statistics(now: 12)
        #expect(all.outOfMemoryCount == 0 && all.evictedProvenCount == 0)
        #expect(all.evictionCount > 100 && all.freeByteCount < 4 << 20)
        #expect(map.remove(key, now: 12))
    }

    @Test func aSessionThatGrowsByPiecesReachesTheLimitAndKeepsItsValue() throws {
        let map = try SessionMap(
            MapConfiguration(
                byteCount: 16 << 20, itemByteCountMax: 4 << 20, eviction: .standard,
                shardCount: 1, hashSeed: Self.seed), now: 10)
        let limit = map.configuration.valueByteCountMax(keyByteCount: 7)
        let key = Array("growing".utf8)
        let piece = pattern(300_000)
        var value = piece
        #expect(map.set(key, value) == .stored)
        var filler: UInt64 = 0
        while value.count + piece.count <= limit {
            for _ in 0..<20 {
                #expect(map.set(sessionKey(filler), Array(piece[..<40_000])) == .stored)
                filler += 1
            }
            #expect(map.set(key, piece, mode: .append) == .stored)
            value += piece
        }
        #expect(map.get(key).hit?.value == value)
        // One too many is refused and changes nothing; exactly up to the limit is not.
        let rest = Array(piece[..<(limit - value.count)])
        #expect(map.set(key, rest + [1], mode: .append) == .notStored)
        #expect(map.get(key).hit?.value == value)
        #expect(map.set(key, rest, mode: .append) == .stored)
        #expect(map.get(key).hit?.value == value + rest)
        // A set that is too large takes the old value along: it is out of date.
        #expect(map.set(key, value + rest + [1]) == .tooLarge)
        #expect(map.get(key).outcome == .miss)
        map.checkInvariants(now: 10)
    }
}
