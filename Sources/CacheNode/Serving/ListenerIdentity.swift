import EventLoop

/// What a listener's connections reach, and what they may do there. Each of them keeps it.
struct ListenerIdentity: Sendable {
    let space: Space
    let rules: ListenerRules
    /// Whether commands that show keys may do so.
    let areKeysShown: Bool
    /// What is asked of clients' certificates; nothing where clear text is spoken.
    let verification: TLSSettings.Verification?

    init(space: Space, _ configuration: SpaceConfiguration, _ listening: SecuredSocket) {
        self.init(
            space: space, rules: configuration.listener,
            isUnixSocket: listening.socket.address.isUnix,
            verification: listening.security.verification(configuration.tls))
    }

    init(
        space: Space, rules: ListenerRules, isUnixSocket: Bool,
        verification: TLSSettings.Verification? = nil
    ) {
        self.space = space
        self.verification = verification
        self.rules = rules
        areKeysShown = rules.isDumpAllowed && (rules.showsKeys || isUnixSocket)
    }
}

/// What others may see of one listener.
struct ListenerRecord: Sendable {
    let descriptor: Int32
    let identity: ListenerIdentity
}
