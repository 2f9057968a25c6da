/// The nodes of the cluster, as `config get cluster` tells them to clients that follow its changes.
///
/// The format is that of ElastiCache's auto-discovery: a version number, then `host|address|port` for
/// each node. Clients connect to the host or to the address, whichever they prefer; looking names up
/// is left to them, so both are what the operator wrote.
///
///     CONFIG cluster 0 58
///     1763731200
///     10.0.0.1|10.0.0.1|11211 cache-2|cache-2|11211
///
///     END
package struct ClusterListing: Equatable, Sendable {
    /// Where a node is reached.
    package struct Place: Hashable, Sendable {
        package var host: String
        package var port: Int

        package init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    let places: [Place]
    /// Clients take the nodes of a higher version, and no others.
    let version: Int
    /// All that is answered.
    let reply: [UInt8]

    /// What our own client takes: room for 10,000 nodes with names of 45 bytes.
    static let bodyByteCountMax = 1_048_576

    struct Mistake: Error, Equatable, CustomStringConvertible {
        let description: String
    }

    init(_ places: [Place], version: Int) throws(Mistake) {
        guard !places.isEmpty else { throw Mistake(description: "names no nodes") }
        for place in places where !Self.isListable(place.host) {
            throw Mistake(
                description: "the host '\(place.host)' cannot be listed: it is empty, or has a "
                    + "space, a control byte or a '|'")
        }
        let nodes = places.map { "\($0.host)|\($0.host)|\($0.port)" }
        let body = "\(version)\n\(nodes.joined(separator: " "))\n"
        guard body.utf8.count <= Self.bodyByteCountMax else {
            throw Mistake(
                description: "\(places.count) nodes take \(body.utf8.count) bytes to list; at most "
                    + "\(Self.bodyByteCountMax) are possible: shorten their host names")
        }
        self.places = places
        self.version = version
        reply = Array("CONFIG cluster 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n".utf8)
    }

    private static func isListable(_ host: String) -> Bool {
        !host.isEmpty
            && host.utf8.allSatisfy {
                $0 > UInt8(ascii: " ") && $0 != 0x7f && $0 != UInt8(ascii: "|")
            }
    }
}
