import TestSupport
import Testing

@testable import MemcacheProtocol

private func framing(_ input: String, isFull: Bool = false) -> LineFraming {
    let bytes = Array(input.utf8)
    return LineFraming.of(bytes.span, newline: bytes.firstIndex(of: 10), isFull: isFull)
}

@Suite(.timeLimit(.minutes(10)))
struct LineFramingTests {
    @Test("A line ends at LF, with or without CR, and the next input follows it")
    func lineEnds() {
        #expect(framing("get k\r\n") == .line(count: 5, next: 7))
        #expect(framing("get k\n") == .line(count: 5, next: 6))
        #expect(framing("get k\r\r\n") == .line(count: 6, next: 8))
        #expect(framing("get k\r\nget l\r\n") == .line(count: 5, next: 7))
    }

    @Test("A whole line shorter than 4 bytes, its end included, is not a command")
    func shortest() {
        let limit = ProtocolLimits.lineByteCountMin
        #expect(framing(times(limit - 2, "a") + "\n") == .tooShort(next: limit - 1))
        #expect(framing(times(limit - 1, "a") + "\n") == .line(count: limit - 1, next: limit))
        #expect(framing(times(limit, "a") + "\n") == .line(count: limit, next: limit + 1))
        #expect(framing("\n") == .tooShort(next: 1))
        #expect(framing("\r\n") == .tooShort(next: 2))
        #expect(framing("a\r\n") == .tooShort(next: 3))
        #expect(framing("mn\n") == .tooShort(next: 3))
        #expect(framing("mn\r\n") == .line(count: 2, next: 4))
    }

    @Test("Without an end more is awaited, up to 2,048 bytes")
    func longestUnfinished() {
        let limit = ProtocolLimits.unfinishedLineByteCountMax
        #expect(framing("") == .incomplete)
        #expect(framing(times(limit - 1, "a")) == .incomplete)
        #expect(framing(times(limit, "a")) == .incomplete)
        #expect(framing(times(limit + 1, "a")) == .endless)
    }

    @Test("A line that has arrived whole may be longer than an unfinished one")
    func longComplete() {
        let limit = ProtocolLimits.lineByteCountMax
        #expect(framing(times(limit - 2, "a") + "\n") == .line(count: limit - 2, next: limit - 1))
        #expect(
            framing(times(limit - 1, "a") + "\n", isFull: true)
                == .line(count: limit - 1, next: limit))
        #expect(framing(times(limit, "a"), isFull: true) == .endless)
    }

    @Test(
        "get and gets may go on, and are taken in parts when there is no more room",
        arguments: [
            "get ", "gets ", "gat 0 ", "gats 0 ",
        ])
    func retrievals(start: String) {
        let line = start + times(ProtocolLimits.unfinishedLineByteCountMax)
        #expect(framing(line) == .incomplete)
        #expect(framing(line, isFull: true) == .partOfRetrieval)
    }

    @Test(
        "Other words may not go on",
        arguments: [
            "gat\t", "gatx", "getx", "get\t", "mg ", "GET ", "xget ",
        ])
    func others(start: String) {
        #expect(framing(start + times(ProtocolLimits.unfinishedLineByteCountMax)) == .endless)
    }

    @Test("Up to 100 spaces in front of get are forgiven here")
    func leadingSpaces() {
        let rest = "get " + times(ProtocolLimits.unfinishedLineByteCountMax)
        #expect(framing(times(99, " ") + rest) == .incomplete)
        #expect(framing(times(100, " ") + rest) == .incomplete)
        #expect(framing(times(101, " ") + rest) == .endless)
        #expect(framing(times(3_000, " ")) == .endless)
    }

    @Test("A line is found at the same place however much of the next one is there")
    func moreInput() {
        let line = "set k 0 0 3\r\n"
        let rest = Array("abc\r\nget k\r\n".utf8)
        for count in 0...rest.count {
            let input = line + String(decoding: rest[..<count], as: UTF8.self)
            #expect(framing(input) == .line(count: 11, next: 13))
        }
        for count in 0..<line.utf8.count {
            let start = String(decoding: Array(line.utf8)[..<count], as: UTF8.self)
            #expect(framing(start) == .incomplete)
        }
    }
}
