import Glibc

/// The page `/metrics`: Prometheus' text format, version 0.0.4.
///
/// Counters are those since the start of the process: `stats reset` is for people, and a counter that goes back is a new
/// process to Prometheus.
struct MetricsText {
    private struct Family {
        let kind: String
        let help: String
        var lines: [String] = []
    }

    /// By name, in the order in which they came.
    private var families: [String: Family] = [:]
    private var order: [String] = []

    /// - Parameter labels: their values are quoted here.
    mutating func add(
        _ name: String, _ kind: MetricName.Kind, _ help: String, _ value: Double,
        labels: [(name: String, value: String)] = []
    ) {
        add(name, kind.rawValue, help, [(name, labels, value)])
    }

    private mutating func add(
        _ name: String, _ kind: String, _ help: String,
        _ samples: [(name: String, labels: [(name: String, value: String)], value: Double)]
    ) {
        if families[name] == nil {
            families[name] = Family(kind: kind, help: help)
            order.append(name)
        }
        families[name]?.lines += samples.map {
            "\($0.name)\(Self.labels($0.labels)) \(Self.number($0.value))"
        }
    }

    /// - Parameters:
    ///   - buckets: up to how much each has, and how many in all up to there.
    mutating func addHistogram(
        _ name: String, _ help: String, labels: [(name: String, value: String)],
        buckets: [(bound: Double, count: UInt64)], sum: Double, count: UInt64
    ) {
        var samples = buckets.map { bucket in
            (
                "\(name)_bucket", labels + [("le", Self.number(bucket.bound))],
                Double(bucket.count)
            )
        }
        samples.append(("\(name)_bucket", labels + [("le", "+Inf")], Double(count)))
        samples.append(("\(name)_sum", labels, sum))
        samples.append(("\(name)_count", labels, Double(count)))
        add(name, "histogram", help, samples)
    }

    mutating func add(_ statistic: Statistic, labels: [(name: String, value: String)]) {
        guard let metric = MetricName(statistic) else { return }
        let value: Double
        switch statistic.value {
        case .counter(let count): value = Double(count)
        case .gauge(let number): value = Double(number)
        case .fraction(let number, _): value = number
        case .text: return
        }
        add(
            MetricName.prefix + metric.name, metric.kind, statistic.help, value * metric.scale,
            labels: labels + metric.labels)
    }

    var text: String {
        var text = ""
        for name in order {
            guard let family = families[name] else { continue }
            text += "# HELP \(name) \(Self.escaped(family.help))\n"
            text += "# TYPE \(name) \(family.kind)\n"
            for line in family.lines { text += line + "\n" }
        }
        return text
    }

    private static func labels(_ labels: [(name: String, value: String)]) -> String {
        guard !labels.isEmpty else { return "" }
        let words = labels.map { label in
            "\(label.name)=\"\(escaped(label.value, quote: true))\""
        }
        return "{\(words.joined(separator: ","))}"
    }

    private static func escaped(_ text: String, quote: Bool = false) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quote: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }

    static func number(_ number: Double) -> String {
        if number.isNaN { return "NaN" }
        if number.isInfinite { return number < 0 ? "-Inf" : "+Inf" }
        if number == number.rounded(), abs(number) <= 9_007_199_254_740_992 {
            return String(Int64(number))
        }
        // Without the noise of a unit that was changed.
        let rounded = (number * 1e9).rounded() / 1e9
        return String(rounded == 0 ? number : rounded)
    }
}
