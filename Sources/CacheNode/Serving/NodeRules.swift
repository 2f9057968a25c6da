/// What is decided before a node starts and holds for all of its spaces and listeners.
package struct NodeRules: Sendable {
    package var threadCount = 4
    package var commandsPerTurn = 20
    package var idleTimeoutSeconds = 0
    /// How long a peer may take nothing of what it is owed; 0 is for ever.
    package var outputTimeoutSeconds = 60
    package var backlog = 1_024
    /// The Unix socket at which operators ask for sessions; none unless it is said.
    package var operatorSocket: String?
    /// `--admin`: the operator's port, with the page; none unless it is said.
    package var admin: AdminRules?
    /// Handshakes under way at a time; others wait for their turn.
    package var handshakeCountMax = 1_024
    package var handshakeTimeoutSeconds = 10
    /// Of so many reads and stores one is looked at, to tell which sessions have the most; 0 is none.
    package var topSampleInterval = 200
    package static let topSampleIntervalMax = 1_000_000
    /// The file with the key under which IDs are shown as hashes; none is a key of the node's own.
    package var idKeyFile: String?
    // Shown in `stats settings` only.
    package var isSandboxed = false
    package var version = "0.1.0"

    /// Whether there is a way by which operators ask for sessions.
    var hasOperators: Bool { operatorSocket != nil || admin?.passwordFile != nil }
}

/// What connections may do that come by a listener of a space.
package struct ListenerRules: Equatable, Sendable {
    package var bindingProtocol = NodeConfiguration.BindingProtocol.auto
    package var isFlushAllowed = true
    /// `-X`: no command shows keys, whatever else is said.
    package var isDumpAllowed = true
    /// Session keys are secrets: whoever has one is logged in. On a Unix socket its mode says who may
    /// see them; on TCP nobody does unless this is set.
    package var showsKeys = false
    /// `-W`: nobody watches.
    package var isWatchAllowed = true
    package var isShutdownAllowed = false
    package var knowsDebugtime = false
}
