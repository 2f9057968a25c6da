import Glibc
import TestSupport
import Testing

/// `sojourn status`.
@Suite(.timeLimit(.minutes(10)))
struct StatusToolTests {
    private func rows(_ text: String) -> [String: [Substring]] {
        let lines = text.split(separator: "\n").map { $0.split(separator: " ") }
        return Dictionary(lines.map { (String($0[0]), $0) }, uniquingKeysWith: { $1 })
    }

    @Test("Every node has a row with what it counted")
    func up() throws {
        let cluster = try ToolCluster("name: shop\ncopies: 2\n")
        let peer = try cluster.nodes[1].connect()
        #expect(try peer.ask("set k 0 0 2\r\nhi") == "STORED\r\n")
        for _ in 0..<3 { _ = try peer.ask("get k", until: "END\r\n") }
        #expect(try peer.ask("get none") == "END\r\n")
        let status = try cluster.run("status", ["--once", "--interval", "0.1"])
        #expect(status.exit == .status(0), "\(status.errors)")
        #expect(
            status.output.hasPrefix("shop: 3 of 3 nodes up, ketama-weighted, each item on 2\n\n"))
        let rows = rows(status.output)
        for name in ["a", "b", "c"] {
            let row = try #require(rows[name], "\(status.output)")
            #expect(row[1] == "up" && row[2] == "0.1.0")
            let share = try #require(Double(row[row.count - 2]))
            #expect(share > 28 && share < 39)
        }
        let row = try #require(rows["b"])
        // Items; used; of; connections, ours among them, its own and `peer`.
        #expect(row[5...10] == ["1", "0.0", "%", "64", "MB", "2"])
        #expect(row[13...14] == ["75.0", "%"])
        #expect(try #require(rows["a"])[5] == "0")
    }

    @Test("A dead and a hung node are told with the reason, and hide no other")
    func down() throws {
        let cluster = try ToolCluster()
        cluster.nodes[0].program.end()
        try cluster.nodes[2].program.suspend()
        defer { cluster.nodes[2].program.send(SIGCONT) }
        let status = try cluster.run("status", ["--timeout", "0.5"])
        #expect(status.exit == .status(1))
        #expect(status.output.hasPrefix("sojourn: 1 of 3 nodes up, ketama-weighted\n"))
        let rows = rows(status.output)
        #expect(rows["a"]?[1] == "down" && rows["b"]?[1] == "up" && rows["c"]?[1] == "down")
        #expect(rows["a"]?.suffix(2) == ["Connection", "refused"])
        #expect(status.output.hasSuffix("no answer within 0.5 s\n"))
    }

    @Test("Nodes are asked at the same time: thirty that hang cost what one does")
    func parallel() throws {
        let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(server) }
        // Bound to no address: it listens on all of 127.0.0.0/8. Nobody accepts.
        try #require(listen(server, 64) == 0)
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isNamed = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(server, $0, &size) == 0
            }
        }
        try #require(isNamed)
        let port = UInt16(bigEndian: address.sin_port)
        let nodes = (1...30).flatMap { ["--node", "127.0.0.\($0):\(port)"] }
        let start = ContinuousClock.now
        let status = try Program.run(
            try RunningNode.builtProgram("sojourn"), ["status", "--timeout", "3"] + nodes)
        #expect(status.exit == .status(1))
        #expect(status.output.split(separator: "no answer within 3 s").count == 31)
        // One after the other they would take 90 s, and more.
        #expect(ContinuousClock.now - start < .seconds(45))
    }

    @Test("What is no node, or refuses, is down with its words as the reason")
    func strangers() throws {
        let server = try FakeServer(.garbage, afterGets: 0)
        defer { server.stop() }
        let full = try RunningNode.sojournd(["-c", "20"])
        var peers: [SocketPeer] = []
        for _ in 0..<40 { peers.append(try full.connect()) }
        try wait(for: "the node to be full") {
            let peer = try full.connect()
            return try peer.ask("version").hasPrefix("ERROR")
        }
        let status = try Program.run(
            try RunningNode.builtProgram("sojourn"),
            ["status", "--node", "127.0.0.1:\(server.port)"]
                + ["--node", "localhost:\(try full.port)"])
        #expect(status.exit == .status(1))
        #expect(status.output.contains("hung up instead of answering"), "\(status.output)")
        #expect(status.output.contains("answers 'ERROR Too many open connections' to stats"))
    }

    @Test("As JSON it has a line for each look, with rates, evictions and memcached's nodes")
    func json() throws {
        let own = try RunningNode.sojournd(["-m", "8", "-o", "proof_age=0"])
        let other = try RunningNode.memcached([])
        let peer = try own.connect()
        let value = String(repeating: "x", count: 100_000)
        for number in 0..<200 {
            #expect(try peer.ask("set k\(number) 0 0 100000\r\n\(value)") == "STORED\r\n")
            _ = try peer.ask("get k\(number)", until: "END\r\n")
        }
        let evicted = try #require(try own.counter("evicted_live_proven"))
        #expect(evicted > 50)
        let tool = try Program(
            try RunningNode.builtProgram("sojourn"),
            ["status", "--json", "--interval", "0.1", "--timeout", "10"]
                + ["--node", "127.0.0.1:\(try own.port)"]
                + ["--node", "127.0.0.1:\(try other.port):2"])
        try wait(for: "a look with gets between") {
            _ = try peer.ask("get none")
            // What has no end yet may lack its rates.
            let lines = tool.output.split(separator: "\n", omittingEmptySubsequences: false)
                .dropLast()
            let rates = lines.joined().split(separator: "\"gets_per_second\": ").dropFirst()
            return rates.contains { Double($0.prefix { $0 != "," }) ?? 0 > 0 }
        }
        tool.end()
        let check = """
            import json, sys
            looks = [json.loads(line) for line in open(sys.argv[1]).read().split('\\n')[:-1]]
            assert all(look['up'] == 2 and look['down'] == 0 for look in looks)
            assert looks[0]['nodes'][0]['gets_per_second'] is None
            assert any(look['nodes'][0]['gets_per_second'] for look in looks)
            own, other = looks[-1]['nodes']
            assert own['evicted_live_proven'] == int(sys.argv[2]), own
            assert own['evictions'] >= own['evicted_live_proven']
            assert own['limit_bytes'] == 8 << 20 and 0 < own['bytes'] <= own['limit_bytes'], own
            assert own['sets_per_second'] == 0 and 0 < own['hit_ratio'] < 1, own
            assert other['version'].startswith('memcached 1.6.'), other
            assert other['evicted_live_proven'] is None and other['evictions'] == 0
            assert abs(own['share'] - 1 / 3) < 0.13 and abs(other['share'] - 2 / 3) < 0.13
            """
        let file = try own.directory.write(tool.output, to: "looks")
        let result = try Program.run("/usr/bin/python3", ["-c", check, file, "\(evicted)"])
        #expect(result.exit == .status(0), "\(result.errors)\n\(tool.output)")
    }

    @Test("On a terminal the table is refreshed in place")
    func terminal() throws {
        let cluster = try ToolCluster()
        let tool = try RunningNode.builtProgram("sojourn")
        let command = "'\(tool)' status --interval 0.1 --cluster '\(cluster.definition)'"
        let terminal = try Program("/usr/bin/script", ["-qec", command, "/dev/null"])
        try wait(for: "a table after a node has ended") {
            let tables = terminal.output.split(separator: "\u{1B}[H\u{1B}[2J")
            if tables.count == 3 { cluster.nodes[0].program.end() }
            return tables.dropLast().contains { $0.contains("2 of 3 nodes up") }
        }
        #expect(terminal.output.contains("3 of 3 nodes up"))
        terminal.end()
    }

    @Test(
        "A wrong command line is refused with the reason",
        arguments: [
            ([], "give --cluster FILE, or --node for each node"),
            (["--node", "a", "--interval", "0"], "--interval must be 0.1 to 86400.0, not 0.0"),
            (["--node", "a", "--timeout", "0"], "--timeout must be 0.01 to 3600.0, not 0.0"),
        ] as [([String], String)])
    func refusals(arguments: [String], reason: String) throws {
        let result = try Program.run(
            try RunningNode.builtProgram("sojourn"), ["status"] + arguments)
        #expect(result.exit == .status(64))
        #expect(result.errors.contains(reason), "\(result.errors)")
        #expect(result.output.isEmpty)
    }
}
