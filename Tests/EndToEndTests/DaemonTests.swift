import Glibc
import TestSupport
import Testing

/// `-d`: whoever starts a node in the background is told whether there is one.
@Suite(.timeLimit(.minutes(10)))
struct DaemonTests {
    /// A node in the background, which ends with the test.
    private final class Daemon {
        let processID: pid_t

        init(pidFile: String) throws {
            let text = (contents(of: pidFile) ?? "").dropLast()
            processID = try #require(pid_t(text))
            try #require(processID > 1)
        }

        deinit { kill(processID, SIGKILL) }
    }

    private func inDirectory(_ directory: TemporaryDirectory, _ flags: [String]) throws -> (
        exit: Program.Exit, errors: String
    ) {
        let program = try Program.prepared(
            "cd \(directory.path)", try RunningNode.sojourndPath(), flags)
        return (try program.waitForExit(seconds: 30), program.errors)
    }

    @Test(
        "-d returns when the node serves in the background, and relative paths are where it was started",
        arguments: [[], ["--supervise"]])
    func serves(flags: [String]) throws {
        let directory = try TemporaryDirectory()
        let started = try inDirectory(
            directory, ["-d", "-s", "socket", "-e", "arena", "-P", "pid", "-m", "8"] + flags)
        // No waiting here: it serves.
        #expect(started.exit == .status(0), "\(started.errors)")
        let place = RunningNode.Place.unix(path: directory.path + "/socket")
        #expect(try SocketPeer(place).ask("set k 0 0 1\r\nx") == "STORED\r\n")
        let daemon = try Daemon(pidFile: directory.path + "/pid")
        #expect(getsid(daemon.processID) == daemon.processID)
        #expect(directory.names == ["arena", "pid", "socket"])
        kill(daemon.processID, SIGTERM)
        // Nobody waits for its status; its files go when it ends in order.
        try wait(for: "the daemon's end") { directory.names == ["arena"] }
    }

    @Test("-d tells why there is no node, with its status", arguments: [[], ["--supervise"]])
    func failures(flags: [String]) throws {
        let directory = try TemporaryDirectory()
        let other = try RunningNode.sojournd()
        let taken = try inDirectory(directory, ["-d", "-p", "\(try other.port)"] + flags)
        #expect(taken.exit == .status(71))
        #expect(taken.errors.contains("Address already in use"))
        _ = try directory.write("no memory file", to: "arena")
        let foreign = try inDirectory(directory, ["-d", "-p", "-1", "-e", "arena"] + flags)
        #expect(foreign.exit == .status(71))
        #expect(foreign.errors.contains("is not a memory file of sojournd"))
    }

    @Test("-d of a node that is killed before it serves is a failure")
    func killed() throws {
        let directory = try TemporaryDirectory()
        let arena = try LockedFile(directory.path + "/arena")
        let program = try Program(
            try RunningNode.sojourndPath(), ["-d", "-p", "-1", "-m", "8", "-e", arena.path])
        let node = try arena.waitForOpener { $0 != program.processID }
        kill(node, SIGKILL)
        #expect(try program.waitForExit(seconds: 30) == .status(128 + SIGKILL))
        #expect(program.errors.contains("was killed by signal 9 (Killed) before it served"))
    }
}

/// A memory file that another process has: a node that starts with it waits for a while, and says when
/// it got there by having it open.
final class LockedFile {
    let path: String
    private var descriptor: Int32

    init(_ path: String) throws {
        self.path = path
        // One that can be taken over.
        let first = try RunningNode.sojournd(["-m", "8", "-e", path])
        first.program.send(SIGTERM)
        #expect(try first.program.waitForExit() == .status(0))
        descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw Trouble("cannot lock \(path)")
        }
    }

    func unlock() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }

    deinit { unlock() }

    /// The process that has opened the file.
    func waitForOpener(where isWanted: (pid_t) -> Bool) throws -> pid_t {
        var found: pid_t?
        try wait(for: "a node with \(path)") {
            found = Self.processes().first { $0 != getpid() && isWanted($0) && hasOpened($0) }
            return found != nil
        }
        return try #require(found)
    }

    private static func processes() -> [pid_t] {
        (fileNames(in: "/proc") ?? []).compactMap { pid_t($0) }
    }

    private func hasOpened(_ process: pid_t) -> Bool {
        (3..<64).contains { number in
            var link = [CChar](repeating: 0, count: Int(PATH_MAX))
            let count = readlink("/proc/\(process)/fd/\(number)", &link, link.count)
            let target = link.prefix(max(0, count)).map { UInt8(bitPattern: $0) }
            return String(decoding: target, as: UTF8.self) == path
        }
    }
}
