import Glibc
import TestSupport
import Testing

/// The list of `scripts/mutants`, which makes small mistakes and asks the tests whether they notice. That
/// takes minutes; here only that the list still says something.
@Suite(.timeLimit(.minutes(10)))
struct MutantListTests {
    private func check(_ arguments: [String] = []) throws -> (
        exit: Program.Exit, output: String, errors: String
    ) {
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return try Program.run(
            "/usr/bin/env", ["python3", root + "/scripts/mutants", "--check"] + arguments)
    }

    @Test("Each mutant's pattern is in the sources, exactly once, and its suites are there")
    func fits() throws {
        let result = try check()
        #expect(result.exit == .status(0), "\(result.errors)")
        let count = try #require(result.output.split(separator: " ").first.flatMap { Int($0) })
        #expect(count >= 24)
    }

    @Test(
        "A pattern that is not there, or twice, is refused, as is a suite that there is not",
        arguments: [
            ("no such words", "MutantListTests", "its pattern is 0 times"),
            ("idleTimeout", "MutantListTests", "times in Sources"),
            ("public struct SessionStoreConfiguration", "NoSuchTests", "no suite NoSuchTests"),
            ("public struct SessionStoreConfiguration", "MutantListTests", ""),
        ])
    func refused(pattern: String, suite: String, reason: String) throws {
        let directory = try TemporaryDirectory()
        let list = try directory.write(
            """
            [[mutant]]
            name = "example"
            area = "example"
            about = "an example"
            file = "Sources/SessionClient/Sessions/SessionStoreConfiguration.swift"
            pattern = "\(pattern)"
            replacement = "something else"
            tests = "\(suite)"

            """, to: "list.toml")
        let result = try check(["--mutants", list])
        #expect(result.exit == .status(reason.isEmpty ? 0 : 2))
        #expect(result.errors.contains(reason), "\(result.errors)")
    }
}
