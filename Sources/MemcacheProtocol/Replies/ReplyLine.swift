/// One line of a server's reply, as a client reads it; the classic protocol's and the meta commands'.
///
/// Goals: no allocation, and every line a server may send told apart. Not goals: which of them may
/// answer which command, and the data block after `value` and `metaValue`, which is counted.
package enum ReplyLine: Equatable, Sendable {
    /// `VALUE <key> <client flags> <bytes> [<CAS unique>]`; a data block follows.
    case value(key: ByteRange, clientFlags: UInt32, byteCount: Int)
    /// `VA <bytes> <flag>...`; a data block follows.
    case metaValue(byteCount: Int, flagsStart: Int)
    case stored, notStored, exists, notFound, deleted, touched, end, ok
    /// `HD`, `EN`, `NS`, `EX`, `NF`, `MN`
    case metaDone, metaMiss, metaNotStored, metaExists, metaNotFound, metaNoop
    /// `ME ...`
    case metaDebug
    /// `ERROR`: the server does not know the command.
    case error
    /// `CLIENT_ERROR ...` and `SERVER_ERROR ...`
    case clientError, serverError
    /// Nothing that the protocol has.
    case unknown

    /// - Parameter line: without its end.
    package init(_ line: Span<UInt8>) {
        guard let word = nextWord(in: line, from: 0), word.start == 0 else {
            self = .unknown
            return
        }
        self =
            switch word.count {
            case 2: Self.meta(line)
            case 3: line.holds("END", at: word) ? .end : .unknown
            case 5 where line.holds("VALUE", at: word): Self.value(line)
            case 5: line.holds("ERROR", at: word) ? .error : .unknown
            case 6 where line.holds("STORED", at: word): .stored
            case 6: line.holds("EXISTS", at: word) ? .exists : .unknown
            case 7:
                line.holds("DELETED", at: word)
                    ? .deleted : line.holds("TOUCHED", at: word) ? .touched : .unknown
            case 9: line.holds("NOT_FOUND", at: word) ? .notFound : .unknown
            case 10: line.holds("NOT_STORED", at: word) ? .notStored : .unknown
            case 12 where line.holds("CLIENT_ERROR", at: word): .clientError
            case 12 where line.holds("SERVER_ERROR", at: word): .serverError
            // memcached has texts that begin so.
            case 13 where line.holds("SERVER_ERROR:", at: word): .serverError
            default: .unknown
            }
    }

    private static func value(_ line: Span<UInt8>) -> ReplyLine {
        guard let key = nextWord(in: line, from: 5),
            let flagsWord = nextWord(in: line, from: key.end),
            let lengthWord = nextWord(in: line, from: flagsWord.end),
            let clientFlags = line.unsigned32(at: flagsWord),
            let byteCount = byteCount(line, lengthWord)
        else { return .unknown }
        return .value(key: key, clientFlags: clientFlags, byteCount: byteCount)
    }

    private static func meta(_ line: Span<UInt8>) -> ReplyLine {
        switch (line[0], line[1]) {
        case (UInt8(ascii: "V"), UInt8(ascii: "A")):
            guard let word = nextWord(in: line, from: 2), let count = byteCount(line, word) else {
                return .unknown
            }
            return .metaValue(byteCount: count, flagsStart: word.end)
        case (UInt8(ascii: "H"), UInt8(ascii: "D")): return .metaDone
        case (UInt8(ascii: "E"), UInt8(ascii: "N")): return .metaMiss
        case (UInt8(ascii: "N"), UInt8(ascii: "S")): return .metaNotStored
        case (UInt8(ascii: "E"), UInt8(ascii: "X")): return .metaExists
        case (UInt8(ascii: "N"), UInt8(ascii: "F")): return .metaNotFound
        case (UInt8(ascii: "M"), UInt8(ascii: "N")): return .metaNoop
        case (UInt8(ascii: "M"), UInt8(ascii: "E")): return .metaDebug
        case (UInt8(ascii: "O"), UInt8(ascii: "K")): return .ok
        default: return .unknown
        }
    }

    /// Where the flags of a line begin whose first word is a code without a number.
    package static let flagsStart = 2

    /// Whether the server tells what is wrong instead of an outcome.
    package var isError: Bool { self == .error || self == .clientError || self == .serverError }

    private static func byteCount(_ line: Span<UInt8>, _ word: ByteRange) -> Int? {
        guard let count = line.unsigned32(at: word), count <= ProtocolLimits.valueByteCountMax
        else { return nil }
        return Int(count)
    }

    /// The token of one flag of a `VA` or `HD` line.
    package static func token(
        of letter: UInt8, in line: Span<UInt8>, from flagsStart: Int
    ) -> ByteRange? {
        var position = flagsStart
        while let word = nextWord(in: line, from: position) {
            if line[word.start] == letter {
                return ByteRange(start: word.start + 1, count: word.count - 1)
            }
            position = word.end
        }
        return nil
    }
}
