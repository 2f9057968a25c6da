import Glibc
import TestSupport
import Testing

/// `-o sandbox`: a node that somebody got into. `intruder.c` is who tries.
@Suite(.timeLimit(.minutes(10)))
struct SandboxTests {
    /// Of each thread.
    private static let attemptCount = 9
    /// Made once.
    private static let library = Result { try PreloadedLibrary.make(of: "intruder") }

    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func start(_ flags: [String]) throws -> RunningNode {
        try RunningNode.sojournd(
            ["-t", "1", "-vv"] + flags,
            preparation:
                "export LD_PRELOAD=\(try Self.library.get()) SOJOURN_LOOT=\(directory.path)/loot"
        )
    }

    /// What became of each attempt, in the thread that accepts, the one that serves and the log's.
    private func attempts(in node: RunningNode) throws -> [String] {
        #expect(try node.connect().ask("set k 0 0 1\r\nv") == "STORED\r\n")
        #expect(try node.connect().ask("get k", until: "END\r\n") == "VALUE k 0 1\r\nv\r\nEND\r\n")
        var lines: [Substring] = []
        try wait(for: "all attempts") {
            lines = node.program.errors.split(separator: "\n").filter { $0.hasPrefix("intruder: ") }
            return lines.count == 3 * Self.attemptCount
        }
        return lines.map { String($0.dropFirst("intruder: ".count)) }.sorted()
    }

    @Test("Who gets into a node reads and writes no file, starts no program and connects to nobody")
    func intruder() throws {
        let refused = try attempts(in: start(["-o", "sandbox"]))
        #expect(
            refused
                == ["accepting", "logging", "serving"].flatMap { thread in
                    [
                        "\(thread): read a file: EACCES", "\(thread): write a file: EACCES",
                        "\(thread): make a socket: EPERM", "\(thread): dial: EPERM",
                        "\(thread): dial with the first byte: EPERM",
                        "\(thread): dial by MPTCP: EPERM",
                        "\(thread): make a socket for datagrams: EPERM",
                        "\(thread): connect: EPERM",
                        "\(thread): become a program: EPERM",
                    ]
                }.sorted())
        // Without it all of that goes.
        #expect(
            try attempts(in: start([])).count { $0.hasSuffix(": done") } == 3 * Self.attemptCount)
    }

    @Test("Who gets into a front reaches nobody but the members, at their ports")
    func intruderBesidePeers() throws {
        let cluster = try MemberCluster()
        let found = try attempts(
            in: start(["--cluster", cluster.definition, "--front", "-o", "sandbox"]))
        #expect(
            found
                == ["accepting", "logging", "serving"].flatMap { thread in
                    [
                        "\(thread): read a file: EACCES", "\(thread): write a file: EACCES",
                        "\(thread): make a socket: done", "\(thread): dial: EACCES",
                        "\(thread): dial with the first byte: EPERM",
                        "\(thread): dial by MPTCP: EPERM",
                        "\(thread): make a socket for datagrams: EPERM",
                        "\(thread): connect: EBADF",
                        "\(thread): become a program: EPERM",
                    ]
                }.sorted())
    }

    @Test("Members in a sandbox find each other again, when one was killed and when all were")
    func members() throws {
        let cluster = try MemberCluster(flags: ["-o", "sandbox"])
        for number in 0..<3 {
            #expect(try cluster.counter("sandbox", of: number, "settings") == "yes")
            cluster.kill(number)
            try cluster.start(number)
            try cluster.waitUntilAllIsWell()
        }
    }

    @Test("A member that has to be looked up by name is refused in a sandbox, and the reason said")
    func names() throws {
        let definition = try directory.write(
            """
            peers: {}
            nodes: [{name: a, host: localhost}, {name: b, host: 127.0.0.1}]
            """, to: "cluster.yaml")
        let result = try Program.run(
            RunningNode.sojourndPath(),
            ["-u", "root", "--cluster", definition, "--name", "b", "-o", "sandbox"])
        #expect(result.exit == .status(64))
        #expect(
            result.errors.contains(
                "-o sandbox: the others look for node a at localhost, and no names are looked up in "
                    + "the sandbox; give its address in the definition, as peer_host"))
    }

    @Test("In a sandbox files are read again, and removed in the end, as without")
    func filesOfItsOwn() throws {
        let certificates = try TestCertificates()
        let passwords = try certificates.write("app:secret\n", to: "passwords")
        let definition = try directory.write("nodes: [{host: a}]\n", to: "cluster.yaml")
        let pidFile = directory.path + "/pid"
        let node = try RunningNode.sojournd(
            certificates.flags("node", "sandbox,cluster_file=\(definition)") + [
                "-l", "notls:127.0.0.1,127.0.0.1", "-Y", passwords, "-P", pidFile, "-v",
                "-e", directory.path + "/arena",
            ])
        let peer = try node.connect()
        #expect(try peer.ask("set auth 0 0 10\r\napp secret") == "STORED\r\n")
        #expect(try peer.ask("refresh_certs") == "OK\r\n")
        #expect(
            try peer.ask("stats settings", until: "END\r\n").contains("STAT sandbox yes\r\n"))
        _ = try certificates.write("app:new\n", to: "passwords")
        node.program.send(SIGHUP)
        try wait(for: "the new passwords") {
            node.program.errors.contains("passwords read again: 1 users")
        }
        try node.program.waitToSay("certificates read again")
        #expect(!node.program.errors.contains("cannot"), "\(node.program.errors)")
        #expect(try node.connect().ask("set auth 0 0 7\r\napp new") == "STORED\r\n")
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
        #expect(access(pidFile, F_OK) != 0)
    }

    @Test("In a sandbox a Unix socket is removed in the end, and a supervisor has its nodes in one")
    func sockets() throws {
        let path = directory.path + "/socket"
        let node = try RunningNode.sojournd(["-s", path, "-o", "sandbox"])
        #expect(try node.connect().ask("mn") == "MN\r\n")
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
        #expect(access(path, F_OK) != 0)
        let supervised = try RunningNode.sojournd(["--supervise", "-o", "sandbox"])
        #expect(try supervised.connect().ask("mn") == "MN\r\n")
        try wait(for: "the log") { supervised.program.errors.contains("files are closed") }
    }
}
