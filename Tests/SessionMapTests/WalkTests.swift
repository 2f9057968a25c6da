import Testing

@testable import SessionMap

/// Seeing every item while items come and go.
@Suite(.timeLimit(.minutes(10))) struct WalkTests {
    private func makeMap(shardCount: Int = 1, byteCount: Int = 8 << 20) throws -> SessionMap {
        try SessionMap(
            MapConfiguration(
                byteCount: byteCount, itemByteCountMax: 64 << 10, shardCount: shardCount,
                hashSeed: 7),
            now: 10)
    }

    private func key(_ number: Int) -> [UInt8] { Array("key-\(number)".utf8) }

    /// Walks to the end; `between` is called after each step. How often each key was seen.
    private func walk(
        _ map: SessionMap, now: UInt32 = 10, between: (Int) -> Void = { _ in }
    ) -> [[UInt8]: Int] {
        var seen: [[UInt8]: Int] = [:]
        var walk = ItemWalk()
        var step = 0
        var hasMore = true
        while hasMore {
            hasMore = map.step(&walk, now: now) { seen[HitCopy($0).key, default: 0] += 1 }
            between(step)
            step += 1
        }
        return seen
    }

    @Test("Every item is seen once, in one shard or several", arguments: [1, 4])
    func everyItem(shardCount: Int) throws {
        let map = try makeMap(shardCount: shardCount)
        #expect(walk(map).isEmpty)
        for count in [1, 2, 63, 64, 65, 400, 20_000] {
            for number in 0..<count { #expect(map.set(key(number), []) == .stored) }
            let seen = walk(map)
            #expect(seen.count == count)
            #expect(seen.values.allSatisfy { $0 == 1 })
        }
    }

    @Test("A step sees some 64 items, and nothing of another shard")
    func stepSize() throws {
        let map = try makeMap()
        for number in 0..<20_000 { #expect(map.set(key(number), []) == .stored) }
        var walk = ItemWalk()
        var counts: [Int] = []
        var hasMore = true
        while hasMore {
            var count = 0
            hasMore = map.step(&walk, now: 10) { _ in count += 1 }
            counts.append(count)
        }
        #expect(counts.reduce(0, +) == 20_000)
        #expect(counts.max() ?? 0 <= 2 * ItemWalk.itemsPerStep)
        #expect(counts.count < 3 * 20_000 / ItemWalk.itemsPerStep)
    }

    @Test("After the end there is nothing more")
    func end() throws {
        let map = try makeMap()
        #expect(map.set(key(1), []) == .stored)
        var walk = ItemWalk()
        while map.step(&walk, now: 10, { _ in }) {}
        #expect(!map.step(&walk, now: 10) { _ in Issue.record("an item behind the end") })
    }

    @Test("What has expired or was flushed is not seen")
    func dead() throws {
        let map = try makeMap()
        #expect(map.set(key(1), [], deadline: .at(20)) == .stored)
        #expect(map.set(key(2), [], deadline: .at(21)) == .stored)
        #expect(walk(map, now: 20) == [key(2): 1])
        map.flush()
        #expect(map.set(key(3), []) == .stored)
        #expect(walk(map, now: 20) == [key(3): 1])
        // A flush that was asked for in advance comes first.
        map.flush(at: .at(30), now: 20)
        #expect(walk(map, now: 30).isEmpty)
    }

    @Test(
        "An item that is there throughout is seen once, whatever else is stored, replaced and deleted",
        arguments: 0..<8)
    func change(seed: UInt64) throws {
        let map = try makeMap(byteCount: 16 << 20)
        var generator = SeededGenerator(seed: seed)
        // Those that stay are few among many, many among few, or half of all.
        let stayingCount = [200, 3_000, 15_000][generator.number(below: 3)]
        let othersCount = [200, 3_000, 15_000][generator.number(below: 3)]
        for number in 0..<stayingCount { #expect(map.set(key(number), []) == .stored) }
        for number in 0..<othersCount where generator.isHit(oneIn: 2) {
            #expect(map.set(key(1_000_000 + number), []) == .stored)
        }
        let grows = generator.isHit(oneIn: 2)
        let seen = walk(map) { step in
            for _ in 0..<(othersCount / 40) {
                let other = key(1_000_000 + generator.number(below: othersCount))
                // Segments split where items are stored, and join where they are deleted.
                if generator.number(below: 10) < (grows ? 8 : 2) {
                    _ = map.set(other, [1])
                } else {
                    _ = map.remove(other)
                }
            }
            // A new value for one that stays, and back again.
            let staying = key(generator.number(below: stayingCount))
            _ = map.set(staying, [UInt8](repeating: 1, count: step % 500))
        }
        for number in 0..<stayingCount { #expect(seen[key(number)] == 1, "seed \(seed)") }
        #expect(seen.values.allSatisfy { $0 == 1 }, "seed \(seed)")
        map.checkInvariants(now: 10)
    }

    @Test("Evicting and moving items does not disturb a walk either")
    func fullMap() throws {
        let map = try makeMap(byteCount: 2 << 20)
        var evicted: Set<[UInt8]> = []
        map.observeEvictions { evicted.insert(HitCopy($0).key) }
        let value = [UInt8](repeating: 1, count: 300)
        for number in 0..<10_000 { #expect(map.set(key(number), value) == .stored) }
        let before = walk(map)
        evicted.removeAll()
        var next = 10_000
        let seen = walk(map) { _ in
            for _ in 0..<20 {
                _ = map.set(key(next), [UInt8](repeating: 2, count: next % 900))
                next += 1
            }
        }
        #expect(seen.values.allSatisfy { $0 == 1 })
        let stayed = before.keys.filter { !evicted.contains($0) }
        #expect(!evicted.isEmpty && !stayed.isEmpty)
        for key in stayed { #expect(seen[key] == 1) }
    }
}

/// Looking without being seen.
@Suite(.timeLimit(.minutes(10))) struct PeekTests {
    private let key = Array("k".utf8)

    private func makeMap() throws -> SessionMap {
        try SessionMap(
            MapConfiguration(byteCount: 1 << 20, itemByteCountMax: 64 << 10), now: 10)
    }

    private func peek(_ map: SessionMap, now: UInt32) -> (RetrievalOutcome, Int?) {
        var count: Int?
        let outcome = map.peek(key.span, now: now) { count = $0.valueByteCount }
        return (outcome, count)
    }

    @Test("A look shows the item, and is no access to it")
    func item() throws {
        let map = try makeMap()
        #expect(peek(map, now: 10) == (.miss, nil))
        #expect(map.set(key, [1, 2]) == .stored)
        #expect(peek(map, now: 15) == (.hit, 2))
        var wasFetched = true
        var age: UInt32 = 0
        _ = map.peek(key.span, now: 20) { hit in
            wasFetched = hit.wasFetched
            age = hit.secondsSinceAccess
        }
        #expect(!wasFetched)
        #expect(age == 10)
    }

    @Test("What is dead is left to whoever meets it, who is told so")
    func dead() throws {
        let map = try makeMap()
        #expect(map.set(key, [1], deadline: .at(20)) == .stored)
        #expect(peek(map, now: 20) == (.expired, nil))
        #expect(map.get(key, now: 20).outcome == .expired)
        #expect(peek(map, now: 20) == (.miss, nil))
        #expect(map.set(key, [1]) == .stored)
        map.flush()
        #expect(peek(map, now: 20) == (.flushed, nil))
        #expect(map.get(key, now: 20).outcome == .flushed)
    }
}
