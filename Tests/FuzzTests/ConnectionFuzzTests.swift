import TestSupport
import Testing

@testable import FuzzBodies
@testable import NodeStage

@Suite(.timeLimit(.minutes(10)))
struct ConnectionFuzzTests {
    @Test("Random conversations have the same replies however they are cut", arguments: 0..<12)
    func conversations(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for number in 0..<12 {
            let input = randomConversation(using: &generator)
            let cuts: [Cuts] = [
                .pieces(byteCount: input.count > 20_000 ? 997 : 1), .random(seed: seed),
                .random(seed: seed + 1_000),
            ]
            if let problem = try checkConversation(input, cuts: cuts) {
                Issue.record("seed \(seed), conversation \(number): \(problem)")
            }
        }
    }

    @Test(
        "Conversations that are hard to follow are followed",
        arguments: [
            "", "\n", "\r", "\r\n", "s", "set", "set k 0 0 ", "set k 0 0 0\r\n",
            "set k 0 0 0\r\n\r",
            "set k 0 0 1\r\n\r\n\r\n", "set k 0 0 2\r\n\r\n", "get ", "get \r\n", "get  \r\nmn\r\n",
            "cas k 0 0 0\r\n\r\nmn\r\n", "set k 0 0 2147483645\r\nx", "append k 0 0 0\r\n\r\n",
            "quit\r\nquit\r\n", "quit", "get k\r\nquit\r\nget k\r\n", "mn\nmn\r\n",
            "\u{0}\u{0}\r\n",
            "set k 0 0 1 noreply\r\nxx\r\nmn\r\n", "gat 0\r\ngat 0 k\r\n", "verbosity noreply\r\n",
            "stats cachedump 1 1\r\nstats items\r\nstats slabs\r\nstats sizes\r\n",
            "ms", "ms k", "ms k 0", "ms k 0\r\n\r", "ms k 2147483645 T\r\nmn\r\n",
            "mg\r\nmg \r\nmg k\r\n",
            "ms k 2 q\r\n\r\n\r\nmn\r\n", "me k b\r\nme", "mg k N0 q\r\nmg k v\r\nmg k",
            "ms k 1 MA N0\r\nxmg k v\r\n", "ma k N0 J5\r\nma k D\r\nma k v\r\n",
            "mn\r\nms k 1 b\r\nx\r\n",
            "ms k 3 c\r\nmn\n\r\nmg k v E C1\r\nmd k x I\r\nmg k v t\r\n",
        ])
    func corpus(input: String) throws {
        let input = bytes(input)
        let cuts = [Cuts.pieces(byteCount: 1)] + (1..<max(2, input.count)).map { .once(at: $0) }
        #expect(try checkConversation(input, cuts: cuts) == nil)
    }
}
