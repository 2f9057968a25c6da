import Glibc
import TestSupport
import Testing

@testable import CacheNode
@testable import SessionMap

/// The file of `-e`. One at a time: a test lowers the process's limit for files.
@Suite(.serialized, .timeLimit(.minutes(10))) struct MemoryFileTests {
    private static let mapByteCount = 1 << 20
    private static let byteCount = SessionMap.arenaByteCount(forMapOf: mapByteCount)
    private let configuration = MapConfiguration(
        byteCount: mapByteCount, itemByteCountMax: 100_000, shardCount: 1, hashSeed: 71)

    /// Makes a file with one item in it.
    private func makeFile(_ path: String) throws {
        let file = try MemoryFile(path: path, byteCount: Self.byteCount)
        try #require(file.header == nil)
        let map = try SessionMap(configuration, in: file.memory, now: 10)
        store(map, "key", [1, 2, 3])
        map.save(
            SavedClock(
                nodeSeconds: 10, bootSeconds: 20, wallSeconds: 30,
                bootID: [UInt8](repeating: 4, count: 16)))
        try file.finish()
    }

    private func store(_ map: SessionMap, _ key: String, _ value: [UInt8]) {
        let key = Array(key.utf8)
        let outcome = map.store(
            key.span, StoreRequest(mode: .set, clientFlags: 0, deadline: .never),
            value: value.span, now: 10)
        #expect(outcome == .stored)
    }

    /// Whether the item is there for whoever takes the file over.
    private func hasItem(_ path: String) throws -> Bool {
        try hasItem(MemoryFile(path: path, byteCount: Self.byteCount))
    }

    private func hasItem(_ file: MemoryFile) throws -> Bool {
        try withExtendedLifetime(file) {
            var report = RecoveryReport()
            let map = try SessionMap(
                configuration, recovering: file.memory, header: try #require(file.header), now: 10,
                report: &report)
            let key = Array("key".utf8)
            return map.contains(key.span, now: 10)
        }
    }

    /// What the file is refused with; nothing when it is taken.
    private func refusal(_ path: String, byteCount: Int = byteCount) -> String? {
        do throws(NodeError) {
            _ = try MemoryFile(path: path, byteCount: byteCount)
            return nil
        } catch {
            return error.message
        }
    }

    private func mode(_ path: String) -> UInt32 {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func aNewFileIsTakenOverByTheNextProcess() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        try makeFile(path)
        #expect(directory.names == ["arena"])
        let file = try MemoryFile(path: path, byteCount: Self.byteCount)
        #expect(file.savedClock?.nodeSeconds == 10 && file.savedClock?.wallSeconds == 30)
        #expect(try hasItem(file))
        try file.finish()
        #expect(directory.names == ["arena"])
    }

    /// The machine stops while a node runs: pages on disk are of different moments.
    @Test func aFileThatWasInUseWhenTheMachineStoppedIsNotTakenOver() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        try makeFile(path)
        let boots = [[UInt8](repeating: 1, count: 16), [UInt8](repeating: 2, count: 16)]
        func refusal(_ boot: Int) -> String? {
            do throws(NodeError) {
                _ = try MemoryFile(path: path, byteCount: Self.byteCount, bootID: boots[boot])
                return nil
            } catch {
                return error.message
            }
        }
        // Closed in order each time: whatever start of the machine it is.
        for boot in [0, 1, 0] { #expect(refusal(boot) == nil) }
        let inUse: [UInt8]
        do {
            let file = try MemoryFile(path: path, byteCount: Self.byteCount, bootID: boots[0])
            #expect(try hasItem(file))
            inUse = try directory.read("arena")
        }
        // Left by a process that died: whole as long as the machine runs, and nothing after that.
        try directory.write("arena", inUse)
        #expect(refusal(0) == nil)
        try directory.write("arena", inUse)
        do {
            // A node starts without items whatever it was told, and what was there is kept aside.
            let file = try MemoryFile(path: path, byteCount: Self.byteCount, bootID: boots[1])
            #expect(file.header == nil)
            let kept = try #require(directory.names.first { $0.hasPrefix("arena.damaged-") })
            #expect(try directory.read(kept) == inUse)
        }
        try directory.write("arena", inUse)
        #expect(try hasItem(MemoryFile(path: path, byteCount: Self.byteCount, bootID: boots[0])))
    }

    @Test func onlyItsOwnerMayReadAFile() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        let mask = umask(0)
        try makeFile(path)
        umask(mask)
        #expect(mode(path) == 0o600)
        // Also one that somebody has opened to others meanwhile.
        chmod(path, 0o666)
        _ = try MemoryFile(path: path, byteCount: Self.byteCount)
        #expect(mode(path) == 0o600)
    }

    @Test func aFileThatIsInUseIsRefused() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        try makeFile(path)
        do {
            let file = try MemoryFile(path: path, byteCount: Self.byteCount)
            #expect(refusal(path)?.contains("in use by a running node") == true)
            #expect(try hasItem(file))
        }
        #expect(refusal(path) == nil)
    }

    @Test func aFileThatAnotherProcessIsMakingIsRefusedAndLeftAlone() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        let file = try MemoryFile(path: path, byteCount: Self.byteCount)
        #expect(refusal(path)?.contains("in use by a running node") == true)
        let map = try SessionMap(configuration, in: file.memory, now: 10)
        store(map, "key", [1])
        try file.finish()
        #expect(directory.names == ["arena"])
    }

    @Test func aFileThatIsNeverFinishedLeavesNothing() throws {
        let directory = try FileDirectory()
        _ = try MemoryFile(path: directory.path + "/arena", byteCount: Self.byteCount)
        #expect(directory.names.isEmpty)
    }

    @Test func whatADyingProcessLeftOfANewFileDoesNotMatter() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        // A name of its own until it is complete: all sizes and any bytes are only leftovers.
        for byteCount in [0, 100, Self.byteCount, 2 * Self.byteCount] {
            try directory.write("arena.new", [UInt8](repeating: 0xA5, count: byteCount))
            try makeFile(path)
            #expect(directory.names == ["arena"])
            #expect(try directory.read("arena").count == Self.byteCount)
            #expect(try hasItem(path))
            unlink(path)
        }
        // Even those of a file that was complete but for its name.
        try makeFile(path)
        rename(path, path + ".new")
        let file = try MemoryFile(path: path, byteCount: Self.byteCount)
        #expect(file.header == nil)
        #expect(file.memory[ArenaHeader.byteCount...].allSatisfy { $0 == 0 })
    }

    @Test func aFileWithoutAByteIsTakenAsNew() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        try directory.write("arena", [])
        try makeFile(path)
        #expect(try hasItem(path))
        #expect(mode(path) == 0o600)
    }

    @Test("Whoever starts first keeps the name: a node that is late replaces nobody's file")
    func lateFirstStart() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        let late = try MemoryFile(path: path, byteCount: Self.byteCount)
        // As if the late one had looked for the file before the other one had given it its name.
        rename(path + ".new", directory.path + "/elsewhere")
        try makeFile(path)
        rename(directory.path + "/elsewhere", path + ".new")
        #expect(throws: NodeError.self) { try late.finish() }
        #expect(try hasItem(path))
    }

    @Test("Nodes that start for the first time at the same moment never replace each other's file")
    func sameMoment() async throws {
        for _ in 0..<5 {
            let directory = try FileDirectory()
            let path = directory.path + "/arena"
            let names = await withTaskGroup(of: UInt64?.self) { group in
                for _ in 0..<4 {
                    group.addTask {
                        guard let file = try? MemoryFile(path: path, byteCount: Self.byteCount)
                        else { return nil }
                        if file.header == nil {
                            _ = try? SessionMap(configuration, in: file.memory, now: 10)
                        }
                        guard (try? file.finish()) != nil else { return nil }
                        var status = stat()
                        return stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
                    }
                }
                return await group.reduce(into: Set<UInt64>()) { names, name in
                    if let name { names.insert(name) }
                }
            }
            #expect(names.count == 1)
        }
    }

    @Test(
        "A file that another user owns, or can still write to, is refused: he could read sessions")
    func othersFiles() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        try makeFile(path)
        let writer = open(path, O_RDWR)
        #expect(refusal(path)?.contains("another process has it open") == true)
        close(writer)
        #expect(link(path, directory.path + "/other") == 0)
        #expect(refusal(path)?.contains("2 names") == true)
        unlink(directory.path + "/other")
        #expect(symlink(path, directory.path + "/link") == 0)
        #expect(refusal(directory.path + "/link")?.contains("symbolic link") == true)
        #expect(try hasItem(path))
        // Only root can give a file away.
        guard geteuid() == 0 else { return }
        #expect(chown(path, 65_534, 65_534) == 0)
        #expect(refusal(path)?.contains("belongs to user 65534") == true)
        // Nor is a half-made one taken that somebody else has made.
        unlink(path)
        try directory.write("arena.new", [1, 2, 3])
        #expect(chown(path + ".new", 65_534, 65_534) == 0)
        #expect(refusal(path)?.contains("belongs to user 65534") == true)
        #expect(try directory.read("arena.new") == [1, 2, 3])
    }

    @Test("With damaged_file=aside a file that cannot be taken over is kept, and the node starts")
    func aside() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        let text = [UInt8]("somebody's thesis\n".utf8)
        for count in 1...2 {
            try directory.write("arena", text)
            let file = try MemoryFile(
                path: path, byteCount: Self.byteCount, damagedFileRule: .aside)
            #expect(file.header == nil)
            try file.finish()
            let kept = directory.names.filter { $0.hasPrefix("arena.damaged-2") }
            #expect(kept.count == count && directory.names.count == count + 1)
            for name in kept { #expect(try directory.read(name) == text) }
            unlink(path)
        }
    }

    @Test("A file that somebody looks at is never put aside, with all its sessions")
    func asideNotInUse() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        try makeFile(path)
        let reader = open(path, O_RDONLY)
        defer { close(reader) }
        let error = #expect(throws: NodeError.self) {
            try MemoryFile(path: path, byteCount: Self.byteCount, damagedFileRule: .aside)
        }
        #expect(error?.message.contains("another process has it open") == true)
        #expect(directory.names == ["arena"])
    }

    @Test("Making a large file says how far it is, and ends when the node is asked to stop")
    func interruptedMaking() throws {
        let directory = try FileDirectory()
        var error: NodeError?
        do throws(NodeError) {
            _ = try MemoryFile(
                path: directory.path + "/arena", byteCount: 256 << 20,
                work: StartWork(shouldStop: { true }))
        } catch let stopped {
            error = stopped
        }
        #expect(error == .stopped)
        #expect(directory.names.isEmpty)
    }

    @Test func aTruncatedFileIsRefusedAndNotChanged() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        try makeFile(path)
        let whole = try directory.read("arena")
        for byteCount in [Self.byteCount - 1, Self.byteCount / 2, ArenaHeader.byteCount] {
            try directory.write("arena", Array(whole[..<byteCount]))
            #expect(refusal(path)?.contains("truncated") == true)
            #expect(try directory.read("arena").count == byteCount)
        }
        for byteCount in [1, 8, ArenaHeader.byteCount - 1] {
            try directory.write("arena", Array(whole[..<byteCount]))
            #expect(refusal(path)?.contains("not a memory file") == true)
        }
    }

    @Test func foreignFilesAreRefusedAndNotChanged() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        let text = [UInt8]("somebody's thesis\n".utf8)
        for bytes in [text, [UInt8](repeating: 0, count: Self.byteCount)] {
            try directory.write("arena", bytes)
            chmod(path, 0o644)
            #expect(refusal(path)?.contains("not a memory file of sojournd") == true)
            #expect(try directory.read("arena") == bytes && mode(path) == 0o644)
            #expect(directory.names == ["arena"])
        }
    }

    @Test func filesOfOtherBuildsAreRefusedWithTheirVersion() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        try makeFile(path)
        let whole = try directory.read("arena")
        var other = whole
        other[8] = 99
        try directory.write("arena", other)
        #expect(refusal(path)?.contains("layout version 99") == true)
        other = whole
        for word in [0..<8, 8..<12, 12..<16] { other[word].reverse() }
        try directory.write("arena", other)
        #expect(refusal(path)?.contains("another byte order") == true)
    }

    @Test func whatIsNoFileIsRefusedAndStaysWhatItIs() throws {
        let directory = try FileDirectory()
        #expect(refusal(directory.path)?.contains("not a regular file") == true)
        let fifo = directory.path + "/fifo"
        #expect(mkfifo(fifo, 0o600) == 0)
        #expect(refusal(fifo)?.contains("not a regular file") == true)
        #expect(refusal("/dev/null")?.contains("not a regular file") == true)
        #expect(directory.names == ["fifo"])
    }

    @Test func aPlaceThatCannotBeWrittenIsRefused() throws {
        #expect(refusal("/proc/arena")?.contains("cannot open it") == true)
        let directory = try FileDirectory()
        #expect(refusal(directory.path + "/none/arena")?.contains("cannot open it") == true)
        try directory.write("file", [1])
        #expect(refusal(directory.path + "/file/arena")?.contains("Not a directory") == true)
    }

    @Test func aFileThatFindsNoRoomIsRefusedAndLeavesNothing() throws {
        let directory = try FileDirectory()
        let path = directory.path + "/arena"
        // A file system that is too full answers likewise; this needs no file system of its own.
        let old = signal(SIGXFSZ, SIG_IGN)
        defer { signal(SIGXFSZ, old) }
        var limit = rlimit()
        try #require(getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) == 0)
        var lower = limit
        lower.rlim_cur = rlim_t(64 << 20)
        try #require(setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &lower) == 0)
        defer { setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit) }
        #expect(refusal(path, byteCount: 128 << 20)?.contains("cannot take 128 MB of disk") == true)
        #expect(directory.names.isEmpty)
        #expect(refusal(path) == nil)
    }
}
