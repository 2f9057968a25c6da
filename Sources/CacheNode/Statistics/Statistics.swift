import EventLoop
import Glibc
import MemcacheProtocol
import SessionMap
import Synchronization

/// The counters of all workers, and the map's, at one moment.
struct CounterSnapshot {
    var counts = [UInt64](repeating: 0, count: Counter.allCases.count)
    var rejectedConnections: UInt64 = 0
    var pauses: UInt64 = 0
    var map = MapStatistics()
    var crawlerStarts: UInt64 = 0
    var droppedLogLines: UInt64 = 0
    var watchers = Watchers.Counts()

    subscript(counter: Counter) -> UInt64 { counts[counter.rawValue] }

    /// What is there, and what was counted since `zero`, which was taken before. Nowhere else is one
    /// counter subtracted from another.
    func since(_ zero: CounterSnapshot) -> CounterSnapshot {
        var left = self
        for index in counts.indices { left.counts[index] = counts[index].since(zero.counts[index]) }
        left.rejectedConnections = rejectedConnections.since(zero.rejectedConnections)
        left.pauses = pauses.since(zero.pauses)
        left.map = map.since(zero.map)
        left.crawlerStarts = crawlerStarts.since(zero.crawlerStarts)
        left.droppedLogLines = droppedLogLines.since(zero.droppedLogLines)
        left.watchers.toldCount = watchers.toldCount.since(zero.watchers.toldCount)
        left.watchers.sentCount = watchers.sentCount.since(zero.watchers.sentCount)
        left.watchers.skippedCount = watchers.skippedCount.since(zero.watchers.skippedCount)
        return left
    }
}

/// Writes `STAT name value` lines.
struct StatisticsWriter: ~Copyable {
    private var lines = ""

    mutating func line(_ name: String, _ value: some CustomStringConvertible) {
        lines += "STAT \(name) \(value)\r\n"
    }

    mutating func line(_ name: String, _ value: Bool, yes: String = "yes", no: String = "no") {
        line(name, value ? yes : no)
    }

    /// A number with so many digits behind the point.
    mutating func line(_ name: String, fixed value: Double, digits: Int) {
        var text = [CChar](repeating: 0, count: 400)
        let count = withVaList([Int32(digits), value]) { vsnprintf(&text, text.count, "%.*f", $0) }
        let bytes = text.prefix(max(0, Int(count))).map { UInt8(bitPattern: $0) }
        line(name, String(decoding: bytes, as: UTF8.self))
    }

    consuming func text() -> String { lines }
}

extension NodeContext {
    func uptime(_ now: Moment) -> UInt32 {
        now.seconds - min(now.seconds, clock.startSeconds)
    }

    /// What is there, and what was counted since the last `stats reset`. The zero is read first: one
    /// that another connection takes later would be above what was counted here.
    func counted(now: Moment) -> CounterSnapshot {
        let zero = zero.withLock { $0 }
        return snapshot(now: now).since(zero)
    }

    private func snapshot(now: Moment) -> CounterSnapshot {
        var all = CounterSnapshot()
        for worker in workers {
            for counter in Counter.allCases {
                all.counts[counter.rawValue] &+= worker.counters.value(counter)
            }
        }
        all.rejectedConnections = acceptance.rejectedCount.load(ordering: .relaxed)
        all.pauses = acceptance.pauseCount.load(ordering: .relaxed)
        all.map = map.statistics(now: now.seconds)
        all.crawlerStarts = dumps.startCount
        all.droppedLogLines = configuration.log?.droppedCount ?? 0
        all.watchers = watchers.counts
        return all
    }

    /// `stats reset`: what was counted so far counts no more.
    func resetStatistics() {
        // Within the lock, so that of two resets the later one's zero is the one that stays.
        zero.withLock { $0 = snapshot(now: clock.now()) }
        prefixes.clear()
    }

    func write(_ page: StatsPage, to output: inout OutputBuffer, now: Moment) {
        var writer = StatisticsWriter()
        switch page {
        case .general: writeGeneral(to: &writer, now: now)
        case .settings: writeSettings(to: &writer)
        case .items: writeItems(to: &writer, now: now)
        case .slabs: writeSlabs(to: &writer, now: now)
        case .sizes: writeSizes(to: &writer)
        case .reset, .detail, .cachedump, .connections: break
        }
        output.append(writer.text())
    }

    // MARK: stats

    private func writeGeneral(to writer: inout StatisticsWriter, now: Moment) {
        let all = counted(now: now)
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        writer.line("pid", getpid())
        writer.line("uptime", uptime(now))
        writer.line("time", now.wallSeconds)
        writer.line("version", "\(NodeConfiguration.protocolVersion)")
        writer.line("sojourn_version", configuration.version)
        writer.line("libevent", Loop.libraryVersion)
        writer.line("pointer_size", Int.bitWidth)
        writer.line("rusage_user", Self.seconds(usage.ru_utime))
        writer.line("rusage_system", Self.seconds(usage.ru_stime))
        writer.line("max_connections", configuration.connectionCountMax)
        let open = acceptance.openCount.load(ordering: .relaxed)
        writer.line("curr_connections", open)
        writer.line("total_connections", all[.totalConnections])
        if configuration.connectionLimitRule == .refuse {
            writer.line("rejected_connections", all.rejectedConnections)
        }
        writer.line("connection_structures", open)
        let lent = workers.reduce(0) { $0 + $1.lentBufferCount.load(ordering: .relaxed) }
        let free = workers.reduce(0) { $0 + $1.freeBufferCount.load(ordering: .relaxed) }
        writer.line("response_obj_oom", all[.repliesWithoutMemory])
        writer.line("response_obj_count", 0)
        writer.line("response_obj_bytes", 0)
        writer.line("read_buf_count", lent + free)
        writer.line("read_buf_bytes", (lent + free) * BufferPool.blockByteCount)
        writer.line("read_buf_bytes_free", free * BufferPool.blockByteCount)
        writer.line("read_buf_oom", 0)
        writer.line(
            "reserved_fds", acceptance.reservedDescriptorCount.load(ordering: .relaxed))
        for (name, counter) in Self.commandCounters { writer.line(name, all[counter]) }
        if configuration.idleTimeoutSeconds > 0 { writer.line("idle_kicks", all[.idleKicks]) }
        writer.line("bytes_read", all[.bytesRead])
        writer.line("bytes_written", all[.bytesWritten])
        writer.line("limit_maxbytes", memoryLimitByteCount.load(ordering: .relaxed))
        writer.line("accepting_conns", acceptance.isAccepting.load(ordering: .relaxed) ? 1 : 0)
        writer.line("listen_disabled_num", all.pauses)
        writer.line(
            "time_in_listen_disabled_us", acceptance.pausedMicroseconds.load(ordering: .relaxed))
        writer.line("threads", configuration.threadCount)
        writer.line("conn_yields", all[.connectionYields])
        writer.line("hash_power_level", all.map.indexPower)
        writer.line("hash_bytes", all.map.indexByteCount)
        writer.line("hash_is_expanding", 0)
        writeMachinery(all, to: &writer)
        writeMapCounters(all.map, to: &writer)
    }

    /// What memcached tells of its side threads: of slabs, crawler and LRU, which this node does not
    /// have, and of watchers.
    private func writeMachinery(_ all: CounterSnapshot, to writer: inout StatisticsWriter) {
        let tuning = tuning.withLock { $0 }
        if tuning.reassignsSlabs {
            for name in Self.slabMoverNames { writer.line(name, 0) }
            writer.line("slab_reassign_last_busy_status", "none")
            writer.line("slab_reassign_running", 0)
            writer.line("slabs_moved", 0)
        }
        if dumps.isEnabled {
            writer.line("lru_crawler_running", dumps.isRunning ? 1 : 0)
            writer.line("lru_crawler_starts", all.crawlerStarts)
        }
        if tuning.hasMaintainer { writer.line("lru_maintainer_juggles", 0) }
        writer.line("malloc_fails", 0)
        // Lines go to the watchers' buffers at once: there are no workers' that could be full.
        writer.line("log_worker_dropped", 0)
        writer.line("log_worker_written", all.watchers.toldCount)
        writer.line("log_watcher_skipped", all.watchers.skippedCount)
        writer.line("log_watcher_sent", all.watchers.sentCount)
        writer.line("log_watchers", all.watchers.watcherCount)
        writer.line("log_lines_dropped", all.droppedLogLines)
        writer.line("unexpected_napi_ids", 0)
        writer.line("round_robin_fallback", 0)
    }

    private func writeMapCounters(_ map: MapStatistics, to writer: inout StatisticsWriter) {
        writer.line("bytes", map.itemByteCount)
        writer.line("curr_items", map.itemCount)
        writer.line("total_items", map.totalItemCount)
        writer.line("slab_global_page_pool", 0)
        writer.line("expired_unfetched", map.expiredUnfetchedCount)
        writer.line("evicted_unfetched", map.evictedUnfetchedCount)
        let hasMaintainer = tuning.withLock { $0.hasMaintainer }
        // memcached's word for items that were in use: the proven ones here.
        if hasMaintainer { writer.line("evicted_active", map.evictedProvenCount) }
        writer.line("evictions", map.evictionCount)
        writer.line("evicted_live_proven", map.evictedProvenCount)
        writer.line(
            "evicted_probationary", map.evictionCount.since(map.evictedProvenCount))
        writer.line("probationary_items", map.probationaryItemCount)
        writer.line("probationary_bytes", map.probationaryByteCount)
        writer.line("proven_items", map.provenItemCount)
        writer.line("proven_bytes", map.provenByteCount)
        writer.line("held_bytes", map.heldByteCount)
        writer.line("pinned_bytes", map.pinnedByteCount)
        writer.line("reclaimed", map.reclaimedCount)
        writer.line("crawler_reclaimed", 0)
        writer.line("crawler_items_checked", 0)
        writer.line("lrutail_reflocked", 0)
        if hasMaintainer { for name in Self.maintainerNames { writer.line(name, 0) } }
    }

    private static let commandCounters: [(String, Counter)] = [
        ("cmd_get", .getCommands), ("cmd_set", .setCommands), ("cmd_flush", .flushCommands),
        ("cmd_touch", .touchCommands), ("cmd_meta", .metaCommands), ("get_hits", .getHits),
        ("get_misses", .getMisses), ("get_expired", .getExpired), ("get_flushed", .getFlushed),
        ("delete_misses", .deleteMisses), ("delete_hits", .deleteHits),
        ("incr_misses", .incrMisses), ("incr_hits", .incrHits), ("decr_misses", .decrMisses),
        ("decr_hits", .decrHits), ("cas_misses", .casMisses), ("cas_hits", .casHits),
        ("cas_badval", .casBadValue), ("touch_hits", .touchHits),
        ("touch_misses", .touchMisses), ("store_too_large", .storeTooLarge),
        ("store_no_memory", .storeNoMemory), ("auth_cmds", .authCommands),
        ("auth_errors", .authErrors),
    ]

    /// Names that tools read, of things that this node does not have.
    private static let slabMoverNames = [
        "slab_reassign_rescues", "slab_reassign_chunk_rescues", "slab_reassign_inline_reclaim",
        "slab_reassign_busy_items", "slab_reassign_busy_deletes", "slab_reassign_busy_nomem",
    ]
    private static let maintainerNames = [
        "moves_to_cold", "moves_to_warm", "moves_within_lru", "direct_reclaims",
        "lru_bumps_dropped",
    ]

    private static func seconds(_ time: timeval) -> String {
        let digits = String(time.tv_usec)
        return "\(time.tv_sec)." + String(repeating: "0", count: 6 - digits.count) + digits
    }
}
