import Testing

@testable import CacheNode

private func place(_ host: String, _ port: Int = 11_211) -> ClusterListing.Place {
    ClusterListing.Place(host: host, port: port)
}

@Suite(.timeLimit(.minutes(10)))
struct ClusterListingTests {
    @Test("The answer has the version and one line of nodes, each with its host twice")
    func answer() throws {
        let listing = try ClusterListing(
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
        _ = try ClusterListing([place("a")], version: 1)
        #expect(throws: ClusterListing.Mistake.self) {
            try ClusterListing([place("a"), place(host)], version: 1)
        }
    }

    @Test("No nodes are no cluster")
    func empty() {
        #expect(throws: ClusterListing.Mistake.self) { try ClusterListing([], version: 1) }
    }

    @Test("The answer's body has a bound", arguments: [-1, 0, 1])
    func bound(excess: Int) throws {
        // "1\n", then "h|h|p" with one host that fills the rest, and a line's end.
        let rest = ClusterListing.bodyByteCountMax + excess - "1\n||11211 a|a|11211\n".utf8.count
        let host = String(repeating: "h", count: rest / 2)
        // What is left over by the halving goes into the second port.
        let second = place("a", rest % 2 == 0 ? 11_211 : 1_121)
        var listing: ClusterListing?
        do {
            listing = try ClusterListing(
                [place(rest % 2 == 0 ? host : host + "h"), second], version: 1)
        } catch {
            #expect(error.description.contains("at most \(ClusterListing.bodyByteCountMax)"))
        }
        #expect((listing != nil) == (excess <= 0))
    }
}
