import Glibc

/// Lines over two axes, as a part of an SVG drawing.
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

    /// The chart moved down by `offset`.
    func svg(offset: Double) -> String {
        var parts = ["<g transform=\"translate(0 \(Self.figure(offset)))\">"]
        parts.append(Self.text(title, Self.left, 20, "start", size: 15))
        for tick in x.ticks {
            let position = place(tick.place, x)
            parts.append(
                Self.grid(position, Self.top, position, Self.height - Self.bottom))
            parts.append(
                Self.text(tick.text, position, Self.height - Self.bottom + 18, "middle"))
        }
        for tick in y.ticks {
            let position = place(tick.place, y)
            parts.append(Self.grid(Self.left, position, Self.width - Self.right, position))
            parts.append(Self.text(tick.text, Self.left - 8, position + 4, "end"))
        }
        parts.append(
            Self.text(
                x.title, (Self.width + Self.left - Self.right) / 2, Self.height - 10, "middle"))
        parts.append(Self.text(y.title, Self.left - 8, Self.top - 12, "end"))
        for (number, line) in lines.enumerated() { parts += svg(line, number) }
        return (parts + ["</g>"]).joined(separator: "\n")
    }

    private func svg(_ line: Line, _ number: Int) -> [String] {
        let colour = Self.colours[number % Self.colours.count]
        let points = line.points.map {
            "\(Self.figure(place($0.x, x))),\(Self.figure(place($0.y, y)))"
        }
        let drawn =
            "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"1.8\" points=\""
            + points.joined(separator: " ") + "\"/>"
        guard !line.name.isEmpty else { return [drawn] }
        // Latencies rise to the right: below their end is room.
        let row = Self.height - Self.bottom - 12 - 18 * Double(lines.count - 1 - number)
        let left = Self.width - Self.right - 130
        let key =
            "<line x1=\"\(Self.figure(left))\" x2=\"\(Self.figure(left + 24))\" "
            + "y1=\"\(Self.figure(row - 4))\" y2=\"\(Self.figure(row - 4))\" stroke=\"\(colour)\" "
            + "stroke-width=\"3\"/>"
        return [drawn, key, Self.text(line.name, left + 30, row, "start")]
    }

    private static func grid(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> String {
        "<line x1=\"\(figure(x1))\" y1=\"\(figure(y1))\" x2=\"\(figure(x2))\" y2=\"\(figure(y2))\" "
            + "stroke=\"#dddddd\"/>"
    }

    private static func text(
        _ text: String, _ x: Double, _ y: Double, _ anchor: String, size: Int = 12
    ) -> String {
        "<text x=\"\(figure(x))\" y=\"\(figure(y))\" text-anchor=\"\(anchor)\" "
            + "font-size=\"\(size)\">\(escaped(text))</text>"
    }

    private static func figure(_ number: Double) -> String { Figures.decimal(number, 1) }

    private static func escaped(_ text: String) -> String {
        text.reduce(into: "") { result, character in
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            default: result.append(character)
            }
        }
    }

    /// Charts under each other, as a file.
    static func document(_ charts: [Chart]) -> String {
        let height = figure(Self.height * Double(charts.count))
        let drawn = charts.enumerated().map { number, chart in
            chart.svg(offset: Self.height * Double(number))
        }
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(figure(width))\" "
            + "height=\"\(height)\" viewBox=\"0 0 \(figure(width)) \(height)\" "
            + "font-family=\"sans-serif\" fill=\"#222222\">\n"
            + "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
            + drawn.joined(separator: "\n") + "\n</svg>\n"
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
