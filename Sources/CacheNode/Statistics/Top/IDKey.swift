import EventLoop

/// The key under which the IDs of sessions are shown as hashes: who does not have it learns nothing from one, and who
/// has it can tell which hash is an ID's.
///
/// The hash is SipHash-2-4 of 64 bits (Aumasson and Bernstein, 2012), which OpenSSL's command can make, too:
///
///     printf %s "$ID" | openssl mac -macopt hexkey:"$(cat FILE)" -macopt size:8 SIPHASH
package struct IDKey: Equatable, Sendable {
    private let first: UInt64
    private let second: UInt64
    package static let byteCount = 16

    /// One of its own, which nobody can foretell: hashes are the same as long as the node runs.
    package init() {
        self.init(MessageAuthentication.nonce(byteCount: Self.byteCount))
    }

    /// - Parameter bytes: 16 of them.
    package init(_ bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount, "a key of another length")
        first = Self.word(bytes[0..<8])
        second = Self.word(bytes[8..<16])
    }

    /// The digits of a file, and nothing but white space behind them; nothing where that is not so.
    package init?(hexadecimal text: some Sequence<UInt8>) {
        var digits = Array(text)
        while let last = digits.last, last == 10 || last == 13 || last == 32 { digits.removeLast() }
        guard digits.count == Self.byteCount * 2 else { return nil }
        var bytes: [UInt8] = []
        for place in stride(from: 0, to: digits.count, by: 2) {
            guard let high = digits[place].hexadecimalValue,
                let low = digits[place + 1].hexadecimalValue
            else { return nil }
            bytes.append(high << 4 | low)
        }
        self.init(bytes)
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    // MARK: The hash

    private struct State {
        var words: (UInt64, UInt64, UInt64, UInt64)

        @inline(__always)
        mutating func round() {
            words.0 &+= words.1
            words.1 = words.1 << 13 | words.1 >> 51
            words.1 ^= words.0
            words.0 = words.0 << 32 | words.0 >> 32
            words.2 &+= words.3
            words.3 = words.3 << 16 | words.3 >> 48
            words.3 ^= words.2
            words.0 &+= words.3
            words.3 = words.3 << 21 | words.3 >> 43
            words.3 ^= words.0
            words.2 &+= words.1
            words.1 = words.1 << 17 | words.1 >> 47
            words.1 ^= words.2
            words.2 = words.2 << 32 | words.2 >> 32
        }

        @inline(__always)
        mutating func take(_ word: UInt64) {
            words.3 ^= word
            round()
            round()
            words.0 ^= word
        }
    }

    package func hash(_ id: UnsafeRawBufferPointer) -> UInt64 {
        var state = State(
            words: (
                first ^ 0x736f_6d65_7073_6575, second ^ 0x646f_7261_6e64_6f6d,
                first ^ 0x6c79_6765_6e65_7261, second ^ 0x7465_6462_7974_6573
            ))
        var place = 0
        while place + 8 <= id.count {
            state.take(
                UInt64(littleEndian: id.loadUnaligned(fromByteOffset: place, as: UInt64.self)))
            place += 8
        }
        var last = UInt64(truncatingIfNeeded: id.count) << 56
        for (number, byte) in id[place...].enumerated() {
            last |= UInt64(byte) << UInt64(number * 8)
        }
        state.take(last)
        state.words.2 ^= 0xff
        for _ in 0..<4 { state.round() }
        let words = state.words
        return words.0 ^ words.1 ^ words.2 ^ words.3
    }

    /// As OpenSSL writes it: the lowest byte first, in capital digits.
    package static func name(of hash: UInt64) -> String {
        let digits = String(hash.byteSwapped, radix: 16, uppercase: true)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
