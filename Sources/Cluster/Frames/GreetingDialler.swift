/// The side of a link that has dialled, until it knows whom it has reached.
package struct GreetingDialler {
    /// To be sent before anything has come.
    package var opening: [UInt8] {
        var bytes: [UInt8] = []
        own.append(to: &bytes)
        return bytes
    }

    private let own: Greeting
    private let versions: WireVersions
    private let seal: GreetingProof.Seal
    /// Less than 107 bytes.
    private var input: [UInt8] = []
    private var isOver = false

    /// - Parameters:
    ///   - own: whose version is what is offered.
    ///   - versions: those that are spoken here.
    package init(own: Greeting, versions: WireVersions, seal: @escaping GreetingProof.Seal) {
        precondition(
            (versions.oldest...versions.newest).contains(own.version),
            "only what is spoken here is offered")
        precondition(
            own.role == .front || own.from > own.to, "the member with the higher number dials")
        self.own = own
        self.versions = versions
        self.seal = seal
    }

    /// Takes what has come, cut as it may be. Not to be called when it is done, or has failed.
    package mutating func take(_ bytes: RawSpan) -> GreetingStep {
        precondition(!isOver, "a link is made once")
        bytes.withUnsafeBytes { input.append(contentsOf: $0) }
        do {
            guard let step = try finish() else { return GreetingStep() }
            isOver = true
            input = []
            return step
        } catch {
            isOver = true
            input = []
            return GreetingStep(progress: .failed(error))
        }
    }

    private func finish() throws(GreetingFailure) -> GreetingStep? {
        guard let result = input.first else { return nil }
        guard result == Greeting.welcome else {
            guard let refusal = GreetingRefusal(rawValue: result) else {
                throw .garbled("a greeting's result of 0 to 8 was expected, \(result) came")
            }
            switch refusal {
            case .otherVersion: throw .refusedVersion(offered: own.version, newest: nil)
            case .unspokenVersion:
                guard input.count >= 3 else { return nil }
                let newest = WireVersion(rawValue: UInt16(input[1]) | UInt16(input[2]) << 8)
                throw .refusedVersion(offered: own.version, newest: newest)
            default: throw .refused(refusal)
            }
        }
        let decoded = try Greeting.decode(front: input.dropFirst()) {
            (chosen) throws(GreetingFailure) in
            guard (versions.oldest...own.version).contains(chosen) else {
                throw .refusesVersion(chosen, spoken: versions)
            }
        }
        guard let peer = decoded else { return nil }
        try check(peer)
        let rest = input.dropFirst(1 + Greeting.byteCount)
        guard rest.count >= GreetingProof.byteCount else { return nil }
        try GreetingProof.require(
            GreetingProof.make(by: .acceptor, dialler: own, acceptor: peer, seal),
            rest.prefix(GreetingProof.byteCount))
        return GreetingStep(
            answer: GreetingProof.make(by: .dialler, dialler: own, acceptor: peer, seal),
            progress: .done(
                peer, peer.version,
                leftover: Array(rest.dropFirst(GreetingProof.byteCount))))
    }

    private func check(_ peer: Greeting) throws(GreetingFailure) {
        try own.requireCommonGround(with: peer, in: peer.version)
        guard peer.role == .member, peer.from == own.to, peer.to == own.from,
            peer.purpose == own.purpose
        else {
            throw .refuses(
                .notForMe, expected: "\(own.purpose) from member \(own.to) to \(own.from)",
                came: "\(peer.purpose) from \(peer.role) \(peer.from) to \(peer.to)")
        }
    }
}
