import EventLoop
import SessionMap
import Synchronization

/// `stats items`, `slabs` and `sizes`. There are no slab classes; all items are shown as class 1, so
/// that tools have rows to show, and none where there is no item.
extension StatisticsReading {
    func addItems(to list: inout StatisticsList) {
        list.isShowing = map.itemCount > 0
        let segments = "Of memcached's LRU segments; always 0"
        list.gauge("items:1:number", map.itemCount, "Items that are there")
        list.gauge("items:1:number_hot", 0, segments)
        list.gauge("items:1:number_warm", 0, segments)
        list.gauge("items:1:number_cold", map.itemCount, "All items")
        list.gauge("items:1:age_hot", 0, segments)
        list.gauge("items:1:age_warm", 0, segments)
        list.gauge(
            "items:1:age", map.oldestAge, "Seconds since the least recently used item was used")
        list.gauge("items:1:mem_requested", map.itemByteCount, "Memory of all items")
        list.counter("items:1:evicted", map.evictionCount, "Items removed alive, to make room")
        list.counter(
            "items:1:evicted_nonzero", map.evictedWithDeadlineCount,
            "Evicted items that would have expired some time")
        list.gauge(
            "items:1:evicted_time", map.evictedAge,
            "Seconds since the last use of the item that was evicted last")
        list.counter("items:1:outofmemory", map.outOfMemoryCount, "Stores that found no memory")
        list.counter("items:1:tailrepairs", 0, "Of memcached's LRU; always 0")
        list.counter("items:1:reclaimed", map.reclaimedCount, "Items removed expired, or flushed")
        list.counter(
            "items:1:expired_unfetched", map.expiredUnfetchedCount,
            "Items that expired and were never read")
        list.counter(
            "items:1:evicted_unfetched", map.evictedUnfetchedCount,
            "Evicted items that had never been read")
        list.counter(
            "items:1:evicted_active", map.evictedProvenCount,
            "Evicted items that had been read back: users who were logged out")
        for name in Self.itemNamesWithoutMeaning {
            list.counter("items:1:\(name)", 0, "Of memcached's crawler and LRU segments; always 0")
        }
    }

    private static let itemNamesWithoutMeaning = [
        "crawler_reclaimed", "crawler_items_checked", "lrutail_reflocked", "moves_to_cold",
        "moves_to_warm", "moves_within_lru", "direct_reclaims", "hits_to_hot", "hits_to_warm",
        "hits_to_cold", "hits_to_temp",
    ]

    func addSlabs(to list: inout StatisticsList) {
        let limit = space.memory.byteCount
        list.isShowing = map.itemCount > 0
        addChunks(limit: limit, to: &list)
        for (name, counter, help) in Self.slabCounters { list.counter(name, self[counter], help) }
        list.isShowing = true
        list.gauge("active_slabs", map.itemCount > 0 ? 1 : 0, "Slab classes with items: 1, or 0")
        list.gauge("total_malloced", limit, "Memory that items may take")
    }

    /// One chunk is one item of the average size.
    private func addChunks(limit: Int, to list: inout StatisticsList) {
        let chunk = max(1, map.itemByteCount / max(1, map.itemCount))
        // A limit that was lowered leaves memory that may not be used.
        let room = limit - map.itemByteCount - map.indexByteCount - map.heldByteCount
        let free = max(0, min(map.freeByteCount, room)) / chunk
        list.gauge("1:chunk_size", chunk, "Memory of the average item")
        list.gauge("1:chunks_per_page", max(1, (1 << 20) / chunk), "Average items in 1 MiB")
        list.gauge("1:total_pages", limit >> 20, "MiB that items may take")
        list.gauge("1:total_chunks", map.itemCount + free, "Average items that have room in all")
        list.gauge("1:used_chunks", map.itemCount, "Items that are there")
        list.gauge("1:free_chunks", free, "Average items that still have room")
        list.gauge("1:free_chunks_end", 0, "Of memcached's slabs; always 0")
    }

    private static let slabCounters: [(name: String, counter: Counter, help: String)] = [
        ("1:get_hits", .getHits, "As get_hits"), ("1:cmd_set", .setCommands, "As cmd_set"),
        ("1:delete_hits", .deleteHits, "As delete_hits"),
        ("1:incr_hits", .incrHits, "As incr_hits"), ("1:decr_hits", .decrHits, "As decr_hits"),
        ("1:cas_hits", .casHits, "As cas_hits"), ("1:cas_badval", .casBadValue, "As cas_badval"),
        ("1:touch_hits", .touchHits, "As touch_hits"),
    ]

    func addSizes(to list: inout StatisticsList) {
        guard configuration.tracksSizes else {
            return list.text("sizes_status", "disabled", "Sizes are counted with -o track_sizes")
        }
        for (byteCount, itemCount) in space.map.sizes() {
            list.gauge("\(byteCount)", itemCount, "Items of up to so many bytes")
        }
    }
}
