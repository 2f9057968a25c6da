import HashRing
import TestSupport

/// Three nodes, their definition file, and `sojourn` with it.
final class ToolCluster {
    let directory: TemporaryDirectory
    let nodes: [RunningNode]
    let definition: String
    let ring: Ring

    /// - Parameter head: the definition's lines before the nodes.
    init(_ head: String = "", flags: [String] = [], weights: [Int] = [1, 1, 1]) throws {
        directory = try TemporaryDirectory()
        nodes = try (0..<3).map { _ in try RunningNode.sojournd(flags) }
        let members = try zip(["a", "b", "c"], zip(nodes, weights)).map {
            Node(name: $0, host: "127.0.0.1", port: try $1.0.port, weight: $1.1)
        }
        ring = try Ring(nodes: members)
        let lines = members.map {
            "- {name: \($0.name), host: 127.0.0.1, port: \($0.port), weight: \($0.weight)}\n"
        }
        definition = try directory.write(
            "\(head)nodes:\n" + lines.joined(), to: "cluster.yaml")
    }

    /// `sojourn COMMAND --cluster FILE ARGUMENTS`
    func run(_ command: String, _ arguments: [String]) throws -> (
        exit: Program.Exit, output: String, errors: String
    ) {
        try Program.run(
            try RunningNode.builtProgram("sojourn"),
            [command, "--cluster", definition] + arguments)
    }

    /// The first of some keys whose own node is that one.
    func key(on node: Int) -> String {
        var number = 0
        while ring.index(for: "key:\(number)") != node { number += 1 }
        return "key:\(number)"
    }
}
