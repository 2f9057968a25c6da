import Testing

@testable import HashRing

@Suite(.timeLimit(.minutes(10)))
struct MD5Tests {
    private func hex(_ text: String) -> String {
        let digest = Array(text.utf8).withUnsafeBytes { MD5.digest($0) }
        #expect(Array(text.utf8).withUnsafeBytes { MD5.firstWord($0) } == digest.a)
        return [digest.a, digest.b, digest.c, digest.d].map { word in
            withUnsafeBytes(of: word.littleEndian) { bytes in
                bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            }
        }.joined()
    }

    // Source: RFC 1321, A.5.
    @Test(
        "The digests of RFC 1321",
        arguments: [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "d174ab98d277d9f5a5611c2c9f419d9f"
            ),
            (
                String(repeating: "1234567890", count: 8), "57edf4a22be3c955ac49da2e2107b67a"
            ),
        ])
    func vectors(text: String, digest: String) {
        #expect(hex(text) == digest)
    }

    // The lengths at which padding takes another block. Digests by coreutils' md5sum.
    @Test(
        "Lengths around a block",
        arguments: [
            (55, "04364420e25c512fd958a70738aa8f72"),
            (56, "668a72d5ba17f08e62dabcafad6db14b"),
            (57, "693037871c4a9d3d8685018905cb530a"),
            (63, "7dc2ca208106a2f703567bdff99d8981"),
            (64, "c1bb4f81d892b2d57947682aeb252456"),
            (65, "1bc932052302d074bdec39795fe00cf6"),
            (119, "ab347a5f68c8a443cfcddc633f12c24f"),
            (120, "fb98667f98096de92620b64f46e1c5b5"),
            (121, "e8bb0ccd83750100b37f4831cd5d7ee2"),
            (128, "d69cb61a6ee87200676eb0d4b90edbcb"),
            (250, "79c1514b2407bf4708dfb8ef4b6827d5"),
        ])
    func lengths(count: Int, digest: String) {
        #expect(hex(String(repeating: "x", count: count)) == digest)
    }
}
