/// Where a command line ends, in bytes that arrive in parts.
///
/// Public for the reason that `ReplyWriter` is.
public enum LineFraming: Equatable, Sendable {
    /// A line of `count` bytes; the next input starts at `next`.
    case line(count: Int, next: Int)
    /// A whole line that is too short to be a command; the next input starts at `next`.
    case tooShort(next: Int)
    /// No end yet: more input is needed.
    case incomplete
    /// The input is full without an end, and starts a `get`, `gets`, `gat` or `gats`, whose keys can be
    /// taken in parts.
    case partOfRetrieval
    /// So long without an end that the peer does not speak the protocol.
    case endless

    /// - Parameters:
    ///   - input: all that has arrived and was not used yet.
    ///   - newline: the place of the first LF in it.
    ///   - isFull: whether no more input can arrive before some is used.
    @inlinable @inline(__always)
    public static func of(_ input: Span<UInt8>, newline: Int?, isFull: Bool) -> LineFraming {
        if let newline {
            let next = newline + 1
            guard next >= ProtocolLimits.lineByteCountMin else { return .tooShort(next: next) }
            let hasReturn = input[newline - 1] == UInt8(ascii: "\r")
            return .line(count: hasReturn ? newline - 1 : newline, next: next)
        }
        return ofPart(input, isFull: isFull)
    }

    @usableFromInline
    static func ofPart(_ input: Span<UInt8>, isFull: Bool) -> LineFraming {
        if input.count > ProtocolLimits.unfinishedLineByteCountMax {
            guard startsRetrieval(input) else { return .endless }
            return isFull ? .partOfRetrieval : .incomplete
        }
        return .incomplete
    }

    /// memcached forgives up to 100 spaces in front of the word here (though not when it comes to
    /// carry the command out). It knows `get` and `gets` only.
    private static func startsRetrieval(_ input: Span<UInt8>) -> Bool {
        var start = 0
        while start < min(100, input.count), input[start] == UInt8(ascii: " ") { start += 1 }
        return input.starts(with: "get ", at: start) || input.starts(with: "gets ", at: start)
            || input.starts(with: "gat ", at: start) || input.starts(with: "gats ", at: start)
    }
}
