import Glibc

/// A file with something secret in it, as it was when it was read: a key, a certificate beside it, or
/// passwords. What was read is wiped in the end.
package struct SecretFile: ~Copyable {
    /// "the certificate chain PATH" and the like, as messages say it.
    package let name: String
    private let memory: UnsafeMutableRawBufferPointer
    private let count: Int
    private let mode: mode_t
    private let owner: uid_t

    /// - Parameter byteCountMax: a larger file is refused.
    package init(_ path: String, _ what: String, byteCountMax: Int) throws(SecretFileError) {
        name = "\(what) \(path)"
        // Not blocking: it might be a pipe.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.failure(name, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure(name, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw SecretFileError("\(name) is not a file")
        }
        guard status.st_size <= byteCountMax else {
            throw SecretFileError("\(name) is too large: more than \(byteCountMax) bytes")
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
                Self.wipe(bytes)
                throw Self.failure(name, reason)
            }
            if part == 0 { break }
            count += part
        }
        (mode, owner) = (status.st_mode & 0o777, status.st_uid)
        memory = bytes
        self.count = count
    }

    deinit { Self.wipe(memory) }

    private static func wipe(_ memory: UnsafeMutableRawBufferPointer) {
        explicit_bzero(memory.baseAddress.unsafelyUnwrapped, memory.count)
        memory.deallocate()
    }

    private static func failure(_ name: String, _ reason: Int32) -> SecretFileError {
        SecretFileError("cannot read \(name): \(String(cString: strerror(reason)))")
    }

    /// Why others could have read it; nothing if only this process's user can, or root and a group that
    /// root let read it, as in Kubernetes.
    package var exposure: String? {
        let allowed: mode_t = owner == 0 ? 0o740 : 0o700
        guard mode & ~allowed != 0 else { return nil }
        let digits = String(mode, radix: 8)
        return "\(name) can be read by others: its mode is 0\(digits), and should be 0600"
    }

    /// Lends what was read.
    package func withBytes<R, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
    ) throws(Failure) -> R {
        try body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(memory)[..<count]))
    }
}

/// Why a file was not read, in one line.
package struct SecretFileError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}
