import Testing

@testable import SessionMap

@Suite(.timeLimit(.minutes(10))) struct PendingStoreTests {
    /// A map without a free run of more than four units, half of which is free.
    private func makeHoledMap() throws -> SessionMap {
        let map = try SessionMap(
            MapConfiguration(byteCount: 1 << 20, evicts: false, shardCount: 1, hashSeed: 9), now: 10
        )
        // A header of 51 bytes and a key of 13 are four units exactly.
        var count = 0
        while map.set(Self.key(count), []) == .stored { count += 1 }
        for number in stride(from: 0, to: count, by: 2) { #expect(map.remove(Self.key(number))) }
        // The index has left larger runs: items of five units go there, until there is none.
        var filler = 0
        while map.statistics(now: 10).extraExtentCount == 0 {
            filler += 1
            #expect(
                map.set(Self.key(1_000_000 + filler), [UInt8](repeating: 0, count: 16)) == .stored)
        }
        #expect(map.remove(Self.key(1_000_000 + filler)))
        map.checkInvariants(now: 10)
        return map
    }

    private static func key(_ number: Int) -> [UInt8] {
        let digits = Array("\(number)".utf8)
        return [UInt8](repeating: UInt8(ascii: "k"), count: 13 - digits.count) + digits
    }

    @Test func aTargetIsNeverEmptyWhileBytesAreToCome() throws {
        let map = try makeHoledMap()
        let key = Self.key(9_999_999)
        let value = (0..<200).map { UInt8($0) }
        let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
        switch map.begin(key.span, request, valueByteCount: value.count, now: 10) {
        case .refused(let outcome): Issue.record("refused: \(outcome)")
        case .pending(var store):
            var arrivedCount = 0
            while store.bytesLeft > 0 {
                let count = store.target.count
                #expect(count > 0)
                store.target.copyBytes(from: value[arrivedCount..<arrivedCount + count])
                arrivedCount += count
                let isWell = map.received(count, in: &store, now: 10)
                #expect(isWell)
                if count == 0 || !isWell { break }
            }
            guard store.bytesLeft == 0 else { return map.abandon(store) }
            let outcome = map.commit(store, now: 10)
            #expect(outcome == .stored)
            #expect(map.get(key).hit?.value == value)
        }
        map.checkInvariants(now: 10)
    }

    @Test func aValueInPiecesComesBackWhole() throws {
        let map = try makeHoledMap()
        let value = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 3) }
        #expect(map.set("in pieces", value) == .stored)
        #expect(map.value("in pieces") == value)
        #expect(map.statistics(now: 10).extraExtentCount > 50)
        map.checkInvariants(now: 10)
    }

    @Test func anAbandonedValueLeavesNothingBehind() throws {
        let map = try SessionMap(MapConfiguration(byteCount: 8 << 20, shardCount: 1), now: 10)
        let before = map.statistics(now: 10)
        #expect(map.set("a", [1]) == .stored)
        let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
        let key = Array("a".utf8)
        for deletesOld in [false, true] {
            switch map.begin(key.span, request, valueByteCount: 1_000_000, now: 10) {
            case .refused(let outcome): Issue.record("refused: \(outcome)")
            case .pending(var store):
                let isWell = map.received(store.target.count, in: &store, now: 10)
                #expect(isWell && store.bytesLeft > 0)
                map.checkInvariants(now: 10)
                // The old value is there as long as the new one is on its way.
                #expect(map.value("a") == [1])
                map.abandon(store, deletingOldAt: deletesOld ? 10 : nil)
                #expect(map.value("a") == (deletesOld ? nil : [1]))
            }
        }
        let after = map.statistics(now: 10)
        #expect(after.freeByteCount == before.freeByteCount)
        #expect(after.itemByteCount == 0)
        map.checkInvariants(now: 10)
    }
}
