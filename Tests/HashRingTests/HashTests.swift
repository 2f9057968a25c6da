import Testing

@testable import HashRing

/// Hashes against published check values; what they do to real keys is in the golden files.
@Suite(.timeLimit(.minutes(10)))
struct HashTests {
    private func bytes<Result>(
        _ text: String, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        Array(text.utf8).withUnsafeBytes(body)
    }

    @Test("Check values of the checksums")
    func checksums() {
        // Source: the catalogue of parametrised CRC algorithms; RFC 3174.
        #expect(bytes("123456789") { CRC32.checksum($0) } == 0xcbf4_3926)
        #expect(bytes("123456789") { Hashkit.crc16($0) } & 0xffff == 0x31c3)
        #expect(SHA1.prefix(Array("abc".utf8)) == 0xa999_3e36)
        #expect(SHA1.prefix([]) == 0xda39_a3ee)
        let twoBlocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
        #expect(SHA1.prefix(Array(twoBlocks.utf8)) == 0x8498_3e44)
    }

    @Test("A checksum of parts is the checksum of the whole")
    func parts() {
        var crc = CRC32()
        crc.updateDecimal(0)
        crc.updateDecimal(120_345)
        bytes("abcdefghij") { crc.update($0) }
        #expect(crc.checksum == bytes("0120345abcdefghij") { CRC32.checksum($0) })
    }

    @Test("MurmurHash3 of parts is that of the whole, at any cut")
    func murmur() {
        let text = "10.0.0.1:11211-session:0123456789"
        // Source: SMHasher's verification of the empty input with seeds 0 and 1.
        #expect(bytes("") { Murmur.hash3($0, seed: 0) } == 0)
        #expect(bytes("") { Murmur.hash3($0, seed: 1) } == 0x514e_28b7)
        let whole = bytes(text) { Murmur.hash3($0, seed: 0) }
        for cut in 0...text.utf8.count {
            var murmur = Murmur.State3(seed: 0)
            bytes(text) { all in
                murmur.update(UnsafeRawBufferPointer(rebasing: all[..<cut]))
                murmur.update(UnsafeRawBufferPointer(rebasing: all[cut...]))
            }
            #expect(murmur.finish() == whole)
        }
    }

    // Source: the xxhash package of Python.
    @Test(
        "XXH3 at every length's rule",
        arguments: [
            (0, 0x2d06_8005_38d3_94c2),
            (1, 0x13e6_08bc_156d_efed),
            (2, 0x1c90_74b9_3943_b86c),
            (3, 0xa908_8dda_485b_481c),
            (4, 0x6d92_53b1_6c8b_1ed3),
            (8, 0x6053_9db6_3047_1163),
            (9, 0xfeff_6683_61d7_23a8),
            (16, 0xb8c8_59b0_f030_b585),
            (17, 0x714a_0440_8e79_b80f),
            (32, 0x19ff_4ee1_d6ba_1a55),
            (33, 0x3e44_983a_d216_79c8),
            (64, 0x287e_b1fa_9e4b_e2c1),
            (96, 0xf084_e7cf_bc62_4743),
            (97, 0x1daa_8327_1a8e_7b7c),
            (128, 0x6742_5a03_6502_61bf),
            (129, 0xc664_bf33_11c6_abc4),
            (160, 0xd70d_ea8d_e694_b883),
            (240, 0x6455_6dc6_b462_a6cf),
            (241, 0x8bea_dd3a_8874_fe17),
            (250, 0x3b94_ffd8_f5d5_621b),
            (512, 0xf582_02b8_d901_9d1d),
            (1024, 0x9b81_661c_641c_72b1),
            (1025, 0x806c_2072_ed71_3576),
            (1088, 0x2f87_81e0_1841_f0da),
            (1089, 0x2a90_437f_e231_e7e8),
            (3000, 0xc891_78bb_873c_6b3d),
        ])
    func xxh3(count: Int, hash: UInt64) {
        let text = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 3) }
        #expect(text.withUnsafeBytes { XXH3.hash($0) } == hash)
    }
}
