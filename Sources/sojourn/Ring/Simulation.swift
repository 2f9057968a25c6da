import HashRing

/// Many sessions' keys on a ring: how even, and how many move when something changes.
struct Simulation {
    let ring: Ring
    let keyCount: Int
    /// Keys by node.
    let counts: [Int]
    let changes: [Change]

    /// What moves when something happens.
    struct Change {
        var title: String
        var movedCount = 0
        /// Keys that move although neither their old node nor their new one comes or goes.
        var foreignCount = 0
    }

    /// Nodes whose failure and going are simulated, spread over all: each takes a ring of its own.
    private static let sampleCount = 5
    /// An address that nobody has, for the node that comes.
    private static let comer = Node(name: "a new node", host: "192.0.2.1")

    /// - Parameter next: the ring to compare with; by default that of a node less and a node more.
    init(_ ring: Ring, keyCount: Int, next: Ring?) {
        self.ring = ring
        self.keyCount = keyCount
        let placed = (0..<keyCount).map { ring.index(for: Self.key($0)) }
        var counts = Array(repeating: 0, count: ring.nodes.count)
        for index in placed { counts[index] += 1 }
        self.counts = counts
        var changes: [Change] = []
        if let next {
            changes.append(Self.change("the other definition", ring, placed, next))
        } else {
            for index in Self.samples(ring.liveIndices) where ring.liveIndices.count > 1 {
                let name = ring.nodes[index].name
                let others = Set(ring.nodes.indices).subtracting(ring.liveIndices)
                if let rest = try? ring.leavingOut(others.union([index])) {
                    changes.append(Self.change("\(name) fails", ring, placed, rest))
                }
                if let rest = Self.with(ring, { $0.remove(at: index) }) {
                    changes.append(Self.change("\(name) is removed", ring, placed, rest))
                }
            }
            if let more = Self.with(ring, { $0.append(Self.comer) }) {
                changes.append(Self.change("a node is added", ring, placed, more))
            }
        }
        self.changes = changes
    }

    /// The same for a number in every run: `session:` and 32 hexadecimal digits.
    static func key(_ number: Int) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var key = Array("session:".utf8)
        for half in 0..<2 {
            let bits = SplitMix64.mixed(UInt64(number * 2 + half) &* SplitMix64.step)
            for digit in 0..<16 { key.append(digits[Int(bits >> UInt64(digit * 4) & 15)]) }
        }
        return key
    }

    private static func samples(_ indices: [Int]) -> [Int] {
        guard indices.count > sampleCount else { return indices }
        return (0..<sampleCount).map { indices[$0 * (indices.count - 1) / (sampleCount - 1)] }
    }

    /// A ring of changed nodes; nil if they are none, or one needs a name that nobody knows.
    private static func with(_ ring: Ring, _ change: (inout [Node]) -> Void) -> Ring? {
        var nodes = ring.nodes
        change(&nodes)
        return try? Ring(
            nodes: nodes, strategy: ring.strategy,
            keyHash: ring.strategy.takesKeyHash ? ring.keyHash : nil, hashTag: ring.hashTag)
    }

    private static func change(
        _ title: String, _ ring: Ring, _ placed: [Int], _ other: Ring
    ) -> Change {
        // Nodes are the same by host and port: names and indices may change with the definition.
        func address(_ node: Node) -> String { "\(node.host):\(node.port)" }
        let (own, others) = (ring.nodes.map(address), other.nodes.map(address))
        func live(_ ring: Ring, _ addresses: [String]) -> Set<String> {
            Set(ring.liveIndices.map { addresses[$0] })
        }
        let staying = live(ring, own).intersection(live(other, others))
        var change = Change(title: title)
        for (number, before) in placed.enumerated() {
            let after = others[other.index(for: key(number))]
            guard after != own[before] else { continue }
            change.movedCount += 1
            if staying.contains(after), staying.contains(own[before]) { change.foreignCount += 1 }
        }
        return change
    }

    /// A node's keys over those that its weight asks for.
    func ofFairShare(_ index: Int) -> Double {
        let usesWeights = ring.strategy.usesWeights
        let total = ring.liveIndices.reduce(0) { $0 + (usesWeights ? ring.nodes[$1].weight : 1) }
        let weight = Double(usesWeights ? ring.nodes[index].weight : 1) / Double(total)
        return Double(counts[index]) / (Double(keyCount) * weight)
    }
}
