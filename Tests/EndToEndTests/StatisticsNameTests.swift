import TestSupport
import Testing

/// The names in `stats`: tools look for memcached's.
@Suite(.timeLimit(.minutes(10)))
struct StatisticsNameTests {
    private func names(_ page: String, on node: RunningNode) throws -> [String] {
        let peer = try node.connect()
        return try peer.ask(page, until: "END\r\n").split(whereSeparator: { $0.isNewline })
            .filter { $0.hasPrefix("STAT ") }
            .map { line in
                let name = line.split(separator: " ")[1]
                // Of a socket or a slab class, whatever its number.
                guard let colon = name.firstIndex(of: ":"), Int(name[..<colon]) != nil else {
                    return String(name)
                }
                return "N" + name[colon...]
            }
    }

    private static let readme =
        contents(
            of: "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
                + "/Sources/MemcacheProtocol/README.md") ?? ""

    /// Names of memcached that the node does not show, each with its page. They are about flash
    /// storage and its proxy, or are gone from 1.6.45. The protocol's README lists them, by these
    /// beginnings.
    private static let absent = [
        "stats": ["extstore_", "slab_reassign_evictions_nomem"],
        "stats settings": ["ext_", "proxy_", "drop_privileges"],
    ]

    @Test(
        "Every name that memcached shows is shown, or the README says that it is not",
        arguments: ["stats", "stats settings", "stats items", "stats slabs", "stats conns"])
    func everyName(page: String) throws {
        let own = try RunningNode.sojournd()
        let oracle = try RunningNode.memcached([])
        for node in [own, oracle] {
            #expect(try node.connect().ask("set k 0 0 1\r\nx") == "STORED\r\n")
        }
        let shown = Set(try names(page, on: own))
        let wanted = try names(page, on: oracle)
        #expect(wanted.count > 3)
        let exceptions = Self.absent[page] ?? []
        for exception in exceptions {
            #expect(Self.readme.contains("`\(exception)"), "\(exception) is not in the README")
        }
        let missing = wanted.filter { name in
            !shown.contains(name) && !exceptions.contains { name.hasPrefix($0) }
        }
        #expect(missing == [])
    }

    /// The general page of 1.6.45 without crawler and maintainer, in its order.
    private static let general =
        """
        pid uptime time version libevent pointer_size rusage_user rusage_system max_connections \
        curr_connections total_connections rejected_connections connection_structures \
        response_obj_oom response_obj_count response_obj_bytes read_buf_count read_buf_bytes \
        read_buf_bytes_free read_buf_oom reserved_fds cmd_get cmd_set cmd_flush cmd_touch cmd_meta \
        get_hits get_misses get_expired get_flushed delete_misses delete_hits incr_misses incr_hits \
        decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses \
        store_too_large store_no_memory auth_cmds auth_errors bytes_read bytes_written \
        limit_maxbytes accepting_conns listen_disabled_num time_in_listen_disabled_us threads \
        conn_yields hash_power_level hash_bytes hash_is_expanding slab_reassign_rescues \
        slab_reassign_chunk_rescues slab_reassign_inline_reclaim slab_reassign_busy_items \
        slab_reassign_busy_deletes slab_reassign_busy_nomem slab_reassign_last_busy_status \
        slab_reassign_running slabs_moved malloc_fails log_worker_dropped log_worker_written \
        log_watcher_skipped log_watcher_sent log_watchers unexpected_napi_ids \
        round_robin_fallback bytes curr_items total_items slab_global_page_pool \
        expired_unfetched evicted_unfetched evictions reclaimed crawler_reclaimed \
        crawler_items_checked lrutail_reflocked
        """.split(separator: " ").map { String($0) }

    private static let ofCrawlerAndMaintainer =
        """
        lru_crawler_running lru_crawler_starts lru_maintainer_juggles evicted_active moves_to_cold \
        moves_to_warm moves_within_lru direct_reclaims lru_bumps_dropped
        """.split(separator: " ").map { String($0) }

    private static let own: Set = [
        "sojourn_version", "evicted_live_proven", "evicted_probationary", "probationary_items",
        "probationary_bytes", "proven_items", "proven_bytes", "held_bytes", "pinned_bytes",
        "log_lines_dropped", "lock_waits", "lock_hand_overs", "lock_timeouts", "lock_cancels",
        "lock_wait_us_total", "lock_waiting", "lock_longest_wait_us", "output_timeouts",
        "holders_dropped", "released_bytes",
    ]

    @Test("The general page has the 84 names of memcached in its order, and 93 by default")
    func generalPage() throws {
        let bare = try RunningNode.sojournd(["-o", "no_lru_crawler,no_lru_maintainer"])
        #expect(Self.general.count == 84)
        #expect(
            try names("stats", on: bare).filter { !Self.own.contains($0) } == Self.general)
        let node = try RunningNode.sojournd()
        let all = try names("stats", on: node)
        #expect(Set(all).count == all.count)
        #expect(
            Set(all) == Set(Self.general + Self.ofCrawlerAndMaintainer).union(Self.own))
        // Without slab movers their names go as well.
        let fixed = try RunningNode.sojournd(["-o", "no_slab_reassign"])
        #expect(try !names("stats", on: fixed).contains { $0.hasPrefix("slab_reassign") })
        // Two more that come and go.
        #expect(
            try names("stats", on: RunningNode.sojournd(["-o", "idle_timeout=10"]))
                .contains("idle_kicks"))
        #expect(
            try !names("stats", on: RunningNode.sojournd(["-o", "no_maxconns_fast"]))
                .contains("rejected_connections"))
    }

    @Test("The first page that a node shows says that it has written nothing yet")
    func nothingWritten() throws {
        let node = try RunningNode.sojournd()
        let page = try node.connect().ask("stats", until: "END\r\n")
        #expect(page.contains("STAT bytes_written 0\r\n"))
    }

    @Test("What has come of timeouts is counted where there are any")
    func timeoutNames() throws {
        let node = try RunningNode.sojournd(["-o", "exptime_max=1h,fence=1m"])
        let names = try names("stats", on: node).filter {
            !Self.own.contains($0) && !Self.general.contains($0)
                && !Self.ofCrawlerAndMaintainer.contains($0)
        }
        #expect(
            names == [
                "exptime_defaulted", "exptime_capped", "idle_renewed", "absolute_capped",
                "expired_idle", "expired_absolute", "fences", "fenced", "fence_dropped_early",
            ])
    }

    @Test("Settings show what the flags and options said")
    func settings() throws {
        let node = try RunningNode.sojournd([
            "-c", "50", "-t", "3", "-R", "7", "-b", "99", "-I", "512k", "-m", "100", "-C", "-M",
            "-F", "-A", "-B", "ascii", "-D", ".", "-vv", "-l", "127.0.0.1", "-f", "1.5", "-n", "64",
            "-o",
            "idle_timeout=60,no_maxconns_fast,track_sizes,hot_lru_pct=5,slab_automove=2,no_lru_crawler",
            "-o", "lru_crawler_sleep=5,temporary_ttl=30,eviction=lru,classic_exptime,show_keys",
            "-o", "lock_keys=memc.sess.key.lock.,lock_wait=500", "-o", "lock_keys=*.lock",
            "-o", "lock_waiters=10,lock_waiters_all=20",
            "-o", "idle=30m,absolute=8h,exptime_default=90,exptime_max=2d",
            "-o", "fence=1m,fence_keys=session:,fence_keys=*.s", "-o", "top_sample=7",
        ])
        let page = try node.connect().ask("stats settings", until: "END\r\n")
        let wanted = [
            "maxconns 50", "num_threads 3", "reqs_per_event 7", "tcp_backlog 99",
            "item_size_max 524288", "maxbytes 104857600", "cas_enabled no", "evictions off",
            "flush_enabled no", "shutdown_command yes", "binding_protocol ascii",
            "stat_key_prefix .", "detail_enabled yes", "verbosity 2", "inter 127.0.0.1",
            "growth_factor 1.50", "chunk_size 64", "idle_timeout 60", "maxconns_fast no",
            "track_sizes yes", "hot_lru_pct 5", "slab_automove 2", "lru_crawler no",
            "lru_crawler_sleep 5", "temporary_ttl 30", "temp_lru yes", "eviction lru",
            "exptime_rule classic", "lock_keys memc.sess.key.lock. *.lock", "lock_wait 500",
            "lock_waiters 10", "lock_waiters_all 20", "dump_enabled yes", "idle 1800",
            "absolute 28800", "exptime_default 90", "exptime_max 172800", "fence 60",
            "fence_keys session: *.s", "top_sample 7", "id_key_file NULL",
            "tcpport \(try node.port)", "udpport 0",
            "domain_socket NULL", "auth_enabled_sasl no", "auth_enabled_ascii no",
            "client_flags_size 4", "slab_reassign yes", "memory_file (null)", "ssl_enabled no",
            "lru_maintainer_thread yes", "watcher_logbuf_size 262144", "hot_max_factor 0.20",
        ]
        for line in wanted { #expect(page.contains("STAT \(line)\r\n"), "\(line)") }
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let unix = try RunningNode.sojournd(["-s", path, "-a", "770", "-X"])
        let other = try unix.connect().ask("stats settings", until: "END\r\n")
        for line in [
            "domain_socket \(path)", "umask 770", "dump_enabled no",
            "binding_protocol auto-negotiate",
        ] {
            #expect(other.contains("STAT \(line)\r\n"), "\(line)")
        }
    }

    /// Settings in which a node without flags differs from a memcached without flags.
    private static let otherwise: Set = [
        // Of this run, or of this machine.
        "tcpport", "inter", "num_threads", "num_napi_ids",
        // There is no UDP, and keys are not shown over TCP.
        "num_threads_per_udp", "dump_enabled",
        // Other machinery; the window is that of 1.6.45.
        "hash_algorithm", "worker_logbuf_size", "slab_automove_window",
        // TLS 1.3 where nothing else is asked for.
        "ssl_min_version",
    ]

    @Test("Without flags every setting has memcached's value, but for those that are named here")
    func defaultSettings() throws {
        func settings(_ node: RunningNode) throws -> [String: String] {
            var all: [String: String] = [:]
            let page = try node.connect().ask("stats settings", until: "END\r\n")
            for line in page.split(separator: "\r\n") where line.hasPrefix("STAT ") {
                let words = line.split(separator: " ", maxSplits: 2)
                all[String(words[1])] = words.count > 2 ? String(words[2]) : ""
            }
            return all
        }
        let own = try settings(RunningNode.sojournd())
        let oracle = try settings(RunningNode.memcached([]))
        #expect(oracle.count > 60)
        let different = oracle.filter { name, value in own[name].map { $0 != value } ?? false }
        #expect(Set(different.keys).subtracting(Self.otherwise) == [], "\(different)")
    }

    @Test("stats reset sets what was counted to zero, and leaves what is")
    func reset() throws {
        let node = try RunningNode.sojournd(["-o", "show_keys"])
        let peer = try node.connect()
        let watcher = try node.connect()
        #expect(try watcher.ask("watch") == "OK\r\n")
        #expect(try peer.ask("get k", until: "END\r\n") == "END\r\n")
        #expect(try peer.ask("lru_crawler crawl all") == "OK\r\n")
        #expect(try node.counter("log_worker_written") == 1)
        #expect(try node.counter("log_watcher_sent") == 1)
        #expect(try node.counter("lru_crawler_starts") == 1)
        #expect(try peer.ask("stats reset") == "RESET\r\n")
        for name in ["log_worker_written", "log_watcher_sent", "lru_crawler_starts", "get_misses"] {
            #expect(try node.counter(name) == 0, "\(name)")
        }
        #expect(try node.counter("log_watchers") == 1)
    }
}
