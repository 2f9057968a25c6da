import HashRing
import Logging
import NIOCore
import Synchronization

/// What all copies of a `CacheClient` share.
final class ClientCore: Sendable {
    let configuration: CacheClientConfiguration
    let metrics: ClientMetrics
    let logger: Logger
    private let group: any EventLoopGroup
    private let state: Mutex<State>

    private enum State {
        case open(Topology?)
        case shutDown
    }

    init(
        configuration: CacheClientConfiguration, group: any EventLoopGroup, logger: Logger
    ) throws(ConfigurationError) {
        try configuration.validate()
        self.configuration = configuration
        self.group = group
        self.logger = logger
        metrics = ClientMetrics()
        state = Mutex(.open(nil))
    }

    /// Nodes that stay keep their connections and their health.
    func setNodes(_ nodes: [Node]) throws(RingError) {
        let ring = try Ring(nodes: nodes, strategy: configuration.strategy)
        state.withLock { state in
            guard case .open(let earlier) = state else { return }
            var known: [Node: NodePool] = [:]
            for pool in earlier?.pools ?? [] { known[pool.node] = pool }
            let pools = nodes.map { node in
                known[node]
                    ?? NodePool(
                        node: node, configuration: configuration, group: group, metrics: metrics,
                        logger: logger)
            }
            state = .open(Topology(ring: ring, pools: pools))
        }
    }

    func topology() throws(CacheError) -> Topology {
        let state = state.withLock { $0 }
        switch state {
        case .open(let topology?): return topology
        case .open(nil): throw CacheError(.noNodes)
        case .shutDown: throw CacheError(.shutDown)
        }
    }

    func shutDown() {
        let last = state.withLock { state in
            defer { state = .shutDown }
            return state
        }
        guard case .open(let topology?) = last else { return }
        for pool in topology.pools { pool.shutDown() }
    }

    // MARK: One key

    /// Asks the key's node, or, if so configured, the first that can be reached.
    ///
    /// - Throws: also for the node's error replies.
    func ask(
        _ request: MetaRequest, for key: CacheKey, deadline: NIODeadline
    ) async throws(CacheError) -> MetaReply {
        let topology = try topology()
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
        _ pool: NodePool, _ request: MetaRequest, _ deadline: NIODeadline
    ) async throws(CacheError) -> MetaReply {
        let replies = try await pool.ask([request], deadline: deadline)
        if let error = replies[0].refusal(of: pool.node.name) { throw error }
        return replies[0]
    }
}

extension MetaReply {
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
