import Glibc

/// The process of a node, as its supervisor sees it.
struct NodeProcess {
    let id: pid_t
    let start = ContinuousClock.now
    var readySince: ContinuousClock.Instant?
    /// The supervisor's end; the node's tells how it is doing.
    let channel: Int32

    /// How a process ended.
    enum End: Equatable, CustomStringConvertible {
        case status(Int32)
        case signal(Int32, dumpsCore: Bool)

        init(waitStatus: Int32) {
            let signal = waitStatus & 0x7f
            self =
                signal == 0
                ? .status(waitStatus >> 8 & 0xff)
                : .signal(signal, dumpsCore: waitStatus & 0x80 != 0)
        }

        var description: String {
            switch self {
            case .status(let status): "ended with status \(status)"
            case .signal(let signal, let dumpsCore):
                "was killed by signal \(signal) (\(String(cString: strsignal(signal))))"
                    + (dumpsCore ? ", and left a core file" : "")
            }
        }

        /// The status of a supervisor that ends with its node; for signals, a shell's.
        var status: Int32 {
            switch self {
            case .status(let status): status
            case .signal(let signal, _): 128 + signal
            }
        }
    }

    /// Starts `executable` with listening sockets handed over.
    ///
    /// - Parameters:
    ///   - sockets: descriptors that are above all that the new process gets.
    ///   - names: of the sockets, as LISTEN_FDNAMES tells them.
    ///   - watchdogMilliseconds: how long it may be silent; nil if for ever.
    static func start(
        _ executable: String, _ arguments: [String], sockets: [Int32], names: [String],
        watchdogMilliseconds: Int?
    ) throws(Refusal) -> NodeProcess {
        var pair: [Int32] = [-1, -1]
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &pair) == 0 else { throw refusal("socketpair", errno) }
        defer { close(pair[1]) }
        // Out of the way of the descriptors that it and the sockets get.
        let channel = fcntl(pair[1], F_DUPFD_CLOEXEC, lowestDescriptor(forSockets: sockets.count))
        guard channel >= 0 else {
            close(pair[0])
            throw refusal("fcntl", errno)
        }
        defer { close(channel) }
        _ = fcntl(pair[0], F_SETFL, O_NONBLOCK)

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (number, source) in (sockets + [channel]).enumerated() {
            posix_spawn_file_actions_adddup2(
                &actions, source, HandedOver.firstDescriptor + Int32(number))
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        // A group of its own: Control-C is the supervisor's, which passes it on once.
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes,
            Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var texts = ([executable] + arguments).map { strdup($0) }
        var variables = environment(names, watchdogMilliseconds).map { strdup($0) }
        defer { for text in texts + variables { free(text) } }
        texts.append(nil)
        variables.append(nil)
        var id: pid_t = 0
        let result = posix_spawn(&id, executable, &actions, &attributes, texts, variables)
        guard result == 0 else {
            close(pair[0])
            throw refusal(executable, result)
        }
        return NodeProcess(id: id, channel: pair[0])
    }

    /// From here on descriptors are in nobody's way in the new process.
    static func lowestDescriptor(forSockets count: Int) -> Int32 {
        HandedOver.firstDescriptor + Int32(count) + 1
    }

    /// This process's, but for what is meant for this process only.
    private static func environment(
        _ names: [String], _ watchdogMilliseconds: Int?
    ) -> [String] {
        var variables = [
            "LISTEN_FDS=\(names.count)", "LISTEN_FDNAMES=\(names.joined(separator: ":"))",
            "\(HandedOver.supervisorVariable)=\(getpid())",
        ]
        if let watchdogMilliseconds {
            variables.append("WATCHDOG_USEC=\(watchdogMilliseconds * 1_000)")
        }
        var next = environ
        while let text = next.pointee {
            let variable = String(cString: text)
            if !HandedOver.variables.contains(where: { variable.hasPrefix($0 + "=") }) {
                variables.append(variable)
            }
            next += 1
        }
        return variables
    }

    private static func refusal(_ what: String, _ number: Int32) -> Refusal {
        Refusal(
            "cannot start the node: \(what): \(Process.reason(number))", status: Refusal.osError)
    }

    /// What the node has told since it was asked last; nothing when there is no more.
    func receive() -> String? {
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = recv(channel, &bytes, bytes.count, 0)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }
}
