/// Where in a value a field is: the names, or numbers, that lead there from the outside.
///
/// In text: names with a dot between them, `auth.user_id`; a name with a dot in it, or a number of a list, in
/// brackets, `['warden.user.user.key'][0][0]`. A `$` may stand in front, as in JSONPath.
package struct FieldPath: Equatable, Sendable {
    package static let stepCountMax = 16
    package static let nameByteCountMax = 255

    struct Step: Equatable, Sendable {
        let name: [UInt8]
        /// What the name says if it is a number: lists have no names.
        let number: Int?

        init(_ name: some Sequence<UInt8>) {
            self.name = Array(name)
            // Only as it would be written: 007 is a name.
            let text = String(decoding: self.name, as: UTF8.self)
            number = Int(text).flatMap { $0 >= 0 && String($0) == text ? $0 : nil }
        }
    }

    let steps: [Step]

    init(_ names: [String]) { steps = names.map { Step($0.utf8) } }

    init(_ text: some StringProtocol) throws(UserRuleError) {
        var rest = text[...]
        if rest.first == "$" {
            rest = rest.dropFirst()
            guard rest.first == "." || rest.first == "[" else {
                throw UserRuleError("expected a . or a [ behind $ in \"\(text)\"")
            }
            if rest.first == "." { rest = rest.dropFirst() }
        }
        var steps: [Step] = []
        while !rest.isEmpty {
            if rest.first == "[" {
                steps.append(Step(try Self.bracketed(&rest, of: text).utf8))
                if rest.first == "." {
                    rest = rest.dropFirst()
                    guard let next = rest.first, next != "." && next != "[" else {
                        throw UserRuleError("an empty name in \"\(text)\"")
                    }
                }
            } else {
                let name = rest.prefix { $0 != "." && $0 != "[" }
                guard !name.isEmpty else {
                    throw UserRuleError("an empty name in \"\(text)\"")
                }
                steps.append(Step(name.utf8))
                rest = rest.dropFirst(name.count)
                if rest.first == "." {
                    rest = rest.dropFirst()
                    guard !rest.isEmpty else {
                        throw UserRuleError("an empty name in \"\(text)\"")
                    }
                }
            }
        }
        guard !steps.isEmpty else { throw UserRuleError("a name of a field is missing") }
        guard steps.count <= Self.stepCountMax,
            steps.allSatisfy({ (1...Self.nameByteCountMax).contains($0.name.count) })
        else {
            throw UserRuleError(
                "\"\(text)\" has too many names (\(Self.stepCountMax) at most) or too long ones")
        }
        self.steps = steps
    }

    /// `[0]`, `['name']` or `["name"]`.
    private static func bracketed<Text: StringProtocol>(
        _ rest: inout Text.SubSequence, of text: Text
    ) throws(UserRuleError) -> String where Text.SubSequence: StringProtocol {
        rest = rest.dropFirst()
        let quote = rest.first == "'" || rest.first == "\"" ? rest.first : nil
        if quote != nil { rest = rest.dropFirst() }
        let name = rest.prefix { quote == nil ? $0 != "]" : $0 != quote }
        rest = rest.dropFirst(name.count)
        if quote != nil {
            guard rest.first == quote else {
                throw UserRuleError("a quotation mark is missing in \"\(text)\"")
            }
            rest = rest.dropFirst()
        }
        guard rest.first == "]" else { throw UserRuleError("a ] is missing in \"\(text)\"") }
        rest = rest.dropFirst()
        guard quote != nil || name.allSatisfy(\.isNumber) && !name.isEmpty else {
            throw UserRuleError("[\(name)] in \"\(text)\" is no number, and has no quotation marks")
        }
        return String(name)
    }
}
