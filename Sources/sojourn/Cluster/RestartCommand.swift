import ArgumentParser
import ClusterFile
import HashRing

struct RestartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restart",
        abstract: "Restarts all nodes one by one, as for an upgrade.",
        discussion: """
            Each node is restarted by a command of yours when all nodes are current: up and, where nodes keep \
            copies, with all that the others have. The next one follows when they are again, and the node runs as \
            another process than before. When one does not come back in time the others are left alone; what to go \
            on with is said at the end. Fronts are not in the definition: restart them as you like.

            In --command {name}, {host} and {port} become those of the node, quoted for the shell.

            Examples:
              sojourn cluster restart --cluster shop.yaml
              sojourn cluster restart --cluster shop.yaml --command 'ssh {host} sudo systemctl restart sojournd@{name}'
              sojourn cluster restart --cluster shop.yaml --command 'kubectl delete pod {name}' --from sojourn-1

            Status: 0 when all were restarted and are current, 1 when that was given up, 64 when the command line is \
            wrong.
            """)

    @OptionGroup var placement: PlacementOptions
    @OptionGroup(title: "TLS and users") var access: AccessOptions

    @Option(
        help: ArgumentHelp("What restarts a node; a shell runs it here.", valueName: "command"))
    var command = "systemctl restart sojournd@{name}"

    @Option(
        help: ArgumentHelp(
            "Begin with this node, and leave those before it in the definition alone.",
            valueName: "node"))
    var from: String?

    @Option(
        help: ArgumentHelp(
            "Until a node is given up, or its command, or the wait before the first one.",
            valueName: "seconds"))
    var wait = 600.0

    @Option(
        help: ArgumentHelp(
            "Between two nodes, for clients that leave one alone for so long which has refused them.",
            valueName: "seconds"))
    var pause = 0.0

    @Option(help: ArgumentHelp("Until a node counts as down.", valueName: "seconds"))
    var timeout = 1.0

    func validate() throws {
        try check("wait", wait, 0.1...86_400)
        try check("pause", pause, 0...86_400)
        try check("timeout", timeout, 0.01...3_600)
        do { _ = try RestartTemplate(command) } catch {
            throw ValidationError("--command: \(error)")
        }
    }

    func run() async throws {
        let definition = try placement.definition()
        let names = definition.nodes.map(\.name)
        var rest = definition.nodes[...]
        if let from {
            guard let place = names.firstIndex(of: from) else {
                throw ValidationError(
                    "the nodes are \(names.joined(separator: ", ")), not \(from)")
            }
            rest = rest[place...]
        }
        var restart = RollingRestart(
            definition: definition, template: try RestartTemplate(command),
            access: try access.access(definition), waitSeconds: wait, timeoutSeconds: timeout,
            pauseSeconds: pause)
        do {
            try await restart.run(rest)
        } catch let trouble as RollingRestart.Trouble {
            restart.progress.end()
            tell("sojourn cluster restart: \(trouble.reason)\n")
            if let next = trouble.next {
                tell(
                    """
                    The other nodes were left alone. When all is well again, go on with --from \(next)

                    """)
            }
            throw ExitCode(1)
        }
    }
}
