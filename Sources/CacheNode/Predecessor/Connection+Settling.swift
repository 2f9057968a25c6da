import MemcacheProtocol
import SessionMap

/// Where a space has a predecessor: before a command is carried out whose item is not here, that one is asked.
extension Connection.Step {
    /// What comes of the command at the input's start.
    ///
    /// - Parameter settledCount: on behalf of so many commands the predecessor has been asked.
    static func nextSettled(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        _ predecessor: Predecessor, settledCount: inout Int, isBinary: Bool, isLogged: Bool,
        now: Moment
    ) -> Self {
        guard !input.isEmpty else { return .ends(.needsInput) }
        if settledCount == 0,
            let settling = settle(input, executor, predecessor, isBinary: isBinary, now: now)
        {
            return .waits(
                Waiting(
                    settling.ticket,
                    until: NodeClock.nanoseconds() + predecessor.timeoutNanoseconds,
                    lookingAt: nil, settling))
        }
        settledCount = max(0, settledCount - 1)
        return isBinary
            ? nextPacket(&input, &output, executor, isLogged: isLogged, now: now)
            : nextCommand(&input, &output, executor, isLogged: isLogged, now: now)
    }

    private static func settle(
        _ input: borrowing InputBuffer, _ executor: borrowing Executor, _ predecessor: Predecessor,
        isBinary: Bool, now: Moment
    ) -> Settling? {
        let bytes = input.bytes
        let shape = CommandShape.of(
            bytes.span, isBinary: isBinary,
            valueByteCountMax: executor.map.configuration.valueByteCountMax(keyByteCount: 1),
            isFull: input.isFull)
        switch shape {
        case .unknown, .local: return nil
        case .keyed(let command):
            guard
                let key = command.withKey(
                    in: bytes.span, { missingKey($0, executor, now: now) })
            else { return nil }
            let changes = command.changesMissing(in: bytes.span)
            var keys = [key]
            let count =
                command.isRead
                ? readAhead(
                    bytes.span, from: command.byteCount, &keys, executor, isBinary: isBinary,
                    now: now)
                : 0
            return predecessor.settle(
                keys, changes: changes, for: 1 + count, worker: executor.worker,
                descriptor: executor.descriptor)
        case .several(let keys):
            var missing: [[UInt8]] = []
            var rest = keys.keys
            while let range = rest.next(in: bytes.span) {
                if range.count <= ProtocolLimits.keyByteCountMax,
                    let key = missingKey(bytes.span.extracting(range.range), executor, now: now)
                {
                    missing.append(key)
                }
            }
            guard !missing.isEmpty else { return nil }
            return predecessor.settle(
                missing, changes: false, worker: executor.worker, descriptor: executor.descriptor)
        case .flush(let command):
            guard executor.listener.rules.isFlushAllowed else { return nil }
            let seconds = executor.secondsUntilFlush(command, now: now)
            return predecessor.flush(
                at: seconds == 0
                    ? 0 : NodeClock.nanoseconds() + UInt64(seconds) * 1_000_000_000,
                worker: executor.worker, descriptor: executor.descriptor)
        }
    }

    /// So many keys of a pipeline are asked for together.
    private static let readAheadCountMax = 64

    /// Of a pipeline's reads each would wait for the one before: what those behind the first one want is asked for at the same time.
    ///
    /// - Returns: how many of them were looked at.
    private static func readAhead(
        _ input: Span<UInt8>, from start: Int, _ keys: inout [[UInt8]],
        _ executor: borrowing Executor, isBinary: Bool, now: Moment
    ) -> Int {
        var (place, count) = (start, 0)
        while keys.count < readAheadCountMax, count < readAheadCountMax, place < input.count,
            case let rest = input.extracting(place...),
            case .keyed(let command) = CommandShape.of(
                rest, isBinary: isBinary, valueByteCountMax: 0),
            command.isRead
        {
            if let key = command.withKey(in: rest, { missingKey($0, executor, now: now) }) {
                keys.append(key)
            }
            place += command.byteCount
            count += 1
        }
        return count
    }

    /// The key, if there is no item of it.
    private static func missingKey(
        _ key: Span<UInt8>, _ executor: borrowing Executor, now: Moment
    ) -> [UInt8]? {
        let outcome = executor.map.peek(key, now: now.seconds, fraction: now.fraction) { _ in }
        return outcome.isHit ? nil : key.withUnsafeBytes { Array($0) }
    }
}

extension KeyedCommand {
    /// Whether it makes an item where there is none, or means that there be none.
    fileprivate func changesMissing(in input: Span<UInt8>) -> Bool {
        if isRead { return false }
        return isBinary ? changesMissing(packet: input) : changesMissing(line: input)
    }

    private func changesMissing(line input: Span<UInt8>) -> Bool {
        let head = input.extracting(first: headByteCount)
        guard
            case .line(let count, _) = LineFraming.of(
                head, newline: headByteCount - 1, isFull: false)
        else { return true }
        let line = head.extracting(first: count)
        switch CommandParser.parse(line) {
        case .store(let header):
            return switch header.verb {
            case .set, .add: true
            case .replace, .append, .prepend, .cas: false
            }
        case .meta(let verb):
            switch verb {
            case .get, .arithmetic:
                return (try? MetaRequest(line, verb))?.flags.has(.vivify) ?? true
            case .set, .delete, .debug: return true
            }
        case .touch, .arithmetic, .retrieve: return false
        default: return true
        }
    }

    private func changesMissing(packet: Span<UInt8>) -> Bool {
        guard case .request(let request) = BinaryFraming.of(packet) else { return true }
        return switch request.command {
        case .touch, .retrieve: false
        case .arithmetic: request.initial(in: packet) != nil
        default: true
        }
    }
}
