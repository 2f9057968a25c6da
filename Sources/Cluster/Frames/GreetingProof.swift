/// What only who knows the cluster's secret can make of two greetings, for one side of one link.
///
/// The greetings have new nonces, so a proof is good for their link alone; and the sides' proofs have
/// different labels, so one cannot be sent back as the other. What comes after it is neither encrypted nor
/// proven.
package enum GreetingProof {
    /// A message authentication code of 32 bytes under the cluster's secret: HMAC-SHA-256.
    package typealias Seal = (_ message: [UInt8]) -> [UInt8]

    package static let byteCount = 32

    enum Side: String {
        case acceptor = "sojourn acceptor"
        case dialler = "sojourn dialler"
    }

    static func make(
        by side: Side, dialler: Greeting, acceptor: Greeting, _ seal: Seal
    ) -> [UInt8] {
        var message = Array(side.rawValue.utf8)
        message.reserveCapacity(message.count + 2 * Greeting.byteCount)
        dialler.append(to: &message)
        acceptor.append(to: &message)
        let proof = seal(message)
        precondition(proof.count == byteCount, "a proof has 32 bytes")
        return proof
    }

    /// How long it takes does not tell where they differ.
    static func require(
        _ expected: [UInt8], _ came: some Collection<UInt8>
    ) throws(GreetingFailure) {
        var difference: UInt8 = expected.count == came.count ? 0 : 1
        for (one, other) in zip(expected, came) { difference |= one ^ other }
        guard difference == 0 else {
            throw .refuses(
                .wrongSecret, expected: "one with this cluster's secret", came: "another one")
        }
    }
}
