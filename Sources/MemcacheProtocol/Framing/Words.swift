#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A part of a line, by place and length: it refers to no memory.
///
/// Public for the reason that `ReplyWriter` is.
public struct ByteRange: Equatable, Sendable {
    public var start: Int
    public var count: Int

    @inlinable @inline(__always)
    public init(start: Int, count: Int) {
        self.start = start
        self.count = count
    }

    @inlinable @inline(__always)
    public var end: Int { start + count }
    @inlinable @inline(__always)
    public var range: Range<Int> { start..<(start + count) }
    @inlinable @inline(__always)
    public var isEmpty: Bool { count == 0 }
}

/// The words of a command line: the first few by number, the last one, and how many there are.
///
/// Runs of spaces count as one; a leading space makes the first word empty; any other byte, tabs
/// included, is part of a word.
package struct Words {
    /// No classic command has more words that matter, `noreply` apart.
    private static let keptCount = 7

    private var kept = InlineArray<7, ByteRange>(repeating: ByteRange(start: 0, count: 0))
    package private(set) var count = 0
    package private(set) var last = ByteRange(start: 0, count: 0)

    package init(_ line: Span<UInt8>) {
        var position = 0
        if let first = line.firstByte, first == UInt8(ascii: " ") {
            append(ByteRange(start: 0, count: 0))
        }
        while let word = nextWord(in: line, from: position) {
            append(word)
            position = word.end
        }
    }

    private mutating func append(_ word: ByteRange) {
        if count < Self.keptCount { kept[count] = word }
        last = word
        count += 1
    }

    /// The word of that number; nothing when the line has fewer, or it was not kept.
    @inline(__always)
    package subscript(number: Int) -> ByteRange? {
        number < min(count, Self.keptCount) ? kept[number] : nil
    }
}

/// The next word of a line from a position on, spaces skipped.
@inline(__always)
package func nextWord(in line: Span<UInt8>, from position: Int) -> ByteRange? {
    var start = position
    while start < line.count, line[start] == UInt8(ascii: " ") { start += 1 }
    guard start < line.count else { return nil }
    let rest = line.extracting(start...)
    return ByteRange(start: start, count: rest.firstSpace ?? rest.count)
}

/// The next word, if it is a decimal number of at most 11 bytes, and where it ends.
@inline(__always)
func nextNumber(
    in line: Span<UInt8>, from position: Int, isSigned: Bool = false
) -> (number: Int64, end: Int)? {
    var start = position
    while start < line.count, line[start] == UInt8(ascii: " ") { start += 1 }
    let isNegative = isSigned && start < line.count && line[start] == UInt8(ascii: "-")
    let firstDigit = isNegative ? start + 1 : start
    var end = firstDigit
    var number: Int64 = 0
    while end < line.count {
        let digit = line[end] &- UInt8(ascii: "0")
        guard digit < 10 else {
            guard line[end] == UInt8(ascii: " ") else { return nil }
            break
        }
        // Wraps only in a number that is too long.
        number = number &* 10 &+ Int64(digit)
        end += 1
    }
    guard end > firstDigit, end - start <= ProtocolLimits.shortNumberByteCountMax else {
        return nil
    }
    return (isNegative ? -number : number, end)
}

extension Span where Element == UInt8 {
    var firstByte: UInt8? { isEmpty ? nil : self[0] }

    /// The place of the first space. Keys are long: the C library's search takes a tenth of the
    /// instructions of a loop over bytes.
    @inline(__always)
    fileprivate var firstSpace: Int? {
        withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress,
                let found = memchr(base, Int32(UInt8(ascii: " ")), bytes.count)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }

    /// Whether the bytes of `range` are exactly `text`.
    @inline(__always)
    package func holds(_ text: StaticString, at range: ByteRange) -> Bool {
        guard text.utf8CodeUnitCount == range.count else { return false }
        return starts(with: text, at: range.start)
    }

    /// Whether `text` stands at `start`.
    @inline(__always)
    package func starts(with text: StaticString, at start: Int = 0) -> Bool {
        let length = text.utf8CodeUnitCount
        precondition(start >= 0)
        guard start + length <= count else { return false }
        return withUnsafeBytes { bytes in
            // The length is known when this is compiled: it becomes a comparison or two, and no call.
            guard let base = bytes.baseAddress else { return length == 0 }
            return memcmp(base + start, text.utf8Start, length) == 0
        }
    }

    /// Whether `text` is the first word.
    @inline(__always)
    func hasVerb(_ text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        return starts(with: text) && (count == length || self[length] == UInt8(ascii: " "))
    }

    /// An unsigned decimal number: digits only, at most 22 of them, at most `UInt64.max`.
    @inline(__always)
    package func unsigned(at range: ByteRange) -> UInt64? {
        guard range.count > 0, range.count <= ProtocolLimits.digitCountMax else { return nil }
        var number: UInt64 = 0
        for index in range.range {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            let (times10, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = times10.addingReportingOverflow(UInt64(digit))
            guard !overflow, !carry else { return nil }
            number = sum
        }
        return number
    }

    /// An unsigned decimal number of 32 bits.
    @inline(__always)
    package func unsigned32(at range: ByteRange) -> UInt32? {
        guard range.count <= ProtocolLimits.shortNumberByteCountMax else { return nil }
        return unsigned(at: range).flatMap { UInt32(exactly: $0) }
    }

    /// A signed decimal number of 32 bits.
    @inline(__always)
    package func signed32(at range: ByteRange) -> Int32? {
        guard range.count > 0, range.count <= ProtocolLimits.shortNumberByteCountMax else {
            return nil
        }
        if self[range.start] == UInt8(ascii: "-") {
            let digits = ByteRange(start: range.start + 1, count: range.count - 1)
            guard let magnitude = unsigned(at: digits), magnitude <= 1 << 31 else { return nil }
            return Int32(-Int64(magnitude))
        }
        return unsigned(at: range).flatMap { Int32(exactly: $0) }
    }
}
