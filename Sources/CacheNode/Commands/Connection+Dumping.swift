import MemcacheProtocol
import SessionMap

/// `lru_crawler metadump`, `mgdump` and `stats cachedump`: items, in the index's order.
///
/// A step sees some 64 items under their shard's lock and appends their lines to the output.
extension Connection {
    func startDump(_ style: DumpStyle, _ selection: ItemSelection, now: Moment) -> OperatorReply? {
        guard context.dumps.isEnabled else { return .crawlerDisabled }
        guard areKeysShown else {
            context.noteKeysRefused()
            return style == .metadata ? .metadumpNotAllowed : .keyDumpNotAllowed
        }
        guard output.isEmpty else {
            return style == .metadata ? .metadumpPipelined : .mgdumpPipelined
        }
        let isEmpty: Bool
        switch selection {
        case .badClass: return .badClass
        case .none: return .nothingToCrawl
        case .all, .hash: isEmpty = false
        // All items are shown as class 1.
        case .classes(let numbers): isEmpty = numbers & 1 << 1 == 0
        }
        switch context.dumps.begin(now: now.seconds) {
        case .disabled: return .crawlerDisabled
        case .busy: return .crawlerBusy
        case .began(let ticket):
            reply(.ok)
            begin(dump(style, ticket: ticket, isEmpty: isEmpty))
            return nil
        }
    }

    private func dump(_ style: DumpStyle, ticket: UInt64, isEmpty: Bool) -> Listing {
        let (map, dumps) = (map, context.dumps)
        var walk = ItemWalk()
        var hasMore = !isEmpty
        return Listing(
            step: { output, now in
                // Where its reader stood, nobody knows.
                guard dumps.goOn(ticket, now: now.seconds) else { return .lost }
                if hasMore {
                    hasMore = map.step(&walk, now: now.seconds) { hit in
                        switch style {
                        case .metadata: output.append(metadataOf: hit, now: now)
                        case .commands: output.append(commandFor: hit)
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
    func showKeys(_ request: StatsPage.Cachedump) {
        guard areKeysShown else {
            context.noteKeysRefused()
            return fail(.cachedumpNotAllowed, isQuiet: false)
        }
        switch request {
        case .wrong(let error): fail(error, isQuiet: false)
        case .keys(let slabClass, _) where slabClass >= 64: fail(.illegalSlabID, isQuiet: false)
        case .keys(let slabClass, _) where slabClass != 1: reply(.end)
        case .keys(_, let limit): begin(keys(limit: limit == 0 ? .max : Int(limit)))
        }
    }

    private func keys(limit: Int) -> Listing {
        let map = map
        var walk = ItemWalk()
        var (itemsLeft, bytesLeft) = (limit, Self.keysByteCountMax)
        return Listing { output, now in
            let hasMore = map.step(&walk, now: now.seconds) { hit in
                guard itemsLeft > 0, bytesLeft > 0 else { return }
                itemsLeft -= 1
                bytesLeft -= output.append(keyLineOf: hit, now: now)
            }
            guard !hasMore || itemsLeft == 0 || bytesLeft <= 0 else { return .more }
            output.append(Reply.end.line)
            return .over
        }
    }
}

extension OutputBuffer {
    /// All of an item's line but its key.
    private static let metadataByteCountMax = 192

    /// Appends an item's line of `metadump`. As memcached has it, it ends with a space and LF alone.
    fileprivate mutating func append(metadataOf hit: Hit, now: Moment) {
        var writer = ReplyWriter(room(Self.metadataByteCountMax + hit.keyByteCount * 3))
        writer.write("key=")
        hit.withKey { writer.write(escaped: $0) }
        if let secondsLeft = hit.secondsLeft {
            writer.write(" exp=")
            writer.write(decimal: UInt64(max(0, now.wallSeconds + Int64(secondsLeft))))
        } else {
            writer.write(" exp=-1")
        }
        writer.write(" la=")
        writer.write(decimal: UInt64(max(0, now.wallSeconds - Int64(hit.secondsSinceAccess))))
        writer.write(" cas=")
        writer.write(decimal: hit.casUnique)
        writer.write(hit.wasFetched ? " fetch=yes cls=1 size=" : " fetch=no cls=1 size=")
        writer.write(decimal: UInt64(hit.byteCount))
        writer.write(" flags=")
        writer.write(decimal: UInt64(hit.clientFlags))
        writer.write(" \n")
        noteAppended(writer.count)
    }

    /// Appends the command that reads an item.
    fileprivate mutating func append(commandFor hit: Hit) {
        var writer = ReplyWriter(
            room(16 + Base64.encodedByteCount(ofByteCount: hit.keyByteCount)))
        writer.write("mg ")
        writer.write(bareKeyOf: hit)
        writer.write(hit.hasEncodedKey ? " b\r\n" : "\r\n")
        noteAppended(writer.count)
    }

    /// Appends an item's line of `stats cachedump`, and returns its length.
    fileprivate mutating func append(keyLineOf hit: Hit, now: Moment) -> Int {
        var writer = ReplyWriter(room(Self.metadataByteCountMax + hit.keyByteCount * 3))
        writer.write("ITEM ")
        hit.withKey { writer.write(lineSafe: $0) }
        writer.write(" [")
        writer.write(decimal: UInt64(hit.valueByteCount))
        writer.write(" b; ")
        // memcached shows Unix time; an item without a deadline shows 0.
        let expires = hit.secondsLeft.map { now.wallSeconds + Int64($0) } ?? 0
        writer.write(decimal: UInt64(max(0, expires)))
        writer.write(" s]\r\n")
        noteAppended(writer.count)
        return writer.count
    }
}
