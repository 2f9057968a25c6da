/// Leaving the end of a region whose limit was lowered, so that its pages go back to the system.
///
/// Evicting does not do that: where recency and place have nothing to do with each other, holes of an
/// item's size come about everywhere, and no page is free. So what lies behind the fence moves before it,
/// each item by the steps of `Journal`, and then whole pages are given back. All of it in bounded turns.
///
/// What cannot move, a value on its way or one that a reply reads, is waited for; the pages around it go
/// back meanwhile.
struct Retreat {
    fileprivate enum Phase {
        /// The index is walked, from this place on.
        case moving(UInt64)
        /// These pages are given back, the last first.
        case releasing([UnsafeMutableRawBufferPointer])
    }

    fileprivate var phase = Phase.moving(0)

    /// Items that are looked at in one turn: most of them move, which takes longer than it takes to remove
    /// one.
    fileprivate static let itemsPerTurn = 64
    /// So much is moved or given back in one turn; the kernel takes some 20 microseconds for it.
    fileprivate static let byteCountPerTurn = 256 << 10
}

extension Shard {
    /// Sets how much of the region may be in use. What is above is evicted in turns of `maintain`, which
    /// then leave what lies behind.
    mutating func setLimit(byteCount: Int, isSettled: Bool = false) {
        memory.setLimit(byteCount: byteCount, isSettled: isSettled)
        retreat = memory.hasLeftEnd ? nil : Retreat()
    }

    /// One bounded turn of a retreat; true when there is more to do.
    mutating func goOnRetreating(now: UInt32, itemBudget: Int) -> Bool {
        guard let retreat, !memory.isAboveLimit else { return false }
        switch retreat.phase {
        case .moving(let place): return leave(from: place, itemBudget: itemBudget, now: now)
        case .releasing(let pages): return release(pages)
        }
    }

    // MARK: Moving

    private mutating func leave(from place: UInt64, itemBudget: Int, now: UInt32) -> Bool {
        let fence = memory.extents.fence
        if let segment = items.index.directoryPlace(behind: fence) {
            return items.moveSegment(at: segment, &memory) || makeRoom(now: now)
        }
        var found: [Item] = []
        let next = items.index.visit(
            from: place, atMost: min(itemBudget, Retreat.itemsPerTurn)
        ) { found.append($0) }
        var unitsLeft = Retreat.byteCountPerTurn / Region.unitByteCount
        for item in found where region.reaches(behind: fence, item) {
            // Who reads it, or has not swept it, comes first.
            guard memory.pins[item] == nil, !items.isFlushed(item) else { continue }
            let unitCount = region.chainSize(item.head).unitCount
            // Of those that are left the next turn finds the same ones, less what goes for them.
            guard items.relocate(item, &memory) else { return makeRoom(now: now) }
            unitsLeft -= unitCount
            if unitsLeft < 0 { return true }
        }
        retreat?.phase =
            next == ItemIndex.walkEnd ? .releasing(memory.releasable) : .moving(next)
        // Pieces take a little more.
        return !memory.isAboveLimit || makeRoom(now: now)
    }

    // MARK: Giving back

    private mutating func release(_ pages: [UnsafeMutableRawBufferPointer]) -> Bool {
        var pages = pages
        guard let last = pages.popLast() else {
            if memory.extents.isEmptyBehindFence {
                memory.noteRetreated()
                retreat = nil
            } else {
                // Something could not move. The next second tries again.
                retreat?.phase = .moving(0)
            }
            return false
        }
        let start = max(0, last.count - Retreat.byteCountPerTurn)
        let part = UnsafeMutableRawBufferPointer(rebasing: last[start...])
        if memory.pages.giveBack(part), memory.knowsMemoryEnd {
            items.sums.countReleased(byteCount: last.count - start)
        }
        if start > 0 { pages.append(UnsafeMutableRawBufferPointer(rebasing: last[..<start])) }
        retreat?.phase = .releasing(pages)
        return true
    }
}

extension Region {
    /// Whether any extent of an item ends behind a unit.
    fileprivate func reaches(behind fence: UInt32, _ item: Item) -> Bool {
        var extent = item.head
        while !extent.isNull {
            if extent.unit + length(extent) > fence { return true }
            extent = next(after: extent)
        }
        return false
    }
}
