/// What a listener's connections reach, and what they may do there. Each of them keeps it.
struct ListenerIdentity: Sendable {
    let space: Space
    let bindingProtocol: NodeConfiguration.BindingProtocol
    let isFlushAllowed: Bool
    /// Whether commands that show keys may do so.
    let areKeysShown: Bool

    init(space: Space, rules: ListenerRules, isUnixSocket: Bool) {
        self.space = space
        bindingProtocol = rules.bindingProtocol
        isFlushAllowed = rules.isFlushAllowed
        areKeysShown = rules.isDumpAllowed && (rules.showsKeys || isUnixSocket)
    }
}

/// What others may see of one listener.
struct ListenerRecord: Sendable {
    let descriptor: Int32
    let identity: ListenerIdentity
}
