import TestSupport
import Testing

@testable import MemcacheProtocol

/// What `encode` writes into room that is larger.
private func encoded(_ encode: (inout ReplyWriter) -> Void) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xEE, count: 200)
    let count = bytes.withUnsafeMutableBytes { room in
        var writer = ReplyWriter(room)
        encode(&writer)
        return writer.count
    }
    return Array(bytes.prefix(count))
}

@Suite(.timeLimit(.minutes(10)))
struct BinaryReplyTests {
    @Test("Every field of a reply's header is in its place")
    func header() {
        let reply = BinaryReply(
            opcode: 0x0d, opaque: 0x0102_0304, status: .outOfMemory,
            casUnique: 0x0506_0708_090a_0b0c, extrasByteCount: 4, keyByteCount: 0xFA,
            valueByteCount: 0x0010_0000)
        #expect(
            encoded { reply.encode(to: &$0) } == [
                0x81, 0x0d, 0x00, 0xFA, 0x04, 0x00, 0x00, 0x82,
                0x00, 0x10, 0x00, 0xFE, 0x01, 0x02, 0x03, 0x04,
                0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
            ])
    }

    @Test("Each status has its number and its text")
    func texts() {
        let wanted: [(BinaryStatus, UInt16, String)] = [
            (.success, 0, ""), (.notFound, 1, "Not found"), (.exists, 2, "Data exists for key."),
            (.tooLarge, 3, "Too large."), (.invalidArguments, 4, "Invalid arguments"),
            (.notStored, 5, "Not stored."),
            (.notANumber, 6, "Non-numeric server-side value for incr or decr"),
            (.notAllowed, 0x20, "Auth failure."), (.unknownCommand, 0x81, "Unknown command"),
            (.outOfMemory, 0x82, "Out of memory"),
        ]
        for (status, number, text) in wanted {
            let reply = BinaryReply(opcode: 1, opaque: 5, status: status)
            let bytes = encoded { reply.encodeError(to: &$0) }
            #expect(
                BinaryReplyPacket.all(in: bytes) == [
                    BinaryReplyPacket(
                        opcode: 1, status: number, value: Array(text.utf8), opaque: 5)
                ])
            #expect(bytes.count <= BinaryReply.errorByteCountMax)
        }
    }

    @Test("The length of a prefix's line is that of what is written")
    func prefixLines() {
        for prefix in ["", "p", "a b\r\n", String(repeating: "#", count: 250)] {
            let line = PrefixLine(gets: 10, hits: 0, sets: 123_456, deletes: 1)
            let bytes = Array(prefix.utf8)
            bytes.withUnsafeBytes { prefix in
                var room = [UInt8](repeating: 0, count: 2_000)
                let count = room.withUnsafeMutableBytes { room in
                    var writer = ReplyWriter(room)
                    line.encode(prefix: prefix, to: &writer)
                    return writer.count
                }
                #expect(line.byteCount(prefix: prefix) == count)
            }
        }
    }
}
