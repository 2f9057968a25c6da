import Glibc
import TestSupport
import Testing

/// `sojourn demo`, as a newcomer runs it, in less time.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct DemoTests {
    private func demo(
        _ arguments: [String]
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        try Program.run(try RunningNode.builtProgram("sojourn"), ["demo"] + arguments, seconds: 200)
    }

    /// The number at the end of a line, or before its first word.
    private func number(_ name: String, in output: String) throws -> Int {
        let line = try #require(output.split(separator: "\n").first { $0.hasPrefix(name) })
        let digits = line.dropFirst(name.count).drop { !$0.isNumber }.prefix {
            $0.isNumber || $0 == ","
        }
        return try #require(Int(digits.filter(\.isNumber)))
    }

    @Test("Nobody is logged out, whoever is killed, and nothing is left behind")
    func nodes() throws {
        let result = try demo(["--seconds", "30", "--users", "300", "--bots", "20000"])
        let output = result.output
        #expect(result.exit == .status(0), "\(output)\(result.errors)")
        #expect(try number("users logged out:", in: output) == 0)
        #expect(try number("logged-out sessions that came back:", in: output) == 0)
        #expect(try number("replies that were out of date:", in: output) == 0)
        #expect(try number("requests:", in: output) > 1_000)
        for event in [
            "kill -9 of node a", "kill -9 of node b, and its memory is lost", "node c is back",
            "node a hangs", "flush_all: CLIENT_ERROR flush_all not allowed", "restarted",
        ] { #expect(output.contains(event), "\(event): \(output)") }
        #expect(try leftovers().isEmpty)
    }

    @Test("Control-C ends nodes, too, and leaves nothing behind")
    func interrupted() throws {
        let program = try Program(
            try RunningNode.builtProgram("sojourn"), ["demo", "--users", "100"])
        try wait(for: "people to be there") { program.output.contains("log in") }
        program.send(SIGINT)
        #expect(try program.waitForExit(seconds: 60) == .status(128 + SIGINT))
        #expect(try leftovers().isEmpty)
    }

    @Test("Of memcached's users many are")
    func memcached() throws {
        let result = try demo([
            "--seconds", "20", "--users", "300", "--bots", "2000", "--only", "memcached",
        ])
        #expect(result.exit == .status(1), "\(result.output)\(result.errors)")
        // Each of the three has lost its third at least once.
        #expect(try number("users logged out:", in: result.output) > 300)
        #expect(try leftovers().isEmpty)
    }

    @Test(
        "What is wrong is said in a line",
        arguments: [
            (["--users", "99"], "--users must be"), (["--seconds", "19"], "--seconds must be"),
            (["--only", "redis"], "--only"),
            (["--program", "/nothing/there"], "/nothing/there: No such file"),
            (["--program", "/bin/false"], " has ended: nothing"),
        ] as [([String], String)])
    func mistakes(_ arguments: [String], _ sentence: String) throws {
        let result = try demo(arguments)
        #expect(result.exit != .status(0))
        #expect(result.errors.contains(sentence), "\(result.errors)")
    }

    private func leftovers() throws -> [String] {
        let listing = try Program.run("/bin/ls", ["/dev/shm"], seconds: 10)
        return listing.output.split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("sojourn-demo-")
        }
    }
}
