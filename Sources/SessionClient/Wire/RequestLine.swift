/// Writes a command line into memory that has room for the longest one.
struct RequestLine {
    /// Verb, key, and every flag with its longest number: below 400 bytes.
    static let byteCountMax = 512

    private let room: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ room: UnsafeMutableRawBufferPointer) {
        precondition(room.count >= Self.byteCountMax, "a line needs its room")
        self.room = room
    }

    mutating func write(_ text: StaticString) {
        text.withUTF8Buffer { append(UnsafeRawBufferPointer($0)) }
    }

    mutating func write(key: CacheKey) {
        key.bytes.withUnsafeBytes { append($0) }
    }

    mutating func write(_ text: StaticString, _ number: UInt64) {
        write(text)
        write(number: number)
    }

    mutating func write(_ text: StaticString, signed number: Int32) {
        write(text)
        if number < 0 { write("-") }
        write(number: UInt64(number.magnitude))
    }

    /// Sixteen hexadecimal digits.
    mutating func writeOpaque(_ opaque: UInt64) {
        write(" O")
        for shift in stride(from: 60, through: 0, by: -4) {
            let digit = UInt8(opaque >> UInt64(shift) & 0xF)
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    private mutating func write(number: UInt64) {
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var rest = number
        var start = 20
        repeat {
            start -= 1
            digits[start] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        for place in start..<20 { append(digits[place]) }
    }

    private mutating func append(_ byte: UInt8) {
        room[count] = byte
        count += 1
    }

    private mutating func append(_ bytes: UnsafeRawBufferPointer) {
        UnsafeMutableRawBufferPointer(rebasing: room[count...]).copyMemory(from: bytes)
        count += bytes.count
    }
}
