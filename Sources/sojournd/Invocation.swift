import ArgumentParser
import CacheNode

/// How this process was started: what was typed, and what that comes to with a definition. Or what a space of a
/// configuration file says, in the same words.
struct Invocation {
    let typed: SojourndCommand
    /// Nil without `--cluster`.
    let definedNode: DefinedNode?
    /// Both together.
    let command: SojourndCommand
    /// Of `-o`, each by itself.
    let options: [String]
    /// Whether it is a space of several: it may have a Unix socket beside TCP.
    let isOfSpace: Bool

    /// - Parameter options: of `-o`, besides those among the arguments; they win.
    init(
        _ typed: SojourndCommand, _ arguments: [String], options: [String] = [],
        isOfSpace: Bool = false
    ) throws(Refusal) {
        self.typed = typed
        self.isOfSpace = isOfSpace
        var definedNode = try DefinedNode(typed)
        definedNode?.isOfSpace = isOfSpace
        self.definedNode = definedNode
        command = try definedNode?.command(typed, arguments) ?? typed
        self.options = Self.options(of: command) + options
    }

    /// What a configuration file says of its node, and what was typed beside it.
    init(typed: SojourndCommand, command: SojourndCommand, options: [String]) {
        self.typed = typed
        self.command = command
        self.options = options
        isOfSpace = false
        definedNode = nil
    }

    static func parse(_ arguments: [String]) throws(Refusal) -> SojourndCommand {
        do {
            return try SojourndCommand.parse(arguments)
        } catch {
            throw Refusal(SojourndCommand.message(for: error))
        }
    }

    static func options(of command: SojourndCommand) -> [String] {
        command.extended.flatMap { $0.split(separator: ",") }.map(String.init)
    }
}
