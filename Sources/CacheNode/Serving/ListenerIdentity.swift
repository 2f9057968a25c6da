import EventLoop

/// What a listener's connections reach, and what they may do there. Each of them keeps it.
struct ListenerIdentity: Sendable {
    let space: Space
    let bindingProtocol: NodeConfiguration.BindingProtocol
    let isFlushAllowed: Bool
    /// Whether commands that show keys may do so.
    let areKeysShown: Bool
    /// What is asked of clients' certificates; nothing where clear text is spoken.
    let verification: TLSSettings.Verification?

    init(
        space: Space, rules: ListenerRules, isUnixSocket: Bool,
        verification: TLSSettings.Verification? = nil
    ) {
        self.space = space
        self.verification = verification
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
