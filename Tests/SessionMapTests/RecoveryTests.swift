import Testing

@testable import SessionMap

#if DEBUG
    /// Recovery from every moment at which the process may have died.
    ///
    /// SOJOURN_SEED chooses other histories, SOJOURN_STEPS longer ones.
    @Suite(.timeLimit(.minutes(10))) struct RecoveryTests {
        private static let defaultSeed: UInt64 = 20_26
        private static let seed = environmentNumber("SOJOURN_SEED", default: defaultSeed)
        /// Whether a run must meet what it is there for; other seeds may miss it.
        private static let isDefault = seed == defaultSeed
        private static let stepCount = Int(environmentNumber("SOJOURN_STEPS", default: 0))

        private func run(
            _ shape: CrashRun.Shape, stepCount: Int, seed: UInt64 = seed
        ) throws -> CrashRun {
            let run = try CrashRun(shape, seed: seed)
            try run.run(stepCount: max(stepCount, Self.stepCount))
            print(
                "\(shape.name): \(run.lookCount) looks, \(run.deathCount) deaths, "
                    + "\(run.foundCount) items found, \(run.lostToIndexCount) lost to the index, "
                    + "\(run.evictionCount) evicted, index of \(run.indexUnitCountMax) units, "
                    + run.outcomeCounts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
                    .joined(separator: ", "))
            // What does not fit any more may have to go for the index at once.
            #expect(!Self.isDefault || shape.keepsLimit || run.lostToIndexCount == 0)
            return run
        }

        @Test(arguments: 0..<4)
        func everyMomentOfAShortHistoryIsRecovered(number: UInt64) throws {
            let run = try run(
                CrashRun.Shape(
                    name: "every store, \(number)", regionByteCount: 24 << 10, eviction: .standard,
                    keyCount: 30, valueByteCountMax: 3_000, valueHalvings: 3,
                    stepsPerFlush: 200, features: ArenaFeatures(rawValue: UInt8(number))),
                stepCount: 500, seed: Self.seed &+ number)
            #expect(
                !Self.isDefault
                    || (run.lookCount > 1_000 && run.deathCount > 0 && run.evictionCount > 0))
        }

        @Test(arguments: [
            ("probation", EvictionPolicy.standard), ("lru", .lru),
            ("share 0", .probation(sharePercent: 0, proofAgeSeconds: 0)),
            ("share 50", .probation(sharePercent: 50, proofAgeSeconds: 2)),
        ])
        func underPressureRandomMomentsAreRecovered(
            name: String, eviction: EvictionPolicy
        ) throws {
            let run = try run(
                CrashRun.Shape(
                    name: "pressure, \(name)", regionByteCount: 64 << 10, eviction: eviction,
                    keyCount: 120, valueByteCountMax: 6_000, valueHalvings: 3, storesPerLook: 25,
                    stepsPerFlush: 400, features: eviction == .standard ? .checksums : []),
                stepCount: 4_000)
            #expect(
                !Self.isDefault
                    || (run.lookCount > 500 && run.deathCount > 20 && run.evictionCount > 100))
        }

        @Test func momentsOfAGrowingAndShrinkingIndexAreRecovered() throws {
            let run = try run(
                CrashRun.Shape(
                    name: "index", regionByteCount: 320 << 10, eviction: .standard,
                    keyCount: 2_500, valueByteCountMax: 60, storesPerLook: 1_000,
                    stepsPerDeath: 500, stepsPerFlush: 9_000),
                stepCount: 20_000)
            #expect(!Self.isDefault || (run.lookCount > 200 && run.deathCount > 5))
            // Two segments of the smallest size are 514 units.
            #expect(!Self.isDefault || run.indexUnitCountMax > 514)
        }

        @Test func momentsOfItemsThatMakeRoomForTheIndexAreRecovered() throws {
            let run = try run(
                CrashRun.Shape(
                    name: "moves", regionByteCount: 96 << 10, eviction: .standard,
                    keyCount: 3_000, valueByteCountMax: 150, valueHalvings: 2,
                    storesPerLook: 400, stepsPerDeath: 150, stepsPerFlush: 30_000,
                    features: .checksums),
                stepCount: 12_000)
            #expect(!Self.isDefault || (run.lookCount > 200 && run.evictionCount > 400))
            #expect(!Self.isDefault || run.indexUnitCountMax > 257)
            #expect(!Self.isDefault || run.outcomeCounts["run made", default: 0] > 50)
        }

        @Test(arguments: [1_500, 40_000], [false, true])
        func momentsOfARegionWhoseEndIsLeftAreRecovered(
            valueByteCountMax: Int, keepsLimit: Bool
        ) throws {
            let run = try run(
                CrashRun.Shape(
                    name: "retreats, \(valueByteCountMax)", regionByteCount: 128 << 10,
                    eviction: .standard, keyCount: 400, valueByteCountMax: valueByteCountMax,
                    valueHalvings: valueByteCountMax < 10_000 ? 1 : 5, storesPerLook: 40,
                    stepsPerDeath: 200, stepsPerFlush: 2_000,
                    limitRarity: 1, features: .checksums, keepsLimit: keepsLimit),
                stepCount: 4_000)
            #expect(
                !Self.isDefault
                    || (run.lookCount > 500 && run.deathCount > 5
                        && run.outcomeCounts["retreat", default: 0] > 3)
            )
        }

        @Test func momentsOfValuesInManyPartsAreRecovered() throws {
            let run = try run(
                CrashRun.Shape(
                    name: "parts", regionByteCount: 2 << 20, eviction: .standard,
                    keyCount: 60, valueByteCountMax: 600_000, valueHalvings: 9,
                    storesPerLook: 60, stepsPerDeath: 60, stepsPerFlush: 400,
                    features: .checksums),
                stepCount: 1_500)
            #expect(
                !Self.isDefault
                    || (run.lookCount > 200 && run.outcomeCounts["committed", default: 0] > 20))
        }
    }
#else
    @Suite(.timeLimit(.minutes(10))) struct RecoveryTests {
        @Test(.disabled("stores are observed in debug builds only, as ./scripts/test makes them"))
        func everyMomentOfAShortHistoryIsRecovered() {}
    }
#endif
