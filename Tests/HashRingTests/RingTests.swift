import Testing

@testable import HashRing

/// `10.0.0.1` and so on, all on memcached's port.
func equalNodes(_ count: Int) -> [Node] {
    (0..<count).map { Node(host: "10.\($0 >> 16).\($0 >> 8 & 255).\($0 & 255)") }
}

@Suite(.timeLimit(.minutes(10)))
struct RingTests {
    @Test("libmemcached's weighted ketama, as pylibmc's Client.hash says")
    func libmemcached() throws {
        let ring = try Ring(nodes: equalNodes(10))
        let indices = (0..<12).map { ring.index(for: "k\($0)") }
        #expect(indices == [0, 9, 5, 8, 1, 5, 8, 9, 8, 2, 6, 5])
    }

    @Test("Every way to pass a key means its bytes")
    func keysInAllHands() throws {
        let ring = try Ring(nodes: equalNodes(10))
        for number in 0..<100 {
            let key = "session:\(number)"
            let index = ring.index(for: key)
            let bytes = Array(key.utf8)
            #expect(ring.index(for: bytes) == index)
            #expect(ring.index(for: bytes[...]) == index)
            #expect(ring.index(for: bytes.span.bytes) == index)
            #expect(ring.index(for: bytes.reversed().reversed() as ReversedCollection) == index)
            #expect(ring.node(for: key) == ring.nodes[index])
            #expect(ring.indices(for: key, count: 3).first == index)
            #expect(ring.nodes(for: bytes, count: 1) == [ring.nodes[index]])
        }
    }

    @Test("Copies are on different nodes, as many as asked for or as there are")
    func copies() throws {
        let ring = try Ring(nodes: equalNodes(5))
        for number in 0..<1_000 {
            for count in 0...6 {
                let indices = ring.indices(for: "k\(number)", count: count)
                #expect(indices.count == min(count, 5))
                #expect(Set(indices).count == indices.count)
            }
        }
    }

    @Test("The first two nodes are those of any search for two", arguments: Ring.Strategy.allCases)
    func firstTwo(strategy: Ring.Strategy) throws {
        var rings = try [1, 2, 3, 10].map {
            try Ring(nodes: equalNodes($0), strategy: strategy)
        }
        rings.append(try rings[3].leavingOut([2, 7]))
        rings.append(try rings[1].leavingOut([0]))
        rings.append(
            try Ring(nodes: equalNodes(3), strategy: strategy, hashTag: Ring.HashTag("{}")))
        for ring in rings {
            for number in 0..<500 {
                let key = Array("{session}:\(number)".utf8)
                let (first, second) = ring.firstTwoIndices(for: key.span.bytes)
                let both = [first] + (second.map { [$0] } ?? [])
                #expect(both == ring.indices(for: key, count: 2))
            }
        }
    }

    @Test("A node left out gets no keys, its keys go to their next node, and no other key moves")
    func leavingOut() throws {
        let ring = try Ring(nodes: equalNodes(10))
        let without = try ring.leavingOut([3])
        #expect(without.nodes == ring.nodes)
        #expect(without.liveIndices == [0, 1, 2, 4, 5, 6, 7, 8, 9])
        var movedCount = 0
        for number in 0..<5_000 {
            let key = "k\(number)"
            let order = ring.indices(for: key, count: 2)
            #expect(without.index(for: key) == (order[0] == 3 ? order[1] : order[0]))
            movedCount += order[0] == 3 ? 1 : 0
        }
        #expect((300...700).contains(movedCount))
        let whole = try without.leavingOut([])
        #expect(whole.index(for: "k1") == ring.index(for: "k1"))
        #expect(whole.liveIndices == Array(0..<10))
    }

    @Test("Nodes that make no ring are refused with the reason")
    func refusals() {
        let node = Node(host: "a")
        func expect(_ nodes: [Node], _ error: RingError) {
            #expect(throws: error) { try Ring(nodes: nodes) }
        }
        expect([], .noNodes)
        expect([node, Node(host: "b"), node], .duplicateName("a:11211"))
        expect(
            [node, Node(name: "other", host: "a")], .duplicateNode("a:11211", "other"))
        expect(
            [Node(host: "a", ringName: "x"), Node(host: "b", ringName: "x")],
            .samePoints("a:11211", "b:11211", strategy: .ketamaWeighted, text: "x"))
        expect([Node(name: "", host: "a")], .emptyName(host: "a", port: 11_211))
        expect([Node(host: "")], .invalidHost(node: ":11211", host: ""))
        expect([Node(name: "n", host: "a b")], .invalidHost(node: "n", host: "a b"))
        for port in [0, -1, 65_536] {
            expect([Node(name: "n", host: "a", port: port)], .invalidPort(node: "n", port: port))
        }
        for weight in [0, -1, Node.weightMax + 1] {
            expect(
                [Node(name: "n", host: "a", weight: weight)],
                .invalidWeight(node: "n", weight: weight))
        }
        expect(equalNodes(10_001), .tooManyNodes(count: 10_001, limit: 10_000))
        #expect(throws: RingError.noNodesLeft) { try Ring(nodes: [node]).leavingOut([0]) }
    }

    @Test("What a strategy cannot do with its nodes is refused with the reason")
    func strategyRefusals() {
        let nodes = equalNodes(2)
        #expect(throws: RingError.keyHashNotTaken(strategy: .dalli, keyHash: .md5)) {
            try Ring(nodes: nodes, strategy: .dalli, keyHash: .md5)
        }
        #expect(throws: RingError.ringNameNeeded(node: "cache:11211")) {
            try Ring(nodes: [Node(host: "cache")], strategy: .spymemcached)
        }
        for strategy in [Ring.Strategy.nginx, .cacheMemcached, .twemproxyModula] {
            #expect(throws: RingError.tooManyPoints(limit: 1 << 23)) {
                try Ring(nodes: [Node(host: "a", weight: Node.weightMax)], strategy: strategy)
            }
        }
        #expect(throws: Never.self) {
            try Ring(
                nodes: [Node(host: "cache", ringName: "cache/10.0.0.1:11211")],
                strategy: .spymemcached)
        }
    }

    @Test("Errors say which node and what is wrong")
    func descriptions() {
        #expect(
            "\(RingError.invalidWeight(node: "b", weight: 0))"
                == "node b: the weight must be 1 to 16777216, not 0")
        #expect(
            "\(RingError.duplicateNode("a", "b"))" == "nodes a and b have the same host and port")
        #expect(
            "\(RingError.samePoints("a", "b", strategy: .nginx, text: "x\01"))"
                == "nodes a and b have the same points: to nginx-consistent both are 'x:1'")
        #expect(
            "\(RingError.keyHashNotTaken(strategy: .dalli, keyHash: .md5))"
                == "the strategy dalli has a hash of its own, not md5")
    }

    @Test("A ring name takes the place of host and port, and a moved node keeps its keys")
    func ringNames() throws {
        let before = try Ring(nodes: [
            Node(host: "10.0.0.1", ringName: "a"), Node(host: "10.0.0.2", ringName: "b"),
        ])
        let after = try Ring(nodes: [
            Node(host: "10.9.9.9", port: 5, ringName: "a"), Node(host: "10.0.0.2", ringName: "b"),
        ])
        let unnamed = try Ring(nodes: [Node(host: "a"), Node(host: "b")])
        for number in 0..<200 {
            let index = before.index(for: "k\(number)")
            #expect(after.index(for: "k\(number)") == index)
            #expect(unnamed.index(for: "k\(number)") == index)
        }
    }

    @Test(
        "A node in another's place is given its host:port as ring name, whatever strategy and port",
        arguments: Ring.Strategy.allCases, [11_211, 11_212])
    func placeOfAnother(strategy: Ring.Strategy, port: Int) throws {
        let nodes = [
            Node(host: "10.0.0.1", port: port), Node(host: "10.0.0.2"),
            Node(host: "10.0.0.3", port: 11_213),
        ]
        let before = try Ring(nodes: nodes, strategy: strategy)
        for moved in [Node(host: "10.9.9.9"), Node(host: "10.9.9.9", port: 7)] {
            var next = nodes
            next[0] = moved
            next[0].ringName = "10.0.0.1:\(port)"
            let after = try Ring(nodes: next, strategy: strategy)
            #expect(after.placesKeys(as: before))
            for number in 0..<100 {
                #expect(after.index(for: "k\(number)") == before.index(for: "k\(number)"))
            }
        }
    }

    @Test("What does not end in a port is a name, and taken as it is")
    func plainRingNames() {
        for name in ["alpha", "a:b", "a:", ":7", "a:0", "a:65536", "a:+7", "a:07", "a:7 "] {
            let node = Node(host: "10.0.0.1", port: 11_212, ringName: name)
            #expect(node.hostAndPort == name)
            #expect(node.hostAndUnusualPort == name)
            #expect(node.hostZeroPort == Array(name.utf8) + [0])
        }
        let node = Node(host: "10.0.0.1", ringName: "::1:11211")
        #expect(node.hostAndPort == "::1:11211")
        #expect(node.hostAndUnusualPort == "::1")
    }

    @Test(
        "Two nodes with the same points are refused, by what the strategy hashes: one would get no keys",
        arguments: Ring.Strategy.allCases)
    func samePoints(strategy: Ring.Strategy) throws {
        func error(_ one: Node, _ other: Node) -> RingError? {
            do {
                _ = try Ring(nodes: [one, other], strategy: strategy)
                return nil
            } catch { return error }
        }
        let one = Node(name: "one", host: "10.0.0.1")
        let inItsPlace = Node(name: "other", host: "10.0.0.2", port: 7, ringName: "10.0.0.1:11211")
        if strategy.usesAddresses {
            let refusal = try #require(error(one, inItsPlace))
            #expect(refusal.code == .samePoints && refusal.nodes == ["one", "other"])
            #expect("\(refusal)".contains("to \(strategy.rawValue) both are"))
        } else {
            #expect(error(one, inItsPlace) == nil)
        }
        // Whatever is hashed: one server is one node.
        for ringName in ["other", "10.0.0.3:11211"] {
            let other = Node(name: "other", host: "10.0.0.1", ringName: ringName)
            #expect(error(one, other) == .duplicateNode("one", "other"))
        }
    }

    @Test("Texts that only some strategies make alike are refused by these, and by no others")
    func sameTextForSome() throws {
        // To libmemcached both are fd00::1:5; with the port behind it the second is fd00::1:5:11211.
        let nodes = [Node(name: "a", host: "fd00::1", port: 5), Node(name: "b", host: "fd00::1:5")]
        for strategy in [Ring.Strategy.ketamaWeighted, .ketama, .twemproxyKetama] {
            #expect(
                throws: RingError.samePoints("a", "b", strategy: strategy, text: "fd00::1:5")
            ) { try Ring(nodes: nodes, strategy: strategy) }
        }
        for strategy in [Ring.Strategy.dalli, .rendezvous, .nginx, .modula] {
            #expect(throws: Never.self) { try Ring(nodes: nodes, strategy: strategy) }
        }
    }

    @Test("Two rings place keys alike if they have the same points, and only then")
    func placesKeys() throws {
        let nodes = [Node(host: "a"), Node(host: "b")]
        let ring = try Ring(nodes: nodes)
        let same = [
            Node(name: "x", host: "a", weight: 7), Node(host: "c", weight: 7, ringName: "b"),
        ]
        #expect(ring.placesKeys(as: try Ring(nodes: same)))
        for other in [
            try Ring(nodes: [nodes[1], nodes[0]]), try Ring(nodes: nodes, strategy: .modula),
            try Ring(nodes: [Node(host: "a"), Node(host: "b", weight: 2)]),
            try Ring(nodes: nodes, keyHash: .fnv1a64),
            try Ring(nodes: nodes, hashTag: Ring.HashTag("{}")), try ring.leavingOut([0]),
            try Ring(nodes: [Node(host: "a")]),
        ] { #expect(!ring.placesKeys(as: other)) }
        for strategy in [Ring.Strategy.modula, .nginx, .rendezvous, .cacheMemcached] {
            let one = try Ring(nodes: nodes, strategy: strategy)
            let heavier = try Ring(
                nodes: [Node(host: "a"), Node(host: "b", weight: 2)], strategy: strategy)
            #expect(one.placesKeys(as: heavier) == !strategy.usesWeights)
        }
    }

    @Test(
        "A hash tag keeps keys together; without its both ends or between nothing it does nothing")
    func hashTags() throws {
        let tag = try #require(Ring.HashTag("{}"))
        let ring = try Ring(nodes: equalNodes(10), hashTag: tag)
        let plain = try Ring(nodes: equalNodes(10))
        for number in 0..<100 {
            let index = plain.index(for: "\(number)")
            #expect(ring.index(for: "user:{\(number)}:cart") == index)
            #expect(ring.index(for: "{\(number)}") == index)
            #expect(ring.indices(for: "{\(number)}}", count: 2).first == index)
            for key in ["\(number)", "{\(number)", "}\(number){", "{}\(number)"] {
                #expect(ring.index(for: key) == plain.index(for: key))
            }
        }
        for text in ["", "{", "{}}", "é{"] { #expect(Ring.HashTag(text) == nil) }
        #expect("\(tag)" == "{}")
    }

    @Test("Every strategy finds a live node for the longest and for the empty key")
    func extremeKeys() throws {
        for strategy in Ring.Strategy.allCases {
            let ring = try Ring(nodes: equalNodes(3), strategy: strategy)
            let rest = try ring.leavingOut([0, 2])
            for key in [
                "", String(repeating: "x", count: 250), String(repeating: "x", count: 5_000),
            ] {
                #expect((0..<3).contains(ring.index(for: key)))
                #expect(rest.index(for: key) == 1)
                #expect(rest.indices(for: key, count: 5) == [1])
            }
        }
    }

    @Test("A node so light that it has no points gets no keys, but is there for copies")
    func pointless() throws {
        let ring = try Ring(nodes: [Node(host: "a", weight: 1_000), Node(host: "b")])
        #expect((0..<1_000).allSatisfy { ring.index(for: "k\($0)") == 0 })
        #expect(ring.indices(for: "k", count: 2) == [0, 1])
    }
}
