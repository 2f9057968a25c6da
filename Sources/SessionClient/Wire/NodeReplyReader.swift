import MemcacheProtocol

/// Reads replies to meta commands from bytes that arrive in parts.
///
/// Goals: any cut of the input gives the same replies; what is no reply is told at its first line; no
/// more is kept than a line of `ReplyLineEnd.lineByteCountMax` bytes or a value of `valueByteCountMax`.
/// Not goals: keeping what has arrived; knowing which request a reply belongs to.
struct NodeReplyReader {
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

    /// Whether the input may end here.
    var isBetweenReplies: Bool { pending == nil }

    /// Reads the first reply, as far as it has arrived.
    ///
    /// - Parameter input: what has arrived and was not used before.
    /// - Returns: the reply, or nil while a part of it is missing; and how much of the input is used.
    mutating func next(
        in input: Span<UInt8>
    ) throws(Violation) -> (reply: NodeReply?, byteCount: Int) {
        var byteCount = 0
        if pending == nil {
            guard let lineByteCount = try lineByteCount(input) else { return (nil, 0) }
            let (reply, valueByteCount) = try parse(input.extracting(first: lineByteCount))
            byteCount = lineByteCount + 2
            guard let valueByteCount else { return (reply, byteCount) }
            pending = (reply, valueByteCount)
        }
        guard let (reply, blockByteCount) = try value(input.extracting(droppingFirst: byteCount))
        else { return (nil, byteCount) }
        return (reply, byteCount + blockByteCount)
    }

    /// The length of the first line; nothing while its end is missing.
    private func lineByteCount(_ input: Span<UInt8>) throws(Violation) -> Int? {
        let end: ReplyLineEnd?
        do {
            end = try ReplyLineEnd(of: input)
        } catch {
            throw .lineTooLong
        }
        guard let end else { return nil }
        guard end.hasReturn else { throw .unknownReply }
        return end.lineByteCount
    }

    /// The pending reply with its value, and the length of the block; nothing while a part of it is
    /// missing.
    private mutating func value(
        _ input: Span<UInt8>
    ) throws(Violation) -> (reply: NodeReply, blockByteCount: Int)? {
        guard let (reply, valueByteCount) = pending, input.count >= valueByteCount + 2 else {
            return nil
        }
        pending = nil
        var complete = reply
        complete.value = input.extracting(first: valueByteCount)
            .withUnsafeBufferPointer { Array($0) }
        guard input[valueByteCount] == UInt8(ascii: "\r"),
            input[valueByteCount + 1] == UInt8(ascii: "\n")
        else { throw .valueUnterminated }
        return (complete, valueByteCount + 2)
    }

    private func parse(
        _ line: Span<UInt8>
    ) throws(Violation) -> (reply: NodeReply, valueByteCount: Int?) {
        let start = ReplyLine.flagsStart
        switch ReplyLine(line) {
        case .metaValue(let count, let start):
            guard count <= valueByteCountMax else { throw .valueTooLong }
            return (try flags(line, .done, from: start), count)
        case .metaDone: return (try flags(line, .done, from: start), nil)
        case .metaMiss: return (try flags(line, .miss, from: start), nil)
        case .metaNotFound: return (try flags(line, .notFound, from: start), nil)
        case .metaNotStored: return (try flags(line, .notStored, from: start), nil)
        case .metaExists: return (try flags(line, .exists, from: start), nil)
        case .metaNoop: return (NodeReply(.noop), nil)
        case .metaDebug: return (NodeReply(.description(line.text)), nil)
        case .error: return (NodeReply(.unknownCommand(line.text)), nil)
        case .clientError: return (NodeReply(.clientError(line.text)), nil)
        case .serverError: return (NodeReply(.serverError(line.text)), nil)
        case .stored: return (NodeReply(.stored), nil)
        case .value, .notStored, .exists, .notFound, .deleted, .touched, .end, .ok,
            .unknown:
            throw .unknownReply
        }
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
