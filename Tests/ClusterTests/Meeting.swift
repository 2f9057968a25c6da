import Cluster
import TestSupport
import Testing

/// Stands for HMAC-SHA-256: what comes out depends on each bit of secret and message, and has 32 bytes.
private func seal(_ secret: UInt64) -> GreetingProof.Seal {
    { message in
        var proof: [UInt8] = []
        for part in 0..<4 as Range<UInt64> {
            var seed = secret &+ part
            for byte in message {
                var generator = SeededGenerator(seed: seed ^ UInt64(byte))
                seed = generator.next()
            }
            withUnsafeBytes(of: seed) { proof.append(contentsOf: $0) }
        }
        return proof
    }
}

func greeting(
    role: Greeting.Role = .member, from: UInt8, to: UInt8, nonce: UInt8
) -> Greeting {
    Greeting(
        purpose: .frames, role: role, from: from, to: to, cluster: 11, definition: 12,
        process: UInt64(from) + 100, itemByteCountMax: 1 << 20,
        nonce: (0..<32).map { nonce &+ $0 })
}

/// Member 3 dials member 2, with whatever is between them.
struct Meeting {
    var dialling = greeting(from: 3, to: 2, nonce: 50)
    /// Its purpose, and whom it is for, are said by the dialler.
    var accepting = greeting(from: 2, to: 63, nonce: 90)
    var diallersSecret: UInt64 = 77
    var acceptorsSecret: UInt64 = 77
    var diallersVersions = WireVersions()
    var acceptorsVersions = WireVersions()
    var isBusy = false
    /// What the dialler says after its proof, and the acceptor after the dialler's.
    var more: [UInt8] = []
    var cut = Cuts.whole
    /// Changes what is on its way.
    var toAcceptor: ([UInt8]) -> [UInt8] = { $0 }
    var toDialler: ([UInt8]) -> [UInt8] = { $0 }

    struct Result {
        var dialler: GreetingStep
        var acceptor: GreetingStep
    }

    func dialler() -> GreetingDialler {
        GreetingDialler(own: dialling, versions: diallersVersions, seal: seal(diallersSecret))
    }

    func acceptor() -> GreetingAcceptor {
        GreetingAcceptor(
            own: accepting, versions: acceptorsVersions, isBusy: isBusy,
            seal: seal(acceptorsSecret))
    }

    /// Each says what it has to say, as long as it gets answers.
    func hold() -> Result {
        var (dialler, acceptor) = (dialler(), acceptor())
        let first = deliver(toAcceptor(dialler.opening)) { acceptor.take($0) }
        var said = first
        let answer = deliver(toDialler(first.answer) + more) { dialler.take($0) }
        if said.progress == .waits, !answer.answer.isEmpty {
            said = deliver(toAcceptor(answer.answer) + more) { acceptor.take($0) }
        }
        return Result(dialler: answer, acceptor: said)
    }

    /// All answers, and the last progress; what comes after that is left over, too.
    func deliver(
        _ bytes: [UInt8], to take: (RawSpan) -> GreetingStep
    ) -> GreetingStep {
        var last = GreetingStep()
        var start = 0
        for length in cut.lengths(of: bytes.count) {
            let piece = Array(bytes[start..<start + length])
            start += length
            switch last.progress {
            case .waits:
                let step = take(piece.span.bytes)
                last.answer += step.answer
                last.progress = step.progress
            case .done(let peer, let version, let leftover):
                last.progress = .done(peer, version, leftover: leftover + piece)
            case .failed: break
            }
        }
        return last
    }
}

func refusal(of step: GreetingStep) -> GreetingRefusal? {
    switch step.progress {
    case .failed(.refuses(let refusal, _, _)): refusal
    case .failed(.refusesVersion): .otherVersion
    default: nil
    }
}

func isGarbled(_ step: GreetingStep) -> Bool {
    guard case .failed(.garbled) = step.progress else { return false }
    return true
}

func isDone(_ step: GreetingStep) -> Bool {
    guard case .done = step.progress else { return false }
    return true
}

func greetingBytes(_ greeting: Greeting) -> [UInt8] {
    var bytes: [UInt8] = []
    greeting.append(to: &bytes)
    return bytes
}
