/// A meta command's line as a client writes it, all but its key; `MetaRequest` is what a node reads of it.
///
/// Flags with a token come first: a `t` tells the time that a `T` has set.
package struct MetaLine: Sendable {
    /// Of a whole line: verb, key, and every flag with its longest number.
    package static let byteCountMax = 512

    package var verb: MetaVerb
    /// Of the data block that follows the line of an `ms`.
    package var valueByteCount: Int?
    /// `D`
    package var delta: UInt64?
    /// `M`
    package var mode: Mode?
    /// `F`
    package var clientFlags: UInt32?
    /// `T`
    package var exptime: Int32?
    /// `N`
    package var vivifyExptime: Int32?
    /// `J`
    package var initial: UInt64?
    /// `C`
    package var comparison: UInt64?
    /// `E`
    package var casUnique: UInt64?
    /// Of those without a token: `k`, `v`, `f`, `c`, `t` and `q`.
    package var flags: MetaFlags = []
    /// `O`, in sixteen hexadecimal digits: `Span.hexadecimal(at:)` reads them in the reply.
    package var opaque: UInt64?

    package enum Mode: Sendable {
        case add, replace, decrement
    }

    package init(_ verb: MetaVerb) { self.verb = verb }

    /// - Parameter key: writes the key.
    package func encode(to writer: inout ReplyWriter, key: (inout ReplyWriter) -> Void) {
        switch verb {
        case .get: writer.write("mg ")
        case .set: writer.write("ms ")
        case .delete: writer.write("md ")
        case .arithmetic: writer.write("ma ")
        case .debug: writer.write("me ")
        }
        key(&writer)
        if let valueByteCount { writer.write(" ", UInt64(valueByteCount)) }
        writeTokens(to: &writer)
        if flags.has(.showsKey) { writer.write(" k") }
        if flags.has(.value) { writer.write(" v") }
        if flags.has(.showsClientFlags) { writer.write(" f") }
        if flags.has(.showsUnique) { writer.write(" c") }
        if flags.has(.showsTime) { writer.write(" t") }
        if flags.has(.quiet) { writer.write(" q") }
        if let opaque { writer.write(" O", hexadecimal: opaque) }
        writer.write("\r\n")
    }

    private func writeTokens(to writer: inout ReplyWriter) {
        if let delta { writer.write(" D", delta) }
        switch mode {
        case .add: writer.write(" ME")
        case .replace: writer.write(" MR")
        case .decrement: writer.write(" MD")
        case nil: break
        }
        if let clientFlags { writer.write(" F", UInt64(clientFlags)) }
        if let exptime { writer.write(" T", signed: exptime) }
        if let vivifyExptime { writer.write(" N", signed: vivifyExptime) }
        if let initial { writer.write(" J", initial) }
        if let comparison { writer.write(" C", comparison) }
        if let casUnique { writer.write(" E", casUnique) }
    }
}

extension ReplyWriter {
    mutating func write(_ text: StaticString, signed number: Int32) {
        write(text)
        if number < 0 { write("-") }
        write(decimal: UInt64(number.magnitude))
    }

    fileprivate mutating func write(_ text: StaticString, hexadecimal number: UInt64) {
        write(text)
        let digits = skip(16)
        for place in 0..<16 {
            let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * place) & 0xF)
            digits[place] =
                digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
        }
    }
}

extension Span where Element == UInt8 {
    /// Exactly sixteen hexadecimal digits, as `MetaLine` writes them.
    package func hexadecimal(at range: ByteRange) -> UInt64? {
        guard range.count == 16 else { return nil }
        var number: UInt64 = 0
        for index in range.range {
            let digit: UInt8
            switch self[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = self[index] - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = self[index] - UInt8(ascii: "a") + 10
            default: return nil
            }
            number = number << 4 | UInt64(digit)
        }
        return number
    }
}
