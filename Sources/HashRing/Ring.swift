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
/// ring.indices(for: "session:4f1c", count: 2)   // the first choice, then the second copy
/// ```
public struct Ring: Sendable {
    /// All nodes, also those that are left out, in the order in which they were given.
    public let nodes: [Node]
    /// The rule by which keys are placed.
    public let strategy: Strategy
    /// What hashes a key; nil for a strategy that has something else.
    public let keyHash: KeyHash?
    /// Around the part of a key that alone is hashed; nil hashes the whole key.
    public let hashTag: HashTag?
    /// Indices of the nodes that get keys, ascending: all of them unless some are left out.
    public let liveIndices: [Int]

    let selection: Selection
    let retrying: Retrying
    /// Tries after which the nodes come in turn.
    let tryCountMax: Int
    /// By index. Empty when all are.
    let isLive: [Bool]
    /// Without points, if the strategy has none.
    let continuum: Continuum
    /// Empty, if the strategy has none.
    let slots: [UInt32]
    /// What a key is scored with, by index: `host:port-`. Empty, if the strategy does not score.
    let scoringNames: [[UInt8]]

    /// The largest number of nodes that a ring takes.
    public static let nodeCountMax = 10_000

    /// A ring of these nodes. Without a `keyHash` it is the strategy's own; `hashTag` has the characters
    /// around the part of a key that decides alone, if it has that part.
    ///
    /// - Throws: for no nodes, nodes that are the same, or a node whose host, port or weight is invalid.
    public init(
        nodes: [Node], strategy: Strategy = .ketamaWeighted, keyHash: KeyHash? = nil,
        hashTag: HashTag? = nil
    ) throws(RingError) {
        try Self.validate(nodes, for: strategy)
        if let keyHash, !strategy.takesKeyHash {
            throw .keyHashNotTaken(strategy: strategy, keyHash: keyHash)
        }
        try self.init(
            validNodes: nodes, strategy: strategy, keyHash: keyHash ?? strategy.keyHash,
            hashTag: hashTag, live: Array(nodes.indices))
    }

    private init(
        validNodes nodes: [Node], strategy: Strategy, keyHash: KeyHash?, hashTag: HashTag?,
        live: [Int]
    ) throws(RingError) {
        guard !live.isEmpty else { throw .noNodesLeft }
        self.nodes = nodes
        self.strategy = strategy
        self.keyHash = keyHash
        self.hashTag = hashTag
        liveIndices = live
        selection = strategy.selection
        retrying = strategy.retrying

        let isForgetting = strategy.forgetsNodesLeftOut
        let points = Points(nodes: nodes, live: isForgetting ? live : Array(nodes.indices))
        continuum = Continuum(
            try points.points(strategy, keyHash: keyHash),
            tie: strategy == .spymemcached ? .lastNode : .firstNode)
        slots = try points.slots(strategy)
        scoringNames = selection == .score ? nodes.map { Array("\($0.hostAndPort)-".utf8) } : []
        tryCountMax =
            retrying.tryCountMax ?? max(continuum.count, slots.count, scoringNames.count)
        var isLive: [Bool] = []
        if live.count < nodes.count {
            isLive = Array(repeating: false, count: nodes.count)
            for index in live { isLive[index] = true }
        }
        self.isLive = isLive
    }

    private static func validate(_ nodes: [Node], for strategy: Strategy) throws(RingError) {
        guard !nodes.isEmpty else { throw .noNodes }
        guard nodes.count <= nodeCountMax else {
            throw .tooManyNodes(count: nodes.count, limit: nodeCountMax)
        }
        var names: Set<String> = []
        // Of one server under two names both copies of an item would be lost together.
        var nodesByAddress: [String: String] = [:]
        // Of two nodes with the same points one would get no keys.
        var nodesByIdentity: [[UInt8]: String] = [:]
        for node in nodes {
            try node.validate()
            guard names.insert(node.name).inserted else { throw .duplicateName(node.name) }
            let address = "\(node.host):\(node.port)"
            if let other = nodesByAddress.updateValue(node.name, forKey: address) {
                throw .duplicateNode(other, node.name)
            }
            guard let identity = strategy.identity(of: node) else { continue }
            if let other = nodesByIdentity.updateValue(node.name, forKey: identity) {
                throw .samePoints(
                    other, node.name, strategy: strategy,
                    text: String(decoding: identity, as: UTF8.self))
            }
        }
    }

    /// The same ring, with the same indices, without keys for some nodes: those that are ejected.
    ///
    /// A key of a node left out goes where the strategy's client would take it next; where the client
    /// makes its ring anew from the rest, so does this. Only the keys of the nodes left out move, but for
    /// three cases in which the clients themselves move others: `twemproxyModula`; weighted ketama with
    /// unequal weights, where the rest gets more points; and weighted ketama when the number of live nodes
    /// comes to or leaves one at which libmemcached's rounding costs each node 4 of 160 points (25, 47, 50, 55
    /// and 61 are the first), where 1 key in 40 moves. The ring with nobody left out is again the first
    /// one.
    ///
    /// - Parameter indices: of nodes in `nodes`; the complete set, not an addition to an earlier one.
    public func leavingOut(_ indices: Set<Int>) throws(RingError) -> Ring {
        try Ring(
            validNodes: nodes, strategy: strategy, keyHash: keyHash, hashTag: hashTag,
            live: nodes.indices.filter { !indices.contains($0) })
    }
}
