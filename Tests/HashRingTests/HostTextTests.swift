import HashRing
import Testing

@Suite(.timeLimit(.minutes(10)))
struct HostTextTests {
    @Test(
        "A host is told from the numbers behind it, IPv6 addresses with and without brackets",
        arguments: [
            ("a", "a", []), ("a:1", "a", ["1"]), ("a:1:2", "a", ["1", "2"]), ("a:", "a", [""]),
            (":1", "", ["1"]), ("", "", []), ("*", "*", []), ("::", "::", []), ("::1", "::1", []),
            ("fd00::1:5", "fd00::1:5", []), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", []),
            ("[::1]", "::1", []), ("[::1]:5", "::1", ["5"]),
            ("[fd00::1]:5:3", "fd00::1", ["5", "3"]),
            ("[::1", "[::1", []), ("1:2:3:4", "1", ["2", "3", "4"]),
        ])
    func parts(text: String, host: String, rest: [String]) throws {
        let parsed = try #require(HostText(text))
        #expect(parsed.host == host)
        #expect(parsed.rest.map(String.init) == rest)
    }

    @Test("What follows the brackets is a colon or nothing")
    func behindBrackets() {
        #expect(HostText("[::1]5") == nil)
        #expect(HostText("[::1]") != nil)
    }
}
