import Glibc
import Histogram
import Reports

/// A result as a drawing: latency by percentile, and throughput over time.
extension LoadReport {
    package var svg: String { Chart.document([latencyChart, throughputChart]) }

    /// The last nines have as much room as the first ones: that is where the difference is.
    private var latencyChart: Chart {
        let lines = operations.filter { result.tally[$0].count > 0 }.map { operation in
            Chart.Line(
                name: operation.name, points: Self.points(result.tally[operation].latencies))
        }
        let all = lines.flatMap(\.points)
        let low = all.map(\.y).min() ?? 1
        let high = all.map(\.y).max() ?? 10
        let ticks = Chart.logarithmicTicks(low...max(low, high))
        let end = max(1_000, all.map(\.x).max() ?? 1)
        let percentiles = [
            (1.0, "0"), (2.0, "50"), (10.0, "90"), (100.0, "99"), (1e3, "99.9"), (1e4, "99.99"),
            (1e5, "99.999"), (1e6, "99.9999"), (1e7, "99.99999"),
        ]
        return Chart(
            title: "Latency, \(result.tally.requestCount.grouped) requests",
            x: Chart.Axis(
                title: "percentile", range: 1...end,
                ticks: percentiles.filter { $0.0 <= end }.map { (place: $0.0, text: $0.1) },
                isLogarithmic: true),
            y: Chart.Axis(
                title: "ms", range: ticks[0]...ticks[ticks.count - 1],
                ticks: ticks.map { (place: $0, text: Self.plain($0)) }, isLogarithmic: true),
            lines: lines)
    }

    /// Across: how many requests there are for each that took longer.
    private static func points(_ latencies: Histogram<UInt64>) -> [(x: Double, y: Double)] {
        let count = Double(latencies.totalCount)
        return latencies.percentiles(ticksPerHalfDistance: 5).map { step in
            let beyond = max(1 / count, 1 - step.percentile / 100)
            return (x: 1 / beyond, y: Double(max(1, step.value)) / 1e6)
        }
    }

    private var throughputChart: Chart {
        let points = throughputPoints
        let ticks = Chart.linearTicks(to: points.map(\.y).max() ?? 1)
        let end = points.last?.x ?? 1
        let times = Chart.linearTicks(to: end).filter { $0 <= end }
        return Chart(
            title:
                "Throughput, mean \((Double(result.tally.requestCount) / result.seconds).short) per second",
            x: Chart.Axis(
                title: "seconds", range: 0...max(end, 0.1),
                ticks: times.map { (place: $0, text: Self.plain($0)) }),
            y: Chart.Axis(
                title: "per second", range: 0...(ticks.last ?? 1),
                ticks: ticks.map { (place: $0, text: Self.plain($0)) }),
            lines: [Chart.Line(name: "", points: points)])
    }

    /// At most some 200 of them, each the mean of its stretch of time. The last tenth of a second is
    /// left out: it was not a whole one.
    private var throughputPoints: [(x: Double, y: Double)] {
        let slots = result.tally.slots.dropLast(result.tally.slots.count > 1 ? 1 : 0)
        let seconds = Double(Tally.slotNanoseconds) / 1e9
        let width = max(1, (slots.count + 199) / 200)
        return stride(from: 0, to: slots.count, by: width).map { start in
            let part = slots[start..<min(slots.count, start + width)]
            let time = Double(part.count) * seconds
            return (
                x: Double(start) * seconds + time / 2,
                y: Double(part.reduce(0) { $0 + Int($1) }) / time
            )
        }
    }

    /// Without zeros that say nothing.
    private static func plain(_ number: Double) -> String {
        guard number < 1_000 else { return Int(number.rounded()).grouped }
        var text = number.fixed(6)
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }
}
