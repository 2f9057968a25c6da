import ArgumentParser
import ClusterFile
import HashRing

/// What is done to the nodes of a cluster while it runs.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster",
        abstract: "Adds, removes, replaces or restarts nodes of a cluster while it runs.",
        discussion: """
            add, remove, drain and replace write the next generation of the definition to FILE, which one of the nodes goes by on this \
            machine: it tells the others, all move what has other owners then, and nobody is logged out. The command \
            looks on until that is over. Interrupted, the change goes on by itself; the same command again, or \
            follow, looks on from there. One change at a time.

            Examples:
              sojourn cluster add d --host 10.0.0.4 --memory 1g --cluster /etc/sojourn/cluster.yaml
              sojourn cluster drain b --cluster /etc/sojourn/cluster.yaml
              sojourn cluster replace b e --host 10.0.0.5 --cluster /etc/sojourn/cluster.yaml
              sojourn cluster follow --cluster /etc/sojourn/cluster.yaml
              sojourn cluster restart --cluster /etc/sojourn/cluster.yaml

            Status: 0 when all nodes go by the new definition, or are restarted; 1 when they do not, or not in time; 64 \
            when the command line is wrong.
            """,
        subcommands: [
            AddNode.self, RemoveNode.self, DrainNode.self, ReplaceNode.self, FollowChange.self,
            RestartCommand.self,
        ])
}

/// What every change is told.
struct ChangeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The cluster's definition file: the one that a node on this machine was started with.",
            valueName: "file"))
    var cluster: String

    @Flag(help: "Write nothing: show what the definition would be.") var check = false

    @Option(
        help: ArgumentHelp(
            "How long to look on at most. The change goes on all the same.", valueName: "seconds"))
    var timeout = 3_600.0

    func validate() throws {
        try sojourn.check("timeout", timeout, 0...86_400)
    }
}

/// A node that is to be there.
struct NewNodeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where clients and other nodes reach it.", valueName: "host"))
    var host: String
    @Option(help: "Where clients reach it (default: the definition's, or 11211).") var port: Int?
    @Option(help: "Its share of the keys (default: the definition's, or 1).") var weight: Int?
    @Option(
        help: ArgumentHelp(
            "Such as 512m or 2g (default: the definition's, or 64m).", valueName: "size"))
    var memory: String?
    @Option(help: ArgumentHelp("Where its items survive its process.", valueName: "path"))
    var memoryFile: String?
    @Option(help: ArgumentHelp("Where other nodes reach it, if not at --host.", valueName: "host"))
    var peerHost: String?
    @Option(help: "The port for other nodes (default: --port + 10000).") var peerPort: Int?
    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("A further argument of its sojournd; once for each.", valueName: "flag"))
    var flag: [String] = []

    func node(_ name: String) -> NewNode {
        var node = NewNode(name: name, host: host)
        node.port = port
        node.weight = weight
        node.memory = memory
        node.memoryFile = memoryFile
        node.peerHost = peerHost
        node.peerPort = peerPort
        node.flags = flag.isEmpty ? nil : flag
        return node
    }
}

struct AddNode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Adds a node, which takes over its share of the sessions.",
        discussion:
            "It is to be started with the new definition: sojournd --cluster FILE --name NAME. The others wait for it."
    )

    @Argument(help: "Its name, which no node has had.") var name: String
    @OptionGroup var node: NewNodeOptions
    @OptionGroup var options: ChangeOptions
    @OptionGroup(title: "TLS and users") var access: AccessOptions

    func run() async throws {
        let change = try ClusterChange(options, access)
        if let present = change.text.definition.members.first(where: { $0.node.name == name }) {
            guard present.node.host == node.host,
                node.port ?? present.node.port == present.node.port
            else {
                throw ValidationError(
                    "node \(name) is in \(options.cluster) already, at \(present.node.host):\(present.node.port)"
                )
            }
            return try await change.follow()
        }
        try await change.make(
            try change.text.adding(node.node(name)),
            hint: "start the new node with this definition: sojournd --cluster FILE --name \(name)")
    }
}

struct RemoveNode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Removes a node, alive or dead: others take over what it has, or had.",
        discussion:
            "Of one that is dead the second copies are made anew. One that is alive passes everything on afterwards, until it is stopped."
    )

    @Argument(help: "The node's name.") var name: String
    @OptionGroup var options: ChangeOptions
    @OptionGroup(title: "TLS and users") var access: AccessOptions

    func run() async throws {
        try await ClusterChange(options, access).remove(name, mustBeUp: false)
    }
}

struct DrainNode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Removes a node that is up, and waits until it has nothing that others have not.",
        discussion:
            "It goes on answering, by passing everything on, until it is stopped. One that is down cannot be drained: remove it."
    )

    @Argument(help: "The node's name.") var name: String
    @OptionGroup var options: ChangeOptions
    @OptionGroup(title: "TLS and users") var access: AccessOptions

    func run() async throws {
        try await ClusterChange(options, access).remove(name, mustBeUp: true)
    }
}

struct ReplaceNode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace",
        abstract: "Puts a new node in the place of one, which may be dead: no other keys move.",
        discussion:
            "The new one has a name of its own, and the other's place on the ring. Start it with the new definition."
    )

    @Argument(help: "The node that goes.") var old: String
    @Argument(help: "The name of the new one, which no node has had.") var new: String
    @OptionGroup var node: NewNodeOptions
    @OptionGroup var options: ChangeOptions
    @OptionGroup(title: "TLS and users") var access: AccessOptions

    func run() async throws {
        let change = try ClusterChange(options, access)
        let members = change.text.definition.members
        if members.contains(where: { $0.node.name == new }) {
            guard !members.contains(where: { $0.node.name == old }) else {
                throw ValidationError("nodes \(old) and \(new) are both in \(options.cluster)")
            }
            return try await change.follow()
        }
        var node = node.node(new)
        if let present = members.first(where: { $0.node.name == old }) {
            node.port = node.port ?? present.node.port
            node.weight = node.weight ?? present.node.weight
            node.memory = node.memory ?? "\(present.memoryMegabytes)m"
            node.memoryFile = node.memoryFile ?? present.memoryFile
            if change.text.definition.strategy.usesAddresses {
                node.inPlaceOf =
                    present.node.inPlaceOf.map { ($0.host, $0.port) }
                    ?? (present.node.host, present.node.port)
            }
        }
        try await change.make(
            try change.text.replacing(old, with: node),
            hint: "start the new node with this definition: sojournd --cluster FILE --name \(new)")
    }
}

struct FollowChange: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow",
        abstract: "Looks on until all nodes go by the definition.")

    @OptionGroup var options: ChangeOptions
    @OptionGroup(title: "TLS and users") var access: AccessOptions

    func run() async throws { try await ClusterChange(options, access).follow() }
}
