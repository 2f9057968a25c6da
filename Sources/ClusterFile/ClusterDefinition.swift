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
        /// Where other nodes reach it: a host name or an address. Without `peers` nobody asks for it.
        public var peerHost: String
        /// The port that goes with `peerHost`. Without `peers` it may be above 65,535.
        public var peerPort: Int
        /// `id`: the node's number among its peers, from 0 to 63, which stays its own as long as it is a node. Nil is its
        /// place in the list.
        public var id: Int?
        /// `since`: the generation of the definition that it has joined with. Until others act by that, it has nothing
        /// to say.
        public var since: Int
        /// `admin`: where it serves its operators' page, if anywhere.
        public var admin: AdminPlace?

        /// A host, or its address, and a port.
        public struct AdminPlace: Hashable, Sendable, CustomStringConvertible {
            public var host: String
            public var port: Int

            public init(host: String, port: Int) { (self.host, self.port) = (host, port) }

            /// `HOST:PORT`, with an IPv6 address in brackets.
            public var description: String {
                host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            }
        }

        /// - Parameters:
        ///   - peerHost: nil is the node's own host.
        ///   - peerPort: nil is the node's own port + 10,000.
        public init(
            node: Node, memoryMegabytes: Int = 64, memoryFile: String? = nil, flags: [String] = [],
            peerHost: String? = nil, peerPort: Int? = nil, id: Int? = nil, since: Int = 1,
            admin: AdminPlace? = nil
        ) {
            self.node = node
            self.memoryMegabytes = memoryMegabytes
            self.memoryFile = memoryFile
            self.flags = flags
            self.peerHost = peerHost ?? node.host
            // Nobody has looked at the node's port yet: it may be any number.
            self.peerPort = peerPort ?? node.port &+ Peers.portDistance
            self.id = id
            self.since = since
            self.admin = admin
        }
    }

    /// How nodes speak to one another: each passes on commands for keys of others, and with two copies they keep
    /// these by themselves.
    public struct Peers: Hashable, Sendable {
        /// `secret_file`: what all nodes know and nobody else, a path as each finds it on its own machine. Nil is
        /// for nodes that reach one another on loopback alone.
        public var secretFile: String?
        /// `timeout`: how long a node is silent before the others give it up. The same for all, because each
        /// counts on how long the others wait.
        public var timeoutMilliseconds: Int
        /// `tls`: how nodes encrypt what they send each other. Nil is clear text.
        public var tls: TLS?
        /// `partition`: what nodes do that reach one another, and do not reach the rest.
        public var partition: Partition

        /// Which side of a partition goes on.
        public enum Partition: String, CaseIterable, Sendable {
            /// Each side; what both have changed is the later one's afterwards.
            case both
            /// That with more than half of all nodes. The other one answers reads, and refuses changes.
            case majority
        }

        /// Certificates of nodes for one another: paths as each of them finds them on its own machine, in PEM format.
        public struct TLS: Hashable, Sendable {
            /// `ca`: who signs the nodes' certificates.
            public var authorityFile: String
            /// `cert`: the node's certificate, and its issuers behind it; good for servers and for clients.
            public var certificateFile: String
            /// `key`: the key of `certificateFile`; nil is in the same file.
            public var keyFile: String?
            /// `server_name`: the name in every node's certificate. Nil is each node's `peer_host`.
            public var serverName: String?

            /// Whom nodes believe, and what they show.
            public init(authorityFile: String, certificateFile: String) {
                self.authorityFile = authorityFile
                self.certificateFile = certificateFile
            }
        }

        /// Sets of nodes are words of 64 bits.
        public static let nodeCountMax = 64
        public static let idRange = 0...63
        /// A key has a node that decides, and one or two more that know.
        public static let copyCountMax = 3
        static let copyCountDefault = 2
        public static let timeoutMillisecondsRange = 100...10_000
        /// From a node's port to that for its peers, where none is named.
        static let portDistance = 10_000

        public init(
            secretFile: String? = nil, timeoutMilliseconds: Int = 300, tls: TLS? = nil,
            partition: Partition = .both
        ) {
            self.partition = partition
            self.secretFile = secretFile
            self.timeoutMilliseconds = timeoutMilliseconds
            self.tls = tls
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
    /// `generation`: which definition this is of those that the cluster has had. Of two the nodes go by the higher one.
    public var generation: Int
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
    /// Nil are nodes that know nothing of one another.
    public var peers: Peers?

    /// So many changes of a cluster can be told from one another.
    public static let generationRange = 1...1_000_000_000

    public init(
        name: String = "sojourn", generation: Int = 1, members: [Member],
        strategy: Ring.Strategy = .ketamaWeighted,
        keyHash: Ring.KeyHash? = nil, hashTag: Ring.HashTag? = nil, copyCount: Int = 1,
        tls: TLS? = nil, credentialsFile: String? = nil, peers: Peers? = nil
    ) {
        self.name = name
        self.generation = generation
        self.members = members
        self.strategy = strategy
        self.keyHash = keyHash
        self.hashTag = hashTag
        self.copyCount = copyCount
        self.tls = tls
        self.credentialsFile = credentialsFile
        self.peers = peers
    }

    /// The nodes, in the order of the file, which is that of their indices in the ring.
    public var nodes: [Node] { members.map(\.node) }

    /// The numbers of the nodes among their peers, in the order of the file.
    public var memberIDs: [Int] { members.indices.map { members[$0].id ?? $0 } }

    /// On how many nodes a client puts each item: on one, where nodes keep the copies by themselves.
    public var copyCountForClients: Int { peers == nil ? copyCount : 1 }

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
