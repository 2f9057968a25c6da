import MemcacheProtocol
import SessionMap

/// `get`, `gets`, `gat`, `gats`: one path, key by key.
extension Connection {
    /// After so many keys others get their turn: a line may have a quarter of a million.
    static let keysPerTurn = 1_000

    /// Goes on with the keys of a retrieval until its line ends, the output is full, there were enough
    /// keys for a turn, or the rest of the line has not arrived. Only a line that is longer than the
    /// input buffer comes in parts.
    ///
    /// - Parameter newline: where the input's first line ends, if it has arrived.
    func runRetrieval(
        _ retrieval: RetrievalInProgress, newline: Int?, now: Moment
    ) -> Progress {
        let span = input.bytes.span
        var line = span
        if let newline {
            let hasReturn = newline > 0 && span[newline - 1] == UInt8(ascii: "\r")
            line = span.extracting(first: hasReturn ? newline - 1 : newline)
        }
        var position = 0
        var keysLeft = Self.keysPerTurn
        while let word = nextWord(in: line, from: position) {
            if newline == nil, word.start + word.count == span.count {
                // The key may go on.
                guard word.count <= ProtocolLimits.keyByteCountMax else { return giveUp() }
                return retrieveLater(retrieval, from: word.start, .stuck)
            }
            guard word.count <= ProtocolLimits.keyByteCountMax else { return giveUp() }
            if output.isAboveHighWater {
                return retrieveLater(retrieval, from: word.start, .full)
            }
            guard keysLeft > 0 else { return retrieveLater(retrieval, from: word.start, .tired) }
            keysLeft &-= 1
            position = word.start + word.count
            guard retrieve(line.extracting(word.start..<position), retrieval, now: now) else {
                return giveUp(.outOfMemoryForReply, newline: newline)
            }
        }
        guard let newline else {
            return retrieveLater(retrieval, from: input.count, .stuck)
        }
        input.use(newline + 1)
        state = .command
        reply(.end)
        return .went
    }

    private func retrieveLater(
        _ retrieval: RetrievalInProgress, from position: Int, _ progress: Progress
    ) -> Progress {
        input.use(position)
        state = .retrieving(retrieval)
        if progress == .tired { counters.add(.connectionYields) }
        return progress
    }

    /// The rest of the line is of no use: an over-long key in a part of it, or a value that cannot be
    /// sent. Values of its first keys may have been sent already.
    private func giveUp(_ error: ErrorReply = .badFormat, newline: Int? = nil) -> Progress {
        fail(error, isQuiet: false)
        if let newline {
            input.use(newline + 1)
            state = .command
        } else {
            state = .swallowingLine
        }
        return .went
    }

    /// False when the value cannot be sent.
    @inline(__always)
    private func retrieve(
        _ key: Span<UInt8>, _ retrieval: RetrievalInProgress, now: Moment
    ) -> Bool {
        let pendingByteCount = output.pendingByteCount
        let result = map.retrieve(
            key, now: now.seconds, fraction: now.fraction
        ) { hit in
            var use = HitUse.touched(retrieval.touch)
            use.pinsValue = output.append(hit, showsCASUnique: retrieval.showsCASUnique)
            return use
        }
        if let pinned = result.pinned {
            output.append(pinned)
            output.append("\r\n")
        }
        count(result.outcome, isTouch: retrieval.touch != nil)
        if case .hit = result.outcome {
            notePrefix(.get(isHit: true), key: key)
        } else {
            notePrefix(.get(isHit: false), key: key)
        }
        noteRetrieved(key, result.outcome, now: now)
        guard result.outcome != .outOfMemory else {
            output.takeBack(output.pendingByteCount - pendingByteCount)
            return false
        }
        return true
    }

    @inline(__always)
    func count(_ outcome: RetrievalOutcome, isTouch: Bool) {
        counters.add(isTouch ? .touchCommands : .getCommands)
        switch outcome {
        case .hit: counters.add(isTouch ? .touchHits : .getHits)
        case .miss: counters.add(isTouch ? .touchMisses : .getMisses)
        case .expired, .flushed:
            counters.add(isTouch ? .touchMisses : .getMisses)
            count(absence: outcome)
        case .outOfMemory:
            counters.add(isTouch ? .touchMisses : .getMisses)
            counters.add(.repliesWithoutMemory)
        }
    }

    /// Counts why an item that was asked for is not there any more.
    func count(absence: RetrievalOutcome) {
        switch absence {
        case .expired: counters.add(.getExpired)
        case .flushed: counters.add(.getFlushed)
        case .hit, .miss, .outOfMemory: break
        }
    }
}

extension OutputBuffer {
    /// Appends `VALUE key flags bytes [cas]` and the data block; true when that is to follow, being
    /// large.
    @inline(__always)
    mutating func append(_ hit: Hit, showsCASUnique: Bool) -> Bool {
        let valueByteCount = hit.valueByteCount
        let isSentLater = valueByteCount >= Self.pinnedValueByteCountMin
        var writer = ReplyWriter(
            room(
                ReplyWriter.valueLineByteCountMax + hit.keyByteCount
                    + (isSentLater ? 0 : valueByteCount + 2)))
        writer.write("VALUE ")
        hit.copyKey(into: writer.skip(hit.keyByteCount))
        writer.write(" ")
        writer.write(decimal: UInt64(hit.clientFlags))
        writer.write(" ")
        writer.write(decimal: UInt64(valueByteCount))
        if showsCASUnique {
            writer.write(" ")
            writer.write(decimal: hit.casUnique)
        }
        writer.write("\r\n")
        if !isSentLater {
            hit.copyValue(into: writer.skip(valueByteCount))
            writer.write("\r\n")
        }
        noteAppended(writer.count)
        return isSentLater
    }
}
