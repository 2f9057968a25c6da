import Foundation
import Testing

@testable import SessionMap

/// How full the memory gets, whatever the sizes, and what an item costs beyond its bytes.
///
/// SOJOURN_ARENA_MIB sets the arena's size; the figures of `scripts/results/README.md` are from 64 in a
/// release build.
@Suite(.serialized, .timeLimit(.minutes(10))) struct SizeShiftTests {
    private static let arenaByteCount =
        Int(environmentNumber("SOJOURN_ARENA_MIB", default: isDebugBuild ? 8 : 64)) << 20
    private static let bytes = [UInt8](repeating: 0x2E, count: 1 << 20)

    /// A map of one shard that is filled with session keys of 40 bytes, and counts what it stores.
    private final class Filling {
        let map: SessionMap
        private(set) var storedCount = 0
        private(set) var now: UInt32 = 10
        private var generator = SeededGenerator(seed: 6)
        private(set) var liveByteCount = 0
        /// Value sizes by key, to know the sum of what is there.
        private var sizes: [[UInt8]: Int] = [:]
        private(set) var slowestStoreNanoseconds: UInt64 = 0
        private(set) var storeNanoseconds: UInt64 = 0

        init() throws {
            map = try SessionMap(
                MapConfiguration(
                    byteCount: SizeShiftTests.arenaByteCount, shardCount: 1, hashSeed: 7),
                now: 10)
        }

        /// Stores new items until `turnover` times the arena has been written; all must be stored.
        /// Before each store, `readsPerStore` random items are read, so that recency and place in
        /// memory have nothing to do with each other.
        func fill(turnover: Double, readsPerStore: Int = 0, size: (inout SeededGenerator) -> Int) {
            var left = Int(turnover * Double(SizeShiftTests.arenaByteCount))
            slowestStoreNanoseconds = 0
            storeNanoseconds = 0
            let before = storedCount
            while left > 0 {
                for _ in 0..<readsPerStore {
                    let number = UInt64.random(
                        in: UInt64(max(0, storedCount - 200_000))...UInt64(storedCount),
                        using: &generator)
                    let key = sessionKey(number)
                    _ = map.retrieve(key.span, now: now) { _ in .copied }
                }
                let valueByteCount = size(&generator)
                let key = sessionKey(UInt64(storedCount))
                let start = DispatchTime.now().uptimeNanoseconds
                let outcome = map.store(
                    key.span, StoreRequest(mode: .set, clientFlags: 0, deadline: .never),
                    value: SizeShiftTests.bytes.span.extracting(first: valueByteCount), now: now)
                let took = DispatchTime.now().uptimeNanoseconds - start
                slowestStoreNanoseconds = max(slowestStoreNanoseconds, took)
                storeNanoseconds += took
                #expect(outcome == .stored)
                storedCount += 1
                left -= valueByteCount + 100
            }
            storeNanoseconds /= UInt64(storedCount - before)
        }

        /// Mean of key and value bytes of what is there.
        func meanByteCount() -> Double {
            var sum = 0
            var count = 0
            map.forEachItem(now: now) { hit in
                sum += hit.keyByteCount + hit.valueByteCount
                count += 1
            }
            return Double(sum) / Double(count)
        }

        var fillGrade: Double {
            let all = map.statistics(now: now)
            return Double(all.itemByteCount + all.indexByteCount)
                / Double(SizeShiftTests.arenaByteCount)
        }

        func overhead() -> Double {
            Double(SizeShiftTests.arenaByteCount) / Double(map.statistics(now: now).itemCount)
                - meanByteCount()
        }

        func report(_ stage: String) {
            let all = map.statistics(now: now)
            let extents = 1 + Double(all.extraExtentCount) / Double(all.itemCount)
            print(
                "\(stage): \(all.itemCount) items, fill grade", String(format: "%.4f", fillGrade),
                "overhead", String(format: "%.1f", overhead()),
                "index", String(format: "%.1f", Double(all.indexByteCount) / Double(all.itemCount)),
                "extents per item", String(format: "%.2f", extents),
                "store mean", storeNanoseconds, "ns, slowest", slowestStoreNanoseconds / 1000,
                "us, evictions", all.evictionCount, "stored", storedCount)
        }
    }

    @Test(arguments: [0, 2])
    func whenSizesShiftEveryStoreSucceedsAndMemoryStaysFull(readsPerStore: Int) throws {
        let filling = try Filling()
        for size in [300, 3000, 60_000, 100] {
            filling.fill(turnover: 2, readsPerStore: readsPerStore) { _ in size }
            filling.report("shift to \(size) bytes, \(readsPerStore) reads per store")
            // Free runs for the index are rare when place and recency have nothing to do with each
            // other, and some cannot be made by moving items.
            let floor = readsPerStore > 0 && size == 100 ? 0.9 : 0.97
            #expect(filling.fillGrade >= floor, "after the shift to \(size) bytes")
            filling.map.checkInvariants(now: filling.now)
        }
    }

    /// 44 bytes of header, rounding to 8, 11 of index, and what is free.
    @Test(arguments: [(100, 62.0), (600, 66), (1000, 66), (4000, 72)])
    func anItemCostsAtMostSoMuchBeyondItsBytes(valueByteCount: Int, limit: Double) throws {
        for readsPerStore in [0, 2] {
            let filling = try Filling()
            filling.fill(turnover: 3, readsPerStore: readsPerStore) { _ in valueByteCount }
            filling.report("\(valueByteCount) bytes, \(readsPerStore) reads per store")
            #expect(filling.overhead() <= limit)
        }
    }

    @Test func anItemOfMixedSizesCostsLittleBeyondItsBytes() throws {
        for readsPerStore in [0, 2] {
            let filling = try Filling()
            filling.fill(turnover: 3, readsPerStore: readsPerStore) { generator in
                // Log-normal by Box and Muller: median 600, sigma 1.
                let radius = (-2 * log(Double.random(in: 1e-9..<1, using: &generator))).squareRoot()
                let angle = 2 * Double.pi * Double.random(in: 0..<1, using: &generator)
                return min(500_000, Int(600 * exp(radius * cos(angle))))
            }
            filling.report("log-normal, \(readsPerStore) reads per store")
            // Reads at random tear memory into more pieces.
            #expect(filling.overhead() <= (readsPerStore == 0 ? 66 : 78))
        }
    }
}
