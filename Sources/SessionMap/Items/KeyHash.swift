/// A 64-bit hash of a key, seeded per map so that nobody can choose keys that collide.
///
/// This is wyhash's final version restricted to what keys need. About 11 ns for a 40-byte key.
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
        var seed = self.seed ^ Wyhash.mix(self.seed ^ Wyhash.secret0, Wyhash.secret1)
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
                    seed = Wyhash.mix(
                        Self.read8(bytes, position) ^ Wyhash.secret1,
                        Self.read8(bytes, position + 8) ^ seed)
                    see1 = Wyhash.mix(
                        Self.read8(bytes, position + 16) ^ Wyhash.secret2,
                        Self.read8(bytes, position + 24) ^ see1)
                    see2 = Wyhash.mix(
                        Self.read8(bytes, position + 32) ^ Wyhash.secret3,
                        Self.read8(bytes, position + 40) ^ see2)
                    position += 48
                    left -= 48
                } while left > 48
                seed ^= see1 ^ see2
            }
            while left > 16 {
                seed = Wyhash.mix(
                    Self.read8(bytes, position) ^ Wyhash.secret1,
                    Self.read8(bytes, position + 8) ^ seed)
                position += 16
                left -= 16
            }
            a = Self.read8(bytes, count - 16)
            b = Self.read8(bytes, count - 8)
        }
        let product = (a ^ Wyhash.secret1).multipliedFullWidth(by: b ^ seed)
        return Wyhash.mix(
            product.low ^ Wyhash.secret0 ^ UInt64(truncatingIfNeeded: count),
            product.high ^ Wyhash.secret1)
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
