/// A value in JSON, for those who read results by program.
package enum JSON {
    case null
    case number(Double)
    case integer(Int)
    case text(String)
    case list([JSON])
    /// Keeps its order.
    case object([(String, JSON)])

    package var text: String {
        switch self {
        case .null: "null"
        case .number(let number): number.isFinite ? "\(number)" : "null"
        case .integer(let number): "\(number)"
        case .text(let text): Self.quoted(text)
        case .list(let items): "[" + items.map(\.text).joined(separator: ", ") + "]"
        case .object(let members):
            "{"
                + members.map { Self.quoted($0.0) + ": " + $0.1.text }.joined(separator: ", ")
                + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
