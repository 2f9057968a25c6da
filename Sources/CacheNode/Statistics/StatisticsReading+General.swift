import EventLoop
import Glibc
import SessionMap
import Synchronization

/// `stats`: the names of memcached 1.6.45 in their order, and some of our own.
extension StatisticsReading {
    func addGeneral(to list: inout StatisticsList) {
        addProcess(to: &list)
        addConnections(to: &list)
        addBuffers(to: &list)
        for (name, counter, help) in Self.commandCounters {
            list.counter(name, self[counter], help)
        }
        list.counter(
            "auth_cmds", self[.logins], "Logins that were tried, those that failed included")
        list.counter("auth_errors", self[.failedLogins], "Logins that failed")
        addTraffic(to: &list)
        addSlabMover(to: &list)
        addMachinery(to: &list)
        addItemCounts(to: &list)
        addEvictions(to: &list)
        addReclaiming(to: &list)
        addLocks(to: &list)
        addAuthentication(to: &list)
        addOperators(to: &list)
        addAdmin(to: &list)
        addWatchdog(to: &list)
    }

    private func addOperators(to list: inout StatisticsList) {
        guard context.rules.hasOperators else { return }
        list.counter(
            "operator_commands", self[.operatorCommands],
            "Questions of operators about sessions (-o operator)")
        list.counter(
            "sessions_looked_at", self[.sessionsLookedAt], "Items that were looked at for these")
        list.counter(
            "sessions_revoked", self[.sessionsRevoked], "Sessions that operators have ended")
    }

    private func addAdmin(to list: inout StatisticsList) {
        guard context.rules.admin != nil else { return }
        list.counter(
            "admin_requests", context.admin.requests.load(ordering: .relaxed),
            "Requests to the operator's port (--admin)")
        list.counter(
            "admin_login_failures", context.admin.failedLogins.load(ordering: .relaxed),
            "Wrong passwords there")
    }

    private func addProcess(to list: inout StatisticsList) {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        list.text("pid", String(getpid()), "The process")
        list.gauge("uptime", space.uptime(now), "Seconds since the node started")
        list.gauge("time", now.wallSeconds, "Unix time of the node's clock")
        list.text(
            "version", "\(NodeConfiguration.protocolVersion)",
            "The memcached whose commands and statistics these are")
        list.text("sojourn_version", context.rules.version, "The version of Sojourn")
        list.text("libevent", Loop.libraryVersion, "The version of libevent")
        list.text("pointer_size", String(Int.bitWidth), "Bits of a pointer")
        list.gauge(
            "rusage_user", Self.seconds(usage.ru_utime), digits: 6,
            "Processor seconds in the program, since its start")
        list.gauge(
            "rusage_system", Self.seconds(usage.ru_stime), digits: 6,
            "Processor seconds in the kernel, since the start")
    }

    private func addWatchdog(to list: inout StatisticsList) {
        guard context.isWatched else { return }
        list.counter(
            "watchdog_late", context.withheldFeedCount.load(ordering: .relaxed),
            "Times that the watchdog was told nothing, as a thread had not come around")
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000
    }

    private func addConnections(to list: inout StatisticsList) {
        let acceptance = space.acceptance
        let open = acceptance.openCount.load(ordering: .relaxed)
        list.gauge(
            "max_connections", configuration.connectionCountMax,
            "Connections that may be open at a time (-c)")
        list.gauge("curr_connections", open, "Connections that are open")
        list.counter("total_connections", self[.totalConnections], "Connections that were opened")
        list.isShowing = configuration.connectionLimitRule == .refuse
        list.counter(
            "rejected_connections", acceptance.rejectedCount.load(ordering: .relaxed),
            "Connections that were one too many, and closed at once")
        list.isShowing = true
        list.gauge("connection_structures", open, "As curr_connections: none are kept for later")
    }

    private func addBuffers(to list: inout StatisticsList) {
        let lent = context.workers.reduce(0) { $0 + $1.lentBufferCount.load(ordering: .relaxed) }
        let free = context.workers.reduce(0) { $0 + $1.freeBufferCount.load(ordering: .relaxed) }
        list.counter(
            "response_obj_oom", self[.repliesWithoutMemory],
            "Large values that were not sent, because slow readers held too many already")
        list.gauge("response_obj_count", 0, "memcached's reply objects; always 0, there are none")
        list.gauge("response_obj_bytes", 0, "Memory of these; always 0")
        list.gauge("read_buf_count", lent + free, "Buffers of connections, in use or kept")
        list.gauge(
            "read_buf_bytes", (lent + free) * BufferPool.blockByteCount, "Memory of these buffers")
        list.gauge(
            "read_buf_bytes_free", free * BufferPool.blockByteCount,
            "Memory of these buffers that is not in use")
        list.counter("read_buf_oom", 0, "Buffers that could not be had; always 0")
        list.gauge(
            "reserved_fds", space.acceptance.reservedDescriptorCount.load(ordering: .relaxed),
            "Descriptors that are not connections")
    }

    private static let commandCounters: [(name: String, counter: Counter, help: String)] = [
        ("cmd_get", .getCommands, "Keys that were asked for"),
        ("cmd_set", .setCommands, "Values that were sent to be stored"),
        ("cmd_flush", .flushCommands, "flush_all commands"),
        ("cmd_touch", .touchCommands, "Keys whose exptime was to be set, with a read or without"),
        ("cmd_meta", .metaCommands, "me commands"),
        ("get_hits", .getHits, "Keys that were asked for and there"),
        ("get_misses", .getMisses, "Keys that were asked for and not there"),
        ("get_expired", .getExpired, "Misses of items whose time had just come"),
        ("get_flushed", .getFlushed, "Misses of items that had been flushed"),
        ("delete_misses", .deleteMisses, "Deletions of keys that were not there"),
        ("delete_hits", .deleteHits, "Deletions of items"),
        ("incr_misses", .incrMisses, "Increments of keys that were not there"),
        ("incr_hits", .incrHits, "Increments of numbers"),
        ("decr_misses", .decrMisses, "Decrements of keys that were not there"),
        ("decr_hits", .decrHits, "Decrements of numbers"),
        ("cas_misses", .casMisses, "Stores with a CAS unique under keys that were not there"),
        ("cas_hits", .casHits, "Stores with the right CAS unique"),
        ("cas_badval", .casBadValue, "Stores with another CAS unique than the item's"),
        ("touch_hits", .touchHits, "Exptimes that were set"),
        ("touch_misses", .touchMisses, "Exptimes of keys that were not there"),
        ("store_too_large", .storeTooLarge, "Stores of items above the limit (-I)"),
        ("store_no_memory", .storeNoMemory, "Stores that found no memory"),
    ]

    private func addTraffic(to list: inout StatisticsList) {
        let acceptance = space.acceptance
        list.isShowing = context.rules.idleTimeoutSeconds > 0
        list.counter("idle_kicks", self[.idleKicks], "Connections closed because they were idle")
        list.isShowing = true
        list.counter(
            "output_timeouts", self[.outputTimeouts],
            "Connections closed because their peers took nothing of what they were owed")
        list.counter("bytes_read", self[.bytesRead], "Bytes received from clients")
        list.counter("bytes_written", self[.bytesWritten], "Bytes sent to clients")
        list.gauge(
            "limit_maxbytes", space.memory.byteCount,
            "Memory that items may take")
        list.gauge(
            "accepting_conns", acceptance.isAccepting.load(ordering: .relaxed) ? 1 : 0,
            "Whether connections are accepted at the moment")
        list.counter(
            "listen_disabled_num", acceptance.pauseCount.load(ordering: .relaxed),
            "How often accepting paused for want of places or descriptors")
        list.gauge(
            "time_in_listen_disabled_us", acceptance.pausedMicroseconds.load(ordering: .relaxed),
            "Microseconds that accepting has paused, since the start")
        list.gauge("threads", context.rules.threadCount, "Worker threads (-t)")
        list.counter(
            "conn_yields", self[.connectionYields],
            "How often a connection had more commands than one turn takes (-R)")
        list.gauge("hash_power_level", map.indexPower, "The index has 2 to this power of places")
        list.gauge("hash_bytes", map.indexByteCount, "Memory of the index")
        list.gauge("hash_is_expanding", 0, "Always 0: the index grows in small steps")
    }
}

/// What memcached tells of its side threads: of slabs, crawler and LRU, which this node does not have,
/// and of watchers.
extension StatisticsReading {
    private func addSlabMover(to list: inout StatisticsList) {
        let help = "Of memcached's slab mover: nothing, there is none"
        list.isShowing = tuning.reassignsSlabs
        for name in [
            "slab_reassign_rescues", "slab_reassign_chunk_rescues", "slab_reassign_inline_reclaim",
            "slab_reassign_busy_items", "slab_reassign_busy_deletes", "slab_reassign_busy_nomem",
        ] {
            list.counter(name, 0, help)
        }
        list.text("slab_reassign_last_busy_status", "none", help)
        list.gauge("slab_reassign_running", 0, help)
        list.counter("slabs_moved", 0, help)
        list.isShowing = true
    }

    private func addMachinery(to list: inout StatisticsList) {
        list.isShowing = space.dumps.isEnabled
        list.gauge(
            "lru_crawler_running", space.dumps.isRunning ? 1 : 0, "Whether a dump of keys goes on")
        list.counter(
            "lru_crawler_starts", space.dumps.startCount, "Dumps of keys, and crawls, that began")
        list.isShowing = tuning.hasMaintainer
        list.counter("lru_maintainer_juggles", 0, "Of memcached's LRU thread; always 0")
        list.isShowing = true
        list.counter("malloc_fails", 0, "Always 0: items live in memory that was had at the start")
        // Lines go to the watchers' buffers at once: there are no workers' that could be full.
        list.counter("log_worker_dropped", 0, "Always 0: events go to the watchers at once")
        list.counter("log_worker_written", watchers.toldCount, "Events that watchers were told of")
        list.counter(
            "log_watcher_skipped", watchers.skippedCount,
            "Lines that watchers missed because they do not read")
        list.counter("log_watcher_sent", watchers.sentCount, "Lines for watchers")
        list.gauge("log_watchers", watchers.watcherCount, "Connections that watch")
        list.counter(
            "log_lines_dropped", context.log?.droppedCount ?? 0,
            "Lines of the node's log that nobody read in time")
        addSecurity(to: &list)
        addPeers(to: &list)
        addPredecessor(to: &list)
        list.counter("unexpected_napi_ids", 0, "Of memcached's NAPI dealing; always 0")
        list.counter("round_robin_fallback", 0, "Of memcached's NAPI dealing; always 0")
    }
}

/// Who has waited for locks, and how that ended.
extension StatisticsReading {
    private func addLocks(to list: inout StatisticsList) {
        list.counter(
            "lock_waits", locks.waits, "Locks that were held, and waited for (-o lock_keys)")
        list.counter("lock_hand_overs", locks.handOvers, "Waits that ended with the lock")
        list.counter(
            "lock_timeouts", locks.timeouts, "Waits that took too long: the lock was refused")
        list.counter(
            "lock_cancels", locks.cancellations,
            "Waits whose clients had gone, or that found no memory")
        list.counter(
            "lock_wait_us_total", locks.waitMicroseconds, "Microseconds that was waited in all")
        list.gauge("lock_waiting", locks.waiting, "Connections that wait for a lock")
        list.gauge(
            "lock_longest_wait_us", locks.longestWaitMicroseconds,
            "Microseconds of the longest wait that is over, since the last stats reset")
    }
}

/// What is in the map, and what has left it.
extension StatisticsReading {
    private func addItemCounts(to list: inout StatisticsList) {
        list.gauge("bytes", map.itemByteCount, "Memory of all items")
        list.gauge("curr_items", map.itemCount, "Items that are there")
        list.counter("total_items", map.totalItemCount, "Items that were stored")
        list.gauge("slab_global_page_pool", 0, "Of memcached's slabs; always 0")
    }

    private func addEvictions(to list: inout StatisticsList) {
        list.counter(
            "expired_unfetched", map.expiredUnfetchedCount, "Items that expired and were never read"
        )
        list.counter(
            "evicted_unfetched", map.evictedUnfetchedCount,
            "Items that were evicted and had never been read")
        // memcached's word for items that were in use: the proven ones here.
        list.isShowing = tuning.hasMaintainer
        list.counter("evicted_active", map.evictedProvenCount, "As evicted_live_proven")
        list.isShowing = true
        list.counter("evictions", map.evictionCount, "Items that were removed alive, to make room")
        list.counter(
            "evicted_live_proven", map.evictedProvenCount,
            "Evicted items that had been read back: users who were logged out")
        list.counter(
            "evicted_probationary", map.evictionCount.since(map.evictedProvenCount),
            "Evicted items that had not been read back")
        list.gauge("probationary_items", map.probationaryItemCount, "Items not read back so far")
        list.gauge("probationary_bytes", map.probationaryByteCount, "Memory of these")
        list.gauge("proven_items", map.provenItemCount, "Items that were read back")
        list.gauge("proven_bytes", map.provenByteCount, "Memory of these")
        list.gauge(
            "held_bytes", map.heldByteCount,
            "Memory of values on their way in, and of gone items that are still being sent")
        list.gauge("pinned_bytes", map.pinnedByteCount, "Memory of items that are being sent")
        list.counter(
            "released_bytes", map.releasedByteCount,
            "Memory that went back to the system after the limit was lowered")
        list.counter(
            "holders_dropped", self[.holdersDropped],
            "Late values given up and slow readers closed, as their memory was needed")
    }

    private func addReclaiming(to list: inout StatisticsList) {
        list.counter(
            "reclaimed", map.reclaimedCount, "Items that were removed expired, or flushed")
        addTimeouts(to: &list)
        addFence(to: &list)
        list.counter("crawler_reclaimed", 0, "Of memcached's crawler; always 0")
        list.counter("crawler_items_checked", 0, "Of memcached's crawler; always 0")
        list.counter("lrutail_reflocked", 0, "Of memcached's LRU; always 0")
        list.isShowing = tuning.hasMaintainer
        for name in [
            "moves_to_cold", "moves_to_warm", "moves_within_lru", "direct_reclaims",
            "lru_bumps_dropped",
        ] {
            list.counter(name, 0, "Of memcached's LRU thread; always 0")
        }
        list.isShowing = true
    }
}
