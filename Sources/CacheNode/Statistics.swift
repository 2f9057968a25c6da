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

    subscript(counter: Counter) -> UInt64 { counts[counter.rawValue] }
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

    consuming func text() -> String { lines }
}

extension NodeContext {
    private func uptime(_ now: Moment) -> UInt32 {
        now.seconds - min(now.seconds, clock.startSeconds)
    }

    func snapshot(now: Moment) -> CounterSnapshot {
        var all = CounterSnapshot()
        for worker in workers {
            for counter in Counter.allCases {
                all.counts[counter.rawValue] &+= worker.counters.value(counter)
            }
        }
        all.rejectedConnections = acceptance.rejectedCount.load(ordering: .relaxed)
        all.pauses = acceptance.pauseCount.load(ordering: .relaxed)
        all.map = map.statistics(now: now.seconds)
        return all
    }

    /// `stats reset`: what was counted so far counts no more.
    func resetStatistics() {
        let present = snapshot(now: clock.now())
        zero.withLock { $0 = present }
        prefixes.clear()
    }

    func write(_ page: StatsPage, to output: inout OutputBuffer, now: Moment) {
        var writer = StatisticsWriter()
        switch page {
        case .general: writeGeneral(to: &writer, now: now)
        case .settings: writeSettings(to: &writer)
        case .items: writeItems(to: &writer, now: now)
        case .slabs: writeSlabs(to: &writer, now: now)
        case .connections: writeConnections(to: &writer, now: now)
        case .sizes: writeSizes(to: &writer)
        case .reset, .detail, .cachedump: break
        }
        output.append(writer.text())
    }

    // MARK: stats

    private func writeGeneral(to writer: inout StatisticsWriter, now: Moment) {
        let all = snapshot(now: now)
        let zero = zero.withLock { $0 }
        func since(_ counter: Counter) -> UInt64 { all[counter] &- zero[counter] }
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
        writer.line("total_connections", since(.totalConnections))
        if configuration.connectionLimitRule == .refuse {
            writer.line("rejected_connections", all.rejectedConnections - zero.rejectedConnections)
        }
        writer.line("connection_structures", open)
        let lent = workers.reduce(0) { $0 + $1.lentBufferCount.load(ordering: .relaxed) }
        let free = workers.reduce(0) { $0 + $1.freeBufferCount.load(ordering: .relaxed) }
        writer.line("response_obj_oom", 0)
        writer.line("response_obj_count", 0)
        writer.line("response_obj_bytes", 0)
        writer.line("read_buf_count", lent + free)
        writer.line("read_buf_bytes", (lent + free) * BufferPool.blockByteCount)
        writer.line("read_buf_bytes_free", free * BufferPool.blockByteCount)
        writer.line("read_buf_oom", 0)
        writer.line(
            "reserved_fds", acceptance.reservedDescriptorCount.load(ordering: .relaxed))
        for (name, counter) in Self.commandCounters { writer.line(name, since(counter)) }
        if configuration.idleTimeoutSeconds > 0 { writer.line("idle_kicks", since(.idleKicks)) }
        writer.line("bytes_read", since(.bytesRead))
        writer.line("bytes_written", since(.bytesWritten))
        writer.line("limit_maxbytes", memoryLimitByteCount.load(ordering: .relaxed))
        writer.line("accepting_conns", acceptance.isAccepting.load(ordering: .relaxed) ? 1 : 0)
        writer.line("listen_disabled_num", all.pauses - zero.pauses)
        writer.line(
            "time_in_listen_disabled_us", acceptance.pausedMicroseconds.load(ordering: .relaxed))
        writer.line("threads", configuration.threadCount)
        writer.line("conn_yields", since(.connectionYields))
        writer.line("hash_power_level", all.map.indexPower)
        writer.line("hash_bytes", all.map.indexByteCount)
        writer.line("hash_is_expanding", 0)
        for name in Self.namesWithoutMeaning { writer.line(name, 0) }
        writeMapCounters(all.map, zero.map, to: &writer)
    }

    private func writeMapCounters(
        _ map: MapStatistics, _ zero: MapStatistics, to writer: inout StatisticsWriter
    ) {
        writer.line("bytes", map.itemByteCount)
        writer.line("curr_items", map.itemCount)
        writer.line("total_items", map.totalItemCount - zero.totalItemCount)
        writer.line("slab_global_page_pool", 0)
        writer.line("expired_unfetched", map.expiredUnfetchedCount - zero.expiredUnfetchedCount)
        writer.line("evicted_unfetched", map.evictedUnfetchedCount - zero.evictedUnfetchedCount)
        writer.line("evictions", map.evictionCount - zero.evictionCount)
        writer.line("evicted_live_proven", map.evictedProvenCount - zero.evictedProvenCount)
        writer.line(
            "evicted_probationary",
            map.evictionCount - map.evictedProvenCount
                - (zero.evictionCount - zero.evictedProvenCount))
        writer.line("probationary_items", map.probationaryItemCount)
        writer.line("probationary_bytes", map.probationaryByteCount)
        writer.line("proven_items", map.provenItemCount)
        writer.line("proven_bytes", map.provenByteCount)
        writer.line("reclaimed", map.reclaimedCount - zero.reclaimedCount)
        writer.line("crawler_reclaimed", 0)
        writer.line("crawler_items_checked", 0)
        writer.line("lrutail_reflocked", 0)
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
    private static let namesWithoutMeaning = [
        "slab_reassign_rescues", "slab_reassign_chunk_rescues", "slab_reassign_inline_reclaim",
        "slab_reassign_busy_items", "slab_reassign_busy_deletes", "slab_reassign_busy_nomem",
        "slab_reassign_last_busy_status", "slab_reassign_running", "slabs_moved", "malloc_fails",
        "log_worker_dropped", "log_worker_written", "log_watcher_skipped", "log_watcher_sent",
        "log_watchers", "unexpected_napi_ids", "round_robin_fallback",
    ]

    private static func seconds(_ time: timeval) -> String {
        let digits = String(time.tv_usec)
        return "\(time.tv_sec)." + String(repeating: "0", count: 6 - digits.count) + digits
    }

    // MARK: stats settings

    private func writeSettings(to writer: inout StatisticsWriter) {
        writer.line("maxbytes", memoryLimitByteCount.load(ordering: .relaxed))
        writer.line("maxconns", configuration.connectionCountMax)
        writer.line("tcpport", listeningPort)
        writer.line("udpport", 0)
        writer.line("inter", configuration.interfaces ?? "NULL")
        writer.line("verbosity", verbosity.load(ordering: .relaxed))
        writer.line("oldest", map.statistics(now: clock.now().seconds).oldestAge)
        writer.line("evictions", configuration.evicts, yes: "on", no: "off")
        if case .unix(let path, let mode) = configuration.listening {
            writer.line("domain_socket", path)
            writer.line("umask", String(mode, radix: 8))
        } else {
            writer.line("domain_socket", "NULL")
            writer.line("umask", "700")
        }
        writer.line("shutdown_command", configuration.isShutdownAllowed)
        writer.line("num_threads", configuration.threadCount)
        writer.line(
            "stat_key_prefix",
            String(decoding: [configuration.prefixDelimiter], as: UTF8.self))
        writer.line("detail_enabled", prefixes.isCollecting)
        writer.line("reqs_per_event", configuration.commandsPerTurn)
        writer.line("cas_enabled", configuration.assignsCASUniques)
        writer.line("tcp_backlog", configuration.backlog)
        writer.line("binding_protocol", configuration.bindingProtocol.settingsName)
        writer.line("auth_enabled_sasl", false)
        writer.line("auth_enabled_ascii", false)
        writer.line("item_size_max", configuration.itemByteCountMax)
        writer.line("maxconns_fast", configuration.connectionLimitRule == .refuse)
        writer.line("hashpower_init", 0)
        writer.line("slab_reassign", false)
        writer.line("slab_automove", 0)
        writer.line("lru_crawler", false)
        writer.line("tail_repair_time", 0)
        writer.line("flush_enabled", configuration.isFlushAllowed)
        writer.line("dump_enabled", configuration.isDumpAllowed)
        writer.line("hash_algorithm", "wyhash")
        writer.line("lru_maintainer_thread", false)
        writer.line("lru_segmented", false)
        writer.line("temp_lru", false)
        writer.line("idle_timeout", configuration.idleTimeoutSeconds)
        writer.line("track_sizes", configuration.tracksSizes)
        writer.line("inline_ascii_response", false)
        writer.line("memory_file", configuration.memoryFile ?? "(null)")
        writer.line("client_flags_size", 4)
        writer.line("ssl_enabled", false)
        writer.line("shards", map.shardCount)
        switch configuration.eviction {
        case .lru: writer.line("eviction", "lru")
        case .probation(let sharePercent, let proofAgeSeconds):
            writer.line("eviction", "probation")
            writer.line("probation", sharePercent)
            writer.line("proof_age", proofAgeSeconds)
        }
        writer.line(
            "exptime_rule",
            configuration.exptimeRule == .asWritten ? "as_written" : "classic")
    }

    private var listeningPort: Int {
        acceptance.listeners.withLock { listeners in
            listeners.lazy.compactMap { SocketAddress.local(of: $0.descriptor).port }.first ?? 0
        }
    }

    // MARK: stats items, slabs, sizes

    /// There are no slab classes; all items are shown as class 1, so that tools have rows to show.
    private func writeItems(to writer: inout StatisticsWriter, now: Moment) {
        let all = map.statistics(now: now.seconds)
        let zero = zero.withLock { $0.map }
        guard all.itemCount > 0 else { return }
        writer.line("items:1:number", all.itemCount)
        writer.line("items:1:number_hot", 0)
        writer.line("items:1:number_warm", 0)
        writer.line("items:1:number_cold", all.itemCount)
        writer.line("items:1:age_hot", 0)
        writer.line("items:1:age_warm", 0)
        writer.line("items:1:age", all.oldestAge)
        writer.line("items:1:mem_requested", all.itemByteCount)
        writer.line("items:1:evicted", all.evictionCount - zero.evictionCount)
        writer.line(
            "items:1:evicted_nonzero",
            all.evictedWithDeadlineCount - zero.evictedWithDeadlineCount)
        writer.line("items:1:evicted_time", all.evictedAge)
        writer.line("items:1:outofmemory", all.outOfMemoryCount - zero.outOfMemoryCount)
        writer.line("items:1:tailrepairs", 0)
        writer.line("items:1:reclaimed", all.reclaimedCount - zero.reclaimedCount)
        writer.line(
            "items:1:expired_unfetched", all.expiredUnfetchedCount - zero.expiredUnfetchedCount)
        writer.line(
            "items:1:evicted_unfetched", all.evictedUnfetchedCount - zero.evictedUnfetchedCount)
        writer.line("items:1:evicted_active", 0)
        writer.line("items:1:crawler_reclaimed", 0)
        writer.line("items:1:crawler_items_checked", 0)
        writer.line("items:1:lrutail_reflocked", 0)
    }

    private func writeSlabs(to writer: inout StatisticsWriter, now: Moment) {
        let all = snapshot(now: now)
        let zero = zero.withLock { $0 }
        func since(_ counter: Counter) -> UInt64 { all[counter] &- zero[counter] }
        let map = all.map
        if map.itemCount > 0 {
            // One chunk is one item of the average size.
            let chunk = max(1, map.itemByteCount / map.itemCount)
            let free = map.freeByteCount / chunk
            writer.line("1:chunk_size", chunk)
            writer.line("1:chunks_per_page", max(1, (1 << 20) / chunk))
            writer.line("1:total_pages", configuration.memoryByteCount >> 20)
            writer.line("1:total_chunks", map.itemCount + free)
            writer.line("1:used_chunks", map.itemCount)
            writer.line("1:free_chunks", free)
            writer.line("1:free_chunks_end", 0)
            writer.line("1:get_hits", since(.getHits))
            writer.line("1:cmd_set", since(.setCommands))
            writer.line("1:delete_hits", since(.deleteHits))
            writer.line("1:incr_hits", since(.incrHits))
            writer.line("1:decr_hits", since(.decrHits))
            writer.line("1:cas_hits", since(.casHits))
            writer.line("1:cas_badval", since(.casBadValue))
            writer.line("1:touch_hits", since(.touchHits))
        }
        writer.line("active_slabs", map.itemCount > 0 ? 1 : 0)
        writer.line("total_malloced", configuration.memoryByteCount)
    }

    private func writeSizes(to writer: inout StatisticsWriter) {
        guard configuration.tracksSizes else {
            writer.line("sizes_status", "disabled")
            return
        }
        for (byteCount, itemCount) in map.sizes() { writer.line("\(byteCount)", itemCount) }
    }

    // MARK: stats conns

    private func writeConnections(to writer: inout StatisticsWriter, now: Moment) {
        var entries: [(descriptor: Int32, listens: Bool, record: ConnectionRecord?)] = []
        let listeners = acceptance.listeners.withLock { $0 }
        entries += listeners.map { ($0.descriptor, true, nil) }
        for worker in workers {
            worker.connections.withLock { connections in
                entries += connections.map { ($0.key, false, $0.value) }
            }
        }
        for entry in entries.sorted(by: { $0.descriptor < $1.descriptor }) {
            let number = entry.descriptor
            let local = SocketAddress.local(of: number)
            if entry.listens {
                writer.line("\(number):addr", local)
                writer.line("\(number):state", "conn_listening")
                writer.line("\(number):secs_since_last_cmd", uptime(now))
                continue
            }
            guard let record = entry.record else { continue }
            let peer = SocketAddress.peer(of: number)
            if case .unix = local {
                writer.line("\(number):addr", local)
            } else {
                writer.line("\(number):addr", peer)
            }
            writer.line("\(number):listen_addr", local)
            writer.line("\(number):state", record.phaseName)
            let last = record.lastCommandSeconds.load(ordering: .relaxed)
            writer.line("\(number):secs_since_last_cmd", now.seconds - min(last, now.seconds))
        }
    }
}

extension Connection {
    /// `stats cachedump`: keys of the most recently used items. There is one class, number 1.
    func showKeys(_ request: StatsPage.Cachedump, now: Moment) {
        guard context.configuration.isDumpAllowed else {
            return fail(.cachedumpNotAllowed, isQuiet: false)
        }
        let (slabClass, limit): (UInt32, UInt32)
        switch request {
        case .wrong(let error): return fail(error, isQuiet: false)
        case .keys(let wantedClass, let wantedLimit):
            (slabClass, limit) = (wantedClass, wantedLimit)
        }
        guard slabClass < 64 else { return fail(.illegalSlabID, isQuiet: false) }
        if slabClass == 1 {
            // memcached's bound on this page: 2 MiB, whatever limit was asked for.
            var bytesLeft = 2 << 20
            let limit = limit == 0 ? Int.max : Int(limit)
            map.forEachNewest(limit: limit, now: now.seconds) { hit in
                output.append("ITEM ")
                hit.copyKey(into: output.room(hit.keyByteCount))
                output.noteAppended(hit.keyByteCount)
                // memcached shows Unix time; an item without a deadline shows 0.
                let expires = hit.secondsLeft.map { now.wallSeconds + Int64($0) } ?? 0
                output.append(" [\(hit.valueByteCount) b; \(expires) s]\r\n")
                bytesLeft -= hit.keyByteCount + 32
                return bytesLeft > 0
            }
        }
        reply(.end)
    }
}
