/// Python's pickle of a dictionary, by protocols 0 to 5: a program for a machine with a stack, of which only the kinds
/// of things are followed here. Nothing is made, imported or called.
///
/// A field counts where it is set in the dictionary that the program leaves in the end. The stack has a bound, and
/// what is remembered for later use is that of the first ones: a user that refers to a later one is a reference.
struct PickleReading {
    /// What is on the stack: its kind and, of some, where a text is or which number it is.
    struct Thing {
        enum Kind: UInt8 {
            case other
            /// A text that says the field's name.
            case name
            case text
            case number
            case nothing
            /// Not remembered.
            case unknown
            // A dictionary, and what it has under the field's name.
            case dictionary, dictionaryWithText, dictionaryWithNumber
            case dictionaryWithReference, dictionaryWithoutUser
        }

        var kind: Kind
        var byteCount: UInt32 = 0
        /// A number, or where a text begins.
        var number: Int64 = 0

        @inline(__always)
        init(_ kind: Kind) { self.kind = kind }

        @inline(__always)
        init(number: Int64) {
            kind = .number
            self.number = number
        }

        @inline(__always)
        var isDictionary: Bool { kind.rawValue >= Kind.dictionary.rawValue }
    }

    /// Memory that is used again and again; the kernel gives it as it is touched.
    final class Room {
        fileprivate let stack = UnsafeMutablePointer<Thing>.allocate(capacity: stackCountMax)
        fileprivate let memo = UnsafeMutablePointer<Thing>.allocate(capacity: memoCountMax)
        fileprivate let marks = UnsafeMutablePointer<Int>.allocate(capacity: stackCountMax)

        deinit {
            stack.deallocate()
            memo.deallocate()
            marks.deallocate()
        }
    }

    static let stackCountMax = 65_536
    static let memoCountMax = 65_536

    private var cursor: ValueCursor
    private let name: [UInt8]
    // Of the room, which the caller keeps meanwhile.
    private let stack: UnsafeMutablePointer<Thing>
    private let memo: UnsafeMutablePointer<Thing>
    private let marks: UnsafeMutablePointer<Int>
    private var count = 0
    private var markCount = 0
    private var memoCount = 0

    init(_ cursor: ValueCursor, _ name: [UInt8], room: Room) {
        self.cursor = cursor
        self.name = name
        stack = room.stack
        memo = room.memo
        marks = room.marks
    }

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
        guard count > 0, stack[count - 1].isDictionary else { throw .otherForm }
        let found = stack[count - 1]
        switch found.kind {
        case .dictionaryWithText:
            guard found.byteCount <= UserFinder.userByteCountMax else { throw .userTooLong }
            cursor.seek(to: Int(found.number))
            try cursor.take(Int(found.byteCount), into: &user)
        case .dictionaryWithNumber: user.append(contentsOf: Array(String(found.number).utf8))
        case .dictionaryWithReference: throw .reference
        case .dictionaryWithoutUser: throw .noUser
        default: return false
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
            guard count > 0 else { throw .malformed }
            if memoCount < Self.memoCountMax {
                memo[memoCount] = Self.kept(stack[count - 1])
                memoCount &+= 1
            }
        case UInt8(ascii: "h"): try recall(Int(try cursor.next()))
        case UInt8(ascii: "j"): try recall(Int(try cursor.littleEndian(4)))
        case UInt8(ascii: "q"): try remember(at: Int(try cursor.next()))
        case UInt8(ascii: "r"): try remember(at: Int(try cursor.littleEndian(4)))
        case UInt8(ascii: "("): try mark()
        case UInt8(ascii: "}"): try push(Thing(.dictionary))
        case UInt8(ascii: "s"):
            guard count >= 3 else { throw .malformed }
            set(stack[count - 2], stack[count - 1], of: count - 3)
            count &-= 2
        case UInt8(ascii: "u"): try setItems()
        case UInt8(ascii: "d"): try makeDictionary()
        case UInt8(ascii: "N"), 0x89: try push(Thing(.nothing))
        case UInt8(ascii: "K"): try push(Thing(number: Int64(try cursor.next())))
        case UInt8(ascii: "M"): try push(Thing(number: Int64(try cursor.littleEndian(2))))
        case UInt8(ascii: "J"):
            try push(Thing(number: Int64(Int32(truncatingIfNeeded: try cursor.littleEndian(4)))))
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
        case UInt8(ascii: "]"), UInt8(ascii: ")"), 0x8F, 0x88, 0x97: try push(Thing(.other))
        case UInt8(ascii: "C"), UInt8(ascii: "U"): try skip(Int(try cursor.next()))
        case UInt8(ascii: "B"), UInt8(ascii: "T"), 0x8B: try skip(try length(4))
        case 0x8E, 0x96: try skip(try length(8))
        case 0x82: try skip(1)
        case 0x83: try skip(2)
        case 0x84: try skip(4)
        // Up to the mark.
        case UInt8(ascii: "e"), 0x90: try takeToMark()
        case UInt8(ascii: "l"), UInt8(ascii: "t"), UInt8(ascii: "o"), 0x91:
            try takeToMark()
            try push(Thing(.other))
        case UInt8(ascii: "1"): try takeToMark()
        // Of what is on top.
        case UInt8(ascii: "0"): try pop(1)
        case UInt8(ascii: "2"): try push(count > 0 ? stack[count - 1] : Thing(.unknown))
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
            let isTruth = text.hasPrefix("0") && text != "0"
            try push(
                isTruth ? Thing(.other) : Int64(text).map { Thing(number: $0) } ?? Thing(.other))
        case UInt8(ascii: "p"): try remember(at: try lineNumber())
        case UInt8(ascii: "g"): try recall(try lineNumber())
        case UInt8(ascii: "F"), UInt8(ascii: "P"):
            try skipLine()
            try push(Thing(.other))
        case UInt8(ascii: "c"):
            try skipLine()
            try skipLine()
            try push(Thing(.other))
        case UInt8(ascii: "i"):
            try skipLine()
            try skipLine()
            try takeToMark()
            try push(Thing(.other))
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
        guard count < Self.stackCountMax else { throw .tooDeep }
        stack[count] = thing
        count &+= 1
    }

    @inline(__always)
    private mutating func pushText(_ byteCount: Int) throws(ValueTrouble) {
        let offset = cursor.offset
        var thing = Thing(.name)
        if try !cursor.take(byteCount, equals: name) {
            thing.kind = .text
            thing.number = Int64(offset)
            // A longer one is no user.
            thing.byteCount = UInt32(clamping: byteCount)
        }
        try push(thing)
    }

    /// A number of any size, the last byte of which has the sign.
    private mutating func pushLong(_ count: Int) throws(ValueTrouble) {
        guard count <= 8 else { return try skip(count) }
        let bits = try cursor.littleEndian(count)
        guard count > 0 else { return try push(Thing(number: 0)) }
        let shift = UInt64(64 - 8 * count)
        try push(Thing(number: Int64(bitPattern: bits << shift) >> Int64(shift)))
    }

    private mutating func skip(_ count: Int) throws(ValueTrouble) {
        try cursor.skip(count)
        try push(Thing(.other))
    }

    /// Not below what was there when the mark was made.
    private mutating func pop(_ amount: Int) throws(ValueTrouble) {
        let floor = markCount > 0 ? marks[markCount - 1] : 0
        guard count - floor >= amount else { throw .malformed }
        count -= amount
    }

    private mutating func replace(_ count: Int) throws(ValueTrouble) {
        try pop(count)
        try push(Thing(.other))
    }

    private mutating func mark() throws(ValueTrouble) {
        guard markCount < Self.stackCountMax else { throw .tooDeep }
        marks[markCount] = count
        markCount += 1
    }

    /// Takes the last mark away, and says where it was.
    private mutating func takeMark() throws(ValueTrouble) -> Int {
        guard markCount > 0, marks[markCount - 1] <= count else { throw .malformed }
        markCount -= 1
        return marks[markCount]
    }

    /// Takes all from the last mark on away.
    private mutating func takeToMark() throws(ValueTrouble) { count = try takeMark() }

    // MARK: Dictionaries

    private mutating func setItems() throws(ValueTrouble) {
        let mark = try takeMark()
        guard mark > 0 else { throw .malformed }
        try setItems(from: mark, of: mark - 1)
        count = mark
    }

    private mutating func setItems(from start: Int, of place: Int) throws(ValueTrouble) {
        guard (count - start) % 2 == 0 else { throw .malformed }
        var item = start
        while item < count {
            set(stack[item], stack[item + 1], of: place)
            item += 2
        }
    }

    /// Protocol 0 makes one of what is behind the mark.
    private mutating func makeDictionary() throws(ValueTrouble) {
        let mark = try takeMark()
        try push(Thing(.dictionary))
        count -= 1
        let place = count
        try setItems(from: mark, of: place)
        stack[mark] = stack[place]
        count = mark + 1
    }

    @inline(__always)
    private mutating func set(_ key: Thing, _ value: Thing, of place: Int) {
        guard key.kind == .name, stack[place].isDictionary else { return }
        var dictionary = value
        switch value.kind {
        case .text: dictionary.kind = .dictionaryWithText
        case .number: dictionary.kind = .dictionaryWithNumber
        case .nothing: dictionary.kind = .dictionary
        // The field's own name, or what is not remembered.
        case .name, .unknown: dictionary.kind = .dictionaryWithReference
        default: dictionary.kind = .dictionaryWithoutUser
        }
        stack[place] = dictionary
    }

    // MARK: The memory

    /// What is set in a dictionary later is not in what is remembered of it here.
    @inline(__always)
    private static func kept(_ thing: Thing) -> Thing {
        thing.isDictionary ? Thing(.unknown) : thing
    }

    private mutating func remember(at number: Int) throws(ValueTrouble) {
        guard count > 0 else { throw .malformed }
        guard number < Self.memoCountMax else { return }
        while memoCount <= number {
            memo[memoCount] = Thing(.unknown)
            memoCount += 1
        }
        memo[number] = Self.kept(stack[count - 1])
    }

    @inline(__always)
    private mutating func recall(_ number: Int) throws(ValueTrouble) {
        try push(number < memoCount ? memo[number] : Thing(.unknown))
    }
}
