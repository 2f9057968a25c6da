import HashRing

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
        let lines =
            [
                """
                <svg xmlns="http://www.w3.org/2000/svg" width="\(width.fixed(0))" \
                height="\(height.fixed(0))" font-family="sans-serif" font-size="12">
                """,
                "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
                text(
                    "\(ring.strategy.rawValue), \(ring.liveIndices.count) nodes, "
                        + "\(simulation.keyCount.grouped) keys: keys of each node over its fair share",
                    x: margin, y: 30, size: 14),
            ] + shareBars + changeBars + ["</svg>", ""]
        return lines.joined(separator: "\n")
    }

    private var shareBars: [String] {
        let shares = ring.liveIndices.map { simulation.ofFairShare($0) }
        let top = max(1.2, (shares.max() ?? 1) * 1.05)
        let bottomY = margin + barAreaHeight
        func y(_ share: Double) -> Double { bottomY - share / top * barAreaHeight }
        let step = (width - 2 * margin) / Double(shares.count)
        var lines: [String] = []
        for tick in stride(from: 0.0, through: top, by: 0.2) {
            lines.append(line(x1: margin, y1: y(tick), x2: width - margin, y2: y(tick), "#dddddd"))
            lines.append(text(tick.fixed(1), x: margin - 30, y: y(tick) + 4))
        }
        for (position, index) in ring.liveIndices.enumerated() {
            let x = margin + Double(position) * step
            lines.append(
                bar(
                    x: x + step * 0.1, y: y(shares[position]), width: step * 0.8,
                    height: bottomY - y(shares[position]),
                    title: "\(ring.nodes[index].name): \(simulation.counts[index].grouped) keys"))
            if ring.liveIndices.count <= 30 {
                lines.append(
                    text(
                        ring.nodes[index].name, x: x + step / 2, y: bottomY + 12, turned: true))
            }
        }
        lines.append(line(x1: margin, y1: y(1), x2: width - margin, y2: y(1), "#c03030"))
        return lines
    }

    private var changeBars: [String] {
        let labelWidth = 260.0
        let area = width - 2 * margin - labelWidth - 60
        var lines = [text("keys that move when", x: margin, y: changeTop - 8, size: 14)]
        for (row, change) in simulation.changes.enumerated() {
            let y = changeTop + Double(row) * rowHeight
            let share = Double(change.movedCount) / Double(simulation.keyCount)
            lines.append(text(change.title, x: margin, y: y + 15))
            lines.append(
                bar(
                    x: margin + labelWidth, y: y + 3, width: share * area, height: rowHeight - 6,
                    title: "\(change.movedCount.grouped) keys"))
            lines.append(text(share.percent, x: margin + labelWidth + share * area + 6, y: y + 15))
        }
        return lines
    }

    private func bar(
        x: Double, y: Double, width: Double, height: Double, title: String
    ) -> String {
        """
        <rect x="\(x.fixed(1))" y="\(y.fixed(1))" width="\(width.fixed(1))" \
        height="\(height.fixed(1))" fill="#4878a8"><title>\(escaped(title))</title></rect>
        """
    }

    private func line(x1: Double, y1: Double, x2: Double, y2: Double, _ color: String) -> String {
        """
        <line x1="\(x1.fixed(1))" y1="\(y1.fixed(1))" x2="\(x2.fixed(1))" y2="\(y2.fixed(1))" \
        stroke="\(color)"/>
        """
    }

    private func text(
        _ text: String, x: Double, y: Double, size: Int = 12, turned: Bool = false
    ) -> String {
        let turn =
            turned
            ? " transform=\"rotate(-25 \(x.fixed(1)) \(y.fixed(1)))\" text-anchor=\"end\"" : ""
        return """
            <text x="\(x.fixed(1))" y="\(y.fixed(1))" font-size="\(size)"\(turn)>\(escaped(text))</text>
            """
    }

    private func escaped(_ text: String) -> String {
        var escaped = ""
        for character in text {
            switch character {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            default: escaped.append(character)
            }
        }
        return escaped
    }
}
