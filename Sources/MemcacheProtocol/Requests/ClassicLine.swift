/// A classic command's line as a client writes it, all but its keys; `CommandParser` is what a node reads of it.
package enum ClassicLine: Sendable {
    /// Of all of a line but its keys, with the space before each.
    package static let byteCountMax = 64

    /// Of any number of keys.
    case get
    case gat(exptime: Int32)
    case touch(exptime: Int32)
    /// The data block follows the line.
    case set(exptime: Int32, valueByteCount: Int)
    case delete

    /// - Parameter key: writes the key of that number.
    package func encode(
        to writer: inout ReplyWriter, keyCount: Int = 1, key: (Int, inout ReplyWriter) -> Void
    ) {
        switch self {
        case .get: writer.write("get")
        case .gat(let exptime): writer.write("gat ", signed: exptime)
        case .touch: writer.write("touch")
        case .set: writer.write("set")
        case .delete: writer.write("delete")
        }
        for number in 0..<keyCount {
            writer.write(" ")
            key(number, &writer)
        }
        switch self {
        case .get, .gat, .delete: break
        case .touch(let exptime): writer.write(" ", signed: exptime)
        case .set(let exptime, let valueByteCount):
            writer.write(" 0 ", signed: exptime)
            writer.write(" ", UInt64(valueByteCount))
        }
        writer.write("\r\n")
    }
}
