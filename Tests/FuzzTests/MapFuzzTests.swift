import Glibc
import TestSupport
import Testing

@testable import FuzzBodies

/// SOJOURN_SEED and SOJOURN_STEPS (inputs) choose others, and more of them.
@Suite(.timeLimit(.minutes(10)))
struct MapFuzzTests {
    private func environmentNumber(_ name: String, default fallback: UInt64) -> UInt64 {
        getenv(name).flatMap { UInt64(String(cString: $0)) } ?? fallback
    }

    @Test("Random bytes as operations make no map trap, lie, or break an invariant")
    func random() {
        let seed = environmentNumber("SOJOURN_SEED", default: 1)
        let count = environmentNumber("SOJOURN_STEPS", default: 30)
        print("map fuzz: SOJOURN_SEED=\(seed)")
        for number in 0..<min(count, 5000) {
            var generator = SeededGenerator(seed: seed &* 1_000_003 &+ number)
            let byteCount = Int.random(in: 0..<6_000, using: &generator)
            let input = (0..<byteCount).map { _ in
                UInt8.random(in: .min ... .max, using: &generator)
            }
            #expect(checkMap(input) == nil, "seed \(seed), input \(number)")
        }
    }

    @Test("So do monotonous ones", arguments: 0..<16 as Range<UInt8>)
    func monotonous(operation: UInt8) {
        #expect(checkMap([]) == nil)
        #expect(checkMap([operation]) == nil)
        for filling: UInt8 in [0, 1, 127, 255] {
            var bytes: [UInt8] = [filling & 31, 0]
            for _ in 0..<100 {
                bytes += [operation | filling & 0xF0, filling, filling, 3, filling]
            }
            #expect(checkMap(bytes) == nil, "\(filling)")
        }
    }
}
