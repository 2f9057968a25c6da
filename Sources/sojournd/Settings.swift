import CacheNode
import ClusterFile
import Glibc
import HashRing
import Logging

/// Why the process does not serve: one line for the user, and an exit status. Unless another is given, it
/// is the command line that is wrong.
struct Refusal: Error, Equatable {
    var message: String
    var status: Int32

    static let failure: Int32 = 1
    // Those of sysexits.h. memcached ends with 1 for some wrong command lines, and with 64 for others.
    static let usage: Int32 = 64
    static let noUser: Int32 = 67
    static let osError: Int32 = 71

    init(_ message: String, status: Int32 = Refusal.usage) {
        self.message = message
        self.status = status
    }
}

/// What the command line says, checked.
struct Settings {
    var node = NodeConfiguration()
    var supervises = false
    var runsAsDaemon = false
    /// Lets go of its output when it serves. So does the node of a supervisor in the background.
    var detachesOutput = false
    var raisesCoreLimit = false
    var user: String?
    var pidFile: String?
    /// Where the ports are written to, as memcached does it for its tests.
    var portFile: String?
    /// Said when the log is there, at any verbosity.
    var warning: String?
    /// Flags that were accepted and do nothing; said at -v.
    var notes: [String] = []
    private var isConnectionCountGiven = false
    private var usesProbation = true
    private var probationPercent: Int?
    private var proofAgeSeconds: Int?

    init(_ command: SojourndCommand, _ handedOver: HandedOver) throws(Refusal) {
        node.verbosity = command.verbose
        node.version = Version.own
        supervises = command.supervise
        runsAsDaemon = command.daemon
        detachesOutput = command.daemon
        raisesCoreLimit = command.enableCoredumps
        user = command.user
        pidFile = command.pidFile.map { path($0) }
        portFile = Process.environment("MEMCACHED_PORT_FILENAME").map { path($0) }
        try readMemory(command)
        try readConnections(command)
        try readListening(command)
        try take(handedOver, command)
        try readProtocol(command)
        for option in command.extended.flatMap({ $0.split(separator: ",") }) {
            try readExtended(option)
        }
        try setEviction()
        if command.growthFactor != nil { try checkGrowthFactor(command) }
        if command.enableLargePages { note("-L", "large pages are used where the kernel has them") }
    }

    /// A daemon leaves the directory in which its paths were meant.
    private func path(_ text: String) -> String {
        detachesOutput ? Process.absolute(text) : text
    }

    private mutating func note(_ flag: String, _ reason: String) {
        notes.append("\(flag) has no effect: \(reason)")
    }

    // MARK: Memory

    private mutating func readMemory(_ command: SojourndCommand) throws(Refusal) {
        if let text = command.memoryLimit {
            guard let megabytes = Int(text), megabytes >= 0, megabytes <= 1 << 20 else {
                throw Refusal(
                    "Memory limit must be a number of megabytes up to 1048576, not \"\(text)\"")
            }
            node.memoryByteCount = megabytes << 20
        }
        if let text = command.itemSizeMax { node.itemByteCountMax = try Self.size(text) }
        let limit = node.itemByteCountMax
        guard limit >= 1_024 else {
            throw Refusal("Item max size cannot be less than 1024 bytes.")
        }
        guard limit <= 129 << 20 else {
            throw Refusal("Item max size cannot be more than 129m.")
        }
        guard limit <= node.memoryByteCount / 2 else {
            throw Refusal(
                "Cannot set item size limit higher than 1/2 of memory max. "
                    + "(-I \(limit) needs -m \((limit * 2 + (1 << 20) - 1) >> 20) or more)")
        }
        node.evicts = !command.disableEvictions
        node.memoryFile = command.memoryFile.map { path($0) }
        guard command.memoryFile != "" else { throw Refusal("-e needs a path") }
        node.assignsCASUniques = !command.disableCAS
        node.locksPages = command.lockMemory
        if let text = command.slabMinimum {
            guard let size = Int(text), size > 0 else {
                throw Refusal("Chunk size must be greater than 0")
            }
            node.tuning.chunkByteCount = size
            note("-n", "there are no slabs")
        }
    }

    /// Bytes, or with `k` or `m`.
    private static func size(_ text: String) throws(Refusal) -> Int {
        let digits: Substring
        let unit: Int
        switch text.last {
        case "k", "K": (digits, unit) = (text.dropLast(), 1 << 10)
        case "m", "M": (digits, unit) = (text.dropLast(), 1 << 20)
        default: (digits, unit) = (text[...], 1)
        }
        guard let number = Int(digits), number >= 0, number <= 1 << 32 else {
            throw Refusal(
                "Item max size must be a number of bytes, or one with k or m, not \"\(text)\"")
        }
        return number * unit
    }

    private mutating func checkGrowthFactor(_ command: SojourndCommand) throws(Refusal) {
        guard let factor = command.growthFactor.flatMap(Double.init), factor > 1 else {
            throw Refusal("Factor must be greater than 1")
        }
        node.tuning.growthFactor = factor
        note("-f", "there are no slabs")
    }

    // MARK: Connections

    private mutating func readConnections(_ command: SojourndCommand) throws(Refusal) {
        node.threadCount = min(Processors.count, Self.threadCountMax)
        if let text = command.threads {
            guard let count = Int(text), count > 0 else {
                throw Refusal("Number of threads must be greater than 0")
            }
            guard count <= Self.threadCountMax else {
                throw Refusal("Number of threads cannot be more than \(Self.threadCountMax)")
            }
            node.threadCount = count
        }
        if let text = command.connectionLimit {
            guard let count = Int(text), count > 0, count <= Int(Int32.max) else {
                throw Refusal("Maximum connections must be greater than 0")
            }
            node.connectionCountMax = count
            isConnectionCountGiven = true
        }
        if let text = command.requestsPerEvent {
            guard let count = Int(text), count > 0 else {
                throw Refusal("Number of requests per event must be greater than 0")
            }
            node.commandsPerTurn = count
        }
        if let text = command.backlog {
            guard let length = Int32(text), length >= 0 else {
                throw Refusal("Listen backlog must be a number, not \"\(text)\"")
            }
            node.backlog = Int(length)
        }
    }

    private static let threadCountMax = 256

    /// Lets the process open what `-c` and `-t` need. What was not asked for becomes less where the system
    /// does not allow it; what was is refused.
    mutating func raiseDescriptorLimit() throws(Refusal) {
        let needed = node.descriptorCountMax
        guard let limit = Process.raiseDescriptorLimit(to: needed) else { return }
        let possible = limit - (needed - node.connectionCountMax)
        let reason =
            "\(node.connectionCountMax) connections and \(node.threadCount) threads need "
            + "\(needed) descriptors, and the limit of open files is \(limit)"
        guard possible > 0, !isConnectionCountGiven else {
            let hint = possible > 0 ? ", or use -c \(possible) or less" : ""
            throw Refusal("\(reason); raise it ('ulimit -Hn')\(hint)", status: Refusal.osError)
        }
        warning = "\(reason): only \(possible) connections are admitted"
        node.connectionCountMax = possible
    }

    // MARK: Listening

    private mutating func readListening(_ command: SojourndCommand) throws(Refusal) {
        if let text = command.udpPort {
            guard Int(text) == 0 else {
                throw Refusal(
                    "UDP is not supported (-U \(text)): it has been abused for amplification "
                        + "attacks, and no session client needs it; use -U 0 or leave it out")
            }
        }
        if let path = command.unixSocket {
            guard !path.isEmpty else { throw Refusal("-s needs a path") }
            let mask = command.unixMask ?? "700"
            guard let mode = UInt32(mask, radix: 8), mode <= 0o777 else {
                throw Refusal("Access mask must be octal, at most 777, not \"\(mask)\"")
            }
            node.listening = .unix(path: self.path(path), mode: mode)
            return
        }
        let port = try Self.port(command.port ?? "11211")
        let hosts = command.listen.flatMap { $0.split(separator: ",") }
        node.interfaces = hosts.isEmpty ? nil : hosts.joined(separator: ",")
        if port == nil {
            throw Refusal(
                "Nothing to listen on: -p 0 turns TCP off, and there is no -s")
        }
        var places: [(host: String?, port: Int)] = []
        for host in hosts.isEmpty ? ["127.0.0.1"] : hosts {
            places.append(try Self.place(String(host), port: port ?? 0))
        }
        node.listening = .tcp(places)
    }

    /// Sockets that are there already are listened on, and nothing else.
    private mutating func take(
        _ handedOver: HandedOver, _ command: SojourndCommand
    ) throws(Refusal) {
        if handedOver.isSupervised {
            // These are the supervisor's.
            (supervises, runsAsDaemon, pidFile) = (false, false, nil)
        } else if !handedOver.sockets.isEmpty {
            let flags = [
                ("-p", command.port != nil), ("-l", !command.listen.isEmpty),
                ("-s", command.unixSocket != nil), ("-a", command.unixMask != nil),
                ("-b", command.backlog != nil),
            ]
            if let flag = flags.first(where: \.1)?.0 {
                throw Refusal(
                    "\(flag) has no meaning where the listening sockets are handed over "
                        + "(LISTEN_FDS): leave it out, or say it in systemd's socket unit")
            }
        }
        if !handedOver.sockets.isEmpty { node.listening = .handedOver(handedOver.sockets) }
    }

    func writePIDFile(_ logger: Logger) {
        if let path = pidFile, let problem = Process.write("\(getpid())\n", to: path) {
            logger.error("\(problem)")
        }
    }

    /// Unless it is another process's by now.
    func removePIDFile() {
        guard let path = pidFile, Process.read(path) == "\(getpid())\n" else { return }
        unlink(path)
    }

    /// Nothing for 0, which is off; 0, which is any port, for -1.
    private static func port(_ text: String) throws(Refusal) -> Int? {
        guard let number = Int(text), (-1...65_535).contains(number) else {
            throw Refusal("ERROR: Invalid port number \(text).")
        }
        if number == 0 { return nil }
        return max(number, 0)
    }

    /// `host`, `host:port`, `v6`, `[v6]`, `[v6]:port`; `*` is every address.
    private static func place(
        _ text: String, port: Int
    ) throws(Refusal) -> (host: String?, port: Int) {
        if text.hasPrefix("proto[") || text.hasPrefix("notls:") || text.hasPrefix("tag[") {
            throw Refusal(
                "Listeners with a protocol, a tag or TLS of their own are not supported: \(text)")
        }
        var host = text[...]
        var portText: Substring?
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
            let rest = host[host.index(after: end)...]
            if rest.hasPrefix(":") { portText = rest.dropFirst() }
            host = host[host.index(after: host.startIndex)..<end]
        } else if host.count(where: { $0 == ":" }) == 1, let colon = host.firstIndex(of: ":") {
            portText = host[host.index(after: colon)...]
            host = host[..<colon]
        }
        var own = port
        if let portText {
            guard let number = Int(portText), (1...65_535).contains(number) else {
                throw Refusal("ERROR: Invalid port number \(portText).")
            }
            own = number
        }
        return (host == "*" ? nil : String(host), own)
    }

    // MARK: Protocol

    private mutating func readProtocol(_ command: SojourndCommand) throws(Refusal) {
        if let name = command.bindingProtocol {
            guard let chosen = NodeConfiguration.BindingProtocol(rawValue: name) else {
                throw Refusal(
                    "Invalid value for binding protocol: \(name) "
                        + "-- should be one of auto, binary, or ascii")
            }
            node.bindingProtocol = chosen
        }
        node.isFlushAllowed = !command.disableFlushAll
        node.isDumpAllowed = !command.disableDumping
        node.isWatchAllowed = !command.disableWatch
        node.isShutdownAllowed = command.enableShutdown
        if let delimiter = command.prefixDelimiter {
            guard let byte = delimiter.utf8.first, delimiter.utf8.count == 1 else {
                throw Refusal("-D needs one character")
            }
            node.prefixDelimiter = byte
            node.collectsPrefixDetail = true
        }
    }

    // MARK: -o

    /// Settings of memcached's machinery that this node does not have, and whether they need a
    /// value. Each also has a form with `no_` in front.
    private static let withoutMeaning: [String: Bool] = [
        "hashpower": true, "hashexpand": false, "tail_repair_time": true, "hash_algorithm": true,
        "lru_crawler_sleep": true, "lru_crawler_tocrawl": true, "lru_maintainer": false,
        "hot_lru_pct": true, "warm_lru_pct": true,
        "hot_max_factor": true, "warm_max_factor": true, "temporary_ttl": true,
        "slab_reassign": false, "slab_automove": true, "slab_automove_ratio": true,
        "slab_automove_window": true, "slab_automove_freeratio": true, "slab_chunk_max": true,
        "watcher_logbuf_size": true, "worker_logbuf_size": true, "read_buf_mem_limit": true,
        "read_obj_mem_limit": true, "resp_obj_mem_limit": true, "modern": false,
        "inline_ascii_resp": false, "drop_privileges": false, "relaxed_privileges": false,
    ]

    private mutating func readEviction(_ value: String?) throws(Refusal) {
        switch value {
        case "probation": usesProbation = true
        case "lru": usesProbation = false
        default:
            throw Refusal("eviction must be probation or lru, not \"\(value ?? "")\"")
        }
    }

    private static func number(
        _ name: String, _ value: String?, _ range: ClosedRange<Int>
    ) throws(Refusal) -> Int {
        guard let value else { throw Refusal("Missing numeric argument for \(name)") }
        guard let number = Int(value), range.contains(number) else {
            throw Refusal(
                "\(name) must be \(range.lowerBound) to \(range.upperBound), not \"\(value)\"")
        }
        return number
    }

    /// The three options of eviction together.
    private mutating func setEviction() throws(Refusal) {
        guard usesProbation else {
            guard probationPercent == nil, proofAgeSeconds == nil else {
                throw Refusal("probation and proof_age have no meaning with eviction=lru")
            }
            return node.setEviction(probationPercent: nil, proofAgeSeconds: nil)
        }
        node.setEviction(
            probationPercent: probationPercent ?? NodeConfiguration.probationPercentDefault,
            proofAgeSeconds: proofAgeSeconds ?? NodeConfiguration.proofAgeDefault)
    }

    private mutating func readExtended(_ option: Substring) throws(Refusal) {
        let parts = option.split(separator: "=", maxSplits: 1)
        guard let first = parts.first else { throw Refusal("Illegal suboption \"\(option)\"") }
        let name = String(first)
        let value = parts.count > 1 ? String(parts[1]) : nil
        switch name {
        case "idle_timeout":
            guard let value else { throw Refusal("Missing numeric argument for idle_timeout") }
            guard let seconds = Int(value), seconds >= 0, seconds <= Int(Int32.max) else {
                throw Refusal("idle_timeout must be a number of seconds, not \"\(value)\"")
            }
            node.idleTimeoutSeconds = seconds
        case "maxconns_fast": node.connectionLimitRule = .refuse
        case "no_maxconns_fast", "nomaxconns_fast": node.connectionLimitRule = .wait
        case "track_sizes": node.tracksSizes = true
        case "no_track_sizes": node.tracksSizes = false
        case "classic_exptime": node.exptimeRule = .classic
        case "debugtime": node.knowsDebugtime = true
        case "show_keys": node.showsKeys = true
        case "lru_crawler": node.isCrawlerEnabled = true
        case "no_lru_crawler": node.isCrawlerEnabled = false
        case "cluster_file":
            guard let value else { throw Refusal("cluster_file needs the path of a definition") }
            node.cluster = ClusterSource(path: path(value)) { path in
                let definition = try ClusterDefinition(contentsOf: path)
                guard definition.isPlacedByAddressAlone else {
                    throw DefinitionError(
                        file: path, line: nil, field: "nodes",
                        problem: "'config get cluster' cannot tell weights and ring names: clients "
                            + "that follow it would look for keys at other nodes")
                }
                return definition.nodes.map {
                    ClusterListing.Place(host: $0.host, port: $0.port)
                }
            }
        case "damaged_file":
            guard let rule = value.flatMap(NodeConfiguration.DamagedFileRule.init) else {
                throw Refusal(
                    "damaged_file must be refuse or aside, not \"\(value ?? "")\"",
                    status: Refusal.usage)
            }
            node.damagedFileRule = rule
        case "eviction": try readEviction(value)
        case "checksums":
            guard value == "on" || value == "off" else {
                throw Refusal("checksums must be on or off, not \"\(value ?? "")\"")
            }
            node.checksums = value == "on"
        case "probation":
            probationPercent = try Self.number(
                name, value, NodeConfiguration.probationPercentRange)
        case "proof_age":
            proofAgeSeconds = try Self.number(name, value, NodeConfiguration.proofAgeRange)
        default:
            let bare = name.hasPrefix("no_") ? String(name.dropFirst(3)) : name
            guard let needsValue = Self.withoutMeaning[bare] else {
                throw Refusal("Illegal suboption \"\(option)\"")
            }
            guard !needsValue || value != nil || name != bare else {
                throw Refusal("Missing argument for \(name)")
            }
            // `stats settings` shows what was said of some of them.
            _ = node.tuning.take(option: name, value)
            note("-o \(name)", "this node has no such machinery")
        }
    }
}

/// What `--version` shows and `stats` calls `sojourn_version`.
enum Version {
    static let own = "0.1.0"
}
