/// Where a storage command's data block lies in the input: its bytes are counted, never searched, for a
/// value may contain CR LF. In the binary protocol it is the value alone.
///
/// Public for the reason that `ReplyWriter` is.
public struct DataBlock: Equatable, Sendable {
    /// CR LF behind the value.
    @inlinable public static var endByteCount: Int { 2 }

    public let start: Int
    /// Where the value ends, and CR LF must stand.
    public let valueEnd: Int
    /// Where the next command begins.
    public let next: Int

    /// - Parameter start: where the next line would begin, were there no block.
    @inlinable @inline(__always)
    public init(start: Int, valueByteCount: Int) {
        self.start = start
        valueEnd = start + valueByteCount
        next = valueEnd + Self.endByteCount
    }

    /// A binary packet's value: nothing follows it.
    @inlinable @inline(__always)
    public init(start: Int, unendedValueByteCount count: Int) {
        self.start = start
        valueEnd = start + count
        next = valueEnd
    }

    /// What a value takes on the wire.
    @inlinable @inline(__always)
    public static func byteCount(ofValue count: Int) -> Int { count + endByteCount }

    /// Whether CR LF stands where the value ends. All of the block must have arrived.
    @inlinable @inline(__always)
    public func isWellEnded(in input: Span<UInt8>) -> Bool {
        Self.isEnd(input, at: valueEnd)
    }

    /// Whether CR LF stands at `place`.
    @inlinable @inline(__always)
    public static func isEnd(_ input: Span<UInt8>, at place: Int = 0) -> Bool {
        input[place] == UInt8(ascii: "\r") && input[place + 1] == UInt8(ascii: "\n")
    }
}
