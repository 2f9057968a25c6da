/// An SVG drawing, element by element, from the top left corner.
package struct Drawing {
    package enum Anchor: String { case start, middle, end }

    private var elements: [String] = []
    /// Down, of all that is added.
    package var offset = 0.0

    package init() {}

    package mutating func text(
        _ text: String, x: Double, y: Double, _ anchor: Anchor = .start, size: Int = 12,
        degrees: Int = 0
    ) {
        let place = "x=\"\(x.fixed(1))\" y=\"\((y + offset).fixed(1))\""
        let turn =
            degrees == 0
            ? "" : " transform=\"rotate(\(degrees) \(x.fixed(1)) \((y + offset).fixed(1)))\""
        elements.append(
            "<text \(place) text-anchor=\"\(anchor.rawValue)\" font-size=\"\(size)\"\(turn)>"
                + "\(Self.escaped(text))</text>")
    }

    /// A line through all of the points.
    package mutating func line(
        _ points: [(x: Double, y: Double)], _ colour: String = "#dddddd", width: Double = 1
    ) {
        let places = points.map { "\($0.x.fixed(1)),\(($0.y + offset).fixed(1))" }
        elements.append(
            "<polyline fill=\"none\" stroke=\"\(colour)\" stroke-width=\"\(width.fixed(1))\" "
                + "points=\"\(places.joined(separator: " "))\"/>")
    }

    /// - Parameter title: is shown when somebody points at it.
    package mutating func bar(
        x: Double, y: Double, width: Double, height: Double, title: String
    ) {
        elements.append(
            "<rect x=\"\(x.fixed(1))\" y=\"\((y + offset).fixed(1))\" width=\"\(width.fixed(1))\" "
                + "height=\"\(height.fixed(1))\" fill=\"#4878a8\">"
                + "<title>\(Self.escaped(title))</title></rect>")
    }

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

    /// As a file.
    package func document(width: Double, height: Double) -> String {
        let (width, height) = (width.fixed(0), height.fixed(0))
        return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(height)\" "
            + "viewBox=\"0 0 \(width) \(height)\" font-family=\"sans-serif\" fill=\"#222222\">\n"
            + "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
            + elements.joined(separator: "\n") + "\n</svg>\n"
    }
}
