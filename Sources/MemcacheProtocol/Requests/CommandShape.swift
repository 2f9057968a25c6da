#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// What a node looks at before it carries a command out, when another node may have to: whether the
/// command is there, how long it is, which key it is about, and whether it only reads.
///
/// Goals: a command can be passed on in the client's own words, from the input's first byte to
/// `byteCount`; the ordinary path would use exactly so many bytes of it; no allocation; whatever a peer
/// sends has a shape. Not goals: carrying it out, and wording errors. A mistake that only shows when a
/// command is carried out (a data block without its end, a mode of `ms` that is none, a value that is a
/// little too long for its key) has the shape of a command: whoever decides about the key tells it.
///
/// All places count from the input's first byte.
package enum CommandShape: Equatable, Sendable {
    /// More has to come: the line's end, or a packet's header, extras or key.
    case unknown
    /// For the ordinary path, where it came: about this node alone, wrong, or longer than what is looked
    /// at as a whole. All of it need not have arrived.
    case local
    /// About one key. Its data block may still have to come.
    case keyed(KeyedCommand)
    /// `get`, `gets`, `gat` or `gats` of two keys or more.
    case several(SeveralKeys)
    /// About all items, wherever they are.
    case flush(FlushCommand)

    /// - Parameters:
    ///   - input: all that has arrived and was not used yet; a command begins with it.
    ///   - valueByteCountMax: what a value may have with the shortest key. A longer one is swallowed where it
    ///     comes in; that a `set` of it drops the old value reaches no other node.
    ///   - isFull: no more input can arrive before some is used, or there is more room. Then a retrieval
    ///     whose line has no end yet is `local`, as it is from 512 KiB on: the ordinary path makes room, or
    ///     takes its keys in parts.
    package static func of(
        _ input: Span<UInt8>, isBinary: Bool, valueByteCountMax: Int, isFull: Bool = false
    ) -> CommandShape {
        isBinary
            ? ofPacket(input, valueByteCountMax: valueByteCountMax)
            : ofLine(input, valueByteCountMax: valueByteCountMax, isFull: isFull)
    }

    // MARK: Lines

    private static func ofLine(
        _ input: Span<UInt8>, valueByteCountMax: Int, isFull: Bool
    ) -> CommandShape {
        let isFull = isFull || input.count >= ProtocolLimits.retrievalLineByteCountMax
        switch LineFraming.of(input, newline: input.firstNewline, isFull: isFull) {
        case .incomplete: return .unknown
        case .tooShort, .partOfRetrieval, .endless: return .local
        case .line(let count, let next):
            let shape = ofLine(input.extracting(first: count), next: next)
            return shape.bounded(by: valueByteCountMax)
        }
    }

    /// - Parameter next: where the line behind it, or its data block, begins.
    private static func ofLine(_ line: Span<UInt8>, next: Int) -> CommandShape {
        switch CommandParser.parse(line) {
        case .retrieve(let retrieval): return of(retrieval, line, next: next)
        case .store(let header):
            let block = DataBlock(start: next, valueByteCount: header.valueByteCount)
            return .keyed(KeyedCommand(header.key, block: block, isQuiet: header.isQuiet))
        case .delete(let key, let isQuiet), .touch(let key, _, let isQuiet),
            .arithmetic(let key, _, _, let isQuiet):
            return .keyed(KeyedCommand(key, next: next, isQuiet: isQuiet))
        case .meta(let verb): return of(verb, line, next: next)
        case .flushAll(let delay, let isQuiet):
            return ofFlush(delay, line, next: next, isQuiet: isQuiet)
        case .version, .verbosity, .cacheMemlimit, .shutdown, .noop, .debugtime, .stats, .operate,
            .quit, .failure:
            return .local
        }
    }

    private static func of(
        _ retrieval: Retrieval, _ line: Span<UInt8>, next: Int
    ) -> CommandShape {
        let isRead = retrieval.exptime == nil
        guard let key = nextWord(in: line, from: retrieval.keysStart) else { return .local }
        guard nextWord(in: line, from: key.end) != nil else {
            return .keyed(KeyedCommand(key, next: next, isRead: isRead, isQuiet: false))
        }
        guard let verb = nextWord(in: line, from: 0) else { return .local }
        return .several(
            SeveralKeys(
                retrieval, verb: verb,
                exptime: isRead ? nil : nextWord(in: line, from: verb.end),
                keysEnd: line.count, byteCount: next))
    }

    private static func of(_ verb: MetaVerb, _ line: Span<UInt8>, next: Int) -> CommandShape {
        // Shows what this node has of an item.
        if verb == .debug { return .local }
        guard let request = try? MetaRequest(line, verb) else { return .local }
        let flags = request.flags
        var command: KeyedCommand
        if verb == .set {
            let block = DataBlock(start: next, valueByteCount: request.valueByteCount)
            command = KeyedCommand(request.key, block: block, isQuiet: flags.has(.quiet))
        } else {
            command = KeyedCommand(
                request.key, next: next,
                isRead: verb == .get && flags.isDisjoint(with: .changingWhenRead),
                isQuiet: flags.has(.quiet))
        }
        command.isKeyEncoded = flags.has(.encodedKey)
        return .keyed(command)
    }

    /// A delay below 1 is none, as the ordinary path has it, and one that is no number is an error.
    private static func ofFlush(
        _ delay: ByteRange?, _ line: Span<UInt8>, next: Int, isQuiet: Bool
    ) -> CommandShape {
        var seconds: Int32 = 0
        if let delay {
            guard let number = line.signed32(at: delay) else { return .local }
            seconds = number
        }
        return .flush(
            FlushCommand(byteCount: next, delay: UInt32(max(seconds, 0)), isQuiet: isQuiet))
    }

    // MARK: Packets

    private static func ofPacket(_ input: Span<UInt8>, valueByteCountMax: Int) -> CommandShape {
        switch BinaryFraming.of(input) {
        case .incomplete: return .unknown
        case .failure, .foreign: return .local
        case .request(let request):
            switch request.command {
            case .noop, .version, .verbosity, .quit, .stat, .listMechanisms, .authenticate:
                return .local
            case .retrieve, .touch, .store, .delete, .arithmetic, .flush:
                guard input.count >= request.headByteCount else { return .unknown }
                return of(request, input).bounded(by: valueByteCountMax)
            }
        }
    }

    /// - Parameter packet: with all of its key.
    private static func of(_ request: BinaryRequest, _ packet: Span<UInt8>) -> CommandShape {
        if case .flush = request.command {
            return .flush(
                FlushCommand(
                    byteCount: request.headByteCount, delay: request.delay(in: packet),
                    isQuiet: request.isQuiet))
        }
        let block = DataBlock(
            start: request.headByteCount, unendedValueByteCount: request.valueByteCount)
        let key = ByteRange(start: request.key.lowerBound, count: request.key.count)
        var command = KeyedCommand(key, block: block, isQuiet: request.isQuiet)
        if case .retrieve(_, touches: false) = request.command { command.isRead = true }
        command.isBinary = true
        return .keyed(command)
    }

    /// Nobody is sent a value that nobody may store.
    private func bounded(by valueByteCountMax: Int) -> CommandShape {
        guard case .keyed(let command) = self, command.valueByteCount > valueByteCountMax else {
            return self
        }
        return .local
    }
}

extension MetaFlags {
    /// Those with which `mg` may change an item, or make one; `md`, `ms` and `ma` always do. `E` is of
    /// use with `N` alone, and is sent by nobody who only reads.
    fileprivate static let changingWhenRead: MetaFlags = [exptime, vivify, recache, newUnique]
}

extension Span where Element == UInt8 {
    /// The place of the first LF.
    fileprivate var firstNewline: Int? {
        withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress,
                let found = memchr(base, Int32(UInt8(ascii: "\n")), bytes.count)
            else { return nil }
            return UnsafeRawPointer(found) - base
        }
    }
}
