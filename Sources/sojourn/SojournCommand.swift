import ArgumentParser
import EventLoop
import Glibc

/// The operator's tool.
struct SojournCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sojourn", abstract: "Tools for those who run sojournd.",
        version: "sojourn \(version)",
        subcommands: [
            StatusCommand.self, DoctorCommand.self, ClusterCommand.self, GetCommand.self,
            SetCommand.self,
            TouchCommand.self,
            DeleteCommand.self, SessionsCommand.self, ImportCommand.self, ExportCommand.self,
            RingCommand.self, DefinitionCommand.self,
            FollowCommand.self,
            LoadCommand.self, EchoCommand.self, DemoCommand.self,
        ])

    /// The same as that of the node, with which it is built.
    static let version = "0.1.0"
}

@main
enum Main {
    static func main() async {
        // Otherwise a connection to a node gets the number of the output, and values go there.
        guard StandardDescriptors.open(.failing) else { exit(71) }
        await SojournCommand.main()
    }
}
