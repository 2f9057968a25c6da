/// Reading and touching.
extension Shard {
    /// Reads the item of a key, or one that it makes for want of it. `body` sees the item as it was
    /// before this access, and says what becomes of it, unless it cannot be pinned. Of an item that was made, `absence` says why
    /// there was none.
    @inline(__always)
    mutating func retrieve(
        _ key: Span<UInt8>, hash: UInt64, now: UInt32, fraction: UInt32, isAccess: Bool = true,
        creating new: Vivification? = nil, _ body: (Hit) -> HitUse
    ) -> (outcome: RetrievalOutcome, absence: RetrievalOutcome?, pinned: PinnedValue?) {
        enter(now: now, fraction: fraction)
        let tag = Shard.tag(hash)
        let found = findLive(key, tag: tag, now: now)
        var item = found?.item ?? 0
        let isNew = item == 0
        let absence = found?.outcome ?? .miss
        if isNew {
            guard let new, let made = vivify(key, tag: tag, new, now: now) else {
                return (absence, absence, nil)
            }
            item = made
        }
        let use = body(look(at: item, now: now, isNew: isNew))
        var pinned: PinnedValue?
        if use.pinsValue {
            pinned = pin(item)
            guard pinned != nil else {
                outOfMemoryCount += 1
                return (.outOfMemory, nil, nil)
            }
        }
        if isAccess {
            region[item, .marks] |= ItemMark.fetched
            queues.noteHit(item, time: time(now))
        }
        apply(use, to: item)
        return (.hit, isNew ? absence : nil, pinned)
    }

    /// Looks at the item of a key, and leaves everything as it is.
    mutating func peek(
        _ key: Span<UInt8>, hash: UInt64, now: UInt32, _ body: (Hit) -> Void
    ) -> RetrievalOutcome {
        enter(now: now)
        guard let item = index.find(key, tag: Shard.tag(hash))?.item else { return .miss }
        if isFlushed(item) { return .flushed }
        if isExpired(item, now: now) { return .expired }
        body(look(at: item, now: now))
        return .hit
    }

    @inline(__always)
    func look(at item: Unit, now: UInt32, isNew: Bool = false) -> Hit {
        Hit(
            region: region, item: item, time: time(now),
            keepsCreation: queues.keepsCreation(item), isNew: isNew)
    }

    @inline(__always)
    mutating func apply(_ use: HitUse, to item: Unit) {
        if use.claims { region[item, .marks] |= ItemMark.claimed }
        if let deadline = use.deadline { wheel.setDeadline(item, deadline) }
    }
}
