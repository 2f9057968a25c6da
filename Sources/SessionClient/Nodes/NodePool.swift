import HashRing
import Logging
import NIOCore

/// The connections to one node.
final class NodePool: Sendable {
    let node: Node
    let watch: NodeWatch
    let connections: [NodeConnection]
    private let connectTimeout: Duration

    init(
        node: Node, configuration: CacheClientConfiguration, access: NodeAccess,
        group: any EventLoopGroup, metrics: ClientMetrics, logger: Logger
    ) {
        var logger = logger
        logger[metadataKey: "node"] = "\(node.name)"
        let watch = NodeWatch(
            node: node, policy: configuration.healthPolicy, metrics: metrics, logger: logger)
        self.node = node
        self.watch = watch
        connectTimeout = configuration.connectTimeout
        var settings = configuration.connectionSettings
        settings.access = access
        connections = (0..<configuration.connectionCountPerNode).map { [settings] _ in
            NodeConnection(
                host: node.host, port: node.port, eventLoop: group.next(),
                settings: settings, logger: logger,
                tell: { watch.record($0) })
        }
    }

    /// A pool whose node has left the cluster goes when the last command on it has ended.
    deinit { shutDown() }

    func shutDown() {
        for connection in connections { connection.shutDown() }
    }

    /// Requests that are under way on all connections.
    var outstandingCount: Int { connections.reduce(0) { $0 + $1.outstandingCount } }

    /// Whether the node is asked at all, and when. An ejected one is probed when its time has come, beside
    /// the request that asks here and is refused: nobody waits for a node that is likely to be dead.
    ///
    /// - Returns: nil at once, or the moment before which the node is not to be asked again.
    private func admission() throws(CacheError) -> Instant? {
        switch watch.admission() {
        case .admitted: return nil
        case .later(let time): return time
        case .refused: break
        case .probe:
            let (watch, connection) = (watch, connections[0])
            let exchange = Exchange([.noop], deadline: .now + connectTimeout)
            Task {
                let outcome = await Self.outcome(of: exchange, on: connection)
                watch.recordProbe(hasAnswered: (try? outcome.get()) != nil)
            }
        }
        throw error(watch.refusal)
    }

    /// Asks the node, once more when a connection broke before it could have done anything that must not be
    /// done twice, and until the deadline while there is no connection and it may be restarting.
    ///
    /// - Returns: a reply for each request, in order. Errors of the node are among them.
    func ask(
        _ requests: [NodeRequest], deadline: Instant
    ) async throws(CacheError) -> [NodeReply] {
        var wasLost = false
        var lastError: CacheError?
        while true {
            if let time = try admission() {
                guard time < deadline else {
                    throw error(lastError ?? CacheError(.nodeUnavailable, reason: "restarting"))
                }
                do { try await Task.sleep(until: time, clock: .continuous) } catch {
                    throw self.error(CacheError(.cancelled))
                }
                continue
            }
            let failure: Exchange.Failure
            switch await outcome(requests, deadline) {
            case .success(let replies): return replies
            case .failure(let reason): failure = reason
            }
            lastError = failure.error
            guard !watch.isEjected, Instant.now < deadline,
                mayRepeat(failure, requests, wasLost: wasLost)
            else { throw error(failure.error) }
            wasLost = wasLost || failure.error.code == .connectionLost
        }
    }

    private func mayRepeat(
        _ failure: Exchange.Failure, _ requests: [NodeRequest], wasLost: Bool
    ) -> Bool {
        switch failure.error.code {
        case .connectionLost:
            !wasLost && (!failure.wasSent || requests.allSatisfy(\.isRepeatable))
        case .nodeUnavailable: watch.waitsForRestart
        default: false
        }
    }

    private func outcome(
        _ requests: [NodeRequest], _ deadline: Instant
    ) async -> Exchange.Outcome {
        let exchange = Exchange(requests, deadline: deadline)
        return await Self.outcome(of: exchange, on: leastBusyConnection())
    }

    private static func outcome(
        of exchange: Exchange, on connection: NodeConnection
    ) async -> Exchange.Outcome {
        let outcome = await exchange.outcome { exchange throws(CacheError) in
            try connection.submit(exchange)
        }
        if case .failure(let failure) = outcome, failure.error.code == .cancelled {
            connection.cleanUp()
        }
        return outcome
    }

    private func leastBusyConnection() -> NodeConnection {
        var best = connections[0]
        var bestCount = best.outstandingCount
        for connection in connections.dropFirst() where bestCount > 0 {
            let count = connection.outstandingCount
            if count < bestCount { (best, bestCount) = (connection, count) }
        }
        return best
    }

    private func error(_ error: CacheError) -> CacheError {
        var error = error
        error.node = node.name
        return error
    }
}
