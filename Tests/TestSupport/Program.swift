package import Glibc

/// Why a test cannot go on, in one sentence.
package struct Trouble: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Waits for a condition, but not for ever.
package func wait(
    for what: String, seconds: Double = 60, until isTrue: () throws -> Bool
) throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try !isTrue() {
        guard ContinuousClock.now < deadline else { throw Trouble("\(what): not in time") }
        usleep(2_000)
    }
}

/// A directory for one test, which goes with it.
package final class TemporaryDirectory {
    package let path: String

    package init() throws {
        // Not TMPDIR, which may be long: a Unix socket's path has at most 107 bytes.
        var template = Array("/tmp/sojourn-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Trouble("cannot make a directory in /tmp") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        for name in names { unlink("\(path)/\(name)") }
        rmdir(path)
    }

    /// What is in it.
    package var names: [String] { fileNames(in: path) ?? [] }

    package func write(_ text: String, to name: String) throws -> String {
        let file = path + "/" + name
        guard let stream = fopen(file, "w") else { throw Trouble("cannot write \(file)") }
        fputs(text, stream)
        fclose(stream)
        return file
    }
}

/// glibc has it since 2.34; Swift's Glibc does not show what needs `_GNU_SOURCE`.
@_silgen_name("posix_spawn_file_actions_addclosefrom_np")
private func closeFrom(
    _ actions: UnsafeMutablePointer<posix_spawn_file_actions_t>, _ from: Int32
) -> Int32

/// A process that this test started, and that ends with the test at the latest.
package final class Program {
    package enum Exit: Equatable, Sendable {
        case status(Int32)
        case signal(Int32)
    }

    package let processID: pid_t
    package let directory = try? TemporaryDirectory()
    private let outputPath: String
    private let errorPath: String
    package private(set) var exit: Exit?

    /// - Parameter environment: variables on top of this process's own.
    package init(
        _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:]
    ) throws {
        guard access(executable, X_OK) == 0 else {
            throw Trouble("\(executable) is not there, or cannot be executed")
        }
        guard let directory else { throw Trouble("no directory for output") }
        outputPath = directory.path + "/stdout"
        errorPath = directory.path + "/stderr"
        processID = try Self.spawn(
            executable, arguments, environment: environment, output: outputPath, errors: errorPath)
    }

    /// Starts a program by a shell that does something to its process before.
    package static func prepared(
        _ preparation: String, _ executable: String, _ arguments: [String] = [],
        environment: [String: String] = [:]
    ) throws -> Program {
        let command = preparation + "; exec \"$0\" \"$@\""
        return try Program(
            "/bin/sh", ["-c", command, executable] + arguments, environment: environment)
    }

    private static func spawn(
        _ executable: String, _ arguments: [String], environment: [String: String],
        output: String, errors: String
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (descriptor, path) in [(Int32(1), output), (2, errors)] {
            posix_spawn_file_actions_addopen(
                &actions, descriptor, path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        }
        // What this process has open is none of its children's business, and what another thread opens
        // at this moment neither.
        guard closeFrom(&actions, 3) == 0 else { throw Trouble("cannot close descriptors") }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var variables = environment.map { "\($0.key)=\($0.value)" }
        for name in ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"] {
            if let value = getenv(name) { variables.append("\(name)=\(String(cString: value))") }
        }
        var texts = ([executable] + arguments).map { strdup($0) }
        var settings = variables.map { strdup($0) }
        defer { for text in texts + settings { free(text) } }
        texts.append(nil)
        settings.append(nil)
        var processID: pid_t = 0
        let result = posix_spawn(&processID, executable, &actions, &attributes, texts, settings)
        guard result == 0 else {
            throw Trouble("cannot start \(executable): \(String(cString: strerror(result)))")
        }
        return processID
    }

    deinit { end() }

    package var output: String { contents(of: outputPath) ?? "" }
    package var errors: String { contents(of: errorPath) ?? "" }

    package func send(_ signal: Int32) {
        if exit == nil { kill(processID, signal) }
    }

    /// Stops it, as a process that hangs; `send(SIGCONT)` lets it go on.
    package func suspend() throws {
        send(SIGSTOP)
        try wait(for: "process \(processID) to stop") {
            let status = contents(of: "/proc/\(processID)/stat") ?? ""
            let fields = status.split(separator: ")").last ?? ""
            return fields.split(separator: " ").first == "T"
        }
    }

    /// Whether it has ended; takes note of how.
    package var hasEnded: Bool {
        if exit != nil { return true }
        var status: Int32 = 0
        guard waitpid(processID, &status, WNOHANG) == processID else { return false }
        exit = status & 0x7f == 0 ? .status(status >> 8 & 0xff) : .signal(status & 0x7f)
        return true
    }

    /// Waits until a line of its log is there: the log is written by a thread of its own, so that an
    /// answer can come before it.
    package func waitToSay(_ text: String) throws {
        do {
            try wait(for: text) { errors.contains(text) }
        } catch {
            throw Trouble("it does not say '\(text)' but: \(errors.suffix(4_000))")
        }
    }

    package func waitForExit(seconds: Double = 60) throws -> Exit {
        try wait(for: "the end of process \(processID)", seconds: seconds) { hasEnded }
        guard let exit else { throw Trouble("no exit status") }
        return exit
    }

    /// Kills it if it still runs.
    package func end() {
        guard !hasEnded else { return }
        kill(processID, SIGKILL)
        var status: Int32 = 0
        waitpid(processID, &status, 0)
        exit = .signal(SIGKILL)
    }

    /// Runs a program to its end.
    package static func run(
        _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:],
        seconds: Double = 60
    ) throws -> (exit: Exit, output: String, errors: String) {
        let program = try Program(executable, arguments, environment: environment)
        let exit = try program.waitForExit(seconds: seconds)
        return (exit, program.output, program.errors)
    }
}
