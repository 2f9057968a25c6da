import Glibc
import TestSupport
import Testing

/// `sojourn sessions` and the operator's socket, on one node.
@Suite(.timeLimit(.minutes(10)))
struct SessionsToolTests {
    private let directory: TemporaryDirectory
    private var socket: String { directory.path + "/operator.sock" }

    init() throws { directory = try TemporaryDirectory() }

    private func start(_ flags: [String] = [], options: String = "user_rule=php:user_id") throws
        -> RunningNode
    {
        try RunningNode.sojournd(["-o", "operator=\(socket),\(options)"] + flags)
    }

    private func php(_ user: String) -> String { "user_id|s:\(user.utf8.count):\"\(user)\";" }

    private func set(_ key: String, _ value: String, _ peer: SocketPeer, exptime: Int = 0) throws {
        #expect(
            try peer.ask("set \(key) 0 \(exptime) \(value.utf8.count)\r\n\(value)") == "STORED\r\n")
    }

    private func tool(_ arguments: String...) throws -> (
        exit: Program.Exit, output: String, errors: String
    ) {
        try Program.run(
            try RunningNode.builtProgram("sojourn"),
            ["sessions"] + arguments + ["--socket", socket])
    }

    /// A question by hand, and the lines up to the last.
    private func ask(_ line: String) throws -> [String] {
        let peer = try SocketPeer(.unix(path: socket))
        try peer.send(Array("\(line)\n".utf8))
        while peer.receive(isUnexpected: false) {
            let text = String(decoding: peer.received, as: UTF8.self)
            if text.contains("\"result\"") || text.contains("\"error\"")
                || text.contains("\"spaces\"")
            {
                break
            }
        }
        return String(decoding: peer.received, as: UTF8.self).split(separator: "\n").map(
            String.init)
    }

    @Test("Sessions of a user are listed, counted and ended, and those of others stay")
    func revoke() throws {
        let node = try start()
        let peer = try node.connect()
        for number in 0..<300 {
            try set("s:\(number)", php("u\(number % 60)"), peer, exptime: 3_600)
        }
        try set("anonymous", "cart|i:3;", peer)
        try set("foreign", "{\"user_id\":\"u7\"}", peer)
        let list = try tool("list", "--user", "u7")
        #expect(list.exit == .status(0) && list.output.contains("5 sessions of u7"), "\(list)")
        #expect(!list.output.contains("s:7"), "a key is a secret")
        #expect(
            list.output.contains("1 could not be looked into: in another form than the rule says"))
        #expect(try tool("list", "--user", "u7", "--show-keys").output.contains("s:247"))
        let count = try tool("count", "--top", "2")
        #expect(count.output.contains("302 sessions"), "\(count)")
        #expect(count.output.contains("u0\n"), "\(count)")
        let one = try tool("revoke", "--user", "u7", "--except", "s:67", "--json")
        #expect(one.exit == .status(0) && one.output.contains("\"ended\": 4"), "\(one)")
        #expect(
            try peer.ask("get s:7 s:67 s:127 s:8 foreign", until: "END\r\n").components("VALUE ")
                == ["s:67", "s:8", "foreign"])
        #expect(try tool("revoke", "--user", "u7").output.contains("1 session of u7 ended"))
        let none = try tool("revoke", "--user", "u7")
        #expect(
            none.exit == .status(1) && none.output.hasPrefix("0 sessions of u7 ended"), "\(none)")
        #expect(try tool("list", "--user", "U7").exit == .status(1))
        #expect(try tool("revoke", "--key-prefix", "s:29").output.contains("11 sessions ended"))
        #expect(try tool("count", "--contains", "cart").output.hasPrefix("1 session"))
        let statistics = try peer.ask("stats", until: "END\r\n")
        #expect(statistics.contains("STAT sessions_revoked 16\r\n"), "\(statistics)")
        #expect(statistics.contains("STAT delete_hits 16\r\n"))
        #expect(statistics.contains("STAT operator_commands "))
        let sessions = try peer.ask("stats sessions", until: "END\r\n")
        #expect(sessions.contains("STAT ended_revoked 16\r\n"), "\(sessions)")
        #expect(sessions.contains("STAT ended_logout 0\r\n"))
        let settings = try peer.ask("stats settings", until: "END\r\n")
        #expect(settings.contains("STAT operator_socket \(socket)\r\n"))
        #expect(settings.contains("STAT user_rule php: user_id\r\n"))
    }

    @Test("A deletion by an operator is one for watchers, and for who waits for a lock")
    func watchers() throws {
        let node = try start(
            options: "user_rule=key:^lock:(.+)$,lock_keys=lock:,lock_wait=60000,show_keys")
        let peer = try node.connect()
        let watcher = try node.connect()
        #expect(try watcher.ask("watch deletions") == "OK\r\n")
        try set("lock:ann", "1", peer)
        let waiter = try node.connect()
        try waiter.send(Array("add lock:ann 0 60 1\r\n2\r\n".utf8))
        try wait(for: "a waiter") {
            try peer.ask("stats", until: "END\r\n").contains("STAT lock_waiting 1\r\n")
        }
        #expect(try tool("revoke", "--user", "ann").exit == .status(0))
        #expect(try waiter.ask("mn", until: "MN\r\n") == "STORED\r\nMN\r\n")
        while !String(decoding: watcher.received, as: UTF8.self).contains("key=lock%3Aann"),
            watcher.receive(isUnexpected: false)
        {}
        #expect(
            String(decoding: watcher.received, as: UTF8.self).contains(
                "type=deleted key=lock%3Aann cmd=delete"))
    }

    @Test("Behind a fence a request that is late does not bring back what an operator has ended")
    func fence() throws {
        let node = try start(options: "user_rule=php:user_id,fence=60")
        let peer = try node.connect()
        try set("s:1", php("ann"), peer)
        try set("s:2", php("bob"), peer)
        #expect(try tool("revoke", "--user", "ann").exit == .status(0))
        let late = "\(php("ann").utf8.count)\r\n\(php("ann"))"
        #expect(try peer.ask("set s:1 0 0 \(late)") == "NOT_STORED\r\n")
        #expect(try peer.ask("add s:1 0 0 \(late)") == "NOT_STORED\r\n")
        #expect(try tool("count", "--user", "ann").exit == .status(1))
        #expect(try peer.ask("set s:2 0 0 \(late)") == "STORED\r\n")
    }

    @Test(
        "Each protocol that a node may be bound to ends sessions",
        arguments: ["auto", "ascii", "binary"])
    func protocols(name: String) throws {
        let node = try start(["-B", name], options: "user_rule=key:u=(.)")
        let key = Array("u=\u{E9}".utf8)
        let peer = try node.connect()
        if name == "ascii" {
            try set("u=x", "", peer)
        } else {
            // The value is empty, and the key has bytes that text does not allow.
            let head: [UInt8] = [
                0x80, 1, 0, UInt8(key.count + 1), 8, 0, 0, 0, 0, 0, 0, UInt8(key.count + 9),
            ]
            try peer.send(head + [UInt8](repeating: 0, count: 12 + 8) + key + [1])
            while peer.received.count < 24, peer.receive(isUnexpected: false) {}
            #expect(peer.received.prefix(8) == [0x81, 1, 0, 0, 0, 0, 0, 0])
        }
        let ended = try tool("revoke", "--key-prefix", "u=")
        #expect(ended.exit == .status(0) && ended.output.contains("1 session ended"), "\(ended)")
    }

    @Test("A rule that finds nobody is told, with what the values look like")
    func wrongRule() throws {
        let node = try start(options: "user_rule=json: $.passport.user")
        let peer = try node.connect()
        for number in 0..<30 { try set("s:\(number)", php("u"), peer) }
        try set("e", "eyJpdiI6IkFiYyI=", peer)
        let none = try tool("count", "--user", "u")
        #expect(none.exit == .status(1))
        #expect(
            none.output.contains(
                "the rule 'json: $.passport.user' has found a user in none of them"))
        #expect(none.output.contains("30 php, 1 laravel_encrypted"), "\(none)")
        #expect(none.output.contains("1 could not be looked into: encrypted by the client"))
        #expect(try tool("count", "--user", "u", "--user-rule", "php: user_id").exit == .status(0))
    }

    @Test("What is wrong is said, and nothing is ended")
    func mistakes() throws {
        let node = try start(options: "show_keys")
        let peer = try node.connect()
        try set("s", php("ann"), peer)
        let noRule = try tool("revoke", "--user", "ann")
        #expect(
            noRule.exit == .status(2) && noRule.errors.contains("-o user_rule=RULE"), "\(noRule)")
        let wrong = try tool("revoke", "--user", "ann", "--user-rule", "xml: a")
        #expect(wrong.exit == .status(2) && wrong.errors.contains("no form of a value"), "\(wrong)")
        #expect(
            try tool("list", "--space", "other").errors.contains(
                "there is no space \"other\", but default"))
        #expect(try tool("revoke").exit == .status(64))
        #expect(try tool("list", "--older-than", "soon").exit == .status(64))
        #expect(
            try ask("revoke").first
                == "{\"error\":\"revoke needs to know whose: a user, or another limit; flush_all ends everybody's\"}"
        )
        #expect(try ask("get s").first?.contains("expected list, count, revoke or spaces") == true)
        #expect(try ask("spaces") == ["{\"spaces\":[\"default\"]}"])
        #expect(
            try ask("list user=" + String(repeating: "x", count: 20_000)).first?.contains(
                "at most 16384 bytes") == true)
        #expect(try ask("list \u{0}\u{1}\"=%").first?.hasPrefix("{\"error\":") == true)
        // On a client's port these are no commands.
        for command in ["list", "count", "revoke user=ann", "sessions list"] {
            #expect(try node.connect().ask(command) == "ERROR\r\n")
        }
        #expect(try peer.ask("get s", until: "END\r\n").hasPrefix("VALUE s "))
        let nobody = try Program.run(
            try RunningNode.builtProgram("sojourn"),
            ["sessions", "list", "--socket", directory.path + "/none"])
        #expect(nobody.exit == .status(2) && nobody.errors.contains("No such file"), "\(nobody)")
        for (option, reason) in [
            ("user_rule", "needs a rule"), ("operator=", "needs the path"),
            ("user_rule=json", "needs the name of a field"),
            ("user_rule=bytes:abc", "no group"),
            ("operator=/\(String(repeating: "x", count: 200))", "at most 107 bytes"),
            ("operator=/nowhere/at/all", "-o operator"),
        ] {
            let refused = try Program.run(
                try RunningNode.sojourndPath(),
                (getuid() == 0 ? ["-u", "root"] : []) + ["-p", "-1", "-o", option])
            #expect(
                refused.exit != .status(0) && refused.errors.contains(reason),
                "\(option): \(refused.errors)")
        }
    }

    @Test("Nobody but its user and root opens the socket, and only some at a time")
    func access() throws {
        let node = try start()
        var status = stat()
        #expect(stat(socket, &status) == 0 && status.st_mode & 0o777 == 0o600)
        var peers = try (0..<8).map { _ in try SocketPeer(.unix(path: socket)) }
        for peer in peers {
            #expect(try peer.ask("spaces", until: "\n") == "{\"spaces\":[\"default\"]}\n")
        }
        #expect(try ask("spaces").first == "{\"error\":\"8 operators are there already\"}")
        peers.removeLast().close()
        try wait(for: "a place") { try ask("spaces").first == "{\"spaces\":[\"default\"]}" }
        if getuid() == 0 {
            // The file's mode alone would let everybody in.
            chmod(socket, 0o777)
            chmod(directory.path, 0o755)
            let other = try Program.run(
                "/usr/bin/setpriv",
                [
                    "--reuid", "65534", "--clear-groups", "--",
                    try RunningNode.builtProgram("sojourn"),
                ]
                    + ["sessions", "list", "--socket", socket])
            #expect(other.exit != .status(0), "\(other)")
            try node.program.waitToSay(
                "refused an operator: user 65534 is neither the node's nor root")
        }
    }

    @Test("An operator who does not read, or goes, holds nothing up")
    func slow() throws {
        let node = try start(["-m", "256"])
        let peer = try node.connect()
        for start in stride(from: 0, to: 60_000, by: 1_000) {
            var text = ""
            for number in start..<start + 1_000 {
                text += "set key-\(number) 0 0 2 noreply\r\nab\r\n"
            }
            try peer.send(Array(text.utf8))
        }
        #expect(try peer.ask("mn", until: "MN\r\n") == "MN\r\n")
        for _ in 0..<20 {
            let silent = try SocketPeer(.unix(path: socket))
            try silent.send(Array("list show_keys\n".utf8))
            _ = silent.receive(isUnexpected: false)
            silent.close()
        }
        let silent = try SocketPeer(.unix(path: socket))
        try silent.send(Array("list show_keys\n".utf8))
        #expect(try peer.ask("get key-1", until: "END\r\n").hasPrefix("VALUE"))
        try wait(for: "the places of those who have gone") {
            try tool("count").output.contains("60,000 sessions")
        }
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
        #expect(Glibc.access(socket, F_OK) != 0, "the socket goes with its node")
    }

    @Test("The socket is there in the sandbox, and after a supervised node was killed")
    func supervised() throws {
        let node = try start(
            ["--supervise", "-e", directory.path + "/arena"],
            options: "user_rule=php:user_id,sandbox")
        try set("s", php("ann"), try node.connect())
        #expect(try tool("count", "--user", "ann").exit == .status(0))
        let children =
            contents(of: "/proc/\(node.program.processID)/task/\(node.program.processID)/children")
            ?? ""
        let child = try #require(pid_t(children.split(separator: " ").first ?? ""))
        kill(child, SIGKILL)
        try wait(for: "another node") { try tool("count", "--user", "ann").exit == .status(0) }
        let ended = try tool("revoke", "--user", "ann")
        #expect(ended.exit == .status(0), "\(ended)")
        #expect(try node.connect().ask("get s", until: "END\r\n") == "END\r\n")
    }
}

extension String {
    /// The words that follow each of these.
    fileprivate func components(_ head: String) -> [String] {
        split(separator: "\r\n").filter { $0.hasPrefix(head) }
            .compactMap { $0.dropFirst(head.count).split(separator: " ").first.map(String.init) }
    }
}
