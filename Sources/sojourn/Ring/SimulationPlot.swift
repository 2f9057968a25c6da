import HashRing
import Reports

/// A simulation as a picture: above, each node's keys over its fair share; below, what moves when.
struct SimulationPlot {
    private let simulation: Simulation
    private let width = 900.0
    private let margin = 60.0
    private let barAreaHeight = 240.0
    private let rowHeight = 24.0

    init(_ simulation: Simulation) { self.simulation = simulation }

    private var ring: Ring { simulation.ring }
    private var changeTop: Double { margin + barAreaHeight + 110 }
    private var height: Double {
        changeTop + rowHeight * Double(simulation.changes.count) + margin / 2
    }

    var svg: String {
        var drawing = Drawing()
        drawing.text(
            "\(ring.strategy.rawValue), \(ring.liveIndices.count) nodes, "
                + "\(simulation.keyCount.grouped) keys: keys of each node over its fair share",
            x: margin, y: 30, size: 14)
        drawShares(on: &drawing)
        drawChanges(on: &drawing)
        return drawing.document(width: width, height: height)
    }

    private func drawShares(on drawing: inout Drawing) {
        let shares = ring.liveIndices.map { simulation.ofFairShare($0) }
        let top = max(1.2, (shares.max() ?? 1) * 1.05)
        let bottomY = margin + barAreaHeight
        func y(_ share: Double) -> Double { bottomY - share / top * barAreaHeight }
        func across(_ share: Double) -> [(x: Double, y: Double)] {
            [(margin, y(share)), (width - margin, y(share))]
        }
        let step = (width - 2 * margin) / Double(shares.count)
        for tick in stride(from: 0.0, through: top, by: 0.2) {
            drawing.line(across(tick))
            drawing.text(tick.fixed(1), x: margin - 30, y: y(tick) + 4)
        }
        for (position, index) in ring.liveIndices.enumerated() {
            let x = margin + Double(position) * step
            drawing.bar(
                x: x + step * 0.1, y: y(shares[position]), width: step * 0.8,
                height: bottomY - y(shares[position]),
                title: "\(ring.nodes[index].name): \(simulation.counts[index].grouped) keys")
            if ring.liveIndices.count <= 30 {
                drawing.text(
                    ring.nodes[index].name, x: x + step / 2, y: bottomY + 12, .end, degrees: -25)
            }
        }
        drawing.line(across(1), "#c03030")
    }

    private func drawChanges(on drawing: inout Drawing) {
        let labelWidth = 260.0
        let area = width - 2 * margin - labelWidth - 60
        drawing.text("keys that move when", x: margin, y: changeTop - 8, size: 14)
        for (row, change) in simulation.changes.enumerated() {
            let y = changeTop + Double(row) * rowHeight
            let share = Double(change.movedCount) / Double(simulation.keyCount)
            drawing.text(change.title, x: margin, y: y + 15)
            drawing.bar(
                x: margin + labelWidth, y: y + 3, width: share * area, height: rowHeight - 6,
                title: "\(change.movedCount.grouped) keys")
            drawing.text(share.percent, x: margin + labelWidth + share * area + 6, y: y + 15)
        }
    }
}
