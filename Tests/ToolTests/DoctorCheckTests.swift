import ClusterFile
import HashRing
import Testing

@testable import sojourn

/// What `sojourn doctor` looks at, with readings that are made up: for each check one that is at the limit, where all is
/// well, and one that is past it.
@Suite(.timeLimit(.minutes(10)))
struct DoctorCheckTests {
    /// What a reading has that is not as usual.
    struct Case: Sendable, CustomTestStringConvertible {
        let check: String
        let severity: Finding.Severity
        var good: @Sendable (inout Made) -> Void = { _ in }
        let bad: @Sendable (inout Made) -> Void
        /// What the finding says, among other words.
        let says: String
        var testDescription: String { check }

        init(
            _ check: String, _ severity: Finding.Severity, says: String,
            good: @escaping @Sendable (inout Made) -> Void = { _ in },
            bad: @escaping @Sendable (inout Made) -> Void
        ) {
            (self.check, self.severity, self.says) = (check, severity, says)
            (self.good, self.bad) = (good, bad)
        }
    }

    /// A node that is well.
    struct Made: Sendable {
        var host = "127.0.0.1"
        var stats = [
            "sojourn_version": "0.1.0", "uptime": "600", "limit_maxbytes": "1000000000",
            "proven_bytes": "0", "max_connections": "1000", "curr_connections": "1",
            "reserved_fds": "20", "watchdog_late": "0", "evicted_live_proven": "0",
        ]
        var settings = [
            "memory_file": "/run/sojourn/a", "eviction": "probation", "probation": "5",
            "evictions": "on", "inter": "NULL", "tcp_backlog": "1024", "idle_timeout": "0",
            "lock_keys": "none", "lock_wait": "700", "ssl_enabled": "no", "ssl_verify_mode": "0",
            "auth_enabled_ascii": "no", "auth_enabled_sasl": "no", "auth_mtls": "no",
            "dump_enabled": "no", "domain_socket": "NULL", "shutdown_command": "no",
        ]
        var ahead: Int? = 0
        var process: ProcessReading? = ProcessReading(
            descriptorLimit: 65_536, userID: 107, hadByteCount: 1_000_000_000,
            swappedByteCount: 0, oomScoreAdjustment: 0, availableByteCount: 0, backlogMax: 4_096,
            overcommit: 0, hugePages: "madvise",
            file: FileSystemReading(kind: .memory, freeByteCount: 1_000_000_000))

        var reading: NodeReading {
            NodeReading(
                node: Node(name: "a", host: host, port: 11_211),
                statistics: NodeStatistics(stats), settings: NodeStatistics(settings),
                clockAhead: ahead, process: process)
        }
    }

    static let cases: [Case] = [
        Case("logged-out", .danger, says: "1 users") { $0.stats["evicted_live_proven"] = "1" },
        Case(
            "memory-nearly-full", .warning, says: "86 % of 953 MB",
            good: { $0.stats["proven_bytes"] = "859999999" },
            bad: { $0.stats["proven_bytes"] = "860000000" }),
        Case("stores-refused", .warning, says: "3 stores") { $0.stats["store_no_memory"] = "3" },
        Case("eviction", .warning, says: "bots can push out") { $0.settings["eviction"] = "lru" },
        Case("eviction", .warning, says: "nothing is evicted") { $0.settings["evictions"] = "off" },
        Case(
            "probation", .warning, says: "31 %", good: { $0.settings["probation"] = "30" },
            bad: { $0.settings["probation"] = "31" }),
        Case(
            "probation", .warning, says: "no memory", good: { $0.settings["probation"] = "1" },
            bad: { $0.settings["probation"] = "0" }),
        Case("memory-file", .warning, says: "all users") { $0.settings["memory_file"] = "(null)" },
        Case("memory-file", .note, says: "fetches") {
            $0.settings["memory_file"] = "(null)"
            $0.stats["cluster_state"] = "current"
        },
        Case("slow-readers", .note, says: "1 values") { $0.stats["holders_dropped"] = "1" },
        Case("restarted", .note, says: "599 s ago") { $0.stats["uptime"] = "599" },
        Case(
            "connections", .warning, says: "800 of 1000",
            good: { $0.stats["curr_connections"] = "799" },
            bad: { $0.stats["curr_connections"] = "800" }),
        Case("connections-refused", .warning, says: "3 times") {
            $0.stats["rejected_connections"] = "2"
            $0.stats["listen_disabled_num"] = "1"
        },
        Case(
            "idle-timeout", .warning, says: "59 s", good: { $0.settings["idle_timeout"] = "60" },
            bad: { $0.settings["idle_timeout"] = "59" }),
        Case(
            "lock-wait", .warning, says: "1000 ms",
            good: {
                $0.settings["lock_keys"] = "lock."
                $0.settings["lock_wait"] = "999"
            },
            bad: {
                $0.settings["lock_keys"] = "lock."
                $0.settings["lock_wait"] = "1000"
            }),
        Case(
            "lock-timeouts", .warning, says: "10 of 100",
            good: {
                $0.stats["lock_waits"] = "100"
                $0.stats["lock_timeouts"] = "9"
            },
            bad: {
                $0.stats["lock_waits"] = "100"
                $0.stats["lock_timeouts"] = "10"
            }),
        Case("watchdog", .warning, says: "nobody watches") { $0.stats["watchdog_late"] = nil },
        Case("watchdog", .warning, says: ", 1 times") { $0.stats["watchdog_late"] = "1" },
        Case("log", .note, says: "7 lines") { $0.stats["log_lines_dropped"] = "7" },
        Case(
            "open-to-others", .danger, says: "reaches 10.0.0.1",
            good: {
                $0.settings["inter"] = "10.0.0.1"
                $0.settings["auth_enabled_ascii"] = "yes"
            }, bad: { $0.settings["inter"] = "127.0.0.1,10.0.0.1" }),
        // systemd holds the sockets: the address by which it answers tells.
        Case(
            "open-to-others", .danger, says: "reaches cache-1", good: { $0.host = "localhost" },
            bad: { $0.host = "cache-1" }),
        Case(
            "open-to-others", .danger, says: "reaches *",
            good: {
                $0.settings["inter"] = "mtls:*"
                $0.settings["ssl_enabled"] = "yes"
                $0.settings["ssl_verify_mode"] = "3"
            }, bad: { $0.settings["inter"] = "*" }),
        Case(
            "clear-text", .warning, says: "at notls:10.0.0.1",
            good: {
                $0.settings["inter"] = "notls:127.0.0.1,10.0.0.1:11211,notls:[::1]:11210"
                $0.settings["ssl_enabled"] = "yes"
            },
            bad: {
                $0.settings["inter"] = "10.0.0.2,notls:10.0.0.1"
                $0.settings["ssl_enabled"] = "yes"
            }),
        Case(
            "keys-shown", .danger, says: "keys",
            good: {
                $0.settings["dump_enabled"] = "yes"
                $0.settings["domain_socket"] = "/run/a.sock"
                $0.settings["inter"] = "10.0.0.1"
            },
            bad: {
                $0.settings["dump_enabled"] = "yes"
                $0.settings["inter"] = "10.0.0.1"
            }),
        Case("shutdown-command", .warning, says: "-A") { $0.settings["shutdown_command"] = "yes" },
        Case(
            "certificate", .warning, says: "29 days",
            good: { $0.stats["ssl_cert_seconds_left"] = "2592000" },
            bad: { $0.stats["ssl_cert_seconds_left"] = "2591999" }),
        Case("certificate", .danger, says: "6 days") {
            $0.stats["ssl_cert_seconds_left"] = "604799"
        },
        Case("members-certificate", .danger, says: "47 hours") {
            $0.stats["members_cert_seconds_left"] = "172799"
        },
        Case("guessing", .warning, says: "1 addresses") { $0.stats["auth_slowed_addresses"] = "1" },
        Case("root", .warning, says: "root") { $0.process?.userID = 0 },
        Case("core-files", .warning, says: "core file") { $0.process?.coreLimit = 1 },
        Case(
            "clock", .warning, says: "2 s behind", good: { $0.ahead = -1 }, bad: { $0.ahead = -2 }),
        Case("clock", .danger, says: "60 s ahead", good: { $0.ahead = 1 }, bad: { $0.ahead = 60 }),
        Case(
            "catching-up", .warning, says: "does not have yet",
            good: { $0.stats["cluster_state"] = "current" },
            bad: { $0.stats["cluster_state"] = "behind" }),
        Case("members-away", .danger, says: "1 of the other") { $0.stats["members_away"] = "1" },
        Case("changes-lost", .warning, says: "1 changes") { $0.stats["changes_lost"] = "1" },
        Case("deletions-forgotten", .warning, says: "1 deletions") {
            $0.stats["tombstones_dropped_early"] = "1"
        },
        Case(
            "change-under-way", .note, says: "from definition 1 to 2",
            good: {
                $0.stats["cluster_state"] = "current"
                $0.stats["cluster_generation"] = "2"
                $0.stats["cluster_next"] = "2"
            },
            bad: {
                $0.stats["cluster_state"] = "current"
                $0.stats["cluster_generation"] = "1"
                $0.stats["cluster_next"] = "2"
            }),
        Case(
            "descriptors", .warning, says: "2052 are needed",
            good: {
                $0.stats["max_connections"] = "2000"
                $0.process?.descriptorLimit = 2_052
            },
            bad: {
                $0.stats["max_connections"] = "2000"
                $0.process?.descriptorLimit = 2_051
            }),
        Case(
            "descriptors", .warning, says: "good for 236 connections",
            good: {
                $0.stats["max_connections"] = "236"
                $0.process?.descriptorLimit = 365
            },
            bad: {
                $0.stats["max_connections"] = "236"
                $0.process?.descriptorLimit = 364
            }),
        Case(
            "backlog", .warning, says: "somaxconn", good: { $0.process?.backlogMax = 1_024 },
            bad: { $0.process?.backlogMax = 1_023 }),
        Case("memory-file-place", .danger, says: "(nfs)") {
            $0.process?.file?.kind = .network("nfs")
        },
        Case("memory-file-place", .danger, says: "layer") { $0.process?.file?.kind = .layer },
        Case("memory-file-place", .note, says: "disk") { $0.process?.file?.kind = .disk },
        Case(
            "memory-file-room", .warning, says: "needs 95 MB",
            good: { $0.process?.file?.freeByteCount = 100_000_000 },
            bad: { $0.process?.file?.freeByteCount = 99_999_999 }),
        Case(
            "memory-room", .danger, says: "may grow by 476 MB",
            good: {
                $0.process?.hadByteCount = 500_000_000
                $0.process?.availableByteCount = 500_000_000
            },
            bad: {
                $0.process?.hadByteCount = 500_000_000
                $0.process?.availableByteCount = 499_999_999
            }),
        Case(
            "control-group", .danger, says: "full it takes 1026 MB",
            good: { $0.process?.memoryMax = 1_076_214_400 },
            bad: { $0.process?.memoryMax = 1_076_214_399 }),
        Case("swap", .warning, says: "1 MB") { $0.process?.swappedByteCount = 1_048_576 },
        Case("killed-first", .warning, says: "oom_score_adj 1") {
            $0.process?.oomScoreAdjustment = 1
        },
        Case("overcommit", .note, says: "overcommit_memory=2") { $0.process?.overcommit = 2 },
        Case("huge-pages", .note, says: "huge pages") {
            $0.process?.hugePages = "never"
            $0.settings["memory_file"] = "(null)"
        },
    ]

    @Test("At the limit nothing is found, and past it what it is and what to do", arguments: cases)
    func limit(_ one: Case) throws {
        let check = try #require(Check.all.first { $0.name == one.check })
        var made = Made()
        one.good(&made)
        #expect(check.look(made.reading) == nil)
        var bad = Made()
        one.bad(&bad)
        let finding = try #require(check.look(bad.reading))
        #expect(finding.severity == one.severity)
        #expect(
            "\(finding.found) \(finding.remedy)".contains(one.says), "\(finding.found)")
        #expect(!finding.remedy.isEmpty)
    }

    @Test("A node that is well has no finding, and every check has a case")
    func coverage() {
        for check in Check.all { #expect(check.look(Made().reading) == nil, "\(check.name)") }
        #expect(Set(Self.cases.map(\.check)) == Set(Check.all.map(\.name)))
        let names = Check.all.map(\.name) + ClusterCheck.all.map(\.name)
        #expect(Set(names).count == names.count)
    }

    @Test("What is not known is not found: of a memcached, and of a process on another machine")
    func unknown() {
        var made = Made()
        made.stats = ["version": "1.6.18", "uptime": "10000", "limit_maxbytes": "67108864"]
        made.settings = [:]
        made.process = nil
        made.ahead = nil
        for check in Check.all { #expect(check.look(made.reading) == nil, "\(check.name)") }
    }

    @Test(
        "A path's file system is that of the longest mount above it, the last one of several",
        arguments: [
            ("/run/sojourn/a", "tmpfs"), ("/run/sojourner/a", "ext4"), ("/srv/my files/a", "nfs4"),
            ("/srv/a", "ext4"), ("/", "ext4"),
        ])
    func mounts(path: String, type: String) {
        let mounts = """
            1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
            2 1 0:1 / /run/sojourn rw - xfs /dev/sdb rw
            3 1 0:2 / /run/sojourn rw shared:2 master:3 - tmpfs tmpfs rw,size=50%
            4 1 0:3 / /srv/my\\040files rw - nfs4 server:/x rw
            too few words
            """
        #expect(FileSystemReading.type(of: path, mounts: mounts) == type)
    }

    @Test("File systems are of memory, of a disk, of the network or of a container")
    func kinds() {
        #expect(FileSystemReading.kind(ofType: "tmpfs") == .memory)
        #expect(FileSystemReading.kind(ofType: "xfs") == .disk)
        #expect(FileSystemReading.kind(ofType: "nfs4") == .network("nfs4"))
        #expect(FileSystemReading.kind(ofType: "fuse.sshfs") == .network("fuse.sshfs"))
        #expect(FileSystemReading.kind(ofType: "overlay") == .layer)
    }

    @Test(
        "Loopback is 127.x.x.x, ::1 and localhost, with a port or without",
        arguments: [
            ("127.0.0.1", true), ("127.9.9.9:11211", true), ("::1", true), ("[::1]:11211", true),
            ("localhost:1", true), ("10.0.0.1", false), ("*", false), ("[fd00::1]:11211", false),
            ("0.0.0.0", false), ("cache-1", false),
        ])
    func loopback(address: String, isLoopback: Bool) {
        #expect(NodeReading.isLoopback(address) == isLoopback)
    }
}
