import Glibc

/// A program that was started here, and ends with this process where it knows how to.
struct ChildProcess {
    let id: pid_t

    struct Trouble: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameters:
    ///   - program: a path, or a name that is looked for as a shell does.
    ///   - log: the file that what it says is appended to.
    init(_ program: String, _ arguments: [String], log: String) throws(Trouble) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for number: Int32 in [1, 2] {
            posix_spawn_file_actions_addopen(
                &actions, number, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // A group of its own: Control-C is the demo's, which ends all.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        var texts = ([program] + arguments).map { strdup($0) }
        // A node that is told of its supervisor does not outlive it.
        var variables = [strdup("SOJOURN_SUPERVISOR=\(getpid())")]
        if let path = getenv("PATH") { variables.append(strdup("PATH=\(String(cString: path))")) }
        defer { for text in texts + variables { free(text) } }
        texts.append(nil)
        variables.append(nil)
        var id: pid_t = 0
        let result = posix_spawnp(&id, program, &actions, &attributes, texts, variables)
        guard result == 0 else {
            throw Trouble(description: "\(program): \(String(cString: strerror(result)))")
        }
        self.id = id
    }

    func send(_ signal: Int32) { kill(id, signal) }

    /// Whether it has ended.
    func hasEnded() -> Bool { waitpid(id, nil, WNOHANG) != 0 }

    /// Ends it, whatever it is at, and waits for the end.
    func end() {
        kill(id, SIGKILL)
        while waitpid(id, nil, 0) < 0, errno == EINTR {}
    }
}
