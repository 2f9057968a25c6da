/// PHP's `serialize`, and what `session.serialize_handler` makes of it: `php` (`name|value` one after the other),
/// `php_binary` (the name's length in a byte instead) and `php_serialize` (one array).
///
/// Lengths of strings are believed only as far as the value goes, so what stands in a string is never taken for a
/// field. Counts of elements are not looked at: braces say where an array ends. Nothing is remembered of what is
/// stepped over, so it may be nested as deeply as it likes.
struct PHPReading {
    private var cursor: ValueCursor
    private let steps: [FieldPath.Step]
    private var found = FoundUser()
    /// How many of the steps led to where it is.
    private var matched = 0
    /// Which of the containers around are objects, whose names may have a class in front.
    private var objects: UInt32 = 0

    init(_ cursor: ValueCursor, _ path: FieldPath) {
        self.cursor = cursor
        steps = path.steps
    }

    /// `name|value` again and again, to the end.
    mutating func readPlain(into user: inout [UInt8]) throws(ValueTrouble) -> Bool {
        var isFirst = true
        while cursor.peek() != nil {
            let start = cursor.offset
            do {
                try cursor.skip(to: UInt8(ascii: "|"))
            } catch {
                throw isFirst ? .otherForm : error
            }
            let count = cursor.offset - start
            var isOurs = false
            if count == steps[0].name.count {
                cursor.seek(to: start)
                isOurs = try cursor.take(count, equals: steps[0].name)
            }
            _ = try cursor.next()
            try readVariable(isOurs, into: &user)
            isFirst = false
        }
        return try found.finish()
    }

    mutating func readBinary(into user: inout [UInt8]) throws(ValueTrouble) -> Bool {
        while cursor.peek() != nil {
            let head = try cursor.next()
            let isOurs = try cursor.take(Int(head & 0x7F), equals: steps[0].name)
            // Without a value.
            if head & 0x80 != 0 { continue }
            try readVariable(isOurs, into: &user)
        }
        return try found.finish()
    }

    /// One value, and nothing behind it.
    mutating func readSerialized(into user: inout [UInt8]) throws(ValueTrouble) -> Bool {
        try readValue(from: 0, into: &user)
        guard cursor.peek() == nil else { throw .malformed }
        return try found.finish()
    }

    private mutating func readVariable(
        _ isOurs: Bool, into user: inout [UInt8]
    ) throws(ValueTrouble) {
        guard isOurs else { return try skipValue() }
        found.clear(&user)
        try readValue(from: 1, into: &user)
    }

    /// Reads a value that `base` steps have led to, with what else leads to the user in it.
    private mutating func readValue(
        from base: Int, into user: inout [UInt8]
    ) throws(ValueTrouble) {
        matched = base
        while true {
            if matched == steps.count {
                try readUser(into: &user)
            } else if let isObject = try enterContainer() {
                matched += 1
                objects =
                    isObject ? objects | 1 << UInt32(matched) : objects & ~(1 << UInt32(matched))
            }
            // Behind a value: the next key that is ours, or out of what is over.
            while true {
                guard matched > base else { return }
                if cursor.peek() == UInt8(ascii: "}") {
                    cursor.step()
                    matched -= 1
                } else if try takeKey(steps[matched - 1]) {
                    found.clear(&user)
                    break
                } else {
                    try skipValue()
                }
            }
        }
    }

    /// Enters an array or an object, and says which; steps over anything else, and is nil then.
    private mutating func enterContainer() throws(ValueTrouble) -> Bool? {
        switch cursor.peek() {
        case UInt8(ascii: "a"):
            cursor.step()
            _ = try number(endsWith: UInt8(ascii: ":"))
            try expect(UInt8(ascii: "{"))
            return false
        case UInt8(ascii: "O"):
            cursor.step()
            try skipClassName()
            _ = try number(endsWith: UInt8(ascii: ":"))
            try expect(UInt8(ascii: "{"))
            return true
        default:
            try skipValue()
            return nil
        }
    }

    private mutating func takeKey(_ step: FieldPath.Step) throws(ValueTrouble) -> Bool {
        switch try cursor.next() {
        case UInt8(ascii: "i"):
            return try signedNumber() == step.number
        case UInt8(ascii: "s"):
            let count = try quotedLength()
            let isEqual: Bool
            if objects & 1 << UInt32(matched) != 0, count > 0, cursor.peek() == 0 {
                isEqual = try takeGuardedName(count, equals: step.name)
            } else {
                isEqual = try cursor.take(count, equals: step.name)
            }
            try expect(UInt8(ascii: "\""))
            try expect(UInt8(ascii: ";"))
            return isEqual
        default: throw .malformed
        }
    }

    /// `NUL * NUL name` of a protected property, `NUL class NUL name` of a private one.
    private mutating func takeGuardedName(
        _ count: Int, equals name: [UInt8]
    ) throws(ValueTrouble) -> Bool {
        guard count <= 1_024 else {
            try cursor.skip(count)
            return false
        }
        var whole: [UInt8] = []
        try cursor.take(count, into: &whole)
        guard let end = whole.dropFirst().firstIndex(of: 0) else { return false }
        return whole[(end + 1)...].elementsEqual(name)
    }

    private mutating func readUser(into user: inout [UInt8]) throws(ValueTrouble) {
        found.clear(&user)
        switch cursor.peek() {
        case UInt8(ascii: "s"):
            cursor.step()
            let count = try quotedLength()
            if count > UserFinder.userByteCountMax {
                found.trouble = .userTooLong
                try cursor.skip(count)
            } else {
                try cursor.take(count, into: &user)
                found.isThere = count > 0
            }
            try expect(UInt8(ascii: "\""))
            try expect(UInt8(ascii: ";"))
        case UInt8(ascii: "i"), UInt8(ascii: "d"):
            cursor.step()
            try expect(UInt8(ascii: ":"))
            var byte = try cursor.next()
            while byte != UInt8(ascii: ";") {
                guard user.count < UserFinder.numberByteCountMax else { throw .malformed }
                user.append(byte)
                byte = try cursor.next()
            }
            found.isThere = !user.isEmpty
        case UInt8(ascii: "N"): try skipValue()
        case UInt8(ascii: "b"):
            cursor.step()
            try expect(UInt8(ascii: ":"))
            if try cursor.next() != UInt8(ascii: "0") { found.trouble = .noUser }
            try expect(UInt8(ascii: ";"))
        case UInt8(ascii: "r"), UInt8(ascii: "R"):
            try skipValue()
            found.trouble = .reference
        default:
            try skipValue()
            found.trouble = .noUser
        }
    }

    // MARK: Stepping over

    /// Steps over a value with all that is in it.
    private mutating func skipValue() throws(ValueTrouble) {
        var depth = 0
        repeat {
            switch try cursor.next() {
            case UInt8(ascii: "s"):
                try cursor.skip(try quotedLength())
                try expect(UInt8(ascii: "\""))
                try expect(UInt8(ascii: ";"))
            case UInt8(ascii: "i"), UInt8(ascii: "b"), UInt8(ascii: "d"), UInt8(ascii: "r"),
                UInt8(ascii: "R"):
                try expect(UInt8(ascii: ":"))
                try skipNumber()
            case UInt8(ascii: "N"): try expect(UInt8(ascii: ";"))
            case UInt8(ascii: "a"):
                _ = try number(endsWith: UInt8(ascii: ":"))
                try expect(UInt8(ascii: "{"))
                depth += 1
            case UInt8(ascii: "O"):
                try skipClassName()
                _ = try number(endsWith: UInt8(ascii: ":"))
                try expect(UInt8(ascii: "{"))
                depth += 1
            case UInt8(ascii: "C"):
                // A class that has its own way.
                try skipClassName()
                let count = try number(endsWith: UInt8(ascii: ":"))
                try expect(UInt8(ascii: "{"))
                try cursor.skip(count)
                try expect(UInt8(ascii: "}"))
            case UInt8(ascii: "E"):
                try cursor.skip(try quotedLength())
                try expect(UInt8(ascii: "\""))
                try expect(UInt8(ascii: ";"))
            case UInt8(ascii: "}") where depth > 0: depth -= 1
            default: throw .malformed
            }
        } while depth > 0
    }

    private mutating func skipClassName() throws(ValueTrouble) {
        try cursor.skip(try quotedLength())
        try expect(UInt8(ascii: "\""))
    }

    @inline(__always)
    private mutating func expect(_ byte: UInt8) throws(ValueTrouble) {
        guard try cursor.next() == byte else { throw .malformed }
    }

    /// `:7:"` of a string of 7 bytes.
    @inline(__always)
    private mutating func quotedLength() throws(ValueTrouble) -> Int {
        let count = try number(endsWith: UInt8(ascii: ":"))
        try expect(UInt8(ascii: "\""))
        return count
    }

    /// `:7:`; nothing has so many bytes as do not fit.
    @inline(__always)
    private mutating func number(endsWith end: UInt8) throws(ValueTrouble) -> Int {
        try expect(UInt8(ascii: ":"))
        var number = 0
        var byte = try cursor.next()
        repeat {
            guard byte &- UInt8(ascii: "0") < 10, number < 1 << 40 else { throw .malformed }
            number = number &* 10 &+ Int(byte &- UInt8(ascii: "0"))
            byte = try cursor.next()
        } while byte != end
        return number
    }

    /// `:-7;`; nil of what no number of ours can be.
    private mutating func signedNumber() throws(ValueTrouble) -> Int? {
        try expect(UInt8(ascii: ":"))
        if cursor.peek() == UInt8(ascii: "-") {
            try skipNumber()
            return nil
        }
        var number: Int? = 0
        var byte = try cursor.next()
        var isEmpty = true
        while byte != UInt8(ascii: ";") {
            guard byte &- UInt8(ascii: "0") < 10 else { throw .malformed }
            number = number.flatMap { $0 < 1 << 50 ? $0 * 10 + Int(byte - UInt8(ascii: "0")) : nil }
            byte = try cursor.next()
            isEmpty = false
        }
        guard !isEmpty else { throw .malformed }
        return number
    }

    /// To the `;`, which is not far behind a number.
    @inline(__always)
    private mutating func skipNumber() throws(ValueTrouble) {
        var count = 0
        while try cursor.next() != UInt8(ascii: ";") {
            count &+= 1
            guard count < UserFinder.numberByteCountMax else { throw .malformed }
        }
    }
}
