import Glibc
import HashRing
import TestSupport
import Testing

/// Three nodes of a definition file, run by scripts/cluster.
final class ScriptedCluster {
    let directory: TemporaryDirectory
    let state: TemporaryDirectory
    let definition: String
    let nodes: [Node]
    private static let script =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        + "/scripts/cluster"

    /// - Parameter head: the definition's first lines.
    init(_ head: String = "") throws {
        directory = try TemporaryDirectory()
        state = try TemporaryDirectory()
        let path = directory.path
        nodes = zip(["a", "b", "c"], try freePorts(3)).map {
            Node(name: $0, host: "127.0.0.1", port: $1)
        }
        let lines = nodes.map { node in
            "- {name: \(node.name), host: 127.0.0.1, port: \(node.port), "
                + "memory_file: \(path)/\(node.name)}\n"
        }
        let user = getuid() == 0 ? "[-t, \"1\", -u, root]" : "[-t, \"1\"]"
        definition = try directory.write(
            "\(head)defaults: {flags: \(user)}\nnodes:\n" + lines.joined(), to: "cluster.yaml")
    }

    deinit { _ = try? run("kill", ["a", "b", "c"]) }

    func run(
        _ action: String, _ names: [String] = [], definition: String? = nil
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        let programs = try RunningNode.builtProgram("sojourn").split(separator: "/").dropLast()
        return try Program.run(
            Self.script,
            [action] + names + [
                "--cluster", definition ?? self.definition, "--state", state.path, "--programs",
            ]
                + ["/" + programs.joined(separator: "/")], seconds: 120)
    }

    func connect(_ index: Int) throws -> SocketPeer {
        try SocketPeer(.tcp(port: UInt16(nodes[index].port)))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct ClusterScriptTests {
    @Test("Nodes are started, shown, killed, started again with their sessions, and stopped")
    func life() throws {
        let cluster = try ScriptedCluster()
        let start = try cluster.run("start")
        #expect(start.exit == .status(0), "\(start.errors)")
        #expect(start.output == "a runs\nb runs\nc runs\n")
        #expect(try cluster.run("start", ["b"]).output == "b runs already\n")

        let ring = try Ring(nodes: cluster.nodes)
        let keys = (0..<30).map { "session:\($0)" }
        for key in keys {
            let reply = try cluster.connect(ring.index(for: key)).ask(
                "set \(key) 0 0 2\r\nhi", until: "\r\n")
            #expect(reply == "STORED\r\n")
        }
        #expect(try cluster.run("kill", ["b"]).output == "b ended\n")
        let status = try cluster.run("status")
        #expect(status.exit == .status(1))
        let rows = status.output.split(separator: "\n")
        #expect(rows.count == 3)
        #expect(rows[0].hasSuffix("VERSION 1.6.45"))
        #expect(rows[1].hasPrefix("b ") && rows[1].hasSuffix("does not answer"))
        #expect(rows[2].contains("127.0.0.1:\(cluster.nodes[2].port)"))

        #expect(try cluster.run("start").output == "a runs already\nb runs\nc runs already\n")
        #expect(try cluster.run("status").exit == .status(0))
        for key in keys {
            let reply = try cluster.connect(ring.index(for: key)).ask(
                "get \(key)", until: "END\r\n")
            #expect(reply == "VALUE \(key) 0 2\r\nhi\r\nEND\r\n")
        }
        let stop = try cluster.run("stop")
        #expect(stop.output == "a ended\nb ended\nc ended\n", "\(stop.errors)")
        #expect(try cluster.run("stop", ["a"]).output == "a does not run\n")
        #expect(try cluster.run("status").exit == .status(1))
    }

    @Test("Nodes that speak TLS are waited for and shown as others are")
    func secured() throws {
        let certificates = try TestCertificates()
        let cluster = try ScriptedCluster(
            """
            tls:
              ca: \(certificates.path("ca.pem"))
              cert: \(certificates.path("node.pem"))
              key: \(certificates.path("node.key"))

            """)
        let start = try cluster.run("start", ["a"])
        #expect(start.exit == .status(0), "\(start.errors)")
        let status = try cluster.run("status", ["a", "b"])
        #expect(status.exit == .status(1))
        let rows = status.output.split(separator: "\n")
        #expect(rows.count == 2)
        #expect(rows[0].hasPrefix("a ") && rows[0].hasSuffix("VERSION 0.1.0"), "\(rows)")
        #expect(rows[1].hasPrefix("b ") && rows[1].hasSuffix("does not answer"), "\(rows)")
        #expect(try cluster.run("stop", ["a"]).output == "a ended\n")
    }

    @Test("Nodes of another definition that have the same names are left alone")
    func otherDefinition() throws {
        let cluster = try ScriptedCluster()
        #expect(try cluster.run("start", ["a"]).exit == .status(0))
        let port = try freePorts(1)[0]
        let other = try cluster.directory.write(
            "nodes: [{name: a, host: 127.0.0.1, port: \(port)}]\n", to: "other.yaml")
        let stop = try cluster.run("stop", ["a"], definition: other)
        #expect(stop.output == "a does not run\n", "\(stop.errors)")
        #expect(try cluster.connect(0).ask("mn") == "MN\r\n")
        #expect(try cluster.run("stop", ["a"]).output == "a ended\n")
    }

    @Test("A node whose address is taken, or that refuses to start, is told")
    func failures() throws {
        let cluster = try ScriptedCluster()
        let other = try Program(
            try RunningNode.sojourndPath(), ["-p", String(cluster.nodes[0].port)])
        try wait(for: "the other node") { (try? cluster.connect(0)) != nil }
        let taken = try cluster.run("start")
        #expect(taken.exit == .status(1))
        #expect(taken.errors.contains("something else already answers at the address of a"))
        other.end()
        // A directory cannot be a memory file.
        mkdir("\(cluster.directory.path)/a", 0o700)
        let refused = try cluster.run("start", ["a"])
        rmdir("\(cluster.directory.path)/a")
        #expect(refused.exit == .status(1))
        #expect(refused.errors.contains("scripts/cluster: a ended: "), "\(refused.errors)")
    }

    @Test("A wrong command line is refused with the reason")
    func refusals() throws {
        let cluster = try ScriptedCluster()
        let action = try cluster.run("restart")
        #expect(action.exit == .status(64))
        #expect(action.errors.contains("expected start, stop, kill or status, not 'restart'"))
        let node = try cluster.run("start", ["d"])
        #expect(node.exit == .status(64))
        #expect(node.errors.contains("are a,b,c, not d"))
        let none = try cluster.run("kill")
        #expect(none.errors.contains("kill needs the name of a node"))
    }
}

/// `sojourn definition`.
@Suite(.timeLimit(.minutes(10)))
struct DefinitionToolTests {
    private func definition(_ arguments: [String]) throws -> (
        exit: Program.Exit, output: String, errors: String
    ) {
        try Program.run(try RunningNode.builtProgram("sojourn"), ["definition"] + arguments)
    }

    @Test("A definition is shown, and scripts get names and addresses")
    func output() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            """
            name: shop
            placement: {strategy: ketama, hash: md5}
            copies: 2
            nodes:
            - {name: a, host: 10.0.0.1, memory: 1g, memory_file: /dev/shm/a, flags: [-t, "2"]}
            - {name: b, host: "::1", port: 11212}
            """, to: "shop.yaml")
        #expect(
            try definition([file]).output == """
                shop: ketama with md5, each item on 2 of 2 nodes

                node         address  weight   memory  memory file
                a     10.0.0.1:11211       1  1024 MB  /dev/shm/a
                b          ::1:11212       1    64 MB  -

                """)
        #expect(try definition([file, "--names"]).output == "a\nb\n")
        #expect(try definition([file, "--address", "b"]).output == "::1 11212\n")
        let unknown = try definition([file, "--address", "c"])
        #expect(unknown.exit == .status(64))
        #expect(unknown.errors.contains("are a, b, not c"))
        #expect(try definition([file, "--names", "--address", "a"]).exit == .status(64))
    }

    @Test("A node in another's place is shown with it")
    func inPlaceOf() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            "nodes: [{name: a, host: h}, {name: b, host: i, in_place_of: {host: j, port: 5}}]",
            to: "moved.yaml")
        let lines = try definition([file]).output.split(separator: "\n")
        #expect(lines[1].hasSuffix("in place of"))
        #expect(lines[2].hasPrefix("a ") && lines[2].hasSuffix("-"))
        #expect(lines[3].hasPrefix("b ") && lines[3].hasSuffix("j:5"))
    }

    @Test("The definition that comes with Sojourn is one")
    func example() throws {
        let path =
            "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            + "/cluster/cluster.yaml"
        #expect(try definition([path, "--names"]).output == "a\nb\nc\n")
    }
}
