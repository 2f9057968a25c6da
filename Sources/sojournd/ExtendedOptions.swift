import CacheNode
import SessionValues

/// What `-o` says: options, some with a value after `=`.
struct ExtendedOptions {
    /// Those that were accepted and do nothing, each with the reason.
    private(set) var withoutEffect: [(flag: String, reason: String)] = []
    private var usesProbation = true
    private var probationPercent: Int?
    private var proofAgeSeconds: Int?
    /// 0 is for ever.
    private(set) var watchdogSeconds: Int?
    /// Those that say how locks are waited for, in the order in which they were given.
    private var lockOptions: [String] = []
    /// Those of TLS.
    private(set) var tls = TLSOptions()
    private(set) var authentication = AuthenticationOptions()
    private(set) var admin = AdminOptions()
    private var timeouts = TimeoutOptions()
    private var predecessor = PredecessorOptions()
    /// A path as it will be meant later, when this process may be in another directory.
    private let path: (String) -> String

    /// - Parameter node: takes what they say.
    init(
        _ options: [String], node: inout NodeConfiguration, path: @escaping (String) -> String
    ) throws(Refusal) {
        self.path = path
        for option in options { try read(option[...], &node) }
        try setEviction(of: &node)
        try timeouts.apply(to: &node.space)
        try predecessor.apply(to: &node.space)
        if node.fence.seconds == 0, !node.fence.keys.isEmpty {
            throw Refusal("fence_keys has no meaning without fence")
        }
        if let name = lockOptions.first, node.locks.keys.isEmpty {
            throw Refusal("\(name) has no meaning without lock_keys")
        }
    }

    /// Those that are of no space.
    static let ofNode: Set<String> = [
        "id_key_file", "idle_timeout", "operator", "output_timeout", "sandbox", "top_sample",
        "watchdog",
        "admin_auth_file", "admin_ca_cert", "admin_chain_cert", "admin_key",
    ]

    static func name(of option: String) -> String {
        String(option.prefix { $0 != "=" })
    }

    /// Whether there is such an option, whatever its values are.
    static func knows(_ name: String) -> Bool {
        var node = NodeConfiguration()
        do throws(Refusal) {
            _ = try ExtendedOptions([name], node: &node) { $0 }
            return true
        } catch {
            return !error.message.hasPrefix("Illegal suboption")
        }
    }

    private mutating func read(
        _ option: Substring, _ node: inout NodeConfiguration
    ) throws(Refusal) {
        let parts = option.split(separator: "=", maxSplits: 1)
        guard let first = parts.first else { throw Refusal("Illegal suboption \"\(option)\"") }
        let name = String(first)
        let value = parts.count > 1 ? String(parts[1]) : nil
        switch name {
        case "maxconns_fast": node.connectionLimitRule = .refuse
        case "no_maxconns_fast", "nomaxconns_fast": node.connectionLimitRule = .wait
        case "track_sizes": node.tracksSizes = true
        case "no_track_sizes": node.tracksSizes = false
        case "classic_exptime": node.exptimeRule = .classic
        case "debugtime": node.knowsDebugtime = true
        case "show_keys": node.showsKeys = true
        case "sandbox": node.isSandboxed = true
        case "lru_crawler": node.isCrawlerEnabled = true
        case "no_lru_crawler": node.isCrawlerEnabled = false
        case "eviction": try readEviction(value)
        case "probation":
            probationPercent = try Self.number(
                name, value, NodeConfiguration.probationPercentRange)
        case "proof_age":
            proofAgeSeconds = try Self.number(name, value, NodeConfiguration.proofAgeRange)
        case "watchdog": watchdogSeconds = try Self.number(name, value, 0...3_600)
        case "idle_timeout", "output_timeout", "cluster_file", "damaged_file", "checksums":
            try readValue(name, value, &node)
        case "top_sample":
            node.topSampleInterval = try Self.number(
                name, value, 0...NodeRules.topSampleIntervalMax)
        case "id_key_file":
            guard let value, !value.isEmpty else {
                throw Refusal("id_key_file needs the path of a file with 32 digits from 0 to f")
            }
            node.idKeyFile = path(value)
        case "operator", "user_rule": try readOperators(name, value, &node)
        case "lock_keys", "lock_wait", "lock_waiters", "lock_waiters_all":
            try readLocks(name, value, &node)
        case _ where TimeoutOptions.names.contains(name): try timeouts.read(name, value)
        case "fence", "fence_keys": try readFence(name, value, &node)
        case _ where name.hasPrefix(PredecessorOptions.prefix):
            try predecessor.read(name, value, option: option, path: path)
        case _ where name.hasPrefix(TLSOptions.prefix):
            try tls.read(name, value, path: path)
        case _ where name.hasPrefix(AdminOptions.prefix):
            try admin.read(name, value, path: path)
        case _ where name.hasPrefix(AuthenticationOptions.prefix):
            try authentication.read(name, value)
        default: try readForeign(name, value, option, &node)
        }
    }

    /// Those of our own that have a value.
    private func readValue(
        _ name: String, _ value: String?, _ node: inout NodeConfiguration
    ) throws(Refusal) {
        switch name {
        case "idle_timeout": node.idleTimeoutSeconds = try Self.seconds(name, value)
        case "output_timeout": node.outputTimeoutSeconds = try Self.seconds(name, value)
        case "cluster_file":
            guard let value else { throw Refusal("cluster_file needs the path of a definition") }
            node.cluster = .definition(at: path(value))
        case "damaged_file":
            guard let rule = value.flatMap(NodeConfiguration.DamagedFileRule.init) else {
                throw Refusal("damaged_file must be refuse or aside, not \"\(value ?? "")\"")
            }
            node.damagedFileRule = rule
        default:
            guard value == "on" || value == "off" else {
                throw Refusal("checksums must be on or off, not \"\(value ?? "")\"")
            }
            node.checksums = value == "on"
        }
    }

    /// Those of operators who ask about sessions.
    private func readOperators(
        _ name: String, _ value: String?, _ node: inout NodeConfiguration
    ) throws(Refusal) {
        guard let value, !value.isEmpty else {
            throw Refusal(
                name == "operator"
                    ? "operator needs the path of a socket" : "user_rule needs a rule")
        }
        guard name == "user_rule" else {
            node.operatorSocket = path(value)
            return
        }
        do throws(UserRuleError) {
            node.userRule = try UserRule(value)
        } catch {
            throw Refusal("user_rule: \(error)")
        }
    }

    /// 0 is for ever.
    private static func seconds(_ name: String, _ value: String?) throws(Refusal) -> Int {
        guard let value else { throw Refusal("Missing numeric argument for \(name)") }
        guard let seconds = Int(value), seconds >= 0, seconds <= Int(Int32.max) else {
            throw Refusal("\(name) must be a number of seconds, not \"\(value)\"")
        }
        return seconds
    }

    // MARK: Fence

    private func readFence(
        _ name: String, _ value: String?, _ node: inout NodeConfiguration
    ) throws(Refusal) {
        guard name == "fence_keys" else {
            node.fence.seconds = try TimeoutOptions.seconds(
                name, value, max: FenceRules.secondsMax)
            return
        }
        try Self.add(name, value, to: &node.fence.keys, countMax: FenceRules.keysCountMax)
    }

    private static func add(
        _ name: String, _ value: String?, to all: inout [LockKeys], countMax: Int
    ) throws(Refusal) {
        guard let keys = LockKeys(value ?? "") else {
            throw Refusal(
                "\(name) must be a PREFIX of keys or a *SUFFIX, not \"\(value ?? "")\"")
        }
        guard !all.contains(keys) else { throw Refusal("\(name)=\(keys) is given twice") }
        guard all.count < countMax else {
            throw Refusal("\(name) can be given \(countMax) times at most")
        }
        all.append(keys)
    }

    // MARK: Locks

    private mutating func readLocks(
        _ name: String, _ value: String?, _ node: inout NodeConfiguration
    ) throws(Refusal) {
        switch name {
        case "lock_keys":
            return try Self.add(
                name, value, to: &node.locks.keys, countMax: LockRules.keysCountMax)
        case "lock_wait":
            node.locks.waitMilliseconds = try Self.number(
                name, value, LockRules.waitMillisecondsRange)
        case "lock_waiters":
            node.locks.waiterCountMaxPerKey = try Self.number(
                name, value, LockRules.waiterCountRange)
        default:
            node.locks.waiterCountMax = try Self.number(name, value, LockRules.waiterCountRange)
        }
        lockOptions.append(name)
    }

    // MARK: Eviction

    private mutating func readEviction(_ value: String?) throws(Refusal) {
        switch value {
        case "probation": usesProbation = true
        case "lru": usesProbation = false
        default:
            throw Refusal("eviction must be probation or lru, not \"\(value ?? "")\"")
        }
    }

    /// The three options of eviction together.
    private func setEviction(of node: inout NodeConfiguration) throws(Refusal) {
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

    static func number(
        _ name: String, _ value: String?, _ range: ClosedRange<Int>
    ) throws(Refusal) -> Int {
        guard let value else { throw Refusal("Missing numeric argument for \(name)") }
        guard let number = Int(value), range.contains(number) else {
            throw Refusal(
                "\(name) must be \(range.lowerBound) to \(range.upperBound), not \"\(value)\"")
        }
        return number
    }

    // MARK: memcached's

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

    private mutating func readForeign(
        _ name: String, _ value: String?, _ option: Substring, _ node: inout NodeConfiguration
    ) throws(Refusal) {
        let bare = name.hasPrefix("no_") ? String(name.dropFirst(3)) : name
        guard let needsValue = Self.withoutMeaning[bare] else {
            throw Refusal("Illegal suboption \"\(option)\"")
        }
        guard !needsValue || value != nil || name != bare else {
            throw Refusal("Missing argument for \(name)")
        }
        // `stats settings` shows what was said of some of them.
        _ = node.tuning.take(option: name, value)
        withoutEffect.append(("-o \(name)", "this node has no such machinery"))
    }
}
