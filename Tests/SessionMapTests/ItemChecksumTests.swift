import Testing

@testable import SessionMap

/// Items whose arena has checksums: everything that changes one changes its checksum, too, and nothing
/// else does.
@Suite(.timeLimit(.minutes(10))) struct ItemChecksumTests {
    private func makeMemory(_ features: ArenaFeatures = .checksums) -> OutlivingMemory {
        OutlivingMemory(
            MapConfiguration(
                byteCount: 4 << 20, itemByteCountMax: 1 << 20, eviction: .standard,
                shardCount: 1, hashSeed: 81, features: features))
    }

    /// Takes over and finds nothing damaged.
    private func expectWhole(
        _ memory: OutlivingMemory, itemCount: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let copy = OutlivingMemory(copying: memory)
        let (_, report) = try copy.recover()
        #expect(report.firstDamage == nil, sourceLocation: sourceLocation)
        #expect(report.itemCount == itemCount, sourceLocation: sourceLocation)
    }

    @Test(arguments: [ArenaFeatures.checksums, [.checksums, .births]])
    func everyCommandLeavesAnItemThatIsTakenOver(features: ArenaFeatures) throws {
        let memory = makeMemory(features)
        let map = try memory.makeMap()
        let key = Array("user".utf8)
        #expect(map.set(key, Array("41".utf8), clientFlags: 7, deadline: .at(100)) == .stored)
        try expectWhole(memory, itemCount: 1)
        #expect(map.get(key, now: 12, touch: .at(200)).hit?.value == Array("41".utf8))
        try expectWhole(memory, itemCount: 1)
        let counted = map.arithmetic(
            key.span, ArithmeticRequest(delta: 1, increments: true), now: 12
        ) { _, _ in .touched(.at(300)) }
        #expect(counted == .value(42))
        try expectWhole(memory, itemCount: 1)
        for mode in [StoreMode.append, .prepend] {
            #expect(map.set(key, Array("0".utf8), mode: mode) == .stored)
            try expectWhole(memory, itemCount: 1)
        }
        let invalidation = Invalidation(
            emptyClientFlags: nil, marksStale: true, deadline: .at(400))
        #expect(map.invalidate(key.span, invalidation, now: 12) == .deleted)
        try expectWhole(memory, itemCount: 1)
        _ = map.retrieve(key.span, now: 13) { _ in
            var use = HitUse.copied
            use.claims = true
            return use
        }
        try expectWhole(memory, itemCount: 1)
        let emptying = Invalidation(emptyClientFlags: 1, marksStale: false, deadline: nil)
        #expect(map.invalidate(key.span, emptying, now: 12) == .deleted)
        try expectWhole(memory, itemCount: 1)
        let new = Array("new".utf8)
        _ = map.retrieve(new.span, now: 13, creating: Vivification(deadline: .at(500))) { _ in
            .touched(.never)
        }
        try expectWhole(memory, itemCount: 2)
        map.flush()
        try expectWhole(memory, itemCount: 0)
        #expect(map.set(key, [1]) == .stored)
        try expectWhole(memory, itemCount: 1)
    }

    @Test func aValueThatComesInPartsIsTakenOverHoweverItWasCut() throws {
        let memory = makeMemory()
        let map = try memory.makeMap()
        var generator = SeededGenerator(seed: 82)
        // Pieces of all sizes are free, so that values lie in several extents.
        for number in 0..<2_000 {
            _ = map.set("filler-\(number)", [UInt8](repeating: 1, count: 100 + number % 1_900))
        }
        for number in 0..<2_000 where number % 3 != 0 {
            _ = map.remove(Array("filler-\(number)".utf8))
        }
        var stored = 0
        for round in 0..<150 {
            let byteCount = round < 70 ? round : generator.number(below: 60_000)
            let key = Array("parts-\(round)".utf8)
            let request = StoreRequest(
                mode: .set, clientFlags: UInt32(round % 2), deadline: .never)
            guard
                case .pending(var pending) = map.begin(
                    key.span, request, valueByteCount: byteCount, now: 10)
            else {
                Issue.record("refused")
                continue
            }
            while pending.bytesLeft > 0 {
                let most = min(pending.target.count, 1 + generator.number(below: 3_000))
                let count = 1 + generator.number(below: most)
                for place in 0..<count {
                    pending.target[place] = UInt8(truncatingIfNeeded: place &* 7 &+ round)
                }
                try #require(map.received(count, in: &pending, now: 10))
            }
            if map.commit(pending, now: 10) == .stored { stored += 1 }
        }
        #expect(stored == 150)
        let items = map.statistics(now: 10)
        #expect(items.extraExtentCount > 20)
        try expectWhole(memory, itemCount: items.itemCount)
    }

    /// Which bits of a sound item's memory matter: all that a client gave, and nothing a hit changes.
    @Test func anyFlippedBitOfWhatAClientGaveIsNoticed() throws {
        let memory = makeMemory([.checksums, .births])
        do {
            let map = try memory.makeMap()
            #expect(
                map.set(
                    Array("key".utf8), Array("somebody's session, all of it".utf8),
                    clientFlags: 5, deadline: .at(1_000)) == .stored)
        }
        let region = memory.region()
        var item = Item(ExtentAllocator.headUnitCount)
        while region.kind(item.head) != .item { item = Item(item.head + region.length(item.head)) }
        let byteCount = region.valueOffset(item) + Int(region[item, .valueByteCount])
        #expect(region.isIntact(item, seed: 81))
        for byte in 8..<byteCount where !(16..<36).contains(byte) {
            for bit in 0..<8 {
                // Marks that a hit changes, and one that says that somebody makes a new value.
                if byte == 39, [4, 5, 7].contains(bit) { continue }
                let place = region.bytes(item.head, offset: byte, count: 1)
                place[0] ^= 1 << UInt8(bit)
                // Sizes may lead out of the extent; then nobody asks for the checksum.
                if region.valueOffset(item) + Int(region[item, .valueByteCount])
                    <= Int(region.length(item.head)) * Region.unitByteCount
                {
                    #expect(!region.isIntact(item, seed: 81), "byte \(byte), bit \(bit)")
                }
                place[0] ^= 1 << UInt8(bit)
            }
        }
        #expect(region.isIntact(item, seed: 81))
        #expect(!region.isIntact(item, seed: 82))
    }
}
