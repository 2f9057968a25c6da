import Glibc
import TestSupport
import Testing

/// Several applications on one node: nothing of one is another's.
@Suite(.timeLimit(.minutes(10)))
struct SpacesTests {
    private static let two = """
        threads: 2
        spaces:
        - name: sessions
          listen: 127.0.0.1:PORT0
          memory_limit: 64
          memory_file: DIR/sessions
        - name: cache
          listen: [127.0.0.1]
          port: PORT1
          unix_socket: DIR/cache.sock
          memory_limit: 96
          conn_limit: 40
          disable_watch: true
        """

    @Test("What is stored, counted, limited and allowed in one space is so in no other")
    func walls() throws {
        let node = try SpacesNode(Self.two)
        let (sessions, cache) = (try node.connect(0), try node.connect(1))
        #expect(try sessions.ask("set k 0 0 1\r\n1") == "STORED\r\n")
        #expect(try cache.ask("get k", until: "END\r\n") == "END\r\n")
        #expect(try cache.ask("set k 0 0 1\r\n2") == "STORED\r\n")
        let unix = try SocketPeer(.unix(path: node.directory.path + "/cache.sock"))
        #expect(try unix.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\n2\r\nEND\r\n")
        #expect(try cache.ask("flush_all") == "OK\r\n")
        #expect(try sessions.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\n1\r\nEND\r\n")
        #expect(try node.counter("cmd_flush", 0) == 0)
        #expect(try node.counter("cmd_flush", 1) == 1)
        #expect(try node.counter("maxbytes", 0, page: "settings") == 64 << 20)
        #expect(try node.counter("maxbytes", 1, page: "settings") == 96 << 20)
        #expect(try node.counter("max_connections", 1) == 40)
        #expect(try node.counter("max_connections", 0) == 1_024)
        // The reply that memcached gives with -W.
        #expect(try cache.ask("watch") == "CLIENT_ERROR watch commands not allowed\r\n")
        #expect(try sessions.ask("watch connevents") == "OK\r\n")
        let shown = try cache.ask("stats conns", until: "END\r\n")
        #expect(shown.contains(":\(node.ports[1])\r\n"))
        #expect(!shown.contains(":\(node.ports[0])\r\n"))
        #expect(try cache.ask("cache_memlimit 64") == "OK\r\n")
        #expect(try node.counter("limit_maxbytes", 0) == 64 << 20)
        #expect(try node.counter("limit_maxbytes", 1) == 64 << 20)
    }

    @Test(
        "A neighbour that has taken all of its places, and filled its memory tenfold, takes none of others"
    )
    func crowded() throws {
        let node = try SpacesNode(Self.two)
        #expect(try node.connect(0).ask("set session 0 0 2\r\nhi") == "STORED\r\n")
        let crowd = try (0..<40).map { _ in try node.connect(1) }
        #expect(try crowd[39].ask("mn") == "MN\r\n")
        let value = String(repeating: "x", count: 500_000)
        for number in 0..<1_000 {
            #expect(try crowd[0].ask("set k\(number) 0 0 500000\r\n\(value)") == "STORED\r\n")
        }
        let late = try node.connect(0)
        #expect(
            try late.ask("get session", until: "END\r\n") == "VALUE session 0 2\r\nhi\r\nEND\r\n")
        #expect(try node.counter("evictions", 0) == 0)
        #expect(try node.counter("curr_items", 0) == 1)
    }

    @Test("Each space has users of its own")
    func users() throws {
        let node = try SpacesNode(
            """
            spaces:
            - {name: open, listen: "127.0.0.1:PORT0"}
            - {name: shut, listen: "127.0.0.1:PORT1", auth_file: NODEUSERS}
            """.replacing("NODEUSERS", with: try Self.users.get()))
        #expect(try node.connect(0).ask("mn") == "MN\r\n")
        let peer = try node.connect(1)
        #expect(try peer.ask("get k") == "CLIENT_ERROR unauthenticated\r\n")
        #expect(try peer.ask("set auth 0 0 10\r\napp secret") == "STORED\r\n")
        #expect(try peer.ask("mn") == "MN\r\n")
    }

    /// A file of users, for as long as the tests run.
    private static let users = Result {
        let directory = try TemporaryDirectory()
        kept = directory
        let path = try directory.write("app:secret\n", to: "users")
        chmod(path, 0o600)
        return path
    }
    private nonisolated(unsafe) static var kept: TemporaryDirectory?

    @Test("Each space has a certificate of its own, or none")
    func certificates() throws {
        let (one, other) = (try TestCertificates(), try TestCertificates())
        let text = [one, other].enumerated().map { number, certificates in
            """
            - name: space\(number)
              listen: 127.0.0.1:PORT\(number)
              enable_ssl: true
              ssl_chain_cert: \(certificates.path("node.pem"))
              ssl_key: \(certificates.path("node.key"))
            """
        }.joined(separator: "\n")
        let node = try SpacesNode(
            "spaces:\n\(text)\n- {name: clear, listen: \"127.0.0.1:PORT2\"}\n")
        for (number, certificates) in [one, other].enumerated() {
            var options = TLSPeer.Options()
            options.authority = certificates.path("ca.pem")
            let peer = try TLSPeer(.tcp(port: UInt16(node.ports[number])), options)
            #expect(try peer.ask("mn") == "MN\r\n")
            let wrong = [one, other][1 - number]
            options.authority = wrong.path("ca.pem")
            #expect(throws: (any Error).self) {
                _ = try TLSPeer(.tcp(port: UInt16(node.ports[number])), options)
            }
        }
        #expect(try node.connect(2).ask("mn") == "MN\r\n")
    }

    @Test("A killed node takes the files of all its spaces over, each with its own clock")
    func restart() throws {
        let node = try SpacesNode(
            """
            spaces:
            - {name: a, listen: "127.0.0.1:PORT0", memory_file: DIR/a, debugtime: true}
            - {name: b, listen: "127.0.0.1:PORT1", memory_file: DIR/b}
            """)
        for place in 0..<2 {
            #expect(try node.connect(place).ask("set k 0 1000 1\r\n\(place)") == "STORED\r\n")
        }
        #expect(try node.connect(0).ask("debugtime 900") == "OK\r\n")
        // What is kept of the clock is a second old at most.
        usleep(1_500_000)
        try node.killAndStart()
        func left(_ place: Int) throws -> Int? {
            let reply = try node.connect(place).ask("mg k t v", until: "\r\n\(place)\r\n")
            return reply.split(separator: " ").dropFirst(2).first
                .flatMap { Int($0.dropFirst().prefix { $0 != "\r\n" }) }
        }
        let (moved, other) = (try #require(try left(0)), try #require(try left(1)))
        #expect((80...100).contains(moved))
        #expect((980...1_000).contains(other))
    }

    @Test(
        "The operator's socket shows all spaces, and finds a user's sessions in the one that is named"
    )
    func operators() throws {
        let node = try SpacesNode(
            """
            operator: DIR/operator.sock
            spaces:
            - {name: shop, listen: "127.0.0.1:PORT0", user_rule: "php: user_id"}
            - {name: wiki, listen: "127.0.0.1:PORT1", user_rule: "json: $.user"}
            """)
        let php = "user_id|s:3:\"ann\";"
        #expect(try node.connect(0).ask("set s 0 0 \(php.utf8.count)\r\n\(php)") == "STORED\r\n")
        #expect(try node.connect(1).ask("set w 0 0 14\r\n{\"user\":\"ann\"}") == "STORED\r\n")
        let socket = node.directory.path + "/operator.sock"
        func ask(_ line: String, until end: String) throws -> [Substring] {
            try SocketPeer(.unix(path: socket)).ask(line, until: end).split(separator: "\n")
        }
        let last = "{\"result\":\"stats\",\"spaces\":[\"shop\",\"wiki\"]}\n"
        let all = try ask("stats", until: last)
        #expect(all.count == 3)
        #expect(all[0].hasPrefix("{\"space\":\"shop\",\"pid\":"))
        #expect(all[1].hasPrefix("{\"space\":\"wiki\"") && all[1].contains("\"cmd_set\":1,"))
        let one = try ask(
            "stats settings space=wiki", until: "{\"result\":\"stats\",\"spaces\":[\"wiki\"]}\n")
        #expect(one.count == 2 && one[0].contains("\"tcpport\":\(node.ports[1]),"))
        #expect(
            try ask("stats space=none", until: "}\n")
                == ["{\"error\":\"there is no space \\\"none\\\", but shop, wiki\"}"])
        let sojourn = try RunningNode.builtProgram("sojourn")
        func revoke(_ more: [String]) throws -> (exit: Program.Exit, output: String, errors: String)
        {
            try Program.run(
                sojourn, ["sessions", "revoke", "--socket", socket, "--user", "ann"] + more)
        }
        #expect(try revoke([]).errors.contains("which space? There are shop, wiki"))
        #expect(try revoke(["--space", "wiki"]).exit == .status(0))
        #expect(try node.connect(0).ask("get s", until: "END\r\n").hasPrefix("VALUE"))
        #expect(try node.connect(1).ask("get w", until: "END\r\n") == "END\r\n")
    }

    // MARK: SIGHUP

    @Test(
        "SIGHUP changes memory, places, listeners, rules and users, and adds a space; nobody is hung up on"
    )
    func changed() throws {
        let node = try SpacesNode(Self.two)
        let (sessions, cache) = (try node.connect(0), try node.connect(1))
        #expect(try sessions.ask("set k 0 0 1\r\n1") == "STORED\r\n")
        #expect(try cache.ask("set k 0 0 1\r\n2") == "STORED\r\n")
        try node.change(
            to: """
                threads: 2
                spaces:
                - name: sessions
                  listen: [127.0.0.1:PORT0, 127.0.0.1:PORT2]
                  memory_limit: 64
                  memory_file: DIR/sessions
                  disable_flush_all: true
                - name: cache
                  listen: 127.0.0.1:PORT3
                  memory_limit: 128
                  conn_limit: 50
                  auth_file: NODEUSERS
                - {name: third, listen: "127.0.0.1:PORT4", memory_file: DIR/third}
                """.replacing("NODEUSERS", with: try Self.users.get()))
        try node.program.waitToSay("space third: is there, and listens on")
        for place in [0, 2] {
            let peer = try node.connect(place)
            #expect(try peer.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\n1\r\nEND\r\n")
            #expect(try peer.ask("flush_all") == "CLIENT_ERROR flush_all not allowed\r\n")
        }
        // Who was there stays, by the rules by which it came, also where nobody is let in any more.
        #expect(try sessions.ask("get k", until: "END\r\n").hasPrefix("VALUE"))
        #expect(try cache.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\n2\r\nEND\r\n")
        #expect(throws: (any Error).self) { _ = try node.connect(1) }
        let new = try node.connect(3)
        #expect(try new.ask("get k") == "CLIENT_ERROR unauthenticated\r\n")
        #expect(try cache.ask("stats", until: "END\r\n").contains("max_connections 50\r\n"))
        #expect(
            try cache.ask("stats", until: "END\r\n").contains("limit_maxbytes \(128 << 20)\r\n"))
        #expect(try node.connect(4).ask("set t 0 0 1\r\n3") == "STORED\r\n")
        // What came with SIGHUP is there after a restart, too.
        try node.killAndStart()
        #expect(try node.connect(4).ask("get t", until: "END\r\n") == "VALUE t 0 1\r\n3\r\nEND\r\n")
        #expect(try node.connect(2).ask("get k", until: "END\r\n") == "VALUE k 0 1\r\n1\r\nEND\r\n")
    }

    @Test("What takes a restart is said, and a file that is wrong changes nothing")
    func refused() throws {
        let node = try SpacesNode(Self.two)
        try node.change(
            to: """
                threads: 3
                spaces:
                - name: sessions
                  listen: 127.0.0.1:PORT0
                  memory_limit: 64
                  memory_file: DIR/other
                  eviction: lru
                """)
        try node.program.waitToSay("the node: what changed of threads takes a restart of the node")
        try node.program.waitToSay(
            "space sessions: what changed of memory_file, eviction, probation, proof_age takes a "
                + "restart of the node")
        try node.program.waitToSay("space cache is not in the configuration any more: it goes on")
        #expect(try node.connect(1).ask("mn") == "MN\r\n")
        try node.change(
            to: "spaces:\n- {name: sessions, listen: \"127.0.0.1:PORT0\", probation: x}")
        try node.program.waitToSay(
            "the configuration stays as it was: \(node.path):2: spaces[0].probation: probation must be"
        )
        #expect(try node.connect(0).ask("mn") == "MN\r\n")
    }

    @Test("SIGHUP changes the timeouts of one space, and says where that takes a restart")
    func timeouts() throws {
        func text(_ sessions: String, _ cache: String) -> String {
            """
            spaces:
            - {name: sessions, listen: "127.0.0.1:PORT0"\(sessions)}
            - {name: cache, listen: "127.0.0.1:PORT1"\(cache)}
            """
        }
        let node = try SpacesNode(text(", idle: 600, absolute: 1h", ""))
        let get = "mg k t v"
        for place in 0..<2 {
            #expect(try node.connect(place).ask("set k 0 0 1\r\n1") == "STORED\r\n")
        }
        #expect(try node.connect(0).ask(get, until: "1\r\n") == "VA 1 t600\r\n1\r\n")
        #expect(try node.connect(1).ask(get, until: "1\r\n") == "VA 1 t-1\r\n1\r\n")
        try node.change(to: text(", idle: 900, absolute: 1h", ", absolute: 1h"))
        try node.program.waitToSay(
            "space sessions: other timeouts, for what is stored, touched or read from now on")
        try node.program.waitToSay(
            "space cache: what changed of absolute takes a restart of the node")
        #expect(try node.connect(0).ask(get, until: "1\r\n") == "VA 1 t900\r\n1\r\n")
        #expect(try node.connect(1).ask(get, until: "1\r\n") == "VA 1 t-1\r\n1\r\n")
        #expect(try node.counter("idle", 0, page: "settings") == 900)
        #expect(try node.counter("absolute", 1, page: "settings") == 0)
    }

    // MARK: Others' processes

    @Test("A supervisor holds the sockets of all spaces")
    func supervised() throws {
        let node = try SpacesNode(Self.two, ["--supervise"])
        #expect(try node.connect(0).ask("set k 0 0 2\r\nhi") == "STORED\r\n")
        let supervisor = node.program.processID
        let children = contents(of: "/proc/\(supervisor)/task/\(supervisor)/children") ?? ""
        let child = try #require(pid_t(children.split(separator: " ")[0]))
        kill(child, SIGKILL)
        for _ in 0..<20 {
            let reply = try node.connect(0).ask("get k", until: "END\r\n")
            #expect(reply == "VALUE k 0 2\r\nhi\r\nEND\r\n")
            #expect(try node.connect(1).ask("get k", until: "END\r\n") == "END\r\n")
        }
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
    }

    @Test("A space that keeps copies with another node's has a neighbour that does not")
    func clustered() throws {
        let directory = try TemporaryDirectory()
        let host = "127.\(Int.random(in: 1...254)).\(Int.random(in: 1...254)).9"
        let definition = try directory.write(
            """
            name: shop
            copies: 2
            peers: {}
            nodes:
            - {name: a, host: \(host), port: 21001, memory: 16, flags: [-I, 512k]}
            - {name: b, host: \(host), port: 21002, memory: 16, flags: [-I, 512k]}
            """, to: "cluster.yaml")
        let nodes = try ["a", "b"].map { name in
            try SpacesNode(
                """
                spaces:
                - {name: sessions, cluster: \(definition), node: \(name)}
                - {name: cache, listen: "127.0.0.1:PORT1"}
                """)
        }
        func connect(_ number: Int) throws -> SocketPeer {
            try SocketPeer(.address(host, port: UInt16(21_001 + number)))
        }
        try wait(for: "both to be current") {
            try (0..<2).allSatisfy {
                try connect($0).ask("stats", until: "END\r\n")
                    .contains("cluster_state current\r\n")
            }
        }
        #expect(try connect(0).ask("set k 0 0 1\r\n1") == "STORED\r\n")
        #expect(try connect(1).ask("get k", until: "END\r\n") == "VALUE k 0 1\r\n1\r\nEND\r\n")
        #expect(try nodes[0].connect(1).ask("set k 0 0 1\r\n2") == "STORED\r\n")
        #expect(try nodes[1].connect(1).ask("get k", until: "END\r\n") == "END\r\n")
        let stats = try nodes[0].connect(1).ask("stats", until: "END\r\n")
        #expect(!stats.contains("cluster_state"))
        nodes[0].program.send(SIGKILL)
        _ = try nodes[0].program.waitForExit()
        #expect(try connect(1).ask("get k", until: "END\r\n") == "VALUE k 0 1\r\n1\r\nEND\r\n")
    }

    @Test("Two files that have changed their places are refused, and a space may take another name")
    func swapped() throws {
        func text(_ a: String, _ b: String, _ more: String = "") -> String {
            """
            spaces:
            - {name: a, listen: "127.0.0.1:PORT0", memory_file: DIR/\(a)}
            - {name: \(b), listen: "127.0.0.1:PORT1", memory_file: DIR/b\(more)}
            """
        }
        let node = try SpacesNode(text("a", "b"))
        #expect(try node.connect(1).ask("set k 0 0 1\r\n1") == "STORED\r\n")
        node.program.send(SIGTERM)
        _ = try node.program.waitForExit()
        let sojournd = try RunningNode.sojourndPath()
        let user = getuid() == 0 ? ["-u", "root"] : []
        let swapped = try node.directory.write(
            "spaces: [{name: b, port: 1, memory_file: \(node.directory.path)/a}]", to: "swapped")
        let result = try Program.run(sojournd, user + ["--config", swapped], seconds: 10)
        #expect(result.exit == .status(64))
        #expect(
            result.errors.hasSuffix(
                "memory file \(node.directory.path)/a belongs to space a: give space b one of its own, "
                    + "or say former_name: a if that was its name\n"))
        let renamed = try node.directory.write(
            "spaces: [{name: c, listen: \"127.0.0.1:\(node.ports[2])\", former_name: b, "
                + "memory_file: \(node.directory.path)/b}]", to: "renamed")
        let program = try Program(sojournd, user + ["--config", renamed])
        try wait(for: "the node") { program.errors.contains("listens on") }
        #expect(
            try node.connect(2).ask("get k", until: "END\r\n") == "VALUE k 0 1\r\n1\r\nEND\r\n")
    }
}
