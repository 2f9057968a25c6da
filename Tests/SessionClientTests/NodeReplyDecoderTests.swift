import MemcacheProtocol
import NIOCore
import NIOTestUtils
import TestSupport
import Testing

@testable import SessionClient

private let valueByteCountMax = 4_096

private func decoder() -> NodeReplyDecoder {
    NodeReplyDecoder(valueByteCountMax: valueByteCountMax)
}

/// All replies of an input that arrives in parts, and what ended it.
private func decode(
    _ input: String, cut cuts: Cuts = .whole
) -> (replies: [NodeReply], violation: NodeReplyReader.Violation?) {
    let processor = NIOSingleStepByteToMessageProcessor(decoder())
    var replies: [NodeReply] = []
    do {
        var rest = ByteBuffer(string: input)
        for length in cuts.lengths(of: rest.readableBytes) {
            let part = rest.readSlice(length: length)
            try processor.process(buffer: part ?? ByteBuffer()) { replies.append($0) }
        }
        try processor.finishProcessing(seenEOF: true) { replies.append($0) }
        return (replies, nil)
    } catch {
        return (replies, error as? NodeReplyReader.Violation)
    }
}

/// Every kind of reply, and what it means.
private let conversation: [(text: String, reply: NodeReply)] = [
    ("HD\r\n", NodeReply(.done)),
    ("HD O0123456789abcdef\r\n", NodeReply(.done, opaque: 0x0123_4567_89ab_cdef)),
    (
        "VA 5 f7 c18446744073709551615 t-1 Offffffffffffffff W\r\na\r\nb\n\r\n",
        NodeReply(
            .done, value: .text("a\r\nb\n"), opaque: .max, casUnique: .max,
            clientFlags: 7, timeLeft: -1)
    ),
    ("VA 0\r\n\r\n", NodeReply(.done, value: [])),
    ("EN\r\n", NodeReply(.miss)),
    ("EN O0000000000000001 kfoo b\r\n", NodeReply(.miss, opaque: 1)),
    ("NF c0 O0000000000000002\r\n", NodeReply(.notFound, opaque: 2, casUnique: 0)),
    ("NS O0000000000000003\r\n", NodeReply(.notStored, opaque: 3)),
    ("STORED\r\n", NodeReply(.stored)),
    ("EX\r\n", NodeReply(.exists)),
    ("MN\r\n", NodeReply(.noop)),
    ("ME key exp=-1 la=0\r\n", NodeReply(.description("ME key exp=-1 la=0"))),
    ("ERROR\r\n", NodeReply(.unknownCommand("ERROR"))),
    (
        "ERROR Too many open connections\r\n",
        NodeReply(.unknownCommand("ERROR Too many open connections"))
    ),
    ("CLIENT_ERROR bad\r\n", NodeReply(.clientError("CLIENT_ERROR bad"))),
    ("SERVER_ERROR: no\r\n", NodeReply(.serverError("SERVER_ERROR: no"))),
    ("HD X Z h1 l3 s17 nonsense\r\n", NodeReply(.done)),
]

@Suite(.timeLimit(.minutes(10)))
struct NodeReplyDecoderTests {
    @Test("Any cut of the input gives the same replies, by NIO's verifier")
    func verified() throws {
        try ByteToMessageDecoderVerifier.verifyDecoder(
            inputOutputPairs: conversation.map { (ByteBuffer(string: $0.text), [$0.reply]) },
            decoderFactory: decoder)
    }

    @Test("A conversation, cut anywhere, is the same")
    func cuts() {
        let text = conversation.map(\.text).joined()
        let wanted = conversation.map(\.reply)
        let places = (0...text.utf8.count).map { Cuts.once(at: $0) }
        let random = (0..<50).map { Cuts.random(seed: $0) }
        for cuts in [.whole, .pieces(byteCount: 1), .pieces(byteCount: 3)] + places + random {
            let (replies, violation) = decode(text, cut: cuts)
            #expect(replies == wanted && violation == nil, "\(cuts)")
        }
    }

    @Test(
        "What is no reply is told at its first line",
        arguments: [
            "\r\n", "H\r\n", "HD\n", "hd\r\n", "XX\r\n", "HDX\r\n", "VA\r\n", "VA x\r\n",
            "VA -1\r\n\r\n", "VA 1x\r\na\r\n", "HD cx\r\n", "HD c\r\n", "HD f4294967296\r\n",
            "HD t99999999999\r\n", "HD c18446744073709551616\r\n", "NOT_STORED\r\n", "END\r\n",
            "HTTP/1.1 400 Bad Request\r\n", "VALUE k 0 1\r\n", "\u{0}\u{1}\u{2}\r\n",
        ])
    func garbage(line: String) {
        let (replies, violation) = decode(line + "MN\r\n")
        #expect(replies == [])
        #expect(violation == .unknownReply)
    }

    @Test("A value that does not end where it should is told")
    func unterminatedValue() {
        #expect(decode("VA 1\r\nabc\r\n").violation == .valueUnterminated)
        #expect(decode("VA 1\r\na\n\n\r\n").violation == .valueUnterminated)
    }

    @Test("Lines have a bound", arguments: [-1, 0, 1])
    func lineBound(excess: Int) {
        let limit = ReplyLineEnd.lineByteCountMax
        let line = "HD " + String(repeating: "x", count: limit + excess - 3)
        let (replies, violation) = decode(line + "\r\n", cut: .pieces(byteCount: 100))
        #expect(replies.count == (excess <= 0 ? 1 : 0))
        #expect(violation == (excess <= 0 ? nil : .lineTooLong))
    }

    @Test("A line without an end is given up before all of it is kept")
    func endlessLine() {
        #expect(decode(String(repeating: "x", count: 10_000)).violation == .lineTooLong)
    }

    @Test("Values have a bound, which their announcement shows", arguments: [-1, 0, 1])
    func valueBound(excess: Int) {
        let count = valueByteCountMax + excess
        let text = "VA \(count)\r\n" + String(repeating: "v", count: count) + "\r\n"
        let (replies, violation) = decode(text, cut: .pieces(byteCount: 1_000))
        #expect(replies.first?.value?.count == (excess <= 0 ? count : nil))
        #expect(violation == (excess <= 0 ? nil : .valueTooLong))
        #expect(decode("VA 99999999999999999999999\r\n").violation == .unknownReply)
    }

    @Test(
        "An end inside a reply is told", arguments: ["H", "HD", "HD\r", "VA 3\r\nab", "VA 0\r\n"])
    func endInside(text: String) {
        #expect(decode(text).violation == .endInside)
    }

    @Test("A token that is not ours is none")
    func foreignOpaque() {
        for token in ["", "1", "0123456789abcde", "0123456789abcdef0", "0123456789ABCDEF"] {
            #expect(decode("HD O\(token)\r\n").replies == [NodeReply(.done)])
        }
    }

    @Test("Random bytes never trap, and make progress or end")
    func randomBytes() {
        var generator = SeededGenerator(seed: 5)
        let words = ["HD", "VA", " ", "\r\n", "3", "O", "c", "t-", "ERROR", "abc", "\u{0}", "EN"]
        for round in 0..<3_000 {
            let count = Int.random(in: 1...12, using: &generator)
            let text = (0..<count).map { _ in words.randomElement(using: &generator) ?? "" }
                .joined()
            let whole = decode(text)
            let parts = decode(text, cut: .random(seed: UInt64(round)))
            #expect(whole.replies == parts.replies && whole.violation == parts.violation, "\(text)")
        }
    }
}
