import Testing

@testable import SessionMap

/// A map's items move to an arena of another size or other shards.
@Suite(.timeLimit(.minutes(10))) struct ArenaMoveTests {
    private func configuration(
        megabytes: Int, shardCount: Int, eviction: EvictionPolicy = .standard
    ) -> MapConfiguration {
        MapConfiguration(
            byteCount: megabytes << 20, itemByteCountMax: 200_000, eviction: eviction,
            shardCount: shardCount, hashSeed: 31)
    }

    private func peek(_ map: SessionMap, _ key: [UInt8]) -> HitCopy? {
        var copy: HitCopy?
        _ = map.peek(key.span, now: 12) { copy = HitCopy($0) }
        return copy
    }

    /// A map with items of every kind; returns them as they must be found, and which keys must not be.
    private func fill(
        _ map: SessionMap, count: Int, seed: UInt64
    ) throws -> (wanted: [[UInt8]: HitCopy], gone: [[UInt8]], uniques: Set<UInt64>) {
        var generator = SeededGenerator(seed: seed)
        var wanted: [[UInt8]: HitCopy] = [:]
        var gone: [[UInt8]] = []
        var uniques: Set<UInt64> = []
        #expect(map.set("flushed", [1]) == .stored)
        map.flush()
        gone.append(Array("flushed".utf8))
        for number in 0..<count {
            let key = sessionKey(UInt64(number))
            let byteCount = number % 40 == 39 ? 20_000 : generator.number(below: 600)
            let value = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 &* number) }
            let deadline: Deadline =
                number % 3 == 0 ? .never : .at(number % 10 == 1 ? 15 : 1_000 + UInt64(number))
            #expect(
                map.set(
                    key, value, clientFlags: number % 2 == 0 ? 0 : UInt32(number),
                    deadline: deadline) == .stored)
            try uniques.insert(#require(map.get(key).hit).casUnique)
            if number % 5 == 0 {
                #expect(map.remove(key))
                gone.append(key)
            } else if number % 4 == 0 {
                // Proven.
                wanted[key] = map.get(key, now: 12).hit
            } else if number % 7 == 0 {
                _ = map.invalidate(
                    key.span,
                    Invalidation(emptyClientFlags: nil, marksStale: true, deadline: nil), now: 10)
                wanted[key] = map.get(key).hit
            } else {
                wanted[key] = map.get(key).hit
            }
        }
        for key in Array(wanted.keys) {
            wanted[key] = peek(map, key)
            guard let seconds = wanted[key]?.secondsLeft, seconds <= 5 else { continue }
            wanted[key] = nil
            gone.append(key)
        }
        return (wanted, gone, uniques)
    }

    @Test(
        "With more memory, or other shards, nobody is logged out, and who was stays so",
        arguments: [(2, 4, 1), (1, 4, 4), (4, 4, 1), (4, 8, 2), (2, 3, 2)])
    func everythingMoves(_ from: Int, _ megabytes: Int, _ to: Int) throws {
        let memory = OutlivingMemory(configuration(megabytes: 4, shardCount: from))
        let (wanted, gone, uniques) = try fill(memory.makeMap(), count: 2_000, seed: 5)
        let target = configuration(megabytes: megabytes, shardCount: to)
        let movers = try Movers(memory, to: target)
        let left = try #require(try movers.goOn(now: 20))
        #expect(
            left.evictedCount == 0 && left.found.flushedCount >= 1 && left.found.expiredCount > 100)
        let (map, report) = try movers.recover(target, now: 20)
        map.checkInvariants(now: 20)
        #expect(report.itemCount == wanted.count && report.evictedCount == 0)
        for (key, copy) in wanted { #expect(peek(map, key) == copy) }
        for key in gone { #expect(map.get(key, now: 20).outcome == .miss) }
        // No unique comes again.
        var fresh = uniques
        for number in 0..<1_000 {
            let key = Array("new-\(number)".utf8)
            #expect(map.set(key, [], now: 20) == .stored)
            let unique = try #require(map.get(key, now: 20).hit).casUnique
            #expect(fresh.insert(unique).inserted)
        }
    }

    @Test(
        "A death at any moment of the move loses nothing and brings nobody back",
        arguments: [(2, 1), (2, 2), (1, 2), (4, 2)])
    func deaths(_ from: Int, _ to: Int) throws {
        let memory = OutlivingMemory(configuration(megabytes: from == 4 ? 2 : 1, shardCount: from))
        let (wanted, gone, _) = try fill(memory.makeMap(), count: 120, seed: 6)
        let target = configuration(megabytes: 2, shardCount: to)
        let movers = try Movers(memory, to: target)
        var storeCount = 0
        var failures: [String] = []
        movers.willStore = {
            storeCount += 1
            // Every store of the first steps, and then a few of each kind.
            guard storeCount < 60 || storeCount % 7 == 0 else { return }
            do {
                let copy = Movers(copying: movers)
                _ = try #require(try copy.goOn(now: 20))
                let (map, report) = try copy.recover(target, now: 20)
                map.checkInvariants(now: 20)
                if report.itemCount != wanted.count {
                    failures.append("store \(storeCount): \(report.itemCount) items")
                }
                for (key, item) in wanted where map.get(key, now: 20).hit?.value != item.value {
                    failures.append("store \(storeCount): another value")
                }
                for key in gone where map.get(key, now: 20).hit != nil {
                    failures.append("store \(storeCount): one that was gone is back")
                }
            } catch {
                failures.append("store \(storeCount): \(error)")
            }
        }
        try movers.begin(now: 20)
        _ = try #require(try movers.goOn(now: 20))
        #expect(storeCount > 300)
        #expect(failures.isEmpty, "\(failures.prefix(5))")
    }

    @Test(
        "A move that is stopped again and again comes to its end, with everything",
        arguments: [(2, 1, false), (2, 2, false), (2, 2, true), (4, 2, true)])
    func interruptions(_ from: Int, _ to: Int, isParallel: Bool) throws {
        let memory = OutlivingMemory(configuration(megabytes: 4, shardCount: from))
        let (wanted, _, _) = try fill(memory.makeMap(), count: 2_000, seed: 7)
        let target = configuration(megabytes: 6, shardCount: to)
        let movers = try Movers(memory, to: target)
        movers.isParallel = isParallel
        var turns = 0
        repeat {
            movers.stepsLeft = 37
            turns += 1
        } while try movers.goOn(now: 20) == nil
        #expect(turns > 20)
        let (map, report) = try movers.recover(target, now: 20)
        #expect(report.itemCount == wanted.count)
        for (key, item) in wanted { #expect(map.get(key, now: 20).hit?.value == item.value) }
    }

    @Test("A lane that is over first gives nothing back that its neighbour's last sessions are in")
    func neighbours() throws {
        let memory = OutlivingMemory(
            MapConfiguration(
                byteCount: (2 << 20) + 4_096, itemByteCountMax: 200_000, evicts: false,
                shardCount: 2,
                hashSeed: 31))
        var stored: [String] = []
        do {
            let map = try memory.makeMap()
            // These regions do not end where pages do, and are full to their ends.
            var refusedCount = 0
            for number in 0... {
                if map.set("session-\(number)", [UInt8](repeating: 7, count: 40)) == .stored {
                    stored.append("session-\(number)")
                } else {
                    refusedCount += 1
                }
                if refusedCount == 200 { break }
            }
        }
        let target = configuration(megabytes: 4, shardCount: 2)
        let movers = try Movers(memory, to: target)
        movers.isBackwards = true
        let left = try #require(try movers.goOn(now: 20))
        #expect(left.evictedCount == 0)
        let (map, report) = try movers.recover(target, now: 20)
        #expect(report.itemCount == stored.count)
        for key in stored { #expect(map.value(key, now: 20)?.count == 40) }
    }

    @Test("With less memory those go that eviction would have sent away, and proven sessions stay")
    func shrinking() throws {
        let memory = OutlivingMemory(configuration(megabytes: 8, shardCount: 1))
        do {
            let map = try memory.makeMap()
            let value = [UInt8](repeating: 7, count: 900)
            // 1,500 that were read back, older than 4,000 that were not.
            for number in 0..<1_500 { #expect(map.set("user-\(number)", value) == .stored) }
            for number in 0..<1_500 { #expect(map.value("user-\(number)", now: 12) != nil) }
            for number in 0..<4_000 {
                #expect(map.set("bot-\(number)", value, now: 13 + UInt32(number / 100)) == .stored)
            }
        }
        let target = configuration(megabytes: 4, shardCount: 1)
        let movers = try Movers(memory, to: target)
        let left = try #require(try movers.goOn(now: 60))
        #expect(left.evictedCount > 1_000)
        let (map, report) = try movers.recover(target, now: 60)
        map.checkInvariants(now: 60)
        #expect(report.evictedCount == 0)
        #expect(report.itemCount + left.evictedCount == 5_500)
        #expect(map.statistics(now: 60).provenItemCount == 1_500)
        // Of the others the newest.
        let kept = (0..<4_000).filter { map.value("bot-\($0)", now: 60) != nil }
        #expect(kept.count == report.itemCount - 1_500)
        #expect(kept.allSatisfy { $0 >= 4_000 - kept.count - 100 })
        // It is nearly full, and no more was left out than that takes.
        #expect(map.statistics(now: 60).freeByteCount < 200_000)
    }

    @Test("Proven sessions beyond the smaller memory go, the longest unused ones first")
    func shrinkingProven() throws {
        let memory = OutlivingMemory(configuration(megabytes: 8, shardCount: 2))
        do {
            let map = try memory.makeMap()
            let value = [UInt8](repeating: 7, count: 1_900)
            for number in 0..<3_000 { #expect(map.set("user-\(number)", value) == .stored) }
            for number in 0..<3_000 {
                #expect(map.value("user-\(number)", now: 12 + UInt32(number)) != nil)
            }
        }
        let target = configuration(megabytes: 4, shardCount: 1)
        let movers = try Movers(memory, to: target)
        _ = try #require(try movers.goOn(now: 3_100))
        let (map, report) = try movers.recover(target, now: 3_100)
        let kept = (0..<3_000).filter { map.value("user-\($0)", now: 3_100) != nil }
        #expect(kept.count == report.itemCount && kept.count > 1_900)
        #expect(kept == Array(3_000 - kept.count..<3_000))
    }

    @Test(
        "At no moment both arenas have a tenth more memory than the larger one",
        arguments: [(8, 16, false), (16, 8, true), (8, 8, true)])
    func memoryBound(_ from: Int, _ to: Int, isParallel: Bool) throws {
        let memory = OutlivingMemory(configuration(megabytes: from, shardCount: 2))
        do {
            let map = try memory.makeMap()
            for number in 0..<10_000 * from / 8 {
                let value = [UInt8](repeating: 7, count: 200 + number % 1_000)
                #expect(map.set(sessionKey(UInt64(number)), value) == .stored)
            }
        }
        let movers = try Movers(memory, to: configuration(megabytes: to, shardCount: 4))
        movers.isParallel = isParallel
        _ = try #require(try movers.goOn(now: 20))
        let bound = max(from, to) << 20
        #expect(movers.pageCountMax * 4_096 <= bound + bound / 10)
        #expect(movers.pageCountMax * 4_096 > from << 20)
    }

    @Test("A flush that was asked for in advance is not forgotten in a move")
    func flushInAdvance() throws {
        let memory = OutlivingMemory(configuration(megabytes: 1, shardCount: 1))
        do {
            let map = try memory.makeMap()
            #expect(map.set("key", [1]) == .stored)
            map.flush(at: .at(30), now: 10)
        }
        let target = configuration(megabytes: 2, shardCount: 2)
        let movers = try Movers(memory, to: target)
        _ = try #require(try movers.goOn(now: 20))
        let (map, _) = try movers.recover(target, now: 20)
        #expect(map.value("key", now: 29) == [1])
        #expect(map.value("key", now: 30) == nil)
    }

    @Test("A value in many pieces moves as one, wherever its pieces are")
    func pieces() throws {
        let memory = OutlivingMemory(configuration(megabytes: 2, shardCount: 1))
        var wanted: [String: [UInt8]] = [:]
        do {
            let map = try memory.makeMap()
            let filler = [UInt8](repeating: 1, count: 3_000)
            for number in 0..<600 { #expect(map.set("filler-\(number)", filler) == .stored) }
            for number in stride(from: 0, to: 600, by: 2) {
                _ = map.remove(Array("filler-\(number)".utf8))
            }
            for number in 0..<4 {
                let value = (0..<150_000).map { UInt8(truncatingIfNeeded: $0 &* (number + 3)) }
                #expect(map.set("large-\(number)", value) == .stored)
                wanted["large-\(number)"] = value
            }
            #expect(map.statistics(now: 10).extraExtentCount > 100)
        }
        let target = configuration(megabytes: 3, shardCount: 1)
        let movers = try Movers(memory, to: target)
        repeat { movers.stepsLeft = 50 } while try movers.goOn(now: 20) == nil
        let (map, _) = try movers.recover(target, now: 20)
        map.checkInvariants(now: 20)
        for (key, value) in wanted { #expect(map.value(key, now: 20) == value) }
        #expect(map.statistics(now: 20).extraExtentCount == 0)
    }

    @Test("A damaged arena is told before anything is changed")
    func damage() throws {
        let memory = OutlivingMemory(configuration(megabytes: 1, shardCount: 2))
        _ = try fill(memory.makeMap(), count: 100, seed: 8)
        let region = memory.region(1)
        region[Extent(ExtentAllocator.headUnitCount), .lengthAndKind] = 0
        let before = OutlivingMemory(copying: memory)
        let movers = try Movers(memory, to: configuration(megabytes: 2, shardCount: 1))
        #expect(throws: DamagedRegion.self) { try movers.begin(now: 20) }
        #expect(ArenaMove.number(ofOld: memory.page) == nil)
        #expect(before.bytes.elementsEqual(memory.bytes))
    }
}
