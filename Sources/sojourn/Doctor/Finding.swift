import Reports

/// Something that will hurt, and what to do about it.
struct Finding: Equatable, Sendable {
    /// How bad: its raw value is the exit status that the worst one makes.
    enum Severity: Int, Comparable, Sendable {
        /// Good to know: nothing has to be done.
        case note = 0
        /// It will hurt when something else happens.
        case warning = 1
        /// It hurts somebody now, or one mistake of anybody is enough.
        case danger = 2

        static func < (one: Severity, other: Severity) -> Bool { one.rawValue < other.rawValue }

        var word: String {
            switch self {
            case .note: "note"
            case .warning: "warning"
            case .danger: "danger"
            }
        }
    }

    let severity: Severity
    /// What was found, with its numbers.
    let found: String
    /// What to do.
    let remedy: String

    init(_ severity: Severity, _ found: String, do remedy: String) {
        self.severity = severity
        self.found = found
        self.remedy = remedy
    }
}

/// A finding, with where it was made.
struct Diagnosis: Sendable {
    /// A node's name; nil is the whole cluster.
    let node: String?
    let check: String
    let finding: Finding

    var text: String {
        let place = node.map { "\($0): " } ?? ""
        return
            "\(finding.severity.word): \(place)\(finding.found) [\(check)]\n    do: \(finding.remedy)\n"
    }

    var json: JSON {
        .object([
            ("severity", .text(finding.severity.word)), ("node", node.map { .text($0) } ?? .null),
            ("check", .text(check)), ("found", .text(finding.found)),
            ("do", .text(finding.remedy)),
        ])
    }
}
