/// Finds who a session belongs to in what a framework has stored of it.
///
/// Goals: any value, however large, however deeply nested, and wherever it is cut off, is looked at in time
/// proportional to its length, and with no memory but what a finder keeps from one value to the next; what stands in
/// a text of the value is never taken for a field of it. Not goals: to check that a value is right in all that it
/// is; to look into what was compressed or encrypted.
///
/// Not for several threads at a time.
package struct UserFinder {
    /// A longer one is nobody.
    package static let userByteCountMax = 256
    /// A longer number is none.
    static let numberByteCountMax = 64

    package enum Finding: Equatable, Sendable {
        /// See `user`.
        case user
        /// The value is whole, and names nobody: somebody who has not logged in.
        case none
        case unreadable(ValueTrouble)
    }

    package let rule: UserRule
    /// Whom the last value belongs to, if it belongs to somebody: text, or a number as it would be written.
    package private(set) var user: [UInt8] = []
    private var strings: [IgbinaryReading.Text] = []
    /// There with a rule that needs it.
    private let pickleRoom: PickleReading.Room?
    private var marshalRoom = MarshalReading.Room()
    private var search: PatternSearch?

    package init(_ rule: UserRule) {
        self.rule = rule
        pickleRoom =
            rule.form == .pickle || rule.form == .django ? PickleReading.Room() : nil
        if case .pattern(let pattern) = rule.place { search = PatternSearch(pattern) }
    }

    /// - Parameter pieces: of the value, one after the other.
    package mutating func find(
        in pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>, key: UnsafeRawBufferPointer,
        clientFlags: UInt32
    ) -> Finding {
        user.removeAll(keepingCapacity: true)
        do throws(ValueTrouble) {
            return try read(pieces, key, clientFlags) ? .user : .none
        } catch {
            user.removeAll(keepingCapacity: true)
            return .unreadable(Self.explained(error, pieces, clientFlags))
        }
    }

    private mutating func read(
        _ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>, _ key: UnsafeRawBufferPointer,
        _ clientFlags: UInt32
    ) throws(ValueTrouble) -> Bool {
        switch rule.place {
        case .pattern:
            guard rule.form == .key else { return try searchPattern(pieces) }
            return try withUnsafePointer(to: key) { pointer throws(ValueTrouble) in
                try searchPattern(UnsafeBufferPointer(start: pointer, count: 1))
            }
        case .field(let path):
            let cursor = ValueCursor(pieces)
            // An ID that was reserved, and has no session yet.
            if cursor.byteCount == 0 { return false }
            guard clientFlags & compressionFlags == 0 else { throw .compressed }
            return try read(cursor, path)
        }
    }

    /// Bits of the client flags by which the clients of these frameworks say that they have compressed a value. It is
    /// not read then, whatever it looks like.
    private var compressionFlags: UInt32 {
        switch rule.form {
        case .php, .phpPlain, .phpBinary, .phpSerialize, .igbinary: 1 << 4
        case .django, .pickle: 1 << 3
        case .rails, .railsJSON: 1 << 1
        case .json, .bytes, .key: 0
        }
    }

    private mutating func read(
        _ cursor: ValueCursor, _ path: FieldPath
    ) throws(ValueTrouble) -> Bool {
        switch rule.form {
        case .php: return try readPHP(cursor, path)
        case .phpPlain:
            var reading = PHPReading(cursor, path)
            return try reading.readPlain(into: &user)
        case .phpBinary:
            var reading = PHPReading(cursor, path)
            return try reading.readBinary(into: &user)
        case .phpSerialize:
            var reading = PHPReading(cursor, path)
            return try reading.readSerialized(into: &user)
        case .igbinary:
            var reading = IgbinaryReading(cursor, path, strings: &strings)
            defer { reading.giveBack(&strings) }
            return try reading.read(into: &user)
        case .json, .railsJSON:
            var reading = JSONReading(cursor, path)
            return try reading.read(into: &user)
        case .pickle, .django:
            guard let pickleRoom else { return false }
            var reading = PickleReading(cursor, path.steps[0].name, room: pickleRoom)
            let isThere = try reading.read(into: &user)
            withExtendedLifetime(pickleRoom) {}
            return isThere
        case .rails: return try readRails(cursor, path)
        case .bytes, .key: return false
        }
    }

    /// By what the value begins with, which no user has chosen: a serialized array's count, or the name of a field.
    private mutating func readPHP(
        _ cursor: ValueCursor, _ path: FieldPath
    ) throws(ValueTrouble) -> Bool {
        var reading = PHPReading(cursor, path)
        var cursor = cursor
        guard let first = cursor.peek() else { return false }
        if first == 0 {
            var reading = IgbinaryReading(cursor, path, strings: &strings)
            defer { reading.giveBack(&strings) }
            return try reading.read(into: &user)
        }
        // The length of a name: of one of 32 bytes and more it could be a letter, and is taken for one.
        if first < 32 { return try reading.readBinary(into: &user) }
        if first == UInt8(ascii: "a") {
            cursor.step()
            if cursor.peek() == UInt8(ascii: ":") {
                return try reading.readSerialized(into: &user)
            }
        }
        return try reading.readPlain(into: &user)
    }

    private mutating func readRails(
        _ cursor: ValueCursor, _ path: FieldPath
    ) throws(ValueTrouble) -> Bool {
        switch try RailsReading.shape(of: cursor, path) {
        case .json:
            var reading = JSONReading(cursor, path)
            return try reading.read(into: &user)
        case .marshal(let offset, let steps):
            var cursor = cursor
            try cursor.skip(offset)
            var reading = MarshalReading(cursor, steps, room: &marshalRoom)
            defer { reading.giveBack(&marshalRoom) }
            return try reading.read(into: &user)
        }
    }

    private mutating func searchPattern(
        _ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>
    ) throws(ValueTrouble) -> Bool {
        guard let place = search?.search(pieces) else { return false }
        guard place.count <= Self.userByteCountMax else { throw .userTooLong }
        var cursor = ValueCursor(pieces)
        try cursor.skip(place.lowerBound)
        try cursor.take(place.count, into: &user)
        return true
    }

    /// A value that cannot be read may be one that nobody but its client can.
    private static func explained(
        _ trouble: ValueTrouble, _ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>,
        _ clientFlags: UInt32
    ) -> ValueTrouble {
        switch trouble {
        case .otherForm, .malformed, .cutOff:
            return kind(of: pieces, clientFlags: clientFlags).trouble ?? trouble
        default: return trouble
        }
    }

    /// What a value looks like.
    package static func kind(
        of pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>, clientFlags: UInt32
    ) -> ValueKind {
        let count = pieces.reduce(0) { $0 + $1.count }
        let shown = min(count, ValueKind.byteCountMax)
        let first = pieces.first ?? UnsafeRawBufferPointer(start: nil, count: 0)
        if first.count >= shown {
            return ValueKind(
                UnsafeRawBufferPointer(rebasing: first[..<shown]), clientFlags: clientFlags,
                isWhole: shown == count)
        }
        let head = Array(pieces.joined().prefix(shown))
        return head.withUnsafeBytes {
            ValueKind($0, clientFlags: clientFlags, isWhole: shown == count)
        }
    }
}
