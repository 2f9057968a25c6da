import MemcacheProtocol
import SessionMap

/// A storage command whose line has arrived, or its packet's head: from here on it waits for its value.
///
/// What is told apart here is the protocols' words alone.
enum TextStorage {
    case classic(StoreHeader)
    case meta(MetaLine)
    case binary(BinaryRequest)

    /// A meta command's line, which is needed for the reply when the block has arrived. Only made when
    /// the two do not come together.
    final class MetaLine {
        let request: MetaRequest
        let line: [UInt8]

        init(_ request: MetaRequest, line: Span<UInt8>) {
            self.request = request
            self.line = line.withUnsafeBytes { Array($0) }
        }
    }

    var kind: RequestKind {
        switch self {
        case .classic(let header): RequestKind(header.verb)
        case .meta: .metaSet
        case .binary(let binary): RequestKind(binary.command)
        }
    }

    // MARK: When a line has arrived

    /// - Parameter next: where the data block starts.
    @inline(__always)
    static func begin(
        _ header: StoreHeader, line: Span<UInt8>, next: Int, _ input: inout InputBuffer,
        _ output: inout OutputBuffer, _ executor: borrowing Executor, now: Moment
    ) -> Connection.Step {
        let request = StoreRequest(header, rule: executor.rule, now: now)
        let block = DataBlock(start: next, valueByteCount: header.valueByteCount)
        let key = line.extracting(header.key.range)
        if let step = beginIncomplete(
            request, key: key, block, &input, executor, now: now,
            refusing: { header.isQuiet ? nil : .line($0.line) }, keeping: { .classic(header) })
        {
            return step
        }
        return store(header, request, key: key, block, &input, &output, executor, now: now)
    }

    @inline(__always)
    static func begin(
        _ meta: MetaRequest, line: Span<UInt8>, next: Int, _ input: inout InputBuffer,
        _ output: inout OutputBuffer, _ executor: borrowing Executor, now: Moment
    ) -> Connection.Step {
        let block = DataBlock(start: next, valueByteCount: meta.valueByteCount)
        guard let request = meta.storeRequest(rule: executor.rule, now: now) else {
            input.use(next)
            return .swallows(byteCount: block.next - next, then: .line(.invalidStoreMode))
        }
        return meta.withKey(in: line) { key in
            if let step = beginIncomplete(
                request, key: key, block, &input, executor, now: now,
                refusing: { .line($0.line) }, keeping: { .meta(MetaLine(meta, line: line)) })
            {
                return step
            }
            return store(
                meta, request, key: key, line: line, block, &input, &output, executor, now: now)
        }
    }

    /// What to do about a value that is not there to be stored; nothing for one that is.
    @inline(__always)
    static func beginIncomplete(
        _ request: StoreRequest, key: Span<UInt8>, _ block: DataBlock,
        _ input: inout InputBuffer, _ executor: borrowing Executor, now: Moment,
        refusing: (ValueRefusal) -> OwedReply?, keeping command: () -> TextStorage
    ) -> Connection.Step? {
        let valueByteCount = block.valueEnd - block.start
        guard executor.admits(key, request, valueByteCount: valueByteCount, now: now) else {
            input.use(block.start)
            return .swallows(
                byteCount: block.next - block.start, then: refusing(.tooLarge))
        }
        if block.next > InputBuffer.blockByteCount {
            let store = executor.begin(key, request, valueByteCount: valueByteCount, now: now)
            guard let store else {
                input.use(block.start)
                return .swallows(
                    byteCount: block.next - block.start, then: refusing(.outOfMemory))
            }
            // The line is needed until here.
            let value = IncomingValue.make(
                consume store, of: command(), executor, now: now)
            input.use(block.start)
            return .leads(.receivingValue(value))
        }
        return input.count < block.next ? .awaits(command(), block) : nil
    }

    // MARK: When its block has arrived

    /// The line, or the packet's head, is at the input's start, and all of the block behind it.
    func finish(
        _ block: DataBlock, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) -> Connection.Step {
        switch self {
        case .classic(let header):
            let bytes = input.bytes
            return Self.store(
                header, StoreRequest(header, rule: executor.rule, now: now),
                key: bytes.span.extracting(header.key.range), block, &input, &output, executor,
                now: now)
        case .meta(let meta):
            let request = meta.request(rule: executor.rule, now: now)
            let line = meta.line
            return meta.request.withKey(in: line.span) { key in
                Self.store(
                    meta.request, request, key: key, line: line.span, block, &input, &output,
                    executor, now: now)
            }
        case .binary(let binary):
            let bytes = input.bytes
            let request = StoreRequest(binary, bytes.span, rule: executor.rule, now: now)
            return Self.store(binary, request, block, &input, &output, executor, now: now)
        }
    }

    @inline(__always)
    private static func store(
        _ header: StoreHeader, _ request: StoreRequest, key: Span<UInt8>, _ block: DataBlock,
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> Connection.Step {
        let bytes = input.bytes
        if block.isWellEnded(in: bytes.span) {
            let value = bytes.span.extracting(block.start..<block.valueEnd)
            let isProbe = executor.rule.isExistenceProbe(header)
            var outcome = executor.store(
                key, request, value: value, isExistenceProbe: isProbe, now: now
            ) { _ in }
            if case .notStored = outcome, !isProbe {
                let refused = executor.refused(
                    key, request, value: value, of: header, as: RequestKind(header.verb), now: now
                ) { _ in }
                switch refused {
                case .over(let other): outcome = other
                case .waits(let waiting):
                    input.use(block.next)
                    return .waits(waiting)
                }
            }
            output.append(outcome.line, isQuiet: header.isQuiet)
        } else {
            executor.noteBadBlock()
            output.append(ErrorReply.badDataChunk.line, isQuiet: header.isQuiet)
        }
        executor.requests.note(RequestKind(header.verb))
        input.use(block.next)
        return .over
    }

    @inline(__always)
    private static func store(
        _ meta: MetaRequest, _ request: StoreRequest, key: Span<UInt8>, line: Span<UInt8>,
        _ block: DataBlock, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) -> Connection.Step {
        let bytes = input.bytes
        if block.isWellEnded(in: bytes.span) {
            let value = bytes.span.extracting(block.start..<block.valueEnd)
            var outcome = executor.store(key, request, value: value, now: now) {
                meta.tellStored($0, line: line, &output)
            }
            if case .notStored = outcome {
                let refused = executor.refused(
                    key, request, value: value, of: MetaLine(meta, line: line), as: .metaSet,
                    now: now
                ) { meta.tellStored($0, line: line, &output) }
                switch refused {
                case .over(let other): outcome = other
                case .waits(let waiting):
                    input.use(block.next)
                    return .waits(waiting)
                }
            }
            meta.tell(outcome, line: line, &output)
        } else {
            executor.noteBadBlock()
            output.append(.badDataChunk)
        }
        executor.requests.note(.metaSet)
        input.use(block.next)
        return .over
    }
}

extension StoreHeader: HeldStore {
    func request(rule: ExptimeRule, now: Moment) -> StoreRequest {
        StoreRequest(self, rule: rule, now: now)
    }

    func show(_ hit: Hit, _ output: inout OutputBuffer) {}

    func tell(_ outcome: StoreOutcome, _ output: inout OutputBuffer) {
        output.append(outcome.line, isQuiet: isQuiet)
    }
}

extension TextStorage.MetaLine: HeldStore {
    func request(rule: ExptimeRule, now: Moment) -> StoreRequest {
        guard let request = request.storeRequest(rule: rule, now: now) else {
            preconditionFailure("a mode that was none from the start")
        }
        return request
    }

    func show(_ hit: Hit, _ output: inout OutputBuffer) {
        let line = line
        request.tellStored(hit, line: line.span, &output)
    }

    func tell(_ outcome: StoreOutcome, _ output: inout OutputBuffer) {
        let line = line
        request.tell(outcome, line: line.span, &output)
    }
}

/// Why a value is swallowed and not stored.
enum ValueRefusal {
    case tooLarge, outOfMemory

    var line: ErrorReply { self == .tooLarge ? .tooLarge : .outOfMemory }
    var status: BinaryStatus { self == .tooLarge ? .tooLarge : .outOfMemory }
}

extension StoreOutcome {
    /// What a classic command is answered.
    var line: StaticString {
        switch self {
        case .stored: Reply.stored.line
        case .notStored: Reply.notStored.line
        case .exists: Reply.exists.line
        case .notFound: Reply.notFound.line
        case .tooLarge: ErrorReply.tooLarge.line
        case .outOfMemory: ErrorReply.outOfMemory.line
        }
    }
}

extension MetaRequest {
    /// Told while the item is there to be seen, with its shard's lock held.
    @inline(__always)
    func tellStored(_ hit: Hit, line: Span<UInt8>, _ output: inout OutputBuffer) {
        if !flags.has(.quiet) { tell(.done, hit, line: line, &output) }
    }

    /// Tells what came of `ms`, unless `tellStored` has seen to it.
    func tell(_ outcome: StoreOutcome, line: Span<UInt8>, _ output: inout OutputBuffer) {
        switch outcome {
        case .stored: break
        case .notStored: tell(.notStored, nil, line: line, &output)
        case .exists: tell(.exists, nil, line: line, &output)
        case .notFound: tell(.notFound, nil, line: line, &output)
        case .tooLarge: output.append(.tooLarge)
        case .outOfMemory: output.append(.outOfMemory)
        }
    }

    @inline(__always)
    private func tell(
        _ code: MetaReply.Code, _ hit: Hit?, line: Span<UInt8>, _ output: inout OutputBuffer
    ) {
        // Its key comes back as it was sent.
        output.append(
            reply(stored: hit, code), to: self, line: line, key: line.extracting(key.range))
    }
}
