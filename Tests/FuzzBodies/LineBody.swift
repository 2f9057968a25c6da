#if DEBUG || Fuzzing
    @testable import MemcacheProtocol

    /// Takes any bytes as a line: each place that the parser names must lie inside of it. Returns what is
    /// wrong.
    func checkParser(_ line: [UInt8]) -> String? {
        let command = CommandParser.parse(line.span, knowsDebugtime: true)
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
            guard (1...line.count).contains(retrieval.keysStart) else {
                return "keys start outside"
            }
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

    private let storageVerbs: [[UInt8]: StoreHeader.Verb] = [
        Array("set".utf8): .set, Array("add".utf8): .add, Array("replace".utf8): .replace,
        Array("append".utf8): .append, Array("prepend".utf8): .prepend, Array("cas".utf8): .cas(0),
    ]

    /// What a storage command's line says, read from its words by the standard library; nothing for
    /// another line.
    private func storageCommand(_ line: [UInt8]) -> Command? {
        let words = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: true)
        guard line.first != UInt8(ascii: " "), let first = words.first else { return nil }
        guard var verb = storageVerbs[Array(first)] else { return nil }
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

    private func failure(
        _ reply: ErrorReply, _ recovery: Failure.Recovery = .nextLine, isQuiet: Bool = false
    ) -> Command {
        .failure(Failure(reply, recovery: recovery, isQuiet: isQuiet))
    }

    /// Takes any bytes as what arrives: where a line ends must not depend on how much has arrived behind it.
    /// One cut is tried, which follows from the input.
    func checkFraming(_ input: [UInt8]) -> String? {
        let whole = framing(input[...])
        let cut = (input.count * 7 + Int(input.last ?? 0)) % (input.count + 1)
        let part = framing(input[..<cut])
        return part == whole || part == .incomplete ? nil : "\(whole), and \(part) if cut at \(cut)"
    }

    private func framing(_ input: ArraySlice<UInt8>) -> LineFraming {
        LineFraming.of(
            input.span, newline: input.firstIndex(of: UInt8(ascii: "\n")), isFull: false)
    }
#endif
