extension Ring {
    /// A rule of placement, by the name under which cluster definitions know it.
    ///
    /// Each is the rule of a client or proxy that people run, as golden files made by these programs
    /// say. The names are stable.
    public enum Strategy: String, CaseIterable, Hashable, Sendable {
        /// libmemcached's `KETAMA_WEIGHTED`; PHP's `OPT_LIBKETAMA_COMPATIBLE`; pylibmc's
        /// `ketama_weighted`. 160 points for a node of average weight; MD5 for points and keys.
        /// At 25 nodes, and some other counts, rounding leaves 156.
        case ketamaWeighted = "ketama-weighted"
        /// libmemcached's `DISTRIBUTION_CONSISTENT`; PHP's `OPT_DISTRIBUTION` of that name. 100 points a
        /// node, by the hash of the keys; but with any weight above 1 the points are those of
        /// `ketamaWeighted`, as happens there when servers are added after the distribution was chosen.
        case ketama
        /// The same when the servers come first: PHP's session handler with
        /// `memcached.sess_consistent_hash`, pylibmc's `distribution: consistent`. Weights are ignored.
        case ketamaSessions = "ketama-sessions"
        /// libmemcached's default, PHP's and pylibmc's too: the hash modulo the number of nodes, in
        /// their order. Weights are ignored.
        case modula
        /// twemproxy's `distribution: ketama`, with its default `hash: fnv1a_64` unless another is named.
        case twemproxyKetama = "twemproxy-ketama"
        /// twemproxy's `distribution: modula`: nodes in the order of the length of their names and then
        /// of the names, once for every unit of weight.
        case twemproxyModula = "twemproxy-modula"
        /// Ruby's Dalli (Rails): SHA-1 points, CRC-32 of the key, the point before it.
        case dalli
        /// spymemcached's `KetamaConnectionFactory`. Weights are ignored. Its points come from Java's text
        /// of the socket address, so a node whose host is not an IPv4 address needs a `ringName`: as a rule
        /// `host/address:port`.
        case spymemcached = "spymemcached-ketama"
        /// pymemcache's `HashClient`, and so Django's PyMemcacheCache: rendezvous hashing with MurmurHash3
        /// of `host:port-key`. Weights are ignored. A lookup takes time in proportion to the nodes.
        case rendezvous
        /// nginx's `hash ... consistent` and Cache::Memcached::Fast with `ketama_points => 160`.
        case nginx = "nginx-consistent"
        /// Perl's Cache::Memcached, Cache::Memcached::Fast without `ketama_points`, and python-memcached
        /// from 1.62 on.
        case cacheMemcached = "cache-memcached"
        /// python-memcached up to 1.59.
        case pythonMemcached = "python-memcached"
        /// Go's gomemcache: CRC-32 modulo the number of nodes, in their order. Weights are ignored.
        case gomemcache
        /// Lamping and Veach's jump hash over XXH3, the default of the proxy in memcached 1.6. Adding a
        /// node at the end moves the fewest keys possible; removing any other moves many. Weights are
        /// ignored.
        case jump
    }
}

extension Ring.Strategy {
    /// Whether a node's weight has an effect.
    public var usesWeights: Bool {
        switch self {
        case .ketamaWeighted, .ketama, .twemproxyKetama, .twemproxyModula, .dalli, .nginx,
            .cacheMemcached, .pythonMemcached:
            true
        case .ketamaSessions, .modula, .spymemcached, .rendezvous, .gomemcache, .jump: false
        }
    }

    /// Whether it matters which host and port a node has, or in whose place it is. Elsewhere only its
    /// position among the nodes counts.
    public var usesAddresses: Bool {
        switch self {
        case .ketamaWeighted, .ketama, .ketamaSessions, .twemproxyKetama, .twemproxyModula, .dalli,
            .spymemcached, .rendezvous, .nginx:
            true
        case .modula, .cacheMemcached, .pythonMemcached, .gomemcache, .jump: false
        }
    }

    /// What a node is to this strategy: the bytes that it hashes, or orders nodes by. Nodes that have the
    /// same get the same points. Nil where it does not look at them.
    func identity(of node: Node) -> [UInt8]? {
        switch self {
        case .ketamaWeighted, .ketama, .ketamaSessions, .twemproxyKetama, .twemproxyModula:
            Array(node.hostAndUnusualPort.utf8)
        case .dalli, .spymemcached, .rendezvous: Array(node.hostAndPort.utf8)
        case .nginx: node.hostZeroPort
        case .modula, .cacheMemcached, .pythonMemcached, .gomemcache, .jump: nil
        }
    }

    /// Whether a `KeyHash` may be chosen. The other strategies have one of their own.
    public var takesKeyHash: Bool {
        switch self {
        case .ketamaWeighted, .ketama, .ketamaSessions, .modula, .twemproxyKetama, .twemproxyModula:
            true
        case .dalli, .spymemcached, .rendezvous, .nginx, .cacheMemcached, .pythonMemcached,
            .gomemcache, .jump:
            false
        }
    }

    /// What hashes a key when nothing else was chosen; nil for those that are not one 32-bit hash.
    public var keyHash: Ring.KeyHash? {
        switch self {
        case .ketamaWeighted, .spymemcached: .md5
        case .ketama, .ketamaSessions, .modula: .oneAtATime
        case .twemproxyKetama, .twemproxyModula: .fnv1a64
        case .dalli, .nginx, .gomemcache: .crc32a
        case .cacheMemcached, .pythonMemcached: .crc32
        case .rendezvous, .jump: nil
        }
    }

    /// How a key's hash becomes a node.
    var selection: Selection {
        switch self {
        case .ketamaWeighted, .ketama, .ketamaSessions, .twemproxyKetama, .spymemcached, .nginx:
            .pointAtOrAfter
        case .dalli: .pointAtOrBefore
        case .modula, .twemproxyModula, .cacheMemcached, .pythonMemcached, .gomemcache: .slot
        case .jump: .jump
        case .rendezvous: .score
        }
    }

    /// Where a key goes when a node of its own is left out.
    var retrying: Retrying {
        switch self {
        case .ketamaWeighted, .ketama, .ketamaSessions, .twemproxyKetama, .twemproxyModula, .nginx,
            .modula, .gomemcache, .rendezvous:
            .next
        case .dalli: .dalli
        case .spymemcached: .spymemcached
        case .cacheMemcached: .cacheMemcached
        case .pythonMemcached: .pythonMemcached
        case .jump: .mixing
        }
    }

    /// Whether points or slots are made anew from those nodes that are not left out.
    var forgetsNodesLeftOut: Bool {
        switch self {
        case .ketamaWeighted, .ketama, .ketamaSessions, .twemproxyKetama, .twemproxyModula, .nginx:
            true
        case .modula, .dalli, .spymemcached, .rendezvous, .cacheMemcached, .pythonMemcached,
            .gomemcache, .jump:
            false
        }
    }
}

enum Selection {
    /// The first point not below the hash, then the first of all.
    case pointAtOrAfter
    /// The last point not above the hash, or the last of all.
    case pointAtOrBefore
    /// The hash modulo the number of slots.
    case slot
    case jump
    /// The highest score of key and node.
    case score
}

enum Retrying {
    /// The next point, slot, or score.
    case next
    /// The hash of the number of the try (0, 1, ...) and the key.
    case dalli
    /// The hash, plus the hash of the number of the try (0, 1, ...) and the key.
    case spymemcached
    /// The hash, plus the hash of the number of the try (1, 2, ...) and the key.
    case cacheMemcached
    /// The hash of the last hash in digits and the number of the try (0, 1, ...).
    case pythonMemcached
    /// The hash, mixed with the number of the try. Ours: memcached's proxy has no such thing.
    case mixing

    /// Tries after which the nodes are taken in turn, so that a live one is always found; the clients give
    /// up there. Nil is as many as there are points, slots or scores.
    var tryCountMax: Int? {
        switch self {
        case .next: nil
        case .dalli, .cacheMemcached: 20
        case .spymemcached: 7
        case .pythonMemcached: 10
        case .mixing: 32
        }
    }
}
