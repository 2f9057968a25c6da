import Glibc
import HashRing
import TestSupport
import Testing

/// `sojourn load` as a process.
struct LoadTool {
    /// It lies next to the node.
    static func path() throws -> String {
        let node = try RunningNode.sojourndPath()
        let directory = node.prefix(through: try #require(node.lastIndex(of: "/")))
        return directory + "sojourn"
    }

    struct Outcome {
        var exit: Program.Exit
        var output: String
        var errors: String
        var json: String
        var svg: String

        /// A whole number in the JSON document, by what stands before it.
        func number(_ path: String...) -> Int? {
            var rest = json[...]
            for name in path {
                guard let place = rest.firstRange(of: "\"\(name)\": ") else { return nil }
                rest = rest[place.upperBound...]
            }
            return Int(rest.prefix { $0.isNumber })
        }
    }

    static func run(port: Int, _ arguments: [String]) throws -> Outcome {
        let directory = try TemporaryDirectory()
        let json = directory.path + "/result.json"
        let svg = directory.path + "/result.svg"
        let result = try Program.run(
            path(),
            ["load", "--server", "127.0.0.1:\(port)", "--json", json, "--plot", svg] + arguments)
        return Outcome(
            exit: result.exit, output: result.output, errors: result.errors,
            json: contents(of: json) ?? "", svg: contents(of: svg) ?? "")
    }
}

@Suite(.timeLimit(.minutes(10)))
struct LoadTests {
    @Test(
        "What a load leaves on a node expires, and is under no session's key",
        arguments: [[], ["--workload", "sessions"], ["--requests", "1000"]])
    func leavings(arguments: [String]) throws {
        let node = try RunningNode.sojournd(["-o", "show_keys"])
        let extent = arguments.contains("--requests") ? [] : ["--duration", "0.1"]
        let outcome = try LoadTool.run(
            port: try node.port,
            ["--warm-up", "0", "--keys", "100", "--connections", "10"] + extent + arguments)
        #expect(outcome.exit == .status(0), "\(outcome.errors)")
        let dump = try node.connect().ask("lru_crawler metadump all", until: "END\r\n")
        let lines = dump.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("key=") }
        #expect(lines.count >= 90)
        for line in lines {
            #expect(line.hasPrefix("key=load%3A") && !line.contains(" exp=-1 "), "\(line)")
        }
    }

    /// Not long, and all on connections that own their keys.
    private static let short = ["--connections", "10", "--warm-up", "0", "--keys", "500"]

    private static let workloads: [[String]] = [
        ["--mix", "get=5,set=2,touch=1,gat=1,delete=1", "--depth", "7"],
        ["--mix", "get=5,set=2,touch=1,gat=1,delete=1", "--protocol", "meta", "--threads", "2"],
        ["--mix", "get=9,set=1", "--keys-per-get", "20", "--value-bytes", "lognormal:600,1"],
        ["--mix", "get=9,set=1", "--keys-per-get", "20", "--protocol", "meta"],
        ["--mix", "set", "--quiet-sets", "--protocol", "meta", "--depth", "50"],
        ["--workload", "sessions", "--key-bytes", "30-60"],
        ["--workload", "sessions", "--protocol", "meta", "--depth", "4"],
        ["--mix", "get=1,set=1", "--value-bytes", "0-300000", "--connections", "3"],
        ["--mix", "get=1,set=1", "--rate", "5000", "--ttl", "60"],
    ]

    @Test("Every reply of a node is as it must be", arguments: workloads)
    func node(workload: [String]) throws {
        let node = try RunningNode.sojournd(["-m", "256"])
        try expectRight(
            LoadTool.run(port: node.port, Self.short + ["--requests", "2000"] + workload))
        #expect(try (node.counter("cmd_set") ?? 0) >= 500)
    }

    @Test("Every reply of memcached is as it must be", arguments: workloads)
    func memcached(workload: [String]) throws {
        let node = try RunningNode.memcached(["-m", "256"])
        try expectRight(
            LoadTool.run(port: node.port, Self.short + ["--requests", "2000"] + workload))
        #expect(try (node.counter("cmd_set") ?? 0) >= 500)
    }

    private func expectRight(_ outcome: LoadTool.Outcome) throws {
        #expect(outcome.exit == .status(0), "\(outcome.output) \(outcome.errors)")
        #expect(outcome.output.contains("every reply was as it must be\n"))
        #expect(outcome.number("requests") == 2_000)
        #expect(outcome.number("faultCount") == 0)
        #expect(outcome.number("lostSessions") == 0)
        #expect(outcome.svg.hasPrefix("<svg ") && outcome.svg.hasSuffix("</svg>\n"))
        #expect(outcome.svg.contains("<polyline"))
    }

    @Test("A definition's nodes get their keys by its weights and strategy")
    func cluster() throws {
        let cluster = try ToolCluster("placement: {strategy: dalli}\n", weights: [1, 1, 6])
        let load = try cluster.run(
            "load", ["--requests", "100", "--warm-up", "0", "--keys", "800", "--connections", "8"])
        #expect(load.exit == .status(0), "\(load.errors)")
        let counts = try cluster.nodes.map { try $0.counter("curr_items") ?? 0 }
        #expect(counts.reduce(0, +) == 800)
        #expect(counts[2] > 500 && counts[0] > 20 && counts[1] > 20, "\(counts)")
    }

    @Test("An open loop sends what is due in its time, and tells the server's CPU time")
    func openLoop() throws {
        let node = try RunningNode.sojournd()
        let outcome = try LoadTool.run(
            port: node.port,
            Self.short + ["--rate", "2000", "--duration", "1", "--threads", "2"]
                + ["--server-pid", "\(node.program.processID)"])
        #expect(outcome.exit == .status(0), "\(outcome.output)")
        #expect(outcome.number("requests") == 2_000)
        #expect(outcome.number("operations", "get", "hits") == 2_000)
        #expect(outcome.output.contains("CPU time per request of the server: "))
        // Of several, each has to be there.
        let other = try LoadTool.run(
            port: node.port,
            ["--server-pid", "\(node.program.processID)", "--server-pid", "4000000"])
        #expect(other.exit == .status(1))
        #expect(other.errors.contains("there is no process 4000000"))
    }

    @Test("An open loop charges a server that stalls with every request that was due meanwhile")
    func stall() throws {
        let node = try RunningNode.sojournd()
        let directory = try TemporaryDirectory()
        let json = directory.path + "/result.json"
        let load = try Program(
            LoadTool.path(),
            ["load", "--server", "127.0.0.1:\(try node.port)", "--json", json, "--rate", "1000"]
                + ["--connections", "4", "--warm-up", "0", "--duration", "2"])
        try wait(for: "some load") { try (node.counter("get_hits") ?? 0) > 100 }
        node.program.send(SIGSTOP)
        let end = ContinuousClock.now + .milliseconds(800)
        try wait(for: "the stall's end") { ContinuousClock.now >= end }
        node.program.send(SIGCONT)
        #expect(try load.waitForExit() == .status(0))
        let outcome = LoadTool.Outcome(
            exit: .status(0), output: load.output, errors: "", json: contents(of: json) ?? "",
            svg: "")
        #expect(outcome.number("requests") == 2_000)
        // 800 of the 2,000 were due in the stall, though at most 4 were on their way: of all, a
        // quarter waited longer than 300 ms.
        let p90 = try #require(outcome.number("latency", "p90"))
        #expect(p90 > 300_000, "\(load.output)")
    }

    @Test("A node with too little memory: missing items are wrong, or allowed misses")
    func evictions() throws {
        let node = try RunningNode.memcached(["-m", "2"])
        let arguments = ["--keys", "20000", "--value-bytes", "2000", "--requests", "1000"]
        let strict = try LoadTool.run(port: node.port, Self.short.dropLast(2) + arguments)
        #expect(strict.exit == .status(1))
        #expect((strict.number("faults", "missing item", "count") ?? 0) > 0)
        let tolerant = try LoadTool.run(
            port: node.port, Self.short.dropLast(2) + arguments + ["--allow-misses"])
        #expect(tolerant.exit == .status(0))
        #expect((tolerant.number("operations", "get", "misses") ?? 0) > 0)
        #expect(tolerant.number("operations", "get", "right") == 1_000)
    }

    @Test(
        "Of several nodes each gets the keys that a ketama ring gives it", arguments: [false, true])
    func ring(hasSessions: Bool) throws {
        let nodes = try (0..<3).map { _ in try RunningNode.sojournd() }
        let servers = try nodes.dropFirst().flatMap { ["--server", "127.0.0.1:\(try $0.port)"] }
        let workload = hasSessions ? ["--workload", "sessions"] : ["--mix", "get=1,set=1"]
        let outcome = try LoadTool.run(
            port: nodes[0].port, Self.short + servers + workload + ["--requests", "3000"])
        #expect(outcome.exit == .status(0), "\(outcome.output) \(outcome.errors)")
        #expect(outcome.number("requests") == 3_000)
        let ring = try Ring(nodes: nodes.map { Node(host: "127.0.0.1", port: try $0.port) })
        guard !hasSessions else { return }
        let peers = try nodes.map { try $0.connect() }
        for number in 0..<500 {
            let digits = String(number)
            let key = "load:" + String(repeating: "0", count: 35 - digits.count) + digits
            for (place, peer) in peers.enumerated() {
                let reply = try peer.ask("mg \(key)")
                #expect(reply == (place == ring.index(for: key) ? "HD\r\n" : "EN\r\n"), "\(key)")
            }
        }
    }

    @Test("People who are logged out are counted")
    func lostSessions() throws {
        let node = try RunningNode.memcached(["-m", "2"])
        let outcome = try LoadTool.run(
            port: node.port,
            ["--workload", "sessions", "--keys", "5000", "--connections", "5", "--warm-up", "0"]
                + ["--requests", "5000", "--allow-misses"])
        #expect(outcome.exit == .status(0))
        let lost = try #require(outcome.number("lostSessions"))
        #expect(lost > 0)
        #expect(lost <= outcome.number("operations", "view", "misses") ?? 0)
        #expect(outcome.output.contains("lost sessions of people: "))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct LoadFaultTests {
    private static let expected: [FakeServer.Misbehaviour: [String: Int]] = [
        .wrongByte: ["wrong value": 1],
        .shortValue: ["wrong value": 1],
        .otherKey: ["wrong key": 1, "missing item": 1],
        .forgets: ["missing item": 1],
        .refuses: ["refused": 1],
        .garbage: ["wrong reply": 1, "unanswered": 3],
        .cutsOff: ["closed within a reply": 1, "unanswered": 3],
        .closes: ["closed": 1, "unanswered": 3],
        .staysSilent: ["no reply in time": 1, "unanswered": 1],
    ]

    @Test(
        "What a server does wrong is counted by kind, and the status says so",
        arguments: FakeServer.Misbehaviour.allCases)
    func counted(misbehaviour: FakeServer.Misbehaviour) throws {
        let server = try FakeServer(misbehaviour, afterGets: 4)
        defer { server.stop() }
        // Two batches of three: the fifth get is in the middle of the second one. A silent server's
        // is the last of its batch, so that no later reply is taken for its.
        let depth = misbehaviour == .staysSilent ? "5" : "3"
        let outcome = try LoadTool.run(
            port: Int(server.port),
            ["--connections", "1", "--keys", "5", "--warm-up", "0", "--requests", "9"]
                + ["--depth", depth, "--timeout", "1"])
        #expect(outcome.exit == .status(1), "\(outcome.output) \(outcome.errors)")
        let expected = try #require(Self.expected[misbehaviour])
        for (kind, count) in expected {
            let found = outcome.number("faults", kind, "count")
            if kind == "unanswered" {
                #expect((1...count).contains(found ?? 0), "\(kind): \(outcome.output)")
            } else {
                #expect(found == count, "\(kind): \(outcome.output)")
            }
        }
        let kinds = outcome.output.split(separator: "\n").filter { $0.contains("; the first: ") }
        #expect(kinds.count == expected.count, "\(outcome.output)")
        #expect(!outcome.output.contains("as it must be"))
        // The replies before it were right, and those after it, where there were any.
        #expect((4...8).contains(outcome.number("requests") ?? 0), "\(outcome.output)")
    }

    @Test("A server that is not there, and a store that is refused, are told in one line")
    func noLoad() throws {
        let outcome = try LoadTool.run(port: 1, ["--requests", "1"])
        #expect(outcome.exit == .status(1))
        #expect(
            outcome.errors == "sojourn load: cannot connect: 127.0.0.1:1: Connection refused\n")
        let node = try RunningNode.sojournd()
        let tooLarge = try LoadTool.run(
            port: node.port, ["--value-bytes-max", "2000000", "--value-bytes", "2000000"])
        #expect(tooLarge.exit == .status(1))
        #expect(tooLarge.errors.contains("could not be stored"))
        #expect(tooLarge.errors.contains("SERVER_ERROR object too large for cache"))
        let other = try LoadTool.run(port: node.port, ["--server-pid", "4000000"])
        #expect(other.exit == .status(1))
        #expect(other.errors == "sojourn load: there is no process 4000000 to read CPU times of\n")
    }

    @Test("A node that dies under load is counted as closed connections")
    func death() throws {
        let node = try RunningNode.sojournd()
        let directory = try TemporaryDirectory()
        let json = directory.path + "/result.json"
        let load = try Program(
            LoadTool.path(),
            ["load", "--server", "127.0.0.1:\(try node.port)", "--json", json, "--duration", "60"]
                + ["--connections", "4", "--warm-up", "0", "--mix", "get=1,set=1"])
        try wait(for: "some load") { try (node.counter("cmd_get") ?? 0) > 100 }
        node.program.send(SIGKILL)
        #expect(try load.waitForExit() == .status(1))
        let text = contents(of: json) ?? ""
        #expect(text.contains("\"closed") || text.contains("\"connection failed\""))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct LoadCommandLineTests {
    /// Refused with status 64, or accepted, which a server that is not there shows.
    private func isAccepted(_ arguments: [String]) throws -> Bool {
        let result = try Program.run(
            LoadTool.path(), ["load", "--server", "127.0.0.1:1"] + arguments)
        if result.exit == .status(1) { return true }
        #expect(result.exit == .status(64), "\(arguments): \(result.errors)")
        #expect(result.errors.contains("--"), "\(result.errors)")
        return false
    }

    @Test(
        "Options are taken at their limits and refused beyond",
        arguments: [
            ("connections", "0", "1"), ("connections", "60001", "60000"),
            ("threads", "0", "1"), ("threads", "51", "50"), ("depth", "0", "1"),
            ("depth", "10001", "10000"), ("keys", "49 --mix=set", "50 --mix=set"),
            ("keys", "10000001", "10000000"), ("keys-per-get", "0", "1"),
            ("keys-per-get", "10001", "10000"), ("key-bytes", "8", "9"),
            ("key-bytes", "251", "250"), ("key-bytes", "12-251", "12-250"),
            ("key-bytes", "lognormal:40,1", "40"), ("value-bytes", "1000001", "1000000"),
            ("value-bytes", "-1", "0"), ("value-bytes", "lognormal:600", "lognormal:600,1"),
            ("value-bytes-max", "134217729", "134217728"), ("ttl", "1000000000", "999999999"),
            ("ttl", "-1", "0"), ("rate", "0", "0.1"), ("rate", "10000001", "10000000"),
            ("duration", "0", "0.01"), ("duration", "604801", "604800"), ("requests", "0", "1"),
            ("warm-up", "-1", "0"), ("warm-up", "86401", "86400"), ("timeout", "0", "1"),
            ("timeout", "3601", "3600"), ("mix", "get=0", "get=1"), ("mix", "put", "delete"),
            ("bots", "-1", "0"), ("bots", "1001", "1000"), ("seed", "-1", "0"),
            ("protocol", "binary", "meta"), ("workload", "shop", "sessions"),
            ("key-prefix", "a\u{20}b", "a.b"), ("server-pid", "0", "1"),
            ("quiet-sets", " --protocol=text", " --protocol=meta"),
            ("depth", "1001 --keys-per-get=1000", "1000 --keys-per-get=1000"),
            ("duration", "1 --requests=1", "1"),
        ])
    func limits(option: String, refused: String, accepted: String) throws {
        func arguments(_ value: String) -> [String] {
            if option == "key-prefix" { return ["--key-prefix=\(value)"] }
            let words = value.split(separator: " ", omittingEmptySubsequences: false)
            let first = words[0].isEmpty ? "--\(option)" : "--\(option)=\(words[0])"
            return [first] + words.dropFirst().map(String.init)
        }
        #expect(try !isAccepted(arguments(refused)))
        #expect(try isAccepted(arguments(accepted)))
    }

    @Test("--cluster is a definition that is right, and instead of --server")
    func cluster() throws {
        let directory = try TemporaryDirectory()
        let wrong = try directory.write("nodes: [{host: a, port: x}]", to: "wrong.yaml")
        let right = try directory.write("nodes: [{host: 127.0.0.1, port: 1}]", to: "right.yaml")
        for (arguments, status, reason) in [
            (["--cluster", wrong], Int32(64), "\(wrong):1: nodes[0].port: expected"),
            (["--cluster", wrong + ".none"], 64, "cannot be opened"),
            (["--cluster", right, "--server", "a"], 64, "give --cluster or --server, not both"),
            (["--server", "a", "--server", "a"], 64, "two nodes are called a:11211"),
            (["--cluster", right], 1, "127.0.0.1:1: Connection refused"),
        ] {
            let result = try Program.run(LoadTool.path(), ["load"] + arguments)
            #expect(result.exit == .status(status), "\(result.errors)")
            #expect(result.errors.contains(reason), "\(result.errors)")
        }
    }

    @Test(
        "A server is HOST, HOST:PORT or [ADDRESS]:PORT",
        arguments: [
            ("127.0.0.1:0", false), ("127.0.0.1:65536", false), (":11211", false), ("", false),
            ("[::1]x", false), ("localhost:1", true), ("[::1]:1", true), ("127.0.0.1:1:5", true),
            ("127.0.0.1:1:0", false), ("127.0.0.1:1:1:1", false),
        ])
    func servers(text: String, isAccepted: Bool) throws {
        let result = try Program.run(LoadTool.path(), ["load", "--server=\(text)"])
        #expect(result.exit == .status(isAccepted ? 1 : 64), "\(result.errors)")
    }
}

@Suite(.timeLimit(.minutes(10)))
struct EchoTests {
    @Test("The echo sends back what it is sent, and the load compares it")
    func echo() throws {
        let probe = try FakeServer(.closes, afterGets: 0)
        let port = Int(probe.port)
        probe.stop()
        let echo = try Program(LoadTool.path(), ["echo", "--port", "\(port)"])
        try wait(for: "the echo to listen") {
            (try? SocketPeer(.tcp(port: UInt16(port)))) != nil
        }
        let outcome = try LoadTool.run(
            port: port,
            ["--protocol", "echo", "--value-bytes", "1-200000", "--connections", "5"]
                + ["--depth", "3", "--requests", "300", "--warm-up", "0"])
        #expect(outcome.exit == .status(0), "\(outcome.output) \(outcome.errors)")
        #expect(outcome.number("requests") == 300)
        echo.end()
    }
}
