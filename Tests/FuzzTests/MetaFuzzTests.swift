import TestSupport
import Testing

@testable import FuzzBodies
@testable import MemcacheProtocol

@Suite(.timeLimit(.minutes(10)))
struct MetaFuzzTests {
    @Test("No bytes at all trap the reader of meta commands", arguments: 0..<4)
    func anyMetaLines(seed: UInt64) {
        var generator = SeededGenerator(seed: 1_000 + seed)
        for number in 0..<2_000 {
            var line = randomLine(using: &generator)
            if line.count > 2, Bool.random(using: &generator) { line[2] = UInt8(ascii: " ") }
            for verb in [MetaVerb.get, .set, .delete, .arithmetic, .debug] {
                if let problem = checkMetaRequest(line, verb) {
                    Issue.record("seed \(seed), line \(number): \(problem): \(printable(line))")
                }
            }
        }
    }

    @Test("Random meta commands are often ones, and their mistakes are of every kind")
    func metaLinesAreOfUse() {
        var generator = SeededGenerator(seed: 5)
        var found: [String: Int] = [:]
        for _ in 0..<20_000 {
            let line = randomMetaLine(using: &generator)
            guard case .meta(let verb) = CommandParser.parse(line.span) else { continue }
            do throws(Failure) {
                _ = try MetaRequest(line.span, verb)
                found["\(verb)", default: 0] += 1
            } catch {
                found["\(error.reply)", default: 0] += 1
            }
        }
        for kind in [
            "get", "set", "delete", "arithmetic", "debug", "badFormat", "badToken", "invalidFlag",
            "duplicateFlag", "tooManyWords", "opaqueTooLong", "undecodableKey", "invalidInitial",
            "invalidMetaDelta", "invalidOrDuplicateFlag",
        ] {
            #expect(found[kind, default: 0] > 0, "\(kind)")
        }
    }
}
