/// Deleting, and making useless.
extension Shard {
    /// Deletes the item of a key; with a comparison, only if that is its CAS unique. What was deleted can be fenced
    /// until some second.
    mutating func delete(
        _ key: Span<UInt8>, hash: UInt64, comparison: UInt64? = nil, fencingUntil end: UInt32 = 0,
        now: UInt32
    ) -> DeleteOutcome {
        let tag = Items.tag(hash)
        switch seek(key, tag: tag, comparison: comparison, now: now) {
        case .none(let outcome): return outcome
        case .item(let item, let slot):
            items.remove(item, slot: slot, tag: tag, .deleted, &memory)
            if end != 0 { fences.insert(hash, until: end, now: now) }
            return .deleted
        }
    }

    private enum Sought {
        case item(Item, ItemIndex.Slot)
        case none(DeleteOutcome)
    }

    /// The item that is meant, by its key and maybe its CAS unique.
    private mutating func seek(
        _ key: Span<UInt8>, tag: UInt32, comparison: UInt64?, now: UInt32
    ) -> Sought {
        enter(now: now)
        guard let found = items.findLive(key, tag: tag, now: now, &memory), !found.item.isNull
        else {
            return .none(.notFound)
        }
        guard comparison == nil || comparison == region.casUnique(found.item) else {
            return .none(.exists)
        }
        return .item(found.item, found.slot)
    }

    /// Empties the item of a key or marks it as stale, or both.
    mutating func invalidate(
        _ key: Span<UInt8>, hash: UInt64, _ invalidation: Invalidation, comparison: UInt64?,
        now: UInt32
    ) -> DeleteOutcome {
        let tag = Items.tag(hash)
        switch seek(key, tag: tag, comparison: comparison, now: now) {
        case .none(let outcome): return outcome
        case .item(let item, let slot):
            if let clientFlags = invalidation.emptyClientFlags {
                return empty(
                    items.present(item, slot), key, tag: tag, clientFlags: clientFlags,
                    invalidation, now: now)
            }
            items.makeStale(
                item, casUnique: casUnique(invalidation.casUnique),
                deadline: invalidation.deadline.map { deadline($0, replacing: item, now: now) })
            return .deleted
        }
    }

    private mutating func empty(
        _ old: Present, _ key: Span<UInt8>, tag: UInt32, clientFlags: UInt32,
        _ invalidation: Invalidation, now: UInt32
    ) -> DeleteOutcome {
        var head = ItemHead(
            clientFlags: clientFlags,
            deadline: deadline(invalidation.deadline ?? .never, replacing: old.item, now: now),
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
