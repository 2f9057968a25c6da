import Testing

@testable import SessionMap

/// Memory whose pages are of two moments, as a disk may hold it after the machine stopped.
///
/// SOJOURN_SEED chooses other mixtures, SOJOURN_STEPS more of them.
@Suite(.timeLimit(.minutes(10))) struct MixedPagesTests {
    private let seed = environmentNumber("SOJOURN_SEED", default: 91)
    private let mixtureCount = Int(environmentNumber("SOJOURN_STEPS", default: 40))

    /// A value that tells whose it is, in each part of it.
    private func value(_ key: [UInt8], _ byteCount: Int) -> [UInt8] {
        var value: [UInt8] = []
        while value.count < byteCount { value += key }
        return value
    }

    private func isOf(_ key: [UInt8], _ value: [UInt8]) -> Bool {
        value.enumerated().allSatisfy { $1 == key[$0 % key.count] }
    }

    private struct Tally {
        var refused = 0
        var takenOver = 0
        var wrongValues = 0
        var found = 0
    }

    /// Takes over random mixtures of the pages of two moments, 20 stores apart.
    private func mix(_ features: ArenaFeatures) throws -> Tally {
        print("mixed pages: SOJOURN_SEED=\(seed), \(mixtureCount) mixtures")
        var generator = SeededGenerator(seed: seed)
        let memory = OutlivingMemory(
            MapConfiguration(
                byteCount: 1 << 20, itemByteCountMax: 100_000, eviction: .standard,
                shardCount: 1, hashSeed: 92, features: features))
        let map = try memory.makeMap()
        func store() {
            let key = sessionKey(UInt64(generator.number(below: 700)))
            _ = map.set(key, value(key, 40 + generator.number(below: 2_500)))
        }
        for _ in 0..<2_000 { store() }
        var tally = Tally()
        for _ in 0..<mixtureCount {
            let mixture = OutlivingMemory(copying: memory)
            for _ in 0..<20 { store() }
            for page in stride(from: 0, to: memory.bytes.count, by: 4_096)
            where generator.isHit(oneIn: 2) {
                let range = page..<min(page + 4_096, memory.bytes.count)
                mixture.bytes[range].copyBytes(from: memory.bytes[range])
            }
            guard let (taken, _) = try? mixture.recover() else {
                tally.refused += 1
                continue
            }
            tally.takenOver += 1
            taken.checkInvariants(now: 10)
            for number in 0..<700 {
                let key = sessionKey(UInt64(number))
                guard let value = taken.get(key).hit?.value else { continue }
                tally.found += 1
                if !isOf(key, value) { tally.wrongValues += 1 }
            }
            // It is a map like any other.
            for number in 0..<300 {
                let key = sessionKey(UInt64(number))
                #expect(taken.set(key, value(key, 900)) == .stored)
            }
            taken.checkInvariants(now: 10)
        }
        print("\(features): \(tally)")
        return tally
    }

    @Test func noUserGetsAnothersSessionFromPagesOfTwoMoments() throws {
        let tally = try mix(.checksums)
        #expect(tally.wrongValues == 0 && tally.refused == 0)
        #expect(tally.found > mixtureCount * 20)
    }

    /// What the checksums are for: without them the same mixtures are refused, or lie. So an arena that
    /// nobody closed is not taken over by another start of the machine.
    @Test func withoutChecksumsPagesOfTwoMomentsAreNothingToBuildOn() throws {
        let tally = try mix([])
        #expect(tally.refused > 0)
        #expect(tally.refused + tally.wrongValues > mixtureCount / 4)
    }

    @Test func onlyAClosedArenaOutlivesTheMachine() throws {
        let memory = OutlivingMemory(
            MapConfiguration(byteCount: 1 << 20, shardCount: 1, hashSeed: 93))
        let boots = [[UInt8](repeating: 1, count: 16), [UInt8](repeating: 2, count: 16)]
        func mismatch(_ boot: Int) -> ArenaHeader.Mismatch? {
            guard case .failure(let mismatch) = ArenaHeader.read(memory.page, bootID: boots[boot])
            else { return nil }
            return mismatch
        }
        _ = try memory.makeMap()
        let page = memory.bytes.baseAddress!
        ArenaState.open(bootID: boots[0]).write(to: page)
        #expect(mismatch(0) == nil)
        #expect(mismatch(1) == .interrupted)
        ArenaState.closed.write(to: page)
        #expect(mismatch(0) == nil && mismatch(1) == nil)
        ArenaState.open(bootID: boots[1]).write(to: page)
        #expect(mismatch(0) == .interrupted)
        #expect(mismatch(1) == nil)
    }
}
