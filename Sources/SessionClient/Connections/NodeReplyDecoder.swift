import NIOCore

/// Hands what a channel reads to a `NodeReplyReader`.
struct NodeReplyDecoder: NIOSingleStepByteToMessageDecoder {
    typealias InboundOut = NodeReply

    private var reader: NodeReplyReader

    init(valueByteCountMax: Int) {
        reader = NodeReplyReader(valueByteCountMax: valueByteCountMax)
    }

    mutating func decode(buffer: inout ByteBuffer) throws -> NodeReply? {
        let (reply, byteCount) = try reader.next(in: buffer.readableBytesUInt8Span)
        buffer.moveReaderIndex(forwardBy: byteCount)
        return reply
    }

    mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> NodeReply? {
        if let reply = try decode(buffer: &buffer) { return reply }
        guard buffer.readableBytes == 0, reader.isBetweenReplies else {
            throw NodeReplyReader.Violation.endInside
        }
        return nil
    }
}
