import Glibc

/// What the process does to itself before and while it serves: user, limits, daemon, files.
enum Process {
    /// To be called before anything is opened. Without these three the next file that is opened gets
    /// the number of one of them, and is written to as if it were the log.
    static func openStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest that is free: this one.
            guard open("/dev/null", O_RDWR) == descriptor else { exit(Refusal.osError) }
        }
    }

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

    /// Lets the process open as many descriptors as connections are allowed.
    static func raiseDescriptorLimit(to count: Int) throws(Refusal) {
        let which = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        getrlimit(which, &limit)
        guard limit.rlim_cur < rlim_t(count) else { return }
        limit.rlim_cur = rlim_t(count)
        if limit.rlim_max < limit.rlim_cur { limit.rlim_max = limit.rlim_cur }
        guard setrlimit(which, &limit) == 0 else {
            throw Refusal(
                "failed to set rlimit for open files to \(count). "
                    + "Try starting as root or requesting smaller maxconns value.",
                status: Refusal.osError)
        }
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

    /// Goes to the background; the working directory stays only for core files.
    static func daemonize(keepsDirectory: Bool, keepsOutput: Bool) throws(Refusal) {
        guard daemon(keepsDirectory ? 1 : 0, keepsOutput ? 1 : 0) == 0 else {
            throw Refusal("failed to daemon() in order to daemonize: \(reason(errno))")
        }
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

    static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }

    static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
}
