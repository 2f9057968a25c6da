import EventLoop

/// What a listener's connections reach, and what they may do there. Each of them keeps it.
struct ListenerIdentity: Sendable {
    let space: Space
    let rules: ListenerRules
    let isUnixSocket: Bool
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
        self.isUnixSocket = isUnixSocket
        areKeysShown = rules.isDumpAllowed && (rules.showsKeys || isUnixSocket)
    }
}

extension ListenerIdentity {
    /// The same listener under other rules.
    func with(_ rules: ListenerRules) -> ListenerIdentity {
        ListenerIdentity(
            space: space, rules: rules, isUnixSocket: isUnixSocket, verification: verification)
    }
}

/// What others may see of one listener.
struct ListenerRecord: Sendable {
    let descriptor: Int32
    let identity: ListenerIdentity
}
