import ArgumentParser

/// The operator's tool.
@main
struct SojournCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sojourn", abstract: "Tools for those who run sojournd.",
        subcommands: [
            StatusCommand.self, GetCommand.self, SetCommand.self, TouchCommand.self,
            DeleteCommand.self, RingCommand.self, DefinitionCommand.self, LoadCommand.self,
            EchoCommand.self,
        ])
}
