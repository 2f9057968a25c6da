import Testing

@testable import SessionMap

/// Keys that were deleted and cannot be stored again for a while.
@Suite(.timeLimit(.minutes(10))) struct FenceTests {
    private let key = Array("session:1".utf8)

    private func makeMap(shardCount: Int = 2) throws -> SessionMap {
        try SessionMap(
            MapConfiguration(
                byteCount: 1 << 20, itemByteCountMax: 100_000, shardCount: shardCount, hashSeed: 42),
            now: 10)
    }

    private func delete(
        _ map: SessionMap, _ key: [UInt8], until end: UInt32, now: UInt32 = 10
    ) -> DeleteOutcome {
        map.delete(key.span, fencingUntil: end, now: now)
    }

    @Test("A key is fenced from its deletion on, to the second that was said")
    func life() throws {
        let map = try makeMap()
        #expect(delete(map, key, until: 70) == .notFound)
        #expect(map.set(key, [1]) == .stored)
        #expect(delete(map, key, until: 70) == .deleted)
        for mode in [StoreMode.set, .add, .replace, .append, .prepend] {
            #expect(map.set(key, [1], mode: mode, now: 69) == .notStored)
        }
        #expect(map.fenceEnd(of: key.span, now: 69) == 70)
        let statistics = map.statistics(now: 69)
        // Replace and append find nothing, fenced or not.
        #expect(statistics.fenceCount == 1 && statistics.fencedCount == 2)
        #expect(map.set(key, [1], now: 70) == .stored)
        #expect(map.fenceEnd(of: key.span, now: 70) == nil)
        map.maintainFully(now: 70)
        #expect(map.statistics(now: 70).fenceCount == 0)
    }

    @Test(
        "What is made for want of an item, waits for its key, or arrives in parts is refused, too")
    func otherStores() throws {
        let map = try makeMap()
        #expect(map.set(key, [1]) == .stored && delete(map, key, until: 70) == .deleted)
        let found = map.retrieve(
            key.span, now: 20, creating: Vivification(deadline: .never)
        ) { _ in .copied }
        #expect(found.outcome == .miss)
        var count = ArithmeticRequest(delta: 1, increments: true)
        count.initial = .init(number: 1, deadline: .never)
        #expect(map.arithmetic(key.span, count, now: 20) == .notFound)
        let add = StoreRequest(mode: .add, clientFlags: 0, deadline: .never)
        let lock: [UInt8] = [1]
        let claim = map.claim(key.span, add, value: lock.span, isFirst: true, now: 20)
        #expect(claim == .refused(.notStored))
        let value = [UInt8](repeating: 7, count: 40_000)
        let set = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
        guard
            case .pending(var pending) = map.begin(
                key.span, set, valueByteCount: value.count, now: 20)
        else {
            Issue.record("it was refused")
            return
        }
        while pending.bytesLeft > 0 {
            let part = min(pending.target.count, pending.bytesLeft)
            pending.target.copyBytes(from: value.prefix(part))
            #expect(map.received(part, in: &pending, now: 20))
        }
        #expect(map.commit(pending, now: 20) == .notStored)
        #expect(map.statistics(now: 20).fencedCount == 4 && map.value("session:1") == nil)
        map.checkInvariants(now: 20)
    }

    @Test("A copy of what another node has stored is taken, fence or not, and can be changed then")
    func copies() throws {
        let map = try SessionMap(
            MapConfiguration(
                byteCount: 1 << 20, shardCount: 2, hashSeed: 42, features: .births), now: 10)
        map.fence(key.span, until: 70, now: 10)
        #expect(map.set(key, [1]) == .notStored)
        let head = CopyHead(version: 5, birth: 1, clientFlags: 0, deadline: .never, marks: 0)
        let copy: [UInt8] = [2]
        let isTaken = map.adopt(key.span, head, value: copy.span, age: 0, now: 10, fraction: 0)
        #expect(isTaken)
        #expect(map.set(key, [3], now: 20) == .stored)
    }

    @Test("Of too many fences the oldest go early, which is counted; the others hold")
    func bound() {
        var keys = FencedKeys(mapByteCount: 1 << 20)
        let countMax = 256
        for hash in 0..<countMax { keys.insert(UInt64(hash), until: 70, now: 10) }
        #expect(keys.count == countMax && keys.droppedEarlyCount == 0)
        keys.insert(1_000, until: 70, now: 10)
        #expect(keys.count == countMax && keys.droppedEarlyCount == 1)
        #expect(!keys.contains(0, now: 10) && keys.contains(1, now: 10))
        #expect(keys.contains(1_000, now: 69) && !keys.contains(1_000, now: 70))
        // Again and again the same one.
        for now in 11..<5_000 as Range<UInt32> { keys.insert(7, until: now + 60, now: now) }
        #expect(keys.contains(7, now: 5_058) && !keys.contains(7, now: 5_059))
        keys.expire(now: 5_059)
        #expect(keys.count == 0 && keys.isEmpty && keys.droppedEarlyCount == 1)
        // A shorter one does not shorten it.
        keys.insert(7, until: 6_000, now: 5_060)
        keys.insert(7, until: 5_100, now: 5_060)
        #expect(keys.contains(7, now: 5_999))
        keys.insert(8, until: 5_060, now: 5_060)
        #expect(keys.count == 1)
    }
}
