import SessionMap

/// Those of a worker's connections whose peers have only so long: to log in, or to take something of what
/// they are owed. Others cost nothing here. Confined to its worker's thread.
struct LimitedPeers {
    private let rules: NodeRules
    /// Whose peers have not logged in, as far as is known.
    private var unknown: [Int32: ClientSocket] = [:]
    /// Whose peers did not take all that they were sent, as far as is known.
    private var stuck: [Int32: ClientSocket] = [:]

    init(_ rules: NodeRules) { self.rules = rules }

    mutating func noteUnknown(_ socket: ClientSocket) { unknown[socket.descriptor] = socket }

    mutating func noteStuck(_ socket: ClientSocket) {
        if rules.outputTimeoutSeconds > 0 { stuck[socket.descriptor] = socket }
    }

    mutating func remove(_ socket: ClientSocket) {
        unknown[socket.descriptor] = nil
        stuck[socket.descriptor] = nil
    }

    mutating func removeAll() {
        unknown.removeAll()
        stuck.removeAll()
    }

    /// Those whose time is over, and what is counted of each. To be asked every second.
    mutating func overdue() -> [(socket: ClientSocket, counter: Counter)] {
        var overdue: [(ClientSocket, Counter)] = []
        for (descriptor, socket) in unknown {
            guard let login = socket.connection.login else {
                unknown[descriptor] = nil
                continue
            }
            let limit = UInt32(login.authentication.rules.timeoutSeconds)
            let now = socket.now()
            if now.seconds - min(login.begunSeconds, now.seconds) >= limit {
                overdue.append((socket, .loginTimeouts))
            }
        }
        for (descriptor, socket) in stuck {
            guard socket.isStuck, !overdue.contains(where: { $0.0 === socket }) else {
                stuck[descriptor] = nil
                continue
            }
            if socket.isStalled(for: UInt32(rules.outputTimeoutSeconds), now: socket.now()) {
                overdue.append((socket, .outputTimeouts))
            }
        }
        return overdue
    }
}
