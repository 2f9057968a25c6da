import Glibc
import HashRing
import TestSupport
import Testing

/// `sojourn ring`.
@Suite(.timeLimit(.minutes(10)))
struct RingToolTests {
    private func ring(_ arguments: [String]) throws -> (
        exit: Program.Exit, output: String, errors: String
    ) {
        try Program.run(try RunningNode.builtProgram("sojourn"), ["ring"] + arguments)
    }

    private static let three =
        ["--node", "10.0.0.1", "--node", "10.0.0.2:11211:2"]
        + ["--node", "10.0.0.3:22122"]

    @Test("A key is shown with its node, the point it falls to, and the nodes that are next")
    func explained() throws {
        let result = try ring(Self.three + ["session:4f1c"])
        #expect(result.exit == .status(0), "\(result.errors)")
        #expect(
            result.output == """
                session:4f1c
                  node     10.0.0.1:11211
                  because  md5 of the key is 3182880897;
                           the point it falls to is 3189878302, number 353 of 480, \
                md5 of 10.0.0.1-20, word 2 of 4
                  then     10.0.0.2:11211, 10.0.0.3:22122

                """)
    }

    @Test("An explanation exists for every strategy, and names the node that the ring names")
    func everyStrategy() throws {
        let nodes = (1...3).map { Node(host: "10.0.0.\($0)") }
        let arguments = nodes.flatMap { ["--node", $0.host] }
        for strategy in Ring.Strategy.allCases {
            let result = try ring(arguments + ["--strategy", strategy.rawValue, "k1", "k2"])
            #expect(result.exit == .status(0), "\(result.errors)")
            let shown = result.output.split(separator: "\n").filter { $0.hasPrefix("  node ") }
            let ring = try Ring(nodes: nodes, strategy: strategy)
            let expected = ["k1", "k2"].map { "  node     \(ring.node(for: $0).name)" }
            #expect(shown.map(String.init) == expected, "\(strategy)")
            #expect(result.output.contains("  because  "))
        }
    }

    @Test("What no node would take as a key has no place")
    func impossibleKeys() throws {
        let long = String(repeating: "k", count: 250)
        #expect(try ring(Self.three + ["--brief", long]).exit == .status(0))
        for (key, reason) in [
            (long + "k", "not 251"), ("", "not 0"), ("a b", "no spaces"), ("a\nb", "no spaces"),
            ("a\u{7F}", "no spaces"),
        ] {
            let result = try ring(Self.three + ["good", key])
            #expect(result.exit == .status(64))
            #expect(result.output.isEmpty)
            #expect(result.errors.contains(reason), "\(result.errors)")
        }
        let path = try RunningNode.builtProgram("sojourn")
        for (line, reason) in [
            ("a b", "no spaces"), ("", "not 0"), ("a\\377", "no UTF-8"), (long + "k", "not 251"),
        ] {
            let command = "printf 'good\\r\\n\(line)\\n' | \"$0\" ring --brief - \"$@\""
            let result = try Program.run("/bin/sh", ["-c", command, path] + Self.three)
            #expect(result.exit == .status(64))
            #expect(result.output.hasPrefix("good\t") && result.output.utf8.count < 40)
            #expect(
                result.errors.contains("line 2 of standard input")
                    && result.errors.contains(reason), "\(result.errors)")
        }
        let bytes = try Program.run(
            "/bin/sh", ["-c", "\"$0\" ring \"$(printf 'a\\377')\" \"$@\"", path] + Self.three)
        #expect(bytes.exit == .status(64))
    }

    @Test("Keys come from standard input for -, and an ejected node is passed over")
    func brief() throws {
        let path = try RunningNode.builtProgram("sojourn")
        let command = "printf 'k1\\nk2\\nk3\\n' | \"$0\" ring --brief - \"$@\""
        let result = try Program.run("/bin/sh", ["-c", command, path] + Self.three)
        let whole = try Ring(nodes: [
            Node(host: "10.0.0.1"), Node(host: "10.0.0.2", weight: 2),
            Node(host: "10.0.0.3", port: 22_122),
        ])
        func expected(_ ring: Ring) -> String {
            ["k1", "k2", "k3"].map { "\($0)\t\(ring.node(for: $0).name)\n" }.joined()
        }
        #expect(result.output == expected(whole))
        let without = try ring(
            Self.three + ["--brief", "--without", "10.0.0.2:11211", "k1", "k2", "k3"])
        #expect(without.output == expected(try whole.leavingOut([1])))
    }

    @Test("A simulation shows balance and movement, and its plot is XML")
    func simulation() throws {
        let directory = try TemporaryDirectory()
        let plot = directory.path + "/plot.svg"
        let result = try ring(Self.three + ["--simulate", "--keys", "5000", "--svg", plot])
        #expect(result.exit == .status(0), "\(result.errors)")
        let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.first == "ketama-weighted with md5, 3 nodes, 5,000 keys")
        let rows = lines.map { $0.split(separator: " ") }
        let heavy = try #require(rows.first { $0.first == "10.0.0.2:11211" })
        #expect(heavy[1] == "2" && heavy[2] == "240")
        let counts = rows.filter { $0.count > 4 && $0[0].hasPrefix("10.0.0.") && Int($0[1]) != nil }
            .compactMap { Int($0[3].filter { $0 != "," }) }
        #expect(counts.count == 3)
        #expect(counts.reduce(0, +) == 5_000)
        #expect(result.output.contains("10.0.0.3:22122 fails"))
        #expect(result.output.contains("a node is added"))
        let check = try Program.run(
            "/usr/bin/python3",
            ["-c", "import sys, xml.dom.minidom as m; m.parse(sys.argv[1])", plot])
        #expect(check.exit == .status(0), "\(check.errors)")
        #expect(try #require(contents(of: plot)).contains("10.0.0.2:11211: "))
    }

    @Test("What moves to another definition is shown, and nothing moves to the same one")
    func comparison() throws {
        let directory = try TemporaryDirectory()
        let now = try directory.write(
            "nodes:\n- {name: a, host: 10.0.0.1}\n- {name: b, host: 10.0.0.2}\n", to: "now.yaml")
        let later = try directory.write(
            "placement: {strategy: dalli}\nnodes:\n- host: 10.0.0.1\n- host: 10.0.0.2\n",
            to: "later.yaml")
        let same = try ring(["--cluster", now, "--simulate", "--keys", "2000", "--to", now])
        #expect(same.exit == .status(0), "\(same.errors)")
        let still = try #require(same.output.split(separator: "\n").last)
        #expect(still.split(separator: " ").filter { $0 == "0.0" }.count == 2, "\(still)")
        let moved = try ring(["--cluster", now, "--simulate", "--keys", "2000", "--to", later])
        let words = try #require(moved.output.split(separator: "\n").last).split(separator: " ")
        let shares = words.compactMap { Double($0) }
        #expect(shares.count == 2 && shares[0] > 30 && shares[0] < 70 && shares[0] == shares[1])
    }

    @Test("Many nodes are summed up")
    func many() throws {
        let directory = try TemporaryDirectory()
        let nodes = (0..<120).map { "- host: 10.0.0.\($0)\n" }.joined()
        let file = try directory.write("nodes:\n" + nodes, to: "large.yaml")
        let result = try ring(["--cluster", file, "--simulate", "--keys", "5000"])
        #expect(result.exit == .status(0), "\(result.errors)")
        #expect(result.output.contains("(the fullest and the emptiest of 120 nodes)"))
        #expect(result.output.split(separator: "\n").count < 50)
    }

    @Test(
        "A wrong command line is refused with the reason",
        arguments: [
            ([], Int32(64), "give keys, or --simulate, and not both"),
            (["k"], 64, "give --cluster FILE, or --node for each node"),
            (["--node", "a", "--cluster", "b", "k"], 64, "give --cluster or --node, not both"),
            (["--node", "a:x", "k"], 64, "The value 'a:x' is invalid for '--node <node>'"),
            (["--node", "a:1:2:3", "k"], 64, "The value 'a:1:2:3' is invalid"),
            (["--node", "a:0", "k"], 1, "node a:0: the port must be 1 to 65535, not 0"),
            (["--node", "a:1:0", "k"], 1, "node a:1: the weight must be 1 to 16777216, not 0"),
            (["--node", "a", "--node", "a", "k"], 1, "two nodes are called a:11211"),
            (["--node", "a", "--strategy", "best", "k"], 64, "expected one of ketama-weighted, "),
            (["--node", "a", "--hash-tag", "{", "k"], 64, "expected two characters, not '{'"),
            (
                ["--node", "a", "--strategy", "dalli", "--hash", "md5", "k"], 1,
                "the strategy dalli has a hash of its own, not md5"
            ),
            (["--node", "a", "--without", "b", "k"], 64, "--without b: the nodes are a:11211"),
            (
                ["--node", "a", "--without", "a:11211", "k"], 1,
                "every node of the ring is left out"
            ),
            (["--node", "a", "--simulate", "k"], 64, "give keys, or --simulate, and not both"),
            (["--node", "a", "--svg", "x", "k"], 64, "--svg and --to belong to --simulate"),
            (["--node", "a", "--simulate", "--keys", "0"], 64, "--keys must be 1 to 100000000"),
            (["--cluster", "/nowhere", "k"], 1, "/nowhere: cannot be opened: No such file"),
        ] as [([String], Int32, String)])
    func refusals(arguments: [String], status: Int32, reason: String) throws {
        let result = try ring(arguments)
        #expect(result.exit == .status(status))
        #expect(result.errors.contains(reason), "\(result.errors)")
        #expect(result.output.isEmpty)
    }

    @Test("An IPv6 address stands in brackets")
    func brackets() throws {
        let result = try ring(["--node", "[::1]:11212", "--brief", "k"])
        #expect(result.output == "k\t[::1]:11212\n", "\(result.errors)")
    }
}
