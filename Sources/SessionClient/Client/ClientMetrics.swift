import Metrics

/// What a client counts, through swift-metrics. Every name begins with `sojourn_client_`.
struct ClientMetrics: Sendable {
    enum Command: String, CaseIterable, Sendable {
        case get, touch, set, add, replace, compareAndSet, delete, arithmetic
    }

    private let factory: any MetricsFactory
    private let durations: [Timer]
    private let hits: Counter
    private let misses: Counter
    /// Writes that fewer copies have than there are to be.
    private let shortWrites: Counter
    private let connectionFailures: Counter
    private let ejections: Counter
    private let returns: Counter

    init(factory: any MetricsFactory = MetricsSystem.factory) {
        func counter(_ name: String) -> Counter {
            Counter(label: "sojourn_client_\(name)", factory: factory)
        }
        self.factory = factory
        durations = Command.allCases.map {
            Timer(
                label: "sojourn_client_duration", dimensions: [("command", $0.rawValue)],
                factory: factory)
        }
        hits = counter("get_hits")
        misses = counter("get_misses")
        shortWrites = counter("short_writes")
        connectionFailures = counter("connection_failures")
        ejections = counter("node_ejections")
        returns = counter("node_returns")
    }

    func record(_ command: Command, since start: Instant) {
        guard let place = Command.allCases.firstIndex(of: command) else { return }
        durations[place].recordNanoseconds((Instant.now - start).nanoseconds)
    }

    func countError(_ error: CacheError) {
        let dimensions = [("code", error.code.description)]
        Counter(label: "sojourn_client_errors", dimensions: dimensions, factory: factory)
            .increment()
    }

    func countHits(_ hitCount: Int, misses missCount: Int) {
        if hitCount > 0 { hits.increment(by: hitCount) }
        if missCount > 0 { misses.increment(by: missCount) }
    }

    func countShortWrite() { shortWrites.increment() }
    func countConnectionFailure() { connectionFailures.increment() }
    func countEjection() { ejections.increment() }
    func countReturn() { returns.increment() }
}
