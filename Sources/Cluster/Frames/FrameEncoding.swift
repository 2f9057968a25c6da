/// The bytes of a frame: its header, then a body.
///
///     forward      number (8) · is read · key's length · 0 (2) · command's length (4) · key · command
///     outcome      number (8) · reply
///     decline      number (8)
///     replicate, keep, inform    number (8), or 0 · reply's length (4), all ones: none · has number · 0 (3)
///                          reply · state
///     acknowledge, compare, exchanged    nothing
///     refuse       stamp (12)
///     barrier      since (8)
///     notes        each: stamp (12) · seconds left (4), all ones: never · key's length · marks · 0 (2) · key
///     fetch        number (8) · key's length · key
///     fetched      number (8) · state, or nothing
///     flush        number (8) · asked (8) · stamp (12), all 0: none
///     flushed      number (8) · clock (8)
///     digests      each (8)
///     list         range (2) · 0 (2) · each: hash (8), stamp (12)
///     want         range (2) · 0 (2) · each: hash (8)
///     sharing      generation (8) · next (8)
///     moved        generation (8) · has (8) · without (8) · forgotten (8)
///                  is whole · has all · 0 (6)
///     definition   generation (8) · hash (8) · hash of the rules (8) · use · 0 (7) · text
///     ask          generation (8)
extension PeerFrame {
    static let forwardByteCount = 16
    static let changeByteCount = 16
    static let rangeByteCount = 4
    static let noReply = UInt32.max

    /// What it takes on the link, its header included.
    package func byteCount(in version: WireVersion) -> Int {
        FrameHeader.byteCount + bodyByteCount(in: version)
    }

    /// Whether there is such a frame in a version. Where there is none it cannot be sent.
    package func isKnown(in version: WireVersion) -> Bool {
        type.first <= version
    }

    /// Costs at most one allocation, by which `bytes` grows to at least twice what it was.
    ///
    /// - Parameter version: the link's, in which there must be such a frame.
    package func append(to bytes: inout [UInt8], in version: WireVersion) {
        let header = header(in: version)
        precondition(isKnown(in: version), "an earlier version has no such frame")
        let byteCount = FrameHeader.byteCount + header.bodyByteCount
        bytes.append(byteCount: byteCount, in: version) { writer in
            header.encode(to: &writer)
            encodeBody(to: &writer)
        }
    }

    private var type: FrameType {
        switch self {
        case .forward: .forward
        case .outcome: .outcome
        case .decline: .decline
        case .replicate: .replicate
        case .keep: .keep
        case .acknowledge: .acknowledge
        case .refuse: .refuse
        case .inform: .inform
        case .barrier: .barrier
        case .notes: .notes
        case .fetch: .fetch
        case .fetched: .fetched
        case .flush: .flush
        case .flushed: .flushed
        case .compare: .compare
        case .digests: .digests
        case .list: .list
        case .want: .want
        case .exchanged: .exchanged
        case .sharing: .sharing
        case .moved: .moved
        case .definition: .definition
        case .ask: .ask
        }
    }

    private func header(in version: WireVersion) -> FrameHeader {
        var header = FrameHeader(type, bodyByteCount: bodyByteCount(in: version))
        switch self {
        case .forward(_, let hops): header.hops = hops
        case .replicate(let sequence, _, _, _), .keep(let sequence, _, _, _),
            .acknowledge(let sequence), .refuse(let sequence, _):
            header.sequence = sequence
        case .compare(let round), .digests(let round, _), .list(let round, _, _),
            .want(let round, _, _), .exchanged(let round):
            header.round = round
        case .outcome, .decline, .inform, .barrier, .notes, .fetch, .fetched, .flush, .flushed,
            .sharing, .moved, .definition, .ask:
            break
        }
        return header
    }

    private func bodyByteCount(in _: WireVersion) -> Int {
        switch self {
        case .forward(let request, _):
            Self.forwardByteCount + request.key.count + request.command.count
        case .outcome(_, let outcome): 8 + outcome.reply.count
        case .decline, .barrier, .ask: 8
        case .definition(let notice): notice.byteCount
        case .sharing: 16
        case .moved: 40
        case .replicate(_, _, let outcome, let state), .keep(_, _, let outcome, let state),
            .inform(_, let outcome, let state):
            Self.changeByteCount + (Self.reply(of: outcome)?.count ?? 0) + state.byteCount
        case .acknowledge, .compare, .exchanged: 0
        case .refuse: Stamp.byteCount
        case .notes(let notes): notes.reduce(0) { $0 + $1.byteCount }
        case .fetch(_, let key): 9 + key.count
        case .fetched(_, let state): 8 + (state?.byteCount ?? 0)
        case .flush: 16 + Stamp.byteCount
        case .flushed: 16
        case .digests(_, let digests): 8 * digests.count
        case .list(_, _, let states): Self.rangeByteCount + ListedState.byteCount * states.count
        case .want(_, _, let hashes): Self.rangeByteCount + 8 * hashes.count
        }
    }

    private func encodeBody(to writer: inout ByteWriter) {
        switch self {
        case .forward(let request, _): Self.encode(request, to: &writer)
        case .outcome(let number, let outcome):
            writer.put(number.bits)
            writer.put(outcome.reply)
        case .decline(let number): writer.put(number.bits)
        case .replicate(_, let number, let outcome, let state),
            .keep(_, let number, let outcome, let state):
            Self.encode(number, outcome, state, to: &writer)
        case .inform(let number, let outcome, let state):
            Self.encode(number, outcome, state, to: &writer)
        case .acknowledge, .compare, .exchanged: break
        case .refuse(_, let stamp): stamp.encode(to: &writer)
        case .barrier(let since): writer.put(since)
        case .ask(let generation): writer.put(generation)
        case .definition(let notice): notice.encode(to: &writer)
        case .notes(let notes): for note in notes { note.encode(to: &writer) }
        case .fetch(let number, let key):
            writer.put(number.bits)
            KeyState.putByteCount(of: key, to: &writer)
            writer.put(key)
        case .fetched(let number, let state):
            writer.put(number.bits)
            state?.encode(to: &writer)
        case .flush(let number, let stamp, let asked):
            writer.put(number.bits)
            writer.put(asked.bits)
            stamp.encode(to: &writer)
        case .flushed(let number, let clock):
            writer.put(number.bits)
            writer.put(clock)
        case .digests(_, let digests): for digest in digests { writer.put(digest) }
        case .list(_, let range, let states):
            writer.put(range)
            writer.put(0 as UInt16)
            for state in states { state.encode(to: &writer) }
        case .want(_, let range, let hashes):
            writer.put(range)
            writer.put(0 as UInt16)
            for hash in hashes { writer.put(hash) }
        case .sharing(let span):
            writer.put(span.acted)
            writer.put(span.next)
        case .moved(let word):
            writer.put(word.generation)
            writer.put(word.has.bits)
            writer.put(word.without.bits)
            writer.put(word.forgotten)
            writer.put(word.isWhole ? 1 as UInt8 : 0)
            writer.put(word.hasAll ? 1 as UInt8 : 0)
            writer.put(0 as UInt16)
            writer.put(0 as UInt32)
        }
    }

    private static func encode(_ request: Request, to writer: inout ByteWriter) {
        writer.put(request.number.bits)
        writer.put(request.isRead ? 1 as UInt8 : 0)
        KeyState.putByteCount(of: request.key, to: &writer)
        writer.put(0 as UInt16)
        writer.put(UInt32(request.command.count))
        writer.put(request.key)
        writer.put(request.command)
    }

    private static func encode(
        _ number: OperationNumber?, _ outcome: Outcome?, _ state: KeyState,
        to writer: inout ByteWriter
    ) {
        let reply = reply(of: outcome)
        writer.put(number?.bits ?? 0)
        writer.put(reply.map { UInt32($0.count) } ?? noReply)
        writer.put(number == nil ? 0 as UInt8 : 1)
        writer.put(0 as UInt8)
        writer.put(0 as UInt16)
        if let reply { writer.put(reply) }
        state.encode(to: &writer)
    }

    /// One that is too long to be remembered is not sent: a frame would hold a value twice.
    private static func reply(of outcome: Outcome?) -> [UInt8]? {
        guard let outcome, outcome.isRemembered else { return nil }
        return outcome.reply
    }
}
