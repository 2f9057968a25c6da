import Testing

@testable import SessionMap

/// Memory that is not what a map leaves behind is refused, or taken over as something that holds
/// together; it never ends the process. What checksums make of it, `DroppedDamageTests` tell.
///
/// SOJOURN_SEED chooses other damage, SOJOURN_STEPS more of it.
@Suite(.timeLimit(.minutes(10))) struct DamageTests {
    private let seed = environmentNumber("SOJOURN_SEED", default: 41)
    private let flipCount = Int(environmentNumber("SOJOURN_STEPS", default: 1_000))

    /// Two shards with items in one piece and in several, and free extents between them.
    private func makeMemory() throws -> OutlivingMemory {
        let memory = OutlivingMemory(
            MapConfiguration(
                byteCount: 1 << 20, itemByteCountMax: 100_000, shardCount: 2, hashSeed: 42))
        let map = try memory.makeMap()
        var generator = SeededGenerator(seed: 43)
        for number in 0..<3_000 {
            let value = [UInt8](repeating: 1, count: generator.number(below: 1_000))
            #expect(map.set(sessionKey(UInt64(number)), value) == .stored)
        }
        for number in stride(from: 0, to: 3_000, by: 3) {
            _ = map.remove(sessionKey(UInt64(number)))
        }
        for number in 0..<20 {
            #expect(map.set("large-\(number)", [UInt8](repeating: 2, count: 9_000)) == .stored)
        }
        #expect(map.statistics(now: 10).extraExtentCount > 20)
        return memory
    }

    /// Takes the memory over, uses the map, and says whether it was taken over at all.
    private func takesOver(_ memory: OutlivingMemory) throws -> Bool {
        do {
            let (map, _) = try memory.recover()
            map.checkInvariants(now: 10)
            for number in 0..<40 {
                _ = map.value("large-\(number % 20)")
                #expect(map.set("new-\(number)", [UInt8](repeating: 3, count: 5_000)) == .stored)
            }
            map.checkInvariants(now: 10)
            return true
        } catch MapError.damaged {
            return false
        }
    }

    @Test func aFlippedBitOfAnExtentIsRefusedOrDoesNoHarm() throws {
        let memory = try makeMemory()
        print("flipped bits of extents: SOJOURN_SEED=\(seed)")
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
        var refusedCount = 0
        for flip in 0..<flipCount {
            let copy = OutlivingMemory(copying: memory)
            // The borders are few, and every bit of them matters.
            let start =
                flip % 8 == 0
                ? (generator.number(below: 2), generator.isHit(oneIn: 2) ? 0 : .max)
                : starts.randomElement(using: &generator)!
            let region = copy.region(start.0)
            let unit = min(start.1, region.unitCount - 1)
            let byteCount = min(48, Int(region.length(Extent(unit))) * Region.unitByteCount)
            let byte =
                generator.isHit(oneIn: 2)
                ? generator.number(below: 4) : generator.number(below: byteCount)
            region.bytes(Extent(unit), offset: byte, count: 1)[0] ^=
                1 << UInt8(generator.number(below: 8))
            if try !takesOver(copy) { refusedCount += 1 }
        }
        #expect(refusedCount > flipCount / 10 && refusedCount < flipCount)
    }

    @Test func randomBytesAreRefusedOrDoNoHarm() throws {
        let memory = try makeMemory()
        print("random bytes: SOJOURN_SEED=\(seed)")
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<flipCount / 10 {
            let copy = OutlivingMemory(copying: memory)
            let start = ArenaHeader.byteCount + generator.number(below: 1 << 20)
            for byte in start..<min(start + 200, copy.bytes.count) {
                copy.bytes[byte] = UInt8(truncatingIfNeeded: generator.next())
            }
            _ = try takesOver(copy)
        }
    }

    @Test func aFlippedBitOfTheHeaderIsRefusedOrDoesNoHarm() throws {
        let memory = try makeMemory()
        let known = try ArenaHeader.read(memory.page).get()
        for bit in 0..<120 * 8 {
            let copy = OutlivingMemory(copying: memory)
            copy.bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            // The clock and the state change all the time; nothing else does.
            let isConstant = !(48..<80).contains(bit / 8) && bit / 8 < 112
            switch ArenaHeader.read(copy.page) {
            case .failure: #expect(isConstant, "bit \(bit)")
            case .success(let header): #expect(!isConstant && header == known, "bit \(bit)")
            }
        }
    }

    @Test func aPageOfAnotherKindIsRefused() throws {
        let memory = try makeMemory()
        func mismatch(_ change: (UnsafeMutableRawPointer) -> Void) -> ArenaHeader.Mismatch? {
            let copy = OutlivingMemory(copying: memory)
            change(copy.bytes.baseAddress!)
            guard case .failure(let mismatch) = ArenaHeader.read(copy.page) else { return nil }
            return mismatch
        }
        #expect(mismatch { _ in } == nil)
        #expect(mismatch { $0.storeBytes(of: 0, as: UInt64.self) } == .foreign)
        #expect(
            mismatch { $0.storeBytes(of: 9, toByteOffset: 8, as: UInt32.self) } == .otherVersion(9))
        #expect(
            mismatch {
                for offset in stride(from: 0, to: 48, by: 4) where offset == 8 || offset == 12 {
                    let word = $0.load(fromByteOffset: offset, as: UInt32.self)
                    $0.storeBytes(of: word.byteSwapped, toByteOffset: offset, as: UInt32.self)
                }
            } == .otherByteOrder)
        #expect(
            mismatch {
                let magic = $0.load(as: UInt64.self)
                $0.storeBytes(of: magic.byteSwapped, as: UInt64.self)
            } == .otherByteOrder)
        #expect(mismatch { $0.storeBytes(of: 0, toByteOffset: 24, as: UInt64.self) } == .damaged)
        #expect(mismatch { $0.storeBytes(of: 3, toByteOffset: 24, as: UInt64.self) } == .damaged)
        #expect(mismatch { $0.storeBytes(of: .max, toByteOffset: 32, as: UInt64.self) } == .damaged)
    }
}
