import CacheNode
import Glibc

/// `fork`, which Swift does not offer: of several threads the child would have one. This process has one
/// when it is called.
@_silgen_name("fork") private func duplicateProcess() -> pid_t

/// `-d`: the node in the background.
///
/// Whoever starts it gets an answer: the process in the foreground waits until the one in the background
/// serves, and ends with 0, or with that one's status. Until then both have the same stderr.
struct Daemon {
    /// Closed without a byte by a process that ended before it served.
    private let readiness: Int32

    /// Returns in the background only.
    ///
    /// - Parameter keepsDirectory: otherwise it goes to `/`, as nobody should find a file system in use
    ///   because of it.
    static func start(keepsDirectory: Bool) throws(Refusal) -> Daemon {
        var pair: [Int32] = [-1, -1]
        guard pipe(&pair) == 0 else { throw failure() }
        for descriptor in pair { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        let child = duplicateProcess()
        guard child >= 0 else { throw failure() }
        guard child == 0 else {
            close(pair[1])
            waitInForeground(for: child, pair[0])
        }
        close(pair[0])
        guard setsid() >= 0, keepsDirectory || chdir("/") == 0 else { throw failure() }
        return Daemon(readiness: pair[1])
    }

    private static func failure() -> Refusal {
        Refusal(
            "failed to go to the background: \(Process.reason(errno))", status: Refusal.osError)
    }

    private static func waitInForeground(for child: pid_t, _ readiness: Int32) -> Never {
        var isStopping = false
        var wanted = pollfd(fd: readiness, events: Int16(POLLIN), revents: 0)
        while poll(&wanted, 1, foregroundMilliseconds) != 1 {
            guard StopSignals.haveCome, !isStopping else { continue }
            isStopping = true
            kill(child, SIGTERM)
        }
        var byte: UInt8 = 0
        if read(readiness, &byte, 1) == 1 { _exit(0) }
        var waitStatus: Int32 = 0
        while waitpid(child, &waitStatus, 0) < 0, errno == EINTR {}
        let end = NodeProcess.End(waitStatus: waitStatus)
        // It has said why, unless it was killed, or stopped by a signal.
        if case .status(let status) = end, status != 0 { _exit(status) }
        Log.sayLast("the process in the background \(end) before it served")
        _exit(end.status == 0 ? Refusal.failure : end.status)
    }

    /// How often the foreground looks whether it was asked to stop, should no signal wake it up.
    private static let foregroundMilliseconds: Int32 = 1_000

    /// Lets go of the terminal, or of whoever reads the output to its end.
    static func detach(keepsErrors: Bool) {
        Log.queue.drain(milliseconds: Log.patienceMilliseconds)
        let null = open("/dev/null", O_RDWR | O_CLOEXEC)
        guard null >= 0 else { return }
        dup2(null, STDIN_FILENO)
        dup2(null, STDOUT_FILENO)
        if !keepsErrors { dup2(null, STDERR_FILENO) }
        close(null)
    }

    /// Lets the foreground end with 0. To be called once.
    func tellReady() {
        var byte: UInt8 = 1
        _ = write(readiness, &byte, 1)
        close(readiness)
    }
}
