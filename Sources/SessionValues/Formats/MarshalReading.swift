/// Ruby's Marshal, version 4.8.
///
/// What is stepped over has a stack of how much is left of what is around, with a bound. Symbols are remembered, the
/// first ones, as names refer to them; objects are not: a user that is the same object as something before is a
/// reference.
struct MarshalReading {
    struct Text {
        let offset: Int
        let byteCount: Int
    }

    /// What is left of something that is stepped over.
    struct Rest {
        var valueCount: Int
        /// Behind it come variables, as of a string its encoding.
        var hasVariables = false
    }

    /// Arrays that are used again and again.
    struct Room {
        var symbols: [Text] = []
        var rests: [Rest] = []
    }

    static let depthMax = 4_096
    static let symbolCountMax = 65_536
    static let header: [UInt8] = [4, 8]

    private var cursor: ValueCursor
    private let steps: [FieldPath.Step]
    private var found = FoundUser()
    private var room: Room
    private var matched = 0
    /// Of the containers around: how many values are left of a list, or pairs of something with names; whether it is a
    /// list, and what is next there; and whether a value comes behind the pairs.
    private var levels = InlineArray<19, Level>(repeating: Level())

    private struct Level {
        var left = 0
        var isList = false
        var number = 0
        var hasDefault = false
        var hasVariables = false
    }

    init(_ cursor: ValueCursor, _ steps: [FieldPath.Step], room: inout Room) {
        self.cursor = cursor
        self.steps = steps
        self.room = Room()
        swap(&self.room, &room)
        self.room.symbols.removeAll(keepingCapacity: true)
        self.room.rests.removeAll(keepingCapacity: true)
    }

    mutating func giveBack(_ room: inout Room) { swap(&self.room, &room) }

    mutating func read(into user: inout [UInt8]) throws(ValueTrouble) -> Bool {
        guard try cursor.take(2, equals: Self.header) else { throw .otherForm }
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
            // Behind a value: the next one that is ours, or out of what is over.
            while true {
                guard matched > 0 else { return }
                if levels[matched].left == 0 {
                    try leaveContainer()
                    continue
                }
                levels[matched].left -= 1
                if try isOurs(steps[matched - 1]) {
                    found.clear(&user)
                    break
                }
                try skipValues(1)
            }
        }
    }

    // MARK: Containers

    /// Anything that is no container is stepped over.
    private mutating func enterContainer() throws(ValueTrouble) {
        var level = Level()
        var type = try cursor.next()
        if type == UInt8(ascii: "I") {
            level.hasVariables = true
            type = try cursor.next()
        }
        // A class of the application's own, as Rails' hashes have.
        while type == UInt8(ascii: "C") || type == UInt8(ascii: "e") {
            _ = try takeSymbol()
            type = try cursor.next()
        }
        switch type {
        case UInt8(ascii: "{"), UInt8(ascii: "}"):
            level.hasDefault = type == UInt8(ascii: "}")
            level.left = try count(each: 2)
        case UInt8(ascii: "["):
            level.isList = true
            level.left = try count(each: 1)
        case UInt8(ascii: "o"), UInt8(ascii: "S"):
            _ = try takeSymbol()
            level.left = try count(each: 2)
        default:
            // An entry of Rails 6 has a text for its value where that was compressed.
            if type == UInt8(ascii: "\""), matched == 1, steps[0] == RailsReading.valueStep {
                found.trouble = .compressed
            }
            try skipHead(type)
            try skipRests()
            if level.hasVariables { try skipVariables() }
            return
        }
        matched += 1
        levels[matched] = level
    }

    private mutating func leaveContainer() throws(ValueTrouble) {
        let level = levels[matched]
        matched -= 1
        if level.hasDefault { try skipValues(1) }
        if level.hasVariables { try skipVariables() }
    }

    /// Steps over a name, if there is one, and says whether the value behind it is ours.
    private mutating func isOurs(_ step: FieldPath.Step) throws(ValueTrouble) -> Bool {
        if levels[matched].isList {
            defer { levels[matched].number += 1 }
            return levels[matched].number == step.number
        }
        switch cursor.peek() {
        case UInt8(ascii: ":"), UInt8(ascii: ";"):
            guard let symbol = try takeSymbol(), symbol.byteCount == step.name.count else {
                return false
            }
            let place = cursor.offset
            cursor.seek(to: symbol.offset)
            defer { cursor.seek(to: place) }
            return try cursor.take(symbol.byteCount, equals: step.name)
        case UInt8(ascii: "\""):
            cursor.step()
            return try cursor.take(try length(), equals: step.name)
        case UInt8(ascii: "I"):
            cursor.step()
            guard cursor.peek() == UInt8(ascii: "\"") else {
                try skipValues(1)
                try skipVariables()
                return false
            }
            cursor.step()
            let isEqual = try cursor.take(try length(), equals: step.name)
            try skipVariables()
            return isEqual
        case UInt8(ascii: "i"):
            cursor.step()
            return try fixnum() == step.number
        default:
            try skipValues(1)
            return false
        }
    }

    private mutating func readUser(into user: inout [UInt8]) throws(ValueTrouble) {
        found.clear(&user)
        switch cursor.peek() {
        case UInt8(ascii: "i"):
            cursor.step()
            user.append(contentsOf: Array(String(try fixnum()).utf8))
            found.isThere = true
        case UInt8(ascii: "l"):
            cursor.step()
            let isNegative = try cursor.next() == UInt8(ascii: "-")
            let count = try count(each: 2) * 2
            guard count <= 8 else {
                try cursor.skip(count)
                found.trouble = .noUser
                return
            }
            let number = try cursor.littleEndian(count)
            user.append(contentsOf: Array("\(isNegative ? "-" : "")\(number)".utf8))
            found.isThere = true
        case UInt8(ascii: "\""):
            cursor.step()
            try readText(try length(), into: &user)
        case UInt8(ascii: "I"):
            cursor.step()
            if cursor.peek() == UInt8(ascii: "\"") {
                cursor.step()
                try readText(try length(), into: &user)
            } else {
                try skipValues(1)
                found.trouble = .noUser
            }
            try skipVariables()
        case UInt8(ascii: ":"), UInt8(ascii: ";"):
            guard let symbol = try takeSymbol() else {
                found.trouble = .reference
                return
            }
            let place = cursor.offset
            cursor.seek(to: symbol.offset)
            try readText(symbol.byteCount, into: &user)
            cursor.seek(to: place)
        case UInt8(ascii: "0"), UInt8(ascii: "F"): cursor.step()
        case UInt8(ascii: "@"):
            try skipValues(1)
            found.trouble = .reference
        default:
            try skipValues(1)
            found.trouble = .noUser
        }
    }

    private mutating func readText(
        _ count: Int, into user: inout [UInt8]
    ) throws(ValueTrouble) {
        guard count <= UserFinder.userByteCountMax else {
            found.trouble = .userTooLong
            return try cursor.skip(count)
        }
        try cursor.take(count, into: &user)
        found.isThere = count > 0
    }

    // MARK: Parts

    /// In one byte what is small; otherwise how many bytes follow, negative for a negative number.
    private mutating func fixnum() throws(ValueTrouble) -> Int {
        let first = Int(Int8(bitPattern: try cursor.next()))
        switch first {
        case 0: return 0
        case 5...: return first - 5
        case ...(-5): return first + 5
        case 1...: return Int(try cursor.littleEndian(first))
        default: return Int(try cursor.littleEndian(-first)) - 1 << (8 * -first)
        }
    }

    private mutating func length() throws(ValueTrouble) -> Int {
        let count = try fixnum()
        guard count >= 0 else { throw .malformed }
        return count
    }

    /// Of things that take so many bytes each at least.
    private mutating func count(each byteCount: Int) throws(ValueTrouble) -> Int {
        let count = try length()
        guard count <= cursor.bytesLeft / byteCount else { throw .cutOff }
        return count
    }

    /// Nil of one that is not remembered.
    private mutating func takeSymbol() throws(ValueTrouble) -> Text? {
        switch try cursor.next() {
        case UInt8(ascii: ":"):
            let count = try length()
            let text = Text(offset: cursor.offset, byteCount: count)
            try cursor.skip(count)
            if room.symbols.count < Self.symbolCountMax { room.symbols.append(text) }
            return text
        case UInt8(ascii: ";"):
            let number = try length()
            return room.symbols.indices.contains(number) ? room.symbols[number] : nil
        case UInt8(ascii: "I"):
            // With an encoding of its own. The symbol is remembered before what says which.
            let text = try takePlainSymbol()
            try skipVariables()
            return text
        default: throw .malformed
        }
    }

    private mutating func takePlainSymbol() throws(ValueTrouble) -> Text? {
        guard cursor.peek() == UInt8(ascii: ":") else { throw .malformed }
        return try takeSymbol()
    }

    // MARK: Stepping over

    /// Names and values of what is said about something that was before.
    private mutating func skipVariables() throws(ValueTrouble) {
        try skipValues(try count(each: 2) * 2)
    }

    private mutating func skipValues(_ count: Int) throws(ValueTrouble) {
        guard count > 0 else { return }
        let floor = room.rests.count
        room.rests.append(Rest(valueCount: count))
        try skipRests(downTo: floor)
    }

    private mutating func skipRests(downTo floor: Int = 0) throws(ValueTrouble) {
        while room.rests.count > floor {
            let last = room.rests.count - 1
            guard room.rests[last].valueCount > 0 else {
                let hadVariables = room.rests[last].hasVariables
                room.rests.removeLast()
                if hadVariables { try push(try count(each: 2) * 2) }
                continue
            }
            room.rests[last].valueCount -= 1
            try skipHead(try cursor.next())
        }
    }

    private mutating func push(_ count: Int, hasVariables: Bool = false) throws(ValueTrouble) {
        guard count > 0 else { return }
        guard room.rests.count < Self.depthMax else { throw .tooDeep }
        room.rests.append(Rest(valueCount: count, hasVariables: hasVariables))
    }

    /// Steps over what belongs to a type, and takes note of the values that follow as parts of it.
    private mutating func skipHead(_ type: UInt8) throws(ValueTrouble) {
        switch type {
        case UInt8(ascii: "0"), UInt8(ascii: "T"), UInt8(ascii: "F"): break
        case UInt8(ascii: "i"), UInt8(ascii: ";"), UInt8(ascii: "@"): _ = try fixnum()
        case UInt8(ascii: "\""), UInt8(ascii: "f"), UInt8(ascii: "c"), UInt8(ascii: "m"),
            UInt8(ascii: "M"):
            try cursor.skip(try length())
        case UInt8(ascii: ":"):
            let count = try length()
            if room.symbols.count < Self.symbolCountMax {
                room.symbols.append(Text(offset: cursor.offset, byteCount: count))
            }
            try cursor.skip(count)
        case UInt8(ascii: "I"): try push(1, hasVariables: true)
        case UInt8(ascii: "["): try push(try count(each: 1))
        case UInt8(ascii: "{"): try push(try count(each: 2) * 2)
        case UInt8(ascii: "}"): try push(try count(each: 2) * 2 + 1)
        case UInt8(ascii: "C"), UInt8(ascii: "e"), UInt8(ascii: "U"), UInt8(ascii: "d"): try push(2)
        case UInt8(ascii: "o"), UInt8(ascii: "S"):
            _ = try takeSymbol()
            try push(try count(each: 2) * 2)
        case UInt8(ascii: "u"):
            _ = try takeSymbol()
            try cursor.skip(try length())
        case UInt8(ascii: "/"):
            try cursor.skip(try length())
            try cursor.skip(1)
        case UInt8(ascii: "l"):
            try cursor.skip(1)
            try cursor.skip(try count(each: 2) * 2)
        default: throw .malformed
        }
    }
}
