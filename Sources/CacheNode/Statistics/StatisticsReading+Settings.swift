import EventLoop
import SessionMap
import SessionValues
import Synchronization

/// `stats settings`: what the command line or an operator said.
extension StatisticsReading {
    func addSettings(to list: inout StatisticsList) {
        let descriptors = space.acceptance.listeners.withLock { $0.map(\.descriptor) }
        let addresses = descriptors.map { SocketAddress.local(of: $0) }
        addPlaces(addresses, to: &list)
        addConversations(to: &list)
        addSlabSettings(to: &list)
        addCrawlerSettings(to: &list)
        addPermissions(hasUnixSocket: addresses.contains { $0.isUnix }, to: &list)
        addSegmentSettings(to: &list)
        addBuffers(to: &list)
        addOwnSettings(to: &list)
    }

    private func addPlaces(_ addresses: [SocketAddress], to list: inout StatisticsList) {
        list.gauge(
            "maxbytes", space.memory.byteCount, "Memory for items (-m)")
        list.gauge("maxconns", configuration.connectionCountMax, "Open connections at most (-c)")
        list.gauge("tcpport", addresses.lazy.compactMap(\.port).first ?? 0, "TCP port (-p)")
        list.gauge("udpport", 0, "Always 0: UDP is not spoken")
        list.text("inter", configuration.interfaces ?? "NULL", "Addresses to listen on (-l)")
        list.gauge(
            "verbosity", context.switches.verbosity.load(ordering: .relaxed),
            "How much is logged (-v)")
        list.gauge("oldest", map.oldestAge, "Seconds since the least recently used item was used")
        list.text(
            "evictions", configuration.evicts ? "on" : "off",
            "Whether items are evicted to make room (off: -M)")
        list.text("domain_socket", Self.path(addresses) ?? "NULL", "Path of the Unix socket (-s)")
        var mode = "700"
        for case .unix(_, let number) in configuration.listening {
            mode = String(number, radix: 8)
        }
        list.text("umask", mode, "Mode of the Unix socket (-a)")
        list.text(
            "operator_socket", context.rules.operatorSocket ?? "NULL",
            "Path of the operators' socket (-o operator)")
        if let admin = context.rules.admin {
            list.text("admin", "\(admin.place)", "Where the operator's port is (--admin)")
        }
        list.text(
            "user_rule", configuration.userRule?.description ?? "NULL",
            "How a user is found in what is stored (-o user_rule)")
        list.flag(
            "shutdown_command", configuration.listener.isShutdownAllowed,
            "Whether clients may stop it (-A)")
    }

    private static func path(_ addresses: [SocketAddress]) -> String? {
        for case .unix(let path) in addresses { return path }
        return nil
    }

    private func addConversations(to list: inout StatisticsList) {
        let rules = context.rules
        list.gauge(
            "growth_factor", tuning.growthFactor, digits: 2, "memcached's -f; without effect")
        list.gauge("chunk_size", tuning.chunkByteCount, "memcached's -n; without effect")
        list.gauge("num_threads", rules.threadCount, "Worker threads (-t)")
        list.gauge("num_threads_per_udp", 0, "Always 0: UDP is not spoken")
        list.text(
            "stat_key_prefix",
            String(decoding: [configuration.prefixDelimiter], as: UTF8.self),
            "What ends a key's prefix in stats detail (-D)")
        list.flag("detail_enabled", space.prefixes.isCollecting, "Whether stats detail counts")
        list.gauge("reqs_per_event", rules.commandsPerTurn, "Commands per turn (-R)")
        list.flag(
            "cas_enabled", configuration.assignsCASUniques,
            "Whether items have CAS uniques (no: -C)")
        list.gauge("tcp_backlog", rules.backlog, "Connections that wait to be accepted (-b)")
        list.text(
            "binding_protocol", configuration.listener.bindingProtocol.settingsName,
            "Protocols that are spoken (-B)")
        addAuthenticationSettings(to: &list)
        list.gauge(
            "item_size_max", configuration.itemByteCountMax, "The largest item (-I)")
        list.flag(
            "maxconns_fast", configuration.connectionLimitRule == .refuse,
            "Whether one connection too many is refused; otherwise it waits")
        list.gauge("hashpower_init", 0, "Always 0: the index starts small")
    }

    private func addPermissions(hasUnixSocket: Bool, to list: inout StatisticsList) {
        let rules = configuration.listener
        list.flag("flush_enabled", rules.isFlushAllowed, "Whether flush_all is allowed (no: -F)")
        list.flag(
            "dump_enabled", rules.isDumpAllowed && (rules.showsKeys || hasUnixSocket),
            "Whether keys are shown to anybody (no: -X)")
        list.text("hash_algorithm", "wyhash", "What places keys in the index")
    }

    private func addBuffers(to list: inout StatisticsList) {
        list.gauge(
            "idle_timeout", context.rules.idleTimeoutSeconds,
            "Seconds until an idle connection is closed; 0 is never")
        list.gauge(
            "output_timeout", context.rules.outputTimeoutSeconds,
            "Seconds that a peer may take nothing of what it is owed; 0 is for ever")
        list.gauge(
            "watcher_logbuf_size", Watchers.bufferByteCountMax, "Lines that a watcher may not read")
        // Neither is there: lines go to the watchers' buffers at once, buffers to read have no limit
        // but that of connections.
        list.gauge("worker_logbuf_size", 0, "Always 0: events go to the watchers at once")
        list.gauge("read_buf_mem_limit", 0, "Always 0: connections are limited instead")
        list.flag(
            "track_sizes", configuration.tracksSizes, "Whether stats sizes counts")
        list.flag("inline_ascii_response", false, "Always no")
        list.gauge("num_napi_ids", 0, "Of memcached's NAPI dealing; always 0")
        list.text(
            "memory_file", configuration.memoryFile ?? "(null)",
            "The file that items live in (-e)")
        list.gauge("client_flags_size", 4, "Bytes of an item's client flags")
        addSecuritySettings(to: &list)
        addLoginSettings(to: &list)
    }

    // MARK: memcached's machinery

    private func addSlabSettings(to list: inout StatisticsList) {
        let help = "Of memcached's slab mover; without effect"
        list.flag("slab_reassign", tuning.reassignsSlabs, help)
        list.gauge("slab_automove", tuning.automove, help)
        list.gauge("slab_automove_ratio", tuning.automoveRatio, digits: 2, help)
        list.gauge("slab_automove_window", tuning.automoveWindow, help)
        list.gauge("slab_automove_freeratio", tuning.automoveFreeRatio, digits: 3, help)
        list.gauge("slab_chunk_max", configuration.itemByteCountMax / 2, help)
    }

    private func addCrawlerSettings(to list: inout StatisticsList) {
        list.flag("lru_crawler", space.dumps.isEnabled, "Whether keys may be dumped by lru_crawler")
        list.gauge(
            "lru_crawler_sleep", tuning.crawlerSleepMicroseconds,
            "Of memcached's crawler; without effect")
        list.gauge(
            "lru_crawler_tocrawl", tuning.crawlerItemCount,
            "Of memcached's crawler; without effect")
        list.gauge("tail_repair_time", 0, "Of memcached's LRU; always 0")
    }

    private func addSegmentSettings(to list: inout StatisticsList) {
        let help = "Of memcached's LRU segments; without effect"
        list.flag("lru_maintainer_thread", tuning.hasMaintainer, help)
        list.flag("lru_segmented", tuning.isSegmented && tuning.hasMaintainer, help)
        list.gauge("hot_lru_pct", tuning.hotPercent, help)
        list.gauge("warm_lru_pct", tuning.warmPercent, help)
        list.gauge("hot_max_factor", tuning.hotFactor, digits: 2, help)
        list.gauge("warm_max_factor", tuning.warmFactor, digits: 2, help)
        list.flag("temp_lru", tuning.isTemporaryOn, help)
        list.gauge("temporary_ttl", tuning.temporaryTTL, help)
    }

    // MARK: Our own

    private func addOwnSettings(to list: inout StatisticsList) {
        list.text("space", space.name, "The space whose page this is (--config)")
        list.gauge("shards", space.map.shardCount, "Parts of the map with a lock each")
        switch configuration.eviction {
        case .lru: list.text("eviction", "lru", "Who goes first")
        case .probation(let sharePercent, let proofAgeSeconds):
            list.text("eviction", "probation", "Who goes first")
            list.gauge(
                "probation", sharePercent,
                "Percent of memory that items have which were not read back")
            list.gauge(
                "proof_age", proofAgeSeconds, "Seconds until a read tells that an item is in use")
        }
        list.flag(
            "checksums", space.map.configuration.features.contains(.checksums),
            "Whether items have checksums")
        list.text(
            "exptime_rule", configuration.exptimeRule == .asWritten ? "as_written" : "classic",
            "How exptimes above 30 days are read")
        list.gauge(
            "top_sample", context.rules.topSampleInterval,
            "Of so many reads and stores one is looked at, for stats top; 0: none")
        list.text(
            "id_key_file", context.rules.idKeyFile ?? "NULL",
            "The key under which IDs are shown as hashes; NULL: one of the node's own")
        addLockSettings(to: &list)
        addTimeoutSettings(to: &list)
        addFenceSettings(to: &list)
        addPredecessorSettings(to: &list)
    }

    private func addLockSettings(to list: inout StatisticsList) {
        let rules = configuration.locks
        let keys = rules.keys.map(\.description).joined(separator: " ")
        list.text("lock_keys", keys.isEmpty ? "none" : keys, "Keys that are locks")
        list.gauge(
            "lock_wait", rules.waitMilliseconds, "Milliseconds that an add waits for a lock at most"
        )
        list.gauge(
            "lock_waiters", rules.waiterCountMaxPerKey, "Connections that may wait for one lock")
        list.gauge(
            "lock_waiters_all", rules.waiterCountMax, "Connections that may wait for locks")
    }
}
