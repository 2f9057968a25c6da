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

    /// How nodes and clients speak TLS: paths as each of them finds them on its own machine, in PEM format.
    public struct TLS: Hashable, Sendable {
        /// `ca`: who signs the certificates. Nil are those whom the system believes.
        public var authorityFile: String?
        /// `cert`: a node's certificate, and its issuers behind it. Without it nodes speak clear text, and who
        /// is in front of them TLS.
        public var certificateFile: String?
        /// `key`: the key of `certificateFile`; nil is in the same file.
        public var keyFile: String?
        /// `client_cert`: a client's certificate. With it nodes ask clients for one.
        public var clientCertificateFile: String?
        /// `client_key`: the key of `clientCertificateFile`; nil is in the same file.
        public var clientKeyFile: String?
        /// `server_name`: the name in every node's certificate. Nil is each node's own host.
        public var serverName: String?

        /// TLS without a certificate of the nodes' own.
        public init() {}
    }

    public var name: String
    public var members: [Member]
    public var strategy: Ring.Strategy
    /// Nil is the strategy's own.
    public var keyHash: Ring.KeyHash?
    public var hashTag: Ring.HashTag?
    /// On how many nodes each item is: 1 is no copies.
    public var copyCount: Int
    /// Nil is clear text.
    public var tls: TLS?
    /// `credentials_file`: lines `user:password`. Clients log in as the first one. Nil is nobody.
    public var credentialsFile: String?

    public init(
        name: String = "sojourn", members: [Member], strategy: Ring.Strategy = .ketamaWeighted,
        keyHash: Ring.KeyHash? = nil, hashTag: Ring.HashTag? = nil, copyCount: Int = 1,
        tls: TLS? = nil, credentialsFile: String? = nil
    ) {
        self.name = name
        self.members = members
        self.strategy = strategy
        self.keyHash = keyHash
        self.hashTag = hashTag
        self.copyCount = copyCount
        self.tls = tls
        self.credentialsFile = credentialsFile
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
