import Cluster
import Glibc
import TestSupport
import Testing

@testable import CacheNode

/// What a member's next process knows of deletions, whatever has become of this one.
@Suite(.timeLimit(.minutes(10)))
struct DeletionLogTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.path + "/arena.deletions"
    }

    private func open(cluster: UInt64 = 7, arena: UInt64 = 1) throws -> DeletionLog {
        try DeletionLog(path, cluster: cluster, arenaID: [arena, 2], halfByteCount: 0)
    }

    /// A process that writes these, and ends.
    private func write(_ entries: [DeletionLog.Entry]) throws {
        let log = try open()
        _ = log.load()
        for entry in entries { log.append(entry) }
    }

    private func entry(
        _ number: Int, _ kind: DeletionLog.Entry.Kind = .deletion, keyByteCount: Int = 20
    ) -> DeletionLog.Entry {
        let name = Array("key:\(number):".utf8)
        let key = name + [UInt8](repeating: 0x78, count: max(0, keyByteCount - name.count))
        return .init(
            kind: kind,
            tombstone: .init(
                key: key, stamp: Stamp(birth: UInt32(number), version: UInt64(number) << 20),
                madeSeconds: UInt32(number)))
    }

    @Test("What was written down is read again, in its order, however often nodes start")
    func kept() throws {
        var written: [DeletionLog.Entry] = []
        for start in 0..<4 {
            let log = try open()
            #expect(log.load() == written)
            for number in 0..<100 {
                let new = entry(
                    100 * start + number, number % 3 == 0 ? .change : .deletion,
                    keyByteCount: [8, 20, 250][number % 3])
                log.append(new)
                written.append(new)
            }
        }
        #expect(try open().load() == written)
    }

    @Test("Another cluster's deletions are none, and a file of other bytes is an empty one")
    func foreign() throws {
        try write([entry(1)])
        #expect(try open(cluster: 8).load().isEmpty)
        _ = try directory.write(String(repeating: "x", count: 1 << 20), to: "arena.deletions")
        chmod(path, 0o600)
        #expect(try open().load().isEmpty)
    }

    @Test("An entry that was cut, or changed, ends what is read, and nothing else is lost")
    func cut() throws {
        try write((0..<10).map { entry($0) })
        let whole = try #require(bytes(of: path))
        let byteCount = 28 + entry(0).tombstone.key.count
        // Of the half that was written: the first, empty start has used the other one.
        let start = try #require(whole.firstRange(of: Array("key:9:".utf8))?.lowerBound)
        for (place, count) in [(start, 9), (start - byteCount, 8), (start - 28, 9)] {
            var damaged = whole
            damaged[place] ^= 1
            try overwrite(damaged)
            #expect(try open().load() == (0..<count).map { entry($0) })
        }
    }

    @Test("When it is full what still counts goes on in the other half, the oldest last")
    func full() throws {
        let count = try fill()
        let kept = try open().load()
        #expect(kept.last == entry(count - 1))
        #expect((count / 2..<count).contains(kept.count))
        #expect(kept == (count - kept.count..<count).map { entry($0) })
    }

    /// Returns how many entries were written, when it was full and begun anew.
    private func fill() throws -> Int {
        let log = try open()
        _ = log.load()
        var count = 0
        while log.hasRoom(for: entry(count).tombstone) {
            log.append(entry(count))
            count += 1
        }
        log.rewrite((0..<count).map { entry($0) })
        #expect(log.hasRoom(for: entry(count).tombstone))
        return count
    }

    @Test("With another memory file only deletions count: what was changed may be nowhere here")
    func otherArena() throws {
        try write([entry(1), entry(2, .change), entry(3)])
        #expect(try open(arena: 9).load() == [entry(1), entry(3)])
    }

    private func bytes(of path: String) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        return [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
            count = fread(buffer.baseAddress, 1, buffer.count, file)
        }
    }

    private func overwrite(_ bytes: [UInt8]) throws {
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        #expect(fwrite(bytes, 1, bytes.count, file) == bytes.count)
    }
}
