import Testing

@testable import SessionMap

/// Memory that peers hold: values on their way in, and values that replies send.
@Suite(.timeLimit(.minutes(10))) struct HoldingTests {
    private static let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)

    private func makeMap(
        byteCount: Int = 8 << 20, itemByteCountMax: Int = 256 << 10,
        eviction: EvictionPolicy = .standard
    ) throws -> SessionMap {
        try SessionMap(
            MapConfiguration(
                byteCount: byteCount, itemByteCountMax: itemByteCountMax, eviction: eviction,
                shardCount: 1, hashSeed: 71), now: 10)
    }

    private static func user(_ number: Int) -> [UInt8] { Array("user-\(number)".utf8) }

    private func addUsers(_ count: Int, to map: SessionMap) {
        let value = [UInt8](repeating: 1, count: 1_000)
        for number in 0..<count { #expect(map.set(Self.user(number), value) == .stored) }
        for number in 0..<count { #expect(map.get(Self.user(number), now: 12).outcome == .hit) }
        #expect(map.statistics(now: 12).provenItemCount == count)
    }

    private func usersLeft(_ count: Int, in map: SessionMap) -> Int {
        (0..<count).count { map.get(Self.user($0), now: 12).outcome == .hit }
    }

    /// Values that were begun, and of which not all has come.
    private struct Unfinished: ~Copyable {
        private let map: SessionMap
        private var stores: [Box] = []
        private(set) var refusedCount = 0

        private final class Box {
            var store: SessionMap.PendingStore?
            init(_ store: consuming SessionMap.PendingStore) { self.store = consume store }
        }

        init(_ map: SessionMap) { self.map = map }

        var count: Int { stores.count }

        /// Sends all of a value but `missing` bytes.
        mutating func send(_ key: [UInt8], byteCount: Int, missing: Int, fill: UInt8 = 0) {
            switch map.begin(key.span, HoldingTests.request, valueByteCount: byteCount, now: 12) {
            case .refused: refusedCount += 1
            case .pending(var store):
                while store.bytesLeft > missing {
                    let count = min(store.target.count, store.bytesLeft - missing)
                    store.target.copyBytes(from: [UInt8](repeating: fill, count: count))
                    guard map.received(count, in: &store, now: 12) else {
                        refusedCount += 1
                        return map.abandon(store)
                    }
                }
                stores.append(Box(store))
            }
        }

        /// Stores the value that was sent last; false when it was refused.
        mutating func store() -> Bool {
            guard let store = stores.popLast()?.store.take() else { return false }
            return map.commit(store, now: 12) == .stored
        }

        mutating func letGo() {
            for box in stores { if let store = box.store.take() { map.abandon(store) } }
            stores = []
        }
    }

    @Test func valuesThatStopOnTheirWayLogNobodyOut() throws {
        let map = try makeMap()
        addUsers(4_000, to: map)
        var unfinished = Unfinished(map)
        for number in 0..<60 {
            unfinished.send(Array("big-\(number)".utf8), byteCount: 250_000, missing: 1_000)
        }
        #expect(unfinished.refusedCount > 40 && unfinished.count > 0)
        let all = map.statistics(now: 12)
        #expect(all.heldByteCount > 1 << 20 && all.heldByteCount <= 2 << 20)
        #expect(all.evictedProvenCount == 0 && all.outOfMemoryCount == unfinished.refusedCount)
        // Who comes new meanwhile finds room, too.
        for number in 0..<150 {
            #expect(map.set("new-\(number)", [UInt8](repeating: 2, count: 1_000)) == .stored)
        }
        for number in 0..<150 { #expect(map.value("new-\(number)", now: 12) != nil) }
        map.checkInvariants(now: 12)
        #expect(usersLeft(4_000, in: map) == 4_000)
        unfinished.letGo()
        map.checkInvariants(now: 12)
        #expect(map.statistics(now: 12).heldByteCount == 0)
    }

    @Test func aFullMapGivesValuesOnTheirWayHalfOfProbationsShare() throws {
        // 10 % of 8 MiB: the half is more than the largest item.
        let map = try makeMap(eviction: .probation(sharePercent: 10, proofAgeSeconds: 1))
        var count = 0
        while map.statistics(now: 10).evictionCount == 0 {
            #expect(map.set(Self.user(count), [UInt8](repeating: 1, count: 1_000)) == .stored)
            count += 1
        }
        let first = map.statistics(now: 10)
        for number in 0..<count { _ = map.get(Self.user(number), now: 12) }
        var unfinished = Unfinished(map)
        for number in 0..<60 {
            unfinished.send(Array("big-\(number)".utf8), byteCount: 250_000, missing: 1_000)
        }
        let all = map.statistics(now: 12)
        #expect(all.probationaryItemCount == 0)
        #expect(all.heldByteCount <= (8 << 20) / 20 && all.heldByteCount > 200_000)
        // Newcomers have the other half, and all together no more than the share.
        for number in 0..<1_000 {
            #expect(map.set("new-\(number)", [UInt8](repeating: 2, count: 1_000)) == .stored)
        }
        let end = map.statistics(now: 12)
        #expect(end.probationaryByteCount + end.heldByteCount <= (8 << 20) / 10 + 1_100)
        #expect(end.probationaryByteCount >= (8 << 20) / 20)
        let lost = Int(end.evictedProvenCount) * first.itemByteCount / first.itemCount
        #expect(lost <= (8 << 20) / 10 + (8 << 20) / 100)
        unfinished.letGo()
        map.checkInvariants(now: 12)
    }

    /// The smallest memory for the largest items: two of them in a shard.
    @Test(arguments: [1 << 20, 4 << 20], [EvictionPolicy.standard, .lru])
    func aValueUpToTheItemLimitFindsRoomAmongProvenSessions(
        itemByteCountMax: Int, eviction: EvictionPolicy
    ) throws {
        let map = try makeMap(
            byteCount: 2 * itemByteCountMax, itemByteCountMax: itemByteCountMax, eviction: eviction)
        var count = 0
        while map.statistics(now: 10).evictionCount == 0 {
            #expect(map.set(Self.user(count), [UInt8](repeating: 1, count: 700)) == .stored)
            count += 1
        }
        for number in 0..<count { _ = map.get(Self.user(number), now: 12) }
        let key = Array("k".utf8)
        let byteCount = map.configuration.valueByteCountMax(keyByteCount: 1)
        for _ in 0..<3 {
            switch map.begin(key.span, Self.request, valueByteCount: byteCount, now: 12) {
            case .refused(let outcome): Issue.record("refused: \(outcome)")
            case .pending(var store):
                while store.bytesLeft > 0 {
                    let count = min(store.target.count, 60_000)
                    store.target.copyBytes(from: [UInt8](repeating: 7, count: count))
                    guard map.received(count, in: &store, now: 12) else {
                        Issue.record("no room for the last \(store.bytesLeft) bytes")
                        return map.abandon(store)
                    }
                }
                let outcome = map.commit(store, now: 12)
                #expect(outcome == .stored)
            }
        }
        #expect(map.get(key, now: 12).hit?.value == [UInt8](repeating: 7, count: byteCount))
        map.checkInvariants(now: 12)
    }

    @Test func valuesThatNobodyReadsLogNobodyOut() throws {
        let map = try makeMap()
        addUsers(4_000, to: map)
        let value = [UInt8](repeating: 3, count: 250_000)
        var pins: [PinnedValue] = []
        var refusedCount = 0
        var unfinished = Unfinished(map)
        for number in 0..<60 {
            let key = Array("big-\(number)".utf8)
            unfinished.send(key, byteCount: value.count, missing: 0, fill: 3)
            guard unfinished.store() else { continue }
            let result = map.retrieve(key.span, now: 12) { _ in .pinned }
            if let pinned = result.pinned {
                pins.append(pinned)
            } else {
                #expect(result.outcome == .outOfMemory)
                refusedCount += 1
            }
            // Alive, their memory is probation's; gone, it is held by their readers alone.
            if number % 2 == 0 { #expect(map.remove(key, now: 12)) }
        }
        #expect(pins.count > 5 && refusedCount + unfinished.refusedCount > 40)
        let all = map.statistics(now: 12)
        #expect(all.heldByteCount + all.pinnedByteCount <= 4 << 20)
        #expect(all.heldByteCount > 900_000)
        #expect(all.outOfMemoryCount == refusedCount + unfinished.refusedCount)
        #expect(usersLeft(4_000, in: map) == 4_000)
        for pin in pins { #expect(hasEqualBytes(pin.bytes, value)) }
        map.checkInvariants(now: 12)
        for pin in pins { map.unpin(pin) }
        map.checkInvariants(now: 12)
        let end = map.statistics(now: 12)
        #expect(end.heldByteCount == 0 && end.pinnedByteCount == 0)
    }

    /// Made long piece by piece, asked for, not read, and deleted: what their readers hold was nobody's
    /// value on its way, and is on no queue any more.
    @Test(arguments: [false, true])
    func valuesThatGrewAndAreGoneLogNobodyOut(isProven: Bool) throws {
        let map = try makeMap()
        let userCount = 6_500
        addUsers(userCount, to: map)
        let part = [UInt8](repeating: 3, count: 15_000)
        let append = StoreRequest(mode: .append, clientFlags: 0, deadline: .never)
        let key = Array("own".utf8)
        var pins: [PinnedValue] = []
        var refusedCount = 0
        func grow() {
            _ = map.set(key, part, now: 12)
            for _ in 0..<7 { _ = map.store(key.span, append, value: part.span, now: 12) }
        }
        for number in 0..<60 {
            grow()
            if isProven, number == 0 { #expect(map.get(key, now: 20).outcome == .hit) }
            let result = map.retrieve(key.span, now: 20) { _ in .pinned }
            if let pinned = result.pinned { pins.append(pinned) } else { refusedCount += 1 }
            // One session of somebody who is logged in is read again and again as it changes.
            if !isProven { #expect(map.remove(key, now: 20)) }
        }
        #expect(pins.count >= 2 && refusedCount > 40)
        let all = map.statistics(now: 20)
        #expect(all.heldByteCount > 200_000 && all.heldByteCount <= 1 << 20)
        #expect(all.evictedProvenCount == 0)
        #expect(usersLeft(userCount, in: map) == userCount)
        map.checkInvariants(now: 20)
        for pin in pins { map.unpin(pin) }
        map.checkInvariants(now: 20)
    }

    @Test func memoryIsWantedBackWhenProvenSessionsHaveComeToNeedIt() throws {
        let map = try makeMap()
        var unfinished = Unfinished(map)
        for number in 0..<60 {
            unfinished.send(Array("big-\(number)".utf8), byteCount: 250_000, missing: 1_000)
        }
        #expect(map.statistics(now: 12).heldByteCount > 3 << 20)
        // Who has just been refused would have it, but not for ever.
        #expect(map.wantsRelief(shard: 0, now: 12) && map.wantsRelief(shard: 0, now: 13))
        #expect(!map.wantsRelief(shard: 0, now: 14))
        addUsers(2_000, to: map)
        #expect(map.wantsRelief(shard: 0, now: 14))
        unfinished.letGo()
        #expect(!map.wantsRelief(shard: 0, now: 14))
        #expect(usersLeft(2_000, in: map) == 2_000)
    }

    @Test func halfOfWhatIsLeftMayBePinnedAndNotAUnitMore() throws {
        // Nine units of a region are its borders, and 514 the index's.
        let half = ((1 << 20) / 8 - 9 - 514) / 2
        let headerByteCount = TestRegion(unitCount: 9).region.itemHeaderByteCount(clientFlags: 0)
        for surplus in [-1, 0, 1] {
            let map = try makeMap(byteCount: 1 << 20, itemByteCountMax: 128 << 10, eviction: .lru)
            var left = half + surplus
            for number in 0..<8 {
                let unitCount = number < 7 ? half / 8 : left
                let byteCount = unitCount * 8 - headerByteCount - 1
                let key = [UInt8(ascii: "a") + UInt8(number)]
                #expect(map.set(key, [UInt8](repeating: 0, count: byteCount)) == .stored)
                let result = map.retrieve(key.span, now: 10) { _ in .pinned }
                let fits = number < 7 || surplus <= 0
                #expect(result.outcome == (fits ? .hit : .outOfMemory))
                left -= unitCount
                // Another reader of the same value holds no more memory.
                let again = map.retrieve(key.span, now: 10) { _ in .pinned }.pinned
                #expect((again != nil) == fits)
            }
            map.checkInvariants(now: 10)
        }
    }

    /// An item that a reply reads stays where it is when the index needs a run.
    @Test func whatAReplyReadsIsNotMoved() throws {
        let map = try makeMap(byteCount: 2 << 20, itemByteCountMax: 64 << 10, eviction: .lru)
        var generator = SeededGenerator(seed: 72)
        // Holes of an item's size everywhere, and pinned items between them.
        var count = 0
        while map.statistics(now: 10).evictionCount == 0 {
            let key = sessionKey(UInt64(count))
            #expect(map.set(key, [UInt8](repeating: UInt8(count & 255), count: 40)) == .stored)
            count += 1
        }
        var pins: [(value: PinnedValue, byte: UInt8)] = []
        for number in 200..<count {
            let key = sessionKey(UInt64(number))
            if generator.isHit(oneIn: 3) {
                if let pin = map.pin(key) { pins.append((pin, UInt8(number & 255))) }
            } else if generator.isHit(oneIn: 3) {
                _ = map.remove(key)
            }
        }
        #expect(pins.count > 1_000)
        // As the index does it when it has no room to grow; some runs can be made without the pinned.
        var runCount = 0
        for length: UInt32 in [20, 30, 50, 100, 300] {
            for _ in 0..<20 where map.withShard(0, { $0.makeRun(length) }) { runCount += 1 }
            map.checkInvariants(now: 10)
        }
        #expect(runCount > 0)
        // Many more and smaller ones: the index grows.
        for number in 0..<count {
            _ = map.set(sessionKey(UInt64(count + number)), [])
            if number % 500 == 0 { map.checkInvariants(now: 10) }
        }
        map.checkInvariants(now: 10)
        for pin in pins {
            #expect(pin.value.bytes == [UInt8](repeating: pin.byte, count: 40))
            map.unpin(pin.value)
        }
        map.checkInvariants(now: 10)
    }
}
