import Glibc
import TestSupport
import Testing

/// The tools with which operators look at memcached, on a node.
@Suite(.timeLimit(.minutes(10)))
struct OperatorToolTests {
    /// A node whose items the tools have something to tell about.
    private func node(_ flags: [String] = []) throws -> RunningNode {
        let node = try RunningNode.sojournd(flags)
        let peer = try node.connect()
        for number in 0..<100 {
            let value = String(repeating: "x", count: 10 * number)
            #expect(
                try peer.ask("set key:\(number) \(number) 1000 \(value.utf8.count)\r\n\(value)")
                    == "STORED\r\n")
        }
        #expect(try peer.ask("get key:1 key:2 none", until: "END\r\n").hasPrefix("VALUE key:1 "))
        return node
    }

    private func run(
        _ path: String, _ arguments: [String], package: String,
        environment: [String: String] = [:]
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        guard access(path, X_OK) == 0 else {
            throw Trouble("\(path) is not installed (Debian package \(package))")
        }
        return try Program.run(path, arguments, environment: environment)
    }

    /// Words of each line of a table.
    private func rows(_ text: String) -> [[String]] {
        text.split(whereSeparator: { $0.isNewline })
            .map { $0.split(separator: " ").map { String($0) } }
    }

    // MARK: memcached-tool

    private func memcachedTool(
        _ mode: [String], on place: String
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        try run(
            "/usr/share/memcached/scripts/memcached-tool", [place] + mode, package: "memcached")
    }

    private func memcachedTool(_ mode: String..., on node: RunningNode) throws -> String {
        let result = try memcachedTool(mode, on: "127.0.0.1:\(try node.port)")
        #expect(result.exit == .status(0), "\(result.errors)")
        return result.output
    }

    @Test("memcached-tool display shows a row that makes sense")
    func display() throws {
        let node = try node()
        let table = rows(try memcachedTool("display", on: node))
        #expect(
            table.first == [
                "#", "Item_Size", "Max_age", "Pages", "Count", "Full?", "Evicted", "Evict_Time",
                "OOM",
            ])
        let row = try #require(table.last)
        #expect(table.count == 2 && row.count == 9)
        // Class, size of an average item, age in seconds, megabytes, items, full.
        #expect(row[0] == "1")
        #expect(row[1].hasSuffix("B") && Int(row[1].dropLast()) ?? 0 > 495)
        #expect(row[2].hasSuffix("s") && Int(row[2].dropLast()) ?? 99 < 60)
        #expect(Array(row[3...]) == ["64", "100", "no", "0", "0", "0"])
    }

    @Test("memcached-tool display shows a node that evicts as full")
    func displayFull() throws {
        let node = try RunningNode.sojournd(["-m", "8", "-I", "512k"])
        let peer = try node.connect()
        let value = String(repeating: "x", count: 100_000)
        for number in 0..<200 {
            #expect(try peer.ask("set k\(number) 0 0 100000\r\n\(value)") == "STORED\r\n")
        }
        let row = try #require(rows(try memcachedTool("display", on: node)).last)
        #expect(row[1].hasSuffix("K"))
        #expect(row[3] == "8")
        #expect(Int(row[4]) == (try node.counter("curr_items")))
        #expect(row[5] == "yes")
        #expect(Int(row[6]) == (try node.counter("evictions")))
        #expect(Int(row[6]) ?? 0 > 100)
    }

    @Test("memcached-tool stats, settings and sizes show what the node says")
    func pages() throws {
        let node = try node(["-o", "track_sizes"])
        let stats = rows(try memcachedTool("stats", on: node))
        #expect(stats.contains(["curr_items", "100"]))
        #expect(stats.contains(["get_hits", "2"]))
        #expect(stats.contains(["get_misses", "1"]))
        #expect(stats.allSatisfy { $0.count == 2 || $0[0].hasPrefix("#") })
        let settings = rows(try memcachedTool("settings", on: node))
        #expect(settings.contains(["maxbytes", "67108864"]))
        #expect(settings.contains(["dump_enabled", "no"]))
        let sizes = rows(try memcachedTool("sizes", on: node)).dropFirst()
        #expect(sizes.reduce(0) { $0 + (Int($1.last ?? "") ?? 0) } == 100)
    }

    @Test("memcached-tool dump gives commands that make another node hold the same")
    func dump() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        // On a Unix socket it needs no further word.
        for (flags, place) in [(["-s", path], path), (["-o", "show_keys"], "")] {
            let node = try node(flags)
            defer { node.program.end() }
            let place = place.isEmpty ? "127.0.0.1:\(try node.port)" : place
            let result = try memcachedTool(["dump"], on: place)
            #expect(result.exit == .status(0), "\(result.errors)")
            let copy = try RunningNode.sojournd()
            defer { copy.program.end() }
            let peer = try copy.connect()
            try peer.send(result.output.replacing("\r\n", with: "\n").replacing("\n", with: "\r\n"))
            #expect(
                try peer.receive(until: String(repeating: "STORED\r\n", count: 100)).count == 700)
            let original = try node.connect()
            for number in 0..<100 {
                let value = try original.ask("get key:\(number)", until: "END\r\n")
                #expect(try peer.ask("get key:\(number)", until: "END\r\n") == value)
                // The deadline has come along.
                let left = try peer.ask("mg key:\(number) t")
                #expect((995...1_000).contains(Int(left.dropFirst(4).dropLast()) ?? 0), "\(left)")
            }
        }
    }

    @Test("memcached-tool keys lists every key once")
    func keys() throws {
        let node = try node(["-o", "show_keys"])
        let keys = rows(try memcachedTool("keys", on: node)).map { $0[0] }
        #expect(keys.sorted() == (0..<100).map { "key=key%3A\($0)" }.sorted())
    }

    // MARK: libmemcached's

    @Test("memcstat shows each page, and memcdump the keys")
    func libmemcached() throws {
        let node = try node(["-o", "show_keys"])
        let servers = "--servers=127.0.0.1:\(try node.port)"
        for (page, line) in [
            ("", "curr_items: 100"), ("settings", "evictions: on"),
            ("items", "items:1:number: 100"),
            ("slabs", "1:used_chunks: 100"), ("sizes", "sizes_status: disabled"),
        ] {
            let result = try run(
                "/usr/bin/memcstat", [servers] + (page.isEmpty ? [] : ["--args=\(page)"]),
                package: "libmemcached-tools")
            #expect(result.exit == .status(0), "\(page): \(result.errors)")
            #expect(result.output.contains(line), "\(page): \(result.output)")
        }
        let dump = try run("/usr/bin/memcdump", [servers], package: "libmemcached-tools")
        #expect(dump.exit == .status(0), "\(dump.errors)")
        #expect(rows(dump.output).map { $0[0] }.sorted() == (0..<100).map { "key:\($0)" }.sorted())
    }

    // MARK: Monitoring

    @Test("collectd's plugin reads all that it looks for")
    func collectd() throws {
        let node = try node()
        let directory = try TemporaryDirectory()
        let configuration = try directory.write(
            """
            BaseDir "\(directory.path)"
            PIDFile "\(directory.path)/pid"
            TypesDB "/usr/share/collectd/types.db"
            Hostname "here"
            Interval 1
            LoadPlugin logfile
            <Plugin logfile>
              LogLevel "info"
              File "stderr"
            </Plugin>
            LoadPlugin memcached
            <Plugin memcached>
              <Instance "node">
                Host "127.0.0.1"
                Port "\(try node.port)"
              </Instance>
            </Plugin>
            LoadPlugin write_log

            """, to: "collectd.conf")
        guard access("/usr/sbin/collectd", X_OK) == 0 else {
            throw Trouble("/usr/sbin/collectd is not installed (Debian package collectd-core)")
        }
        let program = try Program("/usr/sbin/collectd", ["-f", "-C", configuration])
        let names = [
            "memcached_items-current", "memcached_connections-current", "memcached_octets",
            "memcached_command-get", "memcached_command-set", "memcached_command-touch",
            "memcached_command-flush", "memcached_command-meta", "memcached_ops-hits",
            "memcached_ops-misses", "memcached_ops-evictions", "memcached_ops-incr_hits",
            "memcached_ops-decr_misses", "memcached_ops-delete_hits", "df-cache", "ps_cputime",
            "ps_count", "uptime", "total_events-listen_disabled", "connections-opened",
        ]
        // Some are made of two readings, and each may have several parts.
        try wait(for: "the values", seconds: 20) {
            guard !program.hasEnded else { throw Trouble("it ended: \(program.errors)") }
            return names.allSatisfy { program.errors.contains("here.memcached-node.\($0)") }
        }
        program.send(SIGTERM)
        #expect(try program.waitForExit() == .status(0))
        #expect(program.errors.contains("memcached_items-current 100 "), "\(program.errors)")
        #expect(!program.errors.contains("ERROR") && !program.errors.contains("failed"))
        #expect(program.errors.contains("connection established"), "\(program.errors)")
    }

    @Test("munin's plugin draws its three graphs", arguments: ["bytes", "counters", "rates"])
    func munin(graph: String) throws {
        let node = try node()
        let plugin = "/usr/share/munin/plugins/memcached_"
        guard access(plugin, X_OK) == 0 else {
            throw Trouble("\(plugin) is not installed (Debian package munin-plugins-extra)")
        }
        // The graph is in the name under which it is called.
        let directory = try TemporaryDirectory()
        let link = directory.path + "/memcached_\(graph)"
        try #require(symlink(plugin, link) == 0)
        let environment = ["host": "127.0.0.1", "port": "\(try node.port)"]
        let package = "munin-plugins-extra, libcache-memcached-perl"
        let result = try run(link, [], package: package, environment: environment)
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
        let values = rows(result.output)
        #expect(values.count >= 2)
        for value in values {
            #expect(value.count == 2 && Double(value[1]) != nil, "\(value)")
        }
        if graph == "counters" { #expect(values.contains(["memcache_curr_items.value", "100"])) }
        let described = try run(link, ["config"], package: package, environment: environment)
        #expect(described.exit == .status(0))
        #expect(described.output.contains("graph_title "))
    }

    /// What prometheus/memcached_exporter reads, with the page. A name that is absent is an error in
    /// its log, and a metric less.
    private static let exporterNames: [String: [String]] = [
        "stats": [
            "uptime", "time", "version", "rusage_user", "rusage_system", "bytes",
            "limit_maxbytes", "curr_items", "total_items", "bytes_read", "bytes_written",
            "curr_connections", "total_connections", "rejected_connections", "conn_yields",
            "listen_disabled_num", "evictions", "reclaimed", "store_too_large",
            "store_no_memory", "lru_crawler_starts", "direct_reclaims", "crawler_items_checked",
            "crawler_reclaimed", "moves_to_cold", "moves_to_warm", "moves_within_lru",
            "accepting_conns", "cmd_set", "cmd_flush", "cas_badval", "cas_hits", "cas_misses",
            "get_hits", "get_misses", "delete_hits", "delete_misses", "incr_hits",
            "incr_misses", "decr_hits", "decr_misses", "touch_hits", "touch_misses",
        ],
        "stats slabs": [
            "total_malloced", "1:chunk_size", "1:chunks_per_page", "1:total_pages",
            "1:total_chunks", "1:used_chunks", "1:free_chunks", "1:free_chunks_end",
            "1:get_hits", "1:delete_hits", "1:incr_hits", "1:decr_hits", "1:cas_hits",
            "1:cas_badval", "1:touch_hits", "1:cmd_set",
        ],
        "stats items": [
            "items:1:number", "items:1:age", "items:1:mem_requested", "items:1:hits_to_hot",
            "items:1:hits_to_warm", "items:1:hits_to_cold", "items:1:hits_to_temp",
            "items:1:crawler_reclaimed", "items:1:evicted", "items:1:evicted_nonzero",
            "items:1:evicted_time", "items:1:evicted_unfetched", "items:1:expired_unfetched",
            "items:1:outofmemory", "items:1:reclaimed", "items:1:tailrepairs",
            "items:1:moves_to_cold", "items:1:moves_to_warm", "items:1:moves_within_lru",
            "items:1:number_hot", "items:1:number_warm", "items:1:number_cold",
            "items:1:age_hot", "items:1:age_warm",
        ],
        "stats settings": [
            "maxconns", "lru_crawler_sleep", "lru_crawler_tocrawl", "hot_lru_pct",
            "warm_lru_pct", "hot_max_factor", "warm_max_factor",
        ],
    ]

    @Test(
        "Prometheus' exporter finds every number that it looks for", arguments: exporterNames.keys)
    func exporter(page: String) throws {
        let node = try node()
        let peer = try node.connect()
        let values = Dictionary(
            rows(try peer.ask(page, until: "END\r\n")).filter { $0.count == 3 }
                .map { ($0[1], $0[2]) }, uniquingKeysWith: { first, _ in first })
        for name in try #require(Self.exporterNames[page]) {
            let value = try #require(values[name], "\(name) is absent")
            #expect(Double(value) != nil || name == "version", "\(name) \(value)")
        }
        if page == "stats settings" {
            for name in ["lru_crawler", "lru_maintainer_thread"] {
                #expect(["yes", "no"].contains(values[name]))
            }
        }
    }
}
