import TestSupport
import Testing

@testable import Cluster
@testable import FuzzBodies

@Suite(.timeLimit(.minutes(10)))
struct MemberFuzzTests {
    @Test("Mutated frames are mostly understood: members answer with all that they ever send")
    func frames() throws {
        var input: [UInt8] = []
        var generator = SeededGenerator(seed: 1)
        var counts: [UInt8: Int] = [:]
        for round in 0..<1_000 {
            if round % 4 == 0 { input = randomFrames(using: &generator) }
            input = Array(mutateFrames(of: input, using: &generator).prefix(4_096))
            var run = try FramesRun(input)
            try run.run()
            counts.merge(run.member.sentCounts, uniquingKeysWith: +)
        }
        let types: [FrameType] = [
            .statement, .forward, .outcome, .replicate, .acknowledge, .digests, .list, .want,
            .exchanged, .barrier, .decline, .refuse, .inform, .compare, .flush, .flushed,
            .notes, .fetch, .fetched,
        ]
        for type in types { #expect(counts[type.rawValue, default: 0] > 4, "\(type)") }
        #expect(counts.count == types.count)
    }

    @Test("Mutated greetings are welcome, refused in each way, or none")
    func greetings() throws {
        var input: [UInt8] = []
        var generator = SeededGenerator(seed: 1)
        var counts: [GreetingResult.End: Int] = [:]
        for round in 0..<10_000 {
            if round % 3 == 0 { input = randomGreeting(using: &generator) }
            input = Array(mutateGreeting(of: input, using: &generator).prefix(320))
            let result = try GreetingResult(of: GreetingInput(input), cuts: .whole)
            counts[result.end, default: 0] += 1
            #expect(checkGreeting(input) == nil)
        }
        let refusals = GreetingRefusal.allCases.flatMap {
            [GreetingResult.End.refuses($0), .refused($0)]
        }
        // Nothing is offered that is too old for this version and does know such an answer.
        .filter { $0 != .refuses(.unspokenVersion) }
        for end in refusals + [.waits, .welcome, .garbled] {
            #expect(counts[end, default: 0] > 4, "\(end)")
        }
    }

    @Test("Of the proofs that are tried one is right", arguments: 0..<16 as Range<UInt8>)
    func proofs(choice: UInt8) throws {
        for proof in GreetingInput.Proof.allCases {
            let prefix = [choice, 0, proof.rawValue]
            let greeting = GreetingInput(prefix).wanted
            let input = GreetingInput(
                prefix + greeting + [UInt8](repeating: 0, count: GreetingProof.byteCount))
            let end = try GreetingResult(of: input, cuts: .whole).end
            if input.isDialled, input.isBusy {
                #expect(end == .refuses(.busy))
            } else {
                #expect(end == (proof == .right ? .welcome : .refuses(.wrongSecret)), "\(proof)")
            }
        }
    }
}
