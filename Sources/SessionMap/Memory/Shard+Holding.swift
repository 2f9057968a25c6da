/// Memory that eviction cannot have back: of values on their way in, and of values that replies send
/// from where they are stored. How long it is needed, the peers decide.
///
/// So it is bounded. Values on their way in may take half of what proven items leave; proven items go
/// for them only as long as less than half of probation's share is held. The other halves stay with
/// new items. Replies may pin half of the limit. A single value finds room in any case: no bound is
/// below what the largest item takes.
extension Shard {
    /// Units that may be held, as far as values on their way in are concerned.
    private var heldUnitCountMax: Int {
        let left = Int(unitLimit) - Int(index.unitCount) - queues.provenUnitCount
        return max(left / 2, heldUnitCountOverProven)
    }

    /// Units that may be held at proven items' expense.
    private var heldUnitCountOverProven: Int {
        max(queues.probationShare(of: unitLimit) / 2, largestItemUnitCount)
    }

    /// Units that may be held and pinned together, as far as replies are concerned.
    private var pinnedUnitCountMax: Int { max(Int(unitLimit) / 2, largestItemUnitCount) }

    /// In extents as they come about while a value arrives, each of which costs a header.
    private var largestItemUnitCount: Int {
        let byteCount = configuration.itemByteCountMax
        return (byteCount + byteCount / 8) / Region.unitByteCount
    }

    /// As `allocateChain`, for what is held: nothing when too much is.
    mutating func allocateHeld(byteCount: Int, headByteCount: Int, now: UInt32) -> Unit? {
        let held = heldUnitCount + Int(Region.units(forByteCount: byteCount))
        guard held <= heldUnitCountMax else { return nil }
        return allocateChain(
            byteCount: byteCount, headByteCount: headByteCount, now: now,
            evictsProven: held <= heldUnitCountOverProven)
    }

    // MARK: Pins

    /// Lets an item's value stay where it is until `unpin`; nothing when too much is pinned.
    mutating func pin(_ item: Unit) -> PinnedValue? {
        if pins[item] == nil {
            let unitCount = chainSize(item).unitCount
            guard heldUnitCount + pinnedUnitCount + unitCount <= pinnedUnitCountMax else {
                return nil
            }
            pinnedUnitCount += unitCount
        }
        pins[item, default: 0] += 1
        var all: [UnsafeRawBufferPointer] = []
        var pieces = ValuePieces(region: region, item: item)
        while let piece = pieces.next() { all.append(piece) }
        return PinnedValue(
            shard: number, item: item, pieces: all,
            byteCount: Int(region[item, .valueByteCount]))
    }

    mutating func unpin(_ item: Unit) {
        guard let count = pins[item] else { preconditionFailure("an item that is not pinned") }
        guard count == 1 else {
            pins[item] = count - 1
            return
        }
        pins[item] = nil
        let unitCount = chainSize(item).unitCount
        if region.kind(item) == .held {
            heldUnitCount -= unitCount
            extents.giveChain(item)
        } else {
            pinnedUnitCount -= unitCount
        }
    }
}
