import ArgumentParser
import ClusterFile
import HashRing

struct DefinitionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "definition",
        abstract: "Checks a cluster's definition file, and shows what it says.",
        discussion:
            "Scripts take the names of the nodes, and the arguments with which to start each.")

    @Argument(help: ArgumentHelp("The definition file.", valueName: "file")) var path: String

    @Flag(help: "Only the names of the nodes, one a line.") var names = false

    @Option(
        help: ArgumentHelp(
            "The arguments with which sojournd is started as this node, one a line.",
            valueName: "node"))
    var arguments: String?

    @Option(
        help: ArgumentHelp("This node's address, HOST PORT.", valueName: "node"))
    var address: String?

    func validate() throws {
        let count = (names ? 1 : 0) + (arguments == nil ? 0 : 1) + (address == nil ? 0 : 1)
        guard count <= 1 else {
            throw ValidationError("give one of --names, --arguments and --address")
        }
    }

    func run() throws {
        let definition = try ClusterDefinition(contentsOf: path)
        if names {
            for node in definition.nodes { print(node.name) }
        } else if let arguments {
            for argument in try member(arguments, of: definition).arguments { print(argument) }
        } else if let address {
            let node = try member(address, of: definition).node
            print("\(node.host) \(node.port)")
        } else {
            print(overview(of: definition))
        }
    }

    private func member(
        _ name: String, of definition: ClusterDefinition
    ) throws -> ClusterDefinition.Member {
        if let member = definition.members.first(where: { $0.node.name == name }) { return member }
        let names = definition.nodes.map(\.name).joined(separator: ", ")
        throw ValidationError("the nodes of \(path) are \(names), not \(name)")
    }

    private func overview(of definition: ClusterDefinition) -> String {
        var table = TextTable(["node", "address", "weight", "memory", "memory file"])
        for member in definition.members {
            let node = member.node
            table.add([
                node.name, "\(node.host):\(node.port)", String(node.weight),
                "\(member.memoryMegabytes) MB", member.memoryFile ?? "-",
            ])
        }
        let hash = definition.keyHash.map { " with \($0.rawValue)" } ?? ""
        return "\(definition.name): \(definition.strategy.rawValue)\(hash), each item on "
            + "\(definition.copyCount) of \(definition.members.count) nodes\n\n" + table.text
    }
}

extension ClusterDefinition.Member {
    /// What `sojournd` is started with.
    fileprivate var arguments: [String] {
        [
            "-l", node.host.contains(":") ? "[\(node.host)]" : node.host, "-p", String(node.port),
            "-m", String(memoryMegabytes),
        ]
            + (memoryFile.map { ["-e", $0] } ?? []) + flags
    }
}
