import MemcacheProtocol
import SessionMap
import Synchronization

/// The commands that are one line, and answered by one line or a page.
extension Connection {
    func executeSimple(_ command: Command, line: Span<UInt8>, now: Moment) {
        switch command {
        case .delete(let key, let isQuiet):
            delete(line.extracting(key.range), isQuiet: isQuiet, now: now)
        case .touch(let key, let exptime, let isQuiet):
            touch(line.extracting(key.range), exptime: exptime, isQuiet: isQuiet, now: now)
        case .arithmetic(let key, let delta, let increments, let isQuiet):
            arithmetic(
                line.extracting(key.range), delta: delta, increments: increments,
                isQuiet: isQuiet, now: now)
        case .flushAll(let delay, let isQuiet):
            let exptime = delay.map { line.signed32(at: $0) }
            flushAll(exptime, isQuiet: isQuiet, now: now)
        case .version:
            output.append("VERSION ")
            output.append(NodeConfiguration.protocolVersion)
            output.append("\r\n")
        case .verbosity(let level, let isQuiet):
            context.verbosity.store(Int(min(level, 5)), ordering: .relaxed)
            reply(.ok, isQuiet: isQuiet)
        case .cacheMemlimit(let megabytes, let isQuiet):
            limitMemory(megabytes: megabytes, isQuiet: isQuiet)
        case .shutdown(let mode, let isQuiet): shutDown(mode, isQuiet: isQuiet)
        case .noop: output.append("MN\r\n")
        case .debugtime(let change): changeTime(change)
        case .stats(let page): showStatistics(page, now: now)
        case .operate(let command, let isQuiet): operate(command, isQuiet: isQuiet, now: now)
        case .quit:
            closeReason = .normal
            state = .closed
        case .retrieve, .store, .meta, .failure: preconditionFailure("not a simple command")
        }
    }

    private func delete(_ key: Span<UInt8>, isQuiet: Bool, now: Moment) {
        let lookUp = noteLookUp(key, now: now)
        let isHit = map.delete(key, now: now.seconds) == .deleted
        counters.add(isHit ? .deleteHits : .deleteMisses)
        notePrefix(.delete, key: key)
        if isHit { noteDeleted(key, lookUp, command: "delete") }
        reply(isHit ? .deleted : .notFound, isQuiet: isQuiet)
    }

    private func touch(_ key: Span<UInt8>, exptime: Int32, isQuiet: Bool, now: Moment) {
        let deadline = context.configuration.exptimeRule.deadline(exptime, now: now)
        let result = map.retrieve(
            key, now: now.seconds, fraction: now.fraction
        ) { _ in .touched(deadline) }
        let isHit = result.outcome == .hit
        counters.add(.touchCommands)
        counters.add(isHit ? .touchHits : .touchMisses)
        noteRetrieved(key, result.outcome, now: now)
        reply(isHit ? .touched : .notFound, isQuiet: isQuiet)
    }

    private func arithmetic(
        _ key: Span<UInt8>, delta: UInt64, increments: Bool, isQuiet: Bool, now: Moment
    ) {
        _ = noteLookUp(key, now: now)
        let request = ArithmeticRequest(delta: delta, increments: increments)
        switch map.arithmetic(key, request, now: now.seconds) {
        case .value(let number):
            counters.add(increments ? .incrHits : .decrHits)
            guard !isQuiet else { return }
            output.append(decimal: number)
            output.append("\r\n")
        case .notFound:
            counters.add(increments ? .incrMisses : .decrMisses)
            reply(.notFound, isQuiet: isQuiet)
        case .notANumber: fail(.notANumber, isQuiet: isQuiet)
        case .outOfMemory: fail(.outOfMemory, isQuiet: isQuiet)
        case .created, .exists: preconditionFailure("nobody asked for that")
        }
    }

    /// - Parameter delay: nothing if none was given; nothing inside if it was no number.
    private func flushAll(_ delay: Int32??, isQuiet: Bool, now: Moment) {
        counters.add(.flushCommands)
        guard context.configuration.isFlushAllowed else {
            return fail(.flushNotAllowed, isQuiet: isQuiet)
        }
        switch delay {
        case .some(.none): return fail(.invalidExptime, isQuiet: isQuiet)
        case .some(.some(let seconds)) where seconds > 0:
            // One second early, as memcached does it.
            let deadline = context.configuration.exptimeRule.deadline(seconds, now: now)
            let due = deadline.seconds > now.seconds ? deadline.seconds - 1 : now.seconds
            if due <= now.seconds {
                map.flush()
            } else {
                map.flush(at: .at(UInt64(due)), now: now.seconds)
            }
        default: map.flush()
        }
        reply(.ok, isQuiet: isQuiet)
    }

    private func limitMemory(megabytes: UInt32, isQuiet: Bool) {
        guard megabytes >= 8 else { return fail(.memlimitTooSmall, isQuiet: isQuiet) }
        guard megabytes <= 1_000_000_000 else { return fail(.memlimitTooLarge, isQuiet: isQuiet) }
        let byteCount = Int(megabytes) << 20
        guard map.setLimit(byteCount: byteCount) else {
            return fail(.memlimitOutOfBounds, isQuiet: isQuiet)
        }
        context.memoryLimitByteCount.store(byteCount, ordering: .relaxed)
        reply(.ok, isQuiet: isQuiet)
    }

    private func shutDown(_ mode: ShutdownMode, isQuiet: Bool) {
        guard context.configuration.isShutdownAllowed else {
            return fail(.shutdownNotEnabled, isQuiet: isQuiet)
        }
        guard mode != .unknown else { return fail(.invalidShutdownMode, isQuiet: isQuiet) }
        closeReason = .shutdown
        state = .closed
        context.requestShutdown(mode)
    }

    private func changeTime(_ change: DebugtimeChange) {
        switch change {
        case .advance(let seconds): context.clock.advance(seconds: seconds)
        case .pause: context.clock.pause()
        case .resume: context.clock.resume()
        }
        reply(.ok)
    }
}
