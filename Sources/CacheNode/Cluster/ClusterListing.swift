package import MemcacheProtocol

/// What a cluster's file says to clients.
package struct ToldCluster: Equatable, Sendable {
    /// Where the nodes are reached.
    package var places: [ListedNode]
    /// Whether hosts and ports, in this order, say all that the placement of keys depends on. Who follows a
    /// list of them would otherwise look for keys at other nodes.
    package var isListable: Bool
    /// All that clients have to know, as a definition.
    package var definition: String

    package init(places: [ListedNode], isListable: Bool, definition: String) {
        self.places = places
        self.isListable = isListable
        self.definition = definition
    }
}

/// The nodes of the cluster, as they are told to clients that follow its changes: a `ConfigBlock`.
///
/// `config get cluster` is ElastiCache's auto-discovery. Looking names up is left to clients, so host and
/// address are both what the operator wrote. It has no room for weights, places and the rule of placement, and foreign clients take no line more. Our
/// own asks `config get definition` instead, which is answered with the same version.
package struct ClusterListing: Equatable, Sendable {
    let cluster: ToldCluster
    /// Clients take the nodes of a higher version, and no others.
    let version: Int
    /// All that is answered to `config get cluster`.
    let reply: [UInt8]
    /// And to `config get definition`.
    let definitionReply: [UInt8]

    struct Mistake: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    init(_ cluster: ToldCluster, version: Int) throws(Mistake) {
        guard !cluster.places.isEmpty else { throw Mistake(description: "names no nodes") }
        self.cluster = cluster
        self.version = version
        reply =
            cluster.isListable
            ? try Self.answer(.cluster, version, try Self.list(of: cluster.places) + "\n")
            : Array(
                "SERVER_ERROR a list of nodes cannot tell their weights, or who is in whose place\r\n"
                    .utf8)
        definitionReply = try Self.answer(.definition, version, cluster.definition)
    }

    private static func list(of places: [ListedNode]) throws(Mistake) -> String {
        for place in places where !place.isListable {
            throw Mistake(
                description: "the host '\(place.host)' cannot be listed: it is empty, or has a "
                    + "space, a control byte or a '|'")
        }
        return places.map(\.word).joined(separator: " ")
    }

    private static func answer(
        _ subject: ConfigSubject, _ version: Int, _ text: String
    ) throws(Mistake) -> [UInt8] {
        let block = ConfigBlock(subject, version: version, text: text)
        let count = block.body.utf8.count
        guard count <= subject.byteCountMax else {
            throw Mistake(
                description: "its nodes take \(count) bytes to tell; at most "
                    + "\(subject.byteCountMax) are possible: shorten their host names")
        }
        return Array(block.reply.utf8)
    }
}
