import TestSupport
import Testing

@testable import CacheNode

/// What a predecessor's servers answer, however it is cut, and what only a broken one would.
@Suite(.timeLimit(.minutes(10)))
struct PredecessorReplyTests {
    private func read(
        _ text: String, cuts: Cuts = .whole, valueByteCountMax: Int = 100
    ) throws -> [PredecessorReply] {
        var reader = PredecessorReplyReader(valueByteCountMax: valueByteCountMax)
        var replies: [PredecessorReply] = []
        let bytes = Array(text.utf8)
        var start = 0
        for length in cuts.lengths(of: bytes.count) {
            bytes[start..<(start + length)].withUnsafeBytes { reader.append($0) }
            start += length
            while let reply = try reader.next() { replies.append(reply) }
        }
        return replies
    }

    private static let conversation = """
        MN\r\nVA 3 f7 t-1 c12 h1\r\nabc\r\nEN\r\nHD\r\nNF\r\nVALUE k 5 2 99\r\n\r\n\r\nEND\r\nEND\r\n\
        DELETED\r\nNOT_FOUND\r\nOK\r\nERROR\r\nCLIENT_ERROR no\r\nVA 5 t30 f0 X W\r\nEN\r\nx\r\n\
        VA 0 t0 f4294967295 h0\r\n\r\n
        """

    private var expected: [PredecessorReply] {
        func item(
            _ value: String, _ clientFlags: UInt32, _ time: PredecessorReply.Item.Time,
            _ unique: UInt64 = 0, fetched: Bool = false, stale: Bool = false
        ) -> PredecessorReply {
            .item(
                .init(
                    value: Array(value.utf8), clientFlags: clientFlags, time: time,
                    casUnique: unique, wasFetched: fetched, isStale: stale))
        }
        return [
            .noop, item("abc", 7, .never, 12, fetched: true), .missing, .done, .missing,
            item("\r\n", 5, .unknown, 99), .missing, .done, .missing, .done, .unknownCommand,
            .refusal("CLIENT_ERROR no"), item("EN\r\nx", 0, .seconds(30), stale: true),
            item("", 4_294_967_295, .seconds(0)),
        ]
    }

    @Test("Replies are the same, cut at every place")
    func cuts() throws {
        let count = Self.conversation.utf8.count
        #expect(try read(Self.conversation) == expected)
        #expect(try read(Self.conversation, cuts: .pieces(byteCount: 1)) == expected)
        for place in 1..<count {
            #expect(try read(Self.conversation, cuts: .once(at: place)) == expected)
        }
    }

    @Test("A value that is too long is not kept, and what follows is read")
    func tooLong() throws {
        let text =
            "VA 101 t5\r\n\(String(repeating: "x", count: 101))\r\nVA 100\r\n\(String(repeating: "y", count: 100))\r\n"
        for cuts in [Cuts.whole, .pieces(byteCount: 1), .pieces(byteCount: 7)] {
            let replies = try read(text, cuts: cuts)
            #expect(replies.count == 2)
            #expect(replies.first == .tooLong)
        }
        let classic = "VALUE k 0 101 1\r\n\(String(repeating: "x", count: 101))\r\nEND\r\nEND\r\n"
        #expect(try read(classic) == [.tooLong, .missing])
    }

    @Test(
        "What no server says ends the conversation",
        arguments: [
            "VA\r\n", "VA -1\r\n", "VA x f1\r\n", "VA 2 f1\r\nabcd", "VALUE k 0\r\n", "STORED\r\n",
            "VALUE k 0 1\r\na\r\nVALUE", "HTTP/1.1 400 Bad Request\r\n", "\r\n",
            "VA 99999999999\r\n",
            "VALUE k 0 1\r\na\r\nOK\r\n",
        ])
    func notUnderstood(text: String) {
        let padded = text + (text.hasSuffix("VALUE") ? " x 0 1\r\n" : "")
        #expect(throws: PredecessorReplyReader.NotUnderstood.self) { try read(padded) }
        #expect(throws: PredecessorReplyReader.NotUnderstood.self) {
            try read(padded, cuts: .pieces(byteCount: 1))
        }
    }

    @Test("A line without an end is not waited for")
    func endless() {
        #expect(throws: PredecessorReplyReader.NotUnderstood.self) {
            try read(String(repeating: "V", count: 3_000))
        }
    }
}
