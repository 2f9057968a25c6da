import HashRing
import Testing

/// `10.0.0.1` and so on, all on memcached's port.
func equalNodes(_ count: Int) -> [Node] {
    (0..<count).map { Node(host: "10.\($0 >> 16).\($0 >> 8 & 255).\($0 & 255)") }
}

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

    @Test("Replicas are on different nodes, as many as asked for or as there are")
    func replicas() throws {
        let ring = try Ring(nodes: equalNodes(5))
        for number in 0..<1_000 {
            for count in 0...6 {
                let indices = ring.indices(for: "k\(number)", count: count)
                #expect(indices.count == min(count, 5))
                #expect(Set(indices).count == indices.count)
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
            .duplicateNode("a:11211", "b:11211"))
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
}
