import CacheNode
import EventLoop
import Glibc

/// What whoever started this process gave it: listening sockets, which outlive it, and a way to be told
/// how it is doing.
///
/// systemd hands sockets over from descriptor 3 on, says how many in LISTEN_FDS, and in LISTEN_PID to
/// whom: sd_listen_fds(3). LISTEN_FDNAMES, a socket unit's FileDescriptorName=, may say `notls`, `btls` or
/// `mtls`, as `-l` does; any other name says nothing. With `--config` it says whose space the socket is, and may say the
/// other behind a dot. A supervisor does the same, but names itself in SOJOURN_SUPERVISOR instead:
/// it cannot know the process ID of one that it has not started yet. Behind the sockets it adds its end
/// of a channel.
struct HandedOver {
    var sockets: [NodeConfiguration.HandedOverSocket] = []
    var superior = Superior.nobody
    /// Started by a supervisor, which has checked the command line, and has a PID file of its own.
    var isSupervised = false
    /// How long this process may be silent before whoever started it kills it; nil if for ever.
    var watchdogMilliseconds: Int?

    /// Those of one space.
    func of(_ space: String) -> HandedOver {
        var own = self
        own.sockets.removeAll { $0.space != space }
        return own
    }

    static let supervisorVariable = "SOJOURN_SUPERVISOR"
    /// Of this process only: nothing that it starts may take them for its own.
    static let variables = [
        "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_PID",
        "WATCHDOG_USEC", supervisorVariable,
    ]
    static let firstDescriptor: Int32 = 3

    /// Takes it out of the environment. To be called once, before anything is opened or started.
    static func take() throws(Refusal) -> HandedOver {
        defer { for name in variables { unsetenv(name) } }
        var handedOver = HandedOver()
        if let text = Process.environment("NOTIFY_SOCKET") {
            handedOver.superior = Superior(notifySocket: text)
        }
        handedOver.watchdogMilliseconds = watchdogMilliseconds()
        let parent = Process.environment(supervisorVariable).flatMap { Int32($0) }
        if let parent, parent == getppid() {
            handedOver.isSupervised = true
            // Nobody would start this node again, and its address would stay taken.
            guard ParentProcess.dieWith(parent) else { exit(Refusal.failure) }
        } else {
            // Another process's, which passed its environment on.
            guard Process.environment("LISTEN_PID") == String(getpid()) else { return handedOver }
        }
        guard let text = Process.environment("LISTEN_FDS") else { return handedOver }
        guard let count = Int32(text), (0...1_024).contains(count) else {
            throw Refusal("LISTEN_FDS must be a number, not \"\(text)\"", status: Refusal.usage)
        }
        handedOver.sockets = sockets(Int(count))
        if handedOver.isSupervised {
            let channel = firstDescriptor + count
            _ = fcntl(channel, F_SETFD, FD_CLOEXEC)
            handedOver.superior = .supervisor(channel: channel)
        }
        for socket in handedOver.sockets.map(\.descriptor) {
            guard let objection = ListeningSocket.objection(to: socket) else { continue }
            throw Refusal(
                "descriptor \(socket), handed over by LISTEN_FDS, \(objection); "
                    + "a systemd socket unit needs ListenStream= and Accept=no",
                status: Refusal.usage)
        }
        return handedOver
    }

    /// sd_watchdog_enabled(3). A supervisor names no process: it has not started it yet.
    private static func watchdogMilliseconds() -> Int? {
        if let process = Process.environment("WATCHDOG_PID"), process != String(getpid()) {
            return nil
        }
        guard let text = Process.environment("WATCHDOG_USEC"), let count = Int(text), count > 0
        else { return nil }
        return max(1, count / 1_000)
    }

    private static func sockets(
        _ count: Int
    ) -> [NodeConfiguration.HandedOverSocket] {
        let names = (Process.environment("LISTEN_FDNAMES") ?? "")
            .split(separator: ":", omittingEmptySubsequences: false)
        return (0..<count).map { place in
            let name = place < names.count ? String(names[place]) : ""
            return NodeConfiguration.HandedOverSocket(
                descriptor: firstDescriptor + Int32(place), name: name)
        }
    }
}
