import Crypto
import TestSupport
import Testing

@testable import SessionClient

private func key(_ byte: UInt8, bitCount: Int = 256) -> SymmetricKey {
    SymmetricKey(data: [UInt8](repeating: byte, count: bitCount / 8))
}

@Suite(.timeLimit(.minutes(10)))
struct Base64URLTests {
    @Test("Known bytes have their known texts")
    func vectors() {
        // RFC 4648, section 10, and the two letters that differ from base64.
        for (bytes, text) in [
            ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy"),
        ] {
            #expect(Base64URL.encode(Array(bytes.utf8)) == text)
            #expect(Base64URL.decode(text.utf8) == Array(bytes.utf8))
        }
        #expect(Base64URL.encode([0xFB, 0xFF]) == "-_8")
        #expect(Base64URL.decode("-_8".utf8) == [0xFB, 0xFF])
    }

    @Test("What is decoded comes back the same, and each sequence of bytes has one text")
    func roundTrip() {
        var generator = SeededGenerator(seed: 11)
        for count in 0..<100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
            #expect(Base64URL.decode(Base64URL.encode(bytes).utf8) == bytes)
        }
        for text in ["A", "Zh", "Zg=", "Zm9=", "Zm9v Zg", "Zm9v\n", "Zm+v", "Zm/v", "Zé", "AAAAA"] {
            #expect(Base64URL.decode(text.utf8) == nil, "\(text)")
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct SessionIDTests {
    @Test("IDs are 256 bits, and no two are the same")
    func ids() {
        let ids = (0..<1_000).map { _ in SessionID() }
        #expect(Set(ids).count == 1_000)
        for id in ids {
            #expect(Base64URL.decode(id.text.utf8)?.count == 32)
            #expect(SessionID(id.text) == id)
        }
        // Every bit is used.
        var all = [UInt8](repeating: 0, count: 32)
        for id in ids {
            for (place, byte) in (Base64URL.decode(id.text.utf8) ?? []).enumerated() {
                all[place] |= byte
            }
        }
        #expect(all.allSatisfy { $0 == 0xFF })
    }

    @Test("What comes from a browser and cannot be an ID is none")
    func hostile() {
        let good = SessionID().text
        let short = String(good.dropLast())
        for end in ["", "\n", " ", "\u{0}", "=", ".", "+", "é"] {
            #expect(SessionID(short + end) == nil, "\(end.utf8.count)")
        }
        for end in ["A", "\r\n", "\u{0}"] { #expect(SessionID(good + end) == nil) }
        // Bits that no byte has.
        #expect(SessionID(String(repeating: "A", count: 42) + "B") == nil)
        for text in ["", "a", String(repeating: "x", count: 1_000_000), "\r\nflush_all\r\n"] {
            #expect(SessionID(text) == nil)
        }
    }

    @Test("A log shows only the beginning")
    func description() {
        let id = SessionID()
        #expect("\(id)".count == 7 && id.text.hasPrefix("\(id)".dropLast()))
        #expect(!String(reflecting: id).contains(id.text))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct CookieSignerTests {
    private let signer = CookieSigner(keys: [key(1)], cookieName: "session")

    @Test("A signed cookie is verified, an unsigned one is not")
    func signature() {
        let id = SessionID()
        let cookie = signer.sign(id)
        #expect(cookie.utf8.count == CookieSigner.characterCount)
        #expect(cookie.hasPrefix(id.text + "."))
        #expect(signer.verify(cookie) == id)
        #expect(signer.verify(id.text) == nil)
        #expect(signer.verify(id.text + "." + String(repeating: "A", count: 43)) == nil)
    }

    @Test("Changing any character makes it invalid")
    func tampering() {
        let cookie = Array(signer.sign(SessionID()).utf8)
        for place in cookie.indices {
            for change: UInt8 in [1, 2, 0x20, 0x80] {
                var changed = cookie
                changed[place] ^= change
                #expect(signer.verify(String(decoding: changed, as: UTF8.self)) == nil)
            }
        }
    }

    @Test("Whatever else comes from a browser is no ID")
    func hostile() {
        let cookie = signer.sign(SessionID())
        for text in [
            "", ".", "..", cookie + "A", cookie + "\r\n", " " + cookie, String(cookie.dropLast()),
            String(repeating: ".", count: 87), String(repeating: "A", count: 1_000_000),
            cookie.replacing(".", with: ":"), "\r\nmd x\r\n",
        ] {
            #expect(signer.verify(text) == nil)
        }
    }

    @Test("A new key signs, and the old one still verifies until it is taken away")
    func rotation() {
        let old = CookieSigner(keys: [key(1)], cookieName: "session")
        let both = CookieSigner(keys: [key(2), key(1)], cookieName: "session")
        let new = CookieSigner(keys: [key(2)], cookieName: "session")
        let id = SessionID()
        #expect(both.verify(old.sign(id)) == id)
        #expect(new.verify(old.sign(id)) == nil)
        #expect(new.verify(both.sign(id)) == id)
        #expect(old.verify(both.sign(id)) == nil)
    }

    @Test("While keys change, every cookie is good that any of them has signed, the newest, too")
    func everyKey() {
        let signer = CookieSigner(keys: (1...4).map { key($0) }, cookieName: "session")
        let id = SessionID()
        // Whoever logs in during the change is verified with all keys, as is whoever logged in before.
        #expect(signer.verify(signer.sign(id)) == id)
        for number: UInt8 in 1...4 {
            let single = CookieSigner(keys: [key(number)], cookieName: "session")
            #expect(signer.verify(single.sign(id)) == id, "key \(number)")
            // The first signs, and no other.
            #expect((single.verify(signer.sign(id)) == id) == (number == 1))
        }
        let other = CookieSigner(keys: [key(5)], cookieName: "session")
        #expect(signer.verify(other.sign(id)) == nil)
    }

    @Test("A cookie of another name is none")
    func otherCookie() {
        let other = CookieSigner(keys: [key(1)], cookieName: "other")
        #expect(other.verify(signer.sign(SessionID())) == nil)
    }

    @Test("Without keys the ID alone is the cookie")
    func unsigned() {
        let signer = CookieSigner(keys: [], cookieName: "session")
        let id = SessionID()
        #expect(signer.sign(id) == id.text)
        #expect(signer.verify(id.text) == id)
        #expect(signer.verify(id.text + ".") == nil)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct SessionEnvelopeTests {
    private let content = SessionEnvelope.Content(
        createdMilliseconds: 1_795_000_000_123, value: Array("a secret value".utf8))
    private let item: CacheKey = "session:one"

    @Test("What is sealed opens, with a key and without")
    func roundTrip() throws {
        for keys in [[], [key(1)]] {
            let envelope = SessionEnvelope(keys: keys)
            let sealed = try envelope.seal(content, for: item)
            #expect(envelope.open(sealed, of: item) == content)
            let empty = SessionEnvelope.Content(createdMilliseconds: -1, value: [])
            #expect(envelope.open(try envelope.seal(empty, for: item), of: item) == empty)
        }
    }

    @Test("What is encrypted shows nothing, and is another each time")
    func hides() throws {
        let envelope = SessionEnvelope(keys: [key(1)])
        let first = try envelope.seal(content, for: item)
        #expect(!String(decoding: first, as: UTF8.self).contains("secret"))
        #expect(first != (try envelope.seal(content, for: item)))
        // Format, mark, nonce, created, tag.
        #expect(first.count == content.value.count + 1 + 4 + 12 + 8 + 16)
    }

    @Test("A value that was changed anywhere, cut, or moved to another session does not open")
    func tampering() throws {
        let envelope = SessionEnvelope(keys: [key(1)])
        let sealed = try envelope.seal(content, for: item)
        for place in sealed.indices {
            var changed = sealed
            changed[place] ^= 1
            #expect(envelope.open(changed, of: item) == nil, "byte \(place)")
            #expect(envelope.open(Array(sealed[..<place]), of: item) == nil)
        }
        #expect(envelope.open(sealed, of: "session:two") == nil)
        #expect(envelope.open(sealed, of: item) == content)
    }

    @Test("Keys are rotated as those of cookies are")
    func rotation() throws {
        let old = SessionEnvelope(keys: [key(1)])
        let both = SessionEnvelope(keys: [key(2), key(1)])
        let new = SessionEnvelope(keys: [key(2)])
        let sealed = try old.seal(content, for: item)
        #expect(both.open(sealed, of: item) == content)
        #expect(new.open(sealed, of: item) == nil)
        #expect(new.open(try both.seal(content, for: item), of: item) == content)
    }

    @Test("While keys change, every session opens that any of them has sealed, the newest, too")
    func everyKey() throws {
        let envelope = SessionEnvelope(keys: (1...4).map { key($0) })
        #expect(envelope.open(try envelope.seal(content, for: item), of: item) == content)
        for number: UInt8 in 1...4 {
            let single = SessionEnvelope(keys: [key(number)])
            #expect(
                envelope.open(try single.seal(content, for: item), of: item) == content,
                "key \(number)")
            let sealed = try envelope.seal(content, for: item)
            #expect((single.open(sealed, of: item) == content) == (number == 1))
        }
        let other = SessionEnvelope(keys: [key(5)])
        #expect(envelope.open(try other.seal(content, for: item), of: item) == nil)
    }

    @Test("Where there are keys, a value in the clear is somebody else's")
    func clearWhereEncrypted() throws {
        let clear = try SessionEnvelope(keys: []).seal(content, for: item)
        #expect(SessionEnvelope(keys: [key(1)]).open(clear, of: item) == nil)
        let encrypted = try SessionEnvelope(keys: [key(1)]).seal(content, for: item)
        #expect(SessionEnvelope(keys: []).open(encrypted, of: item) == nil)
    }

    @Test("Whatever else is stored there does not open, and does no harm")
    func garbage() {
        var generator = SeededGenerator(seed: 3)
        for envelope in [SessionEnvelope(keys: []), SessionEnvelope(keys: [key(1)])] {
            for count in 0..<60 {
                var bytes = (0..<count).map { _ in
                    UInt8.random(in: .min ... .max, using: &generator)
                }
                if count > 0 { bytes[0] = [0, 2, 3, 0xFF][count % 4] }
                #expect(envelope.open(bytes, of: item) == nil)
            }
        }
    }
}
