import Glibc

/// A file that this process has open and locked: no other node has it, and no other user's process may
/// write to it.
///
/// Two nodes may start at the same moment, and others may write in the same directory. So nothing is
/// concluded from a name without a look at whether it still stands for the file that is open; a name
/// that somebody else has is never replaced; and a file is ours only if it belongs to the user that the
/// node runs as, has no other name, and nobody else has it open.
final class LockedFile {
    private(set) var path: String
    let descriptor: Int32

    /// How long a file's lock is waited for: the process before may still be dying.
    private static let lockAttempts = 100
    private static let lockMilliseconds = 20
    /// Longer than that: who waits for the lock has the file open, and must be gone before the one that
    /// has it gives up. Else of several first starts at one moment none gets the file.
    private static let leaseAttempts = 2 * lockAttempts

    /// Opens and locks what is at `path`; nothing when nothing is. It is not ours yet.
    static func there(_ path: String) throws(NodeError) -> LockedFile? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw .ofFile(path, "cannot look at it", errno) }
            return nil
        }
        // Before it is opened: opening a device may do something.
        guard status.st_mode & S_IFMT != S_IFLNK else {
            throw NodeError(
                message: "memory file \(path): it is a symbolic link; name the file itself")
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw NodeError(message: "memory file \(path): it is not a regular file")
        }
        do throws(NodeError) {
            return try LockedFile(path, flags: 0)
        } catch {
            // It may have been given another name since.
            guard error.isFileGone else { throw error }
            return nil
        }
    }

    /// Opens and locks the file at `path`, making it if there is none, and sees that it is ours.
    static func ours(_ path: String) throws(NodeError) -> LockedFile {
        let file = try LockedFile(path, flags: O_CREAT)
        try file.checkOwner()
        try file.makePrivate()
        return file
    }

    private init(_ path: String, flags: Int32) throws(NodeError) {
        self.path = path
        // Without waiting for the other end, should it be a pipe by now.
        let always = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK
        var attempts = 0
        var descriptor: Int32
        repeat {
            if attempts > 0 { usleep(UInt32(Self.lockMilliseconds) * 1_000) }
            attempts += 1
            descriptor = open(path, always | flags, 0o600)
            // Another node has its lease just now, see `checkWriters`.
        } while descriptor < 0 && errno == EWOULDBLOCK && attempts < Self.lockAttempts
        self.descriptor = descriptor
        guard descriptor >= 0 else {
            let number = errno
            var error = NodeError.ofFile(path, "cannot open it", number)
            error.isFileUnusable = number == EACCES || number == EPERM
            error.isFileGone = number == ENOENT && flags & O_CREAT == 0
            throw error
        }
        do throws(NodeError) {
            try lock()
            // While the lock was waited for, another process may have finished this very file.
            guard isNamed else { throw .anotherMadeIt(path) }
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    private func lock() throws(NodeError) {
        for _ in 0..<Self.lockAttempts {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
            guard errno == EWOULDBLOCK || errno == EINTR else {
                throw .ofFile(path, "cannot lock it", errno)
            }
            usleep(UInt32(Self.lockMilliseconds) * 1_000)
        }
        throw NodeError(
            message: "memory file \(path): it is in use by a running node; stop that one first")
    }

    var status: stat {
        get throws(NodeError) {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else {
                throw .ofFile(path, "cannot look at it", errno)
            }
            return status
        }
    }

    /// Whether the file has so many bytes, and its file system has set aside room for `used` of them.
    func holds(_ byteCount: Int, used: Int) throws(NodeError) -> Bool {
        let status = try status
        return Int(status.st_size) >= byteCount && Int(status.st_blocks) * 512 >= used
    }

    /// Whether its path still stands for the file that is open.
    var isNamed: Bool {
        var open = stat()
        var named = stat()
        return fstat(descriptor, &open) == 0 && lstat(path, &named) == 0
            && open.st_dev == named.st_dev && open.st_ino == named.st_ino
    }

    // MARK: What is in it

    /// What there is from a place on, at most so many bytes.
    func read(byteCountMax: Int, from offset: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: byteCountMax) { buffer, count in
            while count < buffer.count {
                let result = pread(
                    descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count,
                    off_t(offset + count))
                guard result > 0 else { return }
                count += result
            }
        }
    }

    /// False if not all of it could be written: for want of room, as a rule.
    func write(_ bytes: [UInt8], at offset: Int) -> Bool {
        var written = 0
        while written < bytes.count {
            let result = bytes.withUnsafeBytes { buffer in
                pwrite(
                    descriptor, buffer.baseAddress.map { $0 + written }, bytes.count - written,
                    off_t(offset + written))
            }
            if result < 0, errno == EINTR { continue }
            guard result > 0 else { return false }
            written += result
        }
        return true
    }

    // MARK: Whose it is

    /// Who owns a session file, or can write to it, is logged in as anybody he likes.
    func checkOwner() throws(NodeError) {
        let status = try status
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw NodeError(message: "memory file \(path): it is not a regular file")
        }
        guard status.st_uid == geteuid() else {
            throw .unusable(
                path,
                "it belongs to user \(status.st_uid), and this node runs as user \(geteuid()): its "
                    + "owner could read and change sessions; name another one, or remove it")
        }
        guard status.st_nlink == 1 else {
            throw .unusable(
                path, "it has \(status.st_nlink) names (hard links); remove the others, or copy it")
        }
    }

    /// Lets nobody else open it, and sees that nobody has.
    func makePrivate() throws(NodeError) {
        guard fchmod(descriptor, 0o600) == 0 else {
            throw .ofFile(path, "cannot make it private", errno)
        }
        try checkWriters()
    }

    /// Linux's F_SETLEASE: a write lease is had only while there is no other descriptor, nor a mapping
    /// made from one. The kernel does not tell who could write from who reads.
    private static let setLease: Int32 = 1_024
    private static let setSignal: Int32 = 10

    private func checkWriters() throws(NodeError) {
        // Whoever opens the file meanwhile waits, and the kernel says so by a signal: one that is ignored.
        _ = fcntl(descriptor, Self.setSignal, SIGURG)
        // A writer that is just dying gives its descriptors back one after the other.
        for attempt in 0..<Self.leaseAttempts {
            if attempt > 0 { usleep(UInt32(Self.lockMilliseconds) * 1_000) }
            if fcntl(descriptor, Self.setLease, F_WRLCK) == 0 {
                _ = fcntl(descriptor, Self.setLease, F_UNLCK)
                return
            }
            // A file system without leases cannot tell.
            guard errno == EAGAIN || errno == EBUSY else { return }
        }
        // Never put aside: who looks at it may be done in a moment, and its sessions are all there.
        throw NodeError(
            message:
                "memory file \(path): another process has it open; end that one, or name another file"
        )
    }

    // MARK: Names

    /// Gives it another name, which nobody may have.
    func move(to name: String) throws(NodeError) {
        guard isNamed else { throw .anotherMadeIt(path) }
        let result = renameWithoutReplacing(path, name)
        guard result == 0 else {
            if result == EEXIST { throw .anotherMadeIt(name) }
            throw .ofFile(name, "cannot give it its name", result)
        }
        path = name
    }

    /// Lets it take the place of `other`, which is locked by this process, too.
    func replace(_ other: LockedFile) throws(NodeError) {
        guard isNamed else { throw .anotherMadeIt(path) }
        guard other.isNamed else { throw .anotherMadeIt(other.path) }
        guard rename(path, other.path) == 0 else {
            throw .ofFile(other.path, "cannot give it its name", errno)
        }
        path = other.path
    }

    /// Keeps it under a name that says what and when, and nobody has.
    func putAside() throws(NodeError) -> String {
        guard isNamed else { throw .anotherMadeIt(path) }
        path = try Self.putAside(path)
        return path
    }

    /// The same, of a file that cannot even be opened.
    static func putAside(_ path: String) throws(NodeError) -> String {
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        var text = [CChar](repeating: 0, count: 32)
        strftime(&text, text.count, "%Y%m%dT%H%M%SZ", &parts)
        let stamp = String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for number in 1...asideCountMax {
            let name = path + ".damaged-" + stamp + (number > 1 ? "-\(number)" : "")
            let result = renameWithoutReplacing(path, name)
            if result == 0 { return name }
            guard result == EEXIST else { throw .ofFile(path, "cannot keep it aside", result) }
        }
        throw NodeError(message: "memory file \(path): no name is left to keep it aside under")
    }

    /// Names for one second.
    private static let asideCountMax = 1_000

    func remove() {
        if isNamed { unlink(path) }
    }
}

/// glibc has it since 2.28; Swift's Glibc does not show what needs `_GNU_SOURCE`.
@_silgen_name("renameat2")
private func renameat2(
    _ oldDirectory: Int32, _ old: UnsafePointer<CChar>, _ newDirectory: Int32,
    _ new: UnsafePointer<CChar>, _ flags: UInt32
) -> Int32

/// 0, or the system's number for what went wrong; EEXIST when the new name is taken.
private func renameWithoutReplacing(_ old: String, _ new: String) -> Int32 {
    let noReplace: UInt32 = 1
    if renameat2(AT_FDCWD, old, AT_FDCWD, new, noReplace) == 0 { return 0 }
    guard errno == EINVAL || errno == ENOSYS else { return errno }
    // A file system that cannot promise it: a link never replaces a name, either.
    guard link(old, new) == 0 else { return errno }
    unlink(old)
    return 0
}

extension NodeError {
    static func ofFile(_ path: String, _ what: String, _ number: Int32) -> NodeError {
        NodeError(message: "memory file \(path): \(what): \(String(cString: strerror(number)))")
    }

    /// A file that no node can start with, and that can be kept aside.
    static func unusable(_ path: String, _ what: String) -> NodeError {
        var error = NodeError(message: "memory file \(path): \(what)")
        error.isFileUnusable = true
        return error
    }

    static func anotherMadeIt(_ path: String) -> NodeError {
        NodeError(message: "memory file \(path): another process has just made it; start again")
    }
}
