import Glibc
import TestSupport
import Testing

/// `scripts/move-in` in its short form: a memcached under load is replaced by a node.
@Suite(.timeLimit(.minutes(10)))
struct MoveInScriptTests {
    private static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    @Test("A memcached is replaced under load of real clients, and no session is lost or changed")
    func movesIn() throws {
        let sojournd = try RunningNode.sojourndPath()
        let folder = String(try #require(sojournd.lastIndex(of: "/").map { sojournd[..<$0] }))
        let result = try Program.run(
            "/usr/bin/python3",
            [
                Self.root + "/scripts/move-in", "--programs", folder, "--sessions", "5000",
                "--rate", "600", "--seconds", "2",
            ], environment: ["PYTHONDONTWRITEBYTECODE": "1"], seconds: 120)
        #expect(result.exit == .status(0), "\(result.output)\(result.errors)")
        #expect(result.output.contains("nobody was logged out"))
    }
}
