/// See the other direction for the shapes.
extension PeerMessage {
    /// - Parameters:
    ///   - body: as many bytes as the header has announced. What is kept of them is copied.
    ///   - version: the link's.
    init(
        _ header: FrameHeader, body: UnsafeRawBufferPointer, in version: WireVersion
    ) throws(FrameError) {
        var reader = ByteReader(body, of: header.type.name, in: version)
        self = try Self.decode(header, &reader)
        try reader.end()
    }

    private static func decode(
        _ header: FrameHeader, _ reader: inout ByteReader
    ) throws(FrameError) -> PeerMessage {
        let (sequence, round) = (header.sequence, header.round)
        switch header.type {
        case .statement: return .statement(try Statement(decoding: &reader))
        case .forward: return .frame(.forward(try request(&reader), hops: header.hops))
        case .outcome:
            let number = OperationNumber(bits: try reader.take())
            return .frame(.outcome(number, Outcome(try reader.takeRest())))
        case .decline: return .frame(.decline(OperationNumber(bits: try reader.take())))
        case .replicate, .keep:
            let (number, outcome, state) = try change(&reader)
            guard let number else { throw reader.bad("having a number", 0, expected: "1") }
            return header.type == .keep
                ? .frame(.keep(sequence: sequence, number, outcome, state))
                : .frame(.replicate(sequence: sequence, number, outcome, state))
        case .acknowledge: return .frame(.acknowledge(sequence: sequence))
        case .refuse: return .frame(.refuse(sequence: sequence, try Stamp(decoding: &reader)))
        case .inform:
            let (number, outcome, state) = try change(&reader)
            return .frame(.inform(number, outcome, state))
        case .barrier: return .frame(.barrier(since: try reader.takeMoment("beginning")))
        case .notes: return .frame(.notes(try notes(&reader)))
        case .fetch:
            let number = OperationNumber(bits: try reader.take())
            let keyByteCount = try KeyState.takeKeyByteCount(&reader)
            let key = try reader.take(byteCount: keyByteCount)
            return .frame(.fetch(number, key: key))
        case .fetched:
            let number = OperationNumber(bits: try reader.take())
            return .frame(
                .fetched(number, reader.isAtEnd ? nil : try KeyState(decoding: &reader)))
        case .flush:
            let number = OperationNumber(bits: try reader.take())
            let asked = MemberSet(bits: try reader.take())
            return .frame(.flush(number, try Stamp(decoding: &reader), asked: asked))
        case .flushed:
            let number = OperationNumber(bits: try reader.take())
            return .frame(.flushed(number, clock: try reader.takeMoment("clock")))
        case .compare: return .frame(.compare(round: round))
        case .digests: return .frame(.digests(round: round, try reader.takeNumbers()))
        case .list:
            let range = try range(&reader)
            return .frame(.list(round: round, range: range, try listedStates(&reader)))
        case .want:
            let range = try range(&reader)
            return .frame(.want(round: round, range: range, hashes: try reader.takeNumbers()))
        case .exchanged: return .frame(.exchanged(round: round))
        case .definition: return .frame(.definition(try DefinitionNotice(decoding: &reader)))
        case .ask: return .frame(.ask(generation: try reader.take()))
        case .sharing:
            let acted = try reader.take(UInt64.self)
            return .frame(.sharing(GenerationSpan(acted: acted, next: try reader.take())))
        case .moved:
            let generation = try reader.take(UInt64.self)
            let has = MemberSet(bits: try reader.take())
            let without = MemberSet(bits: try reader.take())
            let forgotten = try reader.takeMoment("forgotten")
            let isWhole = try reader.takeBool("being whole")
            let hasAll = try reader.takeBool("having all")
            try reader.takeZero(UInt16.self)
            try reader.takeZero(UInt32.self)
            return .frame(
                .moved(
                    Word(
                        generation: generation, isWhole: isWhole, hasAll: hasAll, has: has,
                        without: without, forgotten: forgotten)))
        }
    }

    private static func request(_ reader: inout ByteReader) throws(FrameError) -> Request {
        let number = OperationNumber(bits: try reader.take())
        let isRead = try reader.takeBool("being a read")
        let keyByteCount = try KeyState.takeKeyByteCount(&reader)
        try reader.takeZero(UInt16.self)
        let commandByteCount = Int(try reader.take(UInt32.self))
        let key = try reader.take(byteCount: keyByteCount)
        return Request(
            number: number, isRead: isRead, key: key,
            command: try reader.take(byteCount: commandByteCount))
    }

    private static func change(
        _ reader: inout ByteReader
    ) throws(FrameError) -> (OperationNumber?, Outcome?, KeyState) {
        let bits = try reader.take(UInt64.self)
        let replyByteCount = try reader.take(UInt32.self)
        let hasNumber = try reader.takeBool("having a number")
        guard hasNumber || bits == 0 else {
            throw reader.bad("number of no operation", bits, expected: "0")
        }
        try reader.takeZero(UInt8.self)
        try reader.takeZero(UInt16.self)
        var outcome: Outcome?
        if replyByteCount != PeerFrame.noReply {
            guard replyByteCount <= Outcome.rememberedByteCountMax else {
                throw reader.bad(
                    "reply length", UInt64(replyByteCount),
                    expected: "at most \(Outcome.rememberedByteCountMax)")
            }
            outcome = Outcome(try reader.take(byteCount: Int(replyByteCount)))
        }
        let number = hasNumber ? OperationNumber(bits: bits) : nil
        return (number, outcome, try KeyState(decoding: &reader))
    }

    private static func notes(_ reader: inout ByteReader) throws(FrameError) -> [Note] {
        var notes: [Note] = []
        while !reader.isAtEnd { notes.append(try Note(decoding: &reader)) }
        return notes
    }

    private static func range(_ reader: inout ByteReader) throws(FrameError) -> UInt16 {
        let range = try reader.take(UInt16.self)
        try reader.takeZero(UInt16.self)
        return range
    }

    private static func listedStates(
        _ reader: inout ByteReader
    ) throws(FrameError) -> [ListedState] {
        try reader.takeRest(elementByteCount: ListedState.byteCount) {
            (reader) throws(FrameError) in try ListedState(decoding: &reader)
        }
    }
}
