import ArgumentParser

/// The command line: memcached's flags with memcached's meaning. Values are texts here; `Settings`
/// checks them, so that a wrong one gets memcached's message and exit status.
struct SojourndCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sojournd",
        abstract: "A cache node for web sessions that speaks memcached's protocol.",
        discussion: """
            Takes memcached's flags. Listens on 127.0.0.1:11211 unless told otherwise, with TCP only.
            Logs go to stderr.

            Times are meant as written: a relative exptime of 31 days is 31 days; from 1,000,000,000 \
            on, an exptime is a Unix time. '-o classic_exptime' restores memcached's rule.
            """)

    @Option(
        name: .customLong("config"),
        help: ArgumentHelp(
            """
            A node of several spaces, each with its listeners, memory, users and rules: the file says them in the words of \
            the flags below. Beside it only flags of the process: -d, --supervise, -t, -R, -b, -u, -P, -r, -v. \
            Read again on SIGHUP.
            """, valueName: "file"))
    var config: String?

    @Flag(
        name: .customLong("check-config"),
        help: "With --config: says whether the file is right, and what it comes to; starts nothing."
    )
    var checkConfig = false

    @Option(
        name: .customLong("cluster"),
        help: ArgumentHelp(
            """
            A cluster's definition: this is the node --name of it, listens where it says (-l, -p), and has its \
            memory (-m), memory file (-e) and flags. Flags given here win. \
            "config get cluster" tells of the cluster, see -o cluster_file.
            """, valueName: "file"))
    var cluster: String?

    @Option(
        name: .customLong("name"),
        help: ArgumentHelp("Which node of --cluster this is.", valueName: "node"))
    var name: String?

    @Flag(
        name: .customLong("front"),
        help: """
            With --cluster, instead of --name: holds nothing and answers for every key, by passing commands on to \
            the nodes, which must have peers. One on each web server.
            """)
    var front = false

    @Option(
        name: [.customShort("p", allowingJoined: true), .customLong("port")],
        parsing: .unconditional,
        help: ArgumentHelp(
            "TCP port; 0 is off, -1 any free one. (default: 11211)", valueName: "num"))
    var port: String?

    @Option(
        name: [.customShort("U", allowingJoined: true), .customLong("udp-port")],
        parsing: .unconditional,
        help: ArgumentHelp("UDP port: only 0 (off), UDP is not supported.", valueName: "num"))
    var udpPort: String?

    @Option(
        name: [.customShort("s", allowingJoined: true), .customLong("unix-socket")],
        help: ArgumentHelp("Unix socket to listen on; disables TCP.", valueName: "file"))
    var unixSocket: String?

    @Option(
        name: [.customShort("a", allowingJoined: true), .customLong("unix-mask")],
        help: ArgumentHelp(
            "Access mask of the Unix socket, octal. (default: 700)", valueName: "mask"))
    var unixMask: String?

    @Flag(
        name: [.customShort("A"), .customLong("enable-shutdown")],
        help: "Enable the command \"shutdown\".")
    var enableShutdown = false

    @Option(
        name: [.customShort("l", allowingJoined: true), .customLong("listen")],
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Address to listen on, with :port or without; several by commas or by several -l. \"*\" is all. With -Z, notls: before it is clear text, btls: TLS without certificates of clients, mtls: TLS with. (default: 127.0.0.1)",
            valueName: "addr"))
    var listen: [String] = []

    @Flag(
        name: [.customShort("Z"), .customLong("enable-ssl")],
        help: "TLS, with the certificate that -o ssl_chain_cert names.")
    var enableSSL = false

    @Option(
        name: [.customShort("Y", allowingJoined: true), .customLong("auth-file")],
        help: ArgumentHelp(
            """
            Users and passwords, lines user:password: peers have to log in before anything else, by "set" \
            with "user password" as the value, or by SASL PLAIN in the binary protocol. \
            Read again on SIGHUP.
            """, valueName: "file"))
    var authFile: String?

    @Flag(
        name: [.customShort("S"), .customLong("enable-sasl")],
        help: "Binary protocol only, with SASL PLAIN for the users of -Y.")
    var enableSASL = false

    @Flag(
        name: [.customShort("d"), .customLong("daemon")],
        help: "Run in the background; returns when it serves, or has failed to.")
    var daemon = false

    @Flag(
        name: .customLong("supervise"),
        help: """
            Run the node as a process of its own, hold its listening sockets, and start it again when it \
            dies, or hangs (-o watchdog): who connects meanwhile waits. SIGUSR2 replaces the node by a new one.
            """)
    var supervise = false

    @Option(
        name: .customLong("admin"),
        help: ArgumentHelp(
            """
            Serve the operator's page, /metrics, /healthz and /readyz by HTTP: at PORT of this machine, HOST:PORT, \
            :PORT (every address) or the path of a Unix socket. Where others can come it needs TLS and \
            passwords, by -o admin_chain_cert, admin_key and admin_auth_file.
            """, valueName: "addr"))
    var admin: String?

    @Flag(
        name: [.customShort("r"), .customLong("enable-coredumps")],
        help: "Raise the limit on core files, which hold sessions; without it there are none.")
    var enableCoredumps = false

    @Option(
        name: [.customShort("u", allowingJoined: true), .customLong("user")],
        help: ArgumentHelp("User to become, when started as root.", valueName: "user"))
    var user: String?

    @Option(
        name: [.customShort("m", allowingJoined: true), .customLong("memory-limit")],
        parsing: .unconditional,
        help: ArgumentHelp(
            "Memory for items, all overhead included, in megabytes. (default: 64)",
            valueName: "num"))
    var memoryLimit: String?

    @Flag(
        name: [.customShort("M"), .customLong("disable-evictions")],
        help: "Refuse to store when memory is full, instead of evicting.")
    var disableEvictions = false

    @Option(
        name: [.customShort("c", allowingJoined: true), .customLong("conn-limit")],
        parsing: .unconditional,
        help: ArgumentHelp(
            "Clients at the same time. (default: 1024)",
            valueName: "num"))
    var connectionLimit: String?

    @Flag(name: [.customShort("k"), .customLong("lock-memory")], help: "Lock item memory.")
    var lockMemory = false

    @Flag(
        name: [.customShort("v"), .customLong("verbose")],
        help:
            "Log warnings and notes; -vv also connections and commands, with keys where they may be shown."
    )
    var verbose: Int

    @Flag(name: [.customShort("V"), .customLong("version")], help: "Print the version and exit.")
    var version = false

    @Option(
        name: [.customShort("P", allowingJoined: true), .customLong("pidfile")],
        help: ArgumentHelp("Write the process ID to a file.", valueName: "file"))
    var pidFile: String?

    @Option(
        name: [.customShort("f", allowingJoined: true), .customLong("slab-growth-factor")],
        parsing: .unconditional,
        help: ArgumentHelp("No meaning here: there are no slabs.", valueName: "num"))
    var growthFactor: String?

    @Option(
        name: [.customShort("n", allowingJoined: true), .customLong("slab-min-size")],
        parsing: .unconditional,
        help: ArgumentHelp("No meaning here: there are no slabs.", valueName: "bytes"))
    var slabMinimum: String?

    @Flag(
        name: [.customShort("L"), .customLong("enable-largepages")],
        help: "No meaning here: large pages are used where the kernel has them.")
    var enableLargePages = false

    @Option(
        name: [.customShort("D", allowingJoined: true), .customLong("stat-key-prefix")],
        help: ArgumentHelp(
            "Delimiter of key prefixes for \"stats detail\", which is then on. (default: :)",
            valueName: "char"))
    var prefixDelimiter: String?

    @Option(
        name: [.customShort("t", allowingJoined: true), .customLong("threads")],
        parsing: .unconditional,
        help: ArgumentHelp(
            "Worker threads. (default: one per processor that it may use)", valueName: "num"))
    var threads: String?

    @Option(
        name: [.customShort("R", allowingJoined: true), .customLong("max-reqs-per-event")],
        parsing: .unconditional,
        help: ArgumentHelp(
            "Commands of one connection before others get their turn. (default: 20)",
            valueName: "num"))
    var requestsPerEvent: String?

    @Flag(name: [.customShort("C"), .customLong("disable-cas")], help: "Keep no CAS uniques.")
    var disableCAS = false

    @Option(
        name: [.customShort("b", allowingJoined: true), .customLong("listen-backlog")],
        parsing: .unconditional,
        help: ArgumentHelp("Length of the listen backlog. (default: 1024)", valueName: "num"))
    var backlog: String?

    @Option(
        name: [.customShort("B", allowingJoined: true), .customLong("protocol")],
        help: ArgumentHelp(
            "ascii, auto or binary; auto is binary for a connection whose first byte is 0x80, and text for others. (default: auto)",
            valueName: "name"))
    var bindingProtocol: String?

    @Option(
        name: [.customShort("I", allowingJoined: true), .customLong("max-item-size")],
        parsing: .unconditional,
        help: ArgumentHelp(
            "Largest item, in bytes or with k or m; at least 1k, at most 129m and half of -m. (default: 1m)",
            valueName: "num"))
    var itemSizeMax: String?

    @Option(
        name: [.customShort("e", allowingJoined: true), .customLong("memory-file")],
        help: ArgumentHelp(
            """
            Keep items in this file, on tmpfs or disk: they survive any death of the process. Its size \
            is -m; with another -m at the next start the items move to a file of that size.
            """, valueName: "file"))
    var memoryFile: String?

    @Flag(
        name: [.customShort("F"), .customLong("disable-flush-all")],
        help: "Disable the command \"flush_all\".")
    var disableFlushAll = false

    @Flag(
        name: [.customShort("W"), .customLong("disable-watch")],
        help: "Disable the command \"watch\".")
    var disableWatch = false

    @Flag(
        name: [.customShort("X"), .customLong("disable-dumping")],
        help: ArgumentHelp(
            """
            Disable all commands that show keys: \"lru_crawler metadump\" and \"mgdump\", \
            \"stats cachedump\", \"stats detail\", \"watch\" of anything but connections. Over TCP they \
            are disabled anyway, unless -o show_keys is given.
            """))
    var disableDumping = false

    @Option(
        name: [.customShort("o", allowingJoined: true), .customLong("extended")],
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            """
            Comma-separated: idle_timeout=SECONDS (0 is off), output_timeout=SECONDS (who takes nothing of \
            what it is owed for so long is dropped, 0 is off, default 60), maxconns_fast or no_maxconns_fast, \
            predecessor=HOST:PORT (a memcached whose place this node takes: what is not here is looked for there, \
            and moves over; several times for several servers, with predecessor_ring=RULE, by which clients \
            chose among them), predecessor_cluster=PATH (the definition of those, instead), \
            predecessor_timeout=MILLISECONDS (a client waits for it at most so long, default 500), \
            predecessor_exptime=TIME (of items of a memcached before 1.6, which does not tell how long they \
            have to live, default 1d), damaged_file=refuse or damaged_file=aside (a memory file that cannot be taken over \
            keeps the node from starting, or is kept under another name; default refuse), \
            eviction=probation or eviction=lru, probation=PERCENT (share of memory that items never \
            read back keep, default 5), proof_age=SECONDS (from which age a read proves an item, \
            default 1), lock_keys=PREFIX or lock_keys=*SUFFIX (keys that are locks, several times: an add \
            that finds one held waits until it is deleted, first come first served), \
            lock_wait=MILLISECONDS (at most so long, default 700), lock_waiters=COUNT and \
            lock_waiters_all=COUNT (at most so many for one lock, default 64, and for all, default \
            4096), checksums=on or checksums=off (of the items in the memory file; on by \
            default, unless it is on tmpfs), track_sizes, classic_exptime, show_keys (keys are shown over TCP \
            too, see -X), no_lru_crawler (no dumps until \"lru_crawler enable\"), cluster_file=PATH \
            (the definition of the cluster, whose nodes \"config get cluster\" then names; read again \
            when it changes), sandbox (once it serves, the process opens no other files, starts no \
            programs and connects to nobody), watchdog=SECONDS (with --supervise: a node that is silent for so \
            long is killed and started again, 0 is off, default 2), debugtime (for tests: clients may move the clock). \
            With --admin: admin_auth_file=PATH (users and passwords, as -Y has them), \
            admin_chain_cert=PATH and admin_key=PATH (TLS, as ssl_chain_cert and ssl_key), \
            admin_ca_cert=PATH (who signs the other members' certificates). \
            With -Z: ssl_chain_cert=PATH (the certificate, then its issuers', PEM), ssl_key=PATH (its \
            key, unless that is in ssl_chain_cert), ssl_keyformat=PEM or ssl_keyformat=DER, \
            ssl_ca_cert=PATH (who signs certificates of clients), ssl_verify_mode=0, 1, 2 or 3 (asks \
            for no certificate, asks, requires one, the same; default 0), ssl_min_version=2 or \
            ssl_min_version=3 (TLS 1.2 or 1.3, default 3), ssl_ciphers=LIST, ssl_session_cache, \
            ssl_kernel_tls, ssl_wbuf_size=KILOBYTES (of a record, at most and by default 16), \
            ssl_handshakes=COUNT (at most so many at a time, others wait, default 1024), \
            ssl_handshake_timeout=SECONDS (at most so long, default 10). \
            With -Y: auth_timeout=SECONDS (who has not logged in by then is dropped, default 10), \
            auth_mtls (a client's certificate that was verified is a login), auth_shared_file (others may \
            read the file of -Y). With -s: auth_uids=USER:USER (these users of the machine are logged in, \
            others are not). \
            memcached's tuning of slabs, LRU and hash table is accepted, noted at -v, and has no \
            effect.
            """, valueName: "options"))
    var extended: [String] = []
}
