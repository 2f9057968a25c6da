import ArgumentParser
import ClusterFile

struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Says what will hurt tomorrow, and what to do about it.",
        discussion: """
            Asks each node for its statistics and settings, compares the nodes with one another, and looks at the \
            processes of those that are on this machine: limits, memory, the file system under the memory file. Run it on \
            each machine, as root or as the nodes' user; it changes nothing.

              danger   it hurts somebody now, or one mistake is enough
              warning  it will hurt when something else happens
              note     good to know

            What clients do cannot be told from here: which of them eject nodes, and for how long they wait, is in \
            their configuration.

            Examples:
              sojourn doctor
              sojourn doctor --cluster /etc/sojourn/cluster.yaml
              sojourn doctor 10.0.0.1 10.0.0.2:11212 --json

            Status: 0 when there is nothing but notes, 1 when the worst is a warning, 2 when there is a danger, 64 when \
            the command line is wrong.
            """)

    @Option(help: ArgumentHelp("A cluster's definition: its nodes are asked.", valueName: "file"))
    var cluster: String?

    @Argument(
        help: ArgumentHelp(
            "Nodes, instead (default: 127.0.0.1:11211).", valueName: "host[:port]"))
    var nodes: [NodeArgument] = []

    @OptionGroup(title: "TLS and users") var access: AccessOptions

    @Option(help: ArgumentHelp("Until a node counts as silent.", valueName: "seconds"))
    var timeout = 2.0

    @Flag(help: "One object in JSON instead of a text.") var json = false

    func validate() throws {
        guard cluster == nil || nodes.isEmpty else {
            throw ValidationError("give --cluster or nodes, not both")
        }
        try check("timeout", timeout, 0.01...3_600)
    }

    func run() async throws {
        let definition = try definition()
        let examination = await Examination(
            of: definition, isDefined: cluster != nil, access: try access.access(definition),
            seconds: timeout)
        let diagnoses = examination.diagnoses
        try StandardStreams.write(
            json ? examination.json(diagnoses) : examination.text(diagnoses))
        throw ExitCode(Examination.status(diagnoses))
    }

    private func definition() throws -> ClusterDefinition {
        if let cluster { return try ClusterDefinition(contentsOf: cluster) }
        let given = nodes.isEmpty ? ["127.0.0.1"].compactMap { NodeArgument(argument: $0) } : nodes
        return ClusterDefinition(members: given.map { .init(node: $0.node) })
    }
}
