import TestSupport
import Testing

@testable import MemcacheProtocol

@Suite(.timeLimit(.minutes(10)))
struct Base64Tests {
    private func encoded(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        Base64.encode(bytes.span) { text.append($0) }
        #expect(text.count == Base64.encodedByteCount(ofByteCount: bytes.count))
        return String(decoding: text, as: UTF8.self)
    }

    /// Nothing when the text is not base64. The room is as large as the text's own count says.
    private func decoded(_ text: [UInt8]) -> [UInt8]? {
        guard let count = Base64.decodedByteCount(text.span) else { return nil }
        var bytes = [UInt8](repeating: 0xEE, count: count)
        var target = bytes.mutableSpan
        let written = Base64.decode(text.span, into: &target)
        #expect(written == count)
        return bytes
    }

    private func decoded(_ text: String) -> [UInt8]? { decoded(Array(text.utf8)) }

    @Test(
        "The examples of RFC 4648 are encoded and decoded as it says",
        arguments: [
            ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy"),
        ])
    func examples(plain: String, text: String) {
        #expect(encoded(Array(plain.utf8)) == text)
        #expect(decoded(text) == Array(plain.utf8))
    }

    @Test("Every byte is in its place, whatever its neighbours")
    func bytes() {
        for byte in UInt8.min ... .max {
            for bytes in [[byte], [byte, 0], [0, byte], [255, 255, byte], [0, byte, 255]] {
                #expect(decoded(encoded(bytes)) == bytes)
            }
        }
        #expect(encoded([0xFB, 0xEF, 0xBE]) == "++++")
        #expect(encoded([0xFF, 0xFF, 0xFF]) == "////")
        #expect(encoded([0, 0, 0]) == "AAAA")
    }

    @Test("Random bytes of every length that a key can have come back")
    func roundTrips() {
        var generator = SeededGenerator(seed: 64)
        for count in 1...186 {
            for _ in 0..<5 {
                let bytes = (0..<count).map { _ in
                    UInt8.random(in: .min ... .max, using: &generator)
                }
                let text = encoded(bytes)
                #expect(text.utf8.count <= ProtocolLimits.keyByteCountMax)
                #expect(decoded(text) == bytes)
            }
        }
    }

    @Test("No bytes are no text, and no text is no key")
    func empty() {
        #expect(encoded([]) == "")
        #expect(decoded("") == nil)
    }

    @Test("A text whose length is not a multiple of four is no base64")
    func lengths() {
        for count in 1...9 {
            #expect((decoded(times(count, "A")) != nil) == (count % 4 == 0), "\(count)")
        }
        for text in ["Zg", "Zg=", "Zm8", "Zm9vY", "Zm9vYg", "Zm9vYg="] {
            #expect(decoded(text) == nil, "\(text)")
        }
    }

    @Test(
        "Padding stands at the end, and is at most two",
        arguments: [
            "====", "A===", "=AAA", "A=AA", "AA=A", "A==A", "=A==", "Zg==Zg==", "Zm8=Zm8=",
            "Zm9v====", "Zm9vA===",
        ])
    func padding(text: String) {
        #expect(decoded(text) == nil)
    }

    @Test("A byte that is not of the alphabet is an error anywhere")
    func alphabet() {
        let letters = Array(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        for byte in UInt8.min ... .max {
            for place in 0..<8 {
                var text = Array("Zm9vYmFy".utf8)
                text[place] = byte
                // At the very end it is padding.
                let isPadding = byte == UInt8(ascii: "=") && place == 7
                let isKnown = letters.contains(byte) || isPadding
                #expect((decoded(text) != nil) == isKnown, "\(byte) at \(place)")
            }
        }
    }

    @Test("Bits that padding leaves over are let be")
    func leftOverBits() {
        #expect(decoded("Zh==") == Array("f".utf8))
        #expect(decoded("Zm9=") == Array("fo".utf8))
    }
}
