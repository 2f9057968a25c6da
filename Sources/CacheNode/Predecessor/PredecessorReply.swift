import MemcacheProtocol

/// What a predecessor's server has answered.
enum PredecessorReply: Equatable {
    struct Item: Equatable {
        enum Time: Equatable {
            /// Servers without meta commands do not tell.
            case unknown
            case never
            case seconds(UInt32)
        }

        var value: [UInt8] = []
        var clientFlags: UInt32 = 0
        var time = Time.unknown
        var casUnique: UInt64 = 0
        /// It has been read there.
        var wasFetched = false
        /// Marked as out of date there.
        var isStale = false
    }

    case item(Item)
    /// An item whose value is longer than any that may be stored here.
    case tooLong
    /// `EN`, `NF`, `END`, `NOT_FOUND`
    case missing
    /// `HD`, `OK`, `DELETED`
    case done
    /// `MN`
    case noop
    /// `ERROR`: it does not know the command.
    case unknownCommand
    /// `CLIENT_ERROR ...`, `SERVER_ERROR ...`
    case refusal(String)
}

/// Reads a predecessor's replies, however they are cut. It trusts nothing: what it cannot understand ends the conversation.
///
/// It holds one value at most: what is longer than `valueByteCountMax` is not kept.
struct PredecessorReplyReader {
    struct NotUnderstood: Error, Equatable {
        let text: String
    }

    private enum Expectation {
        case line
        /// A data block and its end; after a classic value comes `END`.
        case block(PredecessorReply.Item, byteCount: Int, isClassic: Bool)
        /// The same of a value that is not kept: so many bytes are still to come.
        case rest(byteCount: Int, isClassic: Bool)
        case end(PredecessorReply)
    }

    private let valueByteCountMax: Int
    private var bytes: [UInt8] = []
    private var start = 0
    private var expectation = Expectation.line

    init(valueByteCountMax: Int) { self.valueByteCountMax = valueByteCountMax }

    mutating func append(_ new: UnsafeRawBufferPointer) {
        if start == bytes.count {
            bytes.removeAll(keepingCapacity: bytes.capacity <= 1 << 18)
            start = 0
        } else if start > 1 << 16 {
            bytes.removeFirst(start)
            start = 0
        }
        bytes.append(contentsOf: new)
    }

    /// The next whole reply; nothing while more has to come.
    mutating func next() throws(NotUnderstood) -> PredecessorReply? {
        while true {
            switch expectation {
            case .line:
                guard let line = try takeLine() else { return nil }
                if let reply = try read(line) { return reply }
            case .block(var item, let byteCount, let isClassic):
                guard bytes.count - start >= byteCount + 2 else { return nil }
                item.value = Array(bytes[start..<(start + byteCount)])
                start += byteCount
                try takeBlockEnd()
                expectation = .line
                guard isClassic else { return .item(item) }
                expectation = .end(.item(item))
            case .rest(let byteCount, let isClassic):
                let count = min(byteCount, bytes.count - start)
                start += count
                expectation = .rest(byteCount: byteCount - count, isClassic: isClassic)
                guard count == byteCount else { return nil }
                expectation = isClassic ? .end(.tooLong) : .line
                if !isClassic { return .tooLong }
            case .end(let reply):
                guard let line = try takeLine() else { return nil }
                guard ReplyLine(line.span) == .end else { throw notUnderstood(line) }
                expectation = .line
                return reply
            }
        }
    }

    private mutating func takeLine() throws(NotUnderstood) -> [UInt8]? {
        guard let end = try lineEnd() else { return nil }
        defer { start += end.next }
        return Array(bytes[start..<(start + end.lineByteCount)])
    }

    private func lineEnd() throws(NotUnderstood) -> ReplyLineEnd? {
        do {
            return try ReplyLineEnd(of: bytes.span.extracting(start...))
        } catch {
            throw NotUnderstood(text: "an endless line")
        }
    }

    private mutating func takeBlockEnd() throws(NotUnderstood) {
        guard bytes[start] == UInt8(ascii: "\r"), bytes[start + 1] == UInt8(ascii: "\n") else {
            throw NotUnderstood(text: "a value without its end")
        }
        start += 2
    }

    /// Nothing if a value follows.
    private mutating func read(_ line: [UInt8]) throws(NotUnderstood) -> PredecessorReply? {
        switch ReplyLine(line.span) {
        case .metaValue(let byteCount, let flagsStart):
            expect(Self.item(line.span, flagsStart: flagsStart), byteCount, isClassic: false)
            return nil
        case .value(_, let clientFlags, let byteCount):
            var item = PredecessorReply.Item()
            item.clientFlags = clientFlags
            if let word = Self.lastWord(of: line.span), let unique = line.span.unsigned(at: word) {
                item.casUnique = unique
            }
            expect(item, byteCount, isClassic: true)
            return nil
        case .metaMiss, .metaNotFound, .end, .notFound: return .missing
        case .metaDone, .ok, .deleted: return .done
        case .metaNoop: return .noop
        case .error: return .unknownCommand
        case .clientError, .serverError: return .refusal(Self.text(line))
        default: throw notUnderstood(line)
        }
    }

    private mutating func expect(
        _ item: PredecessorReply.Item, _ byteCount: Int, isClassic: Bool
    ) {
        expectation =
            byteCount <= valueByteCountMax
            ? .block(item, byteCount: byteCount, isClassic: isClassic)
            : .rest(byteCount: byteCount + 2, isClassic: isClassic)
    }

    private static func item(_ line: Span<UInt8>, flagsStart: Int) -> PredecessorReply.Item {
        var item = PredecessorReply.Item()
        var position = flagsStart
        while let word = nextWord(in: line, from: position) {
            position = word.end
            let token = ByteRange(start: word.start + 1, count: word.count - 1)
            switch line[word.start] {
            case UInt8(ascii: "f"): item.clientFlags = line.unsigned32(at: token) ?? 0
            case UInt8(ascii: "c"): item.casUnique = line.unsigned(at: token) ?? 0
            case UInt8(ascii: "h"): item.wasFetched = line.unsigned(at: token) == 1
            case UInt8(ascii: "X"): item.isStale = true
            case UInt8(ascii: "t"):
                if let seconds = line.unsigned32(at: token) {
                    item.time = .seconds(seconds)
                } else if line.holds("-1", at: token) {
                    item.time = .never
                }
            default: break
            }
        }
        return item
    }

    private static func lastWord(of line: Span<UInt8>) -> ByteRange? {
        var (last, count): (ByteRange?, Int) = (nil, 0)
        while let word = nextWord(in: line, from: last?.end ?? 0) {
            (last, count) = (word, count + 1)
        }
        return count == 5 ? last : nil
    }

    private func notUnderstood(_ line: [UInt8]) -> NotUnderstood {
        NotUnderstood(text: "'\(Self.text(line))'")
    }

    /// Of what may be anything.
    private static func text(_ line: [UInt8]) -> String {
        String(
            decoding: line.prefix(80).map { $0 < 32 || $0 > 126 ? UInt8(ascii: "?") : $0 },
            as: UTF8.self)
    }
}
