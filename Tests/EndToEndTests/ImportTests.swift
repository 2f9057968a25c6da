import Glibc
import TestSupport
import Testing

/// `sojourn import` and `sojourn export`, from and to a real memcached and a real Redis.
@Suite(.timeLimit(.minutes(10)))
struct ImportTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func move(
        _ command: String, _ arguments: [String]
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        try Program.run(RunningNode.builtProgram("sojourn"), [command] + arguments)
    }

    private func memcached(_ flags: [String] = []) throws -> RestartableNode {
        try RestartableNode(RunningNode.memcachedPath, flags: ["-U", "0"] + flags)
    }

    private func place(_ node: RestartableNode) -> String { "\(node.host):\(node.port)" }
    private func place(_ node: RunningNode) throws -> String { "127.0.0.1:\(try node.port)" }

    /// Sessions of several times, client flags and sizes.
    private func fill(_ peer: SocketPeer, _ count: Int) throws {
        for number in 0..<count {
            let value = String(repeating: "v", count: number % 700) + "\(number)"
            let exptime = [0, 100, 86_400, 2_592_000][number % 4]
            #expect(
                try peer.ask(
                    "set session:\(number) \(number % 5) \(exptime) \(value.utf8.count)\r\n\(value)"
                )
                    == "STORED\r\n")
        }
        // The base64 of "a key".
        #expect(try peer.ask("ms YSBrZXk= 3 b T100 F9\r\nold") == "HD\r\n")
    }

    @Test(
        "All items come over and back, with times and client flags, and none takes another's place")
    func bothWays() throws {
        let old = try memcached()
        let node = try RunningNode.sojournd(["-o", "show_keys"])
        try fill(old.connect(), 1_000)
        #expect(try node.connect().ask("set session:7 0 0 5\r\nnewer") == "STORED\r\n")
        let there = try move(
            "import",
            [
                "--from", place(old), "--to", try place(node), "--rate", "100000", "--verify",
                "all",
            ])
        #expect(there.exit == .status(0), "\(there)")
        for line in [
            "1001 keys were listed", "1000 items were stored", "1 were there already",
            "1000 compared: the same",
            "1 compared: changed",
        ] { #expect(there.output.contains(line), "\(there.output)") }
        let peer = try node.connect()
        #expect(try peer.ask("get session:7", until: "END\r\n").contains("newer"))
        #expect(try peer.ask("mg session:4 t f") == "HD t-1 f4\r\n")
        let encoded = try peer.ask("mg YSBrZXk= b f v", until: "old\r\n")
        #expect(encoded.hasPrefix("VA 3 ") && encoded.contains(" f9"), "\(encoded)")
        let left = Int(try peer.ask("mg session:3 t").dropFirst(4).dropLast()) ?? 0
        #expect((2_591_900...2_592_000).contains(left))
        // And back, to another one.
        let back = try memcached()
        let result = try move(
            "export",
            [
                "--from", try place(node), "--to", place(back), "--rate", "100000", "--verify",
                "all", "--dump-command", "mgdump",
            ])
        #expect(result.exit == .status(0), "\(result)")
        #expect(result.output.contains("1001 items were stored"))
        #expect(result.output.contains("1001 compared: the same"))
        #expect(try back.connect().ask("mg session:4 t f") == "HD t-1 f4\r\n")
    }

    @Test(
        "A node with a predecessor fetches them itself, and what was logged out meanwhile stays so")
    func fetches() throws {
        let old = try memcached()
        try fill(old.connect(), 500)
        let node = try RunningNode.sojournd(["-v", "-o", "predecessor=\(place(old))"])
        try node.program.waitToSay("is there")
        #expect(try node.connect().ask("delete session:3") == "DELETED\r\n")
        let result = try move(
            "import",
            ["--from", place(old), "--to", try place(node), "--rate", "100000", "--verify", "all"])
        #expect(result.exit == .status(0), "\(result)")
        #expect(result.output.contains("500 keys were listed"), "\(result.output)")
        #expect(result.output.contains("500 were there already"), "\(result.output)")
        #expect(try node.counter("curr_items") == 500)
        #expect(try node.connect().ask("mg session:3") == "EN\r\n")
        let lines = try old.connect().ask("stats", until: "END\r\n")
        #expect(lines.contains("STAT curr_items 0\r\n"))
        // Under other keys it cannot be.
        let other = try move(
            "import", ["--from", place(old), "--to", try place(node), "--add-prefix", "x"])
        #expect(other.exit == .status(1))
        #expect(other.errors.contains("has a predecessor"))
    }

    @Test("Killed in the middle, it goes on where it was, and says so when it is over")
    func resumes() throws {
        let old = try memcached()
        try fill(old.connect(), 2_000)
        let node = try RunningNode.sojournd([])
        let state = directory.path + "/state"
        let arguments = ["import", "--from", place(old), "--to", try place(node), "--state", state]
        let first = try Program(RunningNode.builtProgram("sojourn"), arguments + ["--rate", "400"])
        try wait(for: "a part of it") {
            let itemCount = try node.counter("curr_items") ?? 0
            return itemCount > 300 && (contents(of: state) ?? "").contains("stored ")
        }
        first.send(SIGKILL)
        _ = try first.waitForExit()
        let second = try Program(
            RunningNode.builtProgram("sojourn"), arguments + ["--rate", "400"])
        try wait(for: "more of it") { (try node.counter("curr_items") ?? 0) > 700 }
        second.send(SIGINT)
        #expect(try second.waitForExit() == .status(130))
        #expect(second.errors.contains("to go on"))
        let third = try move(
            "import", Array(arguments.dropFirst()) + ["--rate", "100000", "--verify", "all"])
        #expect(third.exit == .status(0), "\(third)")
        #expect(third.output.contains("2001 compared: the same"), "\(third.output)")
        #expect(try node.counter("curr_items") == 2_001)
        let fourth = try move("import", Array(arguments.dropFirst()))
        #expect(fourth.exit == .status(1))
        #expect(fourth.errors.contains("that move is over"))
        let other = try move(
            "import", ["--from", place(old), "--to", place(old), "--state", state])
        #expect(other.errors.contains("is of a move from"))
    }

    @Test("What cannot be is said")
    func refusals() throws {
        let old = try memcached(["-X"])
        #expect(try old.connect().ask("set a 0 0 1\r\na") == "STORED\r\n")
        let node = try RunningNode.sojournd([])
        let hidden = try move("import", ["--from", place(old), "--to", try place(node)])
        #expect(hidden.exit == .status(1))
        #expect(hidden.errors.contains("does not list its keys"), "\(hidden.errors)")
        let secret = try move("export", ["--from", try place(node), "--to", place(old)])
        #expect(secret.errors.contains("-o show_keys"), "\(secret.errors)")
        let crawler = try memcached(["-o", "no_lru_crawler"])
        let disabled = try move("import", ["--from", place(crawler), "--to", try place(node)])
        #expect(disabled.errors.contains("lru_crawler enable"), "\(disabled.errors)")
        let nobody = try move("import", ["--from", "127.0.0.1:1", "--to", try place(node)])
        #expect(nobody.exit == .status(1))
        #expect(nobody.errors.contains("cannot connect"))
        for (arguments, message) in [
            (["--from", "a", "--to", "b,c"], "--to: of several"),
            (["--from", "a:x", "--to", "b"], "expected HOST"),
            (["--from", "redis://h:0", "--to", "b"], "expected redis://"),
            (["--from", "rediss://h", "--to", "b"], "not supported"),
            (["--from", "a", "--to", "b", "--match", "x"], "--match is for Redis"),
            (["--from", "a", "--to", "b", "--rate", "0"], "--rate must be"),
            (["--from", "a", "--to", "b", "--verify", "0"], "--verify must be"),
        ] {
            let result = try move("import", arguments)
            #expect(result.exit == .status(64))
            #expect(result.errors.contains(message), "\(result.errors)")
        }
        // Larger than the node takes.
        let large = try memcached(["-I", "2m"])
        let value = String(repeating: "v", count: 1_100_000)
        #expect(try large.connect().ask("set large 0 0 1100000\r\n\(value)") == "STORED\r\n")
        let result = try move("import", ["--from", place(large), "--to", try place(node)])
        #expect(result.exit == .status(1))
        #expect(result.output.contains("1 were refused"), "\(result.output)")
        #expect(result.output.contains("such as large"))
    }

    @Test("Sessions come from Redis, as PHP, express and Django have them there")
    func redis() throws {
        let port = try freePorts(1)[0]
        let server = try Program(
            "/usr/bin/redis-server",
            [
                "--port", "\(port)", "--save", "", "--requirepass", "se cret", "--dir",
                directory.path,
            ])
        defer { server.end() }
        func command(_ words: [String]) -> String {
            "*\(words.count)\r\n" + words.map { "$\($0.utf8.count)\r\n\($0)\r\n" }.joined()
        }
        try wait(for: "Redis") { (try? SocketPeer(.tcp(port: UInt16(port)))) != nil }
        let peer = try SocketPeer(.tcp(port: UInt16(port)))
        func ask(_ words: String...) throws -> String {
            try peer.send(command(words))
            return try peer.receive(until: "\r\n")
        }
        #expect(try ask("AUTH", "se cret") == "+OK\r\n")
        #expect(try ask("SELECT", "2") == "+OK\r\n")
        #expect(try ask("SET", "PHPREDIS_SESSION:abc", "user|i:1;", "EX", "100") == "+OK\r\n")
        #expect(try ask("SET", "sess:def", "{\"cookie\":{}}") == "+OK\r\n")
        #expect(
            try ask("SET", ":1:django.contrib.sessions.cachexyz", "\u{80}\r\n", "PX", "50700")
                == "+OK\r\n")
        #expect(try ask("RPUSH", "list", "x") == ":1\r\n")
        #expect(try ask("SET", String(repeating: "k", count: 251), "x") == "+OK\r\n")
        let node = try RunningNode.sojournd([])
        let from = ["--from", "redis://:se%20cret@127.0.0.1:\(port)/2", "--to", try place(node)]
        let php = try move(
            "import",
            from + [
                "--match", "PHPREDIS_SESSION:*", "--strip-prefix", "PHPREDIS_SESSION:",
                "--add-prefix", "memc.sess.key.",
            ])
        #expect(php.exit == .status(0), "\(php)")
        let reader = try node.connect()
        #expect(try reader.ask("get memc.sess.key.abc", until: "END\r\n").contains("user|i:1;"))
        let left = Int(try reader.ask("mg memc.sess.key.abc t").dropFirst(4).dropLast()) ?? 0
        #expect((80...100).contains(left))
        let all = try move("import", from + ["--verify", "all"])
        #expect(all.exit == .status(1))
        for line in [
            "5 keys were listed", "3 items were stored", "2 cannot be moved", "it is no string",
            "too long",
        ] {
            #expect(all.output.contains(line), "\(all.output)")
        }
        #expect(!(all.output + all.errors).contains("cret"))
        #expect(try reader.ask("mg sess:def t") == "HD t-1\r\n")
        #expect(
            try reader.ask("get :1:django.contrib.sessions.cachexyz", until: "END\r\n").contains(
                "\u{80}\r\n"))
        let secret = try Program.run(
            RunningNode.builtProgram("sojourn"),
            ["import", "--from", "redis://127.0.0.1:\(port)/2", "--to", try place(node)],
            environment: ["SOJOURN_REDIS_PASSWORD": "se cret"])
        #expect(secret.output.contains("5 keys were listed"), "\(secret)")
        let wrong = try move(
            "import", ["--from", "redis://:wrong@127.0.0.1:\(port)", "--to", try place(node)])
        #expect(wrong.exit == .status(1))
        #expect(wrong.errors.contains("refuses the login"), "\(wrong.errors)")
    }
}
