import Testing

@testable import SessionMap

/// Random operations on a map and on a plain dictionary: a cache may forget, it must never lie.
///
/// SOJOURN_SEED chooses another run, SOJOURN_STEPS a longer one.
@Suite(.timeLimit(.minutes(10))) struct ModelTests {
    private static let seed = environmentNumber("SOJOURN_SEED", default: 20_25)
    private static let stepCount = Int(environmentNumber("SOJOURN_STEPS", default: 30_000))

    private func run(_ shape: ModelRun.Shape) throws -> ModelRun {
        let run = try ModelRun(shape, seed: Self.seed)
        try run.run(stepCount: Self.stepCount)
        return run
    }

    @Test(arguments: [1, 4])
    func withoutPressureAMapAgreesWithADictionary(shardCount: Int) throws {
        let run = try run(
            ModelRun.Shape(
                name: "no pressure, \(shardCount) shards",
                configuration: MapConfiguration(
                    byteCount: 64 << 20, shardCount: shardCount, hashSeed: Self.seed),
                keyCount: 300, valueByteCountMax: 60_000, hasPressure: false, stepsPerCheck: 4))
        #expect(run.evictionCount == 0)
        #expect(run.outcomeCounts["outOfMemory"] == nil)
    }

    @Test func withManyKeysTheIndexGrowsAndShrinks() throws {
        let run = try run(
            ModelRun.Shape(
                name: "many keys",
                configuration: MapConfiguration(
                    byteCount: 16 << 20, shardCount: 1, hashSeed: Self.seed),
                keyCount: 3000, valueByteCountMax: 40, hasPressure: false, stepsPerCheck: 200))
        #expect(run.evictionCount == 0)
    }

    @Test func underPressureAMapForgetsWhatItSays() throws {
        let run = try run(
            ModelRun.Shape(
                name: "1 MiB, small items",
                configuration: MapConfiguration(
                    byteCount: 1 << 20, itemByteCountMax: 100_000, shardCount: 1,
                    hashSeed: Self.seed),
                keyCount: 800, valueByteCountMax: 20_000, valueHalvings: 4, hasPressure: true,
                stepsPerCheck: 4))
        // The memory fills in the first steps; a short run may end before.
        #expect(run.evictionCount > 0 || Self.stepCount < 30_000)
    }

    @Test(arguments: [1, 2])
    func itemsOfUpToHalfOfTheArenaFitAndEvict(shardCount: Int) throws {
        let byteCount = (2 << 20) * shardCount
        let run = try run(
            ModelRun.Shape(
                name: "2 MiB per shard, large items, \(shardCount) shards",
                configuration: MapConfiguration(
                    byteCount: byteCount, itemByteCountMax: 1 << 20, shardCount: shardCount,
                    hashSeed: Self.seed),
                keyCount: 100, valueByteCountMax: 1 << 20, hasPressure: true, stepsPerCheck: 2))
        // The memory fills in the first steps; a short run may end before.
        #expect(run.evictionCount > 0 || Self.stepCount < 30_000)
    }

    @Test func aMapThatMustNotEvictRefuses() throws {
        let run = try run(
            ModelRun.Shape(
                name: "no evictions",
                configuration: MapConfiguration(
                    byteCount: 1 << 20, itemByteCountMax: 100_000, evicts: false,
                    tracksSizes: true, shardCount: 1, hashSeed: Self.seed),
                keyCount: 200, valueByteCountMax: 60_000, valueHalvings: 4, hasPressure: true,
                stepsPerCheck: 4))
        #expect(run.evictionCount == 0)
        #expect(run.outcomeCounts["outOfMemory"] != nil || Self.stepCount < 30_000)
        #expect(run.map.sizes().isEmpty)
    }
}
