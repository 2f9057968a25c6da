import HashRing
import Logging
import NIOCore
import Synchronization

/// What all copies of a `CacheClient` share.
final class ClientCore: Sendable {
    let configuration: CacheClientConfiguration
    let access: NodeAccess
    let metrics: ClientMetrics
    let logger: Logger
    let clock: VersionClock
    let group: any EventLoopGroup
    private let state: Mutex<State>

    private enum State {
        /// No node is known yet; commands wait.
        case learning(waiters: [Exchange])
        case open(Topology)
        case shutDown
    }

    init(
        configuration: CacheClientConfiguration, group: any EventLoopGroup, logger: Logger,
        clock: VersionClock = VersionClock(), metrics: ClientMetrics = ClientMetrics()
    ) throws(ConfigurationError) {
        try configuration.validate()
        self.configuration = configuration
        access = try NodeAccess(
            tls: configuration.tls, credentials: configuration.credentials)
        self.group = group
        self.logger = logger
        self.clock = clock
        self.metrics = metrics
        state = Mutex(.learning(waiters: []))
    }

    /// Nodes that stay keep their connections and their health.
    ///
    /// - Parameter rule: nil is the configuration's.
    func setNodes(_ nodes: [Node], _ rule: PlacementRule? = nil) throws(RingError) {
        let rule = rule ?? PlacementRule(configuration)
        let ring = try Ring(
            nodes: nodes, strategy: rule.strategy, keyHash: rule.keyHash, hashTag: rule.hashTag)
        let waiters: [Exchange] = state.withLock { state in
            switch state {
            case .shutDown: return []
            case .learning(let waiters):
                state = .open(topology(ring, keeping: []))
                return waiters
            case .open(let earlier):
                state = .open(topology(ring, keeping: earlier.pools))
                return []
            }
        }
        for waiter in waiters { waiter.settle(.success([])) }
    }

    private func topology(_ ring: Ring, keeping earlier: [NodePool]) -> Topology {
        var known: [Node: NodePool] = [:]
        for pool in earlier { known[pool.node] = pool }
        let pools = ring.nodes.map { node in
            known[node]
                ?? NodePool(
                    node: node, configuration: configuration, access: access, group: group,
                    metrics: metrics, logger: logger)
        }
        return Topology(ring: ring, pools: pools)
    }

    var currentTopology: Topology? {
        state.withLock { if case .open(let topology) = $0 { topology } else { nil } }
    }

    /// The nodes as they are known now. While none is known yet it waits, until the deadline.
    func topology(deadline: Instant) async throws(CacheError) -> Topology {
        let waiter: Exchange
        switch look(deadline) {
        case .known(let topology): return topology
        case .unknown(let own): waiter = own
        case .full: throw CacheError(.overloaded)
        case .shutDown: throw CacheError(.shutDown)
        }
        let alarm = group.next().scheduleTask(in: TimeAmount(deadline - .now)) {
            waiter.fail(CacheError(.noNodes), wasSent: false)
        }
        let outcome = await waiter.outcome()
        alarm.cancel()
        if case .failure(let failure) = outcome { throw failure.error }
        return try await topology(deadline: deadline)
    }

    private enum Look {
        case known(Topology)
        case unknown(waiter: Exchange)
        /// As many wait as may.
        case full
        case shutDown
    }

    private func look(_ deadline: Instant) -> Look {
        state.withLock { state in
            switch state {
            case .open(let topology): return .known(topology)
            case .shutDown: return .shutDown
            case .learning(var waiters):
                waiters.removeAll(where: \.isSettled)
                guard waiters.count < configuration.outstandingCountMax else { return .full }
                let waiter = Exchange([.noop], deadline: deadline)
                state = .learning(waiters: waiters + [waiter])
                return .unknown(waiter: waiter)
            }
        }
    }

    func shutDown() {
        let last = state.withLock { state in
            defer { state = .shutDown }
            return state
        }
        switch last {
        case .learning(let waiters):
            for waiter in waiters { waiter.fail(CacheError(.shutDown), wasSent: false) }
        case .open(let topology): for pool in topology.pools { pool.shutDown() }
        case .shutDown: break
        }
    }

    // MARK: One key

    /// Asks the key's node, or, if so configured, the first that can be reached.
    ///
    /// - Throws: also for the node's error replies.
    func ask(
        _ request: NodeRequest, for key: CacheKey, deadline: Instant
    ) async throws(CacheError) -> NodeReply {
        let topology = try await topology(deadline: deadline)
        let own = topology.pool(for: key)
        do throws(CacheError) {
            return try await Self.ask(own, request, deadline)
        } catch {
            guard configuration.deadNodes == .nextNode, error.code == .nodeUnavailable else {
                throw error
            }
            for pool in topology.pools(for: key, count: topology.pools.count).dropFirst() {
                do throws(CacheError) {
                    return try await Self.ask(pool, request, deadline)
                } catch {
                    if error.code != .nodeUnavailable { throw error }
                }
            }
            throw error
        }
    }

    private static func ask(
        _ pool: NodePool, _ request: NodeRequest, _ deadline: Instant
    ) async throws(CacheError) -> NodeReply {
        let replies = try await pool.ask([request], deadline: deadline)
        if let error = replies[0].refusal(of: pool.node.name) { throw error }
        return replies[0]
    }
}

extension NodeReply {
    /// An error reply as an error.
    func refusal(of node: String) -> CacheError? {
        switch status {
        case .serverError(let text) where text.contains("too large"):
            CacheError(.valueTooLarge, node: node, reason: text)
        case .clientError(let text) where text.contains("non-numeric"):
            CacheError(.notANumber, node: node, reason: text)
        case .serverError(let text), .clientError(let text), .unknownCommand(let text):
            CacheError(.refused, node: node, reason: text)
        default: nil
        }
    }
}
