/// The side of a link that was dialled, until it knows by whom.
package struct GreetingAcceptor {
    private var own: Greeting
    private let versions: WireVersions
    private let seal: GreetingProof.Seal
    private let isBusy: Bool
    private var dialler: Greeting?
    /// Less than 74 bytes.
    private var input: [UInt8] = []
    private var isOver = false

    /// - Parameters:
    ///   - own: a member's. Its purpose and whom it is for become what the dialler says, and its version the link's.
    ///   - versions: those that are spoken here.
    ///   - isBusy: whether nobody is welcome just now. It is said only to who would be welcome else.
    package init(
        own: Greeting, versions: WireVersions, isBusy: Bool = false,
        seal: @escaping GreetingProof.Seal
    ) {
        precondition(own.role == .member, "nobody dials a front")
        self.own = own
        self.versions = versions
        self.isBusy = isBusy
        self.seal = seal
    }

    /// Takes what has come, cut as it may be. Not to be called when it is done, or has failed.
    package mutating func take(_ bytes: RawSpan) -> GreetingStep {
        precondition(!isOver, "a link is made once")
        bytes.withUnsafeBytes { input.append(contentsOf: $0) }
        var step = GreetingStep()
        do {
            try greet(&step)
            try settle(&step)
        } catch {
            step.answer += error.answer
            step.progress = .failed(error)
        }
        if step.progress != .waits {
            isOver = true
            input = []
        }
        return step
    }

    private mutating func greet(_ step: inout GreetingStep) throws(GreetingFailure) {
        guard dialler == nil else { return }
        var version = versions.newest
        let decoded = try Greeting.decode(front: input) {
            (offered) throws(GreetingFailure) in
            guard let common = versions.common(with: offered) else {
                throw .refusesVersion(offered, spoken: versions)
            }
            version = common
        }
        guard let peer = decoded else { return }
        input.removeFirst(Greeting.byteCount)
        try check(peer, in: version)
        dialler = peer
        own.version = version
        own.purpose = peer.purpose
        own.to = peer.from
        step.answer.append(Greeting.welcome)
        own.append(to: &step.answer)
        step.answer += GreetingProof.make(by: .acceptor, dialler: peer, acceptor: own, seal)
    }

    private func settle(_ step: inout GreetingStep) throws(GreetingFailure) {
        guard let dialler, input.count >= GreetingProof.byteCount else { return }
        try GreetingProof.require(
            GreetingProof.make(by: .dialler, dialler: dialler, acceptor: own, seal),
            input.prefix(GreetingProof.byteCount))
        step.progress = .done(
            dialler, own.version, leftover: Array(input.dropFirst(GreetingProof.byteCount)))
    }

    private func check(_ peer: Greeting, in version: WireVersion) throws(GreetingFailure) {
        try own.requireCommonGround(with: peer, in: version)
        guard peer.to == own.from, peer.role == .front || peer.from > own.from else {
            throw .refuses(
                .notForMe, expected: "one from a front or above \(own.from), to \(own.from)",
                came: "one from \(peer.role) \(peer.from) to \(peer.to)")
        }
        if isBusy { throw .refuses(.busy, expected: "none just now", came: "one") }
    }
}
