import HashRing

/// Why a key is where it is, in words.
struct RingAnswer {
    let text: String

    init(_ key: String, on ring: Ring) {
        let explanation = ring.explanation(for: key.utf8)
        var lines = [key]
        lines.append("  node     \(Self.shown(ring.nodes[explanation.index]))")
        lines.append("  because  \(Self.reason(explanation, key))")
        for index in explanation.passedOver {
            lines.append("  without  \(Self.shown(ring.nodes[index])), which comes before")
        }
        let next = ring.nodes(for: key, count: 4).dropFirst()
        if !next.isEmpty {
            lines.append("  then     " + next.map(\.name).joined(separator: ", "))
        }
        text = lines.joined(separator: "\n")
    }

    private static func shown(_ node: Node) -> String {
        let address = "\(node.host):\(node.port)"
        return node.name == address ? address : "\(node.name) (\(address))"
    }

    private static func reason(_ explanation: Ring.Explanation, _ key: String) -> String {
        let hashed = String(decoding: explanation.hashedBytes, as: UTF8.self)
        let what = hashed == key ? "the key" : "'\(hashed)'"
        let hash = "\(explanation.hashName) of \(what) is \(explanation.hash)"
        switch explanation.selection {
        case .point(let value, let number, let count, let origin):
            return
                "\(hash);\n           the point it falls to is \(value), number \(number) of \(count), "
                + "\(origin)"
        case .slot(let slot, let count): return "\(hash), and that modulo \(count) is \(slot)"
        case .jump(let count): return "\(hash), which jumps to this one of \(count)"
        case .score(let count):
            return "\(explanation.hashName) of the node and \(what) is \(explanation.hash), "
                + "the highest of \(count)"
        }
    }
}
