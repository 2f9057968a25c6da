import HashRing
import Logging
import Synchronization

/// Keeps a node's health up to date with what its connections tell, and tells the log.
final class NodeWatch: Sendable {
    let node: Node
    private let health: Mutex<NodeHealth>
    /// Why the node has not let the client in at last.
    private let lastRefusal = Mutex<CacheError?>(nil)
    private let metrics: ClientMetrics
    private let logger: Logger

    init(node: Node, policy: NodeHealth.Policy, metrics: ClientMetrics, logger: Logger) {
        self.node = node
        self.metrics = metrics
        self.logger = logger
        health = Mutex(NodeHealth(policy: policy))
        waitsForRestart = policy.restartPatience > .zero
    }

    /// Whether those who cannot reach the node are to try again for a while.
    let waitsForRestart: Bool

    var isEjected: Bool { health.withLock { $0.isEjected } }

    /// What those are told who are not to ask the node.
    var refusal: CacheError {
        lastRefusal.withLock { $0 } ?? CacheError(.nodeUnavailable, reason: "ejected")
    }

    func admission() -> NodeHealth.Admission {
        health.withLock { $0.admission(now: .now) }
    }

    func record(_ news: NodeConnection.News) {
        switch news {
        case .answered: health.withLock { $0.recordAnswer() }
        case .failed(let error, let atLogin):
            metrics.countConnectionFailure()
            let isKeptOut = error.code == .authenticationFailed
            // A node that has refused answers the next logins later and later, which slows down who guesses.
            if isKeptOut || !atLogin { lastRefusal.withLock { $0 = isKeptOut ? error : nil } }
            let kind: NodeHealth.Failure =
                isKeptOut ? .keptOut : error.code == .nodeUnavailable ? .unreachable : .broken
            let change = health.withLock {
                $0.recordFailure(kind, now: .now, draw: .random(in: 0...1))
            }
            tell(change, reason: error)
        }
    }

    func recordProbe(hasAnswered: Bool) {
        let change = health.withLock {
            $0.recordProbe(hasAnswered: hasAnswered, now: .now, draw: .random(in: 0...1))
        }
        tell(change, reason: nil)
    }

    private func tell(_ change: NodeHealth.Change?, reason: CacheError?) {
        switch change {
        case .ejected(let backoff):
            metrics.countEjection()
            logger.warning(
                "node ejected",
                metadata: [
                    "milliseconds": "\(backoff.nanoseconds / 1_000_000)",
                    "reason": "\(reason?.description ?? "no answer to a probe")",
                ])
        case .returned:
            metrics.countReturn()
            logger.notice("node returned")
        case nil: break
        }
    }
}
