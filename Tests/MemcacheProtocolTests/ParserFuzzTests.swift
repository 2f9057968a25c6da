import TestSupport
import Testing

@testable import MemcacheProtocol

/// One fuzz run: the bytes are a line. The parser must not trap, and each place that it names must
/// lie inside the line. Returns what is wrong.
func checkParser(_ line: [UInt8]) -> String? {
    let command = parse(line, knowsDebugtime: true)
    func isOutside(_ range: ByteRange) -> Bool {
        range.start < 0 || range.count < 0 || range.end > line.count
    }
    func isNoKey(_ key: ByteRange) -> Bool {
        isOutside(key) || key.isEmpty || key.count > ProtocolLimits.keyByteCountMax
            || line[key.range].contains(UInt8(ascii: " "))
    }
    switch command {
    case .retrieve(let retrieval):
        guard (1...line.count).contains(retrieval.keysStart) else { return "keys start outside" }
        var position = retrieval.keysStart
        var keyCount = 0
        while let key = nextWord(in: line.span, from: position) {
            if isNoKey(key) { return "no key at \(key)" }
            guard key.end > position else { return "no progress at \(position)" }
            position = key.end
            keyCount += 1
        }
        if keyCount == 0 { return "a retrieval without keys" }
    case .store(let header):
        if isNoKey(header.key) { return "no key at \(header.key)" }
        guard (0...ProtocolLimits.valueByteCountMax).contains(header.valueByteCount) else {
            return "a value of \(header.valueByteCount) bytes"
        }
    case .delete(let key, _), .touch(let key, _, _), .arithmetic(let key, _, _, _):
        if isNoKey(key) { return "no key at \(key)" }
    case .meta(let verb):
        if let problem = checkMetaRequest(line, verb) { return problem }
    case .flushAll(let delay?, _):
        if isOutside(delay) { return "a delay at \(delay)" }
    case .failure(let failure):
        if case .swallow(let byteCount) = failure.recovery,
            !(2...ProtocolLimits.valueByteCountMax + 2).contains(byteCount)
        {
            return "swallows \(byteCount) bytes"
        }
    default: break
    }
    return checkWords(line)
}

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

private func checkWords(_ line: [UInt8]) -> String? {
    let words = Words(line.span)
    let pieces = line.split(separator: UInt8(ascii: " "))
    let hasEmpty = line.first == UInt8(ascii: " ")
    guard words.count == pieces.count + (hasEmpty ? 1 : 0) else { return "miscounted words" }
    for number in 0..<min(words.count, 7) {
        guard let word = words[number] else { return "word \(number) is missing" }
        let wanted = hasEmpty ? (number == 0 ? [] : pieces[number - 1]) : pieces[number]
        guard line[word.range].elementsEqual(wanted) else { return "word \(number) is another" }
    }
    return nil
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

/// A line that looks a little like a command.
func randomLine(using generator: inout SeededGenerator) -> [UInt8] {
    if Int.random(in: 0..<4, using: &generator) == 0 {
        let count = Int.random(in: 0...300, using: &generator)
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
    if Int.random(in: 0..<3, using: &generator) == 0 { return randomMetaLine(using: &generator) }
    let words = [
        "get", "gets", "gat", "gats", "set", "add", "replace", "append", "prepend", "cas",
        "delete", "touch", "incr", "decr", "flush_all", "version", "verbosity",
        "cache_memlimit", "shutdown", "graceful", "mn", "debugtime", "p", "r", "lru", "tune",
        "lru_crawler", "crawl",
        "metadump", "all", "1,2,63", "slabs", "automove", "ratio", "reassign", "watch", "fetchers",
        ".5", "1e9", "stats", "detail",
        "dump", "cachedump", "settings", "reset", "quit", "noreply", "k", "HTTP/1.1", "0", "1",
        "-1", "10", "2147483645", "2147483647", "4294967296", "18446744073709551615", "", " ",
        times(249), times(250), times(251), times(23, "9"),
    ]
    let count = Int.random(in: 1...9, using: &generator)
    var line = Array(
        (0..<count).map { _ in words.randomElement(using: &generator) ?? "" }
            .joined(separator: " ").utf8)
    if Int.random(in: 0..<3, using: &generator) == 0,
        let place = line.indices.randomElement(using: &generator)
    {
        line[place] = .random(in: .min ... .max, using: &generator)
    }
    return line.filter { $0 != 10 }
}

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
            #expect(found[kind, default: 0] > 20, "\(kind)")
        }
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
