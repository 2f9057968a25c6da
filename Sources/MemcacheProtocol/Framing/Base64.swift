/// Keys in base64, as the meta commands' `b` flag has them. Source: RFC 4648, section 4, with padding.
///
/// Not Foundation's: this decodes into memory of the caller's, and nothing on a request's way may
/// allocate.
package enum Base64 {
    /// The number of bytes that `text` stands for; nothing when it is not base64, or none.
    ///
    /// Stricter than memcached, which passes over bytes that are not of the alphabet.
    package static func decodedByteCount(_ text: Span<UInt8>) -> Int? {
        guard text.count > 0, text.count.isMultiple(of: 4) else { return nil }
        var end = text.count
        while end > text.count - 2, text[end - 1] == padding { end -= 1 }
        for index in 0..<end where value(of: text[index]) == nil { return nil }
        return text.count / 4 * 3 - (text.count - end)
    }

    /// Decodes `text`, whose `decodedByteCount` is known to fit, into the front of `bytes`.
    package static func decode(_ text: Span<UInt8>, into bytes: inout MutableSpan<UInt8>) -> Int {
        var bits: UInt32 = 0
        var bitCount = 0
        var count = 0
        for index in text.indices {
            guard let six = value(of: text[index]) else { break }
            bits = bits << 6 | UInt32(six)
            bitCount += 6
            guard bitCount >= 8 else { continue }
            bitCount -= 8
            bytes[count] = UInt8(truncatingIfNeeded: bits >> UInt32(bitCount))
            count += 1
        }
        return count
    }

    package static func encodedByteCount(ofByteCount count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Calls `body` with the bytes that stand for `bytes`, in order.
    package static func encode(_ bytes: Span<UInt8>, _ body: (UInt8) -> Void) {
        var index = 0
        while index < bytes.count {
            let left = bytes.count - index
            let group =
                UInt32(bytes[index]) << 16
                | (left > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
                | (left > 2 ? UInt32(bytes[index + 2]) : 0)
            body(letter(group >> 18))
            body(letter(group >> 12))
            body(left > 1 ? letter(group >> 6) : padding)
            body(left > 2 ? letter(group) : padding)
            index += 3
        }
    }

    private static let padding = UInt8(ascii: "=")

    private static func value(of letter: UInt8) -> UInt8? {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): letter - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): letter - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): letter - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }

    private static func letter(_ bits: UInt32) -> UInt8 {
        let six = UInt8(truncatingIfNeeded: bits & 63)
        return switch six {
        case 0..<26: UInt8(ascii: "A") + six
        case 26..<52: UInt8(ascii: "a") + six - 26
        case 52..<62: UInt8(ascii: "0") + six - 52
        case 62: UInt8(ascii: "+")
        default: UInt8(ascii: "/")
        }
    }
}
