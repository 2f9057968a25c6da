import Glibc
import TestSupport
import Testing

/// Three nodes that keep copies, which scripts/cluster runs, and `sojourn cluster restart` restarts.
private final class RestartedCluster {
    let directory: TemporaryDirectory
    let state: TemporaryDirectory
    let definition: String
    let host: String
    let ports = [21_001, 21_002, 21_003]
    static let names = ["a", "b", "c"]
    private static let script =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        + "/scripts/cluster"
    private let programs: String

    init() throws {
        directory = try TemporaryDirectory()
        state = try TemporaryDirectory()
        let path = try RunningNode.builtProgram("sojourn")
        programs = "/" + path.split(separator: "/").dropLast().joined(separator: "/")
        // On the common address somebody else may take a port while its node is restarted.
        let bytes = (0..<3).map { _ in Int.random(in: 1...254) }
        let host = "127.\(bytes[0]).\(bytes[1]).\(bytes[2])"
        self.host = host
        let user = getuid() == 0 ? "[-t, \"1\", -u, root]" : "[-t, \"1\"]"
        let files = directory.path
        let lines = zip(Self.names, ports).map {
            "- {name: \($0), host: \(host), port: \($1), memory_file: \(files)/\($0)}\n"
        }
        definition = try directory.write(
            "peers: {}\ndefaults: {memory: 16, flags: \(user)}\nnodes:\n" + lines.joined(),
            to: "cluster.yaml")
    }

    deinit { _ = try? Program.run("/bin/sh", ["-c", script("kill", "a b c")], seconds: 120) }

    /// - Parameter names: nodes, or what the tool puts one in place of.
    func script(_ action: String, _ names: String = "") -> String {
        "\(Self.script) \(action) \(names) --cluster \(definition) --state \(state.path) "
            + "--programs \(programs)"
    }

    /// - Parameter wireVersion: at which the nodes are held.
    func start(wireVersion: Int? = nil) throws {
        let environment = wireVersion.map { ["SOJOURN_TEST_WIRE_VERSION": "\($0)"] } ?? [:]
        let result = try Program.run(
            "/bin/sh", ["-c", script("start")], environment: environment, seconds: 120)
        guard result.exit == .status(0) else { throw Trouble("\(result.errors)") }
        try wait(for: "all members to be current") {
            try ports.indices.allSatisfy { try counter("members_current", of: $0) == "3" }
        }
    }

    /// What restarts a node.
    var command: String { "\(script("stop", "{name}")) && \(script("start", "{name}"))" }

    func restart(
        _ command: String? = nil, _ arguments: [String] = []
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        try Program.run(
            try RunningNode.builtProgram("sojourn"),
            ["cluster", "restart", "--cluster", definition, "--command", command ?? self.command]
                + arguments, seconds: 240)
    }

    func counter(_ name: String, of number: Int) throws -> String? {
        let peer = try SocketPeer(.address(host, port: UInt16(ports[number])))
        return try peer.ask("stats", until: "END\r\n").split(separator: "\r\n")
            .first { $0.hasPrefix("STAT \(name) ") }?.split(separator: " ").last.map(String.init)
    }

    func processes() throws -> [String?] {
        try ports.indices.map { try counter("pid", of: $0) }
    }
}

/// A client in another language, which works until it is told that it is enough.
private final class RestartLoad {
    private let program: Program
    private let input: String

    init(_ interpreter: String, _ script: String, _ places: [String], in directory: String) throws {
        let tests = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/")
        input = "\(directory)/\(script).input"
        guard mkfifo(input, 0o600) == 0 else { throw Trouble("no pipe") }
        // Both ends, so that it neither waits for the other one nor ends with it.
        program = try Program.prepared(
            "exec 0<>\(input)", interpreter, ["\(tests)/\(script)"] + places,
            environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        try wait(for: "\(script) to be ready") {
            guard !program.hasEnded else { throw Trouble(program.errors) }
            return program.output.hasPrefix("ready\n")
        }
    }

    /// What it has seen.
    func end() throws -> String {
        guard let pipe = fopen(input, "r+") else { throw Trouble("no pipe") }
        fputs("enough\n", pipe)
        fflush(pipe)
        defer { fclose(pipe) }
        guard try program.waitForExit() == .status(0) else { throw Trouble(program.errors) }
        return String(program.output.dropFirst("ready\n".count).dropLast())
    }
}

/// `sojourn cluster restart`.
@Suite(.timeLimit(.minutes(10)))
struct RestartToolTests {
    @Test(
        "All nodes are restarted, and speak a later version then, under load of clients of a front and of the list, who see nothing of it"
    )
    func upgrade() throws {
        let cluster = try RestartedCluster()
        try cluster.start(wireVersion: 2)
        #expect(try cluster.counter("link_version_b", of: 0) == "2")
        let front = try RunningNode.sojournd(
            ["--cluster", cluster.definition, "--front", "-l", "127.0.0.1", "-t", "1"])
        try wait(for: "the front") { try front.counter("members_current") == 3 }
        let before = try cluster.processes()
        let byFront = try RestartLoad(
            try Script.debianPython(), "restart_load.py", ["127.0.0.1:\(front.port)"],
            in: cluster.directory.path)
        let byList = try RestartLoad(
            try Script.ruby(), "restart_load.rb", cluster.ports.map { "\(cluster.host):\($0)" },
            in: cluster.directory.path)

        let restart = try cluster.restart()
        #expect(restart.exit == .status(0), "\(restart.errors)")
        for (number, name) in RestartedCluster.names.enumerated() {
            #expect(restart.output.contains("\(name), \(number + 1) of 3: "), "\(restart.output)")
            #expect(
                restart.output.contains("\(name) is back, and all are current, after "),
                "\(restart.output)")
        }
        #expect(restart.output.hasSuffix("3 of 3 nodes were restarted\n"))

        for load in [byFront, byList] {
            let seen = try load.end()
            #expect(seen.hasSuffix(" requests, 0 errors, 0 wrong"), "\(seen)")
            #expect(Int(seen.split(separator: " ").first ?? "") ?? 0 > 1_000, "\(seen)")
        }
        let after = try cluster.processes()
        for (old, new) in zip(before, after) { #expect(old != new) }
        #expect(try cluster.counter("link_version_b", of: 0) == "3")
        #expect(try cluster.counter("link_version_c", of: 1) == "3")
        #expect(try front.counter("link_version_a") == 3)
    }

    @Test(
        "When a node does not come back the others are left alone, and it is taken up again there")
    func givenUp() throws {
        let cluster = try RestartedCluster()
        try cluster.start()
        let first = try cluster.processes()
        let failed = try cluster.restart("test {name} != b && \(cluster.command)")
        #expect(failed.exit == .status(1))
        #expect(
            failed.errors == """
                sojourn cluster restart: b: its command has failed, with status 1
                The other nodes were left alone. When all is well again, go on with --from b

                """)
        let second = try cluster.processes()
        #expect(first[0] != second[0] && first[1...] == second[1...])

        // Its command does nothing, or does not bring it back, or does not end.
        let cases = [
            (
                "true {name}",
                "given up after 1 s: b: the process that ran before its command still runs"
            ),
            ("sleep 20; true {name}", "b: its command has not ended within 1 s"),
            (
                cluster.script("stop", "{name}"),
                "given up after 1 s: b is down (Connection refused)"
            ),
        ]
        for (command, reason) in cases {
            let other = try cluster.restart(command, ["--from", "b", "--wait", "1"])
            #expect(other.exit == .status(1))
            #expect(other.errors.contains(reason), "\(other.errors)")
            #expect(other.errors.hasSuffix("go on with --from b\n"))
            #expect(try cluster.counter("pid", of: 2) == second[2])
        }
        // Nothing is begun while a node is away.
        let away = try cluster.restart(nil, ["--wait", "1"])
        #expect(away.exit == .status(1) && away.output.isEmpty)
        #expect(away.errors.hasPrefix("sojourn cluster restart: given up after 1 s: "))
        #expect(away.errors.contains("b is down") && !away.errors.contains("go on"))

        try cluster.start()
        let start = ContinuousClock.now
        let rest = try cluster.restart(nil, ["--from", "b", "--pause", "3"])
        #expect(rest.exit == .status(0), "\(rest.errors)")
        #expect(ContinuousClock.now - start > .seconds(3))
        #expect(rest.output.hasSuffix("2 of 3 nodes were restarted\n"))
        let third = try cluster.processes()
        #expect(third[0] == second[0] && third[1] != first[1] && third[2] != first[2])
    }

    @Test("A command that is the same for all nodes, and a node that there is not, are mistakes")
    func mistakes() throws {
        let directory = try TemporaryDirectory()
        let definition = try directory.write(
            "nodes: [{name: a, host: 127.0.0.1, port: 1}]\n", to: "cluster.yaml")
        let sojourn = try RunningNode.builtProgram("sojourn")
        let cases = [
            (["--command", "reboot"], "{name}, {host} or {port} was expected in it"),
            (["--from", "d"], "the nodes are a, not d"),
            (["--wait", "0"], "wait"),
        ]
        for (arguments, reason) in cases {
            let result = try Program.run(
                sojourn, ["cluster", "restart", "--cluster", definition] + arguments)
            #expect(result.exit == .status(64))
            #expect(result.errors.contains(reason), "\(result.errors)")
        }
    }
}
