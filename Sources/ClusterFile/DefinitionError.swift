/// Why a definition file is refused: where, and what was expected instead of what.
public struct DefinitionError: Error, Hashable, Sendable {
    public var file: String
    /// From 1. Nil when the file could not be read at all.
    public var line: Int?
    /// Such as `nodes[2].weight`. Empty for the file as a whole.
    public var field: String
    public var problem: String

    public init(file: String, line: Int?, field: String, problem: String) {
        self.file = file
        self.line = line
        self.field = field
        self.problem = problem
    }
}

extension DefinitionError: CustomStringConvertible {
    /// `shop.yaml:14: nodes[2].weight: expected ..., not ...`
    public var description: String {
        ([line.map { "\(file):\($0)" } ?? file] + (field.isEmpty ? [] : [field]) + [problem])
            .joined(separator: ": ")
    }
}
