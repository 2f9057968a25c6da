import Glibc
import TestSupport
import Testing

/// A small tmpfs, in a mount namespace of its own: only nodes that are started on it see it.
private final class SmallFileSystem {
    private let holder: Program
    private let directory: TemporaryDirectory

    /// Containers often have a root who may not mount anything.
    static let isPossible: Bool = {
        let tried = try? Program.run(
            "/usr/bin/unshare", ["--mount", "/bin/sh", "-c", "mount -t tmpfs none /mnt"])
        return tried?.exit == .status(0)
    }()

    var path: String { directory.path }
    /// As this process sees it.
    private var outerPath: String { "/proc/\(holder.processID)/root\(directory.path)" }

    init(megabytes: Int) throws {
        directory = try TemporaryDirectory()
        holder = try Program(
            "/usr/bin/unshare",
            [
                "--mount", "/bin/sh", "-c",
                "mount -t tmpfs -o size=\(megabytes)m none '\(directory.path)' && "
                    + "touch '\(directory.path)/mounted' && exec sleep 600",
            ])
        try wait(for: "the file system") {
            if holder.hasEnded { throw Trouble("no file system: \(holder.errors)") }
            return names == ["mounted"]
        }
        unlink(outerPath + "/mounted")
    }

    var names: [String] { fileNames(in: outerPath) ?? [] }

    /// What a shell does before it becomes a node that sees it.
    var preparation: String {
        "exec nsenter --mount=/proc/\(holder.processID)/ns/mnt -- \"$0\" \"$@\""
    }

    func byteCount(_ name: String) -> Int {
        var status = stat()
        return stat(outerPath + "/" + name, &status) == 0 ? Int(status.st_size) : -1
    }

    func write(_ text: String, to name: String, byteCount: Int) throws {
        let descriptor = open(outerPath + "/" + name, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Trouble("cannot make \(name)") }
        defer { close(descriptor) }
        _ = text.withCString { Glibc.write(descriptor, $0, text.utf8.count) }
        guard posix_fallocate(descriptor, 0, off_t(byteCount)) == 0 else {
            throw Trouble("no room for \(name)")
        }
    }

    /// Takes all that is left.
    func fill() throws {
        let descriptor = open(outerPath + "/others", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Trouble("cannot make a file") }
        defer { close(descriptor) }
        let page = [UInt8](repeating: 1, count: 4_096)
        while page.withUnsafeBytes({ Glibc.write(descriptor, $0.baseAddress, $0.count) }) > 0 {}
        guard errno == ENOSPC else { throw Trouble("it is not full: \(errno)") }
    }
}

/// What a user sees of a disk that is full.
@Suite(
    .timeLimit(.minutes(10)),
    .enabled(
        if: SmallFileSystem.isPossible,
        "a file system of its own needs root's rights to mount, and unshare (Debian package util-linux)"
    ))
struct FullDiskTests {
    private func refused(_ disk: SmallFileSystem, _ flags: [String]) throws -> String {
        let program = try Program.prepared(
            disk.preparation, RunningNode.sojourndPath(), ["-p", "-1"] + flags)
        #expect(try program.waitForExit() == .status(71), "\(program.errors)")
        return program.errors
    }

    private func store(_ node: RunningNode, _ numbers: Range<Int>, byteCount: Int) throws {
        let peer = try node.connect()
        let value = String(repeating: "v", count: byteCount)
        for number in numbers {
            let reply = try peer.ask("set s-\(number) 0 900 \(byteCount)\r\n\(value)")
            guard reply == "STORED\r\n" else { throw Trouble("s-\(number): \(reply)") }
        }
    }

    @Test("A memory file that its file system cannot hold is told at the start, and leaves nothing")
    func tooSmall() throws {
        let disk = try SmallFileSystem(megabytes: 24)
        let errors = try refused(disk, ["-m", "64", "-e", disk.path + "/arena"])
        #expect(errors.contains("cannot take 64 MB of disk for it: No space left on device"))
        #expect(errors.contains(disk.path + "/arena"))
        #expect(disk.names == [])
        let node = try RunningNode.sojournd(
            ["-m", "16", "-e", disk.path + "/arena"], preparation: disk.preparation)
        #expect(try node.connect().ask("set k 0 0 1\r\nx") == "STORED\r\n")
    }

    @Test("A disk that others fill while a node runs costs it nothing: no store, and no restart")
    func filledByOthers() throws {
        let disk = try SmallFileSystem(megabytes: 40)
        let flags = ["-m", "16", "-e", disk.path + "/arena"]
        var node = try RunningNode.sojournd(flags, preparation: disk.preparation)
        try store(node, 0..<10, byteCount: 100_000)
        try disk.fill()
        // More than the node's memory holds: it takes pages that it had not touched before.
        try store(node, 10..<300, byteCount: 100_000)
        #expect(try #require(try node.counter("evictions")) > 100)
        let count = try #require(try node.counter("curr_items"))
        #expect(count > 100)
        node.program.end()
        node = try RunningNode.sojournd(flags, preparation: disk.preparation)
        #expect(try node.counter("curr_items") == count)
        try store(node, 300..<400, byteCount: 100_000)
        node.program.send(SIGTERM)
        #expect(try node.program.waitForExit() == .status(0))
    }

    @Test(
        "More memory than the disk can take is refused before anything moves, with what is missing")
    func moreThanThereIs() throws {
        let disk = try SmallFileSystem(megabytes: 40)
        let flags = ["-e", disk.path + "/arena"]
        var node = try RunningNode.sojournd(
            flags + ["-m", "16"], preparation: disk.preparation)
        try store(node, 0..<200, byteCount: 1_000)
        node.program.end()
        let errors = try refused(disk, flags + ["-m", "64"])
        #expect(errors.contains("to become 64 MB it needs 5"), "\(errors)")
        #expect(errors.contains("its file system has 2"), "\(errors)")
        #expect(disk.names == ["arena"])
        node = try RunningNode.sojournd(flags + ["-m", "16"], preparation: disk.preparation)
        #expect(try node.counter("curr_items") == 200)
    }

    @Test("More memory for a running node than the disk has is refused, and costs it nothing")
    func growthWithoutRoom() throws {
        let disk = try SmallFileSystem(megabytes: 40)
        let node = try RunningNode.sojournd(
            ["-m", "16", "-e", disk.path + "/arena"], preparation: disk.preparation)
        let peer = try node.connect()
        try store(node, 0..<100, byteCount: 100_000)
        let error = "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"
        #expect(try peer.ask("cache_memlimit 64") == error)
        try wait(for: "the reason") {
            node.program.errors.contains(
                "the memory limit stays 16 MB: the file system has no 48 MB more for ")
                && node.program.errors.contains("No space left on device")
        }
        #expect(try node.counter("limit_maxbytes") == 16 << 20)
        // What had been taken for it is there for others, and for less of it.
        #expect(try peer.ask("cache_memlimit 32") == "OK\r\n")
        try store(node, 100..<250, byteCount: 100_000)
        #expect(try node.counter("evictions") == 0)
        try disk.fill()
        #expect(try peer.ask("cache_memlimit 36") == error)
        try store(node, 250..<600, byteCount: 100_000)
        // Less of it, and what goes back is there for others.
        #expect(try peer.ask("cache_memlimit 16") == "OK\r\n")
        try wait(for: "memory to go back") { try node.counter("released_bytes") ?? 0 > 14 << 20 }
        try store(node, 600..<800, byteCount: 100_000)
    }

    @Test("Where there is no room for a damaged file and a new one, the damaged one's head is kept")
    func noRoomForBoth() throws {
        let disk = try SmallFileSystem(megabytes: 24)
        try disk.write("not a memory file", to: "arena", byteCount: 16 << 20)
        let flags = ["-m", "16", "-e", disk.path + "/arena"]
        #expect(try refused(disk, flags).contains("it is not a memory file of sojournd"))
        #expect(disk.byteCount("arena") == 16 << 20)
        let node = try RunningNode.sojournd(
            flags + ["-o", "damaged_file=aside"], preparation: disk.preparation)
        try store(node, 0..<100, byteCount: 100_000)
        let aside = try #require(disk.names.first { $0.hasPrefix("arena.damaged-") })
        #expect(disk.names == ["arena", aside] && disk.byteCount(aside) == 4_096)
        try wait(for: "the news") {
            node.program.errors.contains(
                "no room for both; of \(disk.path)/\(aside) only the first page")
        }
    }
}
