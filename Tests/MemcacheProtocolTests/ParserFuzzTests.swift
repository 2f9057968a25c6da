import TestSupport
import Testing

@testable import MemcacheProtocol

/// One fuzz run: the bytes are a line. The parser must not trap, and each place that it names must
/// lie inside the line. Returns what is wrong.
func checkParser(_ line: [UInt8]) -> String? {
    let command = parse(line, knowsDebugtime: true)
    if let wanted = storageCommand(line), command != wanted {
        return "\(command) instead of \(wanted)"
    }
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

/// What a storage command's line says, read from its words by the standard library; nothing for
/// another line.
private func storageCommand(_ line: [UInt8]) -> Command? {
    let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: true)
    guard line.first != UInt8(ascii: " "), let first = words.first else { return nil }
    let verbs: [String: StoreHeader.Verb] = [
        "set": .set, "add": .add, "replace": .replace, "append": .append, "prepend": .prepend,
        "cas": .cas(0),
    ]
    guard var verb = verbs[String(decoding: first, as: UTF8.self)] else { return nil }
    func number<Number: FixedWidthInteger>(
        _ place: Int, byteCountMax: Int = 11, _ type: Number.Type
    ) -> Number? {
        guard words.indices.contains(place), words[place].count <= byteCountMax,
            words[place].first != UInt8(ascii: "+")
        else { return nil }
        return Number(String(decoding: words[place], as: UTF8.self))
    }
    func isUnsigned(_ place: Int) -> Bool {
        words.indices.contains(place) && words[place].first != UInt8(ascii: "-")
    }
    guard let length = number(4, UInt32.self), isUnsigned(4),
        length <= ProtocolLimits.valueByteCountMax
    else { return failure(.badFormat) }
    let isQuiet = words.last.map { $0.elementsEqual("noreply".utf8) } ?? false
    let mistake = failure(
        .badFormat, .swallow(byteCount: Int(length) + 2), isQuiet: isQuiet)
    guard words[1].count <= ProtocolLimits.keyByteCountMax, isUnsigned(2),
        let clientFlags = number(2, UInt32.self),
        let exptime = number(3, Int32.self)
            ?? (isUnsigned(3) ? number(3, UInt32.self).map { Int32(bitPattern: $0) } : nil)
    else { return mistake }
    if case .cas = verb {
        guard let unique = number(5, byteCountMax: 22, UInt64.self), isUnsigned(5) else {
            return mistake
        }
        verb = .cas(unique)
    }
    return .store(
        StoreHeader(
            verb: verb, key: ByteRange(start: words[1].startIndex, count: words[1].count),
            clientFlags: clientFlags, exptime: exptime, valueByteCount: Int(length),
            isQuiet: isQuiet))
}

/// A storage command's line, mostly a right one.
private func randomStorageLine(using generator: inout SeededGenerator) -> [UInt8] {
    let numbers = [
        "0", "1", "7", "00000000001", "000000000001", "-1", "-0", "--1", "-", "+1", "1x", "x1",
        "2147483645", "2147483646", "2147483647", "-2147483648", "-2147483649", "2147483648",
        "4294967295", "4294967296", "99999999999", "18446744073709551615",
        "18446744073709551616", times(22, "0"), times(23, "0"), "noreply",
    ]
    var words = [
        ["set", "add", "replace", "append", "prepend", "cas", "sets", "se"]
            .randomElement(using: &generator) ?? "",
        ["k", times(250), times(251)].randomElement(using: &generator) ?? "",
    ]
    for _ in 0..<Int.random(in: 2...6, using: &generator) {
        let isPlain = Int.random(in: 0..<3, using: &generator) > 0
        words.append(isPlain ? "0" : numbers.randomElement(using: &generator) ?? "")
    }
    if Bool.random(using: &generator) { words.append("noreply") }
    let gaps = [" ", " ", " ", "  ", "\t"]
    var line = words.reduce(into: "") {
        $0 += ($0.isEmpty ? "" : gaps.randomElement(using: &generator) ?? "") + $1
    }
    if Int.random(in: 0..<8, using: &generator) == 0 { line += " " }
    return Array(line.utf8)
}

/// A line that looks a little like a command.
func randomLine(using generator: inout SeededGenerator) -> [UInt8] {
    if Int.random(in: 0..<4, using: &generator) == 0 {
        let count = Int.random(in: 0...300, using: &generator)
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
    switch Int.random(in: 0..<6, using: &generator) {
    case 0, 1: return randomMetaLine(using: &generator)
    case 2, 3: return randomStorageLine(using: &generator)
    default: break
    }
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
