public import HashRing

/// Where a client learns which nodes there are.
///
/// The ring's points come from the nodes' host names and ports as they are written there; a name is
/// looked up whenever a connection is made, so that a node may move to another address.
public enum Membership: Sendable {
    /// These, always.
    case fixed([Node])
    /// Those in a file (see `NodeList`), which is read again when it has changed, and taken when it is the
    /// same at two looks: better still, replace it in one step (`mv`). It has to be there at the start;
    /// afterwards a file that is gone or makes no ring changes nothing.
    ///
    /// - Parameter checkInterval: 10 ms to 1 h.
    case file(path: String, checkInterval: Duration = .seconds(1))
    /// All IPv4 addresses of a name, or, if it has none, its IPv6 addresses: a server with both is one node.
    /// They are what the ring's points come from: nodes whose addresses change are other nodes. Where nodes have names of their own, use these, in a list.
    ///
    /// - Parameter refreshInterval: 10 ms to 1 h.
    case dns(name: String, port: Int = 11_211, refreshInterval: Duration = .seconds(30))
    /// What `config get cluster` says, which any of the nodes answers: those given here at first, later
    /// all that it names.
    ///
    /// - Parameter refreshInterval: 10 ms to 1 h.
    case clusterConfiguration(seeds: [Node], refreshInterval: Duration = .seconds(30))
    /// What a function returns: for other sources, such as a definition read by `ClusterFile`, or etcd.
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
        case .file(_, let interval), .dns(_, _, let interval),
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
