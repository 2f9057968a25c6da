import MemcacheProtocol

/// A line of `lru_crawler metadump all` or `lru_crawler mgdump all`: an item's key, and when it expires, if the line says so.
struct DumpLine: Equatable {
    enum Time: Equatable {
        case unknown
        case never
        /// Unix time.
        case at(Int64)
    }

    let key: [UInt8]
    let time: Time

    /// Nothing for what is no such line.
    init?(_ line: [UInt8]) {
        let span = line.span
        guard let first = nextWord(in: span, from: 0), first.start == 0 else { return nil }
        if span.holds("mg", at: first) {
            guard let word = nextWord(in: span, from: first.end) else { return nil }
            let flag = nextWord(in: span, from: word.end)
            let isEncoded = flag.map { span.holds("b", at: $0) } ?? false
            guard flag == nil || isEncoded,
                let key = isEncoded ? Self.base64(Array(line[word.range])) : Array(line[word.range])
            else { return nil }
            (self.key, time) = (key, .unknown)
        } else if span.starts(with: "key=") {
            guard let key = Self.unescaped(line[(first.start + 4)..<first.end]), !key.isEmpty else {
                return nil
            }
            self.key = key
            time = Self.time(in: span, from: first.end)
        } else {
            return nil
        }
    }

    private static func time(in line: Span<UInt8>, from start: Int) -> Time {
        var position = start
        while let word = nextWord(in: line, from: position) {
            position = word.end
            guard line.starts(with: "exp=", at: word.start) else { continue }
            let number = ByteRange(start: word.start + 4, count: word.count - 4)
            if line.holds("-1", at: number) { return .never }
            guard let seconds = line.unsigned(at: number), seconds <= UInt64(UInt32.max) else {
                return .unknown
            }
            // Before 1.5.? what never expires is 0.
            return seconds == 0 ? .never : .at(Int64(seconds))
        }
        return .unknown
    }

    /// `%20` is a space.
    private static func unescaped(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var place = text.startIndex
        while place < text.endIndex {
            guard text[place] == UInt8(ascii: "%") else {
                bytes.append(text[place])
                place += 1
                continue
            }
            guard place + 2 < text.endIndex,
                let byte = UInt8(
                    String(decoding: text[(place + 1)...(place + 2)], as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(byte)
            place += 3
        }
        return bytes
    }

    private static func base64(_ text: [UInt8]) -> [UInt8]? {
        guard let count = Base64.decodedByteCount(text.span), count > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: count)
        var target = bytes.mutableSpan
        _ = Base64.decode(text.span, into: &target)
        return bytes
    }
}
