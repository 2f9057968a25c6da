import Testing

@testable import SessionMap

/// Where items have checksums, damage costs what is damaged, and not the whole map.
///
/// SOJOURN_SEED chooses other damage, SOJOURN_STEPS more of it.
@Suite(.timeLimit(.minutes(10))) struct DroppedDamageTests {
    private let seed = environmentNumber("SOJOURN_SEED", default: 51)
    private let flipCount = Int(environmentNumber("SOJOURN_STEPS", default: 300))

    private static let keyCount = 1_500
    private static func key(_ number: Int) -> [UInt8] { sessionKey(UInt64(number)) }
    private static func value(_ number: Int) -> [UInt8] {
        let byteCount = number % 50 == 0 ? 9_000 : number * 7 % 900
        return [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: byteCount)
    }

    /// Two shards with items in one piece and in several; every third item has been deleted.
    private func makeMemory(
        _ features: ArenaFeatures = .checksums, shardCount: Int = 2
    ) throws -> OutlivingMemory {
        let memory = OutlivingMemory(
            MapConfiguration(
                byteCount: 2 << 20, itemByteCountMax: 100_000, shardCount: shardCount,
                hashSeed: 52, features: features))
        let map = try memory.makeMap()
        for number in 0..<Self.keyCount {
            #expect(map.set(Self.key(number), Self.value(number)) == .stored)
        }
        for number in stride(from: 0, to: Self.keyCount, by: 3) {
            _ = map.remove(Self.key(number))
        }
        #expect(map.statistics(now: 10).evictionCount == 0)
        return memory
    }

    /// What is there is what was stored, and what was deleted is not there.
    private func check(_ map: SessionMap, _ numbers: some Sequence<Int>) {
        for number in numbers {
            guard let value = map.get(Self.key(number)).hit?.value else { continue }
            #expect(number % 3 != 0, "a deleted item is back")
            #expect(hasEqualBytes(value, Self.value(number)), "item \(number) is another")
        }
    }

    @Test func aFlippedBitCostsOneItemOrWhatIsBehindIt() throws {
        let memory = try makeMemory()
        let whole = Self.keyCount * 2 / 3
        print("flipped bits with checksums: SOJOURN_SEED=\(seed)")
        var generator = SeededGenerator(seed: seed)
        var noticedCount = 0
        var oneAtMostCount = 0
        for _ in 0..<flipCount {
            let copy = OutlivingMemory(copying: memory)
            let byte = ArenaHeader.byteCount + generator.number(below: 2 << 20)
            copy.bytes[byte] ^= 1 << UInt8(generator.number(below: 8))
            let (map, report) = try copy.recover()
            map.checkInvariants(now: 10)
            if report.firstDamage != nil { noticedCount += 1 }
            if report.itemCount >= whole - 1 { oneAtMostCount += 1 }
            check(map, (0..<60).map { _ in generator.number(below: Self.keyCount) })
        }
        #expect(noticedCount > flipCount / 8)
        #expect(oneAtMostCount > flipCount * 9 / 10)
    }

    @Test func aFlippedBitOfAHeaderIsNeverServedNorTheEnd() throws {
        let memory = try makeMemory()
        var generator = SeededGenerator(seed: seed)
        var starts: [(region: Int, unit: UInt32)] = []
        for number in 0..<2 {
            let region = memory.region(number)
            var unit: UInt32 = 0
            while unit < region.unitCount {
                starts.append((number, unit))
                unit += region.length(Extent(unit))
            }
        }
        for flip in 0..<flipCount {
            let copy = OutlivingMemory(copying: memory)
            let start =
                flip % 8 == 0
                ? (generator.number(below: 2), generator.isHit(oneIn: 2) ? 0 : .max)
                : starts.randomElement(using: &generator)!
            let region = copy.region(start.0)
            let unit = min(start.1, region.unitCount - 1)
            let byteCount = min(64, Int(region.length(Extent(unit))) * Region.unitByteCount)
            region.bytes(Extent(unit), offset: generator.number(below: byteCount), count: 1)[0] ^=
                1 << UInt8(generator.number(below: 8))
            let (map, _) = try copy.recover()
            map.checkInvariants(now: 10)
            check(map, (0..<60).map { _ in generator.number(below: Self.keyCount) })
            for number in 0..<20 {
                #expect(map.set("new-\(number)", [UInt8](repeating: 3, count: 5_000)) == .stored)
            }
            map.checkInvariants(now: 10)
        }
    }

    @Test func oneDamagedItemIsDroppedAndCountedAndAllOthersAreThere() throws {
        let memory = try makeMemory()
        let region = memory.region(1)
        var item = Item(ExtentAllocator.headUnitCount)
        while region.kind(item.head) != .item || region[item, .valueByteCount] < 100 {
            item = Item(item.head + region.length(item.head))
        }
        let key = Array(region.key(item))
        region.bytes(item.head, offset: region.valueOffset(item) + 50, count: 1)[0] ^= 4
        let (map, report) = try memory.recover()
        #expect(report.damagedCount == 1 && report.itemCount == Self.keyCount * 2 / 3 - 1)
        #expect(report.firstDamage?.reason.contains("checksum") == true)
        #expect(map.get(key).outcome == .miss)
        // It is gone for good, not damaged again.
        let (_, again) = try memory.recover()
        #expect(again.damagedCount == 0 && again.itemCount == report.itemCount)
    }

    /// Of a flush nobody knows what it took: what was flushed must not come back.
    @Test func aShardThatHasForgottenItsFlushesStartsEmptyAndTheOtherIsWhole() throws {
        let memory = try makeMemory()
        let before = try OutlivingMemory(copying: memory).recover().report.itemCount
        memory.region(0).bytes(.null, offset: 24, count: 1)[0] ^= 1
        let uncheckedMemory = try makeMemory([])
        uncheckedMemory.region(0).bytes(.null, offset: 24, count: 1)[0] ^= 1
        #expect(throws: MapError.self) { try uncheckedMemory.recover() }
        let (map, report) = try memory.recover()
        map.checkInvariants(now: 10)
        #expect(report.emptiedShardCount == 1)
        #expect(report.itemCount > before / 3 && report.itemCount < before * 2 / 3)
        check(map, 0..<Self.keyCount)
        for number in 0..<100 { #expect(map.set("new-\(number)", [1]) == .stored) }
    }

    @Test(arguments: [ArenaFeatures.checksums, []])
    func aDamagedCASCounterStopsNoStoreAndGivesNoUniqueAgain(features: ArenaFeatures) throws {
        for damaged in [UInt64.max, 0, 1 << 63, 12_345] {
            let memory = try makeMemory(features)
            var uniques: Set<UInt64> = []
            do {
                let (map, _) = try memory.recover()
                for number in 0..<Self.keyCount {
                    if let hit = map.get(Self.key(number)).hit { uniques.insert(hit.casUnique) }
                }
            }
            for number in 0..<2 { memory.region(number).setCASUnique(.null, damaged) }
            let (map, _) = try memory.recover()
            for number in 0..<100 {
                let key = Array("new-\(number)".utf8)
                #expect(map.set(key, [1]) == .stored)
                let unique = try #require(map.get(key).hit).casUnique
                #expect(uniques.insert(unique).inserted)
            }
        }
    }

    @Test func itemsThatAnotherSeedWouldNotFindAreNotTakenOver() throws {
        func recover(_ memory: OutlivingMemory) throws -> RecoveryReport {
            var header = try ArenaHeader.read(memory.page).get()
            header.hashSeed ^= 1 << 40
            var report = RecoveryReport()
            let map = try SessionMap(
                MapConfiguration(byteCount: 2 << 20), recovering: memory.bytes, header: header,
                now: 10, report: &report)
            map.checkInvariants(now: 10)
            return report
        }
        #expect(throws: MapError.self) { try recover(makeMemory([])) }
        let report = try recover(makeMemory())
        #expect(report.itemCount == 0 && report.damagedCount == Self.keyCount * 2 / 3)
    }

    @Test func kindsThatNobodyUsesYetAreRefused() throws {
        for kind in [Region.Kind.tombstone, .guest, .guestTombstone] {
            for features in [ArenaFeatures.checksums, []] {
                let memory = try makeMemory(features, shardCount: 1)
                let region = memory.region()
                var extent = Extent(ExtentAllocator.headUnitCount)
                while region.kind(extent) != .item { extent = extent + region.length(extent) }
                region.setKind(extent, kind)
                if features.isEmpty {
                    #expect(throws: MapError.self) { try memory.recover() }
                } else {
                    let (_, report) = try memory.recover()
                    #expect(report.damagedCount == 1)
                    #expect(report.itemCount == Self.keyCount * 2 / 3 - 1)
                }
            }
        }
    }
}
