/// Python's pickle of a dictionary, by protocols 0 to 5: a program for a machine with a stack, of which only the kinds
/// of things are followed here. Nothing is made, imported or called.
///
/// A field counts where it is set in the dictionary that the program leaves in the end. The stack has a bound, and
/// what is remembered for later use is that of the first ones: a user that refers to a later one is a reference.
struct PickleReading {
    enum Thing {
        case other
        /// A text that says the field's name.
        case name
        case text(offset: Int, byteCount: Int)
        case number(Int64)
        case nothing
        /// Not remembered.
        case unknown
        case dictionary(User)
    }

    /// What a dictionary has under the field's name.
    enum User {
        case none
        case text(offset: Int, byteCount: Int)
        case number(Int64)
        case trouble(ValueTrouble)
    }

    /// Arrays that are used again and again.
    struct Room {
        var stack: [Thing] = []
        var marks: [Int] = []
        var memo: [Thing] = []
    }

    static let stackCountMax = 65_536
    static let memoCountMax = 65_536

    private var cursor: ValueCursor
    private let name: [UInt8]
    private var room: Room

    init(_ cursor: ValueCursor, _ name: [UInt8], room: inout Room) {
        self.cursor = cursor
        self.name = name
        self.room = Room()
        swap(&self.room, &room)
        self.room.stack.removeAll(keepingCapacity: true)
        self.room.marks.removeAll(keepingCapacity: true)
        self.room.memo.removeAll(keepingCapacity: true)
    }

    mutating func giveBack(_ room: inout Room) { swap(&self.room, &room) }

    mutating func read(into user: inout [UInt8]) throws(ValueTrouble) -> Bool {
        guard let first = cursor.peek(),
            [0x80, UInt8(ascii: "("), UInt8(ascii: "}")].contains(first)
        else { throw .otherForm }
        while true {
            let code = try cursor.next()
            if code == UInt8(ascii: ".") { break }
            try run(code)
        }
        guard cursor.peek() == nil else { throw .malformed }
        guard case .dictionary(let found)? = room.stack.last else { throw .otherForm }
        switch found {
        case .none: return false
        case .text(let offset, let count):
            guard count <= UserFinder.userByteCountMax else { throw .userTooLong }
            cursor.seek(to: offset)
            try cursor.take(count, into: &user)
        case .number(let number): user.append(contentsOf: Array(String(number).utf8))
        case .trouble(let trouble): throw trouble
        }
        return !user.isEmpty
    }

    // MARK: The machine

    private mutating func run(_ code: UInt8) throws(ValueTrouble) {
        switch code {
        case 0x8C: try pushText(Int(try cursor.next()))
        case UInt8(ascii: "X"): try pushText(Int(try cursor.littleEndian(4)))
        case 0x8D: try pushText(try length(8))
        case 0x94:
            guard let last = room.stack.last else { throw .malformed }
            remember(last)
        case UInt8(ascii: "h"): try recall(Int(try cursor.next()))
        case UInt8(ascii: "j"): try recall(Int(try cursor.littleEndian(4)))
        case UInt8(ascii: "q"): try remember(at: Int(try cursor.next()))
        case UInt8(ascii: "r"): try remember(at: Int(try cursor.littleEndian(4)))
        case UInt8(ascii: "("): try mark()
        case UInt8(ascii: "}"): try push(.dictionary(.none))
        case UInt8(ascii: "s"):
            guard let value = room.stack.popLast(), let key = room.stack.popLast(),
                let last = room.stack.indices.last
            else { throw .malformed }
            set(key, value, of: last)
        case UInt8(ascii: "u"): try setItems()
        case UInt8(ascii: "d"): try makeDictionary()
        case UInt8(ascii: "N"), 0x89: try push(.nothing)
        case UInt8(ascii: "K"): try push(.number(Int64(try cursor.next())))
        case UInt8(ascii: "M"): try push(.number(Int64(try cursor.littleEndian(2))))
        case UInt8(ascii: "J"):
            try push(
                .number(Int64(Int32(truncatingIfNeeded: try cursor.littleEndian(4)))))
        case 0x8A: try pushLong(Int(try cursor.next()))
        case 0x80:
            guard try cursor.next() <= 5 else { throw .otherForm }
        case 0x95: try cursor.skip(8)
        default: try runRest(code)
        }
    }

    /// What matters only by how many things it takes and leaves.
    private mutating func runRest(_ code: UInt8) throws(ValueTrouble) {
        switch code {
        // Constants.
        case UInt8(ascii: "G"): try skip(8)
        case UInt8(ascii: "]"), UInt8(ascii: ")"), 0x8F, 0x88, 0x97: try push(.other)
        case UInt8(ascii: "C"), UInt8(ascii: "U"): try skip(Int(try cursor.next()))
        case UInt8(ascii: "B"), UInt8(ascii: "T"), 0x8B: try skip(try length(4))
        case 0x8E, 0x96: try skip(try length(8))
        case 0x82: try skip(1)
        case 0x83: try skip(2)
        case 0x84: try skip(4)
        // Up to the mark.
        case UInt8(ascii: "e"), 0x90: _ = try takeToMark()
        case UInt8(ascii: "l"), UInt8(ascii: "t"), UInt8(ascii: "o"), 0x91:
            _ = try takeToMark()
            try push(.other)
        case UInt8(ascii: "1"): _ = try takeToMark()
        // Of what is on top.
        case UInt8(ascii: "0"): try pop(1)
        case UInt8(ascii: "2"): try push(room.stack.last ?? .unknown)
        case UInt8(ascii: "a"), UInt8(ascii: "b"): try pop(1)
        case UInt8(ascii: "R"), 0x81, 0x86, 0x93: try replace(2)
        case 0x92, 0x87: try replace(3)
        case UInt8(ascii: "Q"), 0x85, 0x98: try replace(1)
        default: try runLine(code)
        }
    }

    /// Protocol 0 has its arguments in lines.
    private mutating func runLine(_ code: UInt8) throws(ValueTrouble) {
        switch code {
        case UInt8(ascii: "V"), UInt8(ascii: "S"):
            let start = cursor.offset
            try cursor.skip(to: 10)
            let end = cursor.offset
            // Python 2's have quotation marks.
            let margin = code == UInt8(ascii: "S") ? 1 : 0
            guard end - start >= 2 * margin else { throw .malformed }
            cursor.seek(to: start + margin)
            try pushText(end - start - 2 * margin)
            try skipLine()
        case UInt8(ascii: "I"), UInt8(ascii: "L"):
            var digits: [UInt8] = []
            var byte = try cursor.next()
            while byte != 10 {
                guard digits.count < UserFinder.numberByteCountMax else { throw .malformed }
                digits.append(byte)
                byte = try cursor.next()
            }
            if digits.last == UInt8(ascii: "L") { digits.removeLast() }
            let text = String(decoding: digits, as: UTF8.self)
            // `00` and `01` are truths.
            try push(
                text.hasPrefix("0") && text != "0"
                    ? .other : Int64(text).map { .number($0) } ?? .other)
        case UInt8(ascii: "p"): try remember(at: try lineNumber())
        case UInt8(ascii: "g"): try recall(try lineNumber())
        case UInt8(ascii: "F"), UInt8(ascii: "P"):
            try skipLine()
            try push(.other)
        case UInt8(ascii: "c"):
            try skipLine()
            try skipLine()
            try push(.other)
        case UInt8(ascii: "i"):
            try skipLine()
            try skipLine()
            _ = try takeToMark()
            try push(.other)
        default: throw .malformed
        }
    }

    private mutating func skipLine() throws(ValueTrouble) {
        try cursor.skip(to: 10)
        cursor.step()
    }

    private mutating func lineNumber() throws(ValueTrouble) -> Int {
        var number = 0
        while true {
            let byte = try cursor.next()
            if byte == 10 { return number }
            guard byte &- UInt8(ascii: "0") < 10, number < 1 << 40 else { throw .malformed }
            number = number * 10 + Int(byte - UInt8(ascii: "0"))
        }
    }

    private mutating func length(_ byteCount: Int) throws(ValueTrouble) -> Int {
        guard let count = Int(exactly: try cursor.littleEndian(byteCount)) else { throw .cutOff }
        return count
    }

    // MARK: The stack

    @inline(__always)
    private mutating func push(_ thing: Thing) throws(ValueTrouble) {
        guard room.stack.count < Self.stackCountMax else { throw .tooDeep }
        room.stack.append(thing)
    }

    private mutating func pushText(_ count: Int) throws(ValueTrouble) {
        let offset = cursor.offset
        let isName = try cursor.take(count, equals: name)
        try push(isName ? .name : .text(offset: offset, byteCount: count))
    }

    /// A number of any size, the last byte of which has the sign.
    private mutating func pushLong(_ count: Int) throws(ValueTrouble) {
        guard count <= 8 else { return try skip(count) }
        let bits = try cursor.littleEndian(count)
        guard count > 0 else { return try push(.number(0)) }
        let shift = UInt64(64 - 8 * count)
        try push(.number(Int64(bitPattern: bits << shift) >> Int64(shift)))
    }

    private mutating func skip(_ count: Int) throws(ValueTrouble) {
        try cursor.skip(count)
        try push(.other)
    }

    /// Not below what was there when the mark was made.
    private mutating func pop(_ count: Int) throws(ValueTrouble) {
        guard room.stack.count - (room.marks.last ?? 0) >= count else { throw .malformed }
        room.stack.removeLast(count)
    }

    private mutating func replace(_ count: Int) throws(ValueTrouble) {
        try pop(count)
        try push(.other)
    }

    private mutating func mark() throws(ValueTrouble) {
        guard room.marks.count < Self.stackCountMax else { throw .tooDeep }
        room.marks.append(room.stack.count)
    }

    /// Takes all from the last mark on away.
    private mutating func takeToMark() throws(ValueTrouble) -> Int {
        guard let mark = room.marks.popLast(), mark <= room.stack.count else { throw .malformed }
        room.stack.removeLast(room.stack.count - mark)
        return mark
    }

    // MARK: Dictionaries

    private mutating func setItems() throws(ValueTrouble) {
        guard let mark = room.marks.popLast(), mark > 0, mark <= room.stack.count,
            (room.stack.count - mark) % 2 == 0
        else { throw .malformed }
        for place in stride(from: mark, to: room.stack.count, by: 2) {
            set(room.stack[place], room.stack[place + 1], of: mark - 1)
        }
        room.stack.removeLast(room.stack.count - mark)
    }

    private mutating func makeDictionary() throws(ValueTrouble) {
        guard let mark = room.marks.last else { throw .malformed }
        guard mark <= room.stack.count else { throw .malformed }
        room.stack.insert(.dictionary(.none), at: mark)
        room.marks[room.marks.count - 1] = mark + 1
        try setItems()
    }

    @inline(__always)
    private mutating func set(_ key: Thing, _ value: Thing, of place: Int) {
        guard case .name = key, case .dictionary = room.stack[place] else { return }
        let user: User =
            switch value {
            case .text(let offset, let count): .text(offset: offset, byteCount: count)
            // The field's own name.
            case .name: .trouble(.reference)
            case .number(let number): .number(number)
            case .nothing: .none
            case .unknown: .trouble(.reference)
            case .other, .dictionary: .trouble(.noUser)
            }
        room.stack[place] = .dictionary(user)
    }

    // MARK: The memory

    private mutating func remember(_ thing: Thing) {
        guard room.memo.count < Self.memoCountMax else { return }
        room.memo.append(Self.kept(thing))
    }

    /// What is set in a dictionary later is not in what is remembered of it here.
    private static func kept(_ thing: Thing) -> Thing {
        if case .dictionary = thing { .unknown } else { thing }
    }

    private mutating func remember(at number: Int) throws(ValueTrouble) {
        guard let last = room.stack.last else { throw .malformed }
        guard number < Self.memoCountMax else { return }
        while room.memo.count <= number { room.memo.append(.unknown) }
        room.memo[number] = Self.kept(last)
    }

    private mutating func recall(_ number: Int) throws(ValueTrouble) {
        try push(room.memo.indices.contains(number) ? room.memo[number] : .unknown)
    }
}
