import Testing

@testable import CacheNode
@testable import NodeStage

@Suite(.timeLimit(.minutes(10)))
struct PasswordTests {
    private func passwords(_ text: String) throws -> Passwords {
        try Passwords(bytes(text).span, name: "FILE")
    }

    private func accepts(_ passwords: Passwords, _ user: String, _ password: String) -> Bool {
        passwords.accept(user: bytes(user).span, password: bytes(password).span)
    }

    @Test("A user is let in by the password of the line, and by no other")
    func exact() throws {
        let passwords = try passwords("app:secret\nadmin:p\n")
        #expect(passwords.count == 2)
        #expect(accepts(passwords, "app", "secret"))
        #expect(accepts(passwords, "admin", "p"))
        for wrong in ["", "s", "secre", "secret ", "secrets", "secretsecret", "Secret", "p"] {
            #expect(!accepts(passwords, "app", wrong), "\(wrong)")
        }
        #expect(!accepts(passwords, "admin", "pp"))
        #expect(!accepts(passwords, "nobody", "secret"))
        #expect(!accepts(passwords, "", ""))
    }

    @Test(
        "The last line needs no end, lines may end with CR LF, empty ones are left out",
        arguments: ["a:1\nb:2", "a:1\nb:2\n", "a:1\r\nb:2\r\n", "\n\na:1\r\n\r\nb:2\n\n"])
    func lines(text: String) throws {
        let passwords = try passwords(text)
        #expect(passwords.count == 2)
        #expect(accepts(passwords, "a", "1"))
        #expect(accepts(passwords, "b", "2"))
        #expect(!accepts(passwords, "a", "1\r"))
    }

    @Test("A password may have colons and spaces; the first colon ends the user")
    func colons() throws {
        let passwords = try passwords("app:a:b c:\n")
        #expect(accepts(passwords, "app", "a:b c:"))
        #expect(!accepts(passwords, "app:a", "b c:"))
    }

    @Test(
        "A user with two lines has two passwords, so that one can be changed while clients log in")
    func rotation() throws {
        let passwords = try passwords("app:old\napp:new\n")
        #expect(passwords.count == 1)
        #expect(accepts(passwords, "app", "old"))
        #expect(accepts(passwords, "app", "new"))
        #expect(!accepts(passwords, "app", "other"))
    }

    @Test(
        "What is wrong with a line is told with its number, and not what it says",
        arguments: [
            ("app:x\nsecret\n", "FILE, line 2: no colon; expected user:password"),
            (":secret\n", "FILE, line 1: no user before the colon"),
            ("\nsecret:\n", "FILE, line 2: no password after the colon"),
            ("secret:\r\n", "FILE, line 1: no password after the colon"),
            ("se cret:x\n", "FILE, line 1: a space in the user, at which clients end it"),
            ("a:sec\u{0}ret\n", "FILE, line 1: a NUL, which no client can send"),
            ("", "FILE has no users; expected lines user:password"),
            ("\n\r\n", "FILE has no users; expected lines user:password"),
        ])
    func mistakes(text: String, problem: String) throws {
        let error = #expect(throws: AuthenticationError.self) { try passwords(text) }
        #expect(error?.description == problem)
    }

    @Test("A user and a password have 1,024 bytes with their colon, and not one more")
    func limit() throws {
        let longest = String(repeating: "p", count: 1_022)
        #expect(accepts(try passwords("a:\(longest)\n"), "a", longest))
        let error = #expect(throws: AuthenticationError.self) { try passwords("a:\(longest)p\n") }
        #expect(
            error?.description
                == "FILE, line 1: 1025 bytes, and a user and a password have at most 1024, "
                + "their colon included")
    }

    @Test("A hundred thousand users are let in, each by the own password")
    func many() throws {
        let text = (0..<100_000).map { "user\($0):password-\($0 * 7)\n" }.joined()
        let passwords = try passwords(text)
        #expect(passwords.count == 100_000)
        for number in stride(from: 0, to: 100_000, by: 997) {
            #expect(accepts(passwords, "user\(number)", "password-\(number * 7)"))
            #expect(!accepts(passwords, "user\(number)", "password-\(number * 7 + 7)"))
        }
    }
}
