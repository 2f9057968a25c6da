import ClusterFile
import HashRing
import Testing

@Suite(.timeLimit(.minutes(10)))
struct PeersTests {
    private func read(_ yaml: String) throws -> ClusterDefinition {
        try ClusterDefinition(yaml: yaml, file: "shop.yaml")
    }

    @Test("What nodes need to reach one another is read")
    func allFields() throws {
        let definition = try read(
            """
            copies: 2
            peers: {secret_file: /etc/sojourn/secret, port: 21311, timeout: 1500}
            nodes:
            - {name: a, host: 10.0.0.1, peer_host: a.internal, peer_port: 7}
            - {name: b, host: 10.0.0.2, flags: [-I, 2m]}
            """)
        #expect(
            definition.peers == .init(secretFile: "/etc/sojourn/secret", timeoutMilliseconds: 1_500)
        )
        #expect(
            definition.members == [
                .init(
                    node: Node(name: "a", host: "10.0.0.1"), peerHost: "a.internal", peerPort: 7),
                .init(
                    node: Node(name: "b", host: "10.0.0.2"), flags: ["-I", "2m"], peerPort: 21_311),
            ])
        #expect(definition.members[1].peerHost == "10.0.0.2")
    }

    @Test("Certificates of nodes for one another are read")
    func tls() throws {
        func peers(_ tls: String) throws -> ClusterDefinition.Peers? {
            try read("peers: {tls: {\(tls)}}\nnodes: [{host: 127.0.0.1}, {host: '::1', port: 2}]")
                .peers
        }
        var tls = ClusterDefinition.Peers.TLS(authorityFile: "/ca", certificateFile: "/cert")
        #expect(try peers("ca: /ca, cert: /cert") == .init(tls: tls))
        (tls.keyFile, tls.serverName) = ("/key", "nodes")
        #expect(
            try peers("ca: /ca, cert: /cert, key: /key, server_name: nodes") == .init(tls: tls))
    }

    @Test("Which side of a partition goes on is said by name")
    func partition() throws {
        func peers(_ field: String) throws -> ClusterDefinition.Peers? {
            try read(
                "peers: {\(field)}\nnodes: [{host: '::1', port: 1}, {host: '::1', port: 2}, {host: '::1', port: 3}]"
            ).peers
        }
        #expect(try peers("") == .init(partition: .both))
        #expect(try peers("partition: both") == .init())
        #expect(try peers("partition: majority") == .init(partition: .majority))
    }

    @Test("Nodes are peers as soon as there is the field, on loopback without a secret")
    func defaults() throws {
        let definition = try read("peers: {}\nnodes: [{host: 127.0.0.1}, {host: '::1', port: 2}]")
        #expect(definition.peers == ClusterDefinition.Peers())
        #expect(definition.peers?.secretFile == nil)
        #expect(definition.peers?.timeoutMilliseconds == 300)
        #expect(definition.members.map(\.peerHost) == ["127.0.0.1", "::1"])
        #expect(definition.members.map(\.peerPort) == [21_211, 10_002])
        #expect(try read("nodes: [{host: a}]").peers == nil)
    }

    @Test("Each item is on two nodes unless the definition says one, or there is one")
    func copies() throws {
        let nodes = "peers: {}\nnodes: [{host: 127.0.0.1}, {host: 127.0.0.2}, {host: 127.0.0.3}]"
        #expect(try read(nodes).copyCount == 2)
        #expect(try read("copies: 2\n" + nodes).copyCount == 2)
        #expect(try read("copies: 1\n" + nodes).copyCount == 1)
        #expect(try read("peers: {}\nnodes: [{host: 127.0.0.1}]").copyCount == 1)
    }

    @Test("Clients are told of one copy, and of nothing that peers need")
    func forClients() throws {
        let nodes = "nodes: [{host: 127.0.0.1, port: 1}, {host: 127.0.0.1, port: 2}]"
        let definition = try read("peers: {secret_file: /secret}\n" + nodes)
        #expect(definition.copyCount == 2)
        #expect(definition.copyCountForClients == 1)
        #expect(
            definition.yamlForClients == """
                name: "sojourn"
                placement: {strategy: ketama-weighted}
                copies: 1
                nodes:
                - {host: "127.0.0.1", port: 1}
                - {host: "127.0.0.1", port: 2}

                """)
        let keptByClients = try read("copies: 2\n" + nodes)
        #expect(keptByClients.copyCountForClients == 2)
        #expect(keptByClients.yamlForClients?.contains("copies: 2\n") == true)
    }

    @Test("Only addresses that nobody else reaches need no secret", arguments: loopback + others)
    func secrets(host: String) throws {
        let yaml = "nodes: [{host: 10.0.0.1, name: a, peer_host: '\(host)'}]"
        #expect(try read("peers: {secret_file: /s}\n" + yaml).members[0].peerHost == host)
        if Self.loopback.contains(host) {
            #expect(try read("peers: {}\n" + yaml).members[0].peerHost == host)
        } else {
            let error = #expect(throws: DefinitionError.self) { try read("peers: {}\n" + yaml) }
            #expect(
                error.map { "\($0)" } == "shop.yaml:1: peers.secret_file: missing; without it "
                    + "peers are on loopback alone, and a is at \(host)")
        }
    }

    private static let loopback = ["127.0.0.0", "127.1.2.3", "127.255.255.255", "::1", "localhost"]
    private static let others = [
        "126.255.255.255", "128.0.0.0", "127.1", "127.0.0.256", "127.0.0.+1", "127.0.0.01",
        "127.0.0.1.", "127.0.0", "127.0.0.1.example.com", "0.0.0.0", "::", "::2",
        "localhost.example.com", "127.0.0.x",
    ]

    @Test("Limits are reached, and not passed")
    func limits() throws {
        let nodes = (1...64).map { "- host: 127.0.0.\($0)\n" }.joined()
        #expect(try read("peers: {}\nnodes:\n" + nodes).members.count == 64)
        // Without peers there is no such limit.
        #expect(try read("nodes:\n\(nodes)- host: 127.0.0.65").members.count == 65)
        for milliseconds in [100, 10_000] {
            let peers = try read("peers: {timeout: \(milliseconds)}\nnodes: [{host: '::1'}]").peers
            #expect(peers?.timeoutMilliseconds == milliseconds)
        }
        for port in [1, 65_535] {
            let one = try read("peers: {port: \(port)}\nnodes: [{host: '::1'}]")
            #expect(one.members[0].peerPort == port)
            let other = try read("peers: {}\nnodes: [{host: '::1', peer_port: \(port)}]")
            #expect(other.members[0].peerPort == port)
        }
        let last = try read("peers: {}\nnodes: [{host: '::1', port: 55535}]")
        #expect(last.members[0].peerPort == 65_535)
        // Nobody needs that port, or somebody names another.
        #expect(try read("nodes: [{host: '::1', port: 55536}]").members.count == 1)
        for named in ["peers: {port: 1}\nnodes: [{", "peers: {}\nnodes: [{peer_port: 1, "] {
            #expect(try read(named + "host: '::1', port: 55536}]").members[0].peerPort == 1)
        }
    }

    /// A file that is refused, and the error.
    struct Refused: Sendable, CustomTestStringConvertible {
        var yaml: String
        var error: String
        var testDescription: String { error }
    }

    private static let refused = [
        Refused(
            yaml: "peers: 2\nnodes:\n- host: '::1'",
            error: "1: peers: expected fields with values, not '2'"),
        Refused(
            yaml: "peers: {secret: a}\nnodes:\n- host: '::1'",
            error:
                "1: peers.secret: unknown; expected one of secret_file, port, timeout, tls, partition"
        ),
        Refused(
            yaml: "peers: {partition: minority}\nnodes:\n- host: '::1'",
            error: "1: peers.partition: expected both or majority, not 'minority'"),
        Refused(
            yaml: "peers: {partition: majority}\nnodes: [{host: '::1'}, {host: '::1', port: 2}]",
            error:
                "1: peers.partition: majority needs three nodes: of 2, none may be away for the others to go on"
        ),
        Refused(
            yaml: "peers: {tls: {cert: a}}\nnodes:\n- host: '::1'",
            error: "1: peers.tls.ca: missing; it signs the nodes' certificates"),
        Refused(
            yaml: "peers: {tls: {ca: a}}\nnodes:\n- host: '::1'",
            error: "1: peers.tls.cert: missing; each node shows the others one"),
        Refused(
            yaml: "peers: {tls: {ca: a, cert: b, client_cert: c}}\nnodes:\n- host: '::1'",
            error: "1: peers.tls.client_cert: unknown; expected one of ca, cert, key, server_name"),
        Refused(
            yaml: "peers: {secret_file: 'a,b'}\nnodes:\n- host: '::1'",
            error: "1: peers.secret_file: expected a path without commas, not 'a,b'"),
        Refused(
            yaml: "peers:\n  port: 0\nnodes:\n- host: '::1'",
            error: "2: peers.port: expected a whole number from 1 to 65535, not '0'"),
        Refused(
            yaml: "peers:\n  port: 65536\nnodes:\n- host: '::1'",
            error: "2: peers.port: expected a whole number from 1 to 65535, not '65536'"),
        Refused(
            yaml: "peers:\n  timeout: 99\nnodes:\n- host: '::1'",
            error: "2: peers.timeout: expected a whole number from 100 to 10000, not '99'"),
        Refused(
            yaml: "peers:\n  timeout: 10001\nnodes:\n- host: '::1'",
            error: "2: peers.timeout: expected a whole number from 100 to 10000, not '10001'"),
        Refused(
            yaml: "copies: 4\npeers: {}\nnodes: [{host: '::1', port: 1}, {host: '::1', port: 2}, "
                + "{host: '::1', port: 3}, {host: '::1', port: 4}]",
            error: "1: copies: nodes keep at most 3 copies"),
        Refused(
            yaml: "copies: 2\npeers: {}\nnodes:\n- host: '::1'",
            error: "1: copies: expected a whole number from 1 to 1, not '2'"),
        Refused(
            yaml: "peers: {}\nnodes:\n"
                + (1...65).map { "- host: 127.0.0.\($0)\n" }.joined(),
            error: "3: nodes: 65 nodes; with peers there are at most 64"),
        Refused(
            yaml: "peers: {}\nnodes:\n- host: '::1'\n  peer_port: 65536",
            error: "4: nodes[0].peer_port: expected a whole number from 1 to 65535, not '65536'"),
        Refused(
            yaml: "peers: {}\nnodes:\n- host: '::1'\n  peer_host: a b",
            error: "4: nodes[0].peer_host: expected a host name or address without spaces, not "
                + "'a b'"),
        Refused(
            yaml: "peers: {}\nnodes:\n- host: '::1'\n  port: 55536",
            error: "3: nodes[0].peer_port: missing; the default, the node's port + 10000, would be "
                + "65536, which is no port"),
        Refused(
            yaml: "nodes:\n- host: a\n  peer_host: b",
            error: "3: nodes[0].peer_host: is nothing without peers"),
        Refused(
            yaml: "nodes:\n- host: a\n- host: b\n  peer_port: 1",
            error: "4: nodes[1].peer_port: is nothing without peers"),
        Refused(
            yaml: "peers: {}\nnodes:\n- {name: a, host: 127.0.0.1}\n- {name: b, host: 10.0.0.1}",
            error: "1: peers.secret_file: missing; without it peers are on loopback alone, and b "
                + "is at 10.0.0.1"),
        Refused(
            yaml: "peers: {port: 9}\nnodes:\n- {name: a, host: '::1', port: 1}\n"
                + "- {name: b, host: '::1', port: 2}",
            error: "4: nodes[1].peer_port: nodes a and b have the same host and port for peers"),
        Refused(
            yaml: "peers: {}\nnodes:\n- {name: a, host: '::1', port: 1}\n- name: b\n  host: '::1'\n"
                + "  port: 2\n  peer_port: 10001",
            error: "7: nodes[1].peer_port: nodes a and b have the same host and port for peers"),
        Refused(
            yaml: "peers: {}\nnodes:\n- {name: a, host: '::1'}\n- name: b\n  host: 127.0.0.1\n"
                + "  peer_host: '::1'",
            error: "6: nodes[1].peer_host: nodes a and b have the same host and port for peers"),
        Refused(
            yaml: "peers: {}\nnodes:\n- name: a\n  host: '::1'\n  peer_port: 11211",
            error: "5: nodes[0].peer_port: port 11211 of ::1 is where clients reach a"),
        Refused(
            yaml: "peers: {}\nnodes:\n- {name: a, host: '::1', port: 1}\n"
                + "- {name: b, host: '::1', port: 10001}",
            error: "3: nodes[0].peer_port: port 10001 of ::1 is where clients reach b"),
    ]

    @Test("A mistake is told with its line, its field, and what was expected", arguments: refused)
    func refusals(_ refused: Refused) {
        let error = #expect(throws: DefinitionError.self) { try read(refused.yaml) }
        #expect(error.map { "\($0)" } == "shop.yaml:" + refused.error)
    }

    @Test("Only one of the two has to differ for two peers")
    func differentPeers() throws {
        let ports = try read("peers: {}\nnodes: [{host: '::1', port: 1}, {host: '::1', port: 2}]")
        #expect(ports.members.map(\.peerPort) == [10_001, 10_002])
        let hosts = try read("peers: {port: 9}\nnodes: [{host: '::1'}, {host: 127.0.0.1}]")
        #expect(hosts.members.map(\.peerPort) == [9, 9])
    }

    // MARK: The hash

    private static let hashed = """
        name: shop
        copies: 2
        peers: {secret_file: /s}
        nodes:
        - {name: a, host: 10.0.0.1}
        - {name: b, host: 10.0.0.2, port: 11212, weight: 3, in_place_of: {host: old}}
        """

    @Test("The hash of a definition is what FNV-1a makes of its parts, with any version")
    func knownHash() throws {
        // By another program: numbers as 8 bytes, texts behind their counts of bytes, -1 for none.
        #expect(try read(Self.hashed).placementHash == 0xe39d_3f42_152c_f0a4)
    }

    @Test(
        "What decides where keys go, and how peers deal with one another, is in the hash",
        arguments: [
            ("name: shop", "name: shoq"), ("copies: 2", "copies: 1"),
            ("name: shop", "name: shop\nplacement: {strategy: ketama}"),
            ("name: shop", "name: shop\nplacement: {hash: crc32}"),
            ("name: shop", "name: shop\nplacement: {hash_tag: '{}'}"),
            ("/s}", "/s, timeout: 401}"), ("name: a", "name: c"), ("10.0.0.1", "10.0.0.3"),
            ("11212", "11213"), ("weight: 3", "weight: 4"), ("host: old", "host: older"),
            (", in_place_of: {host: old}", ""),
            (
                "nodes:\n- {name: a, host: 10.0.0.1}",
                "nodes:\n- {name: c, host: 10.0.0.3}\n- {name: a, host: 10.0.0.1}"
            ),
        ])
    func hashNotices(old: String, new: String) throws {
        var text = Self.hashed
        let range = try #require(text.firstRange(of: old))
        text.replaceSubrange(range, with: new)
        #expect(try read(text).placementHash != read(Self.hashed).placementHash)
    }

    @Test("The order of nodes is in the hash, by which some strategies place keys")
    func hashOfOrder() throws {
        var definition = try read(Self.hashed)
        definition.members.reverse()
        #expect(try definition.placementHash != read(Self.hashed).placementHash)
    }

    @Test(
        "What is each node's own, or says the same in other words, is not in the hash",
        arguments: [
            ("/s}", "/other}"), ("/s}", "/s, port: 9}"), ("/s}", "/s, timeout: 300}"),
            ("name: shop", "name: shop\nplacement: {strategy: ketama-weighted, hash: md5}"),
            ("name: shop", "name: shop\ncredentials_file: /f\ntls: {ca: /a}"),
            ("copies: 2\n", ""), ("name: shop", "name: shop\ndefaults: {memory: 1g, flags: [-v]}"),
            ("10.0.0.1}", "10.0.0.1, peer_host: a.internal, peer_port: 7}"),
            ("10.0.0.1}", "10.0.0.1, weight: 1, port: 11211, memory_file: /m}"),
        ])
    func hashLeavesOut(old: String, new: String) throws {
        var text = Self.hashed
        let range = try #require(text.firstRange(of: old))
        text.replaceSubrange(range, with: new)
        #expect(text != Self.hashed)
        #expect(try read(text).placementHash == read(Self.hashed).placementHash)
    }

    @Test("No part of a definition goes over into the next one in the hash")
    func hashOfParts() {
        func hash(_ name: String, _ host: String, _ place: String?) -> UInt64 {
            let node = Node(name: name, host: host, ringName: place)
            return ClusterDefinition(members: [.init(node: node)]).placementHash
        }
        #expect(hash("ab", "c", nil) == hash("ab", "c", nil))
        #expect(hash("ab", "c", nil) != hash("a", "bc", nil))
        #expect(hash("a", "b", "") != hash("a", "b", nil))
    }
}
