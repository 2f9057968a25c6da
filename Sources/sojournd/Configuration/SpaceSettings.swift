import CacheNode

/// What a space of a configuration file says, checked.
struct SpaceSettings {
    var space: SpaceConfiguration
    /// What a cluster's definition says of it, if there is one.
    let definedNode: DefinedNode?
    /// Flags that were accepted and do nothing.
    let notes: [String]
    /// Of TLS, which all spaces share.
    let handshakeCountMax: Int
    let handshakeTimeoutSeconds: Int

    init(
        _ arguments: ConfigurationWord.Arguments, _ handedOver: HandedOver,
        makesPathsAbsolute: Bool
    ) throws(Refusal) {
        let typed = try Invocation.parse(arguments.flags)
        let invocation = try Invocation(
            typed, arguments.flags, options: arguments.options, isOfSpace: true)
        if let flag = invocation.command.nodeFlag {
            throw Refusal("\(flag), among a definition's flags, is the node's: say it there")
        }
        for option in invocation.options
        where ExtendedOptions.ofNode.contains(ExtendedOptions.name(of: option)) {
            throw Refusal(
                "-o \(ExtendedOptions.name(of: option)), among a definition's flags, is the node's: "
                    + "say it there")
        }
        let settings = try Settings(
            invocation, handedOver, makesPathsAbsolute: makesPathsAbsolute)
        space = settings.node.space
        definedNode = settings.definedNode
        notes = settings.notes
        handshakeCountMax = settings.node.handshakeCountMax
        handshakeTimeoutSeconds = settings.node.handshakeTimeoutSeconds
    }
}
