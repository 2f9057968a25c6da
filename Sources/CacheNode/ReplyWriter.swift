/// Writes a reply into room that was made for it; every write is checked against the room.
struct ReplyWriter {
    /// `VALUE`, the numbers, the spaces and the line's end: all of a value's line but its key.
    static let valueLineByteCountMax = 6 + 1 + 10 + 1 + 10 + 1 + 20 + 2

    private let room: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    @inline(__always)
    init(_ room: UnsafeMutableRawBufferPointer) { self.room = room }

    /// The next `count` bytes, for the caller to fill.
    @inline(__always)
    mutating func skip(_ count: Int) -> UnsafeMutableRawBufferPointer {
        precondition(count >= 0 && self.count &+ count <= room.count, "a reply without room")
        let start = room.baseAddress.unsafelyUnwrapped + self.count
        self.count &+= count
        return UnsafeMutableRawBufferPointer(start: start, count: count)
    }

    @inline(__always)
    mutating func write(_ text: StaticString) {
        let count = text.utf8CodeUnitCount
        skip(count).baseAddress.unsafelyUnwrapped
            .copyMemory(from: text.utf8Start, byteCount: count)
    }

    @inline(__always)
    mutating func write(decimal number: UInt64) {
        var digitCount = 1
        var rest = number
        while rest >= 10 {
            digitCount &+= 1
            rest /= 10
        }
        let digits = skip(digitCount).baseAddress.unsafelyUnwrapped
        var place = digitCount
        rest = number
        repeat {
            place &-= 1
            digits.storeBytes(
                of: UInt8(ascii: "0") &+ UInt8(truncatingIfNeeded: rest % 10),
                toByteOffset: place, as: UInt8.self)
            rest /= 10
        } while place > 0
    }
}
