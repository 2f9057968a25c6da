public import HashRing

/// One cluster, as its definition file describes it: the nodes, and where keys go.
///
/// Everything that has to agree reads the same file: applications through their client, the operator's tool,
/// and each node, which is told its name (`sojournd --cluster FILE --name a`). The format is in
/// `cluster/README.md`; a file is read by `init(contentsOf:)`.
public struct ClusterDefinition: Hashable, Sendable {
    /// One node: where it is on the ring, and how it is started.
    public struct Member: Hashable, Sendable {
        public var node: Node
        /// Megabytes for items: `-m`.
        public var memoryMegabytes: Int
        /// Where items survive the process, if anywhere: `-e`.
        public var memoryFile: String?
        /// Further arguments of `sojournd`.
        public var flags: [String]

        public init(
            node: Node, memoryMegabytes: Int = 64, memoryFile: String? = nil, flags: [String] = []
        ) {
            self.node = node
            self.memoryMegabytes = memoryMegabytes
            self.memoryFile = memoryFile
            self.flags = flags
        }
    }

    public var name: String
    public var members: [Member]
    public var strategy: Ring.Strategy
    /// Nil is the strategy's own.
    public var keyHash: Ring.KeyHash?
    public var hashTag: Ring.HashTag?
    /// On how many nodes each item is: 1 is no copies.
    public var copyCount: Int

    public init(
        name: String = "sojourn", members: [Member], strategy: Ring.Strategy = .ketamaWeighted,
        keyHash: Ring.KeyHash? = nil, hashTag: Ring.HashTag? = nil, copyCount: Int = 1
    ) {
        self.name = name
        self.members = members
        self.strategy = strategy
        self.keyHash = keyHash
        self.hashTag = hashTag
        self.copyCount = copyCount
    }

    /// The nodes, in the order of the file, which is that of their indices in the ring.
    public var nodes: [Node] { members.map(\.node) }

    public func ring() throws(RingError) -> Ring {
        try Ring(nodes: nodes, strategy: strategy, keyHash: keyHash, hashTag: hashTag)
    }

    /// Whether hosts and ports, in this order, say all that the placement of keys depends on, as they are
    /// all that `config get cluster` tells: not with weights that matter, or a node in another's place.
    public var isPlacedByAddressAlone: Bool {
        let bare = nodes.map { Node(host: $0.host, port: $0.port) }
        guard let ring = try? ring(),
            let told = try? Ring(
                nodes: bare, strategy: strategy, keyHash: keyHash, hashTag: hashTag)
        else { return false }
        return ring.placesKeys(as: told)
    }
}
