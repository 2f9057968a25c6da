import Foundation
import Testing

@testable import SessionMap

/// Several threads on one map. What a key's value may be is written in the value itself; the rest is
/// for the sanitizers to judge.
@Suite(.timeLimit(.minutes(10))) struct ThreadTests {
    private static let stepCount = Int(environmentNumber("SOJOURN_THREAD_STEPS", default: 4000))

    /// A value that names its key, and whose every byte follows from its length.
    private static func value(of number: Int, byteCount: Int) -> [UInt8] {
        [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: byteCount)
    }

    private static func isWell(_ value: [UInt8], of number: Int) -> Bool {
        hasEqualBytes(value, Self.value(of: number, byteCount: value.count))
    }

    private static func work(_ map: SessionMap, seed: UInt64) -> Bool {
        var generator = SeededGenerator(seed: seed)
        var pins: [(value: PinnedValue, number: Int)] = []
        var isWell = true
        for step in 0..<stepCount {
            let now = UInt32(10 + step / 50)
            let number = generator.number(below: 300)
            let key = Array("key-\(number)".utf8)
            let byteCount = generator.number(below: 1 << generator.number(below: 15))
            switch generator.number(below: 16) {
            case 0..<5:
                let deadline = generator.isHit(oneIn: 2) ? Deadline.never : .at(UInt64(now) + 20)
                _ = map.set(
                    key, Self.value(of: number, byteCount: byteCount), deadline: deadline, now: now)
            case 5..<9:
                if let hit = map.get(key, now: now).hit {
                    isWell = isWell && Self.isWell(hit.value, of: number)
                }
            case 9:
                if let pinned = map.pin(key, now: now) { pins.append((pinned, number)) }
            case 10 where !pins.isEmpty:
                let pin = pins.removeFirst()
                isWell = isWell && Self.isWell(pin.value.bytes, of: pin.number)
                map.unpin(pin.value)
            case 11: _ = map.remove(key, now: now)
            case 12: _ = map.get(key, now: now, touch: .at(UInt64(now) + 40))
            case 13: Self.sendInParts(map, key, Self.value(of: number, byteCount: byteCount), now)
            case 14: _ = map.set(key, [UInt8(truncatingIfNeeded: number)], mode: .append, now: now)
            default:
                _ = map.maintain(shard: number % map.shardCount, now: now, itemBudget: 20)
                if generator.isHit(oneIn: 50) { map.flush() }
                if generator.isHit(oneIn: 10) { _ = map.statistics(now: now) }
                if generator.isHit(oneIn: 50) {
                    _ = map.setLimit(byteCount: (2 << 20) + generator.number(below: 4 << 20))
                }
            }
        }
        for pin in pins {
            isWell = isWell && Self.isWell(pin.value.bytes, of: pin.number)
            map.unpin(pin.value)
        }
        return isWell
    }

    private static func sendInParts(
        _ map: SessionMap, _ key: [UInt8], _ value: [UInt8], _ now: UInt32
    ) {
        let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
        switch map.begin(key.span, request, valueByteCount: value.count, now: now) {
        case .refused: return
        case .pending(var store):
            var arrivedCount = 0
            while store.bytesLeft > 0 {
                let count = min(store.target.count, 1500)
                store.target.copyBytes(from: value[arrivedCount..<arrivedCount + count])
                arrivedCount += count
                guard map.received(count, in: &store, now: now) else {
                    return map.abandon(store, deletingOldAt: now)
                }
            }
            _ = map.commit(store, now: now)
        }
    }

    @Test(arguments: [1, 4])
    func threadsDoNotDisturbEachOther(shardCount: Int) throws {
        let map = try SessionMap(
            MapConfiguration(
                byteCount: 4 << 20, itemByteCountMax: 1 << 16, shardCount: shardCount, hashSeed: 13),
            now: 10)
        let results = Results()
        let threads = (0..<4).map { number in
            Thread { results.append(Self.work(map, seed: UInt64(number))) }
        }
        for thread in threads { thread.start() }
        #expect(results.wait(count: 4) == [true, true, true, true])
        map.checkInvariants(now: 1000)
        map.flush()
        map.maintainFully(now: 1000)
        #expect(map.statistics(now: 1000).itemByteCount == 0)
    }

    /// The threads' answers. `@unchecked Sendable`: the condition's lock guards them.
    private final class Results: @unchecked Sendable {
        private let condition = NSCondition()
        private var all: [Bool] = []

        func append(_ result: Bool) {
            condition.lock()
            all.append(result)
            condition.broadcast()
            condition.unlock()
        }

        func wait(count: Int) -> [Bool] {
            condition.lock()
            defer { condition.unlock() }
            while all.count < count { condition.wait() }
            return all
        }
    }
}
