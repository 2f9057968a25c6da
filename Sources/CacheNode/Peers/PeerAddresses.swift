import EventLoop

/// Where members are. Names are looked up on threads of their own: a resolver takes as long as it takes, and who asks has
/// beats to send. Confined to that thread.
struct PeerAddresses {
    private var known: [Int: PeerDefinition.Member] = [:]
    private var found: [Int: HostAddresses] = [:]
    private var lookups: [Int: Lookup] = [:]

    /// These are the members. An address is forgotten when a member has another one.
    mutating func note(_ members: [Int: PeerDefinition.Member]) {
        for peer in found.keys where members[peer] != known[peer] { found[peer] = nil }
        known = members
    }

    func host(of peer: Int) -> String? { known[peer]?.host }

    /// A member's, or nothing while it is being looked up.
    ///
    /// - Parameter done: called on another thread once that is over: `takeFound` has what came of it.
    mutating func find(
        _ peer: Int, done: @escaping @Sendable () -> Void
    ) throws -> HostAddresses? {
        if let known = found[peer] { return known }
        guard lookups[peer] == nil, let address = known[peer] else { return nil }
        guard HostAddresses.isNumeric(address.host) else {
            lookups[peer] = try Lookup(address, completed: done)
            return nil
        }
        let addresses = try HostAddresses(host: address.host, port: address.port)
        found[peer] = addresses
        return addresses
    }

    /// Takes in what lookups have found. Returns what has come of those that failed.
    mutating func takeFound() -> [(peer: Int, error: any Error)] {
        var failures: [(peer: Int, error: any Error)] = []
        for (peer, lookup) in lookups {
            guard let outcome = lookup.found else { continue }
            lookups[peer] = nil
            lookup.join()
            switch outcome {
            case .success(let addresses): found[peer] = addresses
            case .failure(let error): failures.append((peer, error))
            }
        }
        return failures
    }

    /// It does not answer there: it may have moved.
    mutating func forget(_ peer: Int) { found[peer] = nil }

    /// Who still waits for a resolver ends with the process.
    func end() { for lookup in lookups.values where lookup.found != nil { lookup.join() } }
}
