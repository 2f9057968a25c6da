/// igbinary, version 2: a byte for what follows, counts, and strings that are written once and referred to by number.
///
/// How many values are still to come of what is stepped over is one number, so it may be nested as deeply as it
/// likes. Where strings are is remembered of the first ones; a name that refers to a later one is not found.
struct IgbinaryReading {
    private var cursor: ValueCursor
    private let steps: [FieldPath.Step]
    private var found = FoundUser()
    private var matched = 0
    /// Of the containers around: how many pairs are left, and which are objects.
    private var pairsLeft = InlineArray<17, Int>(repeating: 0)
    private var objects: UInt32 = 0
    private var strings: [Text]

    /// Where a string of the value is.
    struct Text {
        let offset: Int
        let byteCount: Int
    }

    static let header: [UInt8] = [0, 0, 0, 2]
    static let stringCountMax = 65_536

    private enum Code {
        static let null: UInt8 = 0x00
        static let double: UInt8 = 0x0C
        static let emptyString: UInt8 = 0x0D
        static let serialized: UInt8 = 0x1D
        static let reference: UInt8 = 0x25
        static let enumCase: UInt8 = 0x27
    }

    /// - Parameter strings: room for what is remembered, used again and again.
    init(_ cursor: ValueCursor, _ path: FieldPath, strings: inout [Text]) {
        self.cursor = cursor
        steps = path.steps
        self.strings = []
        swap(&self.strings, &strings)
        self.strings.removeAll(keepingCapacity: true)
    }

    mutating func giveBack(_ strings: inout [Text]) { swap(&self.strings, &strings) }

    mutating func read(into user: inout [UInt8]) throws(ValueTrouble) -> Bool {
        guard try cursor.take(4, equals: Self.header) else { throw .otherForm }
        try readValue(into: &user)
        guard cursor.peek() == nil else { throw .malformed }
        return try found.finish()
    }

    private mutating func readValue(into user: inout [UInt8]) throws(ValueTrouble) {
        while true {
            if matched == steps.count {
                try readUser(into: &user)
            } else {
                try enterContainer()
            }
            // Behind a value: the next key that is ours, or out of what is over.
            while true {
                guard matched > 0 else { return }
                if pairsLeft[matched] == 0 {
                    matched -= 1
                    continue
                }
                pairsLeft[matched] -= 1
                if try takeKey(steps[matched - 1]) {
                    found.clear(&user)
                    break
                }
                try skipValues(1)
            }
        }
    }

    /// Anything that is no container is stepped over.
    private mutating func enterContainer() throws(ValueTrouble) {
        var type = try cursor.next()
        while type == Code.reference { type = try cursor.next() }
        var isObject = false
        if (0x17...0x1C).contains(type) {
            try skipClassName(type)
            type = try cursor.next()
            isObject = true
        }
        guard (0x14...0x16).contains(type) else { return try skipBody(of: type) }
        let count = try cursor.bigEndian(1 << Int(type - 0x14))
        guard count <= cursor.bytesLeft else { throw .cutOff }
        matched += 1
        pairsLeft[matched] = count
        objects = isObject ? objects | 1 << UInt32(matched) : objects & ~(1 << UInt32(matched))
    }

    private mutating func takeKey(_ step: FieldPath.Step) throws(ValueTrouble) -> Bool {
        let type = try cursor.next()
        if let isPositive = Self.isPositiveInteger(type) {
            let number = try cursor.bigEndian(Self.integerByteCount(type))
            return isPositive && number == step.number
        }
        guard let text = try takeText(type) else { return false }
        let place = cursor.offset
        cursor.seek(to: text.offset)
        defer { cursor.seek(to: place) }
        if objects & 1 << UInt32(matched) != 0, text.byteCount > 0, cursor.peek() == 0 {
            guard text.byteCount <= 1_024 else { return false }
            var whole: [UInt8] = []
            try cursor.take(text.byteCount, into: &whole)
            guard let end = whole.dropFirst().firstIndex(of: 0) else { return false }
            return whole[(end + 1)...].elementsEqual(step.name)
        }
        guard text.byteCount == step.name.count else { return false }
        return try cursor.take(text.byteCount, equals: step.name)
    }

    private mutating func readUser(into user: inout [UInt8]) throws(ValueTrouble) {
        found.clear(&user)
        var type = try cursor.next()
        while type == Code.reference { type = try cursor.next() }
        if let isPositive = Self.isPositiveInteger(type) {
            var number: UInt64 = 0
            for _ in 0..<Self.integerByteCount(type) {
                number = number << 8 | UInt64(try cursor.next())
            }
            user.append(contentsOf: Array("\(isPositive || number == 0 ? "" : "-")\(number)".utf8))
            found.isThere = true
            return
        }
        switch type {
        case Code.null, 0x04, Code.emptyString: break
        case 0x0E...0x13, 0x26:
            guard let text = try takeText(type) else {
                found.trouble = .reference
                return
            }
            guard text.byteCount <= UserFinder.userByteCountMax else {
                found.trouble = .userTooLong
                return
            }
            let place = cursor.offset
            cursor.seek(to: text.offset)
            try cursor.take(text.byteCount, into: &user)
            cursor.seek(to: place)
            found.isThere = text.byteCount > 0
        case 0x01...0x03, 0x22...0x24:
            try skipBody(of: type)
            found.trouble = .reference
        default:
            try skipBody(of: type)
            found.trouble = .noUser
        }
    }

    // MARK: Parts

    /// Nil of a number that refers to what is not remembered.
    private mutating func takeText(_ type: UInt8) throws(ValueTrouble) -> Text? {
        switch type {
        case Code.emptyString: return Text(offset: cursor.offset, byteCount: 0)
        case 0x0E...0x10:
            let number = try cursor.bigEndian(1 << Int(type - 0x0E))
            return strings.indices.contains(number) ? strings[number] : nil
        case 0x11...0x13, 0x26:
            let count = try cursor.bigEndian(type == 0x26 ? 8 : 1 << Int(type - 0x11))
            let text = Text(offset: cursor.offset, byteCount: count)
            try cursor.skip(count)
            if strings.count < Self.stringCountMax { strings.append(text) }
            return text
        default: throw .malformed
        }
    }

    private mutating func skipClassName(_ type: UInt8) throws(ValueTrouble) {
        if type >= 0x1A {
            _ = try cursor.bigEndian(1 << Int(type - 0x1A))
        } else {
            _ = try takeText(0x11 + type - 0x17)
        }
    }

    private static func isPositiveInteger(_ type: UInt8) -> Bool? {
        switch type {
        case 0x06, 0x08, 0x0A, 0x20: true
        case 0x07, 0x09, 0x0B, 0x21: false
        default: nil
        }
    }

    private static func integerByteCount(_ type: UInt8) -> Int {
        switch type {
        case 0x06, 0x07: 1
        case 0x08, 0x09: 2
        case 0x0A, 0x0B: 4
        default: 8
        }
    }

    // MARK: Stepping over

    private mutating func skipBody(of type: UInt8) throws(ValueTrouble) {
        try skipValues(try skipHead(type))
    }

    private mutating func skipValues(_ count: Int) throws(ValueTrouble) {
        var left = count
        while left > 0 {
            // Each takes a byte at least.
            guard left <= cursor.bytesLeft else { throw .cutOff }
            left += try skipHead(try cursor.next()) - 1
        }
    }

    /// Steps over what belongs to a type.
    ///
    /// - Returns: how many values follow that are parts of this one.
    private mutating func skipHead(_ type: UInt8) throws(ValueTrouble) -> Int {
        switch type {
        case Code.null, 0x04, 0x05, Code.emptyString: return 0
        case 0x01...0x03: try cursor.skip(1 << Int(type - 0x01))
        case 0x22...0x24: try cursor.skip(1 << Int(type - 0x22))
        case 0x06...0x0B, 0x20, 0x21: try cursor.skip(Self.integerByteCount(type))
        case Code.double: try cursor.skip(8)
        case 0x0E...0x13, 0x26: _ = try takeText(type)
        case 0x14...0x16:
            let count = try cursor.bigEndian(1 << Int(type - 0x14))
            guard count <= cursor.bytesLeft else { throw .cutOff }
            return 2 * count
        case 0x17...0x1C:
            try skipClassName(type)
            return 1
        case Code.serialized...0x1F:
            try cursor.skip(try cursor.bigEndian(1 << Int(type - Code.serialized)))
        case Code.reference, Code.enumCase: return 1
        default: throw .malformed
        }
        return 0
    }
}
