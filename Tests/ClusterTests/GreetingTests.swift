import Cluster
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct GreetingTests {
    @Test("A greeting's bytes are where its head says, and are the greeting again")
    func layout() throws {
        var own = greeting(role: .front, from: 200, to: 2, nonce: 1)
        own.purpose = .statements
        let front: [UInt8] = [0x53, 0x4A, 0x50, 0x31, 3, 0, 2, 2, 200, 2]
        let numbers: [UInt8] = [11, 12, 44].flatMap { [$0, 0, 0, 0, 0, 0, 0, 0] }
        var expected = front + numbers + [0, 0, 16, 0, 0, 0, 0, 0] + (1...32)
        expected[27] = 1
        expected[26] = 44
        #expect(greetingBytes(own) == expected)
        #expect(expected.count == 74 && Greeting.byteCount == 74)
        func decode(_ bytes: [UInt8]) throws -> Greeting? {
            try Greeting.decode(front: bytes) { _ in }
        }
        #expect(try decode(expected + [1, 2, 3]) == own)
        #expect(try decode(expected.dropLast()) == nil)
    }

    @Test("Two who know the secret know each other, wherever what they say is cut")
    func meeting() {
        let cuts = (0...140).map(Cuts.once) + [.pieces(byteCount: 1)]
        for cut in cuts + (0..<50).map({ Cuts.random(seed: $0) }) {
            var meeting = Meeting(cut: cut)
            for more in [[], [1], Array(repeating: 9, count: 300)] as [[UInt8]] {
                meeting.more = more
                let result = meeting.hold()
                var accepting = meeting.accepting
                accepting.to = 3
                #expect(
                    result.dialler.progress == .done(accepting, .newest, leftover: more), "\(cut)")
                #expect(
                    result.acceptor.progress == .done(meeting.dialling, .newest, leftover: more),
                    "\(cut)")
                #expect(result.dialler.answer.count == 32)
            }
        }
    }

    @Test("A front may dial any member, for statements, too")
    func front() {
        var meeting = Meeting()
        meeting.dialling = greeting(role: .front, from: 1, to: 2, nonce: 50)
        meeting.dialling.purpose = .statements
        let result = meeting.hold()
        #expect(isDone(result.dialler))
        #expect(result.acceptor.progress == .done(meeting.dialling, .newest, leftover: []))
    }

    @Test("Another definition is no reason not to talk: one of the two may not know the latest yet")
    func otherDefinition() {
        var meeting = Meeting()
        meeting.dialling.definition += 1
        let result = meeting.hold()
        #expect(isDone(result.dialler))
        #expect(result.acceptor.progress == .done(meeting.dialling, .newest, leftover: []))
    }

    @Test("Who does not belong here is told why, and so is whoever dials wrongly")
    func refusals() {
        let cases: [(GreetingRefusal, (inout Meeting) -> Void)] = [
            (.otherCluster, { $0.dialling.cluster += 1 }),
            (.otherItemLimit, { $0.dialling.itemByteCountMax -= 1 }),
            (.notForMe, { $0.dialling.to = 1 }),
            // They have the same number, or the other one is to dial.
            (.notForMe, { $0.accepting.from = 3 }),
            (.notForMe, { $0.toAcceptor = { $0.prefix(8) + [2] + $0.dropFirst(9) } }),
            (.notForMe, { $0.toAcceptor = { $0.prefix(8) + [1] + $0.dropFirst(9) } }),
            (.busy, { $0.isBusy = true }),
        ]
        for cut in [Cuts.whole, .pieces(byteCount: 1)] {
            for (expected, change) in cases {
                var meeting = Meeting(cut: cut)
                change(&meeting)
                let result = meeting.hold()
                #expect(refusal(of: result.acceptor) == expected)
                #expect(result.acceptor.answer == [expected.rawValue])
                #expect(result.dialler.progress == .failed(.refused(expected)))
                #expect(result.dialler.answer == [])
            }
        }
    }

    @Test("A dialler knows each refusal, and no other number")
    func results() {
        for number in 1...255 as ClosedRange<UInt8> {
            var dialler = Meeting().dialler()
            let step = dialler.take([number].span.bytes)
            switch GreetingRefusal(rawValue: number) {
            case .otherVersion:
                #expect(
                    step.progress == .failed(.refusedVersion(offered: .newest, newest: nil)))
            // It goes on.
            case .unspokenVersion: #expect(step.progress == .waits)
            case let refusal?: #expect(step.progress == .failed(.refused(refusal)))
            case nil: #expect(isGarbled(step))
            }
        }
        #expect(GreetingRefusal.allCases.map(\.rawValue) == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test("A dialler hangs up on whom it did not mean")
    func others() {
        let cases: [(GreetingRefusal, Int, UInt8)] = [
            (.otherVersion, 4, 9), (.otherVersion, 4, 1), (.notForMe, 6, 2), (.notForMe, 7, 2),
            (.notForMe, 8, 1),
            (.notForMe, 9, 4), (.otherCluster, 10, 9),
            (.otherItemLimit, 34, 9), (.wrongSecret, 26, 9), (.wrongSecret, 50, 9),
        ]
        for (expected, place, value) in cases {
            var meeting = Meeting()
            meeting.toDialler = { answer in
                var answer = answer
                answer[1 + place] = value
                return answer
            }
            let result = meeting.hold()
            #expect(refusal(of: result.dialler) == expected)
            #expect(result.dialler.answer == [])
        }
    }

    @Test("Neither side takes the other one's proof if it has another secret")
    func wrongSecret() {
        var meeting = Meeting()
        meeting.diallersSecret = 78
        let result = meeting.hold()
        #expect(refusal(of: result.dialler) == .wrongSecret)
        #expect(result.dialler.answer == [])
        #expect(result.acceptor.progress == .waits)

        // The dialler's proof is wrong: it has met another acceptor, which has its secret.
        let met = Meeting(acceptorsSecret: 78)
        var (dialler, other) = (meeting.dialler(), met.acceptor())
        let forged = dialler.take(other.take(dialler.opening.span.bytes).answer.span.bytes).answer
        #expect(forged.count == 32)
        var acceptor = meeting.acceptor()
        _ = acceptor.take(meeting.dialler().opening.span.bytes)
        let step = acceptor.take(forged.span.bytes)
        #expect(refusal(of: step) == .wrongSecret)
        #expect(step.answer == [GreetingRefusal.wrongSecret.rawValue])
    }

    @Test("What was said on another link proves nothing on this one")
    func replay() {
        let earlier = Meeting()
        var (dialler, acceptor) = (earlier.dialler(), earlier.acceptor())
        let answer = acceptor.take(dialler.opening.span.bytes).answer
        let proof = dialler.take(answer.span.bytes).answer
        #expect(isDone(acceptor.take(proof.span.bytes)))

        var later = Meeting()
        later.accepting = greeting(from: 2, to: 63, nonce: 91)
        acceptor = later.acceptor()
        _ = acceptor.take(earlier.dialler().opening.span.bytes)
        #expect(refusal(of: acceptor.take(proof.span.bytes)) == .wrongSecret)

        later.dialling = greeting(from: 3, to: 2, nonce: 51)
        dialler = later.dialler()
        #expect(refusal(of: dialler.take(answer.span.bytes)) == .wrongSecret)
    }

    @Test("Neither side can be made to prove itself to itself")
    func reflection() {
        var acceptor = Meeting().acceptor()
        let answer = acceptor.take(Meeting().dialler().opening.span.bytes).answer
        let step = acceptor.take(Array(answer.suffix(32)).span.bytes)
        #expect(refusal(of: step) == .wrongSecret)

        var dialler = Meeting().dialler()
        let echo = [0] + dialler.opening + answer.suffix(32)
        #expect(refusal(of: dialler.take(echo.span.bytes)) == .notForMe)
    }

    @Test("A bit that has changed on the way is noticed, whichever")
    func garbled() {
        func flip(_ bytes: [UInt8], _ bit: Int) -> [UInt8] {
            var bytes = bytes
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            return bytes
        }
        for bit in 0..<74 * 8 {
            var meeting = Meeting()
            meeting.toAcceptor = { $0.count == 74 ? flip($0, bit) : $0 }
            let result = meeting.hold()
            #expect(!isDone(result.dialler) && !isDone(result.acceptor), "bit \(bit)")
        }
        for bit in 0..<107 * 8 {
            var meeting = Meeting()
            meeting.toDialler = { flip($0, bit) }
            let result = meeting.hold()
            #expect(!isDone(result.dialler) && !isDone(result.acceptor), "bit \(bit)")
        }
        for bit in 0..<32 * 8 {
            var meeting = Meeting()
            meeting.toAcceptor = { $0.count == 32 ? flip($0, bit) : $0 }
            #expect(refusal(of: meeting.hold().acceptor) == .wrongSecret, "bit \(bit)")
        }
    }

    @Test("Something else is told by its first byte, and nobody unproven is heard for 256 bytes")
    func strangers() {
        var acceptor = Meeting().acceptor()
        let step = acceptor.take(Array("g".utf8).span.bytes)
        #expect(isGarbled(step) && step.answer.isEmpty)
        var generator = SeededGenerator(seed: 1)
        for kept in [0, 3, 6, 10, 42, 74] + Array(4...74) {
            let noise = (0..<256).map { _ in UInt8.random(in: 0...255, using: &generator) }
            acceptor = Meeting().acceptor()
            var dialler = Meeting().dialler()
            let ways: [((RawSpan) -> GreetingStep, [UInt8])] = [
                ({ acceptor.take($0) }, greetingBytes(Meeting().dialling)),
                ({ dialler.take($0) }, [0] + greetingBytes(Meeting().accepting)),
            ]
            for (take, right) in ways {
                let said = right.prefix(kept) + noise
                var count = 0
                var progress = GreetingStep.Progress.waits
                while progress == .waits, count < 256 {
                    progress = take([said[count]].span.bytes).progress
                    count += 1
                }
                #expect(count <= 107)
                guard case .failed = progress else {
                    Issue.record("\(progress) after \(count) bytes")
                    continue
                }
            }
        }
    }

    @Test("Purposes, roles and numbers that nobody can have are no greeting")
    func fields() {
        for (place, value) in [(6, 0), (6, 4), (7, 0), (7, 3), (8, 64), (8, 255)] as [(Int, UInt8)]
        {
            var opening = greetingBytes(Meeting().dialling)
            opening[place] = value
            var acceptor = Meeting().acceptor()
            let step = acceptor.take(opening.span.bytes)
            #expect(isGarbled(step) && step.answer.isEmpty, "\(value) at \(place)")
        }
    }

    @Test("A failure says in a line what was expected, and what came")
    func descriptions() {
        var meeting = Meeting()
        meeting.dialling.to = 1
        let result = meeting.hold()
        func line(_ step: GreetingStep) -> String? {
            guard case .failed(let failure) = step.progress else { return nil }
            return failure.description
        }
        #expect(
            line(result.acceptor)
                == "link's ends: one from a front or above 2, to 2 was expected, "
                + "one from member 3 to 1 came")
        #expect(
            line(result.dialler) == "link's ends: the peer has expected something else")
        var acceptor = Meeting().acceptor()
        #expect(
            line(acceptor.take(Array("get a".utf8).span.bytes))
                == "SJP1 was expected as a greeting's first bytes, [103, 101, 116, 32] came")
    }
}
