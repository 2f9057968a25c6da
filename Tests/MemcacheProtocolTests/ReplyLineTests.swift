import MemcacheProtocol
import Testing

@Suite(.timeLimit(.minutes(10)))
struct ReplyLineTests {
    private func read(_ text: String) -> ReplyLine { ReplyLine(Array(text.utf8).span) }

    @Test("The first line of a value tells key, client flags and length")
    func values() {
        let key = ByteRange(start: 6, count: 3)
        #expect(read("VALUE abc 7 100") == .value(key: key, clientFlags: 7, byteCount: 100))
        #expect(read("VALUE abc 7 0 99") == .value(key: key, clientFlags: 7, byteCount: 0))
        for text in [
            "VALUE", "VALUE abc", "VALUE abc 7", "VALUE abc x 1", "VALUE abc 7 -1",
            "VALUE abc 7 2147483646", "VALUES abc 7 1", " VALUE abc 7 1",
        ] {
            #expect(read(text) == .unknown, "\(text)")
        }
    }

    @Test("The first line of a meta value tells the length, and flags are found by their letter")
    func metaValues() {
        #expect(read("VA 12 kabc s12") == .metaValue(byteCount: 12, flagsStart: 5))
        #expect(read("VA 2147483645") == .metaValue(byteCount: 2_147_483_645, flagsStart: 13))
        #expect(read("VA") == .unknown)
        #expect(read("VA x") == .unknown)
        let line = Array("VA 12 kabc s12".utf8)
        let token = ReplyLine.token(of: UInt8(ascii: "s"), in: line.span, from: 5)
        #expect(token == ByteRange(start: 12, count: 2))
        #expect(ReplyLine.token(of: UInt8(ascii: "t"), in: line.span, from: 5) == nil)
    }

    @Test("Every fixed reply of ours is read as what it is")
    func fixedReplies() {
        let replies: [(Reply, ReplyLine)] = [
            (.stored, .stored), (.notStored, .notStored), (.exists, .exists),
            (.notFound, .notFound), (.deleted, .deleted), (.touched, .touched), (.ok, .ok),
            (.end, .end),
        ]
        for (reply, line) in replies {
            #expect(read(String("\(reply.line)".dropLast())) == line)
        }
        let meta: [(String, ReplyLine)] = [
            ("HD", .metaDone), ("EN", .metaMiss), ("NS", .metaNotStored), ("EX", .metaExists),
            ("NF", .metaNotFound), ("MN", .metaNoop), ("HD t5", .metaDone),
            ("ME key exp=-1", .metaDebug),
        ]
        for (text, line) in meta { #expect(read(text) == line) }
    }

    @Test("Every error of ours is read as an error of its kind")
    func errors() {
        let errors: [(ErrorReply, ReplyLine)] = [
            (.error, .error), (.badFormat, .clientError), (.tooLarge, .serverError),
            (.outOfMemory, .serverError), (.shutdownNotEnabled, .serverError),
            (.tooManyConnections, .error),
        ]
        for (reply, line) in errors {
            #expect(read(String("\(reply.line)".dropLast())) == line, "\(reply)")
            #expect(line.isError)
        }
        #expect(!read("STORED").isError)
    }

    @Test("Anything else is unknown")
    func unknown() {
        for text in ["", " ", "STORE", "stored", "XX", "HTTP/1.1 400 Bad Request", "ENDING", "E"] {
            #expect(read(text) == .unknown, "\(text)")
        }
    }
}
