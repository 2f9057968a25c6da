import MemcacheProtocol
import SessionMap

/// What is answered when bytes that are not wanted have gone by.
enum OwedReply {
    case line(ErrorReply)
    case packet(BinaryReply)
}

extension OutputBuffer {
    /// Appends a reply that is one fixed line, unless the command was quiet. The only place where
    /// `noreply` is honoured, errors included; replies to data blocks that are swallowed are not even
    /// kept in mind.
    @inline(__always)
    mutating func append(_ line: StaticString, isQuiet: Bool) {
        if !isQuiet { append(line) }
    }

    @inline(__always)
    mutating func append(_ reply: Reply) { append(reply.line) }
    mutating func append(_ error: ErrorReply) { append(error.line) }

    /// Appends a page of statistics, or a part of one.
    mutating func append(_ list: [Statistic]) {
        append(list.map { StatisticLine(name: $0.name, value: $0.text).line }.joined())
    }

    mutating func append(_ owed: OwedReply) {
        switch owed {
        case .line(let error): append(error)
        case .packet(let reply): append(reply)
        }
    }

    /// Appends a number's reply.
    mutating func append(_ number: UInt64) {
        append(atMost: 22) { writer in
            writer.write(decimal: number)
            writer.write("\r\n")
        }
    }

    /// Appends `VALUE key flags bytes [cas]` and the data block; true when that is to follow, being
    /// large.
    ///
    /// - Parameter key: as it was asked for, which is as it is stored.
    @inline(__always)
    mutating func append(_ hit: Hit, key: Span<UInt8>, showsCASUnique: Bool) -> Bool {
        let valueByteCount = hit.valueByteCount
        let isSentLater = valueByteCount >= Self.pinnedValueByteCountMin
        let line = ValueLine(
            clientFlags: hit.clientFlags, valueByteCount: valueByteCount,
            casUnique: showsCASUnique ? hit.casUnique : nil)
        var writer = ReplyWriter(
            room(
                ValueLine.byteCountMax + key.count
                    + (isSentLater ? 0 : DataBlock.byteCount(ofValue: valueByteCount))))
        line.encode(key: key, to: &writer)
        if !isSentLater {
            hit.copyValue(into: writer.skip(valueByteCount))
            writer.write("\r\n")
        }
        noteAppended(writer.count)
        return isSentLater
    }

    /// Appends a reply without a value, or one whose value follows.
    @inline(__always)
    mutating func append(
        _ reply: MetaReply, to request: MetaRequest, line: Span<UInt8>, key: Span<UInt8>
    ) {
        append(atMost: MetaReply.byteCountMax) {
            reply.encode(request, line: line, key: key, to: &$0)
        }
    }

    /// Appends the reply of `mg` with an item and, unless it is large, the value; true when that is to
    /// follow.
    @inline(__always)
    mutating func append(
        _ hit: Hit, _ reply: MetaReply, to request: MetaRequest, line: Span<UInt8>,
        key: Span<UInt8>
    ) -> Bool {
        var reply = reply
        let isUnchanged = request.flags.has(.compare) && request.comparison == hit.casUnique
        let showsValue = request.flags.has(.value) && !isUnchanged
        let isSentLater = showsValue && hit.valueByteCount >= Self.pinnedValueByteCountMin
        let copiedByteCount = showsValue && !isSentLater ? hit.valueByteCount : nil
        if showsValue { reply.code = .value }
        let room = room(
            MetaReply.byteCountMax + (copiedByteCount.map(DataBlock.byteCount(ofValue:)) ?? 0))
        var writer = ReplyWriter(room)
        reply.encode(request, line: line, key: key, to: &writer)
        if let copiedByteCount {
            hit.copyValue(into: writer.skip(copiedByteCount))
            writer.write("\r\n")
        }
        noteAppended(writer.count)
        return isSentLater
    }

    /// Appends the value that a reply's line has announced, from where it is stored.
    mutating func append(block value: PinnedValue) {
        append(value)
        append("\r\n")
    }
}

extension OutputBuffer {
    /// Appends what is answered to a command that shows no item. Returns the state that follows, where
    /// that is not the next command.
    mutating func append(_ answer: Answer, isQuiet: Bool) -> Connection.State? {
        switch answer {
        case .reply(let reply): append(reply.line, isQuiet: isQuiet)
        case .error(let error): append(error.line, isQuiet: isQuiet)
        case .refusal(let refusal): append(refusal.line, isQuiet: isQuiet)
        case .number(let number): if !isQuiet { append(number) }
        case .bytes(let bytes): bytes.withUnsafeBytes { append($0) }
        case .version:
            append("VERSION ")
            append(NodeConfiguration.protocolVersion)
            append("\r\n")
        case .noop: append("MN\r\n")
        case .page(let list):
            append(list)
            append(.end)
        case .pageInParts(let page): return .listing(page.listing())
        case .prefixes(let list): return .listing(Listing(list))
        case .listing(let listing, let isAnnounced):
            if isAnnounced { append(.ok) }
            return .listing(listing)
        case .waiting(let waiting): return .waiting(waiting)
        case .watching(let watching):
            append(.ok)
            return .watching(watching)
        case .close(let reason): return .closed(reason)
        }
        return nil
    }
}

extension StatisticsInParts {
    fileprivate func listing() -> Listing {
        Listing(step: { [self] output, now in
            guard let list = next(now) else {
                output.append(.end)
                return .over
            }
            output.append(list)
            return .more
        })
    }
}

extension Listing {
    private static let prefixesPerStep = 64

    /// `stats detail dump`
    fileprivate convenience init(_ prefixes: [PrefixStatistics.Entry]) {
        var left = prefixes[...]
        self.init(step: { output, _ in
            for entry in left.prefix(Self.prefixesPerStep) { output.append(entry) }
            left = left.dropFirst(Self.prefixesPerStep)
            guard left.isEmpty else { return .more }
            output.append(.end)
            return .over
        })
    }
}

extension OutputBuffer {
    /// Appends a line of `stats detail dump`.
    mutating func append(_ entry: PrefixStatistics.Entry) {
        let line = PrefixLine(entry)
        append(atMost: PrefixLine.room(prefixByteCount: entry.prefix.count)) { writer in
            entry.prefix.withUnsafeBytes { line.encode(prefix: $0, to: &writer) }
        }
    }
}

extension PrefixLine {
    init(_ entry: PrefixStatistics.Entry) {
        let counts = entry.counts
        self.init(
            gets: counts.gets, hits: counts.hits, sets: counts.sets, deletes: counts.deletes)
    }
}
