import ClusterFile
import HashRing
import Testing

@Suite(.timeLimit(.minutes(10)))
struct ReadingTests {
    private func read(_ yaml: String) throws -> ClusterDefinition {
        try ClusterDefinition(yaml: yaml, file: "shop.yaml")
    }

    @Test("Every field is read, and what a node leaves out comes from the defaults")
    func allFields() throws {
        let definition = try read(
            """
            name: shop
            placement:
              strategy: twemproxy-ketama
              hash: md5
              hash_tag: "{}"
            copies: 2
            defaults: {port: 11311, memory: 2g, weight: 3, flags: [-t, "2"]}
            nodes:
              - host: 10.0.0.1
              - name: b
                host: cache.example.com
                port: 11212
                weight: 1
                memory: 512m
                memory_file: /dev/shm/b
                in_place_of: {host: 10.0.0.9, port: 11214}
                flags: []
            """)
        #expect(definition.name == "shop")
        #expect(definition.strategy == .twemproxyKetama)
        #expect(definition.keyHash == .md5)
        #expect(definition.hashTag == Ring.HashTag("{}"))
        #expect(definition.copyCount == 2)
        #expect(
            definition.members == [
                .init(
                    node: Node(host: "10.0.0.1", port: 11_311, weight: 3), memoryMegabytes: 2_048,
                    flags: ["-t", "2"]),
                .init(
                    node: Node(
                        name: "b", host: "cache.example.com", port: 11_212, weight: 1,
                        ringName: "10.0.0.9:11214"),
                    memoryMegabytes: 512, memoryFile: "/dev/shm/b"),
            ])
        #expect(try definition.ring().nodes == definition.nodes)
    }

    @Test("How nodes are reached is read, and not told to whoever asks a node")
    func access() throws {
        let definition = try read(
            """
            tls: {ca: /a, cert: /b, key: /c, client_cert: /d, client_key: /e, server_name: s.example}
            credentials_file: /f
            nodes: [{host: a}]
            """)
        var tls = ClusterDefinition.TLS()
        tls.authorityFile = "/a"
        tls.certificateFile = "/b"
        tls.keyFile = "/c"
        tls.clientCertificateFile = "/d"
        tls.clientKeyFile = "/e"
        tls.serverName = "s.example"
        #expect(definition.tls == tls)
        #expect(definition.credentialsFile == "/f")
        #expect(try read("tls: {ca: /a}\nnodes: [{host: a}]").tls?.certificateFile == nil)
        let told = try ClusterDefinition(yaml: definition.yamlForClients ?? "", file: "told")
        #expect(told.tls == nil && told.credentialsFile == nil)
    }

    @Test("A list of hosts is enough")
    func hostsOnly() throws {
        let definition = try read("nodes:\n- host: a\n- host: b\n")
        #expect(definition.nodes == [Node(host: "a"), Node(host: "b")])
        #expect(definition.strategy == .ketamaWeighted)
        #expect(definition.copyCount == 1)
        #expect(definition.members[0].memoryMegabytes == 64)
        #expect(definition.name == "sojourn")
    }

    @Test(
        "A node in another's place gets its keys, whatever the strategy makes of host and port",
        arguments: Ring.Strategy.allCases.filter(\.usesAddresses), [11_211, 11_212])
    func inPlaceOf(strategy: Ring.Strategy, port: Int) throws {
        let head =
            "placement: {strategy: \(strategy.rawValue)}\ndefaults: {port: \(port)}\nnodes:\n"
        let rest = "- {host: 10.0.0.2}\n- {host: 10.0.0.3, port: 11213}\n"
        let before = try read(head + "- {host: 10.0.0.1}\n" + rest).ring()
        for place in ["{host: 10.0.0.1}", "{host: 10.0.0.1, port: \(port)}"] {
            let moved = "- {host: 10.9.9.9, port: 7, in_place_of: \(place)}\n"
            #expect(try read(head + moved + rest).ring().placesKeys(as: before))
        }
    }

    @Test("Strategies to which two nodes are different take what others refuse as the same")
    func differentToSome() throws {
        let nodes = "nodes: [{host: 'fd00::1', port: 5}, {host: 'fd00::1:5'}]"
        for strategy in [Ring.Strategy.dalli, .nginx, .modula] {
            #expect(
                try read("placement: {strategy: \(strategy.rawValue)}\n" + nodes).nodes.count == 2)
        }
        #expect(throws: DefinitionError.self) { try read(nodes) }
    }

    @Test("What clients have to know is a definition, too, that places keys alike")
    func forClients() throws {
        let definition = try read(
            #"""
            name: shop
            placement: {strategy: ketama, hash: md5, hash_tag: '"\'}
            copies: 2
            defaults: {memory: 1g, flags: [-t, "2"]}
            nodes:
              - {host: 10.0.0.1, memory_file: /secret/place}
              - {name: b, host: "::1", port: 5, weight: 3}
              - {name: c, host: "h\u00e9\"\\", in_place_of: {host: "fd00::2", port: 7}}
            """#)
        let yaml = try #require(definition.yamlForClients)
        #expect(
            yaml == #"""
                name: "shop"
                placement: {strategy: ketama, hash: md5, hash_tag: "\"\\"}
                copies: 2
                nodes:
                - {host: "10.0.0.1", port: 11211}
                - {name: "b", host: "::1", port: 5, weight: 3}
                - {name: "c", host: "h\U000000e9\"\\", port: 11211, in_place_of: {host: "fd00::2", \#
                port: 7}}

                """#)
        let told = try ClusterDefinition(yaml: yaml, file: "told")
        #expect(told.nodes == definition.nodes)
        #expect(told.name == "shop" && told.copyCount == 2)
        #expect(try told.ring().placesKeys(as: definition.ring()))
        #expect(told.members.allSatisfy { $0.memoryMegabytes == 64 && $0.flags.isEmpty })
    }

    @Test("A ring name that is no place cannot be told, as no definition has one")
    func plainRingName() {
        let node = Node(host: "a", ringName: "alpha")
        #expect(ClusterDefinition(members: [.init(node: node)]).yamlForClients == nil)
    }

    @Test("Words that YAML takes for something else are text here")
    func plainWords() throws {
        let definition = try read("name: no\nnodes:\n- {name: 1e3, host: 127.1, port: '11211'}\n")
        #expect(definition.name == "no")
        #expect(definition.nodes == [Node(name: "1e3", host: "127.1")])
    }

    /// A file that is refused, and the error.
    struct Refused: Sendable, CustomTestStringConvertible {
        var yaml: String
        var error: String
        var testDescription: String { error }
    }

    private static let refused = [
        Refused(yaml: "", error: "1: expected a cluster's definition, not an empty file"),
        Refused(yaml: "nodes", error: "1: expected fields with values, not 'nodes'"),
        Refused(yaml: "name: x", error: "1: nodes: expected a list of at least one node"),
        Refused(
            yaml: "name: x\nnodes: []", error: "2: nodes: expected a list of at least one node"),
        Refused(yaml: "nodes: 3", error: "1: nodes: expected a list, not '3'"),
        Refused(
            yaml: "nodes:\n- a", error: "2: nodes[0]: expected fields with values, not 'a'"),
        Refused(
            yaml: "nodes:\n- port: 1",
            error: "2: nodes[0].host: missing; expected a host name or address"),
        Refused(
            yaml: "nodes:\n- host: a\n- host: b\n  weight: heavy",
            error: "4: nodes[1].weight: expected a whole number from 1 to 16777216, not 'heavy'"),
        Refused(
            yaml: "nodes:\n- host: a\n  weight: 0",
            error: "3: nodes[0].weight: expected a whole number from 1 to 16777216, not '0'"),
        Refused(
            yaml: "nodes:\n- host: a\n  port: 65536",
            error: "3: nodes[0].port: expected a whole number from 1 to 65535, not '65536'"),
        Refused(
            yaml: "nodes:\n- host: a\n  port: [1]",
            error: "3: nodes[0].port: expected a whole number from 1 to 65535, not a list"),
        Refused(
            yaml: "nodes:\n- host: a\n  port:",
            error: "3: nodes[0].port: expected a whole number from 1 to 65535, not nothing"),
        Refused(
            yaml: "defaults:\n  memory: 1t\nnodes:\n- host: a",
            error: "2: defaults.memory: expected megabytes (64), or a number with m or g "
                + "(512m, 2g), not '1t'"),
        Refused(
            yaml: "nodes:\n- host: a\n  wieght: 2",
            error: "3: nodes[0].wieght: unknown; expected one of name, host, port, weight, memory, "
                + "memory_file, in_place_of, flags, peer_host, peer_port, id, since, "
                + "admin"),
        Refused(
            yaml: "nodes:\n- host: a\nstrategy: jump",
            error:
                "3: strategy: unknown; expected one of name, generation, placement, defaults, peers, "
                + "nodes, copies, tls, credentials_file"),
        Refused(
            yaml: "tls: {cert: a, keys: b}\nnodes:\n- host: a",
            error: "1: tls.keys: unknown; expected one of ca, cert, key, client_cert, client_key, "
                + "server_name"),
        Refused(
            yaml: "tls: {key: b}\nnodes:\n- host: a",
            error: "1: tls.key: is nothing without cert"),
        Refused(
            yaml: "tls: {client_cert: b}\nnodes:\n- host: a",
            error: "1: tls.client_cert: needs ca, by which nodes verify it"),
        Refused(
            yaml: "credentials_file: a,b\nnodes:\n- host: a",
            error: "1: credentials_file: expected a path without commas, not 'a,b'"),
        Refused(
            yaml: "placement:\n  hash_tag: \"{\"\nnodes:\n- host: a",
            error: "2: placement.hash_tag: expected two characters, such as \"{}\", not '{'"),
        Refused(
            yaml: "placement: {strategy: dalli, hash: md5}\nnodes:\n- host: a",
            error: "1: placement.hash: the strategy dalli has a hash of its own, not md5"),
        Refused(
            yaml: "copies: 3\nnodes:\n- host: a\n- host: b",
            error: "1: copies: expected a whole number from 1 to 2, not '3'"),
        Refused(
            yaml: "nodes:\n- host: a\n- host: b\n- host: a\n  name: c",
            error: "4: nodes[2].host: nodes a:11211 and c have the same host and port"),
        Refused(
            yaml: "nodes:\n- {name: x, host: a}\n- {name: x, host: b}",
            error: "3: nodes[1].host: two nodes are called x"),
        Refused(
            yaml: "nodes:\n- host: a b",
            error: "2: nodes[0].host: node a b:11211: expected a host name or address, not 'a b'"),
        Refused(
            yaml: "placement: {strategy: spymemcached-ketama}\nnodes:\n- host: cache",
            error:
                "3: nodes[0].in_place_of: missing; spymemcached hashes the address of a host name, "
                + "too: expected {host: cache/ADDRESS, port: 11211}"),
        Refused(
            yaml: "nodes:\n- host: a\n  ring_name: b:11212",
            error: "3: nodes[0].ring_name: is written in_place_of: {host: b, port: 11212} now"),
        Refused(
            yaml: "nodes:\n- host: a\n  ring_name: alpha",
            error: "3: nodes[0].ring_name: is written in_place_of: {host: alpha, port: 11211} now"),
        Refused(
            yaml: "nodes:\n- host: a\n  in_place_of: b:11212",
            error: "3: nodes[0].in_place_of: expected fields with values, not 'b:11212'"),
        Refused(
            yaml: "nodes:\n- host: a\n  in_place_of: {port: 1}",
            error: "3: nodes[0].in_place_of.host: missing; expected a host name or address without "
                + "spaces"),
        Refused(
            yaml: "nodes:\n- host: a\n  in_place_of: {host: 'b c'}",
            error: "3: nodes[0].in_place_of.host: expected a host name or address without spaces, "
                + "not 'b c'"),
        Refused(
            yaml: "nodes:\n- host: a\n  in_place_of: {host: b, port: 0}",
            error: "3: nodes[0].in_place_of.port: expected a whole number from 1 to 65535, not '0'"),
        Refused(
            yaml: "nodes:\n- host: a\n  in_place_of: {host: b, name: c}",
            error: "3: nodes[0].in_place_of.name: unknown; expected one of host, port"),
        Refused(
            yaml: "nodes:\n- {name: x, host: a}\n- {name: y, host: b}\n- host: c\n"
                + "  name: z\n  in_place_of: {host: a}",
            error: "6: nodes[2].in_place_of: nodes x and z have the same points: to "
                + "ketama-weighted both are 'a'"),
        Refused(
            yaml: "nodes:\n- {name: z, host: c, in_place_of: {host: a}}\n- {name: x, host: a}",
            error: "2: nodes[0].in_place_of: nodes z and x have the same points: to "
                + "ketama-weighted both are 'a'"),
        Refused(
            yaml: "nodes:\n- {name: x, host: 'fd00::1', port: 5}\n- {name: y, host: 'fd00::1:5'}",
            error: "3: nodes[1].host: nodes x and y have the same points: to ketama-weighted both "
                + "are 'fd00::1:5'"),
        Refused(
            yaml: "placement: {strategy: jump}\nnodes:\n- {host: a, in_place_of: {host: b}}",
            error:
                "3: nodes[0].in_place_of: jump places keys by the order of the nodes alone: list "
                + "this node where the other one was"),
        Refused(
            yaml: "nodes:\n- {host: a, name: ../b}",
            error:
                "2: nodes[0].name: expected a name of letters, digits, and . _ - after the first "
                + "of them, not '../b'"),
        Refused(
            yaml: "name: two words\nnodes:\n- {host: a}",
            error:
                "1: name: expected a name of letters, digits, and . _ - after the first of them, "
                + "not 'two words'"),
        Refused(yaml: "name: a\nname: b", error: "1: a field twice: name"),
        Refused(yaml: "nodes:\n- host: \"a", error: "2: not YAML: found unexpected end of stream"),
        Refused(
            yaml: "a: b: c", error: "1: not YAML: mapping values are not allowed in this context"),
    ]

    @Test("A mistake is told with its line, its field, and what was expected", arguments: refused)
    func refusals(_ refused: Refused) {
        let error = #expect(throws: DefinitionError.self) { try read(refused.yaml) }
        #expect(error.map { "\($0)" } == "shop.yaml:" + refused.error)
    }

    @Test("An unknown strategy is answered with the known ones")
    func unknownStrategy() {
        let error = #expect(throws: DefinitionError.self) {
            try read("placement:\n  strategy: ketma\nnodes:\n- host: a")
        }
        #expect(error?.line == 2)
        #expect(error?.field == "placement.strategy")
        for strategy in Ring.Strategy.allCases {
            #expect(error?.problem.contains(strategy.rawValue) == true)
        }
    }

    @Test("A file that is not there, or too large, is told without a line")
    func files() {
        #expect(throws: DefinitionError.self) {
            try ClusterDefinition(contentsOf: "/nowhere/shop.yaml")
        }
        let error = #expect(throws: DefinitionError.self) {
            try ClusterDefinition(contentsOf: "/dev/zero")
        }
        #expect(error.map { "\($0)" } == "/dev/zero: larger than 4194304 bytes")
        #expect(throws: DefinitionError.self) { try ClusterDefinition(contentsOf: "/") }
    }
}
