import MemcacheProtocol
import SessionMap

extension BinaryReply {
    /// The head of a reply to a request.
    @inline(__always)
    init(
        to request: BinaryRequest, _ status: BinaryStatus = .success, casUnique: UInt64 = 0,
        extrasByteCount: Int = 0, keyByteCount: Int = 0, valueByteCount: Int = 0
    ) {
        self.init(
            opcode: request.header.opcode, opaque: request.header.opaque, status: status,
            casUnique: casUnique, extrasByteCount: extrasByteCount, keyByteCount: keyByteCount,
            valueByteCount: valueByteCount)
    }
}

/// Replies of the binary protocol become bytes.
extension OutputBuffer {
    /// Appends a reply without a value, or an error's. The only place where a quiet request's success is
    /// kept silent, but for those that show something.
    mutating func append(_ status: BinaryStatus, to request: BinaryRequest) {
        if case .success = status, request.isQuiet { return }
        append(BinaryReply(to: request, status))
    }

    /// Appends a reply without a value, or an error's with its text.
    mutating func append(_ reply: BinaryReply) {
        append(atMost: BinaryReply.errorByteCountMax) { reply.encodeError(to: &$0) }
    }

    /// Appends what is answered to a request that shows no item. Returns the state that follows, where
    /// that is not the next packet.
    mutating func append(_ answer: Answer, to request: BinaryRequest) -> Connection.State? {
        switch answer {
        case .reply, .noop: append(.success, to: request)
        case .version:
            let text = NodeConfiguration.protocolVersion
            let reply = BinaryReply(to: request, valueByteCount: text.utf8CodeUnitCount)
            append(atMost: BinaryHeader.byteCount + reply.valueByteCount) { writer in
                reply.encode(to: &writer)
                writer.write(text)
            }
        case .error(.flushNotAllowed), .error(.statsDetailNotAllowed):
            append(.notAllowed, to: request)
        case .error(.statsDetailUsage), .error(.cachedumpNotAllowed): append(.notFound, to: request)
        case .error(.outOfMemory): append(.outOfMemory, to: request)
        case .page(let list):
            append(list, to: request)
            append(.success, to: request)
        case .pageInParts(let page): return .listing(page.listing(to: request))
        case .prefixes(let list): return .listing(Listing(list, to: request))
        case .close(let reason): return .closed(reason)
        case .error, .refusal, .number, .bytes, .listing, .watching, .waiting:
            // Of commands that this protocol does not have.
            append(.unknownCommand, to: request)
        }
        return nil
    }

    /// Appends statistics, a packet each.
    fileprivate mutating func append(_ list: [Statistic], to request: BinaryRequest) {
        for statistic in list {
            append(name: statistic.name, text: statistic.text, to: request)
        }
    }

    private mutating func append(name: String, text: String, to request: BinaryRequest) {
        var (name, text) = (name, text)
        name.withUTF8 { name in
            text.withUTF8 { text in
                let reply = BinaryReply(
                    to: request, keyByteCount: name.count, valueByteCount: text.count)
                append(atMost: BinaryHeader.byteCount + name.count + text.count) { writer in
                    reply.encode(to: &writer)
                    writer.skip(name.count).copyBytes(from: name)
                    writer.skip(text.count).copyBytes(from: text)
                }
            }
        }
    }
}

extension StatisticsInParts {
    fileprivate func listing(to request: BinaryRequest) -> Listing {
        Listing(step: { [self] output, now in
            guard let list = next(now) else {
                output.append(.success, to: request)
                return .over
            }
            output.append(list, to: request)
            return .more
        })
    }
}

extension Listing {
    private static let prefixesPerStep = 64
    private static let detailName: StaticString = "detailed"

    private static func byteCount(of entry: PrefixStatistics.Entry) -> Int {
        entry.prefix.withUnsafeBytes { PrefixLine(entry).byteCount(prefix: $0) }
    }

    /// `stats detail dump`: one statistic, whose value is all of the text protocol's page.
    fileprivate convenience init(_ prefixes: [PrefixStatistics.Entry], to request: BinaryRequest) {
        var left = prefixes[...]
        var isBegun = false
        self.init(step: { output, _ in
            if !isBegun {
                isBegun = true
                let end = Reply.end.line.utf8CodeUnitCount
                let reply = BinaryReply(
                    to: request, keyByteCount: Self.detailName.utf8CodeUnitCount,
                    valueByteCount: prefixes.reduce(end) { $0 + Self.byteCount(of: $1) })
                output.append(atMost: BinaryHeader.byteCount + reply.keyByteCount) { writer in
                    reply.encode(to: &writer)
                    writer.write(Self.detailName)
                }
            }
            for entry in left.prefix(Self.prefixesPerStep) { output.append(entry) }
            left = left.dropFirst(Self.prefixesPerStep)
            guard left.isEmpty else { return .more }
            output.append(.end)
            output.append(.success, to: request)
            return .over
        })
    }
}
