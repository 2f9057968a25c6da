import Glibc
import SessionMap

/// The file of `-e`: a map's memory that outlives the process.
///
/// Goals: a file is taken over as a whole or not at all; one process at a time; a full disk is an
/// error at start, not a signal later. A new file is made under another name and gets its own when it is
/// complete, so that no death of the process leaves half of one.
///
/// Not a goal: surviving the machine while a node runs. What the kernel had not written to disk when the
/// machine stopped is lost, and what it had may not fit together: such a file is told by its
/// `MemoryFileState`, and not taken over.
///
/// `@unchecked Sendable`: nothing of it changes once a map lives in it but its bytes, which are the map's.
final class MemoryFile: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    /// What the file held; nothing when it is new.
    let found: FoundArena?
    let savedClock: SavedClock?
    private let file: LockedFile
    private let path: String
    /// What of it is in use: the rest is room to grow, without memory.
    private let usedRanges: [Range<Int>]
    /// How its items came here from another file, if they did just now.
    let move: MoveReport?
    /// From here on the file says that it is in use.
    private var state: MemoryFileState?
    /// Whether the file has its name.
    private var isFinished: Bool

    /// `MADV_POPULATE_READ` and `MADV_POPULATE_WRITE`, Linux 5.14; Glibc's module does not have them.
    private static let populateRead: Int32 = 22
    private static let populateWrite: Int32 = 23
    private static let partByteCount = 64 << 20
    /// The same beside a node that serves: the kernel lets nobody else change what is mapped meanwhile, and, once somebody wants
    /// to, nobody touch a page for the first time.
    private static let quietPartByteCount = 64 << 10
    /// How often the names are looked at again, should others come and go at the same time.
    private static let attempts = 5

    /// Opens the file at `path`, or makes one, for an arena of `byteCount` bytes, all of which are to be
    /// had, or as it is planned. One that is there has the size that it has.
    init(
        path: String, byteCount: Int, planned: ArenaHeader? = nil,
        damagedFileRule: NodeConfiguration.DamagedFileRule = .refuse,
        work: StartWork = StartWork(), bootID: [UInt8] = NodeClock.bootID
    ) throws(NodeError) {
        self.path = path
        let opened = try Self.open(path, damagedFileRule, work, bootID: bootID)
        file = opened.file
        found = opened.page?.found
        savedClock = opened.page?.clock
        isFinished = opened.page != nil
        move = nil
        let header = opened.page?.found.header ?? planned
        let mapped = header?.arenaByteCount ?? byteCount
        let used = header?.usedRanges ?? [0..<byteCount]
        usedRanges = used
        let usedByteCount = used.reduce(0) { $0 + $1.count }
        do throws(NodeError) {
            if opened.page == nil {
                work.say(
                    "memory file \(path): making it, \(usedByteCount >> 20) MB"
                        + (Self.isInMemory(file) ? " of memory (tmpfs)" : ""))
                do throws(NodeError) {
                    try Self.reserve(file, mapped, used, named: path, work)
                } catch {
                    guard let aside = opened.aside, error.isNoRoom else { throw error }
                    // A node that starts is worth more than what nobody can read.
                    truncate(aside, off_t(ArenaHeader.byteCount))
                    work.warn(
                        "memory file \(path): no room for both; of \(aside) only the first page "
                            + "was kept")
                    try Self.reserve(file, mapped, used, named: path, work)
                }
            }
            memory = try Self.map(file, mapped)
            state = try MemoryFileState(opening: memory, bootID: bootID)
        } catch {
            if opened.page == nil { file.remove() }
            throw error
        }
    }

    /// A file that items have moved to, whose old one it has replaced.
    private init(
        moved file: LockedFile, memory: UnsafeMutableRawBufferPointer, found: FoundArena,
        savedClock: SavedClock, move: MoveReport
    ) throws(NodeError) {
        self.move = move
        self.file = file
        usedRanges = found.header.usedRanges
        self.memory = memory
        self.found = found
        self.savedClock = savedClock
        path = file.path
        isFinished = true
        state = try MemoryFileState(opening: memory, bootID: NodeClock.bootID)
    }

    deinit {
        state = nil
        munmap(memory.baseAddress, memory.count)
        if !isFinished { file.remove() }
    }

    /// What is taken over; nothing when the file is new.
    var header: ArenaHeader? { found?.header }

    /// What the file has kept of the clock that births are told by.
    var birthClockLead: Int64? {
        guard found != nil, let base = memory.baseAddress else { return nil }
        return ArenaHeader.birthClockLead(
            UnsafeRawBufferPointer(start: base, count: ArenaHeader.byteCount))
    }

    /// Lets a new file have its name, now that it is complete.
    func finish() throws(NodeError) {
        guard !isFinished else { return }
        try file.move(to: path)
        isFinished = true
    }

    private var page: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<ArenaHeader.byteCount])
    }

    /// The space that the file belongs to; nothing of a new one, or of one that belongs to nobody.
    var owner: String? { header == nil ? nil : ArenaName(page)?.text }

    func give(to owner: String) {
        guard let base = memory.baseAddress, ArenaName(page)?.text != owner else { return }
        ArenaName(owner).write(to: base)
    }

    /// The same of a file that nobody opens, as far as it can be told.
    static func owner(at path: String) -> String? {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var page = [UInt64](repeating: 0, count: ArenaHeader.byteCount / 8)
        return page.withUnsafeMutableBytes { bytes in
            guard pread(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count else {
                return nil
            }
            let page = UnsafeRawBufferPointer(bytes)
            guard case .success = ArenaHeader.read(page) else { return nil }
            return ArenaName(page)?.text
        }
    }

    /// Keeps a file that turned out to be damaged under another name.
    func putAside() throws(NodeError) -> String { try file.putAside() }

    // MARK: Opening

    private typealias FirstPage = (found: FoundArena, clock: SavedClock)

    private static func open(
        _ path: String, _ rule: NodeConfiguration.DamagedFileRule, _ work: StartWork,
        bootID: [UInt8]
    ) throws(NodeError) -> (file: LockedFile, page: FirstPage?, aside: String?) {
        var aside: String?
        for _ in 0..<attempts {
            if let there = try openThere(path, rule, work, &aside, bootID: bootID) {
                return (there.file, there.page, aside)
            }
            let fresh = try openFresh(temporaryName(path), rule, work)
            // Another node may have finished its file while the lock was waited for.
            var status = stat()
            guard lstat(path, &status) != 0 else {
                fresh.remove()
                continue
            }
            // What a process left that died while it made the file is nothing to build on.
            guard ftruncate(fresh.descriptor, 0) == 0 else {
                throw .ofFile(fresh.path, "cannot empty it", errno)
            }
            return (fresh, nil, aside)
        }
        throw .anotherMadeIt(path)
    }

    private static func openThere(
        _ path: String, _ rule: NodeConfiguration.DamagedFileRule, _ work: StartWork,
        _ aside: inout String?, bootID: [UInt8]
    ) throws(NodeError) -> (file: LockedFile, page: FirstPage)? {
        var there: LockedFile?
        do throws(NodeError) {
            there = try LockedFile.there(path)
            guard let there else { return nil }
            try there.checkOwner()
            // One without a byte is as good as none.
            if try there.status.st_size == 0 {
                there.remove()
                return nil
            }
            let page = try check(there, bootID: bootID)
            try there.makePrivate()
            return (there, page)
        } catch {
            let isAside = rule == .aside || error.isFileInterrupted
            guard error.isFileUnusable, isAside else { throw error }
            let name: String
            if let there {
                name = try there.putAside()
            } else {
                name = try LockedFile.putAside(path)
            }
            aside = name
            work.warn("\(error.message); it is kept as \(name), and the node starts without items")
            return nil
        }
    }

    private static func openFresh(
        _ name: String, _ rule: NodeConfiguration.DamagedFileRule, _ work: StartWork
    ) throws(NodeError) -> LockedFile {
        do throws(NodeError) {
            return try LockedFile.ours(name)
        } catch {
            guard error.isFileUnusable, rule == .aside else { throw error }
            let aside = try LockedFile.putAside(name)
            work.warn("\(error.message); it is kept as \(aside)")
            return try LockedFile.ours(name)
        }
    }

    static func temporaryName(_ path: String) -> String { path + ".new" }

    static func map(
        _ file: LockedFile, _ byteCount: Int
    ) throws(NodeError) -> UnsafeMutableRawBufferPointer {
        let mapping = mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0)
        guard let mapping, mapping != MAP_FAILED else {
            throw .ofFile(file.path, "cannot map it", errno)
        }
        return UnsafeMutableRawBufferPointer(start: mapping, count: byteCount)
    }

    /// Reads the first page, and refuses what cannot be taken over.
    private static func check(
        _ file: LockedFile, bootID: [UInt8]
    ) throws(NodeError) -> FirstPage {
        let name = file.path
        var page = [UInt64](repeating: 0, count: ArenaHeader.byteCount / 8)
        let count = page.withUnsafeMutableBytes {
            pread(file.descriptor, $0.baseAddress, $0.count, 0)
        }
        guard count >= 0 else { throw .ofFile(name, "cannot read it", errno) }
        guard count == ArenaHeader.byteCount else { throw .unusable(name, notOurs) }
        let found: FoundArena
        switch page.withUnsafeBytes({ FoundArena.read($0, bootID: bootID) }) {
        case .success(let known): found = known
        case .failure(let mismatch):
            var error = NodeError.unusable(name, reason(mismatch))
            error.isFileInterrupted = mismatch == .interrupted
            throw error
        }
        let byteCount = try file.status.st_size
        guard Int(byteCount) >= found.header.arenaByteCount else {
            throw .unusable(
                name,
                "it is truncated: \(found.header.arenaByteCount) bytes expected, \(byteCount) there"
            )
        }
        return (found, page.withUnsafeBytes { SavedClock($0) })
    }

    private static let notOurs =
        "it is not a memory file of sojournd; name another one, or remove it"

    private static func reason(_ mismatch: ArenaHeader.Mismatch) -> String {
        switch mismatch {
        case .foreign: notOurs
        case .otherByteOrder: "it was made on a machine of another byte order"
        case .otherVersion(let version):
            "it has layout version \(version), this build reads up to "
                + "\(ArenaHeader.layoutVersion); start with the build that made it, or remove it"
        case .damaged: "its first page is damaged, which no death of a node explains"
        case .interrupted:
            "the machine stopped while a node used it, so what is in it does not fit together"
        }
    }

    // MARK: Memory

    /// Takes disk, or memory of a tmpfs, for all of a file, without touching it. A full disk is told
    /// now: later it would be a signal.
    ///
    /// - Parameter mapping: where the file is mapped, if it is, and how many threads may take memory
    ///   there: fallocate(2) lets only one thread at a time into a file.
    static func reserve(
        _ file: LockedFile, _ fileByteCount: Int, _ used: [Range<Int>], isSettled: Bool = true,
        named path: String,
        mapping: (memory: UnsafeMutableRawBufferPointer, threadCount: Int)? = nil,
        _ work: StartWork
    ) throws(NodeError) {
        let byteCount = used.reduce(0) { $0 + $1.count }
        // To look at what is there already takes as long as to take it.
        if isSettled, try file.holds(fileByteCount, used: byteCount) { return }
        if isInMemory(file) {
            let left = max(0, byteCount - Int(try file.status.st_blocks) * 512)
            if let shortage = MemoryBudget.ofThisProcess().shortage(arenaByteCount: left) {
                throw NodeError(message: "memory file \(path) on tmpfs: \(shortage)")
            }
            if let mapping {
                for range in used {
                    populate(
                        UnsafeMutableRawBufferPointer(rebasing: mapping.memory[range]),
                        threadCount: mapping.threadCount, named: path, work)
                }
                if isSettled, try file.holds(fileByteCount, used: byteCount) { return }
            }
        }
        var taken = 0
        for part in parts(of: used, partByteCount) {
            var result = EINTR
            while result == EINTR {
                try work.goOn {
                    "memory file \(path): \(taken >> 20) of \(byteCount >> 20) MB taken"
                }
                result = posix_fallocate(
                    file.descriptor, off_t(part.lowerBound), off_t(part.count))
            }
            guard result == 0 else {
                var error = NodeError.ofFile(
                    path, "cannot take \(byteCount >> 20) MB of disk for it", result)
                error.isNoRoom = result == ENOSPC
                throw error
            }
            taken += part.count
        }
    }

    /// The same bytes, in parts of at most so many.
    private static func parts(of ranges: [Range<Int>], _ byteCountMax: Int) -> [Range<Int>] {
        ranges.flatMap { range in
            stride(from: range.lowerBound, to: range.upperBound, by: byteCountMax).map {
                $0..<min($0 + byteCountMax, range.upperBound)
            }
        }
    }

    /// Whether the file's bytes are memory, wherever they are.
    var isInMemory: Bool { Self.isInMemory(file) }

    static func isInMemory(_ file: LockedFile) -> Bool {
        var status = stat()
        guard fstat(file.descriptor, &status) == 0,
            let stream = fopen("/proc/self/mountinfo", "re")
        else { return false }
        defer { fclose(stream) }
        let number = status.st_dev
        let device =
            "\(number >> 8 & 0xFFF | number >> 32 & ~0xFFF):\(number & 0xFF | number >> 12 & ~0xFF)"
        var line = [CChar](repeating: 0, count: 8_192)
        while fgets(&line, Int32(line.count), stream) != nil {
            // "36 35 0:32 / /dev/shm rw,nosuid - tmpfs ..."
            let text = String(
                decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let words = text.split(separator: " ")
            guard words.count > 6, words[2] == device, let dash = words.firstIndex(of: "-"),
                dash + 1 < words.count
            else { continue }
            return words[dash + 1] == "tmpfs" || words[dash + 1] == "ramfs"
        }
        return false
    }

    /// Sees that a file that is taken over has all of its pages: a copy may have holes.
    func prepareToRecover(_ work: StartWork) throws(NodeError) {
        // Those of one whose items moved here just now are there, and for the rest nobody waits.
        guard move == nil else { return }
        try Self.reserve(
            file, memory.count, usedRanges, isSettled: found?.header.isSettled ?? true,
            named: path, work)
        let byteCount = usedRanges.reduce(0) { $0 + $1.count }
        var looked = 0
        for part in Self.parts(of: usedRanges, Self.partByteCount) {
            try work.goOn {
                "memory file \(path): \(looked >> 20) of \(byteCount >> 20) MB looked at"
            }
            Self.populate(memory, part)
            looked += part.count
        }
    }

    /// All pages in one go: one by one they cost 5 % of a store. Of a new file nobody waits for this;
    /// `goesOn` is asked now and then.
    func populate(while goesOn: () -> Bool) {
        for part in Self.parts(of: usedRanges, Self.quietPartByteCount) {
            guard goesOn() else { return }
            Self.populate(memory, part)
        }
    }

    /// Has the pages of these bytes, as far as there is memory, mapped; whether all are. A kernel that
    /// does not know this says no.
    @discardableResult
    static func populate(
        _ memory: UnsafeMutableRawBufferPointer, _ bytes: Range<Int>, willWrite: Bool = false
    ) -> Bool {
        let part = bytes.clamped(to: 0..<memory.count)
        guard let base = memory.baseAddress else { return false }
        // From a page's beginning.
        let start = part.lowerBound / ArenaHeader.byteCount * ArenaHeader.byteCount
        let advice = willWrite ? populateWrite : populateRead
        return madvise(base + start, part.upperBound - start, advice) == 0
    }

    /// The same by several threads, for a file that is memory. What cannot be had is left to whoever
    /// takes it next and says why.
    private static func populate(
        _ memory: UnsafeMutableRawBufferPointer, threadCount: Int, named path: String,
        _ work: StartWork
    ) {
        // No byte of it is read or written: pages are made present.
        nonisolated(unsafe) let memory = memory
        let parts = (memory.count + partByteCount - 1) / partByteCount
        NodeThread.each(parts, threadCount: threadCount) { part in
            let start = part * partByteCount
            do {
                try work.goOn {
                    "memory file \(path): \(start >> 20) of \(memory.count >> 20) MB taken"
                }
            } catch { return }
            populate(memory, start..<start + partByteCount, willWrite: true)
        }
    }

    // MARK: Growing

    /// Takes memory for these bytes of it, which the map does not use yet; what is wrong, if anything
    /// is. Then nothing of it has been taken.
    ///
    /// - Parameter total: bytes of items that there will be room for.
    func shortage(takingMore ranges: [Range<Int>], total: Int) -> String? {
        if isInMemory,
            let shortage = MemoryBudget.ofThisProcess().shortage(arenaByteCount: total)
        {
            return shortage
        }
        let parts = Self.parts(of: ranges, Self.growthByteCount)
        for (number, part) in parts.enumerated() {
            var result = EINTR
            while result == EINTR {
                result = posix_fallocate(
                    file.descriptor, off_t(part.lowerBound), off_t(part.count))
            }
            guard result == 0 else {
                for part in parts[...number] { giveBack(part) }
                let byteCount = ranges.reduce(0) { $0 + $1.count }
                return "the file system has no \(byteCount >> 20) MB more for \(path): "
                    + String(cString: strerror(result))
            }
        }
        return nil
    }

    /// While this is taken nobody else can touch a page of the file for the first time.
    private static let growthByteCount = 4 << 20

    private func giveBack(_ bytes: Range<Int>) {
        guard let base = memory.baseAddress else { return }
        Arena.Pages.shared.giveBack(
            Arena.Pages.whole(
                in: UnsafeMutableRawBufferPointer(
                    start: base + bytes.lowerBound, count: bytes.count)))
    }

    // MARK: Moving

    /// The same items in a file of the size and shards that `configuration` asks for, if it is not
    /// that already; see `MemoryFileMove`.
    static func fitted(
        _ old: MemoryFile, to configuration: MapConfiguration, clock: NodeClock,
        damagedFileRule: NodeConfiguration.DamagedFileRule, threadCount: Int = 2,
        _ work: StartWork
    ) throws -> MemoryFile {
        guard let found = old.found else { return old }
        let reason = found.reasonToMove(for: configuration)
        let unfinished = old.memory.baseAddress.flatMap {
            ArenaMove.number(
                ofOld: UnsafeRawBufferPointer(start: $0, count: ArenaHeader.byteCount))
        }
        guard reason != nil || unfinished != nil else { return old }
        let move = MemoryFileMove(
            from: old.file, old.memory, found, unfinished: unfinished,
            configuration: configuration, damagedFileRule: damagedFileRule,
            threadCount: threadCount)
        let moved = try move.run(reason ?? "an interrupted move goes on", clock: clock, work)
        return try MemoryFile(
            moved: moved.file, memory: moved.memory, found: moved.found,
            savedClock: clock.saved(), move: moved.move)
    }
}
