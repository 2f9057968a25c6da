import Glibc
import HashRing
import TestSupport
import Testing

/// `sojourn get`, `set`, `touch` and `delete`.
@Suite(.timeLimit(.minutes(10)))
struct ItemToolTests {
    @Test("Items are stored, shown, touched and deleted where the ring says")
    func life() throws {
        let cluster = try ToolCluster()
        for node in 0..<3 {
            let key = cluster.key(on: node)
            let name = cluster.ring.nodes[node].name
            let set = try cluster.run("set", [key, "hello", "--flags", "7", "-v"])
            #expect(set.exit == .status(0) && set.output.isEmpty)
            #expect(set.errors == "\(key): on \(name)\n")
            let peer = try cluster.nodes[node].connect()
            #expect(
                try peer.ask("get \(key)", until: "END\r\n")
                    == "VALUE \(key) 7 5\r\nhello\r\nEND\r\n")
            let get = try cluster.run("get", ["-v", key, "none", key])
            #expect(get.exit == .status(1))
            #expect(get.output == "hellohello")
            let line = "\(key): on \(name), flags 7, 5 bytes, of unknown age, idle for "
            let lines = get.errors.split(separator: "\n")
            #expect(lines.count == 3 && lines[1] == "sojourn get: none: not found")
            for told in [lines.first, lines.last] { #expect(told?.hasPrefix(line) == true) }

            #expect(try cluster.run("touch", [key, "1000"]).exit == .status(0))
            let left = try peer.ask("mg \(key) t")
            #expect(left.hasPrefix("HD t99") || left == "HD t1000\r\n", "\(left)")
            #expect(try cluster.run("touch", ["none", "1000"]).exit == .status(1))
            let delete = try cluster.run("delete", [key, "none"])
            #expect(delete.exit == .status(1))
            #expect(delete.errors == "sojourn delete: none: not found\n")
            #expect(try peer.ask("get \(key)") == "END\r\n")
            #expect(try cluster.run("delete", [key]).exit == .status(1))
        }
    }

    @Test("Told of an item is how old it is, where that is kept, and how long it was idle before")
    func age() throws {
        let cluster = try ToolCluster(flags: ["-o", "debugtime,idle=30m,absolute=8h"])
        let key = cluster.key(on: 1)
        #expect(try cluster.run("set", [key, "hello"]).exit == .status(0))
        let peer = try cluster.nodes[1].connect()
        #expect(try peer.ask("debugtime 100") == "OK\r\n")
        #expect(try peer.ask("get \(key)", until: "END\r\n").contains("hello"))
        #expect(try peer.ask("debugtime 500") == "OK\r\n")
        let first = try cluster.run("get", ["-v", key])
        #expect(first.output == "hello")
        // Some seconds may have passed.
        let pattern = /.* bytes, 1800 s left, began 6\d\d s ago, idle for 5\d\d s\n/
        #expect(first.errors.wholeMatch(of: pattern) != nil, "\(first.errors)")
        let second = try cluster.run("get", ["-v", key])
        #expect(second.errors.contains(/idle for \d s\n/), "\(second.errors)")
    }

    @Test("Any bytes go in from standard input and come out again")
    func bytes() throws {
        let cluster = try ToolCluster()
        let tool = try RunningNode.builtProgram("sojourn")
        let script = """
            set -e
            cd "$0"; tool=$1; shift
            head -c 300000 /dev/urandom > value; printf '\\000\\r\\nEND\\r\\n\\377' >> value
            "$tool" set "$@" big < value
            "$tool" get "$@" big | cmp - value
            "$tool" set "$@" empty < /dev/null
            test -z "$("$tool" get "$@" empty)"
            """
        let result = try Program.run(
            "/bin/sh",
            ["-c", script, cluster.directory.path, tool, "--cluster", cluster.definition])
        #expect(result.exit == .status(0), "\(result.errors)")
    }

    @Test("An exptime is what it is on the wire")
    func exptimes() throws {
        let cluster = try ToolCluster()
        let key = cluster.key(on: 0)
        let peer = try cluster.nodes[0].connect()
        func left() throws -> Int? {
            let words = try peer.ask("mg \(key) t").split(whereSeparator: \.isWhitespace)
            return words.count == 2 ? Int(words[1].dropFirst()) : nil
        }
        #expect(try cluster.run("set", [key, "v"]).exit == .status(0))
        #expect(try left() == -1)
        #expect(try cluster.run("set", [key, "v", "--exptime", "2678400"]).exit == .status(0))
        #expect(try #require(try left()) > 2_678_000)
        #expect(try cluster.run("touch", [key, "\(time(nil) + 500)"]).exit == .status(0))
        #expect(try (300...500).contains(#require(try left())))
        #expect(try cluster.run("touch", [key, "0"]).exit == .status(0))
        #expect(try left() == -1)
        #expect(try cluster.run("touch", [key, "--", "-1"]).exit == .status(0))
        #expect(try left() == nil)
        #expect(try cluster.run("set", [key, "v", "--exptime", "-1"]).exit == .status(0))
        #expect(try peer.ask("get \(key)") == "END\r\n")
    }

    @Test("The tool and libmemcached find what the other has stored")
    func libmemcached() throws {
        let cluster = try ToolCluster()
        let keys = (0..<20).map { "key:\($0)" }
        let servers = cluster.ring.nodes.map { "\($0.host):\($0.port):\($0.weight)" }
        let script = """
            import sys, pylibmc
            client = pylibmc.Client(sys.argv[3:], behaviors={'ketama_weighted': True})
            keys = ['key:%d' % number for number in range(20)]
            if sys.argv[1] == 'set':
                assert not client.set_multi({key: b'of ' + key.encode() for key in keys})
            else:
                assert all(client.get(key) == sys.argv[2].encode() for key in keys)
            """
        func pylibmc(_ action: String, _ value: String = "") throws {
            let result = try Program.run(
                "/usr/bin/python3", ["-c", script, action, value] + servers)
            #expect(result.exit == .status(0), "\(result.errors)")
        }
        try pylibmc("set")
        let get = try cluster.run("get", keys)
        #expect(get.exit == .status(0), "\(get.errors)")
        #expect(get.output == keys.map { "of \($0)" }.joined())
        for key in keys {
            #expect(try cluster.run("set", [key, "from the tool"]).exit == .status(0))
        }
        try pylibmc("get", "from the tool")
    }

    @Test("The status is that of libmemcached's tools, for what is there and what is not")
    func statuses() throws {
        let cluster = try ToolCluster()
        let key = cluster.key(on: 0)
        let server = "--servers=127.0.0.1:\(try cluster.nodes[0].port)"
        let value = try cluster.directory.write("v", to: key)
        func theirs(_ name: String, _ arguments: [String]) throws -> Program.Exit {
            guard access("/usr/bin/" + name, X_OK) == 0 else {
                throw Trouble("\(name) is not installed (Debian package libmemcached-tools)")
            }
            return try Program.run("/usr/bin/" + name, [server] + arguments).exit
        }
        func store() throws -> [Program.Exit] {
            [try theirs("memccp", [value]), try cluster.run("set", [key, "v"]).exit]
        }
        func look() throws -> [[Program.Exit]] {
            [
                [try theirs("memccat", [key]), try cluster.run("get", [key]).exit],
                [
                    try theirs("memctouch", ["--expire=100", key]),
                    try cluster.run("touch", [key, "100"]).exit,
                ],
            ]
        }
        #expect(try store() == [.status(0), .status(0)])
        #expect(try look() == [[.status(0), .status(0)], [.status(0), .status(0)]])
        #expect(try theirs("memcrm", [key]) == .status(0))
        #expect(try look() == [[.status(1), .status(1)], [.status(1), .status(1)]])
        #expect(try theirs("memcrm", [key]) == .status(1))
        #expect(try store() == [.status(0), .status(0)])
        #expect(try cluster.run("delete", [key]).exit == .status(0))
        #expect(try cluster.run("delete", [key]).exit == .status(1))
    }

    @Test("With several copies an item survives its node, and a deleted one stays deleted")
    func copies() throws {
        let cluster = try ToolCluster("copies: 2\n")
        let keys = (0..<3).map { cluster.key(on: $0) }
        for key in keys { #expect(try cluster.run("set", [key, "v"]).exit == .status(0)) }
        let second = cluster.ring.nodes(for: keys[0], count: 2).map(\.name)
        let told = try cluster.run("get", ["-v", keys[0]])
        #expect(told.errors.hasPrefix("\(keys[0]): on \(second.joined(separator: ", ")), "))
        cluster.nodes[0].program.end()
        let get = try cluster.run("get", keys)
        #expect(get.exit == .status(0), "\(get.errors)")
        #expect(get.output == "vvv")
        #expect(try cluster.run("touch", [keys[0], "100"]).exit == .status(0))
        #expect(try cluster.run("delete", [keys[0]]).exit == .status(0))
        #expect(try cluster.run("get", [keys[0]]).exit == .status(1))
    }

    @Test("A dead and a hung node cost their own keys, and are told by name")
    func deadNodes() throws {
        let cluster = try ToolCluster()
        let keys = (0..<3).map { cluster.key(on: $0) }
        #expect(try cluster.run("set", [keys[1], "v"]).exit == .status(0))
        cluster.nodes[0].program.end()
        try cluster.nodes[2].program.suspend()
        defer { cluster.nodes[2].program.send(SIGCONT) }
        let get = try cluster.run("get", keys + ["--timeout", "0.5"])
        #expect(get.exit == .status(1))
        #expect(get.output == "v", "\(get.errors)")
        let dead = "node a cannot be reached: Connection refused\n"
        #expect(get.errors.contains("sojourn get: \(keys[0]): \(dead)"), "\(get.errors)")
        let hung = try #require(get.errors.split(separator: "\n").last)
        #expect(hung.hasPrefix("sojourn get: \(keys[2]): node c "), "\(hung)")
        for arguments in [["set", keys[0], "v"], ["touch", keys[0], "1"], ["delete", keys[0]]] {
            let result = try cluster.run(arguments[0], Array(arguments[1...]))
            #expect(result.exit == .status(1))
            #expect(result.errors == "sojourn \(arguments[0]): \(keys[0]): \(dead)")
        }
    }

    @Test("A node's own refusal is told")
    func refused() throws {
        let cluster = try ToolCluster(flags: ["-I", "1k"])
        let key = cluster.key(on: 0)
        let result = try cluster.run("set", [key, String(repeating: "x", count: 2_000)])
        #expect(result.exit == .status(1))
        #expect(
            result.errors == "sojourn set: \(key): too large for node a: "
                + "SERVER_ERROR object too large for cache\n")
    }

    @Test("Placement is the definition's: another hash looks elsewhere")
    func placement() throws {
        let cluster = try ToolCluster("placement: {strategy: ketama, hash: fnv1a_32}\n")
        let ring = try Ring(nodes: cluster.ring.nodes, strategy: .ketama, keyHash: .fnv1a32)
        let plain = try Ring(nodes: cluster.ring.nodes, strategy: .ketama, keyHash: .md5)
        var number = 0
        while ring.index(for: "key:\(number)") == plain.index(for: "key:\(number)") { number += 1 }
        let key = "key:\(number)"
        #expect(try cluster.run("set", [key, "v"]).exit == .status(0))
        let peer = try cluster.nodes[ring.index(for: key)].connect()
        #expect(try peer.ask("mn") == "MN\r\n")
        #expect(try peer.ask("mg \(key) v", until: "v\r\n") == "VA 1\r\nv\r\n")
        #expect(try cluster.run("get", [key, "--hash", "md5"]).exit == .status(1))
    }

    @Test(
        "A wrong command line is refused with the reason",
        arguments: [
            (["get", "--node", "a"], Int32(64), "Missing expected argument '<key> ...'"),
            (["get", "k"], 64, "give --cluster FILE, or --node for each node"),
            (
                ["get", "--node", "a", String(repeating: "x", count: 251)], 64,
                "a key has 1 to 250 bytes, not 251"
            ),
            (["get", "--node", "a", ""], 64, "a key has 1 to 250 bytes, not 0"),
            (
                ["delete", "--node", "a", "two words"], 64,
                "a key has no spaces and no control characters"
            ),
            (["get", "--node", "a", "--strategy", "best", "k"], 64, "expected one of "),
            (["set", "--node", "a", "k", "v", "--exptime", "soon"], 64, "'soon' is invalid"),
            (["set", "--node", "a", "k", "v", "--flags", "-1"], 64, "flags"),
            (["touch", "--node", "a", "k", "2147483648"], 64, "'2147483648' is invalid"),
            (["get", "--node", "a", "--timeout", "0", "k"], 64, "--timeout must be 0.001 to 3600"),
        ] as [([String], Int32, String)])
    func refusals(arguments: [String], status: Int32, reason: String) throws {
        let result = try Program.run(try RunningNode.builtProgram("sojourn"), arguments)
        #expect(result.exit == .status(status))
        #expect(result.errors.contains(reason), "\(result.errors)")
        #expect(result.output.isEmpty)
    }

    @Test("More copies than the client takes are refused")
    func copyLimit() throws {
        let directory = try TemporaryDirectory()
        let nodes = (1...6).map { "- host: 10.0.0.\($0)\n" }.joined()
        let file = try directory.write("copies: 6\nnodes:\n" + nodes, to: "cluster.yaml")
        let result = try Program.run(
            try RunningNode.builtProgram("sojourn"), ["get", "--cluster", file, "k"])
        #expect(result.exit == .status(64))
        #expect(result.errors.contains("copies: 6; items can be reached with at most 5"))
    }

    @Test("A value that is no UTF-8 is not taken for another one")
    func notText() throws {
        let cluster = try ToolCluster()
        let tool = try RunningNode.builtProgram("sojourn")
        let command = "\"$0\" set --cluster \"$1\" k \"$(printf '\\377')\""
        let result = try Program.run("/bin/sh", ["-c", command, tool, cluster.definition])
        #expect(result.exit == .status(64))
        #expect(result.errors.contains("is no UTF-8; give such a value on standard input"))
    }
}
