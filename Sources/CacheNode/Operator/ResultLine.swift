/// A line of JSON that an operator's question is answered with: an object, whose members keep their order.
struct ResultLine {
    private(set) var text = "{"

    mutating func add(_ name: String, _ value: String) { add(name, raw: Self.quoted(value)) }
    mutating func add(_ name: String, _ value: Int) { add(name, raw: "\(value)") }
    mutating func add(_ name: String, _ value: Bool) { add(name, raw: value ? "true" : "false") }

    /// Nothing is null.
    mutating func add(_ name: String, _ value: Int?) {
        add(name, raw: value.map { "\($0)" } ?? "null")
    }

    mutating func add(_ name: String, _ counts: [(name: String, count: Int)]) {
        let members = counts.map { "\(Self.quoted($0.name)):\($0.count)" }
        add(name, raw: "{\(members.joined(separator: ","))}")
    }

    mutating func add(_ name: String, _ names: [String]) {
        add(name, raw: "[\(names.map(Self.quoted).joined(separator: ","))]")
    }

    private mutating func add(_ name: String, raw value: String) {
        if text.utf8.count > 1 { text += "," }
        text += "\"\(name)\":\(value)"
    }

    var bytes: [UInt8] { Array((text + "}\n").utf8) }

    static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
