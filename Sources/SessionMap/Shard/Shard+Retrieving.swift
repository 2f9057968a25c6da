/// Reading and touching.
extension Shard {
    /// Reads the item of a key, or one that it makes for want of it. `body` sees the item as it was
    /// before this access, and says what becomes of it, unless it cannot be pinned. Of an item that was
    /// made, `absence` says why there was none.
    @inline(__always)
    mutating func retrieve(
        _ key: Span<UInt8>, hash: UInt64, now: UInt32, fraction: UInt32, isAccess: Bool = true,
        creating new: Vivification? = nil, _ body: (Hit) -> HitUse
    ) -> (outcome: RetrievalOutcome, absence: RetrievalOutcome?, pinned: PinnedValue?) {
        enter(now: now, fraction: fraction)
        let tag = Items.tag(hash)
        let found = items.findLive(key, tag: tag, now: now, &memory)
        var item = found?.item ?? .null
        let isNew = item.isNull
        let absence = found?.outcome ?? .miss
        if isNew {
            guard let new, !refusesFenced(item, hash: hash, now: now),
                let made = vivify(key, tag: tag, new, now: now)
            else {
                return (absence, absence, nil)
            }
            item = made
        }
        let use = body(look(at: item, now: now, isNew: isNew))
        var pinned: PinnedValue?
        if use.pinsValue {
            pinned = pin(item, now: now)
            guard pinned != nil else {
                items.sums.countOutOfMemory()
                return (.outOfMemory, nil, nil)
            }
        }
        if isAccess, use.isAccess { items.noteHit(item, time: time(now)) }
        if isTimed {
            applyTimed(
                use, to: item, isAccess: isAccess && use.isAccess, isNew: isNew, now: now)
        } else {
            items.apply(use, to: item)
        }
        return (.hit, isNew ? absence : nil, pinned)
    }

    /// Looks at the item of a key, and leaves everything as it is.
    mutating func peek(
        _ key: Span<UInt8>, hash: UInt64, now: UInt32, fraction: UInt32, _ body: (Hit) -> Void
    ) -> RetrievalOutcome {
        enter(now: now, fraction: fraction)
        guard let item = items.index.find(key, tag: Items.tag(hash))?.item else { return .miss }
        if items.isFlushed(item) { return .flushed }
        if items.isExpired(item, now: now) { return .expired }
        body(look(at: item, now: now))
        return .hit
    }

    @inline(__always)
    func look(at item: Item, now: UInt32, isNew: Bool = false) -> Hit {
        Hit(
            region: region, item: item, time: time(now),
            keepsCreation: items.queues.keepsCreation(item), isNew: isNew)
    }

    // MARK: Pins

    /// Lets an item's value stay where it is until `unpin`; nothing when too much is pinned.
    private mutating func pin(_ item: Item, now: UInt32) -> PinnedValue? {
        guard memory.pin(item, atMost: heldUnitCountMax) else {
            memory.noteRefused(now: now)
            return nil
        }
        var all: [UnsafeRawBufferPointer] = []
        var pieces = ValuePieces(region: region, item: item)
        while let piece = pieces.next() { all.append(piece) }
        return PinnedValue(
            shard: number, item: item, pieces: all,
            byteCount: Int(region[item, .valueByteCount]))
    }
}
