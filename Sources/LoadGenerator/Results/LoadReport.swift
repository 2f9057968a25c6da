import HashRing
import Histogram
import Reports

/// A result as a table for people.
package struct LoadReport {
    let result: LoadResult
    var plan: LoadPlan { result.plan }

    package init(_ result: LoadResult) { self.result = result }

    static let percentiles: [(name: String, percentile: Double)] = [
        ("p50", 50), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("max", 100),
    ]

    /// The operations that were carried out.
    var operations: [Operation] {
        Operation.allCases.filter {
            let one = result.tally[$0]
            return one.count + one.hits + one.misses > 0
        }
    }

    /// Latencies of all operations together.
    var latencies: Histogram<UInt64> {
        var sum = Histogram<UInt64>(
            highestTrackableValue: Tally.latencyMax, numberOfSignificantValueDigits: .three)
        for operation in operations { sum.add(result.tally[operation].latencies) }
        return sum
    }

    package var text: String {
        ([settings, "", table, ""] + costs + faults).joined(separator: "\n") + "\n"
    }

    // MARK: What was done

    package var settings: String {
        let servers = plan.servers.map { "\($0.host):\($0.port)" }.joined(separator: ", ")
        let tls = plan.tls == nil ? "" : " over TLS"
        return "\(servers), protocol \(plan.wire.rawValue)\(tls); \(pacing)\n\(workload)\n\(extent)"
    }

    private var pacing: String {
        let connections =
            "\(plan.connectionCount.grouped) connections, "
            + (plan.threadCount == 1 ? "1 thread" : "\(plan.threadCount) threads")
        let depth = plan.depth == 1 ? "1 request" : "\(plan.depth) requests"
        guard let rate = plan.rate else { return connections + ", closed loop, \(depth) at a time" }
        return connections
            + ", open loop of \(rate.short) requests per second, at most \(depth) at a time, "
            + "latency from the moment each was due"
    }

    private var workload: String {
        let values = plan.values
        let what =
            switch plan.workload {
            case .mix: operations.map(\.name).joined(separator: ", ")
            case .sessions(let bots): "sessions of people and bots (times \(bots))"
            }
        let keysPerGet = plan.keysPerGet > 1 ? ", \(plan.keysPerGet) keys per get" : ""
        let quiet = plan.hasQuietSets ? ", sets quiet" : ""
        return "\(what); \(plan.keyCount.grouped) keys of \(plan.keyByteCounts) bytes, "
            + "values of \(plan.valueByteCounts) bytes (mean "
            + "\(values.meanByteCount.short)), exptime \(plan.exptime)\(keysPerGet)\(quiet)"
    }

    private var extent: String {
        "every key stored first, then \(plan.warmUpSeconds.short) s of the same that are "
            + "not counted, then \(result.seconds.short) s; seed \(plan.seed)"
    }

    // MARK: What it took

    private var table: String {
        var table = TextTable(
            ["", "right", "per second"] + Self.percentiles.map { "\($0.name), ms" }
                + ["hits", "misses"])
        for operation in operations {
            let one = result.tally[operation]
            table.add(row(operation.name, one.count, one.latencies, one.hits, one.misses))
        }
        if operations.count > 1 {
            let all = operations.map { result.tally[$0] }
            table.add(
                row(
                    "all", result.tally.requestCount, latencies,
                    all.reduce(0) { $0 + $1.hits }, all.reduce(0) { $0 + $1.misses }))
        }
        return table.text
    }

    private func row(
        _ name: String, _ count: Int, _ latencies: Histogram<UInt64>, _ hits: Int, _ misses: Int
    ) -> [String] {
        let times = Self.percentiles.map { _, percentile in
            count == 0 ? "-" : latencies.milliseconds(at: percentile).fixed(3)
        }
        let rate = Int((Double(count) / result.seconds).rounded())
        return [name, count.grouped, rate.grouped] + times + [hits.grouped, misses.grouped]
    }

    private var costs: [String] {
        let sent = Double(result.tally.sentByteCount) / result.seconds / 1e6
        let received = Double(result.tally.receivedByteCount) / result.seconds / 1e6
        var lines = [
            "sent \(sent.short) MB/s, received \(received.short) MB/s",
            "CPU time per request of this load: \(perRequest(result.ownTimes))",
        ]
        if plan.rate != nil, result.tally.delays.totalCount > 0 {
            let delays = result.tally.delays
            let figures = [("p50", 50.0), ("p99", 99), ("p99.9", 99.9)].map { name, percentile in
                "\(name) \(delays.milliseconds(at: percentile).fixed(3))"
            }
            lines.append(
                "the load itself was late, ms: \(figures.joined(separator: ", ")) (a part of the "
                    + "latencies; not the server's)")
        }
        if let times = result.serverTimes {
            lines.append("CPU time per request of the server: \(perRequest(times))")
        }
        return lines
    }

    private func perRequest(_ times: ProcessTimes) -> String {
        let count = Double(max(1, result.tally.requestCount)) / 1e6
        return "\((times.total / count).short) us "
            + "(user \((times.user / count).short), "
            + "system \((times.system / count).short))"
    }

    // MARK: What went wrong

    private var faults: [String] {
        var lines: [String] = []
        if case .sessions = plan.workload {
            lines.append(
                "lost sessions of people: \(result.tally.lostSessionCount.grouped)")
        }
        for fault in Fault.allCases where result.tally.count(of: fault) > 0 {
            let example = result.tally.examples[fault].map { "; the first: \($0)" } ?? ""
            lines.append(
                "\(fault.name): \(result.tally.count(of: fault).grouped)\(example)")
        }
        if result.faultCount == 0 { lines.append("every reply was as it must be") }
        return lines
    }
}

extension Histogram<UInt64> {
    func milliseconds(at percentile: Double) -> Double {
        Double(valueAtPercentile(percentile)) / 1e6
    }
}
