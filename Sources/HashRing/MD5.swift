/// MD5 (RFC 1321), for placement only: it is broken for anything that wants a secret or a signature.
///
/// Our own, because this is the hot path of the most used strategies: swift-crypto's would bring BoringSSL
/// into a module without dependencies. Most keys are shorter than 56 bytes and take one block: 64 steps, each
/// waiting for the one before. That is 98 ns in OpenSSL's assembler and 88 to 95 here, where three steps
/// can be left out, on the machine whose figures `cluster/clients/placement.md` has: most of a lookup's 97.
enum MD5 {
    /// A digest as the four little-endian words that ketama uses.
    struct Digest: Equatable {
        var a: UInt32 = 0x6745_2301
        var b: UInt32 = 0xefcd_ab89
        var c: UInt32 = 0x98ba_dcfe
        var d: UInt32 = 0x1032_5476
    }

    /// Never allocates.
    static func digest(_ bytes: UnsafeRawBufferPointer) -> Digest {
        var digest = Digest()
        var offset = 0
        while bytes.count - offset >= 64 {
            digest.add(Block(bytes, at: offset))
            offset += 64
        }
        let bitCount = UInt64(bytes.count) &* 8
        let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        if rest.count < 56 {
            digest.add(Block(last: rest, bitCount: bitCount))
        } else {
            digest.add(Block(last: rest, bitCount: nil))
            digest.add(Block(bitCount: bitCount))
        }
        return digest
    }

    /// The first word of a digest. For keys of one block three steps less than the digest: they do not
    /// change this word, and the optimizer leaves them out.
    static func firstWord(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        guard bytes.count < 56 else { return digest(bytes).a }
        var digest = Digest()
        digest.add(Block(last: bytes, bitCount: UInt64(bytes.count) &* 8))
        return digest.a
    }

    /// Sixteen little-endian words.
    struct Block {
        private var words: InlineArray<16, UInt32>

        /// 64 bytes of a message.
        @inline(__always) init(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
            words = .init { bytes.word32(at: offset + $0 * 4) }
        }

        /// What is left of a message, below 64 bytes, a one bit, zeros, and, unless it comes in a block of
        /// its own, the length.
        @inline(__always) init(last bytes: UnsafeRawBufferPointer, bitCount: UInt64?) {
            words = .init(repeating: 0)
            let wordCount = bytes.count / 4
            for word in 0..<wordCount { words[unchecked: word] = bytes.word32(at: word * 4) }
            let rest = bytes.partialWord32(at: wordCount * 4, count: bytes.count & 3)
            words[unchecked: wordCount] = rest | 0x80 << UInt32((bytes.count & 3) * 8)
            if let bitCount { setBitCount(bitCount) }
        }

        init(bitCount: UInt64) {
            words = .init(repeating: 0)
            setBitCount(bitCount)
        }

        @inline(__always) private mutating func setBitCount(_ bitCount: UInt64) {
            words[14] = UInt32(truncatingIfNeeded: bitCount)
            words[15] = UInt32(truncatingIfNeeded: bitCount >> 32)
        }

        @inline(__always) subscript(_ word: Int) -> UInt32 { words[unchecked: word] }
    }
}

extension MD5.Digest {
    /// One for each step. In memory that the optimizer does not see through: it would add literals last,
    /// behind the part of a step that waits for the step before, and a digest would take a sixth longer.
    /// Safe to share because nobody writes to it once it is made.
    private nonisolated(unsafe) static let constants: UnsafePointer<UInt32> = {
        let values: [UInt32] = [
            0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a,
            0xa830_4613, 0xfd46_9501, 0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
            0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821, 0xf61e_2562, 0xc040_b340,
            0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
            0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8,
            0x676f_02d9, 0x8d2a_4c8a, 0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
            0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70, 0x289b_7ec6, 0xeaa1_27fa,
            0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
            0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92,
            0xffef_f47d, 0x8584_5dd1, 0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
            0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
        ]
        let memory = UnsafeMutablePointer<UInt32>.allocate(capacity: values.count)
        memory.initialize(from: values, count: values.count)
        return UnsafePointer(memory)
    }()

    // The steps are dependent on one another, so their latency is the cost of a digest. The functions
    // are written so that what depends on the newest word (`x`) comes last.

    @inline(__always) private static func finish(
        _ sum: UInt32, _ mixed: UInt32, _ shift: UInt32, _ x: UInt32
    ) -> UInt32 {
        let turned = sum &+ mixed
        return (turned << shift | turned >> (32 - shift)) &+ x
    }

    @inline(__always) private static func f(
        _ w: inout UInt32, _ x: UInt32, _ y: UInt32, _ z: UInt32, _ word: UInt32, _ shift: UInt32,
        _ constant: UInt32
    ) {
        w = finish(w &+ word &+ constant, z ^ (x & (y ^ z)), shift, x)
    }

    @inline(__always) private static func g(
        _ w: inout UInt32, _ x: UInt32, _ y: UInt32, _ z: UInt32, _ word: UInt32, _ shift: UInt32,
        _ constant: UInt32
    ) {
        // Both halves have no bit in common, so adding them is joining them, and one can be early.
        w = finish(w &+ word &+ constant &+ (y & ~z), x & z, shift, x)
    }

    @inline(__always) private static func h(
        _ w: inout UInt32, _ x: UInt32, _ y: UInt32, _ z: UInt32, _ word: UInt32, _ shift: UInt32,
        _ constant: UInt32
    ) {
        w = finish(w &+ word &+ constant, x ^ (y ^ z), shift, x)
    }

    @inline(__always) private static func i(
        _ w: inout UInt32, _ x: UInt32, _ y: UInt32, _ z: UInt32, _ word: UInt32, _ shift: UInt32,
        _ constant: UInt32
    ) {
        w = finish(w &+ word &+ constant, y ^ (x | ~z), shift, x)
    }

    /// One block. Written out, because a loop over tables of words and shifts takes twice as long.
    @inline(__always) mutating func add(_ m: MD5.Block) {
        var (a, b, c, d) = (a, b, c, d)
        let k = Self.constants
        Self.f(&a, b, c, d, m[0], 7, k[0])
        Self.f(&d, a, b, c, m[1], 12, k[1])
        Self.f(&c, d, a, b, m[2], 17, k[2])
        Self.f(&b, c, d, a, m[3], 22, k[3])
        Self.f(&a, b, c, d, m[4], 7, k[4])
        Self.f(&d, a, b, c, m[5], 12, k[5])
        Self.f(&c, d, a, b, m[6], 17, k[6])
        Self.f(&b, c, d, a, m[7], 22, k[7])
        Self.f(&a, b, c, d, m[8], 7, k[8])
        Self.f(&d, a, b, c, m[9], 12, k[9])
        Self.f(&c, d, a, b, m[10], 17, k[10])
        Self.f(&b, c, d, a, m[11], 22, k[11])
        Self.f(&a, b, c, d, m[12], 7, k[12])
        Self.f(&d, a, b, c, m[13], 12, k[13])
        Self.f(&c, d, a, b, m[14], 17, k[14])
        Self.f(&b, c, d, a, m[15], 22, k[15])

        Self.g(&a, b, c, d, m[1], 5, k[16])
        Self.g(&d, a, b, c, m[6], 9, k[17])
        Self.g(&c, d, a, b, m[11], 14, k[18])
        Self.g(&b, c, d, a, m[0], 20, k[19])
        Self.g(&a, b, c, d, m[5], 5, k[20])
        Self.g(&d, a, b, c, m[10], 9, k[21])
        Self.g(&c, d, a, b, m[15], 14, k[22])
        Self.g(&b, c, d, a, m[4], 20, k[23])
        Self.g(&a, b, c, d, m[9], 5, k[24])
        Self.g(&d, a, b, c, m[14], 9, k[25])
        Self.g(&c, d, a, b, m[3], 14, k[26])
        Self.g(&b, c, d, a, m[8], 20, k[27])
        Self.g(&a, b, c, d, m[13], 5, k[28])
        Self.g(&d, a, b, c, m[2], 9, k[29])
        Self.g(&c, d, a, b, m[7], 14, k[30])
        Self.g(&b, c, d, a, m[12], 20, k[31])

        Self.h(&a, b, c, d, m[5], 4, k[32])
        Self.h(&d, a, b, c, m[8], 11, k[33])
        Self.h(&c, d, a, b, m[11], 16, k[34])
        Self.h(&b, c, d, a, m[14], 23, k[35])
        Self.h(&a, b, c, d, m[1], 4, k[36])
        Self.h(&d, a, b, c, m[4], 11, k[37])
        Self.h(&c, d, a, b, m[7], 16, k[38])
        Self.h(&b, c, d, a, m[10], 23, k[39])
        Self.h(&a, b, c, d, m[13], 4, k[40])
        Self.h(&d, a, b, c, m[0], 11, k[41])
        Self.h(&c, d, a, b, m[3], 16, k[42])
        Self.h(&b, c, d, a, m[6], 23, k[43])
        Self.h(&a, b, c, d, m[9], 4, k[44])
        Self.h(&d, a, b, c, m[12], 11, k[45])
        Self.h(&c, d, a, b, m[15], 16, k[46])
        Self.h(&b, c, d, a, m[2], 23, k[47])

        Self.i(&a, b, c, d, m[0], 6, k[48])
        Self.i(&d, a, b, c, m[7], 10, k[49])
        Self.i(&c, d, a, b, m[14], 15, k[50])
        Self.i(&b, c, d, a, m[5], 21, k[51])
        Self.i(&a, b, c, d, m[12], 6, k[52])
        Self.i(&d, a, b, c, m[3], 10, k[53])
        Self.i(&c, d, a, b, m[10], 15, k[54])
        Self.i(&b, c, d, a, m[1], 21, k[55])
        Self.i(&a, b, c, d, m[8], 6, k[56])
        Self.i(&d, a, b, c, m[15], 10, k[57])
        Self.i(&c, d, a, b, m[6], 15, k[58])
        Self.i(&b, c, d, a, m[13], 21, k[59])
        Self.i(&a, b, c, d, m[4], 6, k[60])
        Self.i(&d, a, b, c, m[11], 10, k[61])
        Self.i(&c, d, a, b, m[2], 15, k[62])
        Self.i(&b, c, d, a, m[9], 21, k[63])
        self.a &+= a
        self.b &+= b
        self.c &+= c
        self.d &+= d
    }
}
