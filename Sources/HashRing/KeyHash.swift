extension Ring {
    /// What makes a number of a key, by twemproxy's names, which are libmemcached's where both have one.
    ///
    /// They are libhashkit's functions with all their peculiarities: several take bytes for signed, `fnv1a64`
    /// computes in 32 bits, and `crc32` keeps 15 bits. Do not correct them: they decide where keys are.
    public enum KeyHash: String, CaseIterable, Hashable, Sendable {
        /// Jenkins's one-at-a-time: libmemcached's default (pylibmc: `default`).
        case oneAtATime = "one_at_a_time"
        /// The first four bytes of the digest.
        case md5
        /// CRC-16/XMODEM; what is shifted out stays in the upper half.
        case crc16
        /// Fifteen bits of a CRC-32 (libmemcached, pylibmc: `crc`).
        case crc32
        /// All of a CRC-32.
        case crc32a
        /// FNV-1a of 32 bits.
        case fnv1a32 = "fnv1a_32"
        /// FNV-1 of 32 bits.
        case fnv132 = "fnv1_32"
        /// twemproxy's default.
        case fnv1a64 = "fnv1a_64"
        /// The lower half of FNV-1 of 64 bits.
        case fnv164 = "fnv1_64"
        /// Paul Hsieh's SuperFastHash.
        case hsieh
        /// MurmurHash2 with a seed that follows from the length.
        case murmur
        /// MurmurHash3 with the same seed; libmemcached only.
        case murmur3
        /// Bob Jenkins's lookup3.
        case jenkins
    }
}

extension Ring.KeyHash {
    /// The hash of a key. Never allocates.
    public func hash(_ key: RawSpan) -> UInt32 { key.withUnsafeBytes { hash($0) } }

    func hash(_ key: UnsafeRawBufferPointer) -> UInt32 {
        switch self {
        case .oneAtATime: Hashkit.oneAtATime(key)
        case .md5: MD5.firstWord(key)
        case .crc16: Hashkit.crc16(key)
        case .crc32: CRC32.checksum(key) >> 16 & 0x7fff
        case .crc32a: CRC32.checksum(key)
        case .fnv1a32: Hashkit.fnv1a32(key)
        case .fnv132: Hashkit.fnv132(key)
        case .fnv1a64: Hashkit.fnv1a64(key)
        case .fnv164: Hashkit.fnv164(key)
        case .hsieh: Hashkit.hsieh(key)
        case .murmur: Murmur.hash2(key, seed: 0xdead_beef &* UInt32(truncatingIfNeeded: key.count))
        case .murmur3: Murmur.hash3(key, seed: 0xdead_beef &* UInt32(truncatingIfNeeded: key.count))
        case .jenkins: Lookup3.hash(key)
        }
    }
}
