import Glibc
import TestSupport
import Testing

/// `sojournd --cluster FILE --name NODE`.
@Suite(.timeLimit(.minutes(10)))
struct DefinedNodeTests {
    /// Root is warned in a line of its own unless it says who it is.
    private static let user = getuid() == 0 ? ["-u", "root"] : []

    private func start(_ arguments: [String]) throws -> (exit: Program.Exit, errors: String) {
        let result = try Program.run(
            try RunningNode.sojourndPath(), Self.user + arguments, seconds: 10)
        return (result.exit, result.errors)
    }

    private func settings(_ peer: SocketPeer) throws -> [String] {
        try peer.ask("stats settings", until: "END\r\n").split(separator: "\r\n").map(String.init)
    }

    @Test("Where the definition has users, its nodes let nobody else in")
    func users() throws {
        let directory = try TemporaryDirectory()
        let users = try directory.write("app:secret\n", to: "users")
        chmod(users, 0o600)
        let path = try directory.write(
            "credentials_file: \(users)\nnodes:\n- {name: a, host: 127.0.0.1}\n", to: "cluster")
        let node = try RunningNode.sojournd(["--cluster", path, "--name", "a"])
        let peer = try node.connect()
        #expect(try peer.ask("get k") == "CLIENT_ERROR unauthenticated\r\n")
        #expect(try peer.ask("set auth 0 0 10\r\napp secret") == "STORED\r\n")
    }

    @Test("A node listens where the definition says, with its memory, memory file and flags")
    func defined() throws {
        let directory = try TemporaryDirectory()
        let port = try freePorts(1)[0]
        let file = directory.path + "/memory"
        let path = try directory.write(
            """
            defaults: {memory: 96m, flags: [-t, "3", -F]}
            nodes:
            - {name: other, host: 10.0.0.1}
            - {name: a, host: 127.0.0.1, port: \(port), memory: 80m, memory_file: \(file)}
            """, to: "cluster.yaml")
        let node = try Program(
            try RunningNode.sojourndPath(), Self.user + ["--cluster", path, "--name", "a"])
        try wait(for: "the node") {
            node.errors.contains("listens on tcp:127.0.0.1:\(port), 80 MB")
        }
        let peer = try SocketPeer(.tcp(port: UInt16(port)))
        let shown = try settings(peer)
        for line in ["maxbytes \(80 << 20)", "num_threads 3", "flush_enabled no"] {
            #expect(shown.contains("STAT \(line)"), "\(line)")
        }
        #expect(access(file, F_OK) == 0)
        // It tells of its cluster.
        let list = try peer.ask("config get cluster", until: "END\r\n")
        #expect(list.contains("10.0.0.1|10.0.0.1|11211 127.0.0.1|127.0.0.1|\(port)\n"))
        #expect(!node.errors.contains("does not listen there"))
        node.send(SIGTERM)
        #expect(try node.waitForExit() == .status(0))
    }

    @Test("What is typed wins over the definition, and flags of a node over its other fields")
    func precedence() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(
            """
            nodes:
            - name: a
              host: 10.255.255.1
              port: 1
              memory: 96m
              memory_file: /nonexistent/folder/file
              flags: [-l, 10.255.255.2, -t, "3", -o, "idle_timeout=7,proof_age=9"]
            """, to: "cluster.yaml")
        let file = directory.path + "/memory"
        let node = try RunningNode.sojournd([
            "--cluster", path, "--name", "a", "-l", "127.0.0.1", "-m", "72", "-e", file, "-o",
            "idle_timeout=8",
        ])
        let shown = try settings(node.connect())
        for line in [
            "maxbytes \(72 << 20)", "num_threads 3", "idle_timeout 8", "inter 127.0.0.1",
        ] { #expect(shown.contains("STAT \(line)"), "\(line)") }
        // Clients look for it elsewhere, which is told.
        let objection =
            "clients look for node a at 10.255.255.1:1, by \(path), and it does not listen there"
        try wait(for: "the log") { node.program.errors.contains(objection) }
        let flagged = try directory.write(
            "nodes: [{name: a, host: 10.255.255.1, flags: [-l, 127.0.0.1]}]", to: "flags.yaml")
        let other = try RunningNode.sojournd(["--cluster", flagged, "--name", "a"])
        #expect(try settings(other.connect()).contains("STAT inter 127.0.0.1"))
    }

    @Test("A node that listens on all addresses is where the definition says, whichever that is")
    func allAddresses() throws {
        let directory = try TemporaryDirectory()
        for host in ["10.255.255.1", "a.example"] {
            let port = try freePorts(1)[0]
            let path = try directory.write(
                "nodes: [{name: a, host: \(host), port: \(port)}]", to: "cluster.yaml")
            let node = try Program(
                try RunningNode.sojourndPath(),
                Self.user + ["--cluster", path, "--name", "a", "-l", "*"])
            try wait(for: "the node") { node.errors.contains("listens on") }
            #expect(!node.errors.contains("does not listen there"), "\(node.errors)")
            node.end()
        }
    }

    /// A command line, and what it is refused with. CLUSTER stands for the file's path.
    struct Refused: Sendable, CustomTestStringConvertible {
        var nodes: String
        var arguments: [String]
        var line: String
        var testDescription: String { line }
    }

    private static let named = ["--cluster", "CLUSTER", "--name", "a"]
    private static let two = "nodes: [{name: a, host: h}, {name: b, host: i}]"

    private static let refused = [
        Refused(
            nodes: two, arguments: ["--name", "a"],
            line: "--name needs --cluster, the definition that has this node"),
        Refused(
            nodes: two, arguments: ["--cluster", "CLUSTER"],
            line: "--cluster needs --name: the nodes of CLUSTER are a, b"),
        Refused(
            nodes: two, arguments: ["--cluster", "CLUSTER", "--name", "c"],
            line: "the nodes of CLUSTER are a, b, not c"),
        Refused(
            nodes: two, arguments: ["--cluster", "CLUSTER.none", "--name", "a"],
            line: "CLUSTER.none: cannot be opened: No such file or directory"),
        Refused(
            nodes: "nodes: [{host: a, wieght: 2}]", arguments: named,
            line: "CLUSTER:1: nodes[0].wieght: unknown; expected one of name, host, port, weight, "
                + "memory, memory_file, in_place_of, flags, peer_host, peer_port, id, since, "
                + "admin"),
        Refused(
            nodes: "nodes: [{name: a, host: h, flags: [-q]}]", arguments: named,
            line: "CLUSTER, node a: flags: Unknown option '-q'"),
        Refused(
            nodes: "nodes: [{name: a, host: h, flags: [--cluster, x]}]", arguments: named,
            line: "CLUSTER, node a: its flags must not have --cluster, --name or --version"),
        Refused(
            nodes: "nodes: [{name: a, host: h, flags: [-t, none]}]", arguments: named,
            line: "CLUSTER, node a: Number of threads must be greater than 0"),
        Refused(
            nodes: "nodes: [{name: a, host: h, memory: 1}]", arguments: named,
            line: "CLUSTER, node a: Cannot set item size limit higher than 1/2 of memory max. "
                + "(-I 1048576 needs -m 2 or more)"),
        Refused(
            nodes: two, arguments: named + ["-q"],
            line: "sojournd: Unknown option '-q' (see --help)"),
    ]

    @Test("What makes no node is refused with status 64 and the reason", arguments: refused)
    func refusals(_ refused: Refused) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(refused.nodes, to: "cluster.yaml")
        let arguments = refused.arguments.map { $0.replacing("CLUSTER", with: path) }
        let result = try start(arguments)
        #expect(result.exit == .status(64))
        #expect(result.errors == refused.line.replacing("CLUSTER", with: path) + "\n")
    }

    @Test("A supervisor waits for a definition that is wrong when its node starts again")
    func supervised() throws {
        let directory = try TemporaryDirectory()
        let port = try freePorts(1)[0]
        func write(_ memory: String) throws -> String {
            try directory.write(
                "nodes: [{name: a, host: 127.0.0.1, port: \(port), memory: \(memory)}]",
                to: "cluster.yaml")
        }
        let path = try write("64m")
        let program = try Program(
            try RunningNode.sojourndPath(),
            Self.user + ["--supervise", "--cluster", path, "--name", "a"])
        func limit() throws -> String? {
            try settings(SocketPeer(.tcp(port: UInt16(port)))).first { $0.contains(" maxbytes ") }
        }
        try wait(for: "the node") { program.errors.contains("listens on") }
        #expect(try limit() == "STAT maxbytes \(64 << 20)")
        _ = try write("much")
        program.send(SIGUSR2)
        try wait(for: "the complaint") { program.errors.contains("nodes[0].memory: expected") }
        _ = try write("72m")
        #expect(try limit() == "STAT maxbytes \(72 << 20)")
        program.send(SIGTERM)
        #expect(try program.waitForExit() == .status(0))
    }

    @Test("A daemon follows a definition whose path was relative")
    func daemon() throws {
        let directory = try TemporaryDirectory()
        let port = try freePorts(1)[0]
        let head = "nodes: [{name: a, host: 127.0.0.1, port: \(port)}"
        _ = try directory.write(head + "]", to: "cluster.yaml")
        let pidFile = directory.path + "/pid"
        let result = try Program.run(
            "/bin/sh",
            [
                "-c", "cd '\(directory.path)' && exec \"$0\" \"$@\"",
                try RunningNode.sojourndPath(),
            ] + Self.user + ["-d", "-P", pidFile, "--cluster", "cluster.yaml", "--name", "a"])
        #expect(result.exit == .status(0), "\(result.errors)")
        let id = try #require(contents(of: pidFile).flatMap { pid_t($0.dropLast()) })
        defer { kill(id, SIGKILL) }
        _ = try directory.write(head + ", {host: b}]", to: "cluster.yaml")
        try wait(for: "the change") {
            try SocketPeer(.tcp(port: UInt16(port))).ask("config get cluster", until: "END\r\n")
                .contains("b|b|11211")
        }
    }
}
