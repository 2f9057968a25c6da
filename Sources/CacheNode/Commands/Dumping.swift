import MemcacheProtocol
import SessionMap

/// `lru_crawler metadump`, `mgdump` and `stats cachedump`: items, in the index's order.
///
/// A step sees some 64 items under their shard's lock and appends their lines to the output.
extension Executor {
    func dump(
        _ style: DumpStyle, _ selection: ItemSelection, owesReplies: Bool, now: Moment
    ) -> Answer {
        guard space.dumps.isEnabled else { return .refusal(.crawlerDisabled) }
        guard areKeysShown else {
            context.noteKeysRefused()
            return .refusal(style == .metadata ? .metadumpNotAllowed : .keyDumpNotAllowed)
        }
        guard !owesReplies else {
            return .refusal(style == .metadata ? .metadumpPipelined : .mgdumpPipelined)
        }
        let isEmpty: Bool
        switch selection {
        case .badClass: return .refusal(.badClass)
        case .none: return .refusal(.nothingToCrawl)
        case .all, .hash: isEmpty = false
        // All items are shown as class 1.
        case .classes(let numbers): isEmpty = numbers & 1 << 1 == 0
        }
        switch space.dumps.begin(now: now.seconds) {
        case .disabled: return .refusal(.crawlerDisabled)
        case .busy: return .refusal(.crawlerBusy)
        case .began(let ticket):
            return .listing(items(style, ticket: ticket, isEmpty: isEmpty), isAnnounced: true)
        }
    }

    private func items(_ style: DumpStyle, ticket: UInt64, isEmpty: Bool) -> Listing {
        let (map, dumps) = (map, space.dumps)
        var walk = ItemWalk()
        var hasMore = !isEmpty
        return Listing(
            step: { output, now in
                // Where its reader stood, nobody knows.
                guard dumps.goOn(ticket, now: now.seconds) else { return .lost }
                if hasMore {
                    hasMore = map.step(&walk, now: now.seconds) { hit in
                        let line = ItemLine(hit, now: now)
                        output.append(lineOf: hit) { key, writer in
                            switch style {
                            case .metadata: line.encodeMetadata(key: key, to: &writer)
                            case .commands: line.encodeCommand(key: key, to: &writer)
                            }
                        }
                    }
                }
                guard !hasMore else { return .more }
                output.append(style == .metadata ? "END\r\n" : "EN\r\n")
                return .over
            }, end: { dumps.end(ticket) })
    }

    // MARK: stats cachedump

    /// memcached's bound on this page, whatever limit was asked for.
    private static let keysByteCountMax = 2 << 20

    /// There is one class, number 1.
    func keys(_ request: StatsPage.Cachedump) -> Answer {
        guard areKeysShown else {
            context.noteKeysRefused()
            return .error(.cachedumpNotAllowed)
        }
        switch request {
        case .wrong(let error): return .error(error)
        case .keys(let slabClass, _) where slabClass >= 64: return .error(.illegalSlabID)
        case .keys(let slabClass, _) where slabClass != 1: return .reply(.end)
        case .keys(_, let limit):
            return .listing(keys(limit: limit == 0 ? .max : Int(limit)), isAnnounced: false)
        }
    }

    private func keys(limit: Int) -> Listing {
        let map = map
        var walk = ItemWalk()
        var (itemsLeft, bytesLeft) = (limit, Self.keysByteCountMax)
        return Listing(step: { output, now in
            let hasMore = map.step(&walk, now: now.seconds) { hit in
                guard itemsLeft > 0, bytesLeft > 0 else { return }
                itemsLeft -= 1
                let line = ItemLine(hit, now: now)
                bytesLeft -= output.append(lineOf: hit) { key, writer in
                    line.encodeKeyLine(key: key, to: &writer)
                }
            }
            guard !hasMore || itemsLeft == 0 || bytesLeft <= 0 else { return .more }
            output.append(Reply.end.line)
            return .over
        })
    }
}

extension ItemLine {
    /// All that can be told of an item, while it is there to be seen.
    init(_ hit: Hit, now: Moment) {
        self.init(wallSeconds: now.wallSeconds)
        clientFlags = hit.clientFlags
        valueByteCount = hit.valueByteCount
        byteCount = hit.byteCount
        casUnique = hit.casUnique
        secondsLeft = hit.secondsLeft
        secondsSinceAccess = hit.secondsSinceAccess
        wasFetched = hit.wasFetched
        hasEncodedKey = hit.hasEncodedKey
    }
}

extension OutputBuffer {
    /// Appends a line of an item's, and returns its length.
    @discardableResult
    mutating func append(
        lineOf hit: Hit, _ encode: (UnsafeRawBufferPointer, inout ReplyWriter) -> Void
    ) -> Int {
        append(atMost: ItemLine.room(keyByteCount: hit.keyByteCount)) { writer in
            hit.withKey { encode($0, &writer) }
        }
    }
}
