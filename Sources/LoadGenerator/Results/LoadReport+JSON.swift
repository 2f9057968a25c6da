import Histogram
import Reports

/// A result for programs. Times are in microseconds, CPU times per request.
extension LoadReport {
    package var json: String { document.text + "\n" }

    private var document: JSON {
        .object([
            ("settings", .text(settings)),
            ("requests", .integer(result.tally.requestCount)),
            ("seconds", .number(result.seconds)),
            ("perSecond", .number(Double(result.tally.requestCount) / result.seconds)),
            ("sentBytes", .integer(result.tally.sentByteCount)),
            ("receivedBytes", .integer(result.tally.receivedByteCount)),
            ("latency", latency(latencies)),
            ("loadLateness", latency(result.tally.delays)),
            ("operations", .object(operations.map { ($0.name, object(result.tally[$0])) })),
            ("loadCPU", cpu(result.ownTimes)),
            ("serverCPU", result.serverTimes.map(cpu) ?? .null),
            ("faults", faultObject),
            ("faultCount", .integer(result.faultCount)),
            ("lostSessions", .integer(result.tally.lostSessionCount)),
            ("perTenthOfASecond", .list(result.tally.slots.map { .integer(Int($0)) })),
        ])
    }

    private func object(_ one: Tally.OfOperation) -> JSON {
        .object([
            ("right", .integer(one.count)),
            ("perSecond", .number(Double(one.count) / result.seconds)),
            ("hits", .integer(one.hits)),
            ("misses", .integer(one.misses)),
            ("latency", latency(one.latencies)),
            ("percentiles", percentileList(one.latencies)),
        ])
    }

    private func latency(_ latencies: Histogram<UInt64>) -> JSON {
        guard latencies.totalCount > 0 else { return .null }
        return .object(
            Self.percentiles.map { name, percentile in
                (name, .number(latencies.milliseconds(at: percentile) * 1_000))
            } + [("mean", .number(latencies.mean / 1_000))])
    }

    /// Pairs of percentile and microseconds, closer together towards the end.
    private func percentileList(_ latencies: Histogram<UInt64>) -> JSON {
        .list(
            latencies.percentiles(ticksPerHalfDistance: 2).map { step in
                .list([.number(step.percentile), .number(Double(step.value) / 1_000)])
            })
    }

    private func cpu(_ times: ProcessTimes) -> JSON {
        let count = Double(max(1, result.tally.requestCount)) / 1e6
        return .object([
            ("user", .number(times.user / count)), ("system", .number(times.system / count)),
            ("total", .number(times.total / count)),
        ])
    }

    private var faultObject: JSON {
        .object(
            Fault.allCases.filter { result.tally.count(of: $0) > 0 }.map { fault in
                (
                    fault.name,
                    .object([
                        ("count", .integer(result.tally.count(of: fault))),
                        ("first", .text(result.tally.examples[fault] ?? "")),
                    ])
                )
            })
    }
}
