import MemcacheProtocol
import SessionMap

/// `get`, `getk`, `gat`, `gatk`, with their quiet forms, and `touch`.
extension BinaryRequest {
    @inline(__always)
    func retrieve(
        _ packet: Span<UInt8>, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) {
        guard case .retrieve(let showsKey, let touches) = command else { return }
        let key = packet.extracting(key)
        let touch =
            touches ? executor.rule.deadline(unsigned: exptime(in: packet), now: now) : nil
        executor.requests.note(touches ? .binaryGat : .binaryGet)
        let pendingByteCount = output.pendingByteCount
        let result = executor.retrieve(key, as: touches ? .getAndTouch : .get, now: now) { hit in
            var use = HitUse.touched(touch)
            use.pinsValue = output.append(hit, to: self, key: key, showsKey: showsKey)
            return use
        }
        if let pinned = result.pinned { output.append(pinned) }
        switch result.outcome {
        case .hit: break
        case .miss, .expired, .flushed:
            if !isQuiet { tellMiss(key, showsKey: showsKey, &output) }
        case .outOfMemory:
            output.takeBack(output.pendingByteCount - pendingByteCount)
            output.append(.outOfMemory, to: self)
        }
    }

    /// A miss of those that show the key shows it, and then no text.
    private func tellMiss(_ key: Span<UInt8>, showsKey: Bool, _ output: inout OutputBuffer) {
        guard showsKey else { return output.append(.notFound, to: self) }
        var reply = BinaryReply(to: self, .notFound)
        reply.keyByteCount = key.count
        output.append(atMost: BinaryHeader.byteCount + key.count) { writer in
            reply.encode(to: &writer)
            writer.write(key)
        }
    }

    /// Answers with the client flags, as `gat` does.
    func touch(
        _ packet: Span<UInt8>, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) {
        let deadline = executor.rule.deadline(unsigned: exptime(in: packet), now: now)
        var reply = BinaryReply(to: self)
        var clientFlags: UInt32 = 0
        let isHit = executor.touch(packet.extracting(key), deadline: deadline, now: now) { hit in
            clientFlags = hit.clientFlags
            reply.casUnique = hit.casUnique
        }
        guard isHit else { return output.append(.notFound, to: self) }
        reply.extrasByteCount = MemoryLayout<UInt32>.size
        output.append(atMost: BinaryHeader.byteCount + reply.extrasByteCount) { writer in
            reply.encode(to: &writer)
            writer.write(bigEndian: clientFlags)
        }
    }
}

extension OutputBuffer {
    /// Appends the reply to a hit, and unless it is large the value; true when that is to follow.
    @inline(__always)
    fileprivate mutating func append(
        _ hit: Hit, to request: BinaryRequest, key: Span<UInt8>, showsKey: Bool
    ) -> Bool {
        let valueByteCount = hit.valueByteCount
        let isSentLater = valueByteCount >= Self.pinnedValueByteCountMin
        let clientFlags = hit.clientFlags
        let reply = BinaryReply(
            to: request, casUnique: hit.casUnique,
            extrasByteCount: MemoryLayout<UInt32>.size, keyByteCount: showsKey ? key.count : 0,
            valueByteCount: valueByteCount)
        var writer = ReplyWriter(
            room(
                BinaryHeader.byteCount + reply.extrasByteCount + reply.keyByteCount
                    + (isSentLater ? 0 : valueByteCount)))
        reply.encode(to: &writer)
        writer.write(bigEndian: clientFlags)
        if showsKey { writer.write(key) }
        if !isSentLater { hit.copyValue(into: writer.skip(valueByteCount)) }
        noteAppended(writer.count)
        return isSentLater
    }
}
