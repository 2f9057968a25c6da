import TestSupport
import Testing

@testable import SessionValues

@Suite(.timeLimit(.minutes(10)))
struct SessionValuesRuleTests {
    @Test("Rules are read as they are written")
    func isRead() throws {
        #expect(try UserRule("php: user_id").form == .php)
        #expect(try UserRule(" php:user_id ").description == "php: user_id")
        #expect(try UserRule("django").place == .field(FieldPath(["_auth_user_id"])))
        #expect(
            try UserRule("rails").place == .field(FieldPath(["warden.user.user.key", "0", "0"])))
        #expect(
            try UserRule("rails: ['warden.user.admin.key'][0][0]").place
                == .field(FieldPath(["warden.user.admin.key", "0", "0"])))
        #expect(
            try UserRule("json: $.a.b[0]['c.d']").place
                == .field(FieldPath(["a", "b", "0", "c.d"])))
        #expect(try UserRule("json: 'a.b'").place == .field(FieldPath(["a", "b"])))
        #expect(
            try UserRule("bytes: 'user=([0-9]+)'").place == UserRule("bytes:user=([0-9]+)").place)
    }

    @Test(
        "What is no rule is refused, and said why",
        arguments: [
            ("", "no form of a value"), ("xml: a", "no form of a value"), ("php", "needs the name"),
            ("php:", "needs the name"), ("json: $", "behind $"), ("json: $.", "is missing"),
            ("json: a..b", "empty name"),
            ("json: a.", "empty name"), ("json: a[", "]"), ("json: a[b]", "no number"),
            ("json: a['b]", "quotation"), ("django: a.b", "outermost"),
            ("bytes", "needs a pattern"),
            ("bytes: abc", "no group"), ("bytes: (a)(b)", "more than one group"),
            ("bytes: (a", "without a )"), ("bytes: a)", "too many"),
            ("bytes: (a*)", "can be empty"),
            ("bytes: (a|b)", "means nothing"), ("bytes: (*)", "nothing to repeat"),
            ("bytes: (a)+", "nothing to repeat"), ("bytes: (a++)", "nothing to repeat"),
            ("bytes: ([z-a])", "before it begins"), ("bytes: ([a)", "without a ]"),
            ("bytes: (\\q)", "unknown"), ("bytes: (\\xg1)", "two digits"),
            ("bytes: (a\\", "ends with"),
        ])
    func isRefused(text: String, reason: String) {
        #expect {
            try UserRule(text)
        } throws: { error in
            "\(error)".contains(reason)
        }
    }

    @Test("Bounds of rules hold")
    func bounds() throws {
        for count in [15, 16, 17] {
            let path = Array(repeating: "a", count: count).joined(separator: ".")
            #expect(((try? UserRule("json: \(path)")) != nil) == (count <= 16))
        }
        for count in [254, 255, 256] {
            let name = String(repeating: "n", count: count)
            #expect(((try? UserRule("json: \(name)")) != nil) == (count <= 255))
        }
        for count in [46, 47, 48] {
            let text = String(repeating: "a", count: count) + "(b)"
            #expect(((try? UserRule("bytes: \(text)")) != nil) == (count <= 47))
        }
        let long = String(repeating: "[a]", count: 340)
        #expect((try? UserRule("key: (b)\(long)")) == nil)
        #expect((try? UserRule(String(repeating: "x", count: 1_025))) == nil)
        // The deepest path is one that is found.
        let deep = (0..<16).reversed().reduce("\"ann\"") { value, _ in "{\"a\":\(value)}" }
        let path = Array(repeating: "a", count: 16).joined(separator: ".")
        #expect(try found("json: \(path)", in: deep) == "ann")
    }

    private static let patterns: [(pattern: String, value: String, user: String)] = [
        ("user=([0-9]+)", "a user=17;", "17"), ("user=([0-9]+)", "user=;user=8", "8"),
        ("user=(\\d+)$", "user=17;user=9", "9"), ("^user=(\\d+)", "x user=17", "-"),
        ("^user=(\\d+)", "user=17", "17"), ("(a+)b", "aaab", "aaa"), ("(a+)b", "aaac aab", "aa"),
        ("u(.+)x", "uaxbxc", "axb"), ("u([^x]*y)x", "uaxbyx uqyx", "qy"), ("aab(c)", "aaaabc", "c"),
        ("a?a?a?(b+)", "aaabbb", "bbb"), ("x*(y)z?", "xxxy", "y"),
        ("\\x75=(\\w+)\\.", "u=ab_1.", "ab_1"),
        ("id\\[(\\s?[A-Z])\\]", "id[ Q]", " Q"), ("([]-])", "a]", "]"),
        ("([a\\-c]+)", "b-c-", "-c-"),
        ("(.)", "q", "q"), ("u=(a+)a", "u=aaaa", "aaa"), ("(ab*)c", "abbabbbc", "abbb"),
    ]

    @Test("Patterns find what they say, in one piece and in many", arguments: patterns.indices)
    func search(number: Int) throws {
        let (pattern, value, user) = Self.patterns[number]
        for cuts in [
            Cuts.whole, .pieces(byteCount: 1), .pieces(byteCount: 2), .pieces(byteCount: 3),
        ] {
            #expect(
                try found("bytes: \(pattern)", in: Array(value.utf8), cuts: cuts) == user,
                "\(pattern) in \(value), \(cuts)")
        }
    }

    @Test("A user may stand in the key")
    func key() throws {
        #expect(try found("key: sess:([^:]+):", in: [], key: "sess:ann:4711") == "ann")
        #expect(try found("key: ^u([0-9]+)$", in: Array("u7".utf8), key: "u12") == "12")
        #expect(try found("key: ^u([0-9]+)$", in: Array("u7".utf8), key: "xu12") == "-")
    }

    @Test("Bytes are found in values, also across pieces")
    func contains() {
        let value = Array("abcabcabd".utf8)
        for size in 1...9 {
            withPieces(value, .pieces(byteCount: size)) { pieces in
                #expect(ByteSearch.contains(Array("abd".utf8), in: pieces))
                #expect(ByteSearch.contains(Array("cabcab".utf8), in: pieces))
                #expect(ByteSearch.contains(value, in: pieces))
                #expect(!ByteSearch.contains(Array("abx".utf8), in: pieces))
                #expect(!ByteSearch.contains(value + [0], in: pieces))
            }
        }
    }
}
