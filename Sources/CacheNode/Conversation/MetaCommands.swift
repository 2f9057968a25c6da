import MemcacheProtocol
import SessionMap

/// A meta command's line that was read: `mg`, `md`, `ma` and `me` are carried out and answered here; `ms`
/// stores with the storage commands.
extension MetaRequest {
    /// Calls `body` with the key, decoded if need be.
    @inline(__always)
    func withKey<R>(in line: Span<UInt8>, _ body: (Span<UInt8>) -> R) -> R {
        guard flags.has(.encodedKey) else { return body(line.extracting(key.range)) }
        // Encoded, a key has at most 250 bytes.
        var bytes = InlineArray<192, UInt8>(repeating: 0)
        var target = bytes.mutableSpan
        let count = Base64.decode(line.extracting(key.range), into: &target)
        return body(bytes.span.extracting(first: count))
    }

    func run(
        _ verb: MetaVerb, line: Span<UInt8>, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) {
        withKey(in: line) { key in
            let times = MetaTimes(self, rule: executor.rule, now: now)
            switch verb {
            case .get: retrieve(key, line: line, times, &output, executor, now: now)
            case .delete: delete(key, line: line, times, &output, executor, now: now)
            case .arithmetic: count(key, line: line, times, &output, executor, now: now)
            case .debug: describe(key, &output, executor, now: now)
            case .set: preconditionFailure("a data block follows")
            }
        }
    }

    private var isQuiet: Bool { flags.has(.quiet) }

    private func retrieve(
        _ key: Span<UInt8>, line: Span<UInt8>, _ times: MetaTimes, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) {
        let pendingByteCount = output.pendingByteCount
        let result = executor.retrieve(
            key, as: .metaGet(touches: flags.has(.exptime)), isAccess: !flags.has(.noAccess),
            creating: vivification(times), now: now
        ) { hit in
            var use = self.use(of: hit, times, executor.lifetimes)
            use.pinsValue = output.append(
                hit, reply(showing: hit, use, times, executor.lifetimes), to: self, line: line,
                key: key)
            return use
        }
        if let pinned = result.pinned { output.append(block: pinned) }
        switch result.outcome {
        case .hit: break
        case .outOfMemory:
            output.takeBack(output.pendingByteCount - pendingByteCount)
            output.append(.outOfMemoryForReply)
        case .miss, .expired, .flushed:
            if !isQuiet { output.append(MetaReply(.miss), to: self, line: line, key: key) }
        }
    }

    private func delete(
        _ key: Span<UInt8>, line: Span<UInt8>, _ times: MetaTimes, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) {
        let outcome = executor.delete(
            key, comparison: flags.has(.compare) ? comparison : nil,
            invalidation: invalidation(times), command: "md", now: now)
        switch outcome {
        case .deleted:
            if !isQuiet { output.append(MetaReply(.done), to: self, line: line, key: key) }
        case .exists: output.append(MetaReply(.exists), to: self, line: line, key: key)
        case .notFound: output.append(MetaReply(.notFound), to: self, line: line, key: key)
        case .outOfMemory: output.append(.outOfMemory)
        }
    }

    private func count(
        _ key: Span<UInt8>, line: Span<UInt8>, _ times: MetaTimes, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) {
        guard let request = arithmeticRequest(times) else {
            return output.append(.invalidArithmeticMode)
        }
        let outcome = executor.count(key, request, now: now) { hit, number in
            if !isQuiet {
                output.append(
                    reply(counted: hit, times, executor.lifetimes), to: self, line: line, key: key)
                if flags.has(.value) { output.append(number) }
            }
            var use = HitUse()
            use.deadline = newDeadline(isNew: hit.isNew, times)
            return use
        }
        switch outcome {
        case .value, .created: break
        case .notFound: output.append(MetaReply(.notFound), to: self, line: line, key: key)
        case .exists: output.append(MetaReply(.exists), to: self, line: line, key: key)
        case .notANumber: output.append(.notANumber)
        case .outOfMemory: output.append(.outOfMemory)
        }
    }

    private func describe(
        _ key: Span<UInt8>, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) {
        let isThere = executor.describe(key, now: now) { hit in
            var line = ItemLine(hit, now: now)
            line.secondsSinceAccess = executor.lifetimes.secondsSinceAccess(of: hit)
            line.age = executor.lifetimes.age(of: hit)
            output.append(lineOf: hit) { line.encodeDebug(key: $0, to: &$1) }
        }
        if !isThere { output.append("EN\r\n") }
    }
}
