import Glibc
import TestSupport
import Testing

/// What can happen to a node before it serves.
@Suite(.timeLimit(.minutes(10)))
struct StartTests {
    @Test(
        "Closed descriptors do not lead the log into the memory file",
        arguments: ["2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
    func closedDescriptors(closed: String) throws {
        let directory = try TemporaryDirectory()
        let flags = ["-v", "-m", "8", "-e", directory.path + "/arena"]
        let node = try RunningNode.sojournd(flags, preparation: "exec \(closed)")
        #expect(try node.connect().ask("set session 0 0 2\r\nhi") == "STORED\r\n")
        // Something for the log, if it did not have enough.
        #expect(try node.connect().ask("lru_crawler metadump all").hasPrefix("ERROR"))
        node.program.send(SIGKILL)
        _ = try node.program.waitForExit()
        let next = try RunningNode.sojournd(flags)
        let reply = try next.connect().ask("get session", until: "END\r\n")
        #expect(reply == "VALUE session 0 2\r\nhi\r\nEND\r\n")
    }

    @Test("A node leaves no core file, which would hold every session, unless -r wants one")
    func coreFiles() throws {
        func limit(_ flags: [String]) throws -> Substring? {
            let node = try RunningNode.sojournd(flags, preparation: "ulimit -S -c 4096")
            let limits = contents(of: "/proc/\(node.program.processID)/limits") ?? ""
            let line = limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") }
            return line?.split(separator: " ")[4]
        }
        #expect(try limit([]) == "0")
        #expect(try limit(["-r"]) != "0")
    }

    @Test("The tool's closed output is an error, and no value goes into a connection")
    func closedOutputOfTool() throws {
        let node = try RunningNode.sojournd()
        #expect(try node.connect().ask("set k 0 0 4\r\nmn\r\n") == "STORED\r\n")
        let tool = try Program.prepared(
            "exec 0<&- 1>&-", try RunningNode.builtProgram("sojourn"),
            ["get", "--node", "127.0.0.1:\(try node.port)", "k"])
        #expect(try tool.waitForExit(seconds: 30) == .status(1))
        #expect(tool.errors.contains("standard output: Bad file descriptor"))
    }

    @Test(
        "A signal that ends a node does so in order while it takes over a file, too",
        arguments: [SIGTERM, SIGINT, SIGUSR1])
    func stoppedWhileStarting(signal: Int32) throws {
        let directory = try TemporaryDirectory()
        let arena = try LockedFile(directory.path + "/arena")
        let node = try Program(
            try RunningNode.sojourndPath(), ["-p", "-1", "-m", "8", "-e", arena.path])
        #expect(try arena.waitForOpener { _ in true } == node.processID)
        node.send(signal)
        arena.unlock()
        #expect(try node.waitForExit(seconds: 30) == .status(0))
        #expect(!node.errors.contains("listens on"))
    }

    @Test("SIGHUP during the start does not end a node")
    func hangUpWhileStarting() throws {
        let directory = try TemporaryDirectory()
        let arena = try LockedFile(directory.path + "/arena")
        let node = try Program(
            try RunningNode.sojourndPath(), ["-p", "-1", "-m", "8", "-e", arena.path])
        #expect(try arena.waitForOpener { _ in true } == node.processID)
        node.send(SIGHUP)
        arena.unlock()
        try wait(for: "the node to serve") { node.errors.contains("listens on") }
        node.send(SIGTERM)
        #expect(try node.waitForExit() == .status(0))
    }

    @Test(
        "SIGTERM during the start ends the first process of a container, too",
        .enabled(
            if: getuid() == 0 && access("/usr/bin/unshare", X_OK) == 0,
            "a PID namespace needs root and unshare (Debian package util-linux)"))
    func firstProcess() throws {
        let directory = try TemporaryDirectory()
        let arena = try LockedFile(directory.path + "/arena")
        let container = try Program(
            "/usr/bin/unshare",
            [
                "--pid", "--fork", "--kill-child", try RunningNode.sojourndPath(), "-p", "-1", "-m",
                "8", "-e", arena.path,
            ])
        let node = try arena.waitForOpener { $0 != container.processID }
        kill(node, SIGTERM)
        arena.unlock()
        #expect(try container.waitForExit(seconds: 30) == .status(0))
        #expect(!container.errors.contains("listens on"))
    }
}

@Suite(.timeLimit(.minutes(10)))
struct UnixSocketTests {
    @Test("A second node does not take the Unix socket of one that lives")
    func liveSocket() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let first = try RunningNode.sojournd(["-s", path])
        #expect(try first.connect().ask("set k 0 0 1\r\nx") == "STORED\r\n")
        let second = try Program.run(
            try RunningNode.sojourndPath(), ["-s", path], seconds: 10)
        #expect(second.exit == .status(71))
        #expect(
            second.errors.contains(
                "failed to listen on \(path): bind(): Address already in use"))
        #expect(try first.connect().ask("get k", until: "END\r\n").hasPrefix("VALUE k "))
    }

    @Test("The socket that a killed node left is replaced")
    func staleSocket() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let first = try RunningNode.sojournd(["-s", path])
        first.program.send(SIGKILL)
        #expect(try first.program.waitForExit() == .signal(SIGKILL))
        #expect(access(path, F_OK) == 0)
        let second = try RunningNode.sojournd(["-s", path])
        #expect(try second.connect().ask("mn") == "MN\r\n")
    }

    @Test(
        "A node that ends leaves alone what another process put in its socket's and PID file's place"
    )
    func notItsOwn() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let pidFile = directory.path + "/pid"
        let first = try RunningNode.sojournd(["-s", path, "-P", pidFile])
        try wait(for: "the PID file") { access(pidFile, F_OK) == 0 }
        unlink(path)
        let second = try RunningNode.sojournd(["-s", path, "-P", pidFile])
        try wait(for: "the other PID file") {
            contents(of: pidFile) == "\(second.program.processID)\n"
        }
        first.program.send(SIGTERM)
        #expect(try first.program.waitForExit() == .status(0))
        #expect(try second.connect().ask("mn") == "MN\r\n")
        #expect(contents(of: pidFile) == "\(second.program.processID)\n")
    }
}
