/// A 64-bit hash of a key, seeded per map so that nobody can choose keys that collide.
///
/// This is wyhash's final version (public domain, github.com/wangyi-fudan/wyhash) restricted to
/// what keys need. About 11 ns for a 40-byte key.
struct KeyHash {
    let seed: UInt64

    @inline(__always)
    func hash(_ key: Span<UInt8>) -> UInt64 {
        key.withUnsafeBytes { bytes in
            hash(bytes)
        }
    }

    func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let count = bytes.count
        var seed = self.seed ^ Self.mix(self.seed ^ Self.secret0, Self.secret1)
        var a: UInt64 = 0
        var b: UInt64 = 0
        if count <= 16 {
            if count >= 4 {
                let middle = (count >> 3) << 2
                a = Self.read4(bytes, 0) << 32 | Self.read4(bytes, middle)
                b = Self.read4(bytes, count - 4) << 32 | Self.read4(bytes, count - 4 - middle)
            } else if count > 0 {
                a =
                    UInt64(bytes[0]) << 16 | UInt64(bytes[count >> 1]) << 8
                    | UInt64(bytes[count - 1])
            }
        } else {
            var position = 0
            var left = count
            if left > 48 {
                var see1 = seed
                var see2 = seed
                repeat {
                    seed = Self.mix(
                        Self.read8(bytes, position) ^ Self.secret1,
                        Self.read8(bytes, position + 8) ^ seed)
                    see1 = Self.mix(
                        Self.read8(bytes, position + 16) ^ Self.secret2,
                        Self.read8(bytes, position + 24) ^ see1)
                    see2 = Self.mix(
                        Self.read8(bytes, position + 32) ^ Self.secret3,
                        Self.read8(bytes, position + 40) ^ see2)
                    position += 48
                    left -= 48
                } while left > 48
                seed ^= see1 ^ see2
            }
            while left > 16 {
                seed = Self.mix(
                    Self.read8(bytes, position) ^ Self.secret1,
                    Self.read8(bytes, position + 8) ^ seed)
                position += 16
                left -= 16
            }
            a = Self.read8(bytes, count - 16)
            b = Self.read8(bytes, count - 8)
        }
        let product = (a ^ Self.secret1).multipliedFullWidth(by: b ^ seed)
        return Self.mix(
            product.low ^ Self.secret0 ^ UInt64(truncatingIfNeeded: count),
            product.high ^ Self.secret1)
    }

    private static let secret0: UInt64 = 0x2d35_8dcc_aa6c_78a5
    private static let secret1: UInt64 = 0x8bb8_4b93_962e_acc9
    private static let secret2: UInt64 = 0x4b33_a62e_d433_d4a3
    private static let secret3: UInt64 = 0x4d5a_2da5_1de1_aa47

    @inline(__always)
    private static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }

    @inline(__always)
    private static func read8(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset &+ 8 <= bytes.count)
        return bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    @inline(__always)
    private static func read4(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
        precondition(offset >= 0 && offset &+ 4 <= bytes.count)
        return UInt64(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}
