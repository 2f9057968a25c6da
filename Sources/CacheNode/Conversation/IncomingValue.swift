import MemcacheProtocol
import SessionMap

/// A value that is larger than the input buffer, on its way into the map.
///
/// Ends with `finish`, with a part for which there is no memory, or by being let go of: until then it
/// holds memory.
final class IncomingValue {
    private var store: SessionMap.PendingStore?
    private let command: TextStorage
    private let map: SessionMap
    /// Of which it holds memory.
    private let shard: Int
    private let begunSeconds: UInt32

    // Not inlined: the map would be retained on every storage command's way, and released.
    @inline(never)
    static func make(
        _ store: consuming SessionMap.PendingStore, of command: TextStorage,
        _ executor: borrowing Executor, now: Moment
    ) -> IncomingValue {
        IncomingValue(store, of: command, map: executor.map, now: now)
    }

    private init(
        _ store: consuming SessionMap.PendingStore, of command: TextStorage, map: SessionMap,
        now: Moment
    ) {
        begunSeconds = now.seconds
        shard = store.shard
        self.store = consume store
        self.command = command
        self.map = map
    }

    deinit {
        if let store = store.take() { map.abandon(store) }
    }

    private var isQuiet: Bool {
        if case .classic(let header) = command { header.isQuiet } else { false }
    }

    /// What follows the value.
    var endByteCount: Int {
        if case .binary = command { 0 } else { DataBlock.endByteCount }
    }

    /// Where its next bytes go; empty when all have arrived.
    var target: UnsafeMutableRawBufferPointer {
        store?.target ?? UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    /// Of the value alone.
    var bytesLeft: Int { store?.bytesLeft ?? 0 }

    /// What the rest of the block and the reply are when there is no memory for more.
    struct Refusal {
        let bytesLeft: Int
        let reply: OwedReply?
    }

    /// Takes note of bytes that were written to the target. When there is no memory for the rest, this
    /// is over.
    func noteReceived(
        _ count: Int, _ executor: borrowing Executor, now: Moment
    ) -> Refusal? {
        guard var store = store.take() else {
            preconditionFailure("bytes of a value that is over")
        }
        if map.received(count, in: &store, now: now.seconds) {
            self.store = consume store
            return nil
        }
        let bytesLeft = store.bytesLeft + endByteCount
        executor.refuseRest(of: store, now: now)
        return Refusal(bytesLeft: bytesLeft, reply: refusal)
    }

    /// When it began, if it holds memory that others should have.
    func heldSeconds(of map: SessionMap, in shards: Set<Int>) -> UInt32? {
        map === self.map && shards.contains(shard) ? begunSeconds : nil
    }

    /// Is over, for its memory is wanted.
    func yield(_ executor: borrowing Executor, now: Moment) -> Refusal? {
        guard let store = store.take() else { return nil }
        let bytesLeft = store.bytesLeft + endByteCount
        executor.refuseRest(of: store, now: now)
        return Refusal(bytesLeft: bytesLeft, reply: refusal)
    }

    private var refusal: OwedReply? {
        if case .binary(let request) = command {
            return .packet(BinaryReply(to: request, .outOfMemory))
        }
        return isQuiet ? nil : .line(.outOfMemory)
    }

    /// Moves what has come through the input buffer to its place.
    func take(
        from input: inout InputBuffer, _ executor: borrowing Executor, now: Moment
    ) -> Refusal? {
        let target = target
        let count = min(target.count, input.count)
        UnsafeMutableRawBufferPointer(rebasing: target[..<count]).copyBytes(
            from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(input.bytes)[..<count]))
        input.use(count)
        return noteReceived(count, executor, now: now)
    }

    /// Stores it, if what follows in the input is its end, and answers.
    func finish(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) {
        let isWell = endByteCount == 0 || DataBlock.isEnd(input.bytes.span)
        input.use(endByteCount)
        guard let store = store.take() else {
            preconditionFailure("the end of a value that is over")
        }
        executor.requests.note(command.kind)
        guard isWell else {
            map.abandon(store)
            executor.noteBadBlock()
            output.append(ErrorReply.badDataChunk.line, isQuiet: isQuiet)
            return
        }
        switch command {
        case .classic:
            let outcome = executor.commit(store, now: now) { _ in }
            output.append(outcome.line, isQuiet: isQuiet)
        case .meta(let meta):
            let line = meta.line
            let outcome = executor.commit(store, now: now) {
                meta.request.tellStored($0, line: line.span, &output)
            }
            meta.request.tell(outcome, line: line.span, &output)
        case .binary(let request):
            var casUnique: UInt64 = 0
            let outcome = executor.commit(store, now: now) { casUnique = $0.casUnique }
            output.append(outcome, casUnique: casUnique, to: request)
        }
    }
}
