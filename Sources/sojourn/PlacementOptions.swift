import ArgumentParser
import ClusterFile
import HashRing

/// Where keys go: by a definition file, or by options.
struct PlacementOptions: ParsableArguments {
    @Option(
        name: .customLong("node"),
        help:
            "A node, HOST[:PORT[:WEIGHT]]; once for each, in the order of the other clients' lists."
    )
    var nodes: [NodeArgument] = []

    @Option(
        help: ArgumentHelp("A cluster's definition file, instead of --node.", valueName: "file"))
    var cluster: String?

    @Option(
        help: """
            The rule of placement: \(Ring.Strategy.allCases.map(\.rawValue).joined(separator: ", ")). \
            Default: the definition's, or ketama-weighted.
            """, transform: { try choice($0) })
    var strategy: Ring.Strategy?

    @Option(
        help: """
            What hashes a key, for libmemcached's and twemproxy's strategies: \
            \(Ring.KeyHash.allCases.map(\.rawValue).joined(separator: ", ")).
            """, transform: { try choice($0) })
    var hash: Ring.KeyHash?

    @Option(
        help: "Two characters, such as {}: only what is between them is hashed.",
        transform: { text in
            guard let tag = Ring.HashTag(text) else {
                throw ValidationError("expected two characters, not '\(text)'")
            }
            return tag
        })
    var hashTag: Ring.HashTag?

    func definition() throws -> ClusterDefinition {
        var definition: ClusterDefinition
        switch (cluster, nodes.isEmpty) {
        case (.some, false): throw ValidationError("give --cluster or --node, not both")
        case (nil, true): throw ValidationError("give --cluster FILE, or --node for each node")
        case (.some(let path), true):
            definition = try ClusterDefinition(contentsOf: path)
        case (nil, false):
            definition = ClusterDefinition(members: nodes.map { .init(node: $0.node) })
        }
        if let strategy {
            definition.strategy = strategy
            definition.keyHash = strategy.takesKeyHash ? definition.keyHash : nil
        }
        if let hash { definition.keyHash = hash }
        if let hashTag { definition.hashTag = hashTag }
        return definition
    }
}

/// One of the values of an enumeration, by its name.
private func choice<Value: RawRepresentable<String> & CaseIterable>(_ name: String) throws -> Value
{
    if let value = Value(rawValue: name) { return value }
    let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
    throw ValidationError("expected one of \(names), not '\(name)'")
}
