import Glibc
import TestSupport
import Testing

/// `sojourn doctor` on real nodes.
@Suite(.timeLimit(.minutes(10)))
struct DoctorToolTests {
    private func doctor(_ arguments: [String]) throws -> (status: Program.Exit, output: String) {
        let result = try Program.run(
            try RunningNode.builtProgram("sojourn"), ["doctor"] + arguments)
        #expect(result.errors.isEmpty, "\(result.errors)")
        return (result.exit, result.output)
    }

    /// The names of the checks that found something.
    private func checks(_ output: String) -> Set<String> {
        Set(
            output.split(separator: "\n").filter { $0.hasSuffix("]") && !$0.hasPrefix(" ") }
                .compactMap { $0.split(separator: "[").last?.dropLast() }.map(String.init))
    }

    /// Root may raise limits, which these tests do not want.
    private static let withoutMoreLimits =
        getuid() == 0 ? "setpriv --bounding-set=-sys_resource" : ""

    @Test("A node that is set up badly is told so, check by check, with its process's limits")
    func misconfigured() throws {
        let node = try RunningNode.sojournd(
            [
                "-m", "8", "-A", "-M", "-r", "-o",
                "idle_timeout=30,lock_keys=lock.,lock_wait=1500,probation=0",
            ],
            preparation: "ulimit -n 300; exec \(Self.withoutMoreLimits) \"$0\" \"$@\"")
        let (status, output) = try doctor(["127.0.0.1:\(try node.port)"])
        #expect(status == .status(1), "\(output)")
        let found = checks(output)
        #expect(
            found.isSuperset(of: [
                "memory-file", "eviction", "idle-timeout", "lock-wait", "watchdog",
                "shutdown-command", "probation", "core-files", "descriptors", "restarted",
            ]), "\(output)")
        #expect(output.contains("1 node, 1 of them on this machine: 0 dangers, "), "\(output)")
    }

    @Test("A node that evicts users in use is a danger, and JSON says the same")
    func evictions() throws {
        let node = try RunningNode.sojournd(["-m", "8", "-o", "proof_age=0"])
        let peer = try node.connect()
        let value = String(repeating: "x", count: 100_000)
        for number in 0..<150 {
            #expect(try peer.ask("set k\(number) 0 0 100000\r\n\(value)") == "STORED\r\n")
            _ = try peer.ask("get k\(number)", until: "END\r\n")
        }
        let address = "127.0.0.1:\(try node.port)"
        let (status, output) = try doctor([address, "--json"])
        #expect(status == .status(2))
        #expect(output.hasPrefix(#"{"name": "sojourn", "unix_time": "#), "\(output)")
        #expect(
            output.contains(#"{"severity": "danger", "node": "\#(address)", "check": "logged-out""#)
        )
        #expect(output.contains(#""check": "memory-nearly-full""#), "\(output)")
    }

    @Test(
        "A node as it should be has notes at most; others of the cluster that differ, or are gone, are told"
    )
    func cluster() throws {
        let directory = try TemporaryDirectory()
        // Watched, as by the unit, and with a file in memory.
        let file = "/dev/shm/sojourn-doctor-\(getpid())"
        defer { for suffix in ["", ".fences", ".deletions"] { unlink(file + suffix) } }
        let user = getuid() == 0 ? ["-u", "nobody"] : []
        let port = try freePorts(1)[0]
        let good = try Program(
            try RunningNode.sojourndPath(),
            ["--supervise", "-p", "\(port)", "-c", "200", "-e", file, "-o", "watchdog=60"] + user)
        try wait(for: "the node") {
            guard !good.hasEnded else { throw Trouble("it does not start: \(good.errors)") }
            return (try? SocketPeer(.tcp(port: UInt16(port)))) != nil
        }
        let (status, output) = try doctor(["127.0.0.1:\(port)"])
        #expect(status == .status(0), "\(output)")
        #expect(checks(output).isSubset(of: ["restarted", "overcommit"]), "\(output)")

        let other = try RunningNode.sojournd(["-m", "32", "-o", "idle=1h"])
        let gone = try freePorts(1)[0]
        let lines = zip(["a", "b", "c"], [port, try other.port, gone]).map {
            "- {name: \($0), host: 127.0.0.1, port: \($1)}\n"
        }
        let definition = try directory.write("nodes:\n" + lines.joined(), to: "cluster.yaml")
        let (worst, all) = try doctor(["--cluster", definition])
        #expect(worst == .status(2))
        #expect(all.hasPrefix("danger: c does not answer: Connection refused [silent]\n"), "\(all)")
        #expect(
            all.contains("warning: nodes differ in idle: 0 (a), 3600 (b) [settings]\n"), "\(all)")
        #expect(all.contains("warning: b has 32 MB, and the definition says 64 MB"), "\(all)")
        #expect(checks(all).contains("one-copy"))
    }

    @Test(
        "A wrong command line says what is right",
        arguments: [
            (["--cluster", "x.yaml", "127.0.0.1"], "give --cluster or nodes, not both"),
            (["--timeout", "0"], "--timeout must be 0.01 to 3600"),
            (["--user", "ann", "127.0.0.1:1"], "--user needs a password"),
        ])
    func commandLine(arguments: [String], says: String) throws {
        let result = try Program.run(
            try RunningNode.builtProgram("sojourn"), ["doctor"] + arguments)
        #expect(result.exit == .status(64))
        #expect(result.errors.contains(says), "\(result.errors)")
    }
}
