import MemcacheProtocol
import Testing

@testable import CacheNode

private func place(_ host: String, _ port: Int = 11_211) -> ListedNode {
    ListedNode(host: host, port: port)
}

private func listing(
    _ places: [ListedNode], isListable: Bool = true, definition: String = "nodes: []\n",
    version: Int = 1
) throws -> ClusterListing {
    try ClusterListing(
        ToldCluster(places: places, isListable: isListable, definition: definition),
        version: version)
}

@Suite(.timeLimit(.minutes(10)))
struct ClusterListingTests {
    @Test("The answer has the version and one line of nodes, each with its host twice")
    func answer() throws {
        let listing = try listing(
            [place("a.example"), place("::1", 65_535), place("10.0.0.1")], version: 7)
        let body = "7\na.example|a.example|11211 ::1|::1|65535 10.0.0.1|10.0.0.1|11211\n"
        #expect(
            String(decoding: listing.reply, as: UTF8.self)
                == "CONFIG cluster 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n")
    }

    @Test(
        "A host that would end the line or its own field is refused",
        arguments: ["", "a b", "a|b", "a\n", "a\r\nEND", "\u{7f}", "\t"])
    func hosts(host: String) throws {
        _ = try listing([place("a")])
        #expect(throws: ClusterListing.Mistake.self) {
            try listing([place("a"), place(host)])
        }
    }

    @Test("The definition is told in the same frame, with the same version")
    func definition() throws {
        let listing = try listing([place("a")], definition: "nodes:\n- {host: a}\n", version: 7)
        let body = "7\nnodes:\n- {host: a}\n"
        #expect(
            String(decoding: listing.definitionReply, as: UTF8.self)
                == "CONFIG definition 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n")
    }

    @Test("Where a list would mislead it is refused, and the definition is told all the same")
    func notListable() throws {
        let listing = try listing([place("a|b")], isListable: false)
        #expect(String(decoding: listing.reply, as: UTF8.self).hasPrefix("SERVER_ERROR "))
        #expect(String(decoding: listing.reply, as: UTF8.self).hasSuffix("place\r\n"))
        #expect(
            String(decoding: listing.definitionReply, as: UTF8.self).hasPrefix("CONFIG definition ")
        )
    }

    @Test("A definition has a bound", arguments: [-1, 0, 1])
    func definitionBound(excess: Int) {
        let count = ConfigSubject.definition.byteCountMax + excess - "1\n".utf8.count
        let text = String(repeating: "#", count: count)
        #expect(((try? listing([place("a")], definition: text)) != nil) == (excess <= 0))
    }

    @Test("No nodes are no cluster")
    func empty() {
        #expect(throws: ClusterListing.Mistake.self) { try listing([]) }
    }

    @Test("The answer's body has a bound", arguments: [-1, 0, 1])
    func bound(excess: Int) throws {
        // "1\n", then "h|h|p" with one host that fills the rest, and a line's end.
        let rest = ConfigSubject.cluster.byteCountMax + excess - "1\n||11211 a|a|11211\n".utf8.count
        let host = String(repeating: "h", count: rest / 2)
        // What is left over by the halving goes into the second port.
        let second = place("a", rest % 2 == 0 ? 11_211 : 1_121)
        var found: ClusterListing?
        do {
            found = try listing([place(rest % 2 == 0 ? host : host + "h"), second])
        } catch {
            #expect("\(error)".contains("at most \(ConfigSubject.cluster.byteCountMax)"))
        }
        #expect((found != nil) == (excess <= 0))
    }
}
