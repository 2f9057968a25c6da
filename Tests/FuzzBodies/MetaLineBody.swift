#if DEBUG || Fuzzing
    @testable import MemcacheProtocol

    /// Takes any bytes as a meta command's line: a key is one, and exactly
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
            guard key.count <= ProtocolLimits.keyByteCountMax else {
                return "a key that is too long"
            }
            guard request.valueByteCount == (verb == .set ? announced : 0) else {
                return "a value of \(request.valueByteCount) bytes"
            }
            let flags = words.dropFirst(verb == .set ? 2 : 1)
            guard
                line[request.flagsStart...].split(separator: UInt8(ascii: " "))
                    .elementsEqual(flags, by: { $0.elementsEqual($1) })
            else { return "flags start at \(request.flagsStart)" }
            if request.flags.contains(.encodedKey), Base64.decodedByteCount(Array(key).span) == nil
            {
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
#endif
