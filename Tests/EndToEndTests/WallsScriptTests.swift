import Glibc
import TestSupport
import Testing

/// `scripts/walls` in its short form: two applications on one node.
@Suite(.timeLimit(.minutes(10)))
struct WallsScriptTests {
    private static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    @Test("Beside a neighbour that flushes, fills, dumps and crowds nobody is logged out")
    func neighbour() throws {
        let sojournd = try RunningNode.sojourndPath()
        let folder = String(try #require(sojournd.lastIndex(of: "/").map { sojournd[..<$0] }))
        let result = try Program.run(
            "/usr/bin/python3",
            [
                Self.root + "/scripts/walls", "--programs", folder, "--rounds", "1", "--seconds",
                "3", "--rate", "300", "--crowd", "500",
            ], environment: ["PYTHONDONTWRITEBYTECODE": "1"], seconds: 300)
        #expect(result.exit == .status(0), "\(result.errors)")
        let line = "another space: 1,000 flush_all, "
        #expect(result.output.contains(line), "\(result.output)")
        // The same of memcached, which has no walls.
        let shared = try #require(
            result.output.split(separator: "\n").first { $0.hasPrefix("both on one memcached: ") })
        #expect(!shared.hasPrefix("both on one memcached: 0 times"), "\(shared)")
    }
}
