import TestSupport
import Testing

@testable import MemcacheProtocol

/// One fuzz run of a meta command's line, which may be any: no trap, a key that is one, and exactly
/// the lines that announce a data block have one to swallow.
func checkMetaRequest(_ line: [UInt8], _ verb: MetaVerb) -> String? {
    // The words behind the verb, found in the simplest way.
    let words = line.dropFirst(2).split(separator: UInt8(ascii: " "))
    var announced: Int?
    if verb == .set, words.count > 1, words[1].count <= 11, words[1].allSatisfy(isDigit) {
        announced = Int(String(decoding: words[1], as: UTF8.self))
            .flatMap { $0 <= ProtocolLimits.valueByteCountMax ? $0 : nil }
    }
    do throws(Failure) {
        let request = try MetaRequest(line.span, verb)
        guard let key = words.first, line[request.key.range].elementsEqual(key) else {
            return "the key is another"
        }
        guard key.count <= ProtocolLimits.keyByteCountMax else { return "a key that is too long" }
        guard request.valueByteCount == (verb == .set ? announced : 0) else {
            return "a value of \(request.valueByteCount) bytes"
        }
        let flags = words.dropFirst(verb == .set ? 2 : 1)
        guard
            line[request.flagsStart...].split(separator: UInt8(ascii: " "))
                .elementsEqual(flags, by: { $0.elementsEqual($1) })
        else { return "flags start at \(request.flagsStart)" }
        if request.flags.contains(.encodedKey), Base64.decodedByteCount(Array(key).span) == nil {
            return "a key that is not base64"
        }
        return checkFlags(request, flags, verb)
    } catch {
        let wanted = announced.map { Failure.Recovery.swallow(byteCount: $0 + 2) } ?? .nextLine
        if error.recovery != wanted { return "recovers by \(error.recovery)" }
        return error.isQuiet ? "is quiet about an error" : nil
    }
}

private func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }

private func checkFlags(
    _ request: MetaRequest, _ words: ArraySlice<ArraySlice<UInt8>>, _ verb: MetaVerb
) -> String? {
    guard verb != .debug else { return nil }
    let letters = words.compactMap { $0.first.flatMap { MetaFlags(letter: $0) } }
    guard letters.count == words.count, words.count <= 18 else { return "flags that are none" }
    return letters.reduce(0) { $0 | $1.rawValue } == request.flags.rawValue
        && letters.count == request.flags.rawValue.nonzeroBitCount ? nil : "other flags"
}

/// A line that looks a little like a meta command.
func randomMetaLine(using generator: inout SeededGenerator) -> [UInt8] {
    let verbs = ["mg", "ms", "md", "ma", "me", "mn", "mx"]
    let keys = ["k", "Zm9v", "YQ==", "YQ", "%%%%", times(250), times(251), times(62, "YWFh")]
    let lengths = ["0", "5", "0005", "-1", "x", "2147483645", "2147483646", "99999999999999"]
    let tokens = [
        "", "0", "1", "-1", "30", "2147483647", "2147483648", "4294967295", "4294967296",
        "18446744073709551615", "18446744073709551616", "x", "E", times(31, "o"), times(32, "o"),
    ]
    let letters = Array("bcfhklqstuvxCDEFIJMNORTPLaSZ1_!".unicodeScalars)
    func pick(_ all: [String]) -> String { all.randomElement(using: &generator) ?? "" }
    let verb = pick(verbs)
    var words = [verb, pick(keys)]
    if verb == "ms" { words.append(pick(lengths)) }
    let most = Int.random(in: 0..<8, using: &generator) == 0 ? 30 : 5
    for _ in 0..<Int.random(in: 0...most, using: &generator) {
        guard let letter = letters.randomElement(using: &generator) else { continue }
        words.append("\(letter)" + (Bool.random(using: &generator) ? "" : pick(tokens)))
    }
    return Array(words.joined(separator: " ").utf8)
}

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
            guard case .meta(let verb) = parse(line) else { continue }
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
