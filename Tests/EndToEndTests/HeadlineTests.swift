import Glibc
import TestSupport
import Testing

/// `scripts/headline` in a minute, with few people.
@Suite(.serialized, .timeLimit(.minutes(10)))
struct HeadlineTests {
    private static let root =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    private func arguments(_ more: [String]) throws -> [String] {
        let folder = try RunningNode.builtProgram("SessionPages").split(separator: "/").dropLast()
        return [
            "python3", Self.root + "/scripts/headline", "--users", "120", "--programs",
            "/" + folder.joined(separator: "/"), "--python", try Script.python(),
        ] + more
    }

    @Test("Whatever happens, nobody is logged out, by any client, and nothing is left behind")
    func nodes() throws {
        let result = try Program.run(
            "/usr/bin/env",
            try arguments(["--minutes", "0.5", "--bots", "5000"]),
            seconds: 300)
        let output = result.output
        #expect(result.exit == .status(0), "\(output)\(result.errors)")
        for event in [
            "kill -9 of node a", "kill -9 of node b", "kill -9 of node c", "nodes b and c is cut",
            "the link is healed", "a day ahead (its stats: +86,400 s)", "a day back",
            "CLIENT_ERROR flush_all not allowed", "node c is upgraded",
            "node d is added", "node a is removed", "everybody looks once more",
            "users logged out 0, logged-out users back 0, stale reads 0",
        ] { #expect(output.contains(event), "\(event): \(output)") }
        for client in ["php", "php-strict", "django", "dalli", "express-stream", "swift"] {
            let line = output.split(separator: "\n").first { $0.hasPrefix(client + " ") }
            let words = (line ?? "").split(separator: " ")
            // Of 20 people each has logged in and come back, and some hundred requests followed.
            #expect(words.count == 9 && words[1] == "20", "\(client): \(output)")
            #expect(Int(words.dropFirst(2).first?.filter(\.isNumber) ?? "") ?? 0 > 400, "\(client)")
        }
        #expect(try leftovers().isEmpty)
    }

    @Test("Of memcached's users many are, and that is the script's status")
    func memcached() throws {
        let result = try Program.run(
            "/usr/bin/env",
            try arguments([
                "--only", "memcached", "--minutes", "0.5", "--bots", "2000", "--without",
                "clock,flush,upgrade", "--clients", "php,django,swift",
            ]), seconds: 300)
        let output = result.output
        #expect(result.exit == .status(1), "\(output)\(result.errors)")
        #expect(output.contains("no link is cut: these nodes have none"), "\(output)")
        #expect(output.contains("there are nodes b, c, d"), "\(output)")
        #expect(output.contains("users logged out "), "\(output)")
        #expect(!output.contains("users logged out 0,"), "\(output)")
        #expect(try leftovers().isEmpty)
    }

    @Test("Told to end, or killed, it leaves nothing behind", arguments: [SIGTERM, SIGKILL])
    func ended(_ signal: Int32) throws {
        let program = try Program("/usr/bin/env", try arguments([]))
        try wait(for: "people to log in", seconds: 60) { program.output.contains("people log in") }
        program.send(signal)
        _ = try program.waitForExit(seconds: 60)
        try wait(for: "the folder to go", seconds: 20) { try leftovers().isEmpty }
    }

    @Test(
        "What is wrong is said in a line",
        arguments: [
            (["--minutes", "14"], "--minutes: 0.5 to 13"),
            (["--clients", "perl"], "perl is none of"),
            (["--without", "rain"], "rain is none of"),
        ] as [([String], String)])
    func mistakes(_ more: [String], _ sentence: String) throws {
        let result = try Program.run("/usr/bin/env", try arguments(more), seconds: 60)
        #expect(result.exit != .status(0))
        #expect(result.errors.contains(sentence), "\(result.errors)")
    }

    private func leftovers() throws -> [String] {
        let listing = try Program.run("/bin/ls", ["/dev/shm"], seconds: 10)
        return listing.output.split(separator: "\n").map(String.init).filter {
            $0.hasPrefix("sojourn-headline.")
        }
    }
}
