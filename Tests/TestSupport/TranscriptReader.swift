/// Reads a transcript's lines. Whatever is not understood is a failure.
struct TranscriptReader {
    var transcript: Transcript
    private var number = 0
    private var hasDifference = false
    private var expectationCount = 0
    private var captured: Set<String> = []

    init(name: String) { transcript = Transcript(name: name) }

    private func wrong(_ reason: String) -> TranscriptFailure {
        TranscriptFailure(name: transcript.name, line: number, reason)
    }

    mutating func read(_ bytes: [UInt8]) throws(TranscriptFailure) {
        let stem = transcript.name.utf8.dropLast(4)
        guard transcript.name.hasSuffix(".txt"), Self.isKebabCase(stem) else {
            throw wrong("the name is not in kebab case")
        }
        guard bytes.last == UInt8(ascii: "\n"), !bytes.contains(UInt8(ascii: "\r")) else {
            throw wrong("a CR, or no newline at the end")
        }
        for line in bytes.dropLast().split(separator: 10, omittingEmptySubsequences: false) {
            number += 1
            if let last = line.last, last == UInt8(ascii: " ") || last == 9 {
                throw wrong("white space at the end")
            }
            if line.isEmpty || line.first == UInt8(ascii: "#") { continue }
            try readLine(Array(line))
        }
        guard expectationCount > 0 else { throw wrong("expects nothing") }
    }

    private static func isKebabCase(_ name: some Collection<UInt8>) -> Bool {
        let words = name.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return words.allSatisfy { word in
            !word.isEmpty
                && word.allSatisfy { (97...122).contains($0) || (48...57).contains($0) }
        }
    }

    /// What follows `prefix`, if the line begins with it.
    private static func rest(_ line: [UInt8], after prefix: String) -> [UInt8]? {
        line.starts(with: prefix.utf8) ? Array(line.dropFirst(prefix.utf8.count)) : nil
    }

    private mutating func readLine(_ line: [UInt8]) throws(TranscriptFailure) {
        if let flags = Self.rest(line, after: "! ") {
            return try readFlags(flags, to: \.flags)
        }
        if let flags = Self.rest(line, after: "!s ") {
            return try readFlags(flags, to: \.ownFlags)
        }
        if let reason = Self.rest(line, after: "oracle: skip ") {
            transcript.oracleSkip = String(decoding: reason, as: UTF8.self)
            return
        }
        if let reason = Self.rest(line, after: "differs: ") {
            guard reason.starts(with: "memcached ".utf8) else {
                throw wrong("a difference is told of memcached")
            }
            hasDifference = true
            return
        }
        switch line[0] {
        case UInt8(ascii: ">"): try readSending(line)
        case UInt8(ascii: "<"): try readExpectation(line)
        case UInt8(ascii: "+"): try readCounters(line)
        default: try readRest(line)
        }
    }

    private mutating func readFlags(
        _ flags: [UInt8], to place: WritableKeyPath<Transcript, [String]>
    ) throws(TranscriptFailure) {
        guard transcript[keyPath: place].isEmpty, transcript.steps.isEmpty else {
            throw wrong("flags late or twice")
        }
        transcript[keyPath: place] = flags.split(separator: 32)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    private mutating func append(_ action: Transcript.Action, side: Transcript.Side? = nil) {
        transcript.steps.append(Transcript.Step(line: number, side: side, action: action))
    }

    private mutating func readSending(_ line: [UInt8]) throws(TranscriptFailure) {
        if let packet = Self.rest(line, after: ">b ") {
            return try send(try self.packet(packet, isSent: true))
        }
        let isRaw = line.starts(with: ">>".utf8)
        var segments = try segments(try text(line, after: isRaw ? 2 : 1), isSent: true)
        if !isRaw { segments.append(.literal(Array("\r\n".utf8))) }
        try send(segments)
    }

    private mutating func send(_ segments: [Transcript.Segment]) throws(TranscriptFailure) {
        for segment in segments {
            switch segment {
            case .number(let name) where !captured.contains(name),
                .bigEndian(let name) where !captured.contains(name):
                throw wrong("{\(name)} has not been captured")
            default: break
            }
        }
        append(.send(segments))
    }

    private func packet(
        _ text: [UInt8], isSent: Bool
    ) throws(TranscriptFailure) -> [Transcript.Segment] {
        let packet = try TranscriptPacket.segments(text, isSent: isSent) {
            (text) throws(TranscriptFailure) -> [UInt8] in
            var bytes: [UInt8] = []
            for segment in try segments(text, isSent: isSent) {
                guard case .literal(let part) = segment else { throw wrong("not in a packet") }
                bytes += part
            }
            return bytes
        }
        guard let packet else { throw wrong("no packet") }
        return packet
    }

    /// The text behind a directive of `count` bytes: one space, then anything.
    private func text(_ line: [UInt8], after count: Int) throws(TranscriptFailure) -> [UInt8] {
        if line.count == count { return [] }
        guard line[count] == UInt8(ascii: " ") else { throw wrong("unknown directive") }
        return Array(line[(count + 1)...])
    }

    private mutating func readExpectation(_ line: [UInt8]) throws(TranscriptFailure) {
        expectationCount += 1
        if line.elementsEqual("<n".utf8) { return append(.expectNothing) }
        if let text = Self.rest(line, after: "<* ") {
            return append(
                .skip(to: try segments(text, isSent: false) + [.literal(Array("\r\n".utf8))]))
        }
        if line.starts(with: "<b".utf8) { return try readPacketExpectation(line) }
        let isRaw = line.starts(with: "<<".utf8)
        let side = try side(of: line, at: isRaw ? 2 : 1)
        let length = (isRaw ? 2 : 1) + (side == nil ? 0 : 1)
        var segments = try segments(try text(line, after: length), isSent: false)
        guard !isRaw || !segments.isEmpty else { throw wrong("nothing after <<") }
        if !isRaw { segments.append(.literal(Array("\r\n".utf8))) }
        for case .number(let name) in segments { captured.insert(name) }
        append(.expect(segments), side: side)
    }

    private mutating func readPacketExpectation(_ line: [UInt8]) throws(TranscriptFailure) {
        let side = try side(of: line, at: 2)
        let segments = try packet(try text(line, after: side == nil ? 2 : 3), isSent: false)
        for case .bigEndian(let name) in segments { captured.insert(name) }
        append(.expect(segments), side: side)
    }

    private func side(
        of line: [UInt8], at place: Int
    ) throws(TranscriptFailure) -> Transcript.Side? {
        guard place < line.count else { return nil }
        let side: Transcript.Side
        switch line[place] {
        case UInt8(ascii: "o"): side = .oracle
        case UInt8(ascii: "s"): side = .own
        default: return nil
        }
        guard hasDifference else { throw wrong("a side needs a differs: line above") }
        return side
    }

    private mutating func readCounters(_ line: [UInt8]) throws(TranscriptFailure) {
        expectationCount += 1
        if let text = Self.rest(line, after: "+= ") {
            let words = Self.words(text)
            guard words.count == 2 else { throw wrong("a name and a value are needed") }
            return append(.value(name: words[0], text: words[1]))
        }
        let side = try side(of: line, at: 1)
        let words = Self.words(try text(line, after: side == nil ? 1 : 2))
        guard words.count % 2 == 0, !words.isEmpty, !words.contains("") else {
            throw wrong("names and amounts are needed")
        }
        var changes: [(name: String, amount: Int)] = []
        for place in stride(from: 0, to: words.count, by: 2) {
            guard let amount = Int(words[place + 1]) else { throw wrong("not a number") }
            changes.append((name: words[place], amount: amount))
        }
        append(.changes(changes), side: side)
    }

    private static func words(_ text: [UInt8]) -> [String] {
        text.split(separator: 32, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }

    private mutating func readRest(_ line: [UInt8]) throws(TranscriptFailure) {
        if let text = Self.rest(line, after: "~ "), text.last == UInt8(ascii: "s"),
            let seconds = Int(String(decoding: text.dropLast(), as: UTF8.self)), seconds >= 0
        {
            return append(.clock(seconds: seconds))
        }
        if line.count == 2, line[0] == UInt8(ascii: "@"), (97...122).contains(line[1]) {
            return append(.connection(String(decoding: line[1...], as: UTF8.self)))
        }
        if line.elementsEqual("= half-close".utf8) { return append(.endSending) }
        if line.elementsEqual("= watches".utf8) { return append(.watches, side: .own) }
        guard line[0] == UInt8(ascii: "=") else { throw wrong("unknown directive") }
        let side = try side(of: line, at: 1)
        guard try text(line, after: side == nil ? 1 : 2).elementsEqual("closed".utf8) else {
            throw wrong("unknown directive")
        }
        expectationCount += 1
        append(.expectClosed, side: side)
    }

    // MARK: Texts

    private func segments(
        _ text: [UInt8], isSent: Bool
    ) throws(TranscriptFailure) -> [Transcript.Segment] {
        var segments: [Transcript.Segment] = []
        var position = 0
        while position < text.count {
            let literal = try unescape(text, from: &position, stopsAtBrace: true)
            if !literal.isEmpty { segments.append(.literal(literal)) }
            guard position < text.count else { break }
            var end = position + 1
            while end < text.count, text[end] != UInt8(ascii: "}") {
                end += text[end] == UInt8(ascii: "\\") ? 2 : 1
            }
            guard end < text.count else { throw wrong("no closing brace") }
            segments.append(try braces(Array(text[(position + 1)..<end]), isSent: isSent))
            position = end + 1
        }
        return segments
    }

    private func braces(
        _ inner: [UInt8], isSent: Bool
    ) throws(TranscriptFailure) -> Transcript.Segment {
        if inner.elementsEqual("*".utf8) {
            guard !isSent else { throw wrong("{*} cannot be sent") }
            return .restOfLine
        }
        if let first = inner.first, (97...122).contains(first),
            inner.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 95 })
        {
            return .number(String(decoding: inner, as: UTF8.self))
        }
        guard let star = inner.lastIndex(of: UInt8(ascii: "*")),
            let times = UInt32(String(decoding: inner[(star + 1)...], as: UTF8.self))
        else { throw wrong("braces that mean nothing") }
        var position = 0
        let unit = try unescape(Array(inner[..<star]), from: &position, stopsAtBrace: false)
        guard !unit.isEmpty else { throw wrong("a repetition of nothing") }
        if unit.count == 1 {
            return .literal([UInt8](repeating: unit[0], count: Int(times)))
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(unit.count * Int(times))
        for _ in 0..<times { bytes += unit }
        return .literal(bytes)
    }

    private func unescape(
        _ text: [UInt8], from position: inout Int, stopsAtBrace: Bool
    ) throws(TranscriptFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        while position < text.count {
            let byte = text[position]
            if stopsAtBrace, byte == UInt8(ascii: "{") { break }
            position += 1
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            guard position < text.count else { throw wrong("unknown escape") }
            position += 1
            switch text[position - 1] {
            case UInt8(ascii: "r"): bytes.append(13)
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "{"): bytes.append(UInt8(ascii: "{"))
            case UInt8(ascii: "x"):
                let digits = String(decoding: text[position...].prefix(2), as: UTF8.self)
                guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else {
                    throw wrong("bad \\x escape")
                }
                bytes.append(value)
                position += 2
            default: throw wrong("unknown escape")
            }
        }
        return bytes
    }
}
