import MemcacheProtocol

/// One line for watchers, in memcached's words (its logger.c).
struct EventLine {
    /// A key of 250 bytes, all of them escaped, and the rest.
    static let byteCountMax = 1_024

    private var writer: ReplyWriter

    /// - Parameter room: of at least `byteCountMax` bytes.
    init(_ room: UnsafeMutableRawBufferPointer, wallMicroseconds: Int64, number: UInt64) {
        writer = ReplyWriter(room)
        let microseconds = UInt64(max(0, wallMicroseconds))
        writer.write("ts=")
        writer.write(decimal: microseconds / 1_000_000)
        writer.write(".")
        // memcached leaves the zeros out, so that .000005 reads .5.
        var place: UInt64 = 100_000
        while place > 0 {
            writer.write(decimal: microseconds / place % 10)
            place /= 10
        }
        writer.write(" gid=")
        writer.write(decimal: number)
    }

    var count: Int { writer.count }

    mutating func write(_ text: StaticString) { writer.write(text) }

    mutating func write(_ name: StaticString, _ number: some BinaryInteger) {
        writer.write(name)
        if number < 0 { writer.write("-") }
        writer.write(decimal: UInt64(number.magnitude))
    }

    mutating func write(_ name: StaticString, key: Span<UInt8>) {
        writer.write(name)
        key.withUnsafeBytes { writer.write(escaped: $0) }
    }

    mutating func write(_ name: StaticString, key: UnsafeRawBufferPointer) {
        writer.write(name)
        writer.write(escaped: key)
    }

    mutating func write(_ name: StaticString, _ text: String) {
        writer.write(name)
        var text = text
        text.withUTF8 { writer.skip($0.count).copyBytes(from: $0) }
    }
}
