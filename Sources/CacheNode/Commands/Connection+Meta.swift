import MemcacheProtocol
import SessionMap

/// The meta commands. They are other words for what the classic commands do, and go the same way
/// through the map; `ms` stores with the storage commands.
extension Connection {
    func executeMeta(
        _ verb: MetaVerb, line: Span<UInt8>, next: Int, now: Moment
    ) -> Progress {
        let request: MetaRequest
        do {
            request = try MetaRequest(line, verb)
        } catch {
            input.use(next)
            recover(error)
            return .went
        }
        guard request.flags.has(.encodedKey) else {
            return execute(
                verb, request, key: line.extracting(request.key.range), line: line, next: next,
                now: now)
        }
        // Encoded, a key has at most 250 bytes.
        var bytes = InlineArray<192, UInt8>(repeating: 0)
        var target = bytes.mutableSpan
        let count = Base64.decode(line.extracting(request.key.range), into: &target)
        return execute(
            verb, request, key: bytes.span.extracting(first: count), line: line, next: next,
            now: now)
    }

    @inline(__always)
    private func execute(
        _ verb: MetaVerb, _ request: MetaRequest, key: Span<UInt8>, line: Span<UInt8>, next: Int,
        now: Moment
    ) -> Progress {
        switch verb {
        case .set: return storeMeta(request, key: key, line: line, next: next, now: now)
        case .get: retrieve(request, key: key, line: line, now: now)
        case .delete: delete(request, key: key, line: line, now: now)
        case .arithmetic: count(request, key: key, line: line, now: now)
        case .debug: describe(request, key: key, now: now)
        }
        input.use(next)
        return .went
    }

    /// Appends a reply without an item: two letters and what is echoed.
    private func reply(
        _ code: StaticString, _ request: MetaRequest, line: Span<UInt8>, isQuiet: Bool = false
    ) {
        guard !isQuiet else { return }
        var writer = ReplyWriter(output.room(ReplyWriter.metaLineByteCountMax))
        writer.write(code)
        writer.write(echoesOf: request, line: line)
        writer.write("\r\n")
        output.noteAppended(writer.count)
    }

    // MARK: mg

    private func retrieve(
        _ request: MetaRequest, key: Span<UInt8>, line: Span<UInt8>, now: Moment
    ) {
        let times = MetaTimes(
            request, rule: context.configuration.exptimeRule, now: now)
        let pendingByteCount = output.pendingByteCount
        let result = map.retrieve(
            key, now: now.seconds, fraction: now.fraction,
            isAccess: !request.flags.has(.noAccess),
            creating: vivification(request, times)
        ) { output.append($0, request, line: line, times: times) }
        if let pinned = result.pinned {
            output.append(pinned)
            output.append("\r\n")
        }
        let isHit = result.outcome == .hit
        count(result.outcome, isTouch: isHit && request.flags.has(.exptime))
        // Made anew: a hit, and a miss of its kind all the same.
        if isHit, let absence = result.absence { count(absence: absence) }
        notePrefix(.get(isHit: isHit), key: key)
        noteRetrieved(key, result.absence ?? result.outcome, now: now)
        if result.outcome == .outOfMemory {
            output.takeBack(output.pendingByteCount - pendingByteCount)
            fail(.outOfMemoryForReply, isQuiet: false)
        } else if !isHit {
            reply("EN", request, line: line, isQuiet: request.flags.has(.quiet))
        }
    }

    @inline(__always)
    private func vivification(_ request: MetaRequest, _ times: MetaTimes) -> Vivification? {
        guard request.flags.has(.vivify) else { return nil }
        var new = Vivification(deadline: times.vivify)
        if request.flags.has(.newUnique) { new.casUnique = request.casUnique }
        new.hasEncodedKey = request.flags.has(.encodedKey)
        return new
    }

    // MARK: md

    private func delete(
        _ request: MetaRequest, key: Span<UInt8>, line: Span<UInt8>, now: Moment
    ) {
        let comparison = request.flags.has(.compare) ? request.comparison : nil
        let lookUp = noteLookUp(key, now: now)
        let outcome: DeleteOutcome
        if !request.flags.has(.invalidate), !request.flags.has(.empty) {
            outcome = map.delete(key, comparison: comparison, now: now.seconds)
        } else {
            outcome = map.invalidate(
                key, invalidation(request, now: now), comparison: comparison, now: now.seconds)
        }
        notePrefix(.delete, key: key)
        switch outcome {
        case .deleted:
            if !request.flags.has(.invalidate) {
                counters.add(.deleteHits)
                noteDeleted(key, lookUp, command: "md")
            }
            reply("HD", request, line: line, isQuiet: request.flags.has(.quiet))
        case .exists:
            counters.add(.deleteMisses)
            reply("EX", request, line: line)
        case .notFound:
            counters.add(.deleteMisses)
            reply("NF", request, line: line)
        case .outOfMemory: fail(.outOfMemory, isQuiet: false)
        }
    }

    private func invalidation(_ request: MetaRequest, now: Moment) -> Invalidation {
        let times = MetaTimes(
            request, rule: context.configuration.exptimeRule, now: now)
        var invalidation = Invalidation(
            emptyClientFlags: request.flags.has(.empty) ? request.clientFlags : nil,
            marksStale: request.flags.has(.invalidate),
            deadline: request.flags.has(.exptime) ? times.touch : nil)
        if request.flags.has(.newUnique) { invalidation.casUnique = request.casUnique }
        invalidation.hasEncodedKey = request.flags.has(.encodedKey)
        return invalidation
    }

    // MARK: ma

    private func count(
        _ request: MetaRequest, key: Span<UInt8>, line: Span<UInt8>, now: Moment
    ) {
        guard let increments = request.increments else {
            return fail(.invalidArithmeticMode, isQuiet: false)
        }
        let times = MetaTimes(
            request, rule: context.configuration.exptimeRule, now: now)
        let isQuiet = request.flags.has(.quiet)
        _ = noteLookUp(key, now: now)
        let outcome = map.arithmetic(
            key, arithmetic(request, increments: increments, times), now: now.seconds
        ) { hit, number in
            output.append(hit, number: number, request, line: line, times: times, isQuiet: isQuiet)
        }
        switch outcome {
        case .value: counters.add(increments ? .incrHits : .decrHits)
        case .created: noteCounterMade(key, request, times, now: now)
        case .notFound:
            counters.add(increments ? .incrMisses : .decrMisses)
            reply("NF", request, line: line)
        case .exists: reply("EX", request, line: line)
        case .notANumber: fail(.notANumber, isQuiet: false)
        case .outOfMemory: fail(.outOfMemory, isQuiet: false)
        }
    }

    /// For watchers, who are told of an `add`.
    private func noteCounterMade(
        _ key: Span<UInt8>, _ request: MetaRequest, _ times: MetaTimes, now: Moment
    ) {
        let add = StoreRequest(mode: .add, clientFlags: 0, deadline: times.vivify)
        noteStored(key, .stored, add, valueByteCount: 0, now: now)
    }

    private func arithmetic(
        _ request: MetaRequest, increments: Bool, _ times: MetaTimes
    ) -> ArithmeticRequest {
        var change = ArithmeticRequest(delta: request.delta, increments: increments)
        if request.flags.has(.compare) { change.comparison = request.comparison }
        if request.flags.has(.newUnique) { change.casUnique = request.casUnique }
        if request.flags.has(.vivify) {
            change.initial = ArithmeticRequest.Initial(
                number: request.initial, deadline: times.vivify)
        }
        change.hasEncodedKey = request.flags.has(.encodedKey)
        return change
    }

    // MARK: me

    private func describe(_ request: MetaRequest, key: Span<UInt8>, now: Moment) {
        counters.add(.metaCommands)
        let result = map.retrieve(key, now: now.seconds, isAccess: false) { hit in
            output.append("ME ")
            var writer = ReplyWriter(output.room(ReplyWriter.metaLineByteCountMax))
            writer.write(bareKeyOf: hit)
            output.noteAppended(writer.count)
            output.append(
                " exp=\(hit.secondsLeft.map { "\($0)" } ?? "-1") la=\(hit.secondsSinceAccess) "
                    + "cas=\(hit.casUnique) fetch=\(hit.wasFetched ? "yes" : "no") cls=1 "
                    + "size=\(hit.byteCount)\r\n")
            return .copied
        }
        noteRetrieved(key, result.outcome, now: now)
        if result.outcome != .hit { output.append("EN\r\n") }
    }
}

extension MetaRequest {
    /// Up or down, as the mode of `ma` says; nothing for a mode that is none.
    fileprivate var increments: Bool? {
        guard flags.has(.mode) else { return true }
        switch mode {
        case UInt8(ascii: "I"), UInt8(ascii: "+"): return true
        case UInt8(ascii: "D"), UInt8(ascii: "-"): return false
        default: return nil
        }
    }
}

extension OutputBuffer {
    /// Appends the reply of `mg` with an item and, unless it is large, the value.
    @inline(__always)
    mutating func append(
        _ hit: Hit, _ request: MetaRequest, line: Span<UInt8>, times: MetaTimes
    ) -> HitUse {
        let isUnchanged =
            request.flags.has(.compare) && request.comparison == hit.casUnique
        let showsValue = request.flags.has(.value) && !isUnchanged
        let valueByteCount = hit.valueByteCount
        let isSentLater = showsValue && valueByteCount >= Self.pinnedValueByteCountMin
        let isCopied = showsValue && !isSentLater
        var writer = ReplyWriter(
            room(ReplyWriter.metaLineByteCountMax + (isCopied ? valueByteCount + 2 : 0)))
        if showsValue {
            writer.write("VA ")
            writer.write(decimal: UInt64(valueByteCount))
        } else {
            writer.write("HD")
        }
        var use = writer.write(retrieved: hit, request, line: line, times: times)
        writer.write("\r\n")
        if isCopied {
            hit.copyValue(into: writer.skip(valueByteCount))
            writer.write("\r\n")
        }
        noteAppended(writer.count)
        use.pinsValue = isSentLater
        return use
    }

    /// Appends the reply of `ma` with an item. What the flags do is done, quiet or not.
    mutating func append(
        _ hit: Hit, number: UInt64, _ request: MetaRequest, line: Span<UInt8>, times: MetaTimes,
        isQuiet: Bool
    ) -> HitUse {
        var writer = ReplyWriter(room(ReplyWriter.metaLineByteCountMax + 22))
        let showsValue = request.flags.has(.value)
        if showsValue {
            writer.write("VA ")
            writer.write(decimal: UInt64(hit.valueByteCount))
        } else {
            writer.write("HD")
        }
        let use = writer.write(counted: hit, request, line: line, times: times)
        writer.write("\r\n")
        if showsValue {
            writer.write(decimal: number)
            writer.write("\r\n")
        }
        if !isQuiet { noteAppended(writer.count) }
        return use
    }
}
