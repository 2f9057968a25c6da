import EventLoop
import SessionMap
import Synchronization

/// `stats settings`.
extension NodeContext {
    func writeSettings(to writer: inout StatisticsWriter) {
        let tuning = tuning.withLock { $0 }
        writer.line("maxbytes", memoryLimitByteCount.load(ordering: .relaxed))
        writer.line("maxconns", configuration.connectionCountMax)
        writer.line("tcpport", listeningPort)
        writer.line("udpport", 0)
        writer.line("inter", configuration.interfaces ?? "NULL")
        writer.line("verbosity", verbosity.load(ordering: .relaxed))
        writer.line("oldest", map.statistics(now: clock.now().seconds).oldestAge)
        writer.line("evictions", configuration.evicts, yes: "on", no: "off")
        writer.line("domain_socket", listeningPath ?? "NULL")
        if case .unix(_, let mode) = configuration.listening {
            writer.line("umask", String(mode, radix: 8))
        } else {
            writer.line("umask", "700")
        }
        writer.line("shutdown_command", configuration.isShutdownAllowed)
        writer.line("growth_factor", fixed: tuning.growthFactor, digits: 2)
        writer.line("chunk_size", tuning.chunkByteCount)
        writer.line("num_threads", configuration.threadCount)
        writer.line("num_threads_per_udp", 0)
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
        writeSlabSettings(tuning, to: &writer)
        writer.line("lru_crawler", dumps.isEnabled)
        writer.line("lru_crawler_sleep", tuning.crawlerSleepMicroseconds)
        writer.line("lru_crawler_tocrawl", tuning.crawlerItemCount)
        writer.line("tail_repair_time", 0)
        writer.line("flush_enabled", configuration.isFlushAllowed)
        writer.line("dump_enabled", areKeysShownSomewhere)
        writer.line("hash_algorithm", "wyhash")
        writeSegmentSettings(tuning, to: &writer)
        writer.line("idle_timeout", configuration.idleTimeoutSeconds)
        writer.line("watcher_logbuf_size", Watchers.bufferByteCountMax)
        // Neither is there: lines go to the watchers' buffers at once, buffers to read have no limit
        // but that of connections.
        writer.line("worker_logbuf_size", 0)
        writer.line("read_buf_mem_limit", 0)
        writer.line("track_sizes", configuration.tracksSizes)
        writer.line("inline_ascii_response", false)
        writer.line("num_napi_ids", 0)
        writer.line("memory_file", configuration.memoryFile ?? "(null)")
        writer.line("client_flags_size", 4)
        writer.line("ssl_enabled", false)
        writeOwnSettings(to: &writer)
    }

    // MARK: memcached's machinery

    private func writeSlabSettings(_ tuning: Tuning, to writer: inout StatisticsWriter) {
        writer.line("slab_reassign", tuning.reassignsSlabs)
        writer.line("slab_automove", tuning.automove)
        writer.line("slab_automove_ratio", fixed: tuning.automoveRatio, digits: 2)
        writer.line("slab_automove_window", tuning.automoveWindow)
        writer.line("slab_automove_freeratio", fixed: tuning.automoveFreeRatio, digits: 3)
        writer.line("slab_chunk_max", configuration.itemByteCountMax / 2)
    }

    private func writeSegmentSettings(_ tuning: Tuning, to writer: inout StatisticsWriter) {
        writer.line("lru_maintainer_thread", tuning.hasMaintainer)
        writer.line("lru_segmented", tuning.isSegmented && tuning.hasMaintainer)
        writer.line("hot_lru_pct", tuning.hotPercent)
        writer.line("warm_lru_pct", tuning.warmPercent)
        writer.line("hot_max_factor", fixed: tuning.hotFactor, digits: 2)
        writer.line("warm_max_factor", fixed: tuning.warmFactor, digits: 2)
        writer.line("temp_lru", tuning.isTemporaryOn)
        writer.line("temporary_ttl", tuning.temporaryTTL)
    }

    // MARK: Our own

    private func writeOwnSettings(to writer: inout StatisticsWriter) {
        writer.line("shards", map.shardCount)
        switch configuration.eviction {
        case .lru: writer.line("eviction", "lru")
        case .probation(let sharePercent, let proofAgeSeconds):
            writer.line("eviction", "probation")
            writer.line("probation", sharePercent)
            writer.line("proof_age", proofAgeSeconds)
        }
        writer.line("checksums", map.configuration.features.contains(.checksums))
        writer.line(
            "exptime_rule",
            configuration.exptimeRule == .asWritten ? "as_written" : "classic")
    }

    private var listeningPort: Int {
        listeningAddresses.lazy.compactMap(\.port).first ?? 0
    }

    private var listeningPath: String? {
        for case .unix(let path) in listeningAddresses { return path }
        return nil
    }

    private var listeningAddresses: [SocketAddress] {
        acceptance.listeners.withLock { $0.map { SocketAddress.local(of: $0.descriptor) } }
    }

    private var areKeysShownSomewhere: Bool {
        configuration.isDumpAllowed && (configuration.showsKeys || listeningPath != nil)
    }
}
