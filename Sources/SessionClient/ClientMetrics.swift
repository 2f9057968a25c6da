import Metrics
import NIOCore

/// What a client counts, through swift-metrics. Every name begins with `sojourn_client_`.
struct ClientMetrics: Sendable {
    enum Command: String, CaseIterable, Sendable {
        case get, touch, set, add, replace, compareAndSet, delete, arithmetic
    }

    private let durations: [Timer]
    private let hits = Counter(label: "sojourn_client_get_hits")
    private let misses = Counter(label: "sojourn_client_get_misses")
    private let connectionFailures = Counter(label: "sojourn_client_connection_failures")
    private let ejections = Counter(label: "sojourn_client_node_ejections")
    private let returns = Counter(label: "sojourn_client_node_returns")

    init() {
        durations = Command.allCases.map {
            Timer(label: "sojourn_client_duration", dimensions: [("command", $0.rawValue)])
        }
    }

    func record(_ command: Command, since start: NIODeadline) {
        guard let place = Command.allCases.firstIndex(of: command) else { return }
        durations[place].recordNanoseconds((NIODeadline.now() - start).nanoseconds)
    }

    func countError(_ error: CacheError) {
        Counter(label: "sojourn_client_errors", dimensions: [("code", error.code.rawValue)])
            .increment()
    }

    func countHits(_ hitCount: Int, misses missCount: Int) {
        if hitCount > 0 { hits.increment(by: hitCount) }
        if missCount > 0 { misses.increment(by: missCount) }
    }

    func countConnectionFailure() { connectionFailures.increment() }
    func countEjection() { ejections.increment() }
    func countReturn() { returns.increment() }
}
