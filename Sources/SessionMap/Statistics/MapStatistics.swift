/// Counters and gauges of a map or of one shard of it.
package struct MapStatistics: Equatable, Sendable {
    var counts = Counts<MapCounter>()
    var gauges = Counts<MapGauge>()
    var lastEviction = LastEviction()
    /// Seconds since the last access of the least recently used item; of one on probation, since it
    /// was stored. Not told while flushed items are older.
    package var oldestAge: UInt32 = 0

    package init() {}

    mutating func add(_ other: MapStatistics) {
        counts.add(other.counts)
        gauges.add(other.gauges)
        if other.lastEviction.seconds >= lastEviction.seconds { lastEviction = other.lastEviction }
        oldestAge = max(oldestAge, other.oldestAge)
    }

    /// What is there, and what was counted since `zero`, which was taken before.
    package func since(_ zero: MapStatistics) -> MapStatistics {
        var left = self
        left.counts = counts.since(zero.counts)
        return left
    }
}

extension MapStatistics {
    /// Live items: what was flushed is not counted, though its memory comes back bit by bit.
    package var itemCount: Int { probationaryItemCount + provenItemCount }
    /// Arena bytes that live items take, headers and rounding included.
    package var itemByteCount: Int { probationaryByteCount + provenByteCount }
    package var probationaryItemCount: Int { gauges[.probationaryItems] }
    package var probationaryByteCount: Int { gauges[.probationaryBytes] }
    package var provenItemCount: Int { gauges[.provenItems] }
    package var provenByteCount: Int { gauges[.provenBytes] }
    /// Of values on their way in, and of items that are gone and still being sent.
    package var heldByteCount: Int { gauges[.heldBytes] }
    /// Of items that are being sent from where they are stored.
    package var pinnedByteCount: Int { gauges[.pinnedBytes] }
    package var indexByteCount: Int { gauges[.indexBytes] }
    package var indexSlotCount: Int { gauges[.indexSlots] }
    /// The power of two of slots in the index.
    package var indexPower: Int {
        indexSlotCount <= 1 ? 0 : Int.bitWidth - (indexSlotCount - 1).leadingZeroBitCount
    }
    /// Free, or of flushed items.
    package var freeByteCount: Int { gauges[.freeBytes] }
    /// Extents per item are this many more than one, summed up.
    package var extraExtentCount: Int { gauges[.extraExtents] }

    package var totalItemCount: UInt64 { UInt64(counts[.totalItems]) }
    package var evictionCount: UInt64 { UInt64(counts[.evictions]) }
    package var evictedProvenCount: UInt64 { UInt64(counts[.evictedProven]) }
    package var evictedUnfetchedCount: UInt64 { UInt64(counts[.evictedUnfetched]) }
    package var evictedWithDeadlineCount: UInt64 { UInt64(counts[.evictedWithDeadline]) }
    package var evictedAge: UInt32 { lastEviction.age }
    package var expiredUnfetchedCount: UInt64 { UInt64(counts[.expiredUnfetched]) }
    package var reclaimedCount: UInt64 { UInt64(counts[.reclaimed]) }
    package var exptimeDefaultedCount: UInt64 { UInt64(counts[.exptimeDefaulted]) }
    package var exptimeCappedCount: UInt64 { UInt64(counts[.exptimeCapped]) }
    package var idleRenewedCount: UInt64 { UInt64(counts[.idleRenewed]) }
    package var absoluteCappedCount: UInt64 { UInt64(counts[.absoluteCapped]) }
    package var expiredIdleCount: UInt64 { UInt64(counts[.expiredIdle]) }
    package var expiredAbsoluteCount: UInt64 { UInt64(counts[.expiredAbsolute]) }
    package var fenceCount: Int { gauges[.fences] }
    package var fencedCount: UInt64 { UInt64(counts[.fenced]) }
    package var fencesDroppedEarlyCount: UInt64 { UInt64(counts[.fencesDroppedEarly]) }
    package var releasedByteCount: UInt64 { UInt64(counts[.releasedBytes]) }
    package var bornCount: UInt64 { UInt64(counts[.born]) }
    package var becameProvenCount: UInt64 { UInt64(counts[.becameProven]) }
    package var deletedCount: UInt64 { UInt64(counts[.deleted]) }
    package var expiredCount: UInt64 { UInt64(counts[.expired]) }
    package var flushedCount: UInt64 { UInt64(counts[.flushed]) }
    package var outdatedCount: UInt64 { UInt64(counts[.outdated]) }
    package var outOfMemoryCount: UInt64 { UInt64(counts[.outOfMemory]) }
}

extension UInt64 {
    /// What a count has grown by. Never a trap, whichever of the two was read first.
    @inline(__always)
    package func since(_ zero: UInt64) -> UInt64 { self > zero ? self - zero : 0 }
}
