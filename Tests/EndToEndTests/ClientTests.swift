import Glibc
import TestSupport
import Testing

/// Other people's clients: libmemcached's tools.
@Suite(.timeLimit(.minutes(10)))
struct LibmemcachedTests {
    private func run(
        _ tool: String, _ arguments: [String], on node: RunningNode
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        let path = "/usr/bin/\(tool)"
        guard access(path, X_OK) == 0 else {
            throw Trouble("\(path) is not installed (Debian package libmemcached-tools)")
        }
        return try Program.run(path, ["--servers=127.0.0.1:\(try node.port)"] + arguments)
    }

    @Test(
        "memccapable's tests of the text protocol and of the binary one all pass",
        arguments: ["-a", "-b"])
    func capable(whichProtocol: String) throws {
        let node = try RunningNode.sojournd()
        let path = "/usr/bin/memccapable"
        guard access(path, X_OK) == 0 else {
            throw Trouble("\(path) is not installed (Debian package libmemcached-tools)")
        }
        // A test's name goes to stdout, a failure to stderr.
        let command = "exec \(path) \(whichProtocol) -h 127.0.0.1 -p \(try node.port) 2>&1"
        let result = try Program.run("/bin/sh", ["-c", command], seconds: 120)
        let lines = result.output.split(separator: "\n")
        #expect(result.exit == .status(0), "\(result.output)")
        #expect(!lines.contains { $0.contains("[FAIL]") }, "\(result.output)")
        #expect(lines.count { $0.contains("[pass]") } == 27, "\(result.output)")
    }

    @Test("memccp stores files that memccat shows, memctouch and memcrm find, memcflush drops")
    func copyAndShow() throws {
        let node = try RunningNode.sojournd()
        let directory = try TemporaryDirectory()
        let file = try directory.write("some text\nof two lines\n", to: "example")
        #expect(try run("memccp", [file], on: node).exit == .status(0))
        #expect(
            try node.connect().ask("get example", until: "END\r\n")
                == "VALUE example 0 23\r\nsome text\nof two lines\n\r\nEND\r\n")
        #expect(
            try run("memccat", ["example"], on: node).output.hasPrefix("some text\nof two lines\n"))
        #expect(try run("memctouch", ["--expire=1000", "example"], on: node).exit == .status(0))
        #expect(try run("memctouch", ["--expire=1000", "other"], on: node).exit != .status(0))
        #expect(try run("memcexist", ["example"], on: node).exit == .status(0))
        #expect(try run("memcexist", ["other"], on: node).exit != .status(0))
        // Asking whether it is there leaves nothing behind.
        #expect(try node.connect().ask("get other", until: "END\r\n") == "END\r\n")
        #expect(try run("memcrm", ["example"], on: node).exit == .status(0))
        #expect(try node.connect().ask("get example", until: "END\r\n") == "END\r\n")
        #expect(try run("memccp", [file], on: node).exit == .status(0))
        #expect(try run("memcflush", [], on: node).exit == .status(0))
        #expect(try node.connect().ask("get example", until: "END\r\n") == "END\r\n")
    }

    @Test("memcstat and memcping understand the node")
    func statistics() throws {
        let node = try RunningNode.sojournd()
        let result = try run("memcstat", [], on: node)
        #expect(result.exit == .status(0))
        #expect(result.output.contains("curr_items"))
        #expect(result.output.contains("limit_maxbytes: 67108864"))
        #expect(try run("memcping", [], on: node).exit == .status(0))
    }
}

/// pylibmc, and so Django's PyLibMCCache.
@Suite(.timeLimit(.minutes(10)))
struct PylibmcTests {
    @Test("pylibmc's time of -1, which Django sends for timeout=0, is taken for over already")
    func overAlready() throws {
        let node = try RunningNode.sojournd()
        let script = """
            import sys, pylibmc
            client = pylibmc.Client([sys.argv[1]])
            for store in (client.set, client.add, client.replace):
                assert client.set('k', 'old')
                if store == client.add:
                    assert client.delete('k')
                assert store('k', 'new', time=-1), store
                assert client.get('k') is None, store
            assert client.set('k', 'kept', time=100)
            assert client.get('k') == 'kept'
            """
        let result = try Program.run(
            "/usr/bin/python3", ["-c", script, "127.0.0.1:\(try node.port)"])
        #expect(
            result.exit == .status(0), "Debian package python3-pylibmc: \(result.errors)")
    }
}
