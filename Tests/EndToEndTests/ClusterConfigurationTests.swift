import Glibc
import HashRing
import NIOCore
import SessionClient
import TestSupport
import Testing

/// `config get cluster`: nodes that tell their clients who they are.
@Suite(.timeLimit(.minutes(10)))
struct ClusterConfigurationTests {
    /// What a node answers: its version, and the nodes.
    private struct Answer: Equatable {
        var version: Int
        var nodes: String
    }

    private func ask(_ node: RunningNode) throws -> Answer {
        let reply = try node.connect().ask("config get cluster", until: "END\r\n")
        let lines = reply.split(separator: "\r\n", omittingEmptySubsequences: false)
        guard lines.count == 4, lines[0].hasPrefix("CONFIG cluster 0 "), lines[3].isEmpty,
            lines[0].hasSuffix(" \(lines[1].utf8.count)"), lines[2] == "END"
        else { throw Trouble("no listing: \(reply)") }
        let parts = lines[1].split(separator: "\n", omittingEmptySubsequences: false)
        guard parts.count == 3, let version = Int(parts[0]), parts[2].isEmpty else {
            throw Trouble("no listing: \(reply)")
        }
        return Answer(version: version, nodes: String(parts[1]))
    }

    private func definition(_ hosts: String...) -> String {
        "nodes:\n" + hosts.map { "  - {host: \($0)}\n" }.joined()
    }

    @Test("Without a cluster's file there is no such command")
    func withoutFile() throws {
        let node = try RunningNode.sojournd()
        #expect(try node.connect().ask("config get cluster") == "ERROR\r\n")
    }

    @Test(
        "A node answers what its file says, and with a higher version what it says after a change")
    func file() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(
            "nodes:\n- {host: a.example}\n- {name: b, host: '::1', port: 11212}\n",
            to: "c")
        let node = try RunningNode.sojournd(["-o", "cluster_file=\(path)"])
        let first = try ask(node)
        #expect(first.nodes == "a.example|a.example|11211 ::1|::1|11212")
        #expect(first.version > 1_500_000_000)
        // Seen within some time of its own accord.
        _ = try directory.write(definition("b"), to: "c")
        try wait(for: "the change") { try ask(node).nodes == "b|b|11211" }
        let second = try ask(node)
        #expect(second.version > first.version)
        // What is wrong changes nothing, and is told.
        _ = try directory.write("nonsense\n", to: "c")
        node.program.send(SIGHUP)
        try wait(for: "the complaint") { node.program.errors.contains("\(path):1: ") }
        #expect(try ask(node) == second)
        // The same nodes are no change; faster changes than a clock shows are one each.
        _ = try directory.write("# as before\n" + definition("b"), to: "c")
        node.program.send(SIGHUP)
        try wait(for: "the same") { node.program.errors.contains("again: 1 nodes") }
        #expect(try ask(node) == second)
        var last = second
        for hosts in [["c", "d"], ["d"], ["e"]] {
            _ = try directory.write(
                "nodes: [\(hosts.map { "{host: \($0)}" }.joined(separator: ", "))]", to: "c")
            node.program.send(SIGHUP)
            let wanted = hosts.map { "\($0)|\($0)|11211" }.joined(separator: " ")
            try wait(for: "\(hosts)") { try ask(node).nodes == wanted }
            let next = try ask(node)
            #expect(next.version > last.version)
            last = next
        }
        // A file that is gone changes nothing.
        unlink(path)
        node.program.send(SIGHUP)
        try wait(for: "the complaint") { node.program.errors.contains("cannot be opened") }
        #expect(try ask(node) == last)
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
    }

    @Test(
        "A cluster whose weights decide is not listed for clients, who would miss keys without them"
    )
    func weights() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(
            "nodes: [{host: a}, {host: b, weight: 3}]\n", to: "cluster")
        let node = try RunningNode.sojournd(["-o", "cluster_file=\(path)"])
        func list() throws -> String {
            try node.connect().ask("config get cluster\r\nmn", until: "MN\r\n")
        }
        let refusal =
            "SERVER_ERROR a list of nodes cannot tell their weights, or who is in whose place\r\nMN\r\n"
        #expect(try list() == refusal)
        try node.program.waitToSay("'config get cluster' is refused")
        // With equal weights, or such as have no effect, they are.
        _ = try directory.write(definition("a", "b"), to: "cluster")
        try wait(for: "the list") { try list().contains("a|a|11211 b|b|11211\n") }
        _ = try directory.write(
            "placement: {strategy: modula}\nnodes: [{host: c}, {host: b, weight: 3}]\n",
            to: "cluster")
        try wait(for: "the other list") { try list().contains("c|c|11211 b|b|11211\n") }
        _ = try directory.write(
            "nodes: [{host: a}, {host: b, in_place_of: {host: c}}]\n", to: "cluster")
        try wait(for: "the refusal") { try list() == refusal }
    }

    @Test("The definition is told without what only nodes need, with the version of the list")
    func toldDefinition() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(
            """
            name: shop
            placement: {strategy: dalli}
            copies: 2
            defaults: {memory: 2g, flags: [-t, "2"]}
            nodes:
            - {name: a, host: "::1", memory_file: /dev/shm/a}
            - {host: b, port: 5}
            """, to: "cluster")
        let node = try RunningNode.sojournd(["-o", "cluster_file=\(path)"])
        let body = """
            \(try ask(node).version)
            name: "shop"
            placement: {strategy: dalli}
            copies: 2
            nodes:
            - {name: "a", host: "::1", port: 11211}
            - {host: "b", port: 5}

            """
        let reply = try node.connect().ask("config get definition", until: "END\r\n")
        #expect(
            reply == "CONFIG definition 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n", "\(reply)")
        let other = try RunningNode.sojournd()
        #expect(try other.connect().ask("config get definition") == "ERROR\r\n")
    }

    @Test("Our client learns weights, places and the strategy from a node")
    func ownClientByDefinition() async throws {
        let directory = try TemporaryDirectory()
        func text(_ strategy: Ring.Strategy) -> String {
            "placement: {strategy: \(strategy.rawValue)}\n"
                + "nodes: [{host: a, weight: 3}, {host: b, in_place_of: {host: c, port: 5}}]\n"
        }
        let path = try directory.write(text(.dalli), to: "cluster")
        let node = try RunningNode.sojournd(["-o", "cluster_file=\(path)"])
        let client = try CacheClient(
            membership: .clusterConfiguration(
                seeds: [Node(host: "127.0.0.1", port: try node.port)],
                refreshInterval: .milliseconds(20)))
        let run = Task { try await client.run() }
        let wanted = [Node(host: "a", weight: 3), Node(host: "b", ringName: "c:5")]
        let deadline = ContinuousClock.now + .seconds(1_500)
        while client.nodes != wanted {
            try #require(ContinuousClock.now < deadline, "not in time")
            try await Task.sleep(for: .milliseconds(5))
        }
        run.cancel()
        try await run.value
    }

    @Test("A node does not tell of a file that is half written")
    func halfWritten() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(definition("a", "b", "c", "d"), to: "cluster")
        let node = try RunningNode.sojournd(["-o", "cluster_file=\(path)"])
        let before = try ask(node)
        let hosts = ["a", "b", "c", "d", "e"]
        for _ in 0..<5 {
            // One host more at a time, each state for less than the time between two looks.
            let clock = ContinuousClock()
            var longest = Duration.zero
            for count in 1...5 {
                let lines = hosts.prefix(count).map { "  - {host: \($0)}\n" }.joined()
                let time = try clock.measure {
                    _ = try directory.write("nodes:\n" + lines, to: "cluster")
                    usleep(200_000)
                }
                longest = max(longest, time)
            }
            try wait(for: "the last change") { try ask(node).nodes.contains("e|e|") }
            // On a busy machine a state may have stayed for longer.
            guard longest < .milliseconds(400) else { continue }
            // The log comes after it.
            try wait(for: "the log") { node.program.errors.contains("again:") }
            let lines = node.program.errors.split(separator: "\n")
            #expect(lines.count { $0.contains("again:") } == 1, "\(lines)")
            #expect(try ask(node).version > before.version)
            return
        }
        throw Trouble("the machine is too busy")
    }

    @Test("A node that restarts has no lower version than before")
    func restarted() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(definition("a"), to: "c")
        let before = try ask(RunningNode.sojournd(["-o", "cluster_file=\(path)"]))
        #expect(try ask(RunningNode.sojournd(["-o", "cluster_file=\(path)"])) == before)
    }

    @Test("The answer comes in its place among others")
    func pipelined() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(definition("a"), to: "cluster")
        let node = try RunningNode.sojournd(["-o", "cluster_file=\(path)"])
        let body = "\(try ask(node).version)\na|a|11211\n"
        let received = try node.connect().ask(
            "mn\r\nconfig get cluster\r\nconfig set cluster\r\nconfig get other\r\nversion",
            until: "1.6.45\r\n")
        #expect(
            received == "MN\r\nCONFIG cluster 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n"
                + "ERROR\r\nERROR\r\nVERSION 1.6.45\r\n")
    }

    @Test(
        "At the start the file has to be right",
        arguments: [
            "", "nodes: []\n", "nodes: [{host: a, weight: 0}]\n", "nodes: [{host: a}, {host: a}]\n",
            "nodes: [{host: 'a b'}]\n", "nodes: [{host: a, ring_name: b}]\n",
        ])
    func wrongFile(text: String) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(text, to: "cluster")
        func start(_ option: String) throws -> (exit: Program.Exit, errors: String) {
            let result = try Program.run(
                try RunningNode.sojourndPath(), ["-p", "-1", "-o", option])
            return (result.exit, result.errors)
        }
        let wrong = try start("cluster_file=\(path)")
        #expect(wrong.exit == .status(71))
        #expect(wrong.errors.contains("\(path):1: "), "\(wrong.errors)")
        let missing = try start("cluster_file=\(path).none")
        #expect(missing.exit == .status(71))
        #expect(missing.errors.contains("\(path).none: cannot be opened"))
        let unnamed = try start("cluster_file")
        #expect(unnamed.exit == .status(64))
        #expect(unnamed.errors.contains("cluster_file needs the path of a definition"))
    }

    /// Nodes that all have the same file.
    private func cluster(_ directory: TemporaryDirectory, nodeCount: Int) throws -> [RunningNode] {
        let path = try directory.write(definition("nobody"), to: "cluster")
        return try (0..<nodeCount).map { _ in
            try RunningNode.sojournd(["-o", "cluster_file=\(path)"])
        }
    }

    /// Has all of them answer with some.
    private func tell(
        _ all: [RunningNode], of nodes: [RunningNode], in directory: TemporaryDirectory
    ) throws {
        let ports = try nodes.map { try $0.port }
        let lines = ports.map { "- {host: 127.0.0.1, port: \($0)}\n" }
        _ = try directory.write("nodes:\n" + lines.joined(), to: "cluster")
        let wanted = ports.map { "127.0.0.1|127.0.0.1|\($0)" }.joined(separator: " ")
        for node in all {
            node.program.send(SIGHUP)
            try wait(for: "the nodes") { try ask(node).nodes == wanted }
        }
    }

    @Test("Clients of ElastiCache find the nodes")
    func otherClients() throws {
        let directory = try TemporaryDirectory()
        let nodes = try cluster(directory, nodeCount: 3)
        try tell(nodes, of: nodes, in: directory)
        try Script.run(
            Script.python(), "autodiscovery_checks.py", against: "127.0.0.1:\(try nodes[0].port)")
    }

    @Test("Our client follows a node that joins and one that leaves")
    func ownClient() async throws {
        let directory = try TemporaryDirectory()
        let nodes = try cluster(directory, nodeCount: 3)
        try tell(nodes, of: Array(nodes[..<2]), in: directory)
        let seed = Node(host: "127.0.0.1", port: try nodes[0].port)
        let client = try CacheClient(
            membership: .clusterConfiguration(
                seeds: [seed], refreshInterval: .milliseconds(20)))
        let run = Task { try await client.run() }
        // The threads of tasks may be other tests' for some time.
        let patient = client.withTimeout(.seconds(1_500))
        try await patient.set("k", to: Array("v".utf8))
        #expect(try nodes[2].counter("cmd_set") == 0)
        try tell(nodes, of: nodes, in: directory)
        var number = 0
        while try nodes[2].counter("cmd_set") == 0 {
            try #require(number < 100_000)
            try await patient.set(try CacheKey("key-\(number)"), to: Array("v".utf8))
            number += 1
        }
        // The one that was asked at first leaves; the others say so.
        try tell(nodes, of: Array(nodes[1...]), in: directory)
        let rest = try nodes[1...].map { try $0.port }
        let deadline = ContinuousClock.now + .seconds(1_500)
        while client.nodes.map(\.port) != rest {
            try #require(ContinuousClock.now < deadline, "the change: not in time")
            try await Task.sleep(for: .milliseconds(5))
        }
        nodes[0].program.end()
        for number in 0..<50 {
            try await patient.set(try CacheKey("later-\(number)"), to: Array("v".utf8))
        }
        run.cancel()
        try await run.value
    }
}
