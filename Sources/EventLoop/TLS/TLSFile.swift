internal import COpenSSL
import Glibc

/// A file of certificates or of a key, as it was when it was read. What was read is wiped in the end: it
/// may be a key.
struct TLSFile: ~Copyable {
    let path: String
    /// "the certificate chain PATH" and the like, as messages say it.
    let name: String
    private let memory: UnsafeMutableRawBufferPointer
    private let mode: mode_t
    private let owner: uid_t

    /// A root store of a whole system has some 200 kB.
    static let byteCountMax = 1 << 20

    init(_ path: String, _ what: String) throws(TLSError) {
        self.path = path
        name = "\(what) \(path)"
        // Not blocking: it might be a pipe.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.failure(name, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure(name, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw TLSError("\(name) is not a file") }
        guard status.st_size <= Self.byteCountMax else {
            throw TLSError("\(name) is too large: more than \(Self.byteCountMax) bytes")
        }
        let bytes = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(1, Int(status.st_size)), alignment: 1)
        // Also what is not read: the file may have become shorter since it was measured.
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        var count = 0
        while count < bytes.count {
            let part = Glibc.read(
                descriptor, bytes.baseAddress.unsafelyUnwrapped + count, bytes.count - count)
            if part < 0, errno == EINTR { continue }
            guard part >= 0 else {
                let reason = errno
                OPENSSL_cleanse(bytes.baseAddress, bytes.count)
                bytes.deallocate()
                throw Self.failure(name, reason)
            }
            if part == 0 { break }
            count += part
        }
        (mode, owner) = (status.st_mode & 0o777, status.st_uid)
        memory = bytes
    }

    deinit {
        OPENSSL_cleanse(memory.baseAddress, memory.count)
        memory.deallocate()
    }

    private static func failure(_ name: String, _ reason: Int32) -> TLSError {
        TLSError("cannot read \(name): \(String(cString: strerror(reason)))")
    }

    /// Why others could have read a key in it; nothing if only this process's user can, or root and a
    /// group that root let read it, as in Kubernetes.
    var exposure: String? {
        let allowed: mode_t = owner == 0 ? 0o740 : 0o700
        guard mode & ~allowed != 0 else { return nil }
        let digits = String(mode, radix: 8)
        return "\(name) can be read by others: its mode is 0\(digits), and should be 0600"
    }

    /// Calls `body` with a BIO that reads it.
    func read<R>(_ body: (OpaquePointer) throws(TLSError) -> R) throws(TLSError) -> R {
        guard let bio = BIO_new_mem_buf(memory.baseAddress, Int32(memory.count)) else {
            throw TLSError("no memory for \(name)")
        }
        defer { BIO_free(bio) }
        return try body(bio)
    }
}
