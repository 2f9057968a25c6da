import Glibc

/// What the process does to itself before and while it serves: user, limits, daemon, files.
enum Process {
    static var isRoot: Bool { getuid() == 0 || geteuid() == 0 }

    /// Becomes another user, which only root can; anybody else stays who they are.
    static func become(_ user: String?) throws(Refusal) {
        guard isRoot, let user else { return }
        guard let entry = getpwnam(user) else {
            throw Refusal(
                "can't find the user \(user) to switch to", status: Refusal.noUser)
        }
        let (uid, gid) = (entry.pointee.pw_uid, entry.pointee.pw_gid)
        // Changing to oneself needs no rights that a container may lack.
        if uid == 0 { return }
        guard setgroups(0, nil) == 0, setgid(gid) == 0, setuid(uid) == 0 else {
            throw Refusal(
                "failed to assume identity of user \(user): \(reason(errno))",
                status: Refusal.osError)
        }
    }

    /// Lets the process open so many descriptors.
    ///
    /// - Returns: nothing, or how many it may have at most where the system does not allow more.
    static func raiseDescriptorLimit(to count: Int) -> Int? {
        let which = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        getrlimit(which, &limit)
        guard limit.rlim_cur < rlim_t(count) else { return nil }
        var wanted = rlimit(rlim_cur: rlim_t(count), rlim_max: max(limit.rlim_max, rlim_t(count)))
        if setrlimit(which, &wanted) == 0 { return nil }
        // Up to its hard limit everybody may go.
        wanted = rlimit(rlim_cur: limit.rlim_max, rlim_max: limit.rlim_max)
        let isRaised = setrlimit(which, &wanted) == 0
        return Int(clamping: isRaised ? limit.rlim_max : limit.rlim_cur)
    }

    static func raiseCoreLimit() throws(Refusal) {
        let which = __rlimit_resource_t(RLIMIT_CORE.rawValue)
        var limit = rlimit()
        getrlimit(which, &limit)
        limit.rlim_cur = limit.rlim_max
        guard setrlimit(which, &limit) == 0, limit.rlim_cur > 0 else {
            throw Refusal("failed to ensure corefile creation", status: Refusal.osError)
        }
    }

    /// No core file: it would hold every session.
    static func forbidCore() {
        let which = __rlimit_resource_t(RLIMIT_CORE.rawValue)
        var limit = rlimit()
        getrlimit(which, &limit)
        limit.rlim_cur = 0
        // Cannot fail: it is less than before.
        setrlimit(which, &limit)
    }

    /// A path that stays what it is in another working directory.
    static func absolute(_ path: String) -> String {
        guard !path.isEmpty, !path.hasPrefix("/") else { return path }
        var directory = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&directory, directory.count) != nil else { return path }
        let bytes = directory.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self) + "/" + path
    }

    /// Writes a file as a whole or not at all.
    static func write(_ text: String, to path: String) -> String? {
        let temporary = path + ".tmp"
        guard let file = fopen(temporary, "w") else {
            return "Could not open \(temporary) for writing: \(reason(errno))"
        }
        let isWritten = fputs(text, file) >= 0
        guard fclose(file) == 0, isWritten, rename(temporary, path) == 0 else {
            return "Could not write \(path): \(reason(errno))"
        }
        return nil
    }

    /// The beginning of a small file.
    static func read(_ path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
}
