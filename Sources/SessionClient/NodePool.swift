import HashRing
import Logging
import NIOCore

/// The connections to one node.
final class NodePool: Sendable {
    let node: Node
    let watch: NodeWatch
    let connections: [NodeConnection]
    private let connectTimeout: TimeAmount

    init(
        node: Node, configuration: CacheClientConfiguration, group: any EventLoopGroup,
        metrics: ClientMetrics, logger: Logger
    ) {
        var logger = logger
        logger[metadataKey: "node"] = "\(node.name)"
        let watch = NodeWatch(
            node: node, policy: configuration.healthPolicy, metrics: metrics, logger: logger)
        self.node = node
        self.watch = watch
        connectTimeout = TimeAmount(configuration.connectTimeout)
        connections = (0..<configuration.connectionCountPerNode).map { _ in
            NodeConnection(
                host: node.host, port: node.port, eventLoop: group.next(),
                settings: configuration.connectionSettings, logger: logger,
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

    /// Whether the node is asked at all. An ejected one is probed when its time has come, beside the
    /// request that asks here and is refused: nobody waits for a node that is likely to be dead.
    func admits() -> Bool {
        switch watch.admission() {
        case .admitted: return true
        case .refused: return false
        case .probe:
            let (watch, connection) = (watch, connections[0])
            let exchange = Exchange([.noop], deadline: .now() + connectTimeout)
            Task {
                let outcome = await Self.outcome(of: exchange, on: connection)
                watch.recordProbe(hasAnswered: (try? outcome.get()) != nil)
            }
            return false
        }
    }

    /// Asks the node, and once more when a connection broke before it could have done anything that
    /// must not be done twice.
    ///
    /// - Returns: a reply for each request, in order. Errors of the node are among them.
    func ask(
        _ requests: [NodeRequest], deadline: NIODeadline
    ) async throws(CacheError) -> [NodeReply] {
        guard admits() else { throw error(CacheError(.nodeUnavailable, reason: "ejected")) }
        switch await outcome(requests, deadline) {
        case .success(let replies): return replies
        case .failure(let failure):
            let mayRepeat =
                failure.error.code == .connectionLost
                && (!failure.wasSent || requests.allSatisfy(\.isRepeatable))
            guard mayRepeat, !watch.isEjected, NIODeadline.now() < deadline else {
                throw error(failure.error)
            }
        }
        switch await outcome(requests, deadline) {
        case .success(let replies): return replies
        case .failure(let failure): throw error(failure.error)
        }
    }

    private func outcome(
        _ requests: [NodeRequest], _ deadline: NIODeadline
    ) async -> Exchange.Outcome {
        let exchange = Exchange(requests, deadline: deadline)
        return await Self.outcome(of: exchange, on: leastBusyConnection())
    }

    private static func outcome(
        of exchange: Exchange, on connection: NodeConnection
    ) async -> Exchange.Outcome {
        do throws(CacheError) {
            try connection.submit(exchange)
        } catch {
            exchange.fail(error, wasSent: false)
        }
        let outcome = await exchange.outcome()
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
