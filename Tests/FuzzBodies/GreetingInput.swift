#if DEBUG || Fuzzing
    import Cluster
    import EventLoop
    import TestSupport

    /// One side of a link, and what is said to it, as a fuzzer keeps it: a byte that chooses the side, one for
    /// the cuts, and one for the kind of proof that is put over what is said where a proof is due.
    struct GreetingInput {
        /// How often it is tried to seem to know the secret. Zeros where a proof is due become this one.
        enum Proof: UInt8, CaseIterable {
            /// What is said stays as it is.
            case asSaid
            case right
            case ofAnotherSecret
            /// What the other side has to send.
            case ofTheOtherSide
            /// What was right on an earlier link.
            case ofAnotherNonce
            case ofOneGreeting
        }

        static let prefixByteCount = 3
        private static let secret = Array("32 bytes that only members know.".utf8)

        let choice: UInt8
        let proof: Proof
        /// All that the other one says, its proof included.
        private(set) var said: [UInt8]
        let cuts: Cuts

        init(_ input: [UInt8]) {
            choice = input.first ?? 0
            let place = input.dropFirst().first ?? 0
            cuts = place < 128 ? .once(at: Int(place)) : .random(seed: UInt64(place))
            let kinds = Proof.allCases
            proof = kinds[Int(input.dropFirst(2).first ?? 0) % kinds.count]
            said = Array(input.dropFirst(Self.prefixByteCount))
            putProof()
        }

        private mutating func putProof() {
            guard proof != .asSaid, said.count > proofStart else { return }
            for (place, byte) in zip(said.indices[proofStart...], proofBytes(proof)) {
                said[place] ^= byte
            }
        }

        // MARK: The member

        var isDialled: Bool { choice & 1 == 0 }
        var isBusy: Bool { choice & 2 != 0 }

        /// Member 3 or a front dials member 2.
        var own: Greeting {
            let isFront = choice & 4 != 0
            return isDialled
                ? Self.greeting(from: 2, to: 0)
                : Self.greeting(
                    choice & 8 == 0 ? .frames : .statements, isFront ? .front : .member,
                    from: isFront ? 255 : 3, to: 2)
        }

        /// What would be welcome.
        var wanted: [UInt8] {
            isDialled
                ? Self.bytes(Self.greeting(from: 3, to: 2))
                : [0] + Self.bytes(Self.greeting(own.purpose, from: 2, to: own.from))
        }

        private static func greeting(
            _ purpose: Greeting.Purpose = .frames, _ role: Greeting.Role = .member, from: UInt8,
            to: UInt8
        ) -> Greeting {
            Greeting(
                purpose: purpose, role: role, from: from, to: to, cluster: 11, definition: 12,
                process: 13, itemByteCountMax: 1 << 20,
                nonce: (0..<32).map { from &* 16 &+ $0 })
        }

        static func bytes(_ greeting: Greeting) -> [UInt8] {
            var bytes: [UInt8] = []
            greeting.append(to: &bytes)
            return bytes
        }

        static func seal(_ message: [UInt8]) -> [UInt8] {
            MessageAuthentication.code(of: message, secret: secret)
        }

        // MARK: What is right

        /// A dialled member is sent a greeting, one who has dialled a byte and a greeting.
        private var greetingStart: Int { isDialled ? 0 : 1 }
        var proofStart: Int { greetingStart + Greeting.byteCount }
        var leftoverStart: Int { proofStart + GreetingProof.byteCount }

        /// The other one's greeting, as it is said.
        var theirs: [UInt8] {
            Array(said.dropFirst(greetingStart).prefix(Greeting.byteCount))
        }

        /// The member's, which is for whoever has dialled.
        var mine: [UInt8] {
            var mine = Self.bytes(own)
            if isDialled, said.count >= proofStart {
                mine[6] = theirs[6]
                mine[9] = theirs[8]
                // The link's version is the one that both speak.
                if theirs[4...5].elementsEqual([2, 0]) { mine[4] = 2 }
            }
            return mine
        }

        private func sealed(by side: String, dialler: [UInt8], acceptor: [UInt8]) -> [UInt8] {
            Self.seal(Array("sojourn \(side)".utf8) + dialler + acceptor)
        }

        var ownProof: [UInt8] {
            isDialled
                ? sealed(by: "acceptor", dialler: theirs, acceptor: mine)
                : sealed(by: "dialler", dialler: mine, acceptor: theirs)
        }

        private func proofBytes(_ proof: Proof) -> [UInt8] {
            func right(_ mine: [UInt8]) -> [UInt8] {
                isDialled
                    ? sealed(by: "dialler", dialler: theirs, acceptor: mine)
                    : sealed(by: "acceptor", dialler: mine, acceptor: theirs)
            }
            switch proof {
            case .asSaid: return []
            case .right: return right(mine)
            case .ofAnotherSecret:
                return MessageAuthentication.code(of: theirs, secret: Array("a guess".utf8))
            case .ofTheOtherSide: return ownProof
            case .ofAnotherNonce: return right(mine.dropLast() + [0])
            case .ofOneGreeting: return Self.seal(theirs)
            }
        }

        /// Whether somebody with such a greeting may have a link, by the rules in `Greeting`'s head alone.
        private var isForOne: Bool {
            let (theirs, mine) = (theirs, mine)
            guard theirs.count == Greeting.byteCount, theirs.starts(with: mine.prefix(4)),
                isSpoken(Int(theirs[4]) | Int(theirs[5]) << 8),
                // Cluster, and how large items may be; of who speaks 2, the definition, too.
                theirs[10..<18].elementsEqual(mine[10..<18]),
                theirs[4] != 2 || theirs[5] != 0
                    || theirs[18..<26].elementsEqual(mine[18..<26]),
                theirs[34..<42].elementsEqual(mine[34..<42]),
                theirs[9] == mine[8], (1...3).contains(theirs[6])
            else { return false }
            if isDialled {
                let isHigherMember = theirs[7] == 1 && (3..<64).contains(theirs[8])
                return !isBusy && (theirs[7] == 2 || isHigherMember)
            }
            return said[0] == 0 && theirs[6...8].elementsEqual([mine[6], 1, 2])
        }

        /// One who has dialled may speak later versions, too.
        private func isSpoken(_ version: Int) -> Bool {
            isDialled ? version >= 2 : (2...3).contains(version)
        }

        var isWelcome: Bool {
            said.count >= leftoverStart && isForOne
                && said[proofStart..<leftoverStart].elementsEqual(proofBytes(.right))
        }
    }
#endif
