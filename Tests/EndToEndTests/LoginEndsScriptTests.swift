import Glibc
import TestSupport
import Testing

/// `scripts/login-ends` in its short form: PHP's and Django's logins end when the node says so.
@Suite(.timeLimit(.minutes(10)))
struct LoginEndsScriptTests {
    private static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    @Test("PHP's and Django's logins end at their timeouts while nodes are killed in turn")
    func ends() throws {
        let sojournd = try RunningNode.sojourndPath()
        let folder = String(try #require(sojournd.lastIndex(of: "/").map { sojournd[..<$0] }))
        let result = try Program.run(
            "/usr/bin/python3",
            [
                Self.root + "/scripts/login-ends", "--programs", folder, "--absolute", "11",
                "--idle", "5",
            ], environment: ["PYTHONDONTWRITEBYTECODE": "1"], seconds: 200)
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
        for name in ["PHP: ", "Django: "] { #expect(result.output.contains(name)) }
    }
}
