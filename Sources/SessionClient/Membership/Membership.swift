public import HashRing

/// Where a client learns which nodes there are.
///
/// The ring's points come from the nodes' host names and ports as they are written there; a name is
/// looked up whenever a connection is made, so that a node may move to another address.
public enum Membership: Sendable {
    /// These, always.
    case fixed([Node])
    /// Those of a cluster's definition, as `ClusterFile` reads it, with its strategy, hash and hash tag; at
    /// the start its number of copies, too. What the configuration says of these does not count. Its `tls` and
    /// `credentials_file` are read at the start, where the configuration has neither. The file
    /// is read again when it has changed, and taken when it is the same at two looks: better still, replace
    /// it in one step (`mv`). It has to be there at the start; afterwards a file that is gone or wrong
    /// changes nothing.
    ///
    /// - Parameter checkInterval: 10 ms to 1 h.
    case definition(path: String, checkInterval: Duration = .seconds(1))
    /// All IPv4 addresses of a name, or, if it has none, its IPv6 addresses: a server with both is one node.
    /// They are what the ring's points come from: nodes whose addresses change are other nodes. Where nodes have names of their own, use these, in a list.
    ///
    /// - Parameter refreshInterval: 10 ms to 1 h.
    case dns(name: String, port: Int = 11_211, refreshInterval: Duration = .seconds(30))
    /// What `config get definition` says, which any of Sojourn's nodes answers that has a definition: nodes
    /// with their weights, and strategy, hash and hash tag, which then count instead of the configuration's.
    /// Of other nodes what `config get cluster` says: hosts and ports. Those given here are asked at first,
    /// later all that are named.
    ///
    /// - Parameter refreshInterval: 10 ms to 1 h.
    case clusterConfiguration(seeds: [Node], refreshInterval: Duration = .seconds(30))
    /// What a function returns: for other sources, such as etcd.
    /// What it throws is logged, and changes nothing.
    ///
    /// - Parameter refreshInterval: 10 ms to 1 h.
    case custom(
        refreshInterval: Duration = .seconds(30), nodes: @Sendable () async throws -> [Node])
}

extension Membership {
    /// The time between two looks; none for a list that stays.
    var interval: Duration? {
        switch self {
        case .fixed: nil
        case .definition(_, let interval), .dns(_, _, let interval),
            .clusterConfiguration(_, let interval), .custom(let interval, _):
            interval
        }
    }

    func validate() throws(ConfigurationError) {
        guard let interval else { return }
        guard (.milliseconds(10) ... .seconds(3_600)).contains(interval) else {
            throw ConfigurationError("a membership's interval must be 10 ms to 1 h")
        }
    }
}
