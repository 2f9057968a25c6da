/// Which node holds a key: a pure function of the nodes, a strategy, and the key's bytes.
///
/// Goals: the same node as the strategy's own client or proxy picks, key for key; a lookup that
/// allocates nothing; values that are safe to share between threads.
/// Not goals: knowing which nodes answer (see `leavingOut`), resolving names.
///
/// Nodes are known by their index in `nodes`, which stays the same when some are left out, so that a
/// client can keep its pools in an array beside the ring.
///
/// ```swift
/// let ring = try Ring(nodes: [Node(host: "10.0.0.1"), Node(host: "10.0.0.2")])
/// ring.node(for: "session:4f1c").host
/// ring.indices(for: "session:4f1c", count: 2)   // the first choice, then the replica
/// ```
public struct Ring: Sendable {
    public let nodes: [Node]
    public let strategy: Strategy
    /// Indices of the nodes that get keys, ascending: all of them unless some are left out.
    public let liveIndices: [Int]

    let continuum: Continuum

    /// The largest number of nodes that a ring takes.
    public static let nodeCountMax = 10_000

    /// - Throws: for no nodes, nodes that are the same, or a node whose host, port or weight is invalid.
    public init(nodes: [Node], strategy: Strategy = .ketamaWeighted) throws(RingError) {
        guard !nodes.isEmpty else { throw .noNodes }
        guard nodes.count <= Self.nodeCountMax else {
            throw .tooManyNodes(count: nodes.count, limit: Self.nodeCountMax)
        }
        var names: Set<String> = []
        var nodesByRingName: [String: String] = [:]
        for node in nodes {
            try node.validate()
            guard names.insert(node.name).inserted else { throw .duplicateName(node.name) }
            if let other = nodesByRingName.updateValue(node.name, forKey: node.hostAndPort) {
                throw .duplicateNode(other, node.name)
            }
        }
        try self.init(validNodes: nodes, strategy: strategy, live: Array(nodes.indices))
    }

    private init(
        validNodes nodes: [Node], strategy: Strategy, live: [Int]
    ) throws(RingError) {
        guard !live.isEmpty else { throw .noNodesLeft }
        self.nodes = nodes
        self.strategy = strategy
        liveIndices = live
        continuum = Continuum(KetamaPoints.weighted(nodes, live: live))
    }

    /// The same ring, with the same indices, without keys for some nodes: those that are ejected.
    ///
    /// As in libmemcached and twemproxy the ring is computed anew from the rest. On a ketama ring of
    /// equal weights the rest keep their points, so that only the keys of the nodes left out move; and
    /// the ring without nobody left out is again the first one.
    ///
    /// - Parameter indices: of nodes in `nodes`; the complete set, not an addition to an earlier one.
    public func leavingOut(_ indices: Set<Int>) throws(RingError) -> Ring {
        try Ring(
            validNodes: nodes, strategy: strategy,
            live: nodes.indices.filter { !indices.contains($0) })
    }
}
