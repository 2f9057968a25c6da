import ArgumentParser

/// The operator's tool.
@main
struct SojournCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sojourn", abstract: "Tools for those who run sojournd.",
        subcommands: [RingCommand.self, LoadCommand.self, EchoCommand.self])
}
