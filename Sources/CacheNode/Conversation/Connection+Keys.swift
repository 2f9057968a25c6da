import EventLoop

/// Session keys are secrets: whoever has one is logged in.
extension Connection {
    /// Whether commands that show keys may do so on this connection: a Unix socket's mode says who may
    /// use it.
    var areKeysShown: Bool {
        let configuration = context.configuration
        guard configuration.isDumpAllowed else { return false }
        return configuration.showsKeys || SocketAddress.local(of: record.descriptor).isUnix
    }
}
