import Glibc
import Reports

/// Lines over two axes.
struct Chart {
    struct Line {
        var name: String
        var points: [(x: Double, y: Double)]
    }

    struct Axis {
        var title: String
        var range: ClosedRange<Double>
        var ticks: [(place: Double, text: String)]
        var isLogarithmic = false

        /// 0 at its beginning, 1 at its end.
        func share(_ value: Double) -> Double {
            let bounds =
                isLogarithmic
                ? (log10(range.lowerBound), log10(range.upperBound))
                : (range.lowerBound, range.upperBound)
            let place = isLogarithmic ? log10(max(value, range.lowerBound)) : value
            return (place - bounds.0) / (bounds.1 - bounds.0)
        }
    }

    var title: String
    var x: Axis
    var y: Axis
    var lines: [Line]

    static let width = 760.0
    static let height = 320.0
    private static let left = 80.0
    private static let right = 20.0
    private static let top = 40.0
    private static let bottom = 50.0
    /// Told apart by those who do not see all colours, too. Source: Okabe and Ito.
    private static let colours = [
        "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933",
    ]

    private func place(_ value: Double, _ axis: Axis) -> Double {
        let share = min(1, max(0, axis.share(value)))
        return axis.title == x.title
            ? Self.left + share * (Self.width - Self.left - Self.right)
            : Self.height - Self.bottom - share * (Self.height - Self.top - Self.bottom)
    }

    private func draw(on drawing: inout Drawing) {
        drawing.text(title, x: Self.left, y: 20, size: 15)
        let (bottom, end) = (Self.height - Self.bottom, Self.width - Self.right)
        for tick in x.ticks {
            let position = place(tick.place, x)
            drawing.line([(position, Self.top), (position, bottom)])
            drawing.text(tick.text, x: position, y: bottom + 18, .middle)
        }
        for tick in y.ticks {
            let position = place(tick.place, y)
            drawing.line([(Self.left, position), (end, position)])
            drawing.text(tick.text, x: Self.left - 8, y: position + 4, .end)
        }
        drawing.text(x.title, x: (Self.left + end) / 2, y: Self.height - 10, .middle)
        drawing.text(y.title, x: Self.left - 8, y: Self.top - 12, .end)
        for (number, line) in lines.enumerated() { draw(line, number, on: &drawing) }
    }

    private func draw(_ line: Line, _ number: Int, on drawing: inout Drawing) {
        let colour = Self.colours[number % Self.colours.count]
        drawing.line(line.points.map { (place($0.x, x), place($0.y, y)) }, colour, width: 1.8)
        guard !line.name.isEmpty else { return }
        // Latencies rise to the right: below their end is room.
        let row = Self.height - Self.bottom - 12 - 18 * Double(lines.count - 1 - number)
        let left = Self.width - Self.right - 130
        drawing.line([(left, row - 4), (left + 24, row - 4)], colour, width: 3)
        drawing.text(line.name, x: left + 30, y: row)
    }

    /// Charts under each other, as a file.
    static func document(_ charts: [Chart]) -> String {
        var drawing = Drawing()
        for chart in charts {
            chart.draw(on: &drawing)
            drawing.offset += height
        }
        return drawing.document(width: width, height: drawing.offset)
    }

    /// Round numbers from 0 to at least `limit`, some five of them.
    static func linearTicks(to limit: Double) -> [Double] {
        guard limit > 0 else { return [0, 1] }
        let rough = limit / 5
        let magnitude = pow(10, floor(log10(rough)))
        let step =
            [1.0, 2, 5, 10].first { $0 * magnitude >= rough }.map { $0 * magnitude } ?? rough
        return Array(stride(from: 0, through: limit + step, by: step)).filter {
            $0 < limit + step
        }
    }

    /// Powers of ten around a range.
    static func logarithmicTicks(_ range: ClosedRange<Double>) -> [Double] {
        let first = Int(floor(log10(max(range.lowerBound, 1e-9))))
        let last = max(first + 1, Int(ceil(log10(max(range.upperBound, 1e-9)))))
        return (first...last).map { pow(10, Double($0)) }
    }
}
