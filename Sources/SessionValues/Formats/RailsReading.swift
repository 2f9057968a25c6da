/// What Rails and Rack put into a cache: a session as Marshal or JSON, alone, or inside of ActiveSupport's entry.
///
///     Rails 7.1   00 11 | type, 1 byte | expires at, 8 | version's length, 4 | version | value
///     Rails 7.0   00 | Marshal of a list: value, expires at, version        (01: compressed)
///     Rails 6     Marshal of an object with the variable @value
struct RailsReading {
    private static let signature: [UInt8] = [0x00, 0x11]
    private static let compressed: UInt8 = 0x80
    private static let headByteCount = 15
    private static let entryClass = Array("ActiveSupport::Cache::Entry".utf8)

    static let valueStep = FieldPath.Step("@value".utf8)

    enum Shape: Equatable {
        case json
        /// From this byte on, behind these steps.
        case marshal(offset: Int, steps: [FieldPath.Step])
    }

    /// - Returns: how what is stored is to be read.
    static func shape(
        of cursor: ValueCursor, _ path: FieldPath
    ) throws(ValueTrouble) -> Shape {
        var cursor = cursor
        var head: [UInt8] = []
        try cursor.take(min(48, cursor.bytesLeft), into: &head)
        if head.starts(with: signature) {
            guard head.count >= headByteCount else { throw .cutOff }
            guard head[2] & compressed == 0 else { throw .compressed }
            let length = head[11..<15].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let versionByteCount = Int(Int32(bitPattern: length))
            return .marshal(
                offset: headByteCount + max(0, versionByteCount), steps: path.steps)
        }
        if head.first == 0, head.dropFirst().starts(with: MarshalReading.header) {
            return .marshal(offset: 1, steps: [FieldPath.Step("0".utf8)] + path.steps)
        }
        if head.first == 1, head.count > 1, head[1] == 0x78 { throw .compressed }
        guard head.starts(with: MarshalReading.header) else { return .json }
        // o: and the length of the class's name, which is its number and 5.
        let name = head.dropFirst(5)
        if head.count > 5, head[2] == UInt8(ascii: "o"), head[3] == UInt8(ascii: ":"),
            Int(head[4]) == entryClass.count + 5, name.starts(with: entryClass)
        {
            return .marshal(offset: 0, steps: [valueStep] + path.steps)
        }
        return .marshal(offset: 0, steps: path.steps)
    }
}
