/// MD5 (RFC 1321), for placement only: it is broken for anything that wants a secret or a signature.
///
/// Our own, because this is the hot path of the most used strategies: swift-crypto's brings in BoringSSL,
/// allocates a context per digest and works through `Data`-like collections, where one block of a key
/// is all that is needed here. Most keys are shorter than 56 bytes and take exactly one block.
enum MD5 {
    /// A digest as the four little-endian words that ketama uses.
    struct Digest: Equatable {
        var a: UInt32 = 0x6745_2301
        var b: UInt32 = 0xefcd_ab89
        var c: UInt32 = 0x98ba_dcfe
        var d: UInt32 = 0x1032_5476
    }

    static func digest(_ bytes: RawSpan) -> Digest {
        bytes.withUnsafeBytes { digest($0) }
    }

    /// Never allocates.
    static func digest(_ bytes: UnsafeRawBufferPointer) -> Digest {
        var digest = Digest()
        var offset = 0
        while bytes.count - offset >= 64, let base = bytes.baseAddress {
            digest.add(Block(base + offset))
            offset += 64
        }
        // What is left, a one bit, zeros, and the length in bits.
        var tail: InlineArray<32, UInt32> = .init(repeating: 0)
        let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        let blockCount = rest.count < 56 ? 1 : 2
        let bitCount = UInt64(bytes.count) &* 8
        withUnsafeMutableBytes(of: &tail) { tail in
            tail.copyMemory(from: rest)
            tail[rest.count] = 0x80
            tail.storeBytes(
                of: bitCount.littleEndian, toByteOffset: blockCount * 64 - 8, as: UInt64.self)
        }
        withUnsafeBytes(of: &tail) { tail in
            guard let base = tail.baseAddress else { return }
            digest.add(Block(base))
            if blockCount == 2 { digest.add(Block(base + 64)) }
        }
        return digest
    }

    /// Sixteen little-endian words.
    struct Block {
        private let base: UnsafeRawPointer

        /// - Parameter base: 64 bytes that outlive the block.
        @inline(__always) init(_ base: UnsafeRawPointer) { self.base = base }

        @inline(__always) subscript(_ word: Int) -> UInt32 {
            UInt32(littleEndian: base.loadUnaligned(fromByteOffset: word * 4, as: UInt32.self))
        }
    }
}

extension MD5.Digest {
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
    mutating func add(_ m: MD5.Block) {
        var (a, b, c, d) = (a, b, c, d)
        Self.f(&a, b, c, d, m[0], 7, 0xd76a_a478)
        Self.f(&d, a, b, c, m[1], 12, 0xe8c7_b756)
        Self.f(&c, d, a, b, m[2], 17, 0x2420_70db)
        Self.f(&b, c, d, a, m[3], 22, 0xc1bd_ceee)
        Self.f(&a, b, c, d, m[4], 7, 0xf57c_0faf)
        Self.f(&d, a, b, c, m[5], 12, 0x4787_c62a)
        Self.f(&c, d, a, b, m[6], 17, 0xa830_4613)
        Self.f(&b, c, d, a, m[7], 22, 0xfd46_9501)
        Self.f(&a, b, c, d, m[8], 7, 0x6980_98d8)
        Self.f(&d, a, b, c, m[9], 12, 0x8b44_f7af)
        Self.f(&c, d, a, b, m[10], 17, 0xffff_5bb1)
        Self.f(&b, c, d, a, m[11], 22, 0x895c_d7be)
        Self.f(&a, b, c, d, m[12], 7, 0x6b90_1122)
        Self.f(&d, a, b, c, m[13], 12, 0xfd98_7193)
        Self.f(&c, d, a, b, m[14], 17, 0xa679_438e)
        Self.f(&b, c, d, a, m[15], 22, 0x49b4_0821)

        Self.g(&a, b, c, d, m[1], 5, 0xf61e_2562)
        Self.g(&d, a, b, c, m[6], 9, 0xc040_b340)
        Self.g(&c, d, a, b, m[11], 14, 0x265e_5a51)
        Self.g(&b, c, d, a, m[0], 20, 0xe9b6_c7aa)
        Self.g(&a, b, c, d, m[5], 5, 0xd62f_105d)
        Self.g(&d, a, b, c, m[10], 9, 0x0244_1453)
        Self.g(&c, d, a, b, m[15], 14, 0xd8a1_e681)
        Self.g(&b, c, d, a, m[4], 20, 0xe7d3_fbc8)
        Self.g(&a, b, c, d, m[9], 5, 0x21e1_cde6)
        Self.g(&d, a, b, c, m[14], 9, 0xc337_07d6)
        Self.g(&c, d, a, b, m[3], 14, 0xf4d5_0d87)
        Self.g(&b, c, d, a, m[8], 20, 0x455a_14ed)
        Self.g(&a, b, c, d, m[13], 5, 0xa9e3_e905)
        Self.g(&d, a, b, c, m[2], 9, 0xfcef_a3f8)
        Self.g(&c, d, a, b, m[7], 14, 0x676f_02d9)
        Self.g(&b, c, d, a, m[12], 20, 0x8d2a_4c8a)

        Self.h(&a, b, c, d, m[5], 4, 0xfffa_3942)
        Self.h(&d, a, b, c, m[8], 11, 0x8771_f681)
        Self.h(&c, d, a, b, m[11], 16, 0x6d9d_6122)
        Self.h(&b, c, d, a, m[14], 23, 0xfde5_380c)
        Self.h(&a, b, c, d, m[1], 4, 0xa4be_ea44)
        Self.h(&d, a, b, c, m[4], 11, 0x4bde_cfa9)
        Self.h(&c, d, a, b, m[7], 16, 0xf6bb_4b60)
        Self.h(&b, c, d, a, m[10], 23, 0xbebf_bc70)
        Self.h(&a, b, c, d, m[13], 4, 0x289b_7ec6)
        Self.h(&d, a, b, c, m[0], 11, 0xeaa1_27fa)
        Self.h(&c, d, a, b, m[3], 16, 0xd4ef_3085)
        Self.h(&b, c, d, a, m[6], 23, 0x0488_1d05)
        Self.h(&a, b, c, d, m[9], 4, 0xd9d4_d039)
        Self.h(&d, a, b, c, m[12], 11, 0xe6db_99e5)
        Self.h(&c, d, a, b, m[15], 16, 0x1fa2_7cf8)
        Self.h(&b, c, d, a, m[2], 23, 0xc4ac_5665)

        Self.i(&a, b, c, d, m[0], 6, 0xf429_2244)
        Self.i(&d, a, b, c, m[7], 10, 0x432a_ff97)
        Self.i(&c, d, a, b, m[14], 15, 0xab94_23a7)
        Self.i(&b, c, d, a, m[5], 21, 0xfc93_a039)
        Self.i(&a, b, c, d, m[12], 6, 0x655b_59c3)
        Self.i(&d, a, b, c, m[3], 10, 0x8f0c_cc92)
        Self.i(&c, d, a, b, m[10], 15, 0xffef_f47d)
        Self.i(&b, c, d, a, m[1], 21, 0x8584_5dd1)
        Self.i(&a, b, c, d, m[8], 6, 0x6fa8_7e4f)
        Self.i(&d, a, b, c, m[15], 10, 0xfe2c_e6e0)
        Self.i(&c, d, a, b, m[6], 15, 0xa301_4314)
        Self.i(&b, c, d, a, m[13], 21, 0x4e08_11a1)
        Self.i(&a, b, c, d, m[4], 6, 0xf753_7e82)
        Self.i(&d, a, b, c, m[11], 10, 0xbd3a_f235)
        Self.i(&c, d, a, b, m[2], 15, 0x2ad7_d2bb)
        Self.i(&b, c, d, a, m[9], 21, 0xeb86_d391)
        self.a &+= a
        self.b &+= b
        self.c &+= c
        self.d &+= d
    }
}
