import MemcacheProtocol
import SessionMap

/// `set`, `add`, `replace`, `append`, `prepend` and their quiet forms. They go the way of the other
/// protocols' storage commands; their value ends where the packet does.
extension TextStorage {
    /// The packet is at the input's start, with all of its key.
    @inline(__always)
    static func begin(
        _ binary: BinaryRequest, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) -> Connection.Step {
        let bytes = input.bytes
        let packet = bytes.span
        let request = StoreRequest(binary, packet, rule: executor.rule, now: now)
        let block = binary.block
        if let step = beginIncomplete(
            request, key: packet.extracting(binary.key), block, &input, executor, now: now,
            refusing: { .packet(BinaryReply(to: binary, $0.status)) }, keeping: { .binary(binary) })
        {
            return step
        }
        return store(binary, request, block, &input, &output, executor, now: now)
    }

    @inline(__always)
    static func store(
        _ binary: BinaryRequest, _ request: StoreRequest, _ block: DataBlock,
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> Connection.Step {
        let bytes = input.bytes
        let packet = bytes.span
        let key = packet.extracting(binary.key)
        let value = packet.extracting(block.start..<block.valueEnd)
        let isProbe = binary.isExistenceProbe(packet, rule: executor.rule)
        var casUnique: UInt64 = 0
        var outcome = executor.store(
            key, request, value: value, isExistenceProbe: isProbe, now: now
        ) { casUnique = $0.casUnique }
        if case .notStored = outcome, !isProbe {
            let refused = executor.refused(
                key, request, value: value, of: HeldPacket(binary, packet),
                as: RequestKind(binary.command), now: now
            ) { casUnique = $0.casUnique }
            switch refused {
            case .over(let other): outcome = other
            case .waits(let waiting):
                input.use(block.next)
                return .waits(waiting)
            }
        }
        output.append(outcome, casUnique: casUnique, to: binary)
        executor.requests.note(RequestKind(binary.command))
        input.use(block.next)
        return .over
    }
}

/// A packet that may be answered later, without its value.
private final class HeldPacket: HeldStore {
    private let binary: BinaryRequest
    private let head: [UInt8]
    /// Of the item that was stored.
    private var casUnique: UInt64 = 0

    init(_ binary: BinaryRequest, _ packet: Span<UInt8>) {
        self.binary = binary
        head = packet.extracting(first: binary.headByteCount).withUnsafeBytes { Array($0) }
    }

    func request(rule: ExptimeRule, now: Moment) -> StoreRequest {
        let head = head
        return StoreRequest(binary, head.span, rule: rule, now: now)
    }

    func show(_ hit: Hit, _ output: inout OutputBuffer) { casUnique = hit.casUnique }

    func tell(_ outcome: StoreOutcome, _ output: inout OutputBuffer) {
        output.append(outcome, casUnique: casUnique, to: binary)
    }
}

extension BinaryRequest {
    fileprivate var block: DataBlock {
        DataBlock(start: headByteCount, unendedValueByteCount: valueByteCount)
    }

    @inline(__always)
    fileprivate func isExistenceProbe(_ packet: Span<UInt8>, rule: ExptimeRule) -> Bool {
        guard valueByteCount == 0, case .store(.add) = command, comparison == nil else {
            return false
        }
        return rule.isExistenceProbe(exptime: Int64(exptime(in: packet)))
    }

    /// What is answered to a storage command that was not carried out.
    fileprivate func status(of outcome: StoreOutcome) -> BinaryStatus {
        switch outcome {
        case .stored: .success
        case .exists: .exists
        case .notFound: .notFound
        case .tooLarge: .tooLarge
        case .outOfMemory: .outOfMemory
        case .notStored:
            switch command {
            case .store(.add): .exists
            case .store(.replace): .notFound
            default: .notStored
            }
        }
    }
}

extension OutputBuffer {
    /// Appends what has come of a storage command, unless that was expected and it is quiet.
    @inline(__always)
    mutating func append(
        _ outcome: StoreOutcome, casUnique: UInt64, to request: BinaryRequest
    ) {
        guard case .stored = outcome else {
            return append(request.status(of: outcome), to: request)
        }
        guard !request.isQuiet else { return }
        let reply = BinaryReply(to: request, casUnique: casUnique)
        append(atMost: BinaryHeader.byteCount) { reply.encode(to: &$0) }
    }
}

extension StoreRequest {
    /// What a binary storage command asks for.
    @inline(__always)
    init(_ binary: BinaryRequest, _ packet: Span<UInt8>, rule: ExptimeRule, now: Moment) {
        guard case .store(let verb) = binary.command else { preconditionFailure("stores nothing") }
        // With a CAS unique, set, add and replace all compare and swap.
        let comparison = binary.comparison
        let mode: StoreMode
        switch verb {
        case .append: mode = .append
        case .prepend: mode = .prepend
        case .add where comparison == nil: mode = .add
        case .replace where comparison == nil: mode = .replace
        case .set, .add, .replace: mode = .set
        }
        switch verb {
        case .append, .prepend:
            self.init(mode: mode, clientFlags: 0, deadline: .never, comparison: comparison)
        case .set, .add, .replace:
            self.init(
                mode: mode, clientFlags: binary.clientFlags(in: packet),
                deadline: rule.deadline(unsigned: binary.exptime(in: packet), now: now),
                comparison: comparison)
            hasEncodedKey = binary.needsEncodedKey(in: packet)
        }
    }
}
