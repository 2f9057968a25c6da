import Testing

/// Replays a seeded corpus; SOJOURN_SEED and SOJOURN_STEPS (inputs) go on from it.
@Suite(.timeLimit(.minutes(10))) struct FuzzTests {
    @Test func noBytesMakeAMapTrap() {
        let seed = environmentNumber("SOJOURN_SEED", default: 1)
        let count = environmentNumber("SOJOURN_STEPS", default: isDebugBuild ? 30 : 600)
        print("map fuzz: SOJOURN_SEED=\(seed)")
        for number in 0..<min(count, 5000) {
            var generator = SeededGenerator(seed: seed &* 1_000_003 &+ number)
            let byteCount = generator.number(below: 6000)
            runMapFuzzBody(
                (0..<byteCount).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        }
    }

    @Test(arguments: 0..<16 as Range<UInt8>)
    func monotonousBytesDoNotTrapEither(operation: UInt8) {
        runMapFuzzBody([])
        runMapFuzzBody([operation])
        for filling: UInt8 in [0, 1, 127, 255] {
            var bytes: [UInt8] = [filling & 31, 0]
            for _ in 0..<100 {
                bytes += [operation | filling & 0xF0, filling, filling, 3, filling]
            }
            runMapFuzzBody(bytes)
        }
    }
}
