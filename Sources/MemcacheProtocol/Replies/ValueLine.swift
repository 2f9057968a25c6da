/// `VALUE <key> <client flags> <bytes> [<CAS unique>]`, which a data block follows.
///
/// Public, as `ReplyWriter` is and for the same reason.
public struct ValueLine {
    /// All of the line but its key: `VALUE`, the numbers, the spaces and the line's end.
    @inlinable public static var byteCountMax: Int { 6 + 1 + 10 + 1 + 10 + 1 + 20 + 2 }

    @usableFromInline let clientFlags: UInt32
    @usableFromInline let valueByteCount: Int
    /// Shown to `gets` and `gats` only.
    @usableFromInline let casUnique: UInt64?

    @inlinable @inline(__always)
    public init(clientFlags: UInt32, valueByteCount: Int, casUnique: UInt64?) {
        self.clientFlags = clientFlags
        self.valueByteCount = valueByteCount
        self.casUnique = casUnique
    }

    @inlinable @inline(__always)
    public func encode(key: Span<UInt8>, to writer: inout ReplyWriter) {
        writer.write("VALUE ")
        let place = writer.skip(key.count)
        key.withUnsafeBytes { place.copyMemory(from: $0) }
        writer.write(" ")
        writer.write(decimal: UInt64(clientFlags))
        writer.write(" ")
        writer.write(decimal: UInt64(valueByteCount))
        if let casUnique {
            writer.write(" ")
            writer.write(decimal: casUnique)
        }
        writer.write("\r\n")
    }
}
