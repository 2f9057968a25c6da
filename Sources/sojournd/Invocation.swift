/// How this process was started: what was typed, and what that comes to with a definition.
struct Invocation {
    let typed: SojourndCommand
    /// Nil without `--cluster`.
    let definedNode: DefinedNode?
    /// Both together.
    let command: SojourndCommand

    init(_ typed: SojourndCommand, _ arguments: [String]) throws(Refusal) {
        self.typed = typed
        definedNode = try DefinedNode(typed)
        command = try definedNode?.command(typed, arguments) ?? typed
    }
}
