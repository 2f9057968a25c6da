/// Deleting, and making useless.
extension Shard {
    /// Deletes the item of a key; with a comparison, only if that is its CAS unique.
    mutating func delete(
        _ key: Span<UInt8>, hash: UInt64, comparison: UInt64? = nil, now: UInt32
    ) -> DeleteOutcome {
        enter(now: now)
        let tag = Items.tag(hash)
        guard let found = items.findLive(key, tag: tag, now: now, &memory), !found.item.isNull
        else {
            return .notFound
        }
        guard comparison == nil || comparison == region.casUnique(found.item) else {
            return .exists
        }
        items.remove(found.item, slot: found.slot, tag: tag, .deleted, &memory)
        return .deleted
    }

    /// Empties the item of a key or marks it as stale, or both.
    mutating func invalidate(
        _ key: Span<UInt8>, hash: UInt64, _ invalidation: Invalidation, comparison: UInt64?,
        now: UInt32
    ) -> DeleteOutcome {
        enter(now: now)
        let tag = Items.tag(hash)
        guard let found = items.findLive(key, tag: tag, now: now, &memory), !found.item.isNull
        else {
            return .notFound
        }
        guard comparison == nil || comparison == region.casUnique(found.item) else {
            return .exists
        }
        if let clientFlags = invalidation.emptyClientFlags {
            return empty(
                items.present(found.item, found.slot), key, tag: tag, clientFlags: clientFlags,
                invalidation, now: now)
        }
        items.makeStale(
            found.item, casUnique: casUnique(invalidation.casUnique),
            deadline: invalidation.deadline)
        return .deleted
    }

    private mutating func empty(
        _ old: Present, _ key: Span<UInt8>, tag: UInt32, clientFlags: UInt32,
        _ invalidation: Invalidation, now: UInt32
    ) -> DeleteOutcome {
        var head = ItemHead(
            clientFlags: clientFlags, deadline: invalidation.deadline ?? .never,
            casUnique: invalidation.casUnique)
        if invalidation.marksStale { head.marks |= ItemMark.stale }
        if invalidation.hasEncodedKey { head.marks |= ItemMark.encodedKey }
        let item = make(
            key, tag: tag, head: head, value: UnsafeRawBufferPointer(start: nil, count: 0),
            replacing: old, now: now)
        guard item != nil else {
            items.sums.countOutOfMemory()
            return .outOfMemory
        }
        return .deleted
    }
}
