import MemcacheProtocol
import SessionMap

/// `set`, `add`, `replace`, `append`, `prepend`, `cas`: one path, with a mode.
extension Connection {
    func store(
        _ header: StoreHeader, line: Span<UInt8>, next: Int, now: Moment
    ) -> Progress {
        let key = line.extracting(header.key.range)
        let blockByteCount = header.valueByteCount + 2
        guard header.valueByteCount <= map.configuration.valueByteCountMax(keyByteCount: key.count)
        else {
            if header.verb == .set { _ = map.delete(key, now: now.seconds) }
            counters.add(.storeTooLarge)
            input.use(next)
            refuse(header, blockByteCount, .tooLarge)
            return .went
        }
        guard next + blockByteCount <= InputBuffer.blockByteCount else {
            return beginValue(header, key: key, next: next, now: now)
        }
        guard input.count >= next + blockByteCount else { return .stuck }
        let span = input.bytes.span
        let valueEnd = next + header.valueByteCount
        if span[valueEnd] == UInt8(ascii: "\r"), span[valueEnd + 1] == UInt8(ascii: "\n") {
            let outcome: StoreOutcome
            if context.configuration.exptimeRule.isExistenceProbe(header) {
                outcome = map.contains(key, now: now.seconds) ? .notStored : .stored
            } else {
                outcome = map.store(
                    key, request(header, now: now), value: span.extracting(next..<valueEnd),
                    now: now.seconds, fraction: now.fraction)
            }
            if context.prefixes.isCollecting { context.prefixes.note(.set, key: key) }
            finishStore(outcome, header.verb.mode, isQuiet: header.isQuiet)
        } else {
            counters.add(.setCommands)
            fail(.badDataChunk, isQuiet: header.isQuiet)
        }
        input.use(next + blockByteCount)
        return .went
    }

    private func refuse(_ header: StoreHeader, _ byteCount: Int, _ error: ErrorReply) {
        state = .swallowing(byteCount: byteCount, then: header.isQuiet ? nil : error)
    }

    private func request(_ header: StoreHeader, now: Moment) -> StoreRequest {
        StoreRequest(
            mode: header.verb.mode, clientFlags: header.clientFlags,
            deadline: context.configuration.exptimeRule.deadline(header.exptime, now: now))
    }

    /// One switch turns what the map did into the reply and the counters.
    private func finishStore(_ outcome: StoreOutcome, _ mode: StoreMode, isQuiet: Bool) {
        switch outcome {
        case .tooLarge: counters.add(.storeTooLarge)
        case .outOfMemory: counters.add(.storeNoMemory)
        default: counters.add(.setCommands)
        }
        if case .compareAndSwap = mode {
            switch outcome {
            case .stored: counters.add(.casHits)
            case .exists: counters.add(.casBadValue)
            case .notFound: counters.add(.casMisses)
            default: break
            }
        }
        switch outcome {
        case .stored: reply(.stored, isQuiet: isQuiet)
        case .notStored: reply(.notStored, isQuiet: isQuiet)
        case .exists: reply(.exists, isQuiet: isQuiet)
        case .notFound: reply(.notFound, isQuiet: isQuiet)
        case .tooLarge: fail(.tooLarge, isQuiet: isQuiet)
        case .outOfMemory: fail(.outOfMemory, isQuiet: isQuiet)
        }
    }

    // MARK: Values larger than the input buffer

    private func beginValue(
        _ header: StoreHeader, key: Span<UInt8>, next: Int, now: Moment
    ) -> Progress {
        if context.prefixes.isCollecting { context.prefixes.note(.set, key: key) }
        switch map.begin(
            key, request(header, now: now), valueByteCount: header.valueByteCount,
            now: now.seconds)
        {
        case .pending(let store):
            input.use(next)
            pending = consume store
            state = .receivingValue(isQuiet: header.isQuiet)
        case .refused:
            counters.add(.storeNoMemory)
            input.use(next)
            refuse(header, header.valueByteCount + 2, .outOfMemory)
        }
        return .went
    }

    func noteValueReceived(_ count: Int, now: Moment) {
        guard case .receivingValue(let isQuiet) = state, var store = pending.take() else {
            preconditionFailure("value bytes without a value")
        }
        if map.received(count, in: &store, now: now.seconds) {
            if store.bytesLeft == 0 { state = .terminator(isQuiet: isQuiet) }
            pending = consume store
        } else {
            counters.add(.storeNoMemory)
            state = .swallowing(
                byteCount: store.bytesLeft + 2, then: isQuiet ? nil : .outOfMemory)
            let isSet = store.request.mode == .set
            map.abandon(store, deletingOldAt: isSet ? now.seconds : nil)
        }
    }

    /// Moves what has come through the input buffer to its place.
    func receiveValue(_ isQuiet: Bool, now: Moment) -> Progress {
        guard !input.isEmpty, let target = pending?.target else { return .stuck }
        let count = min(target.count, input.count)
        UnsafeMutableRawBufferPointer(rebasing: target[..<count]).copyBytes(
            from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(input.bytes)[..<count]))
        input.use(count)
        noteValueReceived(count, now: now)
        return .went
    }

    func finishValue(_ isQuiet: Bool, now: Moment) -> Progress {
        guard input.count >= 2 else { return .stuck }
        let bytes = input.bytes
        let isWell = bytes[0] == UInt8(ascii: "\r") && bytes[1] == UInt8(ascii: "\n")
        input.use(2)
        state = .command
        guard let store = pending.take() else {
            preconditionFailure("the end of a value without a value")
        }
        if isWell {
            let mode = store.request.mode
            finishStore(
                map.commit(store, now: now.seconds, fraction: now.fraction), mode,
                isQuiet: isQuiet)
        } else {
            map.abandon(store)
            counters.add(.setCommands)
            fail(.badDataChunk, isQuiet: isQuiet)
        }
        return .went
    }
}

extension StoreHeader.Verb {
    fileprivate var mode: StoreMode {
        switch self {
        case .set: .set
        case .add: .add
        case .replace: .replace
        case .append: .append
        case .prepend: .prepend
        case .cas(let unique): .compareAndSwap(unique)
        }
    }
}
