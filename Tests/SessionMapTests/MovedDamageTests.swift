import Testing

@testable import SessionMap

/// Items move out of memory that is damaged: with checksums damage costs what is damaged, without them a
/// move does not begin.
///
/// SOJOURN_SEED chooses other damage, SOJOURN_STEPS more of it.
@Suite(.timeLimit(.minutes(10))) struct MovedDamageTests {
    private let seed = environmentNumber("SOJOURN_SEED", default: 61)
    private let flipCount = Int(environmentNumber("SOJOURN_STEPS", default: 30))

    private static let byteCount = 1 << 20
    private static let keyCount = 1_650
    private static let keptCount = keyCount * 2 / 3
    private static func key(_ number: Int) -> [UInt8] { sessionKey(UInt64(number)) }

    /// Tells whose it is in each part of it.
    private static func value(_ number: Int) -> [UInt8] {
        let byteCount = number % 50 == 0 ? 9_000 : number * 7 % 900
        let key = key(number)
        var value: [UInt8] = []
        while value.count < byteCount { value += key }
        return Array(value[..<byteCount])
    }

    private static let values = (0..<keyCount).map { value($0) }

    private func configuration(
        megabytes: Int, shardCount: Int, _ features: ArenaFeatures = .checksums
    ) -> MapConfiguration {
        MapConfiguration(
            byteCount: megabytes << 20, itemByteCountMax: 100_000, eviction: .standard,
            shardCount: shardCount, hashSeed: 62, features: features)
    }

    /// Where items of two shards move to.
    private var targets: [MapConfiguration] {
        [
            configuration(megabytes: 2, shardCount: 2), configuration(megabytes: 2, shardCount: 1),
            configuration(megabytes: 3, shardCount: 4),
            configuration(megabytes: 2, shardCount: 2, []),
        ]
    }

    /// Two shards with items in one piece and in several: every third item has been deleted, and long ones
    /// are where those were.
    private func makeMemory(_ features: ArenaFeatures = .checksums) throws -> OutlivingMemory {
        let memory = OutlivingMemory(configuration(megabytes: 1, shardCount: 2, features))
        let map = try memory.makeMap()
        for number in 0..<Self.keyCount {
            let value = Array(Self.values[number].prefix(900))
            #expect(map.set(Self.key(number), value) == .stored)
        }
        for number in stride(from: 0, to: Self.keyCount, by: 3) {
            _ = map.remove(Self.key(number))
        }
        for number in stride(from: 0, to: Self.keyCount, by: 50) where number % 3 != 0 {
            #expect(map.set(Self.key(number), Self.values[number]) == .stored)
        }
        #expect(map.statistics(now: 10).evictionCount == 0)
        #expect(map.statistics(now: 10).extraExtentCount > 0)
        return memory
    }

    /// How many keys are there; what is there is what was stored, and what was deleted is not.
    private func count(_ map: SessionMap) -> Int {
        var count = 0
        for number in 0..<Self.keyCount {
            guard let value = map.get(Self.key(number), now: 20).hit?.value else { continue }
            count += 1
            #expect(number % 3 != 0, "a deleted item is back")
            #expect(hasEqualBytes(value, Self.values[number]), "item \(number) is another")
        }
        return count
    }

    /// Moves what is left and takes it over; the damage that the move found, and the map.
    private func move(
        _ memory: OutlivingMemory, to target: MapConfiguration
    ) throws -> (found: RecoveryReport, map: SessionMap, movers: Movers) {
        let movers = try Movers(memory, to: target)
        let left = try #require(try movers.goOn(now: 20))
        let (map, _) = try movers.recover(target, now: 20)
        map.checkInvariants(now: 20)
        return (left.found, map, movers)
    }

    /// Every extent of both regions.
    private func extents(_ memory: OutlivingMemory) -> [(region: Int, extent: Extent)] {
        (0..<2).flatMap { number -> [(region: Int, extent: Extent)] in
            let region = memory.region(number)
            var walk = RegionWalk(region, end: region.unitCount)
            var all = [(number, Extent(0)), (number, Extent(region.unitCount - 1))]
            while let step = walk.next() { all.append((number, step.extent)) }
            return all
        }
    }

    @Test("One damaged session is dropped and counted when a file moves, and all others are there")
    func one() throws {
        for target in targets {
            let memory = try makeMemory()
            let region = memory.region(1)
            var item = Item(ExtentAllocator.headUnitCount)
            while region.kind(item.head) != .item || region[item, .valueByteCount] < 100 {
                item = Item(item.head + region.length(item.head))
            }
            let key = Array(region.key(item))
            region.bytes(item.head, offset: region.valueOffset(item) + 50, count: 1)[0] ^= 4
            let (found, map, movers) = try move(memory, to: target)
            withExtendedLifetime(movers) {
                #expect(found.damagedCount == 1 && found.emptiedShardCount == 0)
                #expect(found.firstDamage?.reason.contains("checksum") == true)
                #expect(map.get(key, now: 20).outcome == .miss)
                #expect(count(map) == Self.keptCount - 1)
            }
        }
    }

    @Test("A flipped bit costs one session or what is behind it, and is never served")
    func flips() throws {
        let memory = try makeMemory()
        print("flipped bits that move: SOJOURN_SEED=\(seed)")
        var generator = SeededGenerator(seed: seed)
        var noticedCount = 0
        var oneAtMostCount = 0
        for flip in 0..<flipCount {
            let copy = OutlivingMemory(copying: memory)
            let byte = ArenaHeader.byteCount + generator.number(below: Self.byteCount)
            copy.bytes[byte] ^= 1 << UInt8(generator.number(below: 8))
            let (found, map, movers) = try move(copy, to: targets[flip % targets.count])
            withExtendedLifetime(movers) {
                if found.firstDamage != nil { noticedCount += 1 }
                if count(map) >= Self.keptCount - 1 { oneAtMostCount += 1 }
            }
        }
        #expect(noticedCount > flipCount / 8, "SOJOURN_SEED=\(seed)")
        #expect(oneAtMostCount > flipCount * 9 / 10, "SOJOURN_SEED=\(seed)")
    }

    @Test("Damaged headers of extents and borders end no move, and the other shard is whole")
    func headers() throws {
        let memory = try makeMemory()
        print("flipped bits of headers that move: SOJOURN_SEED=\(seed)")
        let all = extents(memory)
        var shares = [0, 0]
        for number in 0..<Self.keyCount where number % 3 != 0 {
            let key = Self.key(number)
            shares[Int(KeyHash(seed: 62).hash(key.span) >> 32) & 1] += 1
        }
        var generator = SeededGenerator(seed: seed)
        for flip in 0..<flipCount {
            let copy = OutlivingMemory(copying: memory)
            let isBorder = flip % 8 == 0
            let (number, extent) =
                isBorder
                ? (generator.number(below: 2), Extent(0)) : all.randomElement(using: &generator)!
            let region = copy.region(number)
            let byteCount = min(64, Int(region.length(extent)) * Region.unitByteCount)
            region.bytes(extent, offset: generator.number(below: byteCount), count: 1)[0] ^=
                1 << UInt8(generator.number(below: 8))
            let (_, map, movers) = try move(copy, to: targets[flip % targets.count])
            withExtendedLifetime(movers) {
                #expect(count(map) >= shares[1 - number], "SOJOURN_SEED=\(seed), flip \(flip)")
                for number in 0..<20 {
                    let value = [UInt8](repeating: 3, count: 5_000)
                    #expect(map.set("new-\(number)", value, now: 20) == .stored)
                }
                map.checkInvariants(now: 20)
            }
        }
    }

    @Test("Random bytes end no move, and nobody gets another's session by them")
    func randomBytes() throws {
        let memory = try makeMemory()
        print("random bytes that move: SOJOURN_SEED=\(seed)")
        var generator = SeededGenerator(seed: seed)
        for flip in 0..<flipCount / 2 {
            let copy = OutlivingMemory(copying: memory)
            let byteCount = [8, 200, 5_000, 200_000][flip % 4]
            let start = ArenaHeader.byteCount + generator.number(below: Self.byteCount)
            for byte in start..<min(start + byteCount, copy.bytes.count) {
                copy.bytes[byte] = UInt8(truncatingIfNeeded: generator.next())
            }
            let (_, map, movers) = try move(copy, to: targets[flip % targets.count])
            withExtendedLifetime(movers) { _ = count(map) }
        }
    }

    @Test("Pages of two moments move, and no user gets another's session")
    func mixedPages() throws {
        print("mixed pages that move: SOJOURN_SEED=\(seed)")
        var generator = SeededGenerator(seed: seed)
        let memory = try makeMemory()
        let (map, _) = try memory.recover(now: 10)
        var foundCount = 0
        for round in 0..<flipCount / 5 {
            let mixture = OutlivingMemory(copying: memory)
            for _ in 0..<30 {
                let number = generator.number(below: Self.keyCount)
                if number % 3 != 0 { _ = map.set(Self.key(number), Self.values[number]) }
            }
            for page in stride(from: 4_096, to: memory.bytes.count, by: 4_096)
            where generator.isHit(oneIn: 2) {
                let range = page..<min(page + 4_096, memory.bytes.count)
                mixture.bytes[range].copyBytes(from: memory.bytes[range])
            }
            let (_, taken, movers) = try move(mixture, to: targets[round % targets.count])
            withExtendedLifetime(movers) { foundCount += count(taken) }
        }
        #expect(foundCount > flipCount * 20)
    }

    @Test(
        "A death at any moment of a damaged file's move costs nobody else's session",
        arguments: [2, 1])
    func deaths(_ shardCount: Int) throws {
        let memory = try makeMemory()
        let target = configuration(megabytes: 2, shardCount: shardCount)
        // One in one piece; and one in pieces, whose pieces a move must not take for another's.
        let region = memory.region(0)
        var walk = RegionWalk(region, end: region.unitCount)
        var damaged: Set<[UInt8]> = []
        while let step = walk.next() {
            let item = Item(step.extent)
            guard step.kind == .item, damaged.count < 4 else { continue }
            let isInPieces = !region.next(after: item.head).isNull
            guard damaged.count >= 2 || isInPieces, region[item, .valueByteCount] > 0 else {
                continue
            }
            region[item, .checksum] ^= 1
            damaged.insert(Array(region.key(item)))
        }
        #expect(damaged.count == 4)
        let movers = try Movers(memory, to: target)
        var storeCount = 0
        var failures: [String] = []
        movers.willStore = {
            storeCount += 1
            guard storeCount % 197 == 0 else { return }
            do {
                let copy = Movers(copying: movers)
                _ = try #require(try copy.goOn(now: 20))
                let (map, _) = try copy.recover(target, now: 20)
                let found = count(map)
                if found != Self.keptCount - 4 {
                    failures.append("store \(storeCount): \(found) sessions")
                }
            } catch {
                failures.append("store \(storeCount): \(error)")
            }
        }
        _ = try #require(try movers.goOn(now: 20))
        #expect(storeCount > 3_000)
        #expect(failures.isEmpty, "\(failures.prefix(5))")
    }

    @Test("A shard that has forgotten its flushes moves nothing, and the other moves as a whole")
    func flushes() throws {
        let memory = try makeMemory()
        memory.region(0).bytes(.null, offset: 24, count: 1)[0] ^= 1
        for target in targets {
            let copy = OutlivingMemory(copying: memory)
            let (found, map, movers) = try move(copy, to: target)
            withExtendedLifetime(movers) {
                #expect(found.emptiedShardCount == 1 && found.damagedCount == 1)
                let whole = count(map)
                #expect(whole > Self.keptCount / 3 && whole < Self.keptCount * 2 / 3)
            }
        }
    }

    @Test(
        "After a move no CAS unique comes again, whatever the counter says",
        arguments: [true, false])
    func casCounter(hasChecksums: Bool) throws {
        for damaged in [UInt64.max, 0, 1 << 63, 12_345] {
            let memory = try makeMemory(hasChecksums ? .checksums : [])
            var uniques: Set<UInt64> = []
            let copy = OutlivingMemory(copying: memory)
            // The map does not own its memory.
            try withExtendedLifetime(copy) {
                let (map, _) = try copy.recover()
                for number in 0..<Self.keyCount {
                    if let hit = map.get(Self.key(number)).hit { uniques.insert(hit.casUnique) }
                }
            }
            for number in 0..<2 { memory.region(number).setCASUnique(.null, damaged) }
            let (_, map, movers) = try move(memory, to: targets[0])
            try withExtendedLifetime(movers) {
                #expect(count(map) == Self.keptCount)
                for number in 0..<100 {
                    let key = Array("new-\(number)".utf8)
                    #expect(map.set(key, [1], now: 20) == .stored)
                    let unique = try #require(map.get(key, now: 20).hit).casUnique
                    #expect(uniques.insert(unique).inserted)
                }
            }
        }
    }

    // MARK: Without checksums

    /// The same memory as a node of layout 3 would have left it.
    private func makeLayout3(of memory: OutlivingMemory) {
        memory.bytes.storeBytes(of: 3, toByteOffset: 8, as: UInt32.self)
        for (number, extent) in extents(memory) {
            let region = memory.region(number)
            let start = extent.isNull ? 0 : Int(extent.unit) * Region.unitByteCount
            if extent.isNull { region.base.storeBytes(of: 0, toByteOffset: 24, as: UInt32.self) }
            guard region.kind(extent) == .item else { continue }
            let word = region.base.load(fromByteOffset: start + 36, as: UInt32.self)
            region.base.storeBytes(
                of: word & ((1 << 27) - 1) | (word >> 28) << 27, toByteOffset: start + 36,
                as: UInt32.self)
        }
    }

    @Test(
        "Without checksums damage that shows is told before anything is changed; else all move",
        arguments: [3, 4])
    func withoutChecksums(layout: Int) throws {
        let memory = try makeMemory([])
        let all = extents(memory)
        if layout == 3 { makeLayout3(of: memory) }
        let target = configuration(megabytes: 2, shardCount: 2, [])
        do {
            let (found, map, movers) = try move(OutlivingMemory(copying: memory), to: target)
            withExtendedLifetime(movers) {
                #expect(found.firstDamage == nil && count(map) == Self.keptCount)
            }
        }
        print("flipped bits of layout \(layout) that move: SOJOURN_SEED=\(seed)")
        var generator = SeededGenerator(seed: seed)
        var refusedCount = 0
        for _ in 0..<flipCount {
            let copy = OutlivingMemory(copying: memory)
            let (number, extent) = all.randomElement(using: &generator)!
            // The extent's header: its length, its kind, its link.
            copy.region(number).bytes(extent, offset: generator.number(below: 8), count: 1)[0] ^=
                1 << UInt8(generator.number(below: 8))
            let before = OutlivingMemory(copying: copy)
            do {
                let (_, map, movers) = try move(copy, to: target)
                withExtendedLifetime(movers) { _ = count(map) }
            } catch is DamagedRegion {
                refusedCount += 1
                #expect(before.bytes.elementsEqual(copy.bytes))
            }
        }
        #expect(refusedCount > flipCount / 4 && refusedCount < flipCount, "SOJOURN_SEED=\(seed)")
    }

    // MARK: The journal

    @Test("No bit of a move's journal, nor of a frontier, ends the process that goes on")
    func journal() throws {
        let memory = try makeMemory()
        let movers = try Movers(memory, to: configuration(megabytes: 2, shardCount: 2))
        movers.stepsLeft = 300
        #expect(try movers.goOn(now: 20) == nil)
        let places = Array(3_072..<3_192) + Array(4_096 + 56..<4_096 + 64)
        for place in places {
            for bit in [0, 3, 7] {
                let copy = Movers(copying: movers)
                copy.new[place] ^= 1 << UInt8(bit)
                guard let unfinished = ArenaMove.unfinished(copy.newPage),
                    unfinished.number == ArenaMove.number(ofOld: copy.oldPage),
                    unfinished.header.arenaByteCount == copy.new.count
                else { continue }
                // What it comes to is a refusal, or a move of what is left.
                _ = try? copy.goOn(now: 20)
            }
        }
    }
}
