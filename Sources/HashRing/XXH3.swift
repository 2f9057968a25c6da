/// XXH3 in 64 bits with its default secret and no seed (Yann Collet), as in the proxy of memcached 1.6.
enum XXH3 {
    private typealias Bytes = UnsafeRawBufferPointer

    private static let prime32x1: UInt64 = 0x9e37_79b1
    private static let prime32x2: UInt64 = 0x85eb_ca77
    private static let prime32x3: UInt64 = 0xc2b2_ae3d
    private static let prime64x1: UInt64 = 0x9e37_79b1_85eb_ca87
    private static let prime64x2: UInt64 = 0xc2b2_ae3d_27d4_eb4f
    private static let prime64x3: UInt64 = 0x1656_67b1_9e37_79f9
    private static let prime64x4: UInt64 = 0x85eb_ca77_c2b2_ae63
    private static let prime64x5: UInt64 = 0x27d4_eb2f_1656_67c5

    static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        secret.withUnsafeBytes { secret in
            switch bytes.count {
            case 0: avalanche64(secret.word64(at: 56) ^ secret.word64(at: 64))
            case 1...3: upTo3(bytes, secret)
            case 4...8: upTo8(bytes, secret)
            case 9...16: upTo16(bytes, secret)
            case 17...128: upTo128(bytes, secret)
            case 129...240: upTo240(bytes, secret)
            default: long(bytes, secret)
            }
        }
    }

    private static func upTo3(_ bytes: Bytes, _ secret: Bytes) -> UInt64 {
        let count = bytes.count
        let combined =
            UInt32(bytes[0]) << 16 | UInt32(bytes[count >> 1]) << 24 | UInt32(bytes[count - 1])
            | UInt32(count) << 8
        return avalanche64(UInt64(combined) ^ UInt64(secret.word32(at: 0) ^ secret.word32(at: 4)))
    }

    private static func upTo8(_ bytes: Bytes, _ secret: Bytes) -> UInt64 {
        let first = UInt64(bytes.word32(at: 0))
        let last = UInt64(bytes.word32(at: bytes.count - 4))
        var hash = (last &+ first << 32) ^ secret.word64(at: 8) ^ secret.word64(at: 16)
        let factor: UInt64 = 0x9fb2_1c65_1e98_df25
        hash ^= hash.rotated(left: 49) ^ hash.rotated(left: 24)
        hash &*= factor
        hash ^= (hash >> 35) &+ UInt64(bytes.count)
        hash &*= factor
        return hash ^ hash >> 28
    }

    private static func upTo16(_ bytes: Bytes, _ secret: Bytes) -> UInt64 {
        let low = bytes.word64(at: 0) ^ secret.word64(at: 24) ^ secret.word64(at: 32)
        let high =
            bytes.word64(at: bytes.count - 8) ^ secret.word64(at: 40) ^ secret.word64(at: 48)
        return avalanche(UInt64(bytes.count) &+ low.byteSwapped &+ high &+ folded(low, high))
    }

    private static func upTo128(_ bytes: Bytes, _ secret: Bytes) -> UInt64 {
        var sum = UInt64(bytes.count) &* prime64x1
        // Sixteen bytes from either end, then the next ones, until they meet.
        for pair in 0...(bytes.count - 1) / 32 {
            sum &+= mixed16(bytes, pair * 16, secret, pair * 32)
            sum &+= mixed16(bytes, bytes.count - (pair + 1) * 16, secret, pair * 32 + 16)
        }
        return avalanche(sum)
    }

    private static func upTo240(_ bytes: Bytes, _ secret: Bytes) -> UInt64 {
        var sum = UInt64(bytes.count) &* prime64x1
        for piece in 0..<8 { sum &+= mixed16(bytes, piece * 16, secret, piece * 16) }
        sum = avalanche(sum)
        for piece in 8..<(bytes.count / 16) {
            sum &+= mixed16(bytes, piece * 16, secret, (piece - 8) * 16 + 3)
        }
        return avalanche(sum &+ mixed16(bytes, bytes.count - 16, secret, 136 - 17))
    }

    /// Eight sums over stripes of 64 bytes, scrambled after every sixteen.
    private static func long(_ bytes: Bytes, _ secret: Bytes) -> UInt64 {
        var sums: InlineArray<8, UInt64> = [
            prime32x3, prime64x1, prime64x2, prime64x3, prime64x4, prime32x2, prime64x5, prime32x1,
        ]
        func accumulate(_ offset: Int, _ secretOffset: Int) {
            for lane in 0..<8 {
                let word = bytes.word64(at: offset + lane * 8)
                let keyed = word ^ secret.word64(at: secretOffset + lane * 8)
                sums[lane ^ 1] &+= word
                sums[lane] &+= (keyed & 0xffff_ffff) &* (keyed >> 32)
            }
        }
        // The last stripe ends where the bytes end, and overlaps the one before.
        let last = bytes.count - 64
        for (number, offset) in stride(from: 0, to: last, by: 64).enumerated() {
            accumulate(offset, number % 16 * 8)
            if number % 16 == 15 {
                for lane in 0..<8 {
                    let sum = sums[lane] ^ sums[lane] >> 47 ^ secret.word64(at: 128 + lane * 8)
                    sums[lane] = sum &* prime32x1
                }
            }
        }
        accumulate(last, 192 - 64 - 7)
        var hash = UInt64(bytes.count) &* prime64x1
        for lane in stride(from: 0, to: 8, by: 2) {
            hash &+= folded(
                sums[lane] ^ secret.word64(at: 11 + lane * 8),
                sums[lane + 1] ^ secret.word64(at: 19 + lane * 8))
        }
        return avalanche(hash)
    }

    @inline(__always) private static func mixed16(
        _ bytes: Bytes, _ offset: Int, _ secret: Bytes, _ secretOffset: Int
    ) -> UInt64 {
        folded(
            bytes.word64(at: offset) ^ secret.word64(at: secretOffset),
            bytes.word64(at: offset + 8) ^ secret.word64(at: secretOffset + 8))
    }

    /// Both halves of the product, in one.
    @inline(__always) private static func folded(_ x: UInt64, _ y: UInt64) -> UInt64 {
        let product = x.multipliedFullWidth(by: y)
        return product.high ^ product.low
    }

    @inline(__always) private static func avalanche(_ hash: UInt64) -> UInt64 {
        let hash = (hash ^ hash >> 37) &* 0x1656_6791_9e37_79f9
        return hash ^ hash >> 32
    }

    @inline(__always) private static func avalanche64(_ hash: UInt64) -> UInt64 {
        var hash = (hash ^ hash >> 33) &* prime64x2
        hash = (hash ^ hash >> 29) &* prime64x3
        return hash ^ hash >> 32
    }

    private static let secret: [UInt8] = [
        0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad,
        0x1c,
        0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67,
        0x1f,
        0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72,
        0x21,
        0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26,
        0x4c,
        0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e,
        0xa3,
        0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac,
        0xd8,
        0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f,
        0x1d,
        0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73,
        0x64,
        0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63,
        0xeb,
        0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68,
        0x9e,
        0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31,
        0xce,
        0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40,
        0x7e,
    ]
}
