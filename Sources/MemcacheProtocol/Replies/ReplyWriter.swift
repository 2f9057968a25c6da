/// Writes replies into room that was made for them; every write is checked against the room.
///
/// Public, though no application needs it: what is `package` is never inlined into other modules, with
/// `@inlinable` or without (Swift 6.3), and every reply is made of these writes.
public struct ReplyWriter {
    @usableFromInline let room: UnsafeMutableRawBufferPointer
    @usableFromInline var writtenByteCount = 0

    @inlinable @inline(__always)
    public init(_ room: UnsafeMutableRawBufferPointer) { self.room = room }

    /// Bytes that were written.
    @inlinable @inline(__always)
    public var count: Int { writtenByteCount }

    /// The next `count` bytes, for the caller to fill.
    @inlinable @inline(__always)
    public mutating func skip(_ count: Int) -> UnsafeMutableRawBufferPointer {
        precondition(
            count >= 0 && writtenByteCount &+ count <= room.count, "a reply without room")
        let start = room.baseAddress.unsafelyUnwrapped + writtenByteCount
        writtenByteCount &+= count
        return UnsafeMutableRawBufferPointer(start: start, count: count)
    }

    @inlinable @inline(__always)
    public mutating func write(_ text: StaticString) {
        let count = text.utf8CodeUnitCount
        skip(count).baseAddress.unsafelyUnwrapped
            .copyMemory(from: text.utf8Start, byteCount: count)
    }

    @inlinable @inline(__always)
    public mutating func write(decimal number: UInt64) {
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

    /// Writes a number as it stands in a binary packet.
    @inlinable @inline(__always)
    public mutating func write<Number: FixedWidthInteger>(bigEndian number: Number) {
        let place = skip(MemoryLayout<Number>.size)
        withUnsafeBytes(of: number.bigEndian) { place.copyMemory(from: $0) }
    }

    @inlinable @inline(__always)
    public mutating func write(_ bytes: Span<UInt8>) {
        let target = skip(bytes.count)
        bytes.withUnsafeBytes { target.copyMemory(from: $0) }
    }
}

/// Keys, in the four ways in which they are shown.
extension ReplyWriter {
    /// Writes a key as it is, for people and tools that expect it so, but for spaces and control bytes,
    /// which a key that was given in base64 may hold: they would end the word, or the line, and forge
    /// others. At most three times as many bytes.
    package mutating func write(lineSafe bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            if byte > UInt8(ascii: " "), byte != 0x7F {
                skip(1)[0] = byte
            } else {
                writeAsDigits(byte)
            }
        }
    }

    /// Writes bytes with all but letters, digits and `-._~` as `%` and two digits: at most three times
    /// as many.
    package mutating func write(escaped bytes: UnsafeRawBufferPointer) {
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

    /// Writes a key as a meta command has it: as it is, or in base64.
    mutating func write(metaKey key: Span<UInt8>, isEncoded: Bool) {
        guard isEncoded else { return write(key) }
        var target = skip(Base64.encodedByteCount(ofByteCount: key.count))
        Base64.encode(key) { byte in
            target[0] = byte
            target = UnsafeMutableRawBufferPointer(rebasing: target[1...])
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
