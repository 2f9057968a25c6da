import MemcacheProtocol
import TestSupport
import Testing

@testable import FuzzBodies

@Suite(.timeLimit(.minutes(10)))
struct ParserFuzzTests {
    @Test("Random lines neither trap nor name a place outside the line", arguments: 0..<8)
    func randomLines(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for number in 0..<2_000 {
            let line = randomLine(using: &generator)
            if let problem = checkParser(line) {
                Issue.record("seed \(seed), line \(number): \(problem): \(printable(line))")
            }
        }
    }

    @Test(
        "Lines that are hard to take are taken",
        arguments: [
            "", " ", "  ", "g", "get", "get ", "gat 0", "gat 0 ", "set", "set ", "set  ",
            "cas k 0 0 0",
            "set k 0 0 2147483645", "cas k 0 0 2147483645 x", "touch - -",
            "incr k \(times(23, "0"))",
            "flush_all noreply noreply", "noreply noreply", "verbosity -", "gat -2147483648 k",
            "stats  ", "stats cachedump", "HTTP/ HTTP/", "delete  \u{0}", "debugtime -",
            "get \u{0}\t", "m", "mg", "ms", "ms k", "ms k 2147483645", "me k b", "mg b b", "ma k M",
            "ms k 0 O", "mg  \u{0}  \u{0}", "mg k b b", "mg YQ== b k", "ms \(times(251)) 0",
        ])
    func corpus(line: String) {
        #expect(checkParser(Array(line.utf8)) == nil)
    }

    @Test("Random input is framed alike wherever it is cut", arguments: 0..<8)
    func framing(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let input = randomLine(using: &generator) + [13, 10] + randomLine(using: &generator)
            var found: LineFraming?
            for count in 0...input.count {
                let part = Array(input[..<count])
                let result = LineFraming.of(
                    part.span, newline: part.firstIndex(of: 10), isFull: false)
                if result == .incomplete { continue }
                if let found { #expect(result == found) }
                found = found ?? result
            }
            #expect(found != nil)
        }
    }
}
