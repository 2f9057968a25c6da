extension Shard {
    mutating func statistics(now: UInt32) -> MapStatistics {
        // A flush that is due has been, whether or not anybody came by.
        enter(now: now)
        let probationary = items.queues.liveProbationary
        let proven = items.queues.liveProven
        let flushedUnitCount = items.sums.unitCount - probationary.unitCount - proven.unitCount
        var all = MapStatistics()
        all.counts = items.sums.counts
        all.counts[.fencesDroppedEarly] = fences.droppedEarlyCount
        all.counts[.becameProven] = items.queues.becameProvenCount
        all.gauges[.fences] = fences.count
        all.lastEviction = items.sums.lastEviction
        func setUnits(_ gauge: MapGauge, _ unitCount: Int) {
            all.gauges[gauge] = unitCount * Region.unitByteCount
        }
        all.gauges[.probationaryItems] = probationary.itemCount
        setUnits(.probationaryBytes, probationary.unitCount)
        all.gauges[.provenItems] = proven.itemCount
        setUnits(.provenBytes, proven.unitCount)
        setUnits(.heldBytes, memory.heldUnitCount)
        setUnits(.pinnedBytes, memory.pinnedUnitCount)
        setUnits(.indexBytes, Int(items.index.unitCount))
        all.gauges[.indexBytes] += items.index.directoryByteCount
        all.gauges[.indexSlots] = items.index.totalSlotCount
        setUnits(.freeBytes, Int(memory.extents.freeUnitCount) + flushedUnitCount)
        all.gauges[.extraExtents] = items.sums.extraExtentCount
        for item in [items.queues.probationary.oldest, items.queues.proven.oldest]
        where !item.isNull && !items.isFlushed(item) {
            all.oldestAge = max(
                all.oldestAge, items.queues.secondsSinceAccess(item, time: time(now)))
        }
        return all
    }
}
