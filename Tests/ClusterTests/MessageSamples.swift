import Cluster
import TestSupport

/// Messages that say anything at all, as a seed repeats them.
struct MessageSamples {
    static let kindCount = 24
    var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed) }

    /// One of each kind.
    static func each(seed: UInt64 = 7) -> [PeerMessage] {
        var samples = MessageSamples(seed: seed)
        return (0..<kindCount).map { samples.message(kind: $0) }
    }

    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(
        _ type: Number.Type = Number.self
    ) -> Number {
        // Mostly one that a mistake in the order of bytes changes, now and then the least or the highest.
        switch UInt8.random(in: 0..<8, using: &generator) {
        case 0: 0
        case 1: .max
        default: Number.random(in: .min ... .max, using: &generator)
        }
    }

    mutating func bytes(_ counts: ClosedRange<Int>) -> [UInt8] {
        (0..<Int.random(in: counts, using: &generator)).map { _ in number() }
    }

    mutating func isSo() -> Bool { Bool.random(using: &generator) }

    mutating func state() -> KeyState {
        KeyState(
            key: bytes(1...40), stamp: Stamp(birth: number(), version: number()),
            kind: isSo() ? .item : .tombstone, clientFlags: number(),
            secondsLeft: isSo() ? UInt32.random(in: 0..<UInt32.max, using: &generator) : nil,
            marks: number(), value: bytes(0...90))
    }

    mutating func operation() -> OperationNumber { OperationNumber(bits: number()) }

    mutating func outcome() -> Outcome? { isSo() ? Outcome(bytes(0...30)) : nil }

    mutating func numbers() -> [UInt64] { bytes(0...9).map { _ in number() } }

    mutating func statement() -> Statement {
        var statement = Statement(
            process: number(), time: number() >> 2, echo: number() >> 2,
            standing: Standing.allCases.randomElement(using: &generator) ?? .unknown,
            isReady: isSo(), waitsSince: number() >> 2, hears: MemberSet(bits: number()),
            clock: number() >> 2, clockLeadMilliseconds: number(),
            flushed: Stamp(birth: number(), version: number()), agreed: number() >> 2)
        statement.generation = number() >> 1
        statement.next = statement.generation + UInt64(number(UInt8.self)) % 3
        statement.isWith = MemberSet(bits: number())
        statement.isStandingIn = isSo()
        statement.phase = ChangePhase.allCases.randomElement(using: &generator) ?? .settled
        return statement
    }

    mutating func listed() -> [ListedState] {
        numbers().map { ListedState(hash: $0, stamp: Stamp(birth: number(), version: number())) }
    }

    mutating func message(kind: Int) -> PeerMessage {
        switch kind {
        case 0: .statement(statement())
        case 1:
            .frame(
                .forward(
                    Request(
                        number: operation(), isRead: isSo(), key: bytes(1...40),
                        command: bytes(0...90)),
                    hops: number()))
        case 2: .frame(.outcome(operation(), Outcome(bytes(0...90))))
        case 3: .frame(.decline(operation()))
        case 4: .frame(.replicate(sequence: number(), operation(), outcome(), state()))
        case 5: .frame(.acknowledge(sequence: number()))
        case 6: .frame(.refuse(sequence: number(), Stamp(birth: number(), version: number())))
        case 7: .frame(.inform(isSo() ? operation() : nil, outcome(), state()))
        case 8: .frame(.barrier(since: number() >> 2))
        case 9: .frame(.compare(round: number()))
        case 10: .frame(.digests(round: number(), numbers()))
        case 11: .frame(.list(round: number(), range: number(), listed()))
        case 12: .frame(.want(round: number(), range: number(), hashes: numbers()))
        case 13:
            .frame(
                .flush(
                    operation(), Stamp(birth: number(), version: number()),
                    asked: MemberSet(bits: number())))
        case 14: .frame(.flushed(operation(), clock: number() >> 2))
        case 15:
            .frame(
                .notes(
                    numbers().map {
                        Note(
                            key: bytes(1...40), stamp: Stamp(birth: number(), version: $0),
                            secondsLeft: isSo() ? nil : number() >> 1, marks: number())
                    }))
        case 16: .frame(.fetch(operation(), key: bytes(1...40)))
        case 17: .frame(.fetched(operation(), isSo() ? state() : nil))
        case 18: .frame(.exchanged(round: number()))
        case 19: .frame(.sharing(GenerationSpan(acted: number(), next: number())))
        case 20: .frame(.ask(generation: number()))
        case 21:
            .frame(
                .definition(
                    DefinitionNotice(
                        generation: number(), hash: number(), rulesHash: number(),
                        use: isSo() ? .settled : .acted, text: bytes(0...90))))
        case 22: .frame(.keep(sequence: number(), operation(), outcome(), state()))
        default:
            .frame(
                .moved(
                    Word(
                        generation: number(), isWhole: isSo(), hasAll: isSo(),
                        has: MemberSet(bits: number()),
                        without: MemberSet(bits: number()), forgotten: number() >> 2)))
        }
    }
}

/// Room for every sample.
let sampleByteCountMax = 70_000

func encoded(_ message: PeerMessage, in version: WireVersion = .newest) -> [UInt8] {
    var bytes: [UInt8] = []
    message.append(to: &bytes, in: version)
    return bytes
}

/// Everything that a new reader makes of some bytes.
func decoded(
    _ bytes: [UInt8], cut: Cuts = .whole, byteCountMax: Int = sampleByteCountMax,
    in version: WireVersion = .newest
) throws(FrameError) -> [PeerMessage] {
    var reader = FrameReader(frameByteCountMax: byteCountMax, version: version)
    var messages: [PeerMessage] = []
    var start = 0
    for length in cut.lengths(of: bytes.count) {
        let piece = Array(bytes[start..<start + length])
        reader.append(piece.span.bytes)
        while let message = try reader.next() { messages.append(message) }
        start += length
    }
    return messages
}

func problem(_ bytes: [UInt8], byteCountMax: Int = sampleByteCountMax) -> FrameError? {
    do {
        _ = try decoded(bytes, byteCountMax: byteCountMax)
        return nil
    } catch { return error }
}
