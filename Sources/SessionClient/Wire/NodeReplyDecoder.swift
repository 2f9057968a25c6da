import MemcacheProtocol
import NIOCore

/// Reads replies to meta commands from bytes that arrive in parts.
///
/// Goals: any cut of the input gives the same replies; what is no reply is told at its first line; no
/// more is kept than a line of `lineByteCountMax` bytes or a value of `valueByteCountMax`.
/// Not goals: knowing which request a reply belongs to.
struct NodeReplyDecoder: NIOSingleStepByteToMessageDecoder {
    typealias InboundOut = NodeReply

    /// A line's bytes without its end. memcached's longest are an `ME` line and a key of 250 bytes.
    static let lineByteCountMax = 2_048

    /// What a node sends although it is no reply.
    enum Violation: String, Error, Equatable {
        case lineTooLong = "an endless line"
        case unknownReply = "a line that is no reply"
        case valueTooLong = "a value larger than is taken"
        case valueUnterminated = "a value without its end"
        case endInside = "an end inside a reply"
    }

    private let valueByteCountMax: Int
    /// A `VA` line whose data block has not arrived as a whole.
    private var pending: (reply: NodeReply, valueByteCount: Int)?

    init(valueByteCountMax: Int) { self.valueByteCountMax = valueByteCountMax }

    mutating func decode(buffer: inout ByteBuffer) throws -> NodeReply? {
        if pending == nil {
            guard let lineByteCount = try lineByteCount(buffer) else { return nil }
            let (reply, valueByteCount) = try parse(buffer, lineByteCount)
            buffer.moveReaderIndex(forwardBy: lineByteCount + 2)
            guard let valueByteCount else { return reply }
            pending = (reply, valueByteCount)
        }
        return try takeValue(&buffer)
    }

    mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> NodeReply? {
        if let reply = try decode(buffer: &buffer) { return reply }
        guard buffer.readableBytes == 0, pending == nil else { throw Violation.endInside }
        return nil
    }

    /// The length of the first line; nothing while its end is missing.
    private func lineByteCount(_ buffer: ByteBuffer) throws(Violation) -> Int? {
        let input = buffer.readableBytesUInt8Span
        // One byte more than allowed may be the end's CR.
        let looked = input.extracting(first: Self.lineByteCountMax + 2)
        guard let newline = looked.firstIndex(of: UInt8(ascii: "\n")) else {
            if looked.count == Self.lineByteCountMax + 2 { throw .lineTooLong }
            return nil
        }
        guard newline > 0, input[newline - 1] == UInt8(ascii: "\r") else { throw .unknownReply }
        return newline - 1
    }

    private mutating func takeValue(_ buffer: inout ByteBuffer) throws(Violation) -> NodeReply? {
        guard let (reply, valueByteCount) = pending else { return nil }
        guard buffer.readableBytes >= valueByteCount + 2 else { return nil }
        pending = nil
        var complete = reply
        complete.value = buffer.readSlice(length: valueByteCount)
        guard buffer.readInteger(as: UInt16.self) == 0x0D0A else { throw .valueUnterminated }
        return complete
    }

    private func parse(
        _ buffer: ByteBuffer, _ lineByteCount: Int
    ) throws(Violation) -> (reply: NodeReply, valueByteCount: Int?) {
        let line = buffer.readableBytesUInt8Span.extracting(first: lineByteCount)
        guard line.count >= 2 else { throw .unknownReply }
        let code = ByteRange(start: 0, count: 2)
        let isCode = line.count == 2 || line[2] == UInt8(ascii: " ")
        guard isCode else { return (try error(line), nil) }
        if line.holds("HD", at: code) { return (try flags(line, .done, from: 2), nil) }
        if line.holds("VA", at: code) { return try value(line) }
        if line.holds("EN", at: code) { return (try flags(line, .miss, from: 2), nil) }
        if line.holds("NF", at: code) { return (try flags(line, .notFound, from: 2), nil) }
        if line.holds("NS", at: code) { return (try flags(line, .notStored, from: 2), nil) }
        if line.holds("EX", at: code) { return (try flags(line, .exists, from: 2), nil) }
        if line.holds("MN", at: code) { return (NodeReply(.noop), nil) }
        if line.holds("ME", at: code) { return (NodeReply(.description(text(line))), nil) }
        throw .unknownReply
    }

    private func value(_ line: Span<UInt8>) throws(Violation) -> (NodeReply, Int?) {
        guard let word = nextWord(in: line, from: 2), let announced = line.unsigned(at: word)
        else { throw .unknownReply }
        guard announced <= UInt64(valueByteCountMax) else { throw .valueTooLong }
        return (try flags(line, .done, from: word.end), Int(announced))
    }

    private func error(_ line: Span<UInt8>) throws(Violation) -> NodeReply {
        if line.starts(with: "SERVER_ERROR") { return NodeReply(.serverError(text(line))) }
        if line.starts(with: "CLIENT_ERROR") { return NodeReply(.clientError(text(line))) }
        if line.starts(with: "ERROR") { return NodeReply(.unknownCommand(text(line))) }
        throw .unknownReply
    }

    private func text(_ line: Span<UInt8>) -> String {
        line.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
    }

    /// The returned flags. Letters that nobody here knows are let be: later versions may send more.
    private func flags(
        _ line: Span<UInt8>, _ status: NodeReply.Status, from start: Int
    ) throws(Violation) -> NodeReply {
        var reply = NodeReply(status)
        var position = start
        while let word = nextWord(in: line, from: position) {
            position = word.end
            let token = ByteRange(start: word.start + 1, count: word.count - 1)
            switch line[word.start] {
            case UInt8(ascii: "O"): reply.opaque = line.hexadecimal(at: token)
            case UInt8(ascii: "c"): reply.casUnique = try required(line.unsigned(at: token))
            case UInt8(ascii: "f"): reply.clientFlags = try required(line.unsigned32(at: token))
            case UInt8(ascii: "t"):
                reply.timeLeft = Int64(try required(line.signed32(at: token)))
            default: break
            }
        }
        return reply
    }

    private func required<Number>(_ number: Number?) throws(Violation) -> Number {
        guard let number else { throw .unknownReply }
        return number
    }
}

extension Span where Element == UInt8 {
    fileprivate func firstIndex(of byte: UInt8) -> Int? {
        for index in 0..<count where self[index] == byte { return index }
        return nil
    }

    /// Exactly sixteen hexadecimal digits, as `RequestLine` writes them.
    fileprivate func hexadecimal(at range: ByteRange) -> UInt64? {
        guard range.count == 16 else { return nil }
        var number: UInt64 = 0
        for index in range.range {
            let digit: UInt8
            switch self[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = self[index] - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = self[index] - UInt8(ascii: "a") + 10
            default: return nil
            }
            number = number << 4 | UInt64(digit)
        }
        return number
    }
}
