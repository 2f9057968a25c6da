import EventLoop
import TestSupport
import Testing

@testable import Cluster

/// What members of version 2 say to each other, as fixed bytes: nodes of neighbouring versions have to understand each
/// other, so what one version says is never written, or read, in another way.
///
/// None of these bytes may be changed. A version to come adds its own.
private enum Version2 {
    static let key = Array("session:1".utf8)
    static let number = OperationNumber(bits: 0x0102_0304_0506_0708)
    static let stamp = Stamp(birth: 0x1112_1314, version: 0x2122_2324_2526_2728)
    static let reply = Outcome(Array("STORED\r\n".utf8))
    static let item = KeyState(
        key: key, stamp: stamp, kind: .item, clientFlags: 0x3132_3334, secondsLeft: 3_600, marks: 5,
        value: Array("cart".utf8))
    static let tombstone = KeyState(key: key, stamp: stamp, kind: .tombstone)
    static let statement = {
        var statement = Statement(
            process: 0x41, time: 0x42, echo: 0x43, standing: .together, isReady: true,
            waitsSince: 0x44, hears: MemberSet(bits: 0x45), clock: 0x46,
            clockLeadMilliseconds: 0x47, flushed: stamp, agreed: 0x48)
        statement.canKeep = false
        return statement
    }()

    /// Each type of message that there is.
    static let messages: [(PeerMessage, String)] = [
        (
            .statement(statement),
            """
            4c00000004000000000000000000000041000000000000004200000000000000
            4300000000000000440000000000000045000000000000004600000000000000
            02010000470000002827262524232221141312114800000000000000
            """
        ),
        (
            .frame(
                .forward(
                    Request(
                        number: number, isRead: true, key: key,
                        command: Array("get session:1\r\n".utf8)), hops: 2)),
            """
            280000000500020000000000000000000807060504030201010900000f000000
            73657373696f6e3a316765742073657373696f6e3a310d0a
            """
        ),
        (
            .frame(.outcome(number, reply)),
            "10000000060000000000000000000000080706050403020153544f5245440d0a"
        ),
        (
            .frame(.replicate(sequence: 0x5152_5354, number, reply, item)),
            """
            4100000007000000545352510000000008070605040302010800000001000000
            53544f5245440d0a282726252423222114131211100e00003433323104000000
            0901050073657373696f6e3a3163617274
            """
        ),
        (
            .frame(.acknowledge(sequence: 0x5152_5354)),
            "00000000080000005453525100000000"
        ),
        (
            .frame(
                .notes([
                    Note(key: key, stamp: stamp, secondsLeft: 60, marks: 3),
                    Note(key: [107], stamp: .none, secondsLeft: nil, marks: 0),
                ])),
            """
            320000000900000000000000000000002827262524232221141312113c000000
            0903000073657373696f6e3a31000000000000000000000000ffffffff010000
            006b
            """
        ),
        (
            .frame(.digests(round: 0x6162_6364, [0x71, 0x72])),
            "100000000a000000000000006463626171000000000000007200000000000000"
        ),
        (
            .frame(
                .list(round: 0x6162_6364, range: 0x8182, [ListedState(hash: 0x91, stamp: stamp)])),
            """
            180000000b000000000000006463626182810000910000000000000028272625
            2423222114131211
            """
        ),
        (
            .frame(.want(round: 0x6162_6364, range: 0x8182, hashes: [0x91])),
            "0c0000000c0000000000000064636261828100009100000000000000"
        ),
        (
            .frame(.exchanged(round: 0x6162_6364)),
            "000000000d0000000000000064636261"
        ),
        (
            .frame(.barrier(since: 0xA1)),
            "080000000f0000000000000000000000a100000000000000"
        ),
        (
            .frame(.flush(number, stamp, asked: MemberSet(bits: 6))),
            """
            1c00000011000000000000000000000008070605040302010600000000000000
            282726252423222114131211
            """
        ),
        (
            .frame(.decline(number)),
            "080000001200000000000000000000000807060504030201"
        ),
        (
            .frame(.refuse(sequence: 0x5152_5354, stamp)),
            "0c000000150000005453525100000000282726252423222114131211"
        ),
        (
            .frame(.inform(nil, nil, tombstone)),
            """
            350000001600000000000000000000000000000000000000ffffffff00000000
            282726252423222114131211ffffffff00000000000000000906000073657373
            696f6e3a31
            """
        ),
        (
            .frame(.inform(number, reply, item)),
            """
            4100000016000000000000000000000008070605040302010800000001000000
            53544f5245440d0a282726252423222114131211100e00003433323104000000
            0901050073657373696f6e3a3163617274
            """
        ),
        (
            .frame(.compare(round: 0x6162_6364)),
            "00000000170000000000000064636261"
        ),
        (
            .frame(.flushed(number, clock: 0xA2)),
            "100000001800000000000000000000000807060504030201a200000000000000"
        ),
        (
            .frame(.fetch(number, key: key)),
            """
            1200000019000000000000000000000008070605040302010973657373696f6e
            3a31
            """
        ),
        (
            .frame(.fetched(number, item)),
            """
            310000001a000000000000000000000008070605040302012827262524232221
            14131211100e000034333231040000000901050073657373696f6e3a31636172
            74
            """
        ),
        (
            .frame(.fetched(number, nil)),
            "080000001a00000000000000000000000807060504030201"
        ),
    ]

    /// Member 3 dials member 2: what each says, its proof apart.
    static let dialling =
        """
        534a5031020001010302b100000000000000b200000000000000b60000000000
        00000000100000000000101112131415161718191a1b1c1d1e1f202122232425
        262728292a2b2c2d2e2f
        """
    static let accepting =
        """
        534a5031020001010203b100000000000000b200000000000000b50000000000
        00000000100000000000505152535455565758595a5b5c5d5e5f606162636465
        666768696a6b6c6d6e6f
        """
    static let secret = Array("32 bytes that only members know.".utf8)
    static let acceptorsProof =
        "c05dd17471aa255e7e364b37617361cd6d2e3bc61b099622f343d76a8b7a1744"
    static let diallersProof =
        "7a1207f4016ca549493ca8fb4c3de30add5ab8e0b86a7ac9bc36f10ebfa541d9"

    static func greeting(
        _ version: WireVersion = .two, from: UInt8, to: UInt8, nonce: UInt8
    ) -> Greeting {
        Greeting(
            version: version, purpose: .frames, role: .member, from: from, to: to, cluster: 0xB1,
            definition: 0xB2, process: 0xB3 + UInt64(from), itemByteCountMax: 1 << 20,
            nonce: (0..<32).map { nonce + $0 })
    }

    static func seal(_ message: [UInt8]) -> [UInt8] {
        MessageAuthentication.code(of: message, secret: secret)
    }
}

private func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap { $0.hexDigitValue.map { UInt8($0) } }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

@Suite(.timeLimit(.minutes(10)))
struct WireVersionTests {
    // MARK: What stays as it is

    @Test("Each message of version 2 has the bytes that it has always had, and is read from them")
    func messages() throws {
        for (message, hex) in Version2.messages {
            #expect(encoded(message, in: .two) == bytes(hex), "\(message)")
            #expect(try decoded(bytes(hex), in: .two) == [message], "\(message)")
            #expect(message.byteCount(in: .two) == bytes(hex).count, "\(message)")
        }
        // There is one of each type that version 2 has, and a reader of it knows no other one.
        let types = Set(Version2.messages.map { bytes($0.1)[4] })
        #expect(types.count == 19)
        for type in 0...255 as ClosedRange<UInt8> where !types.contains(type) {
            let header = [0, 0, 0, 0, type] + Array(repeating: 0 as UInt8, count: 11)
            #expect(throws: FrameError.unknownType(type)) { try decoded(header, in: .two) }
        }
    }

    @Test("Two who speak version 2 greet each other with the bytes that they have always had")
    func greetings() {
        let versions = WireVersions(newest: .two)
        var dialler = GreetingDialler(
            own: Version2.greeting(from: 3, to: 2, nonce: 0x10), versions: versions,
            seal: Version2.seal)
        var acceptor = GreetingAcceptor(
            own: Version2.greeting(from: 2, to: 0, nonce: 0x50), versions: versions,
            seal: Version2.seal)
        #expect(dialler.opening == bytes(Version2.dialling))
        let answer = acceptor.take(dialler.opening.span.bytes).answer
        #expect(answer == [0] + bytes(Version2.accepting + Version2.acceptorsProof))
        let proof = dialler.take(answer.span.bytes)
        #expect(proof.answer == bytes(Version2.diallersProof))
        #expect(isDone(proof))
        #expect(isDone(acceptor.take(proof.answer.span.bytes)))
    }

    @Test("Who speaks version 2 alone is greeted by a later one in its own bytes, and greets it")
    func laterMeetsTwo() {
        var acceptor = GreetingAcceptor(
            own: Version2.greeting(.newest, from: 2, to: 0, nonce: 0x50), versions: WireVersions(),
            seal: Version2.seal)
        let answer = acceptor.take(bytes(Version2.dialling).span.bytes).answer
        #expect(answer == [0] + bytes(Version2.accepting + Version2.acceptorsProof))
        let dialling = Version2.greeting(from: 3, to: 2, nonce: 0x10)
        #expect(
            acceptor.take(bytes(Version2.diallersProof).span.bytes).progress
                == .done(dialling, .two, leftover: []))

        // Having been refused, it dials once more and offers 2.
        var dialler = GreetingDialler(own: dialling, versions: WireVersions(), seal: Version2.seal)
        #expect(dialler.opening == bytes(Version2.dialling))
        let proof = dialler.take(answer.span.bytes)
        #expect(proof.answer == bytes(Version2.diallersProof))
        let accepting = Version2.greeting(from: 2, to: 3, nonce: 0x50)
        #expect(proof.progress == .done(accepting, .two, leftover: []))
    }

    @Test(
        "What members compare is reckoned as ever: digests of states, by the hashes of their keys")
    func digests() {
        let hashes: [UInt64] = [0x0123_4567_89AB_CDEF, 0x0123_0000_0000_0001, .max]
        let states = hashes.enumerated().map { place, hash in
            let count = UInt64(place + 1)
            return SurveyedState(
                hash: hash, place: count,
                stamp: Stamp(birth: 7 * UInt32(count), version: 0x2122_2324_2526_2728 &* count))
        }
        let digests = Survey(states).digests
        #expect(digests.count == 8_192)
        #expect(digests[0x24] == 0xD1D9_6705_C1CD_F01E)
        #expect(digests[8_191] == 0xB888_DE2E_A809_24E0)
        #expect(digests.count { $0 != 0 } == 2)
    }

    // MARK: Which version a link has

    /// A meeting of two whose newest versions these are, the first of whom dials, and offers another one if told so.
    private func meeting(_ dialler: UInt16, _ acceptor: UInt16, offered: UInt16? = nil) -> Meeting {
        var meeting = Meeting()
        meeting.diallersVersions = WireVersions(newest: WireVersion(rawValue: dialler))
        meeting.acceptorsVersions = WireVersions(newest: WireVersion(rawValue: acceptor))
        meeting.dialling.version = WireVersion(rawValue: offered ?? dialler)
        meeting.accepting.version = WireVersion(rawValue: acceptor)
        return meeting
    }

    private func version(_ step: GreetingStep) -> UInt16? {
        guard case .done(_, let version, _) = step.progress else { return nil }
        return version.rawValue
    }

    @Test("A link has the older one's newest version, if the other one speaks it, too")
    func neighbours() {
        for cut in [Cuts.whole, .pieces(byteCount: 1)] {
            for dialler in 2...9 as ClosedRange<UInt16> {
                for acceptor in 2...9 as ClosedRange<UInt16> {
                    var meeting = meeting(dialler, acceptor)
                    meeting.cut = cut
                    let result = meeting.hold()
                    // A 2 takes nobody else.
                    let isTaken = acceptor > 2 || dialler == 2
                    let (lower, higher) = (min(dialler, acceptor), max(dialler, acceptor))
                    let common = higher - lower <= 1 && isTaken ? lower : nil
                    #expect(version(result.dialler) == common, "\(dialler) dials \(acceptor)")
                    #expect(version(result.acceptor) == common, "\(dialler) dials \(acceptor)")
                }
            }
        }
    }

    @Test("Who is refused by a 2 learns that it may be one, and offers 2, if it speaks that")
    func fallback() {
        let three = WireVersions(newest: .three)
        let refused = meeting(3, 2).hold()
        #expect(refused.acceptor.answer == [GreetingRefusal.otherVersion.rawValue])
        let first = GreetingFailure.refusedVersion(offered: .three, newest: nil)
        #expect(refused.dialler.progress == .failed(first))
        #expect(first.isFirstRefusal(of: three))
        #expect(three.fallback == .two)
        let second = meeting(3, 2, offered: 2).hold()
        #expect(version(second.dialler) == 2 && version(second.acceptor) == 2)
        // Not for ever: who refuses a 2, too, speaks something else.
        #expect(
            !GreetingFailure.refusedVersion(offered: .two, newest: nil).isFirstRefusal(of: three))
        // Two versions later there is nothing to fall back to.
        let four = WireVersions(newest: WireVersion(rawValue: 4))
        #expect(four.fallback == nil)
        #expect(
            !GreetingFailure.refusedVersion(offered: four.newest, newest: nil)
                .isFirstRefusal(of: four))
    }

    @Test("A version that was changed on its way is noticed, by whoever dials")
    func downgrade() {
        func changed(_ bytes: [UInt8], _ place: Int, to version: UInt8) -> [UInt8] {
            var bytes = bytes
            if bytes.count > 32 { bytes[place] = version }
            return bytes
        }
        var meeting = meeting(5, 5)
        meeting.toAcceptor = { changed($0, 4, to: 4) }
        let result = meeting.hold()
        #expect(refusal(of: result.dialler) == .wrongSecret)
        #expect(!isDone(result.acceptor))
        meeting.toAcceptor = { $0 }
        meeting.toDialler = { changed($0, 5, to: 4) }
        #expect(refusal(of: meeting.hold().dialler) == .wrongSecret)
        // What was not offered is not taken.
        meeting.toDialler = { changed($0, 5, to: 6) }
        #expect(refusal(of: meeting.hold().dialler) == .otherVersion)
    }

    @Test("Both sides say which versions there are, and what is to be done")
    func descriptions() {
        let advice =
            ". Only neighbouring versions talk to each other: bring the older node to the next one first"
        func line(_ step: GreetingStep) -> String? {
            guard case .failed(let failure) = step.progress else { return nil }
            return failure.description
        }
        let older = meeting(3, 5).hold()
        #expect(older.acceptor.answer == [GreetingRefusal.unspokenVersion.rawValue, 5, 0])
        let spoken = "protocol version: 4 or 5 is spoken here, and the peer's is 3"
        #expect(line(older.acceptor) == spoken + advice)
        #expect(
            line(older.dialler)
                == "protocol version: the peer's is 5, and 3 was offered" + advice)
        let newer = meeting(5, 3).hold()
        #expect(version(newer.acceptor) == nil)
        #expect(line(newer.dialler) == spoken + advice)
        // A 2 would not know what to make of more than the number of a refusal.
        let oldest = meeting(2, 5).hold()
        #expect(oldest.acceptor.answer == [GreetingRefusal.otherVersion.rawValue])
        #expect(
            line(oldest.dialler) == "protocol version: the peer does not speak 2" + advice)
    }
}
