#if DEBUG || Fuzzing
    import Cluster
    import MemcacheProtocol
    import SessionMap
    import TestSupport

    @testable import NodeStage

    /// What peers of a member send, mostly right, and about what it knows: few keys, rounds and numbers, so that
    /// they meet.
    func randomFrames(using generator: inout SeededGenerator) -> [UInt8] {
        var samples = FrameSamples(generator)
        defer { generator = samples.generator }
        var choice = samples.pick(Array(0...3)) as UInt8
        if samples.isHit(8) { choice |= FramesRun.frontChoice }
        if samples.isHit(6) { choice |= 8 }
        if samples.isHit(6) { choice |= 16 }
        if samples.isHit(6) { choice |= 32 }
        var records: [FrameRecord] = []
        if !samples.isHit(4) { records += samples.comingTogether(withHigher: false) }
        if !samples.isHit(3) { records += samples.comingTogether(withHigher: true) }
        for _ in 0..<Int.random(in: 1...25, using: &samples.generator) {
            records += samples.records()
        }
        return [choice, samples.pick(Array(0...255))] + records.flatMap(\.bytes)
    }

    func randomFrameRecord(using generator: inout SeededGenerator) -> FrameRecord {
        var samples = FrameSamples(generator)
        defer { generator = samples.generator }
        return samples.record()
    }

    private struct FrameSamples {
        var generator: SeededGenerator
        private var time: UInt64 = 1

        init(_ generator: SeededGenerator) {
            self.generator = generator
            time = self.generator.next() >> 40
        }

        mutating func isHit(_ count: Int) -> Bool {
            Int.random(in: 0..<count, using: &generator) == 0
        }

        mutating func pick<Choice>(_ choices: [Choice]) -> Choice {
            choices[Int.random(in: 0..<choices.count, using: &generator)]
        }

        // MARK: Records

        private func record(_ message: PeerMessage) -> FrameRecord {
            var bytes: [UInt8] = []
            message.append(to: &bytes, in: .newest)
            return FrameRecord(
                header: Array(bytes.prefix(FrameRecord.headerByteCount)),
                body: Array(bytes.dropFirst(FrameRecord.headerByteCount)))
        }

        /// All that it takes until a member and a peer serve what both own.
        mutating func comingTogether(withHigher isHigher: Bool) -> [FrameRecord] {
            // The lower one of two begins, and says which round it is; the other one sends digests.
            let compared: [FrameRecord] =
                isHigher
                ? [FrameEvent.survey.record(), digests(round: 1, [])]
                : [record(.frame(.compare(round: 1))), FrameEvent.survey.record()]
            let (one, other) = (
                statement(.unknown, isReady: true), statement(.together, isReady: true)
            )
            return [FrameEvent.speak.record(hops: isHigher ? 1 : 0), record(.statement(one))]
                + compared
                + [
                    record(.frame(.exchanged(round: 1))), record(.statement(other)),
                    record(.frame(.barrier(since: other.waitsSince))),
                ]
        }

        /// Mostly one.
        mutating func records() -> [FrameRecord] {
            if isHit(5) { return comparing() }
            if isHit(8) { return noting() }
            return [record()]
        }

        /// An item of the member's that lives longer, and as much time as passes until a peer is told.
        private mutating func noting() -> [FrameRecord] {
            let key = key()
            return [
                FrameEvent.ask.record(
                    body: bytes("set \(String(decoding: key, as: UTF8.self)) 0 0 1\r\n1\r\n")),
                FrameEvent.note.record(body: key), FrameEvent.wait.record(sequence: 1_000_000),
            ]
        }

        /// An item that the member has, and what it and a peer say to each other when they compare what they have.
        private mutating func comparing() -> [FrameRecord] {
            let isHigher = isHit(2)
            let key = Array(pick(isHigher ? ["b", "c"] : ["a", "h"]).utf8)
            let hash = hash(key)
            let item = PeerFrame.inform(nil, nil, state(of: key))
            let beginning = [
                FrameEvent.speak.record(hops: isHigher ? 1 : 0), record(.frame(item)),
            ]
            guard isHigher else {
                let states = isHit(3) ? [] : [ListedState(hash: hash, stamp: stamp())]
                return beginning + [
                    record(.frame(.compare(round: 9))), FrameEvent.survey.record(),
                    record(.frame(.list(round: 9, range: range(hash), states))),
                    record(.frame(.exchanged(round: 9))),
                ]
            }
            let round = pick([2, 2, 2, 3]) as UInt32
            return beginning + [
                record(.frame(.compare(round: 0))), FrameEvent.survey.record(),
                digests(round: round, []),
                record(.frame(.want(round: round, range: range(hash), hashes: [hash]))),
                record(.frame(.exchanged(round: round))),
            ]
        }

        mutating func record() -> FrameRecord {
            switch Int.random(in: 0..<10, using: &generator) {
            case 0...4: record(.frame(frame()))
            case 5: record(.statement(anyStatement()))
            default: event()
            }
        }

        private mutating func event() -> FrameRecord {
            switch pick(FrameEvent.allCases + [.ask, .ask, .ask, .survey, .wait]) {
            case .speak: FrameEvent.speak.record(hops: pick(Array(0...4)))
            case .wait:
                FrameEvent.wait.record(
                    hops: pick([0, 0, 0, 1, 60, 255]),
                    sequence: pick([1_000, 10_000, 40_000, 100_000, 400_000, 2_000_000]))
            case .ask: FrameEvent.ask.record(body: command(key()))
            case .flush: FrameEvent.flush.record(sequence: pick([0, 0, 1, .max]))
            case .link: FrameEvent.link.record(hops: pick([0, 1]))
            case .survey: FrameEvent.survey.record()
            case .digests: digests(round: round(), (0...2).map { _ in hash(key()) })
            case .note: FrameEvent.note.record(body: key())
            }
        }

        private mutating func digests(round: UInt32, _ hashes: [UInt64]) -> FrameRecord {
            var record = FrameEvent.digests.record(
                hops: isHit(20) ? 1 : 0,
                body: hashes.flatMap { littleEndian(UInt16($0 >> 52)) + littleEndian($0) })
            record.header.replaceSubrange(12..<16, with: littleEndian(round))
            return record
        }

        // MARK: Messages

        private mutating func statement(_ standing: Standing, isReady: Bool) -> Statement {
            time += 1_000
            // What is heard so late is a lease without end.
            return Statement(
                process: 7, time: time, echo: pick([FuzzMember.start, 1 << 61]),
                standing: standing, isReady: isReady, waitsSince: standing == .together ? 5 : 0,
                hears: [0, 1, 2], clock: FuzzMember.wall)
        }

        private mutating func anyStatement() -> Statement {
            var statement = statement(pick(Standing.allCases), isReady: pick([true, false]))
            statement.process = isHit(8) ? 8 : 7
            statement.echo = pick([0, FuzzMember.start, FuzzMember.start + 200_000, (1 << 62) - 1])
            statement.waitsSince = pick([0, 5, 6, (1 << 62) - 1])
            statement.hears = MemberSet(bits: pick([0, 1, 5, 7, .max]))
            statement.flushed = isHit(6) ? stamp() : .none
            statement.clock = pick([0, FuzzMember.wall, FuzzMember.wall << 1, (1 << 62) - 1])
            statement.agreed = pick([0, FuzzMember.wall, (1 << 62) - 1])
            return statement
        }

        private mutating func frame() -> PeerFrame {
            switch Int.random(in: 0..<24, using: &generator) {
            case 0...2: .forward(request(), hops: pick([0, 1, 2, 3, 255]))
            case 3: .outcome(number(), outcome() ?? Outcome([]))
            case 4: .decline(number())
            case 5, 6: .replicate(sequence: sequence(), number(), outcome(), state())
            case 7, 8: .acknowledge(sequence: sequence())
            case 9: .refuse(sequence: sequence(), stamp())
            case 10, 11: .inform(isHit(2) ? number() : nil, outcome(), state())
            case 12: .barrier(since: pick([0, 5, 6, (1 << 62) - 1]))
            case 13: .compare(round: round())
            case 14: .digests(round: round(), (0...2).map { _ in hash(key()) })
            case 15: list()
            case 16:
                .want(
                    round: round(), range: range(hash(key())),
                    hashes: (0...2).map { _ in hash(key()) })
            case 17:
                .flush(
                    number(), isHit(2) ? .none : stamp(),
                    asked: MemberSet(bits: pick([0, 1, 6, 7])))
            case 18: .flushed(number(), clock: pick([0, FuzzMember.wall, (1 << 62) - 1]))
            case 19:
                .notes(
                    (0..<pick([0, 1, 3])).map { _ in
                        Note(
                            key: key(), stamp: stamp(), secondsLeft: secondsLeft(),
                            marks: pick(Array(0...255)))
                    })
            case 20: .fetch(number(), key: key())
            case 21, 22: .fetched(number(), isHit(2) ? nil : state())
            default: .exchanged(round: round())
            }
        }

        private mutating func list() -> PeerFrame {
            let hash = hash(key())
            let states = (0..<pick([0, 1, 3])).map { _ in
                ListedState(hash: isHit(4) ? self.hash(key()) : hash, stamp: stamp())
            }
            return .list(round: round(), range: range(hash), states)
        }

        private mutating func request() -> Request {
            let key = key()
            let command = command(key)
            let shape = CommandShape.of(
                command.span, isBinary: command.first == 0x80, valueByteCountMax: .max)
            guard case .keyed(let keyed) = shape else { preconditionFailure("\(shape)") }
            return Request(
                number: number(), isRead: keyed.isRead != isHit(20), key: key, command: command)
        }

        private mutating func state() -> KeyState { state(of: key()) }

        private mutating func state(of key: [UInt8]) -> KeyState {
            KeyState(
                key: key, stamp: stamp(), kind: isHit(3) ? .tombstone : .item, clientFlags: 3,
                secondsLeft: secondsLeft(), marks: pick(Array(0...255)),
                value: [UInt8](repeating: 55, count: pick([0, 1, 10, 600])))
        }

        private mutating func secondsLeft() -> UInt32? { pick([nil, 0, 1, 100, .max - 1]) }

        private mutating func outcome() -> Outcome? {
            isHit(3) ? nil : Outcome([UInt8](repeating: 79, count: pick([0, 2, 512])))
        }

        // MARK: Numbers

        /// Each with other owners.
        private mutating func key() -> [UInt8] {
            pick(["a", "b", "c", "d", "e", "f", "g", "h", "a.lock"].map { Array($0.utf8) })
        }

        private func hash(_ key: [UInt8]) -> UInt64 {
            key.withUnsafeBytes { SessionMap.hash($0, seed: FuzzMember.seed) }
        }

        private func range(_ hash: UInt64) -> UInt16 { UInt16(hash >> 52) }

        private mutating func round() -> UInt32 { pick([0, 1, 1, 1, 2, 3]) }
        private mutating func sequence() -> UInt32 { pick([0, 1, 1, 2, 3, 4]) }

        /// Of a client of the member that is fuzzed, or of another one's.
        private mutating func number() -> OperationNumber {
            OperationNumber(
                member: pick([1, 1, 0, 2, 255]), worker: 0,
                count: FuzzMember.process << 16 + pick([1, 2, 3, 4]))
        }

        /// From before the epoch to the end of time, and mostly about now.
        private mutating func stamp() -> Stamp {
            let seconds = UInt32(FuzzMember.wall / 1_000_000)
            let versions = [
                FuzzMember.wall - 1_000, FuzzMember.wall, FuzzMember.wall + 1_000_000,
                FuzzMember.wall + 100_000_000_000,
            ].map { $0 << 14 }
            return Stamp(
                birth: pick([seconds, seconds, seconds - 100, seconds + 100, 0, .max]),
                version: pick(versions + versions + [0, 1, .max, .max - 1 << 14]))
        }

        private mutating func command(_ key: [UInt8]) -> [UInt8] {
            let name = String(decoding: key, as: UTF8.self)
            // Nobody waits for a lock where nobody has it.
            if name.hasSuffix(".lock"), isHit(2) { return bytes("add \(name) 0 0 1\r\n1\r\n") }
            if isHit(8) {
                return pick([
                    BinaryPacket(0x00, key: name).bytes, BinaryPacket.store(0x01, name, [1]),
                    BinaryPacket(0x04, key: name).bytes,
                    BinaryPacket.store(0x02, name, [1], exptime: 1),
                ])
            }
            return bytes(
                pick([
                    "get \(name)\r\n", "get \(name)\r\n", "set \(name) 0 0 2\r\n12\r\n",
                    "set \(name) 0 1 2\r\n12\r\n", "add \(name) 0 0 1\r\n1\r\n",
                    "delete \(name)\r\n", "delete \(name)\r\n", "incr \(name) 1\r\n",
                    "touch \(name) 100\r\n", "gat 10 \(name)\r\n", "gets \(name)\r\n",
                    "cas \(name) 0 0 1 5\r\n1\r\n", "append \(name) 0 0 1\r\n1\r\n",
                    "mg \(name) v c t s\r\n", "mg \(name) v N30 R30\r\n", "md \(name) I T30\r\n",
                    "ms \(name) 1 I C9 E7\r\n1\r\n", "ma \(name) N0 J5\r\n",
                    "set \(name) 0 0 700\r\n" + String(repeating: "7", count: 700) + "\r\n",
                ]))
        }
    }
#endif
