/// Where a reply's line ends, in bytes that arrive in parts.
package struct ReplyLineEnd: Equatable, Sendable {
    /// What clients take: memcached's longest are an `ME` line, and a key of 250 bytes with its flags.
    package static let lineByteCountMax = 2_048

    /// Of the line without its end.
    package let lineByteCount: Int
    /// Where what follows begins.
    package let next: Int

    /// More than the line may have, and no end.
    package struct Endless: Error {
        package init() {}
    }

    /// Of the first line; nothing while its end is missing.
    package init?(
        of input: Span<UInt8>, byteCountMax: Int = ReplyLineEnd.lineByteCountMax
    ) throws(Endless) {
        let looked = input.extracting(first: byteCountMax + 2)
        var newline = 0
        while newline < looked.count, looked[newline] != UInt8(ascii: "\n") { newline += 1 }
        guard newline < looked.count else {
            guard looked.count < byteCountMax + 2 else { throw Endless() }
            return nil
        }
        let hasReturn = newline > 0 && input[newline - 1] == UInt8(ascii: "\r")
        next = newline + 1
        lineByteCount = hasReturn ? newline - 1 : newline
        guard lineByteCount <= byteCountMax else { throw Endless() }
    }

    /// Whether it is CR LF, as the protocol has it, and not LF alone.
    package var hasReturn: Bool { next == lineByteCount + 2 }
}
