import Yams

/// The fields of one mapping of a definition file. Each getter takes a field; one that nobody takes is unknown.
struct Fields {
    private let file: String
    /// With a dot after it, unless it is empty.
    private let path: String
    private let line: Int
    private var values: [String: Yams.Node] = [:]
    private var taken: [String] = []

    /// - Parameter path: of the mapping, such as `nodes[2]`; empty at the top.
    init(_ node: Yams.Node, path: String, file: String) throws(DefinitionError) {
        self.file = file
        self.path = path.isEmpty ? "" : path + "."
        line = node.mark?.line ?? 1
        guard let mapping = node.mapping else {
            throw DefinitionError(
                file: file, line: line, field: path,
                problem: "expected fields with values, not \(Self.shown(node))")
        }
        for (key, value) in mapping { values[key.string ?? Self.shown(key)] = value }
    }

    /// What a value looks like in a message.
    private static func shown(_ node: Yams.Node) -> String {
        switch node {
        case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "'\(scalar.string)'"
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }

    func error(_ field: String, _ problem: String) -> DefinitionError {
        DefinitionError(
            file: file, line: values[field]?.mark?.line ?? line, field: path + field,
            problem: problem)
    }

    private func expected(_ what: String, _ field: String, _ node: Yams.Node) -> DefinitionError {
        error(field, "expected \(what), not \(Self.shown(node))")
    }

    /// The text of a field, quoted or not; nil if it is not there.
    mutating func text(_ field: String, _ what: String) throws(DefinitionError) -> String? {
        taken.append(field)
        guard let node = values[field] else { return nil }
        guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
            throw expected(what, field, node)
        }
        return scalar.string
    }

    mutating func number(
        _ field: String, in range: ClosedRange<Int>
    ) throws(DefinitionError) -> Int? {
        let what = "a whole number from \(range.lowerBound) to \(range.upperBound)"
        return try value(field, what) { text in Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A value that `parse` makes of a field's text, or nil where the text says no such thing.
    mutating func value<Value>(
        _ field: String, _ what: String, _ parse: (String) -> Value?
    ) throws(DefinitionError) -> Value? {
        guard let text = try text(field, what) else { return nil }
        guard let value = parse(text) else { throw error(field, "expected \(what), not '\(text)'") }
        return value
    }

    mutating func texts(_ field: String, _ what: String) throws(DefinitionError) -> [String]? {
        taken.append(field)
        guard let node = values[field] else { return nil }
        guard let sequence = node.sequence else { throw expected("a list of \(what)", field, node) }
        var texts: [String] = []
        for element in sequence {
            guard case .scalar(let scalar) = element else {
                throw expected("a list of \(what)", field, element)
            }
            texts.append(scalar.string)
        }
        return texts
    }

    /// The fields of a mapping within.
    mutating func fields(_ field: String) throws(DefinitionError) -> Fields? {
        taken.append(field)
        guard let node = values[field] else { return nil }
        return try Fields(node, path: path + field, file: file)
    }

    /// The fields of each element of a list of mappings.
    mutating func list(_ field: String) throws(DefinitionError) -> [Fields]? {
        taken.append(field)
        guard let node = values[field] else { return nil }
        guard let sequence = node.sequence else { throw expected("a list", field, node) }
        var list: [Fields] = []
        for (index, element) in sequence.enumerated() {
            list.append(try Fields(element, path: "\(path)\(field)[\(index)]", file: file))
        }
        return list
    }

    func has(_ field: String) -> Bool { values[field] != nil }

    /// Refuses a field that there is no more.
    ///
    /// - Parameter problem: what to write now, made from the field's text.
    func refuseOld(_ field: String, _ problem: (String) -> String) throws(DefinitionError) {
        if let node = values[field] { throw error(field, problem(node.string ?? "")) }
    }

    /// Refuses fields that were never asked for: a misspelt one would otherwise have no effect.
    func refuseOthers() throws(DefinitionError) {
        let unknown = values.keys.filter { !taken.contains($0) }
        let first = unknown.min { one, other in
            let lines = (values[one]?.mark?.line ?? 0, values[other]?.mark?.line ?? 0)
            return lines.0 != lines.1 ? lines.0 < lines.1 : one < other
        }
        guard let first else { return }
        throw error(first, "unknown; expected one of \(taken.joined(separator: ", "))")
    }
}
