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

extension ReplyWriter {
    /// Writes bytes with all but letters, digits and `-._~` as `%` and two digits: at most three times
    /// as many.
    mutating func write(escaped bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "_"), UInt8(ascii: "~"):
                skip(1)[0] = byte
            default: writeAsDigits(byte)
            }
        }
    }

    /// Writes a key as it is, for people and tools that expect it so, but for spaces and control bytes,
    /// which a key that was given in base64 may hold: they would end the word, or the line, and forge
    /// others. At most three times as many bytes.
    mutating func write(lineSafe bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            if byte > UInt8(ascii: " "), byte != 0x7F {
                skip(1)[0] = byte
            } else {
                writeAsDigits(byte)
            }
        }
    }

    private mutating func writeAsDigits(_ byte: UInt8) {
        let place = skip(3)
        place[0] = UInt8(ascii: "%")
        place[1] = Self.digit(byte >> 4)
        place[2] = Self.digit(byte & 15)
    }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
    }
}
