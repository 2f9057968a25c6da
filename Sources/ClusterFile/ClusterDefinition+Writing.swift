import HashRing

extension ClusterDefinition {
    /// What clients have to know, as a definition: names, addresses, weights, and the rule of placement.
    /// Without what only nodes need: memory, files, flags, peers, and copies that they keep by themselves.
    ///
    /// Nil if a node has a ring name that is no place, which definitions cannot say.
    public var yamlForClients: String? {
        var placement = "strategy: \(strategy.rawValue)"
        if let keyHash { placement += ", hash: \(keyHash.rawValue)" }
        if let hashTag { placement += ", hash_tag: \(Self.quoted("\(hashTag)"))" }
        var lines = [
            "name: \(Self.quoted(name))", "placement: {\(placement)}",
            "copies: \(copyCountForClients)", "nodes:",
        ]
        for node in nodes {
            guard let line = Self.line(node) else { return nil }
            lines.append(line)
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func line(_ node: Node) -> String? {
        var fields: [String] = []
        if node.name != Node(host: node.host, port: node.port).name {
            fields.append("name: \(quoted(node.name))")
        }
        fields.append("host: \(quoted(node.host)), port: \(node.port)")
        if node.weight != 1 { fields.append("weight: \(node.weight)") }
        if node.ringName != nil {
            guard let place = node.inPlaceOf else { return nil }
            fields.append("in_place_of: {host: \(quoted(place.host)), port: \(place.port)}")
        }
        return "- {\(fields.joined(separator: ", "))}"
    }

    /// A double-quoted scalar, in which only ASCII stands for itself.
    static func quoted(_ text: String) -> String {
        let characters = text.unicodeScalars.map { scalar in
            switch scalar {
            case "\"", "\\": return "\\\(scalar)"
            case " "..."~": return String(scalar)
            default:
                let digits = String(scalar.value, radix: 16)
                return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
            }
        }
        return "\"\(characters.joined())\""
    }
}
