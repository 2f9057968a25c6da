import EventLoop
import MemcacheProtocol
import SessionMap
import Synchronization

/// `stats items`, `slabs` and `sizes`.
extension NodeContext {
    /// There are no slab classes; all items are shown as class 1, so that tools have rows to show.
    func writeItems(to writer: inout StatisticsWriter, now: Moment) {
        let all = counted(now: now).map
        guard all.itemCount > 0 else { return }
        writer.line("items:1:number", all.itemCount)
        writer.line("items:1:number_hot", 0)
        writer.line("items:1:number_warm", 0)
        writer.line("items:1:number_cold", all.itemCount)
        writer.line("items:1:age_hot", 0)
        writer.line("items:1:age_warm", 0)
        writer.line("items:1:age", all.oldestAge)
        writer.line("items:1:mem_requested", all.itemByteCount)
        writer.line("items:1:evicted", all.evictionCount)
        writer.line(
            "items:1:evicted_nonzero",
            all.evictedWithDeadlineCount)
        writer.line("items:1:evicted_time", all.evictedAge)
        writer.line("items:1:outofmemory", all.outOfMemoryCount)
        writer.line("items:1:tailrepairs", 0)
        writer.line("items:1:reclaimed", all.reclaimedCount)
        writer.line(
            "items:1:expired_unfetched", all.expiredUnfetchedCount)
        writer.line(
            "items:1:evicted_unfetched", all.evictedUnfetchedCount)
        writer.line("items:1:evicted_active", all.evictedProvenCount)
        for name in Self.itemNamesWithoutMeaning { writer.line("items:1:\(name)", 0) }
    }

    /// Names that tools read, of crawler and LRU segments that this node does not have.
    private static let itemNamesWithoutMeaning = [
        "crawler_reclaimed", "crawler_items_checked", "lrutail_reflocked", "moves_to_cold",
        "moves_to_warm", "moves_within_lru", "direct_reclaims", "hits_to_hot", "hits_to_warm",
        "hits_to_cold", "hits_to_temp",
    ]

    func writeSlabs(to writer: inout StatisticsWriter, now: Moment) {
        let all = counted(now: now)
        let map = all.map
        let limit = memoryLimitByteCount.load(ordering: .relaxed)
        if map.itemCount > 0 {
            // One chunk is one item of the average size.
            let chunk = max(1, map.itemByteCount / map.itemCount)
            // A limit that was lowered leaves memory that may not be used.
            let room = limit - map.itemByteCount - map.indexByteCount - map.heldByteCount
            let free = max(0, min(map.freeByteCount, room)) / chunk
            writer.line("1:chunk_size", chunk)
            writer.line("1:chunks_per_page", max(1, (1 << 20) / chunk))
            writer.line("1:total_pages", limit >> 20)
            writer.line("1:total_chunks", map.itemCount + free)
            writer.line("1:used_chunks", map.itemCount)
            writer.line("1:free_chunks", free)
            writer.line("1:free_chunks_end", 0)
            writer.line("1:get_hits", all[.getHits])
            writer.line("1:cmd_set", all[.setCommands])
            writer.line("1:delete_hits", all[.deleteHits])
            writer.line("1:incr_hits", all[.incrHits])
            writer.line("1:decr_hits", all[.decrHits])
            writer.line("1:cas_hits", all[.casHits])
            writer.line("1:cas_badval", all[.casBadValue])
            writer.line("1:touch_hits", all[.touchHits])
        }
        writer.line("active_slabs", map.itemCount > 0 ? 1 : 0)
        writer.line("total_malloced", limit)
    }

    func writeSizes(to writer: inout StatisticsWriter) {
        guard configuration.tracksSizes else {
            writer.line("sizes_status", "disabled")
            return
        }
        for (byteCount, itemCount) in map.sizes() { writer.line("\(byteCount)", itemCount) }
    }
}
