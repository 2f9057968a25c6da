/// Where a storage command's data block lies in the input: its bytes are counted, never searched, for a
/// value may contain CR LF.
package struct DataBlock: Equatable, Sendable {
    /// CR LF behind the value.
    package static let endByteCount = 2

    package let start: Int
    /// Where the value ends, and CR LF must stand.
    package let valueEnd: Int
    /// Where the next command begins.
    package let next: Int

    /// - Parameter start: where the next line would begin, were there no block.
    package init(start: Int, valueByteCount: Int) {
        self.start = start
        valueEnd = start + valueByteCount
        next = valueEnd + Self.endByteCount
    }

    /// What a value takes on the wire.
    package static func byteCount(ofValue count: Int) -> Int { count + endByteCount }

    /// Whether CR LF stands where the value ends. All of the block must have arrived.
    package func isWellEnded(in input: Span<UInt8>) -> Bool {
        Self.isEnd(input, at: valueEnd)
    }

    /// Whether CR LF stands at `place`.
    package static func isEnd(_ input: Span<UInt8>, at place: Int = 0) -> Bool {
        input[place] == UInt8(ascii: "\r") && input[place + 1] == UInt8(ascii: "\n")
    }
}
