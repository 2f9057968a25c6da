#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file of certificates, a key or passwords, as it was when it was read.
struct AccessFile {
    let path: String
    /// "the key PATH" and the like, as messages say it.
    let name: String
    let bytes: [UInt8]

    /// A root store of a whole system has some 200 kB.
    static let byteCountMax = 1 << 20

    /// - Parameter isSecret: refuses a file that others can read.
    init(_ path: String, _ what: String, isSecret: Bool = false) throws(ConfigurationError) {
        self.path = path
        name = "\(what) \(path)"
        // Not blocking: it might be a pipe.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw Self.failure(name, errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.failure(name, errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ConfigurationError("\(name) is not a file")
        }
        if isSecret, let mode = Self.exposure(status) {
            throw ConfigurationError(
                "\(name) can be read by others: its mode is 0\(mode), and should be 0600")
        }
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(descriptor, &part, part.count)
            guard count >= 0 || errno == EINTR else { throw Self.failure(name, errno) }
            if count == 0 { break }
            bytes += part.prefix(max(0, count))
            guard bytes.count <= Self.byteCountMax else {
                throw ConfigurationError("\(name) has more than \(Self.byteCountMax) bytes")
            }
        }
        self.bytes = bytes
    }

    /// The mode with which others could have read it; nil if only the user can, or root and a group
    /// that root lets read it, as in Kubernetes.
    private static func exposure(_ status: stat) -> String? {
        let mode = status.st_mode & 0o777
        let allowed: mode_t = status.st_uid == 0 ? 0o740 : 0o700
        return mode & ~allowed == 0 ? nil : String(mode, radix: 8)
    }

    private static func failure(_ name: String, _ reason: Int32) -> ConfigurationError {
        ConfigurationError("cannot read \(name): \(String(cString: strerror(reason)))")
    }

    /// Its lines without their ends, LF or CR LF. What is no UTF-8 is replaced.
    var lines: [String] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            let end = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            return String(decoding: end, as: UTF8.self)
        }
    }
}
