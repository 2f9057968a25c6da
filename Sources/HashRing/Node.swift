/// One cache server as placement sees it: who it is, where it listens, and how much of the keys it
/// should get.
///
/// Nothing here is ever resolved. Clients in other languages compute the same ring only from the same
/// text, so `127.0.0.1` and `localhost` are different nodes, and a host's letters keep their case.
public struct Node: Hashable, Sendable {
    /// What people and connection pools call the node. Unique in a ring; it decides no key.
    public var name: String
    /// As configured: a host name or an address.
    public var host: String
    public var port: Int
    /// The share of the keys, relative to the other nodes': 1 to `weightMax`.
    public var weight: Int
    /// What the node's points are made from, instead of the text that the strategy's client makes from
    /// host and port. With it a node may move to another address and keep its keys. It is twemproxy's
    /// name after the weight; other clients have no such thing, so nil whenever they share the ring.
    public var ringName: String?

    /// Whole numbers up to here are exact in the 32-bit floats that weighted ketama computes with.
    public static let weightMax = 1 << 24

    /// - Parameter name: nil takes `host:port`, an IPv6 address in brackets.
    public init(
        name: String? = nil, host: String, port: Int = 11_211, weight: Int = 1,
        ringName: String? = nil
    ) {
        self.name = name ?? (host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
        self.host = host
        self.port = port
        self.weight = weight
        self.ringName = ringName
    }

    /// Always `host:port`: Dalli, pymemcache, nginx, Perl and the proxy in memcached.
    var hostAndPort: String { ringName ?? "\(host):\(port)" }

    /// `host`, with the port only when it is not memcached's own: libmemcached and twemproxy.
    var hostAndUnusualPort: String { ringName ?? (port == 11_211 ? host : "\(host):\(port)") }

    var hasIPv4Address: Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Refuses what no ring can place.
    func validate() throws(RingError) {
        guard !name.isEmpty else { throw .emptyName(host: host, port: port) }
        guard !host.isEmpty, !host.utf8.contains(where: { $0 <= 32 || $0 == 127 }) else {
            throw .invalidHost(node: name, host: host)
        }
        guard (1...65_535).contains(port) else { throw .invalidPort(node: name, port: port) }
        guard (1...Self.weightMax).contains(weight) else {
            throw .invalidWeight(node: name, weight: weight)
        }
    }
}
