import HashRing
import Reports

/// A simulation as a table with bars, for a terminal.
struct SimulationReport {
    private let simulation: Simulation
    private var ring: Ring { simulation.ring }

    /// Nodes shown one by one; of more, the fullest and the emptiest halves of this.
    private static let rowCountMax = 20
    private static let barWidth = 30

    init(_ simulation: Simulation) { self.simulation = simulation }

    var text: String {
        [heading, nodeTable, summary, changeTable].joined(separator: "\n\n")
    }

    private var heading: String {
        let hash = ring.keyHash.map { " with \($0.rawValue)" } ?? ""
        let weights =
            ring.strategy.usesWeights || Set(ring.nodes.map(\.weight)).count == 1
            ? "" : "\nThis strategy ignores weights."
        return "\(ring.strategy.rawValue)\(hash), \(ring.liveIndices.count) nodes, "
            + "\(simulation.keyCount.grouped) keys" + weights
    }

    private var nodeTable: String {
        var indices = ring.liveIndices
        if indices.count > Self.rowCountMax {
            let sorted = indices.sorted { simulation.ofFairShare($0) > simulation.ofFairShare($1) }
            indices = Array(
                sorted.prefix(Self.rowCountMax / 2) + sorted.suffix(Self.rowCountMax / 2))
        }
        let points = ring.pointCounts
        let most = indices.map { simulation.counts[$0] }.max() ?? 1
        var table = TextTable(
            ["node", "weight", "points", "keys", "of fair share", ""], endsWithText: true)
        for index in indices {
            table.add([
                ring.nodes[index].name, String(ring.nodes[index].weight), String(points[index]),
                simulation.counts[index].grouped, simulation.ofFairShare(index).fixed(2),
                Self.bar(Double(simulation.counts[index]) / Double(max(1, most))),
            ])
        }
        let note =
            ring.liveIndices.count > indices.count
            ? "\n(the fullest and the emptiest of \(ring.liveIndices.count.grouped) nodes)" : ""
        return table.text + note
    }

    /// Eighths of a column, up to `barWidth` columns.
    private static func bar(_ share: Double) -> String {
        let eighths = Int((share * Double(barWidth * 8)).rounded())
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
        return String(repeating: "█", count: eighths / 8) + rest
    }

    private var summary: String {
        let shares = ring.liveIndices.map { simulation.ofFairShare($0) }
        let mean = shares.reduce(0, +) / Double(shares.count)
        let variance =
            shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(shares.count)
        return
            "A node has \((shares.min() ?? 0).fixed(2)) to \((shares.max() ?? 0).fixed(2)) of its "
            + "fair share, standard deviation \(variance.squareRoot().fixed(2))."
    }

    private var changeTable: String {
        var table = TextTable(
            ["when", "keys that move", "between nodes that stay", ""], endsWithText: true)
        for change in simulation.changes {
            let share = Double(change.movedCount) / Double(simulation.keyCount)
            let foreign = Double(change.foreignCount) / Double(simulation.keyCount)
            table.add([
                change.title, share.percent, foreign.percent, Self.bar(share),
            ])
        }
        return simulation.changes.isEmpty ? "One node: nothing can move." : table.text
    }
}
