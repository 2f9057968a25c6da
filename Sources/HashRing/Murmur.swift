/// Austin Appleby's MurmurHash2 and MurmurHash3, in 32 bits.
enum Murmur {
    static func hash2(_ bytes: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
        let factor: UInt32 = 0x5bd1_e995
        var hash = seed ^ UInt32(truncatingIfNeeded: bytes.count)
        var offset = 0
        while bytes.count - offset >= 4 {
            var word = bytes.word32(at: offset) &* factor
            word ^= word >> 24
            hash = hash &* factor ^ word &* factor
            offset += 4
        }
        if offset < bytes.count {
            hash ^= bytes.partialWord32(at: offset, count: bytes.count - offset)
            hash &*= factor
        }
        hash ^= hash >> 13
        hash &*= factor
        return hash ^ hash >> 15
    }

    static func hash3(_ bytes: UnsafeRawBufferPointer, seed: UInt32) -> UInt32 {
        var hash = State3(seed: seed)
        hash.update(bytes)
        return hash.finish()
    }

    /// MurmurHash3 of bytes that come in parts.
    struct State3 {
        private var hash: UInt32
        /// The bytes that do not make a word yet, lowest first.
        private var pending: UInt32 = 0
        private var count: UInt32 = 0

        init(seed: UInt32) { hash = seed }

        @inline(__always) private static func scrambled(_ word: UInt32) -> UInt32 {
            (word &* 0xcc9e_2d51).rotated(left: 15) &* 0x1b87_3593
        }

        @inline(__always) private mutating func mix(_ word: UInt32) {
            hash ^= Self.scrambled(word)
            hash = hash.rotated(left: 13) &* 5 &+ 0xe654_6b64
        }

        mutating func update(_ bytes: UnsafeRawBufferPointer) {
            let pendingBits = (count & 3) * 8
            var offset = 0
            while bytes.count - offset >= 4 {
                let word = bytes.word32(at: offset)
                mix(pending | word << pendingBits)
                pending = pendingBits == 0 ? 0 : word >> (32 - pendingBits)
                offset += 4
            }
            count &+= UInt32(truncatingIfNeeded: offset)
            for byte in bytes[offset...] {
                pending |= UInt32(byte) << ((count & 3) * 8)
                count &+= 1
                if count & 3 == 0 {
                    mix(pending)
                    pending = 0
                }
            }
        }

        func finish() -> UInt32 {
            var hash = hash ^ Self.scrambled(pending) ^ count
            hash ^= hash >> 16
            hash &*= 0x85eb_ca6b
            hash ^= hash >> 13
            hash &*= 0xc2b2_ae35
            return hash ^ hash >> 16
        }
    }
}
