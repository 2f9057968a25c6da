import ArgumentParser

/// What is done to all nodes of a cluster.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster", abstract: "Changes the nodes of a cluster, one after the other.",
        subcommands: [RestartCommand.self])
}
