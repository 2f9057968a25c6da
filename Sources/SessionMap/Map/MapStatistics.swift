/// Counters of a map or of one shard of it.
package struct MapStatistics: Equatable, Sendable {
    /// Live items: what was flushed is not counted, though its memory comes back bit by bit.
    package var itemCount: Int { probationaryItemCount + provenItemCount }
    /// Arena bytes that live items take, headers and rounding included.
    package var itemByteCount: Int { probationaryByteCount + provenByteCount }
    package var probationaryItemCount = 0
    package var probationaryByteCount = 0
    package var provenItemCount = 0
    package var provenByteCount = 0
    /// Of values on their way in, and of items that are gone and still being sent.
    package var heldByteCount = 0
    /// Of items that are being sent from where they are stored.
    package var pinnedByteCount = 0
    package var indexByteCount = 0
    package var indexSlotCount = 0
    /// Free, or of flushed items.
    package var freeByteCount = 0
    package var totalItemCount: UInt64 = 0
    var evictions = EvictionCounts()
    package var evictionCount: UInt64 { evictions.all }
    package var evictedProvenCount: UInt64 { evictions.proven }
    package var evictedUnfetchedCount: UInt64 { evictions.unfetched }
    package var evictedWithDeadlineCount: UInt64 { evictions.withDeadline }
    package var evictedAge: UInt32 { evictions.lastAge }
    package var expiredUnfetchedCount: UInt64 = 0
    /// Items that were removed because their time had come, or a flush.
    package var reclaimedCount: UInt64 = 0
    package var outOfMemoryCount: UInt64 = 0
    /// Seconds since the last access of the least recently used item; of one on probation, since it
    /// was stored. Not told while flushed items are older.
    package var oldestAge: UInt32 = 0
    /// Extents per item are this many more than one, summed up.
    package var extraExtentCount = 0

    package init() {}

    /// The power of two of slots in the index.
    package var indexPower: Int {
        indexSlotCount <= 1 ? 0 : Int.bitWidth - (indexSlotCount - 1).leadingZeroBitCount
    }

    mutating func add(_ other: MapStatistics) {
        probationaryItemCount += other.probationaryItemCount
        probationaryByteCount += other.probationaryByteCount
        provenItemCount += other.provenItemCount
        provenByteCount += other.provenByteCount
        heldByteCount += other.heldByteCount
        pinnedByteCount += other.pinnedByteCount
        indexByteCount += other.indexByteCount
        indexSlotCount += other.indexSlotCount
        freeByteCount += other.freeByteCount
        totalItemCount += other.totalItemCount
        evictions.add(other.evictions)
        expiredUnfetchedCount += other.expiredUnfetchedCount
        reclaimedCount += other.reclaimedCount
        outOfMemoryCount += other.outOfMemoryCount
        oldestAge = max(oldestAge, other.oldestAge)
        extraExtentCount += other.extraExtentCount
    }

    /// What is there, and what was counted since `zero`, which was taken before.
    package func since(_ zero: MapStatistics) -> MapStatistics {
        var left = self
        left.totalItemCount = totalItemCount.since(zero.totalItemCount)
        left.evictions = evictions.since(zero.evictions)
        left.expiredUnfetchedCount = expiredUnfetchedCount.since(zero.expiredUnfetchedCount)
        left.reclaimedCount = reclaimedCount.since(zero.reclaimedCount)
        left.outOfMemoryCount = outOfMemoryCount.since(zero.outOfMemoryCount)
        return left
    }
}

extension UInt64 {
    /// What a count has grown by. Never a trap, whichever of the two was read first.
    @inline(__always)
    package func since(_ zero: UInt64) -> UInt64 { self > zero ? self - zero : 0 }
}

extension Shard {
    mutating func statistics(now: UInt32) -> MapStatistics {
        // A flush that is due has been, whether or not anybody came by.
        enter(now: now)
        let probationary = queues.liveProbationary
        let proven = queues.liveProven
        var all = MapStatistics()
        all.probationaryItemCount = probationary.itemCount
        all.probationaryByteCount = probationary.unitCount * Region.unitByteCount
        all.provenItemCount = proven.itemCount
        all.provenByteCount = proven.unitCount * Region.unitByteCount
        all.heldByteCount = heldUnitCount * Region.unitByteCount
        all.pinnedByteCount = pinnedUnitCount * Region.unitByteCount
        all.indexByteCount =
            Int(index.unitCount) * Region.unitByteCount + index.directoryByteCount
        all.indexSlotCount = index.totalSlotCount
        let flushedUnitCount = itemUnitCount - probationary.unitCount - proven.unitCount
        all.freeByteCount =
            (Int(extents.freeUnitCount) + flushedUnitCount) * Region.unitByteCount
        all.totalItemCount = totalItemCount
        all.evictions = evictions
        all.expiredUnfetchedCount = expiredUnfetchedCount
        all.reclaimedCount = reclaimedCount
        all.outOfMemoryCount = outOfMemoryCount
        all.extraExtentCount = extraExtentCount
        for item in [queues.probationary.oldest, queues.proven.oldest]
        where item != 0 && !isFlushed(item) {
            all.oldestAge = max(
                all.oldestAge, queues.secondsSinceAccess(item, time: time(now)))
        }
        return all
    }
}
