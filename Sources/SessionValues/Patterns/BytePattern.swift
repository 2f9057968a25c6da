/// A pattern of bytes with one group, which is what is looked for: `user=([0-9]+)`.
///
/// Literal bytes; `.` for any byte; classes `[a-z_]`, `[^;]`, `\d`, `\w`, `\s`; `*`, `+` and `?` behind any of
/// these; `^` in front and `$` at the end; `\xNN`, and `\` before what would mean something else. Neither
/// alternatives nor repeated groups: so a search takes time proportional to the value, whatever is in it.
///
/// Of several places the first one counts, and there as much as `*` and `+` can have.
package struct BytePattern: Equatable, Sendable {
    /// Bytes that a part of a pattern stands for.
    struct ByteSet: Equatable, Sendable {
        private var words: InlineArray<4, UInt64> = .init(repeating: 0)

        @inline(__always)
        func contains(_ byte: UInt8) -> Bool {
            words[Int(byte >> 6)] & 1 << UInt64(byte & 63) != 0
        }

        mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }

        mutating func formUnion(_ other: ByteSet) {
            for place in 0..<4 { words[place] |= other.words[place] }
        }

        mutating func invert() { for place in 0..<4 { words[place] = ~words[place] } }

        static func == (left: ByteSet, right: ByteSet) -> Bool {
            (0..<4).allSatisfy { left.words[$0] == right.words[$0] }
        }
    }

    struct Item: Equatable, Sendable {
        var bytes: ByteSet
        /// If it is one byte and nothing else.
        var literal: UInt8?
        var mayBeMissing = false
        var repeats = false
    }

    package static let itemCountMax = 48

    let items: [Item]
    /// Which of the items are in the group.
    let group: Range<Int>
    let beginsAtStart: Bool
    let endsAtEnd: Bool
    /// What every match begins with.
    let head: [UInt8]

    package init(_ text: String) throws(UserRuleError) {
        var reader = PatternReader(text)
        try reader.read()
        guard let start = reader.groupStart, let end = reader.groupEnd else {
            throw UserRuleError(
                "\"\(text)\" has no group: ( and ) stand around what is the user")
        }
        guard reader.items[start..<end].contains(where: { !$0.mayBeMissing }) else {
            throw UserRuleError("the group of \"\(text)\" can be empty")
        }
        items = reader.items
        group = start..<end
        beginsAtStart = reader.beginsAtStart
        endsAtEnd = reader.endsAtEnd
        head = Array(
            items.prefix { $0.literal != nil && !$0.mayBeMissing && !$0.repeats }
                .compactMap(\.literal))
    }
}

/// Makes items of a pattern's text.
private struct PatternReader {
    private let text: String
    private let bytes: [UInt8]
    private var place = 0
    var items: [BytePattern.Item] = []
    var groupStart: Int?
    var groupEnd: Int?
    var beginsAtStart = false
    var endsAtEnd = false

    init(_ text: String) {
        self.text = text
        bytes = Array(text.utf8)
    }

    mutating func read() throws(UserRuleError) {
        if bytes.first == UInt8(ascii: "^") {
            beginsAtStart = true
            place = 1
        }
        while place < bytes.count {
            let byte = bytes[place]
            place += 1
            switch byte {
            case UInt8(ascii: "("):
                guard groupStart == nil else { throw fail("has more than one group") }
                groupStart = items.count
            case UInt8(ascii: ")"):
                guard groupStart != nil, groupEnd == nil else { throw fail("has a ) too many") }
                groupEnd = items.count
            case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"): try repeatLast(byte)
            case UInt8(ascii: "$") where place == bytes.count: endsAtEnd = true
            case UInt8(ascii: "|"), UInt8(ascii: "{"), UInt8(ascii: "}"):
                throw fail(
                    "has a \(Character(UnicodeScalar(byte))), which means nothing here: "
                        + "a \\ in front makes it an ordinary byte")
            default: try append(one: byte)
            }
        }
        if groupStart != nil, groupEnd == nil { throw fail("has a ( without a )") }
        guard items.count <= BytePattern.itemCountMax else {
            throw fail("has more than \(BytePattern.itemCountMax) parts")
        }
    }

    private func fail(_ what: String) -> UserRuleError {
        UserRuleError("the pattern \"\(text)\" \(what)")
    }

    private mutating func append(one byte: UInt8) throws(UserRuleError) {
        var set = BytePattern.ByteSet()
        var literal: UInt8?
        switch byte {
        case UInt8(ascii: "."): set.invert()
        case UInt8(ascii: "["): set = try readClass()
        case UInt8(ascii: "\\"): (set, literal) = try readEscape()
        default:
            set.insert(byte)
            literal = byte
        }
        items.append(BytePattern.Item(bytes: set, literal: literal))
    }

    private mutating func repeatLast(_ byte: UInt8) throws(UserRuleError) {
        let previous = place >= 2 ? bytes[place - 2] : 0
        guard let last = items.last, !last.repeats, !last.mayBeMissing,
            previous != UInt8(ascii: "("),
            previous != UInt8(ascii: ")") || (place >= 3 && bytes[place - 3] == UInt8(ascii: "\\"))
        else {
            throw fail("has a \(Character(UnicodeScalar(byte))) that is behind nothing to repeat")
        }
        switch byte {
        case UInt8(ascii: "+"):
            // Once, and then as often as it can be had.
            items.append(
                BytePattern.Item(
                    bytes: last.bytes, literal: last.literal, mayBeMissing: true, repeats: true))
        case UInt8(ascii: "*"):
            items[items.count - 1].mayBeMissing = true
            items[items.count - 1].repeats = true
        default: items[items.count - 1].mayBeMissing = true
        }
    }

    private mutating func readEscape() throws(UserRuleError) -> (BytePattern.ByteSet, UInt8?) {
        guard place < bytes.count else { throw fail("ends with a \\") }
        let byte = bytes[place]
        place += 1
        var set = BytePattern.ByteSet()
        func insert(_ ranges: ClosedRange<UInt8>...) {
            for range in ranges { for byte in range { set.insert(byte) } }
        }
        let (digits, small, large) = (
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z")
        )
        switch byte {
        case UInt8(ascii: "d"): insert(digits)
        case UInt8(ascii: "w"): insert(digits, small, large, UInt8(ascii: "_")...UInt8(ascii: "_"))
        case UInt8(ascii: "s"): insert(9...13, 32...32)
        case UInt8(ascii: "x"):
            guard place + 2 <= bytes.count,
                let number = UInt8(
                    String(decoding: bytes[place..<place + 2], as: UTF8.self), radix: 16)
            else { throw fail("needs two digits behind \\x") }
            place += 2
            set.insert(number)
            return (set, number)
        case _ where small.contains(byte) || large.contains(byte) || digits.contains(byte):
            throw fail("has a \\\(Character(UnicodeScalar(byte))), which is unknown")
        default:
            set.insert(byte)
            return (set, byte)
        }
        return (set, nil)
    }

    private mutating func readClass() throws(UserRuleError) -> BytePattern.ByteSet {
        var set = BytePattern.ByteSet()
        let inverts = place < bytes.count && bytes[place] == UInt8(ascii: "^")
        if inverts { place += 1 }
        var isFirst = true
        while true {
            guard place < bytes.count else { throw fail("has a [ without a ]") }
            var byte = bytes[place]
            place += 1
            if byte == UInt8(ascii: "]"), !isFirst { break }
            isFirst = false
            if byte == UInt8(ascii: "\\") {
                let (escaped, literal) = try readEscape()
                guard let literal else {
                    set.formUnion(escaped)
                    continue
                }
                byte = literal
            }
            guard place + 1 < bytes.count, bytes[place] == UInt8(ascii: "-"),
                bytes[place + 1] != UInt8(ascii: "]")
            else {
                set.insert(byte)
                continue
            }
            var end = bytes[place + 1]
            place += 2
            if end == UInt8(ascii: "\\") {
                guard let literal = try readEscape().1 else { throw fail("has a wrong range") }
                end = literal
            }
            guard byte <= end else { throw fail("has a range that ends before it begins") }
            for byte in byte...end { set.insert(byte) }
        }
        if inverts { set.invert() }
        return set
    }
}
