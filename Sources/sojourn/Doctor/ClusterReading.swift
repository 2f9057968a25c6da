import ClusterFile
import HashRing

/// All nodes beside one another.
struct ClusterReading: Sendable {
    let definition: ClusterDefinition
    /// Whether somebody wrote it: else it is a list of addresses.
    let isDefined: Bool
    var nodes: [NodeReading]
    /// Who did not answer, and why.
    var silent: [(name: String, reason: String)] = []

    /// What nodes, and clients, have to agree on about places of keys.
    static func placement(of definition: ClusterDefinition) -> String {
        let nodes = definition.nodes.map { node in
            let place = node.inPlaceOf.map { " for \($0.host):\($0.port)" } ?? ""
            return "\(node.host):\(node.port)\(place), weight \(node.weight)"
        }
        return
            "\(definition.strategy.rawValue) \(definition.keyHash?.rawValue ?? "") "
            + "\(definition.copyCountForClients): " + nodes.joined(separator: "; ")
    }
}

extension ClusterCheck {
    /// What a client, or an operator, expects to be the same everywhere.
    static let commonSettings = [
        "eviction", "evictions", "probation", "proof_age", "exptime_rule", "idle", "absolute",
        "exptime_default", "exptime_max", "fence", "fence_keys", "lock_keys", "lock_wait",
        "item_size_max", "cas_enabled", "flush_enabled", "ssl_enabled", "auth_enabled_ascii",
        "auth_enabled_sasl", "user_rule",
    ]
    /// Strategies by which another number of nodes moves nearly all keys.
    static let moduloStrategies = [
        "modula", "twemproxy-modula", "python-memcached", "cache-memcached",
    ]

    static let all = [
        ClusterCheck("silent") { cluster in
            cluster.silent.map { name, reason in
                Finding(
                    .danger, "\(name) does not answer: \(reason)",
                    do: "start it, or look whether this machine may reach it")
            }
        },
        ClusterCheck("stranger") { cluster in
            cluster.nodes.filter { !$0.isOurs }.map {
                Finding(
                    .note,
                    "\($0.node.name) is \($0.statistics.program ?? "no node of ours"): little can be told of it",
                    do: "nothing, if that is meant")
            }
        },
        ClusterCheck("versions") { cluster in
            let names = grouped(cluster.nodes.filter(\.isOurs)) {
                $0.statistics["sojourn_version"] ?? ""
            }
            guard names.count > 1 else { return [] }
            return [
                Finding(
                    .warning, "nodes have different versions: " + told(names),
                    do: "finish the upgrade: sojourn cluster restart, see cluster/packages.md")
            ]
        },
        ClusterCheck("definitions") { cluster in
            var texts = grouped(cluster.nodes) {
                $0.definition.map { ClusterReading.placement(of: $0) }
            }
            if cluster.isDefined {
                texts[ClusterReading.placement(of: cluster.definition), default: []].append(
                    "the file")
            }
            guard texts.count > 1 else { return [] }
            return [
                Finding(
                    .danger,
                    "definitions differ, so that keys go to different nodes: "
                        + texts.values.map { $0.joined(separator: ", ") }.sorted()
                        .joined(separator: " have another one than "),
                    do:
                        "give every node, and every client, the same file; see cluster/README.md, Change"
                )
            ]
        },
        ClusterCheck("memory") { cluster in
            guard cluster.isDefined else { return [] }
            return cluster.nodes.compactMap { node in
                guard node.isOurs,
                    let member = cluster.definition.members.first(where: {
                        $0.node.name == node.node.name
                    }),
                    node.limitByteCount != member.memoryMegabytes << 20
                else { return nil }
                return Finding(
                    .warning,
                    "\(node.node.name) has \(DoctorText.megabytes(node.limitByteCount)), and the definition says "
                        + "\(member.memoryMegabytes) MB: it will be so again after a restart",
                    do: "change the definition, or the node (cache_memlimit)")
            }
        },
        ClusterCheck("settings") { cluster in
            let ours = cluster.nodes.filter(\.isOurs)
            return commonSettings.compactMap { name in
                let values = grouped(ours) { $0.settings[name] }
                guard values.count > 1 else { return nil }
                return Finding(
                    .warning, "nodes differ in \(name): " + told(values),
                    do: "the same flags for all, in the definition's defaults")
            }
        },
        ClusterCheck("clocks") { cluster in
            let known = cluster.nodes.compactMap { node in
                node.clockAhead.map { (name: node.node.name, ahead: $0) }
            }
            guard let first = known.min(by: { $0.ahead < $1.ahead }),
                let last = known.max(by: { $0.ahead < $1.ahead }),
                last.ahead - first.ahead > Check.clockSecondsMax
            else { return [] }
            return [
                Finding(
                    .warning,
                    "the clock of \(last.name) is \(last.ahead - first.ahead) s ahead of that of \(first.name)",
                    do: "synchronize the clocks (chrony, systemd-timesyncd)")
            ]
        },
        ClusterCheck("one-copy") { cluster in
            let definition = cluster.definition
            guard cluster.isDefined, definition.members.count > 1, definition.copyCount == 1 else {
                return []
            }
            return [
                Finding(
                    .note,
                    "each session is on one node: while that is away, its users are logged out",
                    do:
                        "`peers` in the definition, so that nodes keep copies: see cluster/copies.md"
                )
            ]
        },
        ClusterCheck("one-machine") { cluster in
            let definition = cluster.definition
            guard cluster.isDefined, definition.members.count > 1, definition.copyCount > 1,
                Set(definition.nodes.map(\.host)).count == 1,
                let host = definition.nodes.first?.host
            else { return [] }
            return [
                Finding(
                    NodeReading.isLoopback(host) ? .note : .warning,
                    "all nodes are on \(host): with that machine all copies are gone",
                    do: "a machine for each node")
            ]
        },
        ClusterCheck("modulo") { cluster in
            let name = cluster.definition.strategy.rawValue
            guard cluster.isDefined, cluster.definition.members.count > 1,
                moduloStrategies.contains(name)
            else { return [] }
            return [
                Finding(
                    .warning,
                    "\(name) moves nearly all keys when a node is added, removed, or ejected by a client: their users are "
                        + "logged out",
                    do:
                        "ketama-weighted, at a time when that costs least: sojourn ring --simulate tells what"
                )
            ]
        },
    ]

    /// The names of nodes by what they have; who has nothing is left out.
    private static func grouped(
        _ nodes: [NodeReading], by value: (NodeReading) -> String?
    ) -> [String: [String]] {
        var groups: [String: [String]] = [:]
        for node in nodes {
            if let value = value(node) { groups[value, default: []].append(node.node.name) }
        }
        return groups
    }

    private static func told(_ groups: [String: [String]]) -> String {
        groups.sorted { $0.key < $1.key }
            .map { "\($0.key) (\($0.value.joined(separator: ", ")))" }.joined(separator: ", ")
    }
}
