import Glibc
import HashRing
import TestSupport
import Testing

/// The ring beside the installed libmemcached, through pylibmc.
///
/// Debian's pylibmc, because the one from PyPI brings a libmemcached of 2013 (1.0.16), which corrupts its
/// memory with 47 weighted servers.
@Suite(.timeLimit(.minutes(10)))
struct PlacementTests {
    private static let script =
        "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/")
        + "/pylibmc_placement.py"
    private static let keyCount = 10_000

    private func pylibmc(_ action: String, _ behavior: String, _ nodes: [Node]) throws -> String {
        let python = "/usr/bin/python3"
        guard access(python, X_OK) == 0 else { throw Trouble("\(python) is not installed") }
        let servers = nodes.map { "\($0.host):\($0.port):\($0.weight)" }
        let result = try Program.run(
            python, [Self.script, action, behavior, String(Self.keyCount)] + servers)
        guard result.exit == .status(0) else {
            throw Trouble("pylibmc (Debian package python3-pylibmc): \(result.errors)")
        }
        return result.output
    }

    @Test(
        "Ten thousand keys are where the installed libmemcached puts them",
        arguments: [
            ("ketama_weighted", Ring.Strategy.ketamaWeighted), ("consistent", .ketama),
            ("modula", .modula),
        ])
    func places(behavior: String, strategy: Ring.Strategy) throws {
        let lists: [[Node]] = [
            (1...3).map { Node(host: "10.1.0.\($0)") },
            (1...10).map { Node(host: "cache\($0).example.com", port: 11_210 + $0) },
            (1...47).map { Node(host: "10.2.0.\($0)") },
            (1...12).map { Node(host: "10.3.0.\($0)", weight: $0 % 5 + 1) },
        ]
        for nodes in lists {
            let ring = try Ring(nodes: nodes, strategy: strategy)
            let digits = Array(
                "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
            let placed = (0..<Self.keyCount).map { digits[ring.index(for: "key:\($0)")] }
            let expected = try pylibmc("place", behavior, nodes)
            #expect(
                String(decoding: placed, as: UTF8.self) + "\n" == expected, "\(nodes.count) nodes")
        }
    }

    @Test(
        "What libmemcached stores on three nodes is found where the ring says", arguments: [1, 3])
    func stored(weight: Int) throws {
        let running = try (0..<3).map { _ in try RunningNode.sojournd() }
        let nodes = try running.enumerated().map { index, node in
            Node(host: "127.0.0.1", port: try node.port, weight: index == 0 ? weight : 1)
        }
        let ring = try Ring(nodes: nodes)
        _ = try pylibmc("store", "ketama_weighted", nodes)
        var keys: [[String]] = [[], [], []]
        for number in 0..<Self.keyCount {
            let key = "key:\(number)"
            keys[ring.index(for: key)].append(key)
        }
        for (node, keys) in zip(running, keys) {
            let stored = try #require(try node.counter("curr_items"))
            #expect(stored == keys.count)
            #expect(keys.count > Self.keyCount / 10)
            for start in stride(from: 0, to: keys.count, by: 100) {
                let some = keys[start..<min(start + 100, keys.count)]
                let reply = try node.connect().ask(
                    "get " + some.joined(separator: " "), until: "END\r\n")
                let found = reply.split(separator: "\r\n").filter { !$0.hasPrefix("VALUE ") }
                #expect(found.dropLast().map(String.init) == Array(some))
            }
        }
    }
}

/// Sources/RingBenchmark, whose times nothing is asked of here.
@Suite(.timeLimit(.minutes(10)))
struct LookupCostTests {
    @Test("A lookup allocates nothing, with any strategy, whether a node is left out or not")
    func allocations() throws {
        let result = try Program.run(try RunningNode.builtProgram("RingBenchmark"), ["1"])
        #expect(result.exit == .status(0), "\(result.errors)")
        let rows = result.output.split(separator: "\n").map { $0.split(separator: " ") }
        for strategy in Ring.Strategy.allCases {
            let row = try #require(rows.first { $0.first.map(String.init) == strategy.rawValue })
            #expect(row.last == "0", "\(row)")
        }
        // The counting counts.
        let control = try #require(rows.last?.last.flatMap { Int($0) })
        #expect(control > 0)
    }
}
