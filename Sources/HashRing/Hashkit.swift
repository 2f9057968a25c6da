/// The smaller functions of libhashkit, libmemcached's collection of hashes, as twemproxy has them too.
///
/// Both are C and read keys as `char`, which has a sign on the machines they run on: a byte above 127
/// comes as a large number. ASCII keys never show that; others do.
enum Hashkit {
    @inline(__always) private static func signed(_ byte: UInt8) -> UInt32 {
        UInt32(truncatingIfNeeded: Int8(bitPattern: byte))
    }

    static func oneAtATime(_ key: UnsafeRawBufferPointer) -> UInt32 {
        var value: UInt32 = 0
        for byte in key {
            value &+= signed(byte)
            value &+= value << 10
            value ^= value >> 6
        }
        value &+= value << 3
        value ^= value >> 11
        value &+= value << 15
        return value
    }

    private static let prime32: UInt32 = 16_777_619
    private static let prime64: UInt64 = 0x100_0000_01b3
    private static let basis32: UInt32 = 2_166_136_261
    private static let basis64: UInt64 = 0xcbf2_9ce4_8422_2325

    static func fnv132(_ key: UnsafeRawBufferPointer) -> UInt32 {
        key.reduce(basis32) { $0 &* prime32 ^ signed($1) }
    }

    static func fnv1a32(_ key: UnsafeRawBufferPointer) -> UInt32 {
        key.reduce(basis32) { ($0 ^ signed($1)) &* prime32 }
    }

    /// The lower half of the 64-bit hash.
    static func fnv164(_ key: UnsafeRawBufferPointer) -> UInt32 {
        let hash = key.reduce(basis64) {
            $0 &* prime64 ^ UInt64(truncatingIfNeeded: Int8(bitPattern: $1))
        }
        return UInt32(truncatingIfNeeded: hash)
    }

    /// What is called FNV-1a of 64 bits there has a state of 32, which begins with and is multiplied by
    /// the lower halves of the 64-bit constants.
    static func fnv1a64(_ key: UnsafeRawBufferPointer) -> UInt32 {
        let prime = UInt32(truncatingIfNeeded: prime64)
        return key.reduce(UInt32(truncatingIfNeeded: basis64)) { ($0 ^ signed($1)) &* prime }
    }

    /// CRC-16/XMODEM.
    static func crc16(_ key: UnsafeRawBufferPointer) -> UInt32 {
        var crc: UInt32 = 0
        for byte in key {
            crc = crc << 8 ^ crc16Table[Int((crc >> 8 ^ UInt32(byte)) & 0xff)]
        }
        // The upper half is what was shifted out: it is part of twemproxy's value.
        return crc
    }

    private static let crc16Table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte) << 8) { crc, _ in
            (crc << 1 ^ (crc & 0x8000 == 0 ? 0 : 0x1021)) & 0xffff
        }
    }

    /// Paul Hsieh's SuperFastHash.
    static func hsieh(_ key: UnsafeRawBufferPointer) -> UInt32 {
        func half(_ offset: Int) -> UInt32 { UInt32(key[offset + 1]) << 8 &+ UInt32(key[offset]) }
        guard !key.isEmpty else { return 0 }
        var hash: UInt32 = 0
        var offset = 0
        while key.count - offset >= 4 {
            hash &+= half(offset)
            hash = hash << 16 ^ (half(offset + 2) << 11 ^ hash)
            hash &+= hash >> 11
            offset += 4
        }
        switch key.count - offset {
        case 3:
            hash &+= half(offset)
            hash ^= hash << 16
            hash ^= signed(key[offset + 2]) << 18
            hash &+= hash >> 11
        case 2:
            hash &+= half(offset)
            hash ^= hash << 11
            hash &+= hash >> 17
        case 1:
            hash &+= UInt32(key[offset])
            hash ^= hash << 10
            hash &+= hash >> 1
        default: break
        }
        hash ^= hash << 3
        hash &+= hash >> 5
        hash ^= hash << 4
        hash &+= hash >> 17
        hash ^= hash << 25
        hash &+= hash >> 6
        return hash
    }
}
