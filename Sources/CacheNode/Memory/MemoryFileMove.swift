import Glibc
import SessionMap
import Synchronization

/// Moves the items of a memory file to one of another size, of other shards or a later layout: how
/// `ArenaMove` gets its memory and gives it back.
///
/// The new file has the temporary name until it is complete, and then replaces the old one. Whatever ends
/// the process on the way leaves both, with the journal in the new one's first page; the next start goes
/// on. The old file's pages go back to the file system as its items move.
struct MemoryFileMove {
    private let old: LockedFile
    private let oldMemory: UnsafeMutableRawBufferPointer
    private let found: FoundArena
    private let unfinished: UInt64?
    private let configuration: MapConfiguration
    private let damagedFileRule: NodeConfiguration.DamagedFileRule
    private let threadCount: Int

    /// fallocate(2): give pages back, and keep the file's size.
    private static let punchHole: Int32 = 0x02 | 0x01

    init(
        from old: LockedFile, _ memory: UnsafeMutableRawBufferPointer, _ found: FoundArena,
        unfinished: UInt64?, configuration: MapConfiguration,
        damagedFileRule: NodeConfiguration.DamagedFileRule, threadCount: Int
    ) {
        self.threadCount = threadCount
        self.old = old
        oldMemory = memory
        self.found = found
        self.unfinished = unfinished
        self.configuration = configuration
        self.damagedFileRule = damagedFileRule
    }

    typealias Moved = (
        file: LockedFile, memory: UnsafeMutableRawBufferPointer, found: FoundArena,
        move: MoveReport
    )

    func run(
        _ reason: String, clock: NodeClock, _ work: StartWork
    ) throws -> Moved {
        let start = ContinuousClock.now
        work.say("memory file \(old.path): \(reason); its items move")
        let now = clock.now().seconds
        let new: LockedFile
        let header: ArenaHeader
        var outlook: MoveOutlook?
        if let unfinished {
            new = try openNew()
            header = try journalled(new, unfinished)
        } else {
            header = ArenaMove.header(for: configuration, after: found)
            // Before the new file is made: a refusal leaves everything as it was.
            try checkRoom(for: header)
            new = try openNew()
            outlook = try begin(new, header, now: now)
        }
        guard ftruncate(new.descriptor, off_t(header.arenaByteCount)) == 0 else {
            throw NodeError.ofFile(new.path, "cannot make it larger", errno)
        }
        let memory = try MemoryFile.map(new, header.arenaByteCount)
        let move: ArenaMove
        do {
            move = try self.move(to: new, memory, outlook, now: now, work)
            try MemoryFile.reserve(
                new, memory.count, header.usedRanges, named: new.path,
                mapping: (memory, threadCount), work)
            move.finish(clock.saved())
            try new.replace(old)
            say(move.report, since: start, work)
        } catch {
            // The old file will say that it was closed in order: so must this half of it be.
            _ = msync(memory.baseAddress, memory.count, MS_SYNC)
            munmap(memory.baseAddress, memory.count)
            throw error
        }
        return (
            new, memory,
            FoundArena(present: header), move.report
        )
    }

    private func say(
        _ left: MoveReport, since start: ContinuousClock.Instant, _ work: StartWork
    ) {
        let milliseconds = Int((ContinuousClock.now - start) / .milliseconds(1))
        work.say(
            """
            memory file \(old.path): moved in \(milliseconds) ms; not taken along: \
            \(left.found.expiredCount) expired, \(left.found.flushedCount) flushed, \(left.evictedCount) \
            evicted for want of room, \(left.found.damagedCount) damaged
            """)
        work.warn(ofDamageIn: left.found, shardCount: found.header.regionCount)
    }

    // MARK: The new file

    private func openNew() throws(NodeError) -> LockedFile {
        let name = MemoryFile.temporaryName(old.path)
        if unfinished == nil {
            do throws(NodeError) {
                return try LockedFile.ours(name)
            } catch {
                guard error.isFileUnusable, damagedFileRule == .aside else { throw error }
                _ = try LockedFile.putAside(name)
                return try LockedFile.ours(name)
            }
        }
        guard let file = try LockedFile.there(name) else {
            throw NodeError.unusable(
                old.path,
                "part of its items have moved to \(name), which is gone; bring that back, or remove "
                    + "this one to start without items")
        }
        try file.checkOwner()
        return file
    }

    /// What the new file of a move that has begun will be.
    private func journalled(
        _ new: LockedFile, _ number: UInt64
    ) throws(NodeError) -> ArenaHeader {
        var page = [UInt64](repeating: 0, count: ArenaHeader.byteCount / 8)
        let header = page.withUnsafeMutableBytes { bytes -> ArenaHeader? in
            guard pread(new.descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count,
                let unfinished = ArenaMove.unfinished(bytes), unfinished.number == number
            else { return nil }
            return unfinished.header
        }
        guard let header else {
            throw .unusable(
                old.path,
                "part of its items have moved to another file, which \(new.path) is not; bring that "
                    + "back, or remove this one to start without items")
        }
        return header
    }

    private func begin(
        _ new: LockedFile, _ header: ArenaHeader, now: UInt32
    ) throws -> MoveOutlook {
        guard ftruncate(new.descriptor, 0) == 0 else {
            throw NodeError.ofFile(new.path, "cannot empty it", errno)
        }
        let result = posix_fallocate(new.descriptor, 0, off_t(ArenaHeader.byteCount))
        guard result == 0 else { throw NodeError.ofFile(new.path, "cannot make it", result) }
        let page = try MemoryFile.map(new, ArenaHeader.byteCount)
        defer { munmap(page.baseAddress, page.count) }
        do {
            return try ArenaMove.begin(
                oldMemory, found, to: page, header: header,
                number: .random(in: 1 ... .max), now: now, each: each)
        } catch {
            new.remove()
            throw MapError.damaged(error)
        }
    }

    /// What the move needs at its worst must be there before anything is changed.
    private func checkRoom(for header: ArenaHeader) throws(NodeError) {
        var system = statvfs()
        guard fstatvfs(old.descriptor, &system) == 0 else { return }
        let larger = max(header.usedByteCount, found.header.usedByteCount)
        let needed = larger + larger / 10 - Int(try old.status.st_blocks) * 512
        let free = Int(system.f_bavail) * Int(system.f_frsize)
        // A tmpfs without a limit says that it has no blocks at all.
        if system.f_blocks > 0, needed > free {
            throw NodeError(
                message:
                    "memory file \(old.path): to become \(header.usedByteCount >> 20) MB it needs "
                    + "\(needed >> 20) MB more, and its file system has \(free >> 20) MB left")
        }
        if MemoryFile.isInMemory(old),
            let shortage = MemoryBudget.ofThisProcess().shortage(
                arenaByteCount: header.usedByteCount)
        {
            throw NodeError(message: "memory file \(old.path) on tmpfs: \(shortage)")
        }
    }

    // MARK: Moving

    private var each: EachNumber {
        let threadCount = threadCount
        return { NodeThread.each($0, threadCount: threadCount, $1) }
    }

    private func move(
        to new: LockedFile, _ memory: UnsafeMutableRawBufferPointer, _ outlook: MoveOutlook?,
        now: UInt32, _ work: StartWork
    ) throws -> ArenaMove {
        do {
            var move = try ArenaMove(
                oldMemory, found, to: memory, outlook: outlook, eviction: configuration.eviction,
                now: now, birth: configuration.lifetimes.birthOfUnknown(at: now),
                host: host(new, memory, work))
            switch try move.run() {
            case .moved: return move
            case .interrupted: throw NodeError.stopped
            case .noRoom:
                throw NodeError(
                    message:
                        "memory file \(new.path): its file system is full; once there is room, "
                        + "the next start goes on")
            }
        } catch let error as DamagedRegion {
            throw MapError.damaged(error)
        }
    }

    /// What the move does to the files.
    private func host(
        _ new: LockedFile, _ memory: UnsafeMutableRawBufferPointer, _ work: StartWork
    ) -> ArenaMove.Host {
        let total = found.header.arenaByteCount
        let old = old
        let done = ByteCounter()
        let isInMemory = MemoryFile.isInMemory(new)
        var host = ArenaMove.Host(
            // In one go: page by page it costs a fifth of the move.
            take: { bytes in
                // On tmpfs this alone takes them, and threads need not wait for each other.
                if isInMemory, MemoryFile.populate(memory, bytes, willWrite: true) { return true }
                guard
                    posix_fallocate(new.descriptor, off_t(bytes.lowerBound), off_t(bytes.count))
                        == 0
                else { return false }
                MemoryFile.populate(memory, bytes, willWrite: true)
                return true
            },
            // Where a file system cannot, both files need their room.
            release: { bytes in
                _ = fallocate(
                    old.descriptor, Self.punchHole, off_t(bytes.lowerBound), off_t(bytes.count))
            },
            goesOn: { byteCount in
                let done = done.add(byteCount)
                return
                    (try? work.goOn {
                        "memory file \(old.path): \(done >> 20) of \(total >> 20) MB moved"
                    }) != nil
            })
        host.each = each
        return host
    }

    private final class ByteCounter: Sendable {
        private let count = Atomic<Int>(0)

        func add(_ more: Int) -> Int { count.wrappingAdd(more, ordering: .relaxed).newValue }
    }
}

/// Linux's; Swift's Glibc does not show what needs `_GNU_SOURCE`.
@_silgen_name("fallocate")
private func fallocate(_ descriptor: Int32, _ mode: Int32, _ offset: off_t, _ count: off_t) -> Int32
