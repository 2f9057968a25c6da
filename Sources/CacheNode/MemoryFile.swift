import Glibc
import SessionMap

/// The file of `-e`: a map's memory that outlives the process.
///
/// Goals: a file is taken over as a whole or not at all; one process at a time; a full disk is an
/// error at start, not a signal later. A new file is made under another name and renamed when it is
/// complete, so that no death of the process leaves half of one.
///
/// Not a goal: surviving the machine. What the kernel had not written to disk when the machine
/// stopped is lost, and what it had may not fit together.
final class MemoryFile {
    let memory: UnsafeMutableRawBufferPointer
    /// What the file held; nothing when it is new.
    let header: ArenaHeader?
    let savedClock: SavedClock?
    private let path: String
    private let descriptor: Int32
    /// Whether the file has its name.
    private var isFinished: Bool

    /// `MADV_POPULATE_READ`, Linux 5.14; Glibc's module does not have it.
    private static let populateRead: Int32 = 22

    /// How long a file's lock is waited for: the process before may still be dying.
    private static let lockAttempts = 100
    private static let lockMilliseconds = 20

    /// Opens the file at `path`, or makes one, for an arena of `byteCount` bytes.
    init(path: String, byteCount: Int) throws(NodeError) {
        self.path = path
        let isThere = try Self.isThere(path)
        let name = isThere ? path : Self.temporaryName(path)
        let flags = O_RDWR | O_CLOEXEC | (isThere ? 0 : O_CREAT | O_NOFOLLOW)
        let descriptor = open(name, flags, 0o600)
        guard descriptor >= 0 else { throw Self.failure(name, "cannot open it", errno) }
        var isLocked = false
        do throws(NodeError) {
            try Self.lock(descriptor, name)
            isLocked = true
            // While the lock was waited for, another process may have finished this very file.
            guard Self.isNamed(descriptor, name) else {
                throw NodeError(
                    message: "memory file \(path): another process has just made it; start again")
            }
            // What a process left that died while it made the file is nothing to build on.
            if !isThere, ftruncate(descriptor, 0) != 0 {
                throw Self.failure(name, "cannot empty it", errno)
            }
            let page = isThere ? try Self.check(descriptor, name, byteCount: byteCount) : nil
            guard fchmod(descriptor, 0o600) == 0 else {
                throw Self.failure(name, "cannot make it private", errno)
            }
            // Also for a file that is there: a copy may have holes.
            let result = posix_fallocate(descriptor, 0, off_t(byteCount))
            guard result == 0 else {
                throw Self.failure(name, "cannot take \(byteCount >> 20) MB of disk for it", result)
            }
            let mapping = mmap(
                nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
            guard let mapping, mapping != MAP_FAILED else {
                throw Self.failure(name, "cannot map it", errno)
            }
            // All pages now, in one go: one by one they cost 5 % of a store. A kernel that does not
            // know this says no, and nothing depends on the answer.
            _ = madvise(mapping, byteCount, Self.populateRead)
            memory = UnsafeMutableRawBufferPointer(start: mapping, count: byteCount)
            header = page?.header
            savedClock = page?.clock
            isFinished = isThere
            self.descriptor = descriptor
        } catch {
            if !isThere, isLocked, Self.isNamed(descriptor, name) { unlink(name) }
            close(descriptor)
            throw error
        }
    }

    deinit {
        munmap(memory.baseAddress, memory.count)
        if !isFinished { unlink(Self.temporaryName(path)) }
        close(descriptor)
    }

    /// Lets a new file have its name, now that it is complete.
    func finish() throws(NodeError) {
        guard !isFinished else { return }
        guard rename(Self.temporaryName(path), path) == 0 else {
            throw Self.failure(path, "cannot give it its name", errno)
        }
        isFinished = true
    }

    /// Whether `name` stands for the file that is open.
    private static func isNamed(_ descriptor: Int32, _ name: String) -> Bool {
        var open = stat()
        var named = stat()
        return fstat(descriptor, &open) == 0 && stat(name, &named) == 0
            && open.st_dev == named.st_dev && open.st_ino == named.st_ino
    }

    /// Whether there is a file to take over. One without a byte is as good as none; anything but a
    /// file (a device, a directory) is refused before it could be replaced.
    private static func isThere(_ path: String) throws(NodeError) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else { throw failure(path, "cannot look at it", errno) }
            return false
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw NodeError(message: "memory file \(path): it is not a regular file")
        }
        return status.st_size > 0
    }

    private static func temporaryName(_ path: String) -> String { path + ".new" }

    private static func lock(_ descriptor: Int32, _ name: String) throws(NodeError) {
        for _ in 0..<lockAttempts {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw failure(name, "cannot lock it", errno)
            }
            usleep(UInt32(lockMilliseconds) * 1_000)
        }
        throw NodeError(
            message: "memory file \(name): it is in use by a running node; stop that one first")
    }

    /// Reads the first page, and refuses what cannot be taken over.
    private static func check(
        _ descriptor: Int32, _ name: String, byteCount: Int
    ) throws(NodeError) -> (header: ArenaHeader, clock: SavedClock) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw failure(name, "cannot look at it", errno)
        }
        var page = [UInt64](repeating: 0, count: ArenaHeader.byteCount / 8)
        let count = page.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw failure(name, "cannot read it", errno) }
        guard count == ArenaHeader.byteCount else {
            throw NodeError(message: "memory file \(name): \(notOurs)")
        }
        let header: ArenaHeader
        switch page.withUnsafeBytes({ ArenaHeader.read($0) }) {
        case .success(let known): header = known
        case .failure(let mismatch):
            throw NodeError(message: "memory file \(name): \(reason(mismatch))")
        }
        guard Int(status.st_size) >= header.arenaByteCount else {
            throw NodeError(
                message: "memory file \(name): it is truncated: \(header.arenaByteCount) bytes "
                    + "expected, \(status.st_size) there")
        }
        guard header.arenaByteCount == byteCount else {
            let megabytes = header.arenaByteCount >> 20
            throw NodeError(
                message:
                    "memory file \(name): it was made with -m \(megabytes), and its size cannot "
                    + "change; use -m \(megabytes), or another file")
        }
        return (header, page.withUnsafeBytes { SavedClock($0) })
    }

    private static let notOurs =
        "it is not a memory file of sojournd; name another one, or remove it"

    private static func reason(_ mismatch: ArenaHeader.Mismatch) -> String {
        switch mismatch {
        case .foreign: notOurs
        case .otherByteOrder: "it was made on a machine of another byte order"
        case .otherVersion(let version):
            "it has layout version \(version), this build reads \(ArenaHeader.layoutVersion); "
                + "start with the build that made it, or remove it"
        }
    }

    private static func failure(_ name: String, _ what: String, _ number: Int32) -> NodeError {
        NodeError(message: "memory file \(name): \(what): \(String(cString: strerror(number)))")
    }
}
