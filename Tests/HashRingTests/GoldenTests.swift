import HashRing
import Testing

@Suite(.timeLimit(.minutes(10)))
struct GoldenTests {
    @Test("Every key is where the real program put it", arguments: GoldenFiles.sources)
    func placements(source: String) throws {
        let keys = try GoldenFiles.keys()
        #expect(keys.count == 1_024)
        let cases = try GoldenFiles.cases(of: source)
        #expect(!cases.isEmpty)
        for golden in cases {
            #expect(golden.placed.count == keys.count, "\(golden.testDescription)")
            let ring = try golden.ring()
            var comparedCount = 0
            var wrongCount = 0
            var firstWrong = ""
            for (key, expected) in zip(keys, golden.placed) {
                guard let expected else { continue }
                comparedCount += 1
                let index = ring.index(for: key)
                guard index != expected else { continue }
                if wrongCount == 0 { firstWrong = "\(key) is on \(index), not \(expected)" }
                wrongCount += 1
            }
            #expect(wrongCount == 0, "\(golden.testDescription): \(firstWrong)")
            #expect(comparedCount >= 300, "\(golden.testDescription)")
        }
    }

    @Test("Every strategy and every hash has a golden file, and so do weights, tags and ejection")
    func coverage() throws {
        let cases = try GoldenFiles.sources.flatMap { try GoldenFiles.cases(of: $0) }
        for strategy in Ring.Strategy.allCases {
            #expect(cases.contains { $0.strategy == strategy }, "\(strategy)")
        }
        for keyHash in Ring.KeyHash.allCases {
            #expect(cases.contains { ($0.keyHash ?? $0.strategy.keyHash) == keyHash }, "\(keyHash)")
        }
        #expect(cases.contains { $0.hashTag != nil })
        #expect(cases.contains { !$0.leftOut.isEmpty })
        for count in [1, 2, 3, 10, 25, 47] {
            #expect(cases.contains { $0.strategy == .ketamaWeighted && $0.nodes.count == count })
        }
    }
}
