/// What a cluster's file says to clients.
package struct ToldCluster: Equatable, Sendable {
    /// Where a node is reached.
    package struct Place: Hashable, Sendable {
        package var host: String
        package var port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    package var places: [Place]
    /// Whether hosts and ports, in this order, say all that the placement of keys depends on. Who follows a
    /// list of them would otherwise look for keys at other nodes.
    package var isListable: Bool
    /// All that clients have to know, as a definition.
    package var definition: String

    package init(places: [Place], isListable: Bool, definition: String) {
        self.places = places
        self.isListable = isListable
        self.definition = definition
    }
}

/// The nodes of the cluster, as they are told to clients that follow its changes.
///
/// `config get cluster` is ElastiCache's auto-discovery: a version number, then `host|address|port` for
/// each node. Clients connect to the host or to the address, whichever they prefer; looking names up
/// is left to them, so both are what the operator wrote.
///
///     CONFIG cluster 0 58
///     1763731200
///     10.0.0.1|10.0.0.1|11211 cache-2|cache-2|11211
///
///     END
///
/// It has no room for weights, places and the rule of placement, and foreign clients take no line more. Our
/// own asks `config get definition` instead, which is answered in the same frame, with the same version.
package struct ClusterListing: Equatable, Sendable {
    let cluster: ToldCluster
    /// Clients take the nodes of a higher version, and no others.
    let version: Int
    /// All that is answered to `config get cluster`.
    let reply: [UInt8]
    /// And to `config get definition`.
    let definitionReply: [UInt8]

    /// Of a list of nodes: room for 10,000 nodes with names of 45 bytes.
    static let listByteCountMax = 1 << 20
    /// Of a definition. Both are what our own client takes.
    static let definitionByteCountMax = 4 << 20

    struct Mistake: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    init(_ cluster: ToldCluster, version: Int) throws(Mistake) {
        guard !cluster.places.isEmpty else { throw Mistake(description: "names no nodes") }
        self.cluster = cluster
        self.version = version
        reply =
            cluster.isListable
            ? try Self.answer(
                "cluster", "\(version)\n\(Self.list(of: cluster.places))\n",
                byteCountMax: Self.listByteCountMax)
            : Array(
                "SERVER_ERROR a list of nodes cannot tell their weights, or who is in whose place\r\n"
                    .utf8)
        definitionReply = try Self.answer(
            "definition", "\(version)\n\(cluster.definition)",
            byteCountMax: Self.definitionByteCountMax)
    }

    private static func list(of places: [ToldCluster.Place]) throws(Mistake) -> String {
        for place in places where !isListable(place.host) {
            throw Mistake(
                description: "the host '\(place.host)' cannot be listed: it is empty, or has a "
                    + "space, a control byte or a '|'")
        }
        return places.map { "\($0.host)|\($0.host)|\($0.port)" }.joined(separator: " ")
    }

    private static func isListable(_ host: String) -> Bool {
        !host.isEmpty
            && host.utf8.allSatisfy {
                $0 > UInt8(ascii: " ") && $0 != 0x7f && $0 != UInt8(ascii: "|")
            }
    }

    private static func answer(
        _ what: String, _ body: String, byteCountMax: Int
    ) throws(Mistake) -> [UInt8] {
        let count = body.utf8.count
        guard count <= byteCountMax else {
            throw Mistake(
                description: "its nodes take \(count) bytes to tell; at most \(byteCountMax) are "
                    + "possible: shorten their host names")
        }
        return Array("CONFIG \(what) 0 \(count)\r\n\(body)\r\nEND\r\n".utf8)
    }
}
