import ArgumentParser
import ClusterFile
import HashRing
import Reports

struct DefinitionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "definition",
        abstract: "Checks a cluster's definition file, and shows what it says.",
        discussion:
            "Scripts take the names of the nodes, and their addresses. A node is started by its name: "
            + "sojournd --cluster FILE --name NODE.")

    @Argument(help: ArgumentHelp("The definition file.", valueName: "file")) var path: String

    @Flag(help: "Only the names of the nodes, one a line.") var names = false

    @Option(
        help: ArgumentHelp("This node's address, HOST PORT.", valueName: "node"))
    var address: String?

    func validate() throws {
        guard !names || address == nil else {
            throw ValidationError("give one of --names and --address")
        }
    }

    func run() throws {
        let definition = try ClusterDefinition(contentsOf: path)
        if names {
            for node in definition.nodes { print(node.name) }
        } else if let address {
            let node = try node(address, of: definition)
            print("\(node.host) \(node.port)")
        } else {
            print(overview(of: definition))
        }
    }

    private func node(_ name: String, of definition: ClusterDefinition) throws -> Node {
        if let node = definition.nodes.first(where: { $0.name == name }) { return node }
        let names = definition.nodes.map(\.name).joined(separator: ", ")
        throw ValidationError("the nodes of \(path) are \(names), not \(name)")
    }

    private func overview(of definition: ClusterDefinition) -> String {
        let isMoved = definition.nodes.contains { $0.ringName != nil }
        var table = TextTable(
            ["node", "address", "weight", "memory", "memory file"]
                + (isMoved ? ["in place of"] : []), endsWithText: true)
        for member in definition.members {
            let node = member.node
            let place = node.inPlaceOf.map { "\($0.host):\($0.port)" } ?? "-"
            table.add(
                [
                    node.name, "\(node.host):\(node.port)", String(node.weight),
                    "\(member.memoryMegabytes) MB", member.memoryFile ?? "-",
                ] + (isMoved ? [place] : []))
        }
        let generation =
            definition.generation > 1 ? ", generation \(definition.generation)" : ""
        let hash = definition.keyHash.map { " with \($0.rawValue)" } ?? ""
        return
            "\(definition.name)\(generation): \(definition.strategy.rawValue)\(hash), each item on "
            + "\(definition.copyCount) of \(definition.members.count) nodes\n\n" + table.text
    }
}
