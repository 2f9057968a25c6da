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
    /// 1 to 65,535; memcached's own is 11211.
    public var port: Int
    /// The share of the keys, relative to the other nodes': 1 to `weightMax`.
    public var weight: Int
    /// What the node's points are made from, instead of its own host and port. With it a node may move to
    /// another address and keep its keys, or take those of a node that is gone: `host:port` of that place,
    /// the same for every strategy, each of which makes its own text of the two. What does not end in a
    /// port is a name, and is taken as it is: twemproxy's after the weight, or the text that spymemcached
    /// makes of an address. Other clients than twemproxy have no such thing, so nil whenever they share the
    /// ring.
    public var ringName: String?

    /// Whole numbers up to here are exact in the 32-bit floats that weighted ketama computes with.
    public static let weightMax = 1 << 24

    /// A node. Without a `name` it is called `host:port`, an IPv6 address in brackets.
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

    /// The place whose keys the node has, by its `ringName`; nil if that is none, or a name.
    public var inPlaceOf: (host: String, port: Int)? {
        guard ringName != nil, case let place = place, let port = place.port else { return nil }
        return (place.host, port)
    }

    /// Where the ring takes the node to be. Without a port it is a name.
    private var place: (host: String, port: Int?) {
        guard let ringName else { return (host, port) }
        guard let colon = ringName.lastIndex(of: ":"), colon > ringName.startIndex,
            let port = Int(ringName[ringName.index(after: colon)...]), (1...65_535).contains(port),
            // Not `a:+1` or `a:01`, of which another text would be made.
            ringName.hasSuffix(":\(port)")
        else { return (ringName, nil) }
        return (String(ringName[..<colon]), port)
    }

    /// Always `host:port`: Dalli, pymemcache, Perl and the proxy in memcached.
    var hostAndPort: String {
        let place = place
        return place.port.map { "\(place.host):\($0)" } ?? place.host
    }

    /// `host`, with the port only when it is not memcached's own: libmemcached and twemproxy.
    var hostAndUnusualPort: String {
        let place = place
        return place.port == 11_211 ? place.host : hostAndPort
    }

    /// `host`, a zero byte, and the port: nginx.
    var hostZeroPort: [UInt8] {
        let place = place
        return Array(place.host.utf8) + [0] + Array((place.port.map { "\($0)" } ?? "").utf8)
    }

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
