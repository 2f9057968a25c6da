/// How a user is found in what a framework has stored of a session.
///
/// In text it is a word for the form, a colon, and what is looked for: `php: user_id`, `json: $.passport.user`,
/// `django`, `rails`, `bytes: 'user=([0-9]+)'`, `key: 'sess:([^:]+):'`.
package struct UserRule: Equatable, Sendable, CustomStringConvertible {
    package enum Form: String, Sendable, CaseIterable {
        /// Whichever of the four the value begins like.
        case php
        case phpPlain = "php_plain"
        case phpBinary = "php_binary"
        case phpSerialize = "php_serialize"
        case igbinary
        case json
        /// Python's pickle of a dictionary.
        case pickle
        /// The same, with Django's name for the user.
        case django
        /// Marshal, alone or inside of ActiveSupport's entry; or JSON.
        case rails
        /// The same, where nothing but JSON is expected.
        case railsJSON = "rails-json"
        /// A pattern, anywhere in the value.
        case bytes
        /// A pattern in the key.
        case key
    }

    enum Place: Equatable, Sendable {
        case field(FieldPath)
        case pattern(BytePattern)
    }

    package let form: Form
    let place: Place
    /// As it was written.
    package let description: String

    package static let textByteCountMax = 1_024

    package init(_ text: String) throws(UserRuleError) {
        guard text.utf8.count <= Self.textByteCountMax else {
            throw UserRuleError("a rule has at most \(Self.textByteCountMax) bytes")
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let word = Self.trimmed(parts[0])
        guard let form = Form(rawValue: word) else {
            throw UserRuleError(
                "\"\(word)\" is no form of a value: expected \(Self.formNames), as in "
                    + "\"php: user_id\"")
        }
        let rest = parts.count > 1 ? Self.trimmed(parts[1]) : ""
        self.form = form
        description = rest.isEmpty ? word : "\(word): \(rest)"
        switch form {
        case .bytes, .key:
            guard !rest.isEmpty else {
                throw UserRuleError("\(word) needs a pattern, as in \"\(word): 'user=([0-9]+)'\"")
            }
            place = .pattern(try BytePattern(Self.unquoted(rest)))
        case .django where rest.isEmpty: place = .field(FieldPath(["_auth_user_id"]))
        case .rails where rest.isEmpty, .railsJSON where rest.isEmpty:
            place = .field(FieldPath(["warden.user.user.key", "0", "0"]))
        default:
            guard !rest.isEmpty else {
                throw UserRuleError("\(word) needs the name of a field, as in \"\(word): user_id\"")
            }
            let path = try FieldPath(Self.unquoted(rest))
            if form == .django || form == .pickle, path.steps.count > 1 {
                throw UserRuleError("\(word) finds fields of the outermost dictionary alone")
            }
            place = .field(path)
        }
    }

    private static var formNames: String {
        Form.allCases.map(\.rawValue).joined(separator: ", ")
    }

    /// So that a rule of a definition need not be quoted twice.
    private static func unquoted(_ text: String) -> String {
        guard text.count >= 2, let first = text.first, first == text.last,
            first == "'" || first == "\""
        else { return text }
        return String(text.dropFirst().dropLast())
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        var rest = Substring(text)
        while rest.first?.isWhitespace == true { rest.removeFirst() }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}

/// Why a rule is none, in a sentence.
package struct UserRuleError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}
