/// Columns with a heading, two spaces between them: the first to the left, others to the right.
package struct TextTable {
    private var rows: [[String]]
    private let endsWithText: Bool

    /// - Parameter endsWithText: the last column is to the left, too.
    package init(_ headings: [String], endsWithText: Bool = false) {
        rows = [headings]
        self.endsWithText = endsWithText
    }

    package mutating func add(_ row: [String]) {
        precondition(row.count == rows[0].count, "a row has a cell for each column")
        rows.append(row)
    }

    package var text: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                let isLeft = column == 0 || endsWithText && column == row.count - 1
                line += (column == 0 ? "" : "  ") + (isLeft ? cell + padding : padding + cell)
            }
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
