import ClusterFile
import HashRing

/// What is known of a node that answers. Checks see nothing else, so that tests can make it up.
struct NodeReading: Sendable {
    let node: Node
    /// `stats`.
    var statistics: NodeStatistics
    /// `stats settings`.
    var settings: NodeStatistics
    /// By how many seconds its clock is ahead of this machine's; whole seconds, as nodes tell no more.
    var clockAhead: Int?
    /// `config get definition`; nil where it has none.
    var definition: ClusterDefinition?
    /// Nil where its process is not on this machine.
    var process: ProcessReading?

    func number(_ name: String) -> Int { statistics.number(name) ?? 0 }

    /// Whether it is ours: of memcached little is known.
    var isOurs: Bool { statistics["sojourn_version"] != nil }
    /// Whether nodes keep copies.
    var hasPeers: Bool { statistics["cluster_state"] != nil }
    var limitByteCount: Int { number("limit_maxbytes") }
    /// The path of its memory file.
    var memoryFile: String? {
        settings["memory_file"].flatMap { $0 == "(null)" || $0.isEmpty ? nil : $0 }
    }
    /// Whether anybody has to log in.
    var asksForLogin: Bool {
        ["auth_enabled_ascii", "auth_enabled_sasl", "auth_mtls"].contains { settings[$0] == "yes" }
            || (settings["ssl_enabled"] == "yes" && (settings.number("ssl_verify_mode") ?? 0) >= 3)
    }

    /// Addresses beyond this machine at which it can be reached: those that it was told to listen on and, as systemd may
    /// hold its sockets, that by which it was asked.
    var outerAddresses: [String] {
        var found: [String] = []
        let told = settings["inter"].map { $0 == "NULL" ? "" : $0 } ?? ""
        for place in told.split(separator: ",") {
            var address = place
            for prefix in ["notls:", "btls:", "mtls:"] where address.hasPrefix(prefix) {
                address = address.dropFirst(prefix.count)
            }
            if !Self.isLoopback(String(address)) { found.append(String(place)) }
        }
        if found.isEmpty, !Self.isLoopback(node.host) { found.append(node.host) }
        return found
    }

    static func isLoopback(_ address: String) -> Bool {
        var host = address
        if host.hasPrefix("[") {
            host = String(host.dropFirst().prefix { $0 != "]" })
        } else if host.split(separator: ":", omittingEmptySubsequences: false).count == 2 {
            host = String(host.prefix { $0 != ":" })
        }
        return host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }
}

/// What this machine tells of a node's process, and of itself. Nil is what could not be read.
struct ProcessReading: Sendable {
    /// `Max open files`, as it is in force; nil is no limit.
    var descriptorLimit: Int?
    /// `Max core file size`.
    var coreLimit = 0
    var userID: Int?
    /// Of the memory for items, what it has taken from the machine already; nil where the items are on a disk.
    var hadByteCount: Int?
    var swappedByteCount: Int?
    var oomScoreAdjustment: Int?
    /// Of the control group.
    var memoryMax: Int?
    var availableByteCount: Int?
    /// `net.core.somaxconn`.
    var backlogMax: Int?
    /// `vm.overcommit_memory`.
    var overcommit: Int?
    /// The chosen word of `transparent_hugepage/enabled`.
    var hugePages: String?
    var file: FileSystemReading?
}

/// Where a memory file lies.
struct FileSystemReading: Sendable {
    enum Kind: Equatable, Sendable {
        case memory, disk
        /// Another machine has it; its name.
        case network(String)
        /// A container's own layer, which goes with it.
        case layer
    }

    var kind: Kind
    /// What is free for the node's user.
    var freeByteCount: Int

}
