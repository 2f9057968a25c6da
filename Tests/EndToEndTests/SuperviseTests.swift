import Glibc
import TestSupport
import Testing

/// `sojournd --supervise`: a process that holds the listening sockets, and its node.
@Suite(.timeLimit(.minutes(10)))
struct SuperviseTests {
    /// The processes that a process has started and not waited for.
    private func children(of process: pid_t) -> [pid_t] {
        (contents(of: "/proc/\(process)/task/\(process)/children") ?? "")
            .split(separator: " ").compactMap { pid_t($0) }
    }

    private func child(of process: pid_t, otherThan known: pid_t = 0) throws -> pid_t {
        var found: pid_t?
        try wait(for: "a node of process \(process)") {
            found = children(of: process).first { $0 != known }
            return found != nil
        }
        return try #require(found)
    }

    /// Nobody may wait for it: then its name stays, as a zombie's.
    private func hasEnded(_ process: pid_t) -> Bool {
        guard let text = contents(of: "/proc/\(process)/stat") else { return true }
        return text.split(separator: ")").last?.split(separator: " ").first == "Z"
    }

    @Test("Who connects while a killed node starts again waits, and finds the session")
    func killed() throws {
        let directory = try TemporaryDirectory()
        let node = try RunningNode.sojournd(["--supervise", "-e", directory.path + "/arena"])
        let supervisor = node.program.processID
        let first = try child(of: supervisor)
        #expect(try node.connect().ask("set session 0 0 2\r\nhi", until: "\r\n") == "STORED\r\n")
        kill(first, SIGKILL)
        for _ in 0..<50 {
            let reply = try node.connect().ask("get session", until: "END\r\n")
            #expect(reply == "VALUE session 0 2\r\nhi\r\nEND\r\n")
        }
        #expect(try child(of: supervisor) != first)
        try node.program.waitToSay(
            "the node (\(first)) was killed by signal 9 (Killed); it is started again at once")
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
    }

    @Test("A Unix socket outlives the node, too, and goes with the supervisor")
    func unixSocket() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let program = try Program(
            try RunningNode.sojourndPath(), ["--supervise", "-s", path, "-a", "600"])
        try wait(for: "the socket") { (try? SocketPeer(.unix(path: path)).ask("mn")) == "MN\r\n" }
        kill(try child(of: program.processID), SIGKILL)
        #expect(try SocketPeer(.unix(path: path)).ask("mn") == "MN\r\n")
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        program.send(SIGINT)
        #expect(try program.waitForExit() == .status(0))
        #expect(access(path, F_OK) != 0)
    }

    @Test("A node that dies again and again is started ever more slowly, and the log says why")
    func crashLoop() throws {
        let node = try RunningNode.sojournd(["--supervise"])
        let supervisor = node.program.processID
        var last: pid_t = 0
        for _ in 0..<4 {
            last = try child(of: supervisor, otherThan: last)
            kill(last, SIGKILL)
        }
        _ = try child(of: supervisor, otherThan: last)
        let lines = node.program.errors.split(separator: "\n").filter { $0.contains("again") }
        let moments = lines.compactMap { $0.split(separator: "started again ").last }
        #expect(moments == ["at once", "in 0.1 s", "in 0.2 s", "in 0.4 s"])
        #expect(lines.allSatisfy { $0.contains("was killed by signal 9 (Killed)") })
        // Who waits for the next one is told to end now, and does.
        kill(try child(of: supervisor, otherThan: last), SIGKILL)
        try wait(for: "the last death") { children(of: supervisor).isEmpty }
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit(seconds: 10) == .status(0))
    }

    @Test("What would fail again is not tried again: the supervisor ends with the node's status")
    func refusals() throws {
        let path = try RunningNode.sojourndPath()
        let usage = try Program.run(path, ["--supervise", "-p", "99999"], seconds: 10)
        #expect(usage.exit == .status(64))
        let file = try Program.run(
            path, ["--supervise", "-p", "-1", "-e", "/dev/zero"], seconds: 10)
        #expect(file.exit == .status(71))
        #expect(file.errors.contains("it is not a regular file"))
        #expect(!file.errors.contains("again"))
        let node = try RunningNode.sojournd()
        let taken = try Program.run(
            path, ["--supervise", "-p", String(try node.port)], seconds: 10)
        #expect(taken.exit == .status(71))
        #expect(taken.errors.contains("Address already in use"))
    }

    @Test("A client's shutdown, and a signal to the node itself, end both")
    func orderlyEnds() throws {
        let asked = try RunningNode.sojournd(["--supervise", "-A"])
        try asked.connect().send("shutdown\r\n")
        #expect(try asked.program.waitForExit() == .status(0))
        let told = try RunningNode.sojournd(["--supervise"])
        kill(try child(of: told.program.processID), SIGUSR1)
        #expect(try told.program.waitForExit() == .status(0))
        #expect(told.program.errors.contains("Gracefully stopping"))
    }

    @Test("SIGUSR2 puts a new node in the place of the old one, and nobody is refused")
    func replacing() throws {
        let directory = try TemporaryDirectory()
        let flags = ["--supervise", "-e", directory.path + "/arena", "-P", directory.path + "/pid"]
        let node = try RunningNode.sojournd(flags)
        let supervisor = node.program.processID
        let first = try child(of: supervisor)
        #expect(try node.connect().ask("set session 0 0 2\r\nhi", until: "\r\n") == "STORED\r\n")
        node.program.send(SIGUSR2)
        while children(of: supervisor).first == first { _ = try node.connect() }
        let reply = try node.connect().ask("get session", until: "END\r\n")
        #expect(reply == "VALUE session 0 2\r\nhi\r\nEND\r\n")
        // The PID file is the supervisor's, whom signals are for.
        #expect(contents(of: directory.path + "/pid") == "\(supervisor)\n")
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
        #expect(access(directory.path + "/pid", F_OK) != 0)
    }

    @Test("SIGHUP reaches the node")
    func hangUp() throws {
        let node = try RunningNode.sojournd(["--supervise"])
        node.program.send(SIGHUP)
        try wait(for: "the node's line") {
            node.program.errors.contains("SIGHUP: nothing to read again")
        }
    }

    @Test("A supervisor that is killed takes its node along, and leaves the address free")
    func noOrphan() throws {
        let node = try RunningNode.sojournd(["--supervise"])
        let orphan = try child(of: node.program.processID)
        #expect(try node.connect().ask("mn") == "MN\r\n")
        node.program.end()
        try wait(for: "the end of the node", seconds: 10) { hasEnded(orphan) }
        // A process has ended when its first thread has, and its sockets go with the last one.
        try wait(for: "the address to be free", seconds: 10) { (try? node.connect()) == nil }
    }

    // MARK: Watching

    private static let hanging = Result { try PreloadedLibrary.make(of: "hanging") }

    private func isKilledForSilence(_ node: RunningNode, _ id: pid_t, seconds: Int = 2) -> Bool {
        node.program.errors.contains(
            "the node (\(id)) has been silent for \(seconds) s: it hangs, and is killed")
    }

    @Test("A node that is stopped is killed, and who has connected meanwhile finds the session")
    func stopped() throws {
        let directory = try TemporaryDirectory()
        let node = try RunningNode.sojournd(["--supervise", "-e", directory.path + "/arena"])
        let first = try child(of: node.program.processID)
        #expect(try node.connect().ask("set session 0 0 2\r\nhi", until: "\r\n") == "STORED\r\n")
        kill(first, SIGSTOP)
        // By the backlog of the socket, which is the supervisor's.
        let reply = try node.connect().ask("get session", until: "END\r\n")
        #expect(reply == "VALUE session 0 2\r\nhi\r\nEND\r\n")
        #expect(isKilledForSilence(node, first), "\(node.program.errors)")
        try node.program.waitToSay(
            "the node (\(first)) was killed by signal 9 (Killed); it is started again at once")
        #expect(try child(of: node.program.processID) != first)
    }

    @Test("A node of which one thread hangs is killed, in a sandbox, too")
    func hung() throws {
        let node = try RunningNode.sojournd(
            ["--supervise", "-t", "2", "-o", "watchdog=1,sandbox"],
            preparation: "export LD_PRELOAD=\(try Self.hanging.get())")
        let first = try child(of: node.program.processID)
        let page = try node.connect().ask("stats", until: "END\r\n")
        #expect(page.contains("STAT watchdog_late "))
        let (one, other) = (try node.connect(), try node.connect())
        #expect(try one.ask("mn") == "MN\r\n" && other.ask("mn") == "MN\r\n")
        try one.send("hang here\r\n")
        // Connections go to the workers in turn.
        #expect(try other.ask("mn") == "MN\r\n")
        try wait(for: "the node to be killed") { isKilledForSilence(node, first, seconds: 1) }
        #expect(try node.connect().ask("mn") == "MN\r\n")
    }

    @Test("A node that is as busy as it can be is not killed, nor one without a watchdog")
    func busy() throws {
        let node = try RunningNode.sojournd(["--supervise", "-t", "1", "-o", "watchdog=1"])
        let first = try child(of: node.program.processID)
        let peers = try (0..<8).map { _ in try node.connect() }
        let batch = String(repeating: "get a b c d e f g h i j\r\n", count: 2_000)
        let end = ContinuousClock.now + .seconds(4)
        while ContinuousClock.now < end {
            for peer in peers {
                try peer.send(batch)
                peer.received.removeAll()
            }
        }
        #expect(children(of: node.program.processID) == [first], "\(node.program.errors)")
        let unwatched = try RunningNode.sojournd(["--supervise", "-o", "watchdog=0"])
        let other = try child(of: unwatched.program.processID)
        kill(other, SIGSTOP)
        sleep(4)
        #expect(children(of: unwatched.program.processID) == [other])
        kill(other, SIGCONT)
        #expect(try unwatched.connect().ask("mn") == "MN\r\n")
    }

    @Test("A supervisor that was stopped with its node does not blame the node")
    func machineStopped() throws {
        let node = try RunningNode.sojournd(["--supervise", "-o", "watchdog=2"])
        let first = try child(of: node.program.processID)
        #expect(try node.connect().ask("mn") == "MN\r\n")
        for _ in 0..<2 {
            node.program.send(SIGSTOP)
            kill(first, SIGSTOP)
            sleep(4)
            node.program.send(SIGCONT)
            // The supervisor may well be the first to go on.
            usleep(50_000)
            kill(first, SIGCONT)
            #expect(try node.connect().ask("mn") == "MN\r\n")
            sleep(1)
        }
        #expect(children(of: node.program.processID) == [first], "\(node.program.errors)")
    }

    private static let canBeFirst: Bool = {
        let result = try? Program.run("/usr/bin/unshare", ["--pid", "--fork", "/bin/true"])
        return result?.exit == .status(0)
    }()

    @Test(
        "As process 1 of a container it reaps what others leave, and ends in order",
        .enabled(if: canBeFirst, "needs the right to make a PID namespace"))
    func firstProcess() throws {
        let script = "(sleep 0.3 &); exec \"$0\" --supervise -p -1"
        let container = try Program(
            "/usr/bin/unshare",
            ["--pid", "--fork", "--kill-child", "/bin/sh", "-c", script]
                + [try RunningNode.sojourndPath()])
        let first = try child(of: container.processID)
        try wait(for: "the node") { container.errors.contains("listens on") }
        // The node, and nobody who has ended.
        try wait(for: "an orphan to be reaped", seconds: 20) { children(of: first).count == 1 }
        kill(first, SIGTERM)
        #expect(try container.waitForExit() == .status(0))
    }
}
