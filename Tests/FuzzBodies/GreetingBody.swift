#if DEBUG || Fuzzing
    import Cluster
    import TestSupport

    /// Takes any bytes as what somebody says to a member who was dialled, or who has dialled: he is welcome if he
    /// has proven to know the secret, and is one whom the member may have to do with; else not. That is settled
    /// after 107 bytes, whatever they are and however they are cut. Returns what is wrong.
    func checkGreeting(_ bytes: [UInt8]) -> String? {
        let input = GreetingInput(bytes)
        do {
            let whole = try GreetingResult(of: input, cuts: .whole)
            let parts = try GreetingResult(of: input, cuts: input.cuts)
            guard whole == parts else { return "\(input.cuts): \(parts)\n      whole: \(whole)" }
            return whole.problem(of: input)
        } catch {
            return "\(error)"
        }
    }

    /// What a member does with somebody.
    struct GreetingResult: Equatable {
        enum End: Hashable {
            case waits
            case welcome
            case refuses(GreetingRefusal)
            case refused(GreetingRefusal)
            case garbled
        }

        private(set) var end = End.waits
        private(set) var answer: [UInt8] = []
        private var peer: Greeting?
        private var leftover: [UInt8] = []

        init(of input: GreetingInput, cuts: Cuts) throws {
            var acceptor =
                input.isDialled
                ? GreetingAcceptor(
                    own: input.own, versions: WireVersions(), isBusy: input.isBusy,
                    seal: GreetingInput.seal)
                : nil
            var dialler =
                input.isDialled
                ? nil
                : GreetingDialler(
                    own: input.own, versions: WireVersions(), seal: GreetingInput.seal)
            var start = 0
            for length in cuts.lengths(of: input.said.count) {
                let piece = Array(input.said[start..<start + length])
                start += length
                guard end == .waits else {
                    if end == .welcome { leftover += piece }
                    continue
                }
                if let step = acceptor?.take(piece.span.bytes) ?? dialler?.take(piece.span.bytes) {
                    note(step)
                }
                guard end != .waits || start < input.leftoverStart else {
                    throw BrokenPromise("nothing is settled after \(start) bytes")
                }
            }
        }

        private mutating func note(_ step: GreetingStep) {
            answer += step.answer
            switch step.progress {
            case .waits: break
            case .done(let peer, _, let leftover):
                end = .welcome
                self.peer = peer
                self.leftover = leftover
            // What came is told as far as it has come.
            case .failed(.garbled): end = .garbled
            case .failed(.refuses(let refusal, _, _)): end = .refuses(refusal)
            case .failed(.refused(let refusal)): end = .refused(refusal)
            case .failed(.refusesVersion): end = .refuses(.otherVersion)
            case .failed(.refusedVersion(_, nil)): end = .refused(.otherVersion)
            case .failed(.refusedVersion): end = .refused(.unspokenVersion)
            }
        }

        func problem(of input: GreetingInput) -> String? {
            guard (end == .welcome) == input.isWelcome else {
                return "\(end), for \(input.said)"
            }
            if end == .welcome {
                guard let peer, GreetingInput.bytes(peer) == input.theirs,
                    leftover.elementsEqual(input.said.dropFirst(input.leftoverStart))
                else { return "\(String(describing: peer)) is another one, or \(leftover)" }
            }
            return answer == wantedAnswer(to: input) ? nil : "it answers \(answer)"
        }

        /// A member who was dialled proves himself as soon as he knows that he is meant; who has dialled, last.
        private func wantedAnswer(to input: GreetingInput) -> [UInt8] {
            guard input.isDialled else { return end == .welcome ? input.ownProof : [] }
            let isMeant =
                end == .welcome || end == .refuses(.wrongSecret)
                || end == .waits && input.said.count >= input.proofStart
            var answer = isMeant ? [Greeting.welcome] + input.mine + input.ownProof : []
            if case .refuses(let refusal) = end { answer.append(refusal.rawValue) }
            return answer
        }
    }
#endif
