import Testing

@testable import MemcacheProtocol

@Suite(.timeLimit(.minutes(10)))
struct WordsTests {
    private func words(_ line: String) -> [String] {
        let bytes = Array(line.utf8)
        let words = Words(bytes.span)
        return (0..<words.count).map { number in
            words[number].map { text($0, of: line) } ?? "-"
        }
    }

    @Test("Runs of spaces count as one, at the end as nothing")
    func runs() {
        #expect(words("a b") == ["a", "b"])
        #expect(words("a   b  ") == ["a", "b"])
        #expect(words("") == [])
    }

    @Test("A space in front makes an empty word, however many there are")
    func leadingSpace() {
        #expect(words(" a") == ["", "a"])
        #expect(words("   a") == ["", "a"])
        #expect(words("   ") == [""])
    }

    @Test("Any byte but a space belongs to a word")
    func otherBytes() {
        #expect(words("a\tb\u{0}c\r d") == ["a\tb\u{0}c\r", "d"])
    }

    @Test("Seven words are kept by number; the last one and the count are known beyond")
    func keptWords() {
        for count in 6...9 {
            let line = (0..<count).map { "w\($0)" }.joined(separator: " ")
            let bytes = Array(line.utf8)
            let words = Words(bytes.span)
            #expect(words.count == count)
            #expect(text(words.last, of: line) == "w\(count - 1)")
            for number in 0..<count {
                #expect((words[number] != nil) == (number < 7), "word \(number) of \(count)")
            }
            #expect(words[count] == nil)
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct NumberTests {
    private func unsigned(_ text: String) -> UInt64? {
        let bytes = Array(text.utf8)
        return bytes.span.unsigned(at: ByteRange(start: 0, count: bytes.count))
    }

    private func unsigned32(_ text: String) -> UInt32? {
        let bytes = Array(text.utf8)
        return bytes.span.unsigned32(at: ByteRange(start: 0, count: bytes.count))
    }

    private func signed32(_ text: String) -> Int32? {
        let bytes = Array(text.utf8)
        return bytes.span.signed32(at: ByteRange(start: 0, count: bytes.count))
    }

    @Test("An unsigned number is digits, at most 2^64 - 1")
    func unsignedNumbers() {
        #expect(unsigned("0") == 0)
        #expect(unsigned("007") == 7)
        #expect(unsigned("18446744073709551614") == UInt64.max - 1)
        #expect(unsigned("18446744073709551615") == .max)
        for text in ["18446744073709551616", "99999999999999999999", "", "-1", "+1", "1 ", "0x1"] {
            #expect(unsigned(text) == nil, "\(text)")
        }
    }

    @Test("A number has at most 22 digits, leading zeros included")
    func digitCount() {
        let limit = ProtocolLimits.digitCountMax
        for count in [limit - 1, limit] {
            #expect(unsigned(times(count - 1, "0") + "7") == 7)
        }
        #expect(unsigned(times(limit, "0") + "7") == nil)
    }

    @Test("A 32-bit number has at most 11 bytes, its sign included")
    func shortNumbers() {
        let limit = ProtocolLimits.shortNumberByteCountMax
        for count in [limit - 1, limit] {
            #expect(unsigned32(times(count - 1, "0") + "7") == 7)
            #expect(signed32(times(count - 1, "0") + "7") == 7)
            #expect(signed32("-" + times(count - 2, "0") + "7") == -7)
        }
        #expect(unsigned32(times(limit, "0") + "7") == nil)
        #expect(signed32(times(limit, "0") + "7") == nil)
        #expect(signed32("-" + times(limit - 1, "0") + "7") == nil)
    }

    @Test("32 bits are checked at both ends")
    func ends() {
        #expect(unsigned32("4294967294") == UInt32.max - 1)
        #expect(unsigned32("4294967295") == .max)
        #expect(unsigned32("4294967296") == nil)
        #expect(signed32("2147483646") == Int32.max - 1)
        #expect(signed32("2147483647") == .max)
        #expect(signed32("2147483648") == nil)
        #expect(signed32("-2147483647") == Int32.min + 1)
        #expect(signed32("-2147483648") == .min)
        #expect(signed32("-2147483649") == nil)
        for text in ["", "-", "--1", "+1", "- 1"] { #expect(signed32(text) == nil, "\(text)") }
    }
}
