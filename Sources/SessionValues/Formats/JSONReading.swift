/// JSON, as far as it takes to find a field: strings and nesting are followed, and nothing else is checked. So it is
/// as fast as the C library looks for bytes, and may be nested as deeply as it likes.
struct JSONReading {
    private var cursor: ValueCursor
    private let steps: [FieldPath.Step]
    private var found = FoundUser()
    private var scratch: [UInt8] = []
    /// How many of the steps led to where it is.
    private var matched = 0
    /// Which of the containers around are lists, and which element is next there.
    private var lists: UInt32 = 0
    private var numbers = InlineArray<17, Int>(repeating: 0)

    init(_ cursor: ValueCursor, _ path: FieldPath) {
        self.cursor = cursor
        steps = path.steps
    }

    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")

    mutating func read(into user: inout [UInt8]) throws(ValueTrouble) -> Bool {
        // Of this project's own client: a mark and a moment stand in front.
        if cursor.peek() == 1 { try cursor.skip(9) }
        while let byte = cursor.peek(), Self.isSpace(byte) { cursor.step() }
        guard let first = cursor.peek(), first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
        else { throw .otherForm }
        try readValue(into: &user)
        try skipSpace()
        guard cursor.peek() == nil else { throw .malformed }
        return try found.finish()
    }

    private mutating func readValue(into user: inout [UInt8]) throws(ValueTrouble) {
        while true {
            try skipSpace()
            if matched == steps.count {
                try readUser(into: &user)
            } else if try enterContainer() {
                if try !leaveIfEmpty(), try goToOurs(into: &user, isFirst: true) { continue }
            }
            // Behind a value: the next one that is ours, or out of what is over.
            while true {
                guard matched > 0 else { return }
                if try goToOurs(into: &user, isFirst: false) { break }
            }
        }
    }

    /// True behind `{` or `[`; anything else is stepped over.
    private mutating func enterContainer() throws(ValueTrouble) -> Bool {
        let byte = cursor.peek()
        guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") else {
            try skipValue()
            return false
        }
        cursor.step()
        matched += 1
        if byte == UInt8(ascii: "[") {
            lists |= 1 << UInt32(matched)
            numbers[matched] = 0
        } else {
            lists &= ~(1 << UInt32(matched))
        }
        return true
    }

    private var isInList: Bool { lists & 1 << UInt32(matched) != 0 }

    private mutating func leaveIfEmpty() throws(ValueTrouble) -> Bool {
        try skipSpace()
        guard cursor.peek() == UInt8(ascii: isInList ? "]" : "}") else { return false }
        cursor.step()
        matched -= 1
        return true
    }

    /// Steps on in the innermost container to the next value that is ours; false when it was left.
    ///
    /// - Parameter isFirst: whether this is its beginning, and not behind a value.
    private mutating func goToOurs(
        into user: inout [UInt8], isFirst: Bool
    ) throws(ValueTrouble) -> Bool {
        var isFirst = isFirst
        let step = steps[matched - 1]
        while true {
            if !isFirst {
                try skipSpace()
                let byte = try cursor.next()
                if byte == UInt8(ascii: isInList ? "]" : "}") {
                    matched -= 1
                    return false
                }
                guard byte == UInt8(ascii: ",") else { throw .malformed }
            }
            isFirst = false
            let isOurs: Bool
            if isInList {
                isOurs = step.number == numbers[matched]
                numbers[matched] += 1
            } else {
                try skipSpace()
                isOurs = try takeKey(step.name)
                try skipSpace()
                guard try cursor.next() == UInt8(ascii: ":") else { throw .malformed }
            }
            if isOurs {
                found.clear(&user)
                return true
            }
            try skipSpace()
            try skipValue()
        }
    }

    private mutating func takeKey(_ name: [UInt8]) throws(ValueTrouble) -> Bool {
        guard try cursor.next() == Self.quote else { throw .malformed }
        let window = cursor.window()
        let end = ByteSearch.quoteOrBackslash(in: window)
        if end < window.count, window[end] == Self.quote {
            defer { cursor.step(over: end + 1) }
            return end == name.count && ByteSearch.areEqual(window, name)
        }
        var text: [UInt8] = []
        swap(&text, &scratch)
        text.removeAll(keepingCapacity: true)
        let isWhole = try readString(into: &text, atMost: name.count)
        swap(&text, &scratch)
        return isWhole && scratch == name
    }

    private mutating func readUser(into user: inout [UInt8]) throws(ValueTrouble) {
        found.clear(&user)
        switch cursor.peek() {
        case Self.quote:
            cursor.step()
            if try readString(into: &user, atMost: UserFinder.userByteCountMax) {
                found.isThere = !user.isEmpty
            } else {
                found.trouble = .userTooLong
            }
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            try skipValue()
            found.trouble = .noUser
        default:
            while let byte = cursor.peek(), Self.isWord(byte) {
                guard user.count < UserFinder.numberByteCountMax else { throw .malformed }
                user.append(byte)
                cursor.step()
            }
            guard let first = user.first else { throw .malformed }
            switch first {
            case UInt8(ascii: "n"), UInt8(ascii: "f"): found.clear(&user)
            case UInt8(ascii: "t"): found.trouble = .noUser
            default: found.isThere = true
            }
        }
    }

    // MARK: Strings

    /// Reads a string behind its quotation mark.
    ///
    /// - Returns: false if it is longer than that; it was stepped over then.
    private mutating func readString(
        into target: inout [UInt8], atMost byteCountMax: Int
    ) throws(ValueTrouble) -> Bool {
        while true {
            let byte = try cursor.next()
            if byte == Self.quote { return true }
            if byte == Self.backslash {
                try readEscape(into: &target)
            } else {
                target.append(byte)
            }
            guard target.count <= byteCountMax else {
                try skipString()
                return false
            }
        }
    }

    private mutating func readEscape(into target: inout [UInt8]) throws(ValueTrouble) {
        switch try cursor.next() {
        case UInt8(ascii: "b"): target.append(8)
        case UInt8(ascii: "t"): target.append(9)
        case UInt8(ascii: "n"): target.append(10)
        case UInt8(ascii: "f"): target.append(12)
        case UInt8(ascii: "r"): target.append(13)
        case UInt8(ascii: "u"):
            var unit = try readHexadecimal()
            if unit & 0xFC00 == 0xD800 {
                let place = cursor.offset
                if cursor.peek() == Self.backslash {
                    cursor.step()
                    if cursor.peek() == UInt8(ascii: "u") {
                        cursor.step()
                        let low = try readHexadecimal()
                        if low & 0xFC00 == 0xDC00 {
                            unit = 0x10000 + (unit & 0x3FF) << 10 + low & 0x3FF
                        } else {
                            cursor.seek(to: place)
                        }
                    } else {
                        cursor.seek(to: place)
                    }
                }
            }
            // Half of a pair is no character.
            let scalar = Unicode.Scalar(unit) ?? "\u{FFFD}"
            target.append(contentsOf: Array(String(Character(scalar)).utf8))
        case let byte: target.append(byte)
        }
    }

    private mutating func readHexadecimal() throws(ValueTrouble) -> UInt32 {
        var number: UInt32 = 0
        for _ in 0..<4 {
            let byte = try cursor.next()
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else {
                throw .malformed
            }
            number = number << 4 | UInt32(digit)
        }
        return number
    }

    /// Behind the quotation mark, up to behind the other one.
    @inline(__always)
    private mutating func skipString() throws(ValueTrouble) {
        while true {
            let window = cursor.window()
            guard window.count > 0 else { throw .cutOff }
            let end = ByteSearch.quoteOrBackslash(in: window)
            guard end < window.count else {
                cursor.step(over: end)
                continue
            }
            cursor.step(over: end + 1)
            if window[end] == Self.quote { return }
            _ = try cursor.next()
        }
    }

    // MARK: Stepping over

    private mutating func skipValue() throws(ValueTrouble) {
        guard let byte = cursor.peek() else { throw .cutOff }
        switch byte {
        case Self.quote:
            cursor.step()
            try skipString()
        case UInt8(ascii: "{"), UInt8(ascii: "["): try skipNested()
        default:
            guard Self.isWord(byte) else { throw .malformed }
            while let byte = cursor.peek(), Self.isWord(byte) { cursor.step() }
        }
    }

    private mutating func skipNested() throws(ValueTrouble) {
        var depth = 0
        repeat {
            switch try cursor.next() {
            case Self.quote: try skipString()
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth &+= 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth &-= 1
            default: continue
            }
        } while depth > 0
    }

    /// A byte of a number, or of `true`, `false` and `null`.
    @inline(__always)
    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "E"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    @inline(__always)
    private mutating func skipSpace() throws(ValueTrouble) {
        while let byte = cursor.peek(), byte <= 32 {
            guard Self.isSpace(byte) else { throw .malformed }
            cursor.step()
        }
    }

    @inline(__always)
    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 32 || byte == 10 || byte == 13 || byte == 9
    }
}
