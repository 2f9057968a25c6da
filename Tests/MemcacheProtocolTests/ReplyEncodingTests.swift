import TestSupport
import Testing

@testable import MemcacheProtocol

/// What is written into room of so many bytes.
func written(_ room: Int = 2_048, _ encode: (inout ReplyWriter) -> Void) -> String {
    withUnsafeTemporaryAllocation(byteCount: room, alignment: 1) { memory in
        var writer = ReplyWriter(memory)
        encode(&writer)
        return String(decoding: memory[..<writer.count], as: UTF8.self)
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ReplyEncodingTests {
    @Test("The longest VALUE line has room, and no byte too much")
    func longestValueLine() {
        let line = ValueLine(
            clientFlags: .max, valueByteCount: ProtocolLimits.valueByteCountMax, casUnique: .max)
        let key = Array(times(ProtocolLimits.keyByteCountMax).utf8)
        let text = written(ValueLine.byteCountMax + key.count) { writer in
            line.encode(key: key.span, to: &writer)
        }
        #expect(
            text == "VALUE \(times(250)) 4294967295 2147483645 18446744073709551615\r\n")
        #expect(text.utf8.count == ValueLine.byteCountMax + key.count)
    }

    @Test("A client reads a VALUE line as it was written")
    func valueLineBack() {
        let line = ValueLine(clientFlags: 7, valueByteCount: 10, casUnique: nil)
        let key = Array("key".utf8)
        let text = written { line.encode(key: key.span, to: &$0) }
        #expect(text == "VALUE key 7 10\r\n")
        let bytes = Array(text.utf8.dropLast(2))
        let read = ReplyLine(bytes.span)
        #expect(read == .value(key: ByteRange(start: 6, count: 3), clientFlags: 7, byteCount: 10))
    }

    private func meta(_ line: String, _ reply: MetaReply, key: String = "key") throws -> String {
        let request = try metaRequest(line)
        let bytes = Array(line.utf8)
        let keyBytes = Array(key.utf8)
        return written(MetaReply.byteCountMax) {
            reply.encode(request, line: bytes.span, key: keyBytes.span, to: &$0)
        }
    }

    @Test("Of the flags those come back that the reply has, in the order of the request")
    func metaOrder() throws {
        var reply = MetaReply(.value, shown: MetaReply.ofRetrieval)
        reply.valueByteCount = 3
        reply.casUnique = 9
        reply.clientFlags = 5
        #expect(
            try meta("mg key s v Oab k c q f", reply) == "VA 3 s3 Oab kkey c9 f5\r\n")
        #expect(try meta("mg key c s", MetaReply(.miss)) == "EN\r\n")
        #expect(try meta("mg key k Ox", MetaReply(.miss)) == "EN kkey Ox\r\n")
        reply.shown = MetaReply.ofStorage
        reply.code = .exists
        #expect(try meta("ms key 3 f c s t", reply) == "EX c9 s3\r\n")
    }

    @Test("A time is that of its place among T and N")
    func metaTimes() throws {
        var reply = MetaReply(.done, shown: MetaReply.ofRetrieval)
        reply.secondsLeft = 10
        reply.secondsLeftTouched = 20
        reply.secondsLeftVivified = 30
        #expect(try meta("mg key t T20", reply) == "HD t10\r\n")
        #expect(try meta("mg key T20 t", reply) == "HD t20\r\n")
        #expect(try meta("mg key N30 t", reply) == "HD t10\r\n")
        reply.isNew = true
        #expect(try meta("mg key T20 N30 t", reply) == "HD t30\r\n")
        #expect(try meta("mg key N30 T20 t", reply) == "HD t20\r\n")
        reply.isNew = false
        reply.secondsLeft = nil
        #expect(try meta("mg key t", reply) == "HD t-1\r\n")
    }

    @Test("A request tells whether T stands before R, and N after T")
    func order() throws {
        #expect(try metaRequest("mg k T1 R2").touchesBeforeRecache)
        #expect(try !metaRequest("mg k R2 T1").touchesBeforeRecache)
        #expect(try metaRequest("mg k T1 N2").vivifiesAfterTouch)
        #expect(try !metaRequest("mg k N2 T1").vivifiesAfterTouch)
        #expect(try !metaRequest("mg k N2").vivifiesAfterTouch)
    }

    @Test("A key comes back as it was sent, or as the item's client sent it")
    func metaKeys() throws {
        var reply = MetaReply(.done, shown: MetaReply.ofRetrieval)
        #expect(try meta("mg a2V5 k b", reply) == "HD ka2V5 b\r\n")
        reply.keyForm = .asStored(isEncoded: false)
        #expect(try meta("mg a2V5 k b", reply) == "HD kkey\r\n")
        reply.keyForm = .asStored(isEncoded: true)
        #expect(try meta("mg key k", reply) == "HD ka2V5 b\r\n")
    }

    @Test("What the node adds stands at the end")
    func metaMarks() throws {
        var reply = MetaReply(.done, shown: MetaReply.ofRetrieval)
        (reply.isClaimed, reply.isStale, reply.claims) = (true, true, true)
        #expect(try meta("mg key h", reply) == "HD h0 Z X W\r\n")
    }

    @Test("Lines of dumps: a key that would break a line cannot")
    func itemLines() {
        var line = ItemLine(wallSeconds: 1_000)
        line.valueByteCount = 3
        line.byteCount = 64
        line.casUnique = 8
        line.secondsSinceAccess = 1
        let key = Array("a b\n".utf8)
        let room = ItemLine.room(keyByteCount: key.count)
        func text(_ encode: (UnsafeRawBufferPointer, inout ReplyWriter) -> Void) -> String {
            written(room) { writer in key.withUnsafeBytes { encode($0, &writer) } }
        }
        #expect(
            text { line.encodeMetadata(key: $0, to: &$1) }
                == "key=a%20b%0A exp=-1 la=999 cas=8 fetch=no cls=1 size=64 flags=0 \n")
        #expect(text { line.encodeKeyLine(key: $0, to: &$1) } == "ITEM a%20b%0A [3 b; 0 s]\r\n")
        line.secondsLeft = 5
        line.hasEncodedKey = true
        line.wasFetched = true
        #expect(
            text { line.encodeMetadata(key: $0, to: &$1) }
                == "key=a%20b%0A exp=1005 la=999 cas=8 fetch=yes cls=1 size=64 flags=0 \n")
        #expect(text { line.encodeKeyLine(key: $0, to: &$1) } == "ITEM a%20b%0A [3 b; 1005 s]\r\n")
        #expect(text { line.encodeCommand(key: $0, to: &$1) } == "mg YSBiCg== b\r\n")
        #expect(
            text { line.encodeDebug(key: $0, to: &$1) }
                == "ME YSBiCg== exp=5 la=1 cas=8 fetch=yes cls=1 size=64\r\n")
        let prefix = PrefixLine(gets: 1, hits: 2, sets: 3, deletes: 4)
        #expect(
            text { prefix.encode(prefix: $0, to: &$1) }
                == "PREFIX a%20b%0A get 1 hit 2 set 3 del 4\r\n")
    }
}
