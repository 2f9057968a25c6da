internal import CLibevent
import Glibc

/// The path of a Unix socket as calls to the system take it.
struct UnixAddress {
    private var name = sockaddr_un()

    init(path: String) throws(SocketError) {
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        // A zero ends it.
        guard bytes.count < MemoryLayout.size(ofValue: name.sun_path) else {
            throw .pathTooLong(path)
        }
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
    }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafePointer(to: name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// The file by which a Unix socket is found. It outlives a process that was killed, and by the time a
/// process ends it may be another one's.
struct UnixSocketFile {
    private let path: String
    private let device: dev_t
    private let number: ino_t

    /// Nothing if there is no such file any more.
    init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        self.path = path
        device = status.st_dev
        number = status.st_ino
    }

    /// Removes it, unless another file has its name by now.
    func remove() {
        let lock = Self.lockDirectory(of: path)
        defer { if lock >= 0 { close(lock) } }
        guard let present = UnixSocketFile(path) else { return }
        if present.device == device, present.number == number { unlink(path) }
    }

    /// How long another process that starts or ends in the same directory is waited for.
    private static let lockAttempts = 100
    private static let lockMilliseconds = 10

    /// Keeps other processes of this program from looking at files of the directory and changing them at
    /// the same time, until the descriptor is closed. -1 if that cannot be had: two that start at the same
    /// moment might then take each other's place.
    static func lockDirectory(of path: String) -> Int32 {
        let end = path.lastIndex(of: "/")
        let directory = end.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return -1 }
        for _ in 0..<lockAttempts {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
            usleep(UInt32(lockMilliseconds) * 1_000)
        }
        close(descriptor)
        return -1
    }

    /// Makes way for a new socket.
    ///
    /// - Returns: why not, as an `errno`: somebody listens on the one that is there, as far as can be seen.
    static func removeStale(_ path: String, _ address: UnixAddress) -> Int32? {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
        let descriptor = socket(
            AF_UNIX,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
                | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        let result = address.withPointer { connect(descriptor, $0, $1) }
        // A full backlog is EAGAIN, and another kind of socket EPROTOTYPE: both are in use.
        guard result != 0, errno == ECONNREFUSED || errno == ENOENT else {
            return result != 0 && errno == EACCES ? EACCES : EADDRINUSE
        }
        unlink(path)
        return nil
    }
}
