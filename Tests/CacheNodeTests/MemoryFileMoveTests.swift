import Glibc
import TestSupport
import Testing

@testable import CacheNode
@testable import SessionMap

/// Memory files of another size or an earlier layout.
@Suite(.timeLimit(.minutes(10)))
struct MemoryFileMoveTests {
    private static let files =
        #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 } + "/MemoryFiles"

    /// A node's clock that goes on from the file's, as if no time had passed since.
    private func clock(_ file: MemoryFile) throws -> NodeClock {
        var saved = NodeClock().saved()
        saved.nodeSeconds = try #require(file.savedClock).nodeSeconds
        return NodeClock(resuming: saved)
    }

    private func takeOver(
        _ path: String, megabytes: Int, shardCount: Int, secondsLater: UInt32 = 0
    ) throws -> (file: MemoryFile, map: SessionMap, report: RecoveryReport, now: UInt32) {
        let configuration = MapConfiguration(
            byteCount: megabytes << 20, eviction: .standard, shardCount: shardCount)
        let opened = try MemoryFile(
            path: path, byteCount: SessionMap.arenaByteCount(forMapOf: megabytes << 20))
        let clock = try clock(opened)
        clock.advance(seconds: Int64(secondsLater))
        let work = StartWork()
        let file = try MemoryFile.fitted(
            opened, to: configuration, clock: clock, damagedFileRule: .refuse, work)
        try file.prepareToRecover(work)
        let now = clock.now().seconds
        var report = RecoveryReport()
        let map = try SessionMap(
            configuration, recovering: file.memory, header: try #require(file.header), now: now,
            report: &report)
        return (file, map, report, now)
    }

    private func unpackLayout3(to path: String) throws {
        let unpacked = try Program.run(
            "/bin/sh", ["-c", "gzip -dc '\(Self.files)/layout3.gz' > '\(path)'"])
        try #require(unpacked.exit == .status(0))
    }

    /// Lets the file be of this start of the machine, or of another one.
    private func setBootID(_ bytes: [UInt8], in path: String) throws {
        let descriptor = open(path, O_WRONLY)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        #expect(pwrite(descriptor, bytes, 16, 64) == 16)
    }

    @Test("A file of layout 3 that was in use when the machine stopped is not believed")
    func interruptedLayout3() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/arena"
        try unpackLayout3(to: path)
        try setBootID([UInt8](repeating: 0x5A, count: 16), in: path)
        let file = try MemoryFile(
            path: path, byteCount: SessionMap.arenaByteCount(forMapOf: 8 << 20))
        withExtendedLifetime(file) {
            #expect(file.savedClock == nil && file.header == nil)
            // It is kept, beside a new one.
            #expect(directory.names.count == 2, "\(directory.names)")
        }
    }

    private struct Item: Equatable {
        var value: String
        var clientFlags: UInt32
        var casUnique: UInt64
        var isStale: Bool
    }

    private func item(_ map: SessionMap, _ key: String, now: UInt32) -> Item? {
        let key = Array(key.utf8)
        var item: Item?
        _ = map.peek(key.span, now: now) { hit in
            var value = [UInt8](repeating: 0, count: hit.valueByteCount)
            value.withUnsafeMutableBytes { hit.copyValue(into: $0) }
            item = Item(
                value: String(decoding: value, as: UTF8.self), clientFlags: hit.clientFlags,
                casUnique: hit.casUnique, isStale: hit.isStale)
        }
        return item
    }

    /// See Tests/MemoryFiles/README.md for what is in it.
    @Test(
        "Whoever upgrades a node of layout 3 keeps all sessions, with more memory or less",
        arguments: [(8, 1), (16, 2), (4, 1), (64, 4)])
    func layout3(_ megabytes: Int, _ shardCount: Int) throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/arena"
        try unpackLayout3(to: path)
        try setBootID(NodeClock().saved().bootID, in: path)
        let (file, map, report, now) = try takeOver(
            path, megabytes: megabytes, shardCount: shardCount, secondsLater: 200)
        try withExtendedLifetime(file) {
            #expect(directory.names == ["arena"])
            #expect(file.memory.count == SessionMap.arenaByteCount(forMapOf: megabytes << 20))
            #expect(report.itemCount == 202 && map.shardCount == shardCount)
            map.checkInvariants(now: now)
            for number in 0..<50 {
                let plain = item(map, "plain-\(number)", now: now)
                #expect(plain?.value == "value of plain \(number)" && plain?.clientFlags == 0)
                let flags = item(map, "flags-\(number)", now: now)
                #expect(flags?.value == "value of flags \(number)")
                #expect(flags?.clientFlags == UInt32(number) + 1)
                let timed = Array("timed-\(number)".utf8)
                var secondsLeft: UInt32?
                _ = map.peek(timed.span, now: now) { secondsLeft = $0.secondsLeft }
                // Some seconds may have passed while the file was made, or is taken over.
                let left = try #require(secondsLeft)
                #expect((99_740...99_801).contains(Int(left) - number))
            }
            for number in 0..<30 {
                #expect(item(map, "proven-\(number)", now: now)?.clientFlags == UInt32(number))
            }
            for number in 0..<20 {
                for kind in ["flushed", "expired", "gone"] {
                    #expect(item(map, "\(kind)-\(number)", now: now) == nil)
                }
            }
            let large = try #require(item(map, "large", now: now))
            #expect(large.clientFlags == 5 && large.value.utf8.count == 500_000)
            #expect(
                large.value == String(repeating: "a large value ", count: 40_000).prefix(500_000))
            #expect(item(map, "plain-7", now: now)?.casUnique == 1_929)
            #expect(item(map, "flags-9", now: now)?.casUnique == 1_981)
            #expect(item(map, "stale", now: now)?.isStale == true)
            #expect(item(map, "binary key", now: now)?.value == "abc")
            // 30 that were read back, one in base64 too old for probation to matter, and fillers.
            #expect(map.statistics(now: now).provenItemCount == 33)
        }
    }

    @Test("A file that finds the place of its other half taken is not taken for whole")
    func lostHalf() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/arena"
        let configuration = MapConfiguration(byteCount: 8 << 20, shardCount: 1)
        do {
            let file = try MemoryFile(
                path: path, byteCount: SessionMap.arenaByteCount(forMapOf: 8 << 20))
            let map = try SessionMap(configuration, in: file.memory, now: 10)
            let value = [UInt8](repeating: 1, count: 1_000)
            for number in 0..<5_000 {
                let key = Array("key-\(number)".utf8)
                let request = StoreRequest(mode: .set, clientFlags: 0, deadline: .never)
                #expect(
                    map.store(key.span, request, value: value.span, now: 10) == .stored)
            }
            map.save(NodeClock().saved())
            try file.finish()
        }
        // A move that is stopped at its second question.
        final class Counter: @unchecked Sendable { var count = 0 }
        let counter = Counter()
        func move(_ work: StartWork) throws -> Int {
            let opened = try MemoryFile(
                path: path, byteCount: SessionMap.arenaByteCount(forMapOf: 16 << 20))
            let target = MapConfiguration(byteCount: 16 << 20, shardCount: 2)
            let clock = try clock(opened)
            let file = try MemoryFile.fitted(
                opened, to: target, clock: clock, damagedFileRule: .refuse, work)
            try file.prepareToRecover(work)
            var report = RecoveryReport()
            _ = try SessionMap(
                target, recovering: file.memory, header: try #require(file.header),
                now: clock.now().seconds, report: &report)
            return report.itemCount
        }
        #expect(throws: NodeError.stopped) {
            _ = try move(
                StartWork(shouldStop: {
                    counter.count += 1
                    return counter.count > 10
                }))
        }
        #expect(directory.names == ["arena", "arena.new"])
        rename(path + ".new", directory.path + "/elsewhere")
        #expect(throws: NodeError.self) { _ = try move(StartWork()) }
        _ = try directory.write("something else", to: "arena.new")
        chmod(path + ".new", 0o600)
        #expect(throws: NodeError.self) { _ = try move(StartWork()) }
        unlink(path + ".new")
        rename(directory.path + "/elsewhere", path + ".new")
        #expect(try move(StartWork()) == 5_000)
        #expect(directory.names == ["arena"])
    }
}
