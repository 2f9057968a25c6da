/// CRC-32 as in Ethernet, zip and nginx: reflected, polynomial 0xedb88320.
///
/// A value under way can be extended, so that nothing has to be put together in memory first.
struct CRC32 {
    private var state: UInt32 = .max

    @inline(__always) mutating func update(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes { update(byte) }
    }

    @inline(__always) mutating func update(_ byte: UInt8) {
        state = state >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: state) ^ byte)]
    }

    /// The number as decimal digits, as a client does that writes it before a key.
    mutating func updateDecimal(_ number: Int) {
        precondition(number >= 0, "tries are counted upwards")
        if number >= 10 { updateDecimal(number / 10) }
        update(UInt8(ascii: "0") + UInt8(number % 10))
    }

    var checksum: UInt32 { ~state }

    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var crc = CRC32()
        crc.update(bytes)
        return crc.checksum
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { crc, _ in
            crc >> 1 ^ (crc & 1 == 0 ? 0 : 0xedb8_8320)
        }
    }
}
