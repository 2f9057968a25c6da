import MemcacheProtocol
import SessionMap

/// `set`, `add`, `replace`, `append`, `prepend`, `cas` and `ms`: one path, with a mode.
extension Connection {
    /// What classic and meta commands have in common once their lines are read.
    private struct StoreCommand {
        var request: StoreRequest
        var valueByteCount: Int
        /// Nothing is told, not even errors. Meta commands never ask for that.
        var isQuiet = false
        /// Asks whether there is an item, and stores nothing.
        var isExistenceProbe = false
    }

    func store(
        _ header: StoreHeader, line: Span<UInt8>, next: Int, now: Moment
    ) -> Progress {
        let rule = context.configuration.exptimeRule
        let command = StoreCommand(
            request: StoreRequest(
                mode: header.verb.mode, clientFlags: header.clientFlags,
                deadline: rule.deadline(header.exptime, now: now),
                comparison: header.verb.comparison),
            valueByteCount: header.valueByteCount, isQuiet: header.isQuiet,
            isExistenceProbe: rule.isExistenceProbe(header))
        return store(
            command, key: line.extracting(header.key.range), meta: nil, line: line, next: next,
            now: now)
    }

    func storeMeta(
        _ meta: MetaRequest, key: Span<UInt8>, line: Span<UInt8>, next: Int, now: Moment
    ) -> Progress {
        guard let mode = meta.storeMode else {
            input.use(next)
            state = .swallowing(byteCount: meta.valueByteCount + 2, then: .invalidStoreMode)
            return .went
        }
        let times = MetaTimes(meta, rule: context.configuration.exptimeRule, now: now)
        let flags = meta.flags
        var request = StoreRequest(
            mode: mode, clientFlags: meta.clientFlags, deadline: times.touch,
            comparison: flags.has(.compare) ? meta.comparison : nil)
        switch mode {
        case .append, .prepend:
            guard flags.has(.vivify) else { break }
            request.createsMissing = true
            request.deadline = times.vivify
        case .set, .add, .replace: break
        }
        request.storesStale = flags.has(.invalidate)
        // As memcached has it, `E0` of `ms` is no wish; the other commands set it.
        if flags.has(.newUnique), meta.casUnique != 0 { request.casUnique = meta.casUnique }
        request.hasEncodedKey = flags.has(.encodedKey)
        // The old value of a compare-and-set is not outdated by a new one that was never stored: who
        // sent it is told, and still has what was there.
        request.dropsOldWhenRefused = !flags.has(.compare)
        return store(
            StoreCommand(request: request, valueByteCount: meta.valueByteCount), key: key,
            meta: meta, line: line, next: next, now: now)
    }

    @inline(__always)
    private func store(
        _ command: StoreCommand, key: Span<UInt8>, meta: MetaRequest?, line: Span<UInt8>,
        next: Int, now: Moment
    ) -> Progress {
        let blockByteCount = command.valueByteCount + 2
        guard command.valueByteCount <= map.configuration.valueByteCountMax(keyByteCount: key.count)
        else {
            if command.request.dropsOldWhenRefused { _ = map.delete(key, now: now.seconds) }
            counters.add(.storeTooLarge)
            noteStored(key, .tooLarge, command.request, valueByteCount: 0, now: now)
            input.use(next)
            refuse(command, blockByteCount, .tooLarge)
            return .went
        }
        guard next + blockByteCount <= InputBuffer.blockByteCount else {
            return beginValue(command, key: key, meta: meta, line: line, next: next, now: now)
        }
        guard input.count >= next + blockByteCount else { return .stuck }
        let span = input.bytes.span
        let valueEnd = next + command.valueByteCount
        if span[valueEnd] == UInt8(ascii: "\r"), span[valueEnd + 1] == UInt8(ascii: "\n") {
            notePrefix(.set, key: key)
            _ = noteLookUp(key, now: now)
            let outcome: StoreOutcome
            if command.isExistenceProbe {
                outcome = map.contains(key, now: now.seconds) ? .notStored : .stored
            } else {
                outcome = map.store(
                    key, command.request, value: span.extracting(next..<valueEnd),
                    now: now.seconds, fraction: now.fraction
                ) { if let meta { tellStored($0, meta, line: line) } }
            }
            noteStored(
                key, outcome, command.request, valueByteCount: command.valueByteCount, now: now)
            finishStore(outcome, command.request, isQuiet: command.isQuiet, meta, line: line)
        } else {
            counters.add(.setCommands)
            fail(.badDataChunk, isQuiet: command.isQuiet)
        }
        input.use(next + blockByteCount)
        return .went
    }

    private func refuse(_ command: StoreCommand, _ byteCount: Int, _ error: ErrorReply) {
        state = .swallowing(byteCount: byteCount, then: command.isQuiet ? nil : error)
    }

    // MARK: Replying

    /// One switch turns what the map did into the reply and the counters.
    @inline(__always)
    private func finishStore(
        _ outcome: StoreOutcome, _ request: StoreRequest, isQuiet: Bool, _ meta: MetaRequest?,
        line: Span<UInt8>
    ) {
        count(outcome, isCompareAndSwap: request.isCompareAndSwap)
        switch outcome {
        case .tooLarge: fail(.tooLarge, isQuiet: isQuiet)
        case .outOfMemory: fail(.outOfMemory, isQuiet: isQuiet)
        case .stored where meta != nil: break  // `tellStored` has seen to it.
        case .stored: reply(.stored, isQuiet: isQuiet)
        case .notStored: refused("NS", .notStored, isQuiet: isQuiet, meta, line: line)
        case .exists: refused("EX", .exists, isQuiet: isQuiet, meta, line: line)
        case .notFound: refused("NF", .notFound, isQuiet: isQuiet, meta, line: line)
        }
    }

    private func count(_ outcome: StoreOutcome, isCompareAndSwap: Bool) {
        switch outcome {
        case .tooLarge: counters.add(.storeTooLarge)
        case .outOfMemory: counters.add(.storeNoMemory)
        default: counters.add(.setCommands)
        }
        guard isCompareAndSwap else { return }
        switch outcome {
        case .stored: counters.add(.casHits)
        case .exists: counters.add(.casBadValue)
        case .notFound: counters.add(.casMisses)
        default: break
        }
    }

    private func refused(
        _ code: StaticString, _ reply: Reply, isQuiet: Bool, _ meta: MetaRequest?,
        line: Span<UInt8>
    ) {
        guard let meta else { return self.reply(reply, isQuiet: isQuiet) }
        tell(code, nil, meta, line: line)
    }

    /// Told while the item is there to be seen, with its shard's lock held.
    @inline(__always)
    private func tellStored(_ hit: Hit, _ meta: MetaRequest, line: Span<UInt8>) {
        if !meta.flags.has(.quiet) { tell("HD", hit, meta, line: line) }
    }

    @inline(__always)
    private func tell(
        _ code: StaticString, _ hit: Hit?, _ meta: MetaRequest, line: Span<UInt8>
    ) {
        var writer = ReplyWriter(output.room(ReplyWriter.metaLineByteCountMax))
        writer.write(code)
        writer.write(stored: hit, meta, line: line)
        writer.write("\r\n")
        output.noteAppended(writer.count)
    }

    // MARK: Values larger than the input buffer

    /// What is needed of a meta command's line when its value has arrived.
    final class PendingMeta {
        let request: MetaRequest
        let line: [UInt8]

        init(_ request: MetaRequest, line: Span<UInt8>) {
            self.request = request
            self.line = line.withUnsafeBytes { Array($0) }
        }
    }

    private func beginValue(
        _ command: StoreCommand, key: Span<UInt8>, meta: MetaRequest?, line: Span<UInt8>,
        next: Int, now: Moment
    ) -> Progress {
        notePrefix(.set, key: key)
        switch map.begin(
            key, command.request, valueByteCount: command.valueByteCount, now: now.seconds)
        {
        case .pending(let store):
            pendingMeta = meta.map { PendingMeta($0, line: line) }
            input.use(next)
            pending = consume store
            state = .receivingValue(isQuiet: command.isQuiet)
        case .refused(let outcome):
            counters.add(.storeNoMemory)
            noteStored(key, outcome, command.request, valueByteCount: 0, now: now)
            input.use(next)
            refuse(command, command.valueByteCount + 2, .outOfMemory)
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
            pendingMeta = nil
            counters.add(.storeNoMemory)
            if wants(.mutations) {
                noteStored(
                    store.key.span, .outOfMemory, store.request, valueByteCount: 0, now: now)
            }
            state = .swallowing(
                byteCount: store.bytesLeft + 2, then: isQuiet ? nil : .outOfMemory)
            let dropsOld = store.request.dropsOldWhenRefused
            map.abandon(store, deletingOldAt: dropsOld ? now.seconds : nil)
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
        let meta = pendingMeta.take()
        if isWell {
            let request = store.request
            let line = meta?.line ?? []
            let isWatched = wants(.fetchers) || wants(.mutations)
            let key = isWatched ? store.key : []
            let valueByteCount = store.valueByteCount
            if isWatched { _ = noteLookUp(key.span, now: now) }
            let outcome = map.commit(store, now: now.seconds, fraction: now.fraction) { hit in
                if let meta { tellStored(hit, meta.request, line: line.span) }
            }
            if isWatched {
                noteStored(
                    key.span, outcome, request, valueByteCount: valueByteCount, now: now)
            }
            finishStore(outcome, request, isQuiet: isQuiet, meta?.request, line: line.span)
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
        case .set, .cas: .set
        case .add: .add
        case .replace: .replace
        case .append: .append
        case .prepend: .prepend
        }
    }

    fileprivate var comparison: UInt64? {
        if case .cas(let unique) = self { unique } else { nil }
    }
}

extension MetaRequest {
    /// What the mode of `ms` says; nothing for a mode that is none.
    fileprivate var storeMode: StoreMode? {
        guard flags.has(.mode) else { return .set }
        switch mode {
        case UInt8(ascii: "S"): return .set
        case UInt8(ascii: "E"): return .add
        case UInt8(ascii: "R"): return .replace
        case UInt8(ascii: "A"): return .append
        case UInt8(ascii: "P"): return .prepend
        default: return nil
        }
    }
}
