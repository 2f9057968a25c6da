import CacheNode
import EventLoop
import Glibc
import Logging

/// `--supervise`: holds the listening sockets, and keeps a node running behind them.
///
/// Goals: who connects while the node is not there waits in the backlog until it is, instead of being
/// refused; a node that dies is started again at once, and one that does not get anywhere ever more
/// slowly; one that hangs is killed, and so dies; as process 1 of a container, what ends there is reaped.
///
/// Not goals: a node that hangs before it has served; several nodes.
///
/// A node whose supervisor dies is killed by the kernel. It could go on, but unwatched, and its address
/// and memory file would be taken when somebody starts the supervisor again. Its sessions are in the
/// memory file either way.
///
/// On one thread, in one loop, until `run` returns.
final class Supervisor {
    private let executable: String
    private let arguments: [String]
    private let hasFiles: Bool
    private let sockets: [NamedSocket]
    /// The sockets again, above all descriptors that the node gets.
    private let handedOver: [Int32]
    private let superior: Superior
    private let logger: Logger
    private let ready: () -> Void
    private let loop: Loop
    private var signals: [SignalSource] = []
    private var pause: Timer?
    private let watchdogMilliseconds: Int?
    private let ownWatchdogMilliseconds: Int?
    private var watch: Timer?
    private var feeding: Timer?
    /// Of a node that serves.
    private var silence: Silence?
    private var lookedAt = ContinuousClock.now

    private var node: NodeProcess?
    private var news: DescriptorEvent?
    private var schedule = RestartSchedule()
    /// What never served is not started again: its command line, or the machine, must change first.
    private var hasServed = false
    /// The signal that ends node and supervisor.
    private var isEnding = false
    /// The node was asked to make way for another one.
    private var isReplacing = false
    private var status: Int32 = 0

    /// - Parameters:
    ///   - hasFiles: whether the node reads files with each start that may have become wrong ones.
    ///   - sockets: where the node listens, as long as this object is there.
    ///   - watchdogSeconds: how long the node may be silent; nil if for ever.
    ///   - ownWatchdogMilliseconds: the same of this process, for `superior`.
    ///   - ready: called once, when the node serves for the first time.
    init(
        arguments: [String], hasFiles: Bool, sockets: [NamedSocket], superior: Superior,
        watchdogSeconds: Int?, ownWatchdogMilliseconds: Int?, logger: Logger,
        ready: @escaping () -> Void
    ) throws {
        // By its path, not as what runs now: an upgrade replaces the file.
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        guard count > 0 else {
            throw Refusal(
                "cannot find its own program: \(Process.reason(errno))", status: Refusal.osError)
        }
        executable = String(
            decoding: path.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        self.arguments = arguments.filter { $0 != "--supervise" }
        self.hasFiles = hasFiles
        self.sockets = sockets
        self.superior = superior
        self.logger = logger
        self.ready = ready
        watchdogMilliseconds = watchdogSeconds.map { $0 * 1_000 }
        self.ownWatchdogMilliseconds = ownWatchdogMilliseconds
        let lowest = NodeProcess.lowestDescriptor(forSockets: sockets.count)
        handedOver = try sockets.map { socket in
            let descriptor = fcntl(socket.socket.descriptor, F_DUPFD_CLOEXEC, lowest)
            guard descriptor >= 0 else {
                throw Refusal(
                    "cannot keep a socket: \(Process.reason(errno))", status: Refusal.osError)
            }
            return descriptor
        }
        loop = try Loop()
        try attendSignals()
    }

    deinit { for descriptor in handedOver { close(descriptor) } }

    /// Runs until the node has ended for good.
    ///
    /// - Returns: its status.
    func run() throws -> Int32 {
        // One that came before the loop attended them.
        if StopSignals.haveCome { return 0 }
        pause = try Timer(loop: loop) { [unowned self] in startAgain() }
        watch = try Timer(loop: loop) { [unowned self] in look() }
        feeding = try Timer(loop: loop) { [unowned self] in feed() }
        feed()
        try start()
        loop.run()
        pause = nil
        watch = nil
        feeding = nil
        news = nil
        signals.removeAll()
        return status
    }

    // MARK: Signals

    private func attendSignals() throws {
        signal(SIGPIPE, SIG_IGN)
        func attend(_ number: Int32, _ handler: @escaping () -> Void) throws {
            signals.append(try SignalSource(loop: loop, signal: number, handler: handler))
        }
        for number in [SIGTERM, SIGINT, SIGUSR1] {
            try attend(number) { [unowned self] in end(by: number) }
        }
        try attend(SIGHUP) { [unowned self] in pass(SIGHUP) }
        try attend(SIGUSR2) { [unowned self] in replace() }
        try attend(SIGCHLD) { [unowned self] in reap() }
    }

    private func pass(_ signal: Int32) {
        if let node { kill(node.id, signal) }
    }

    private func end(by signal: Int32) {
        isEnding = true
        guard node != nil else { return finish(0) }
        pass(signal)
    }

    /// Another node instead of this one, by the program that is there now: an upgrade.
    private func replace() {
        guard !isEnding, node != nil else { return }
        isReplacing = true
        logger.notice("SIGUSR2: another node takes this one's place when it has ended")
        pass(SIGTERM)
    }

    // MARK: The node's life

    private func start() throws {
        let node = try NodeProcess.start(
            executable, arguments, sockets: handedOver, names: sockets.map(\.name),
            watchdogMilliseconds: watchdogMilliseconds)
        self.node = node
        let news = try DescriptorEvent(
            loop: loop, descriptor: node.channel, interest: .readable
        ) { [unowned self] _ in receiveNews() }
        self.news = news
        try news.enable()
    }

    private func startAgain() {
        do {
            try start()
        } catch {
            // The program may be missing for a moment while it is replaced.
            logger.error("\(error)")
            later(afterServing: nil, why: "the node could not be started")
        }
    }

    private func receiveNews() {
        guard let message = node?.receive() else {
            // The node has closed its end, or there was no more: SIGCHLD tells which.
            news?.disable()
            return
        }
        take(message)
    }

    private func take(_ message: String) {
        silence?.heard()
        // It is this process that whoever started it watches.
        guard message != Superior.feed else { return }
        let lines = message.split(separator: "\n")
        if lines.contains("READY=1"), node?.readySince == nil {
            node?.readySince = .now
            if !hasServed { ready() }
            hasServed = true
            beginWatching()
        }
        // It may take long to end.
        if lines.contains("STOPPING=1") { silence = nil }
        // Who is told that it stops waits for the whole service to end.
        if !lines.contains("STOPPING=1") || isEnding { superior.tell(message) }
    }

    /// Takes note of every process that has ended; as process 1 not only of the node.
    private func reap() {
        var waitStatus: Int32 = 0
        while case let id = waitpid(-1, &waitStatus, WNOHANG), id > 0 {
            if let node, node.id == id { ended(node, NodeProcess.End(waitStatus: waitStatus)) }
        }
    }

    private func ended(_ last: NodeProcess, _ end: NodeProcess.End) {
        // What it told just before is here by now.
        while news?.isEnabled == true { receiveNews() }
        let served = node?.readySince.map { ContinuousClock.now - $0 }
        node = nil
        news = nil
        silence = nil
        close(last.channel)
        if isEnding { return finish(end.status) }
        if isReplacing, end == .status(0) {
            isReplacing = false
            return startAgain()
        }
        isReplacing = false
        switch end {
        // In order: asked for by a client's `shutdown`, or by a signal to the node itself.
        case .status(0): finish(0)
        // A file that is wrong now is mended, as one that is written just now will be.
        case .status(Refusal.usage) where hasServed && hasFiles:
            later(afterServing: served, why: "the node (\(last.id)) \(end)")
        // It has said why; nothing would be different the next time.
        case .status(Refusal.usage), .status(Refusal.noUser): finish(end.status)
        case .status(let status) where !hasServed: finish(status)
        case .status, .signal: later(afterServing: served, why: "the node (\(last.id)) \(end)")
        }
    }

    // MARK: Watching

    private func beginWatching() {
        silence = watchdogMilliseconds.map { Silence(limitMilliseconds: $0) }
        lookedAt = .now
        lookAgain()
    }

    private func lookAgain() {
        guard let silence else { return }
        start(watch, afterMilliseconds: silence.tickMilliseconds)
    }

    private func look() {
        // What it has told is here, whatever the loop does first.
        while let message = node?.receive() { take(message) }
        let now = ContinuousClock.now
        let since = Int((now - lookedAt) / .milliseconds(1))
        lookedAt = now
        guard let node, let limit = watchdogMilliseconds, silence?.isTooLong(since: since) == true
        else { return lookAgain() }
        silence = nil
        logger.error(
            "the node (\(node.id)) has been silent for \(limit / 1_000) s: it hangs, and is killed")
        // Of this a process dies that is stopped, too.
        kill(node.id, SIGKILL)
    }

    private func feed() {
        guard let ownWatchdogMilliseconds else { return }
        superior.tell(Superior.feed)
        start(feeding, afterMilliseconds: max(1, ownWatchdogMilliseconds / 4))
    }

    private func start(_ timer: Timer?, afterMilliseconds milliseconds: Int) {
        do {
            try timer?.start(afterMilliseconds: milliseconds)
        } catch {
            logger.critical("the watchdog's timer failed: \(error)")
        }
    }

    private func later(afterServing served: Duration?, why: String) {
        let milliseconds = schedule.delayMilliseconds(afterServing: served)
        let moment = milliseconds == 0 ? "at once" : "in \(Double(milliseconds) / 1_000) s"
        logger.error("\(why); it is started again \(moment)")
        guard milliseconds > 0 else { return startAgain() }
        do {
            try pause?.start(afterMilliseconds: milliseconds)
        } catch {
            logger.critical("cannot wait to start the node again: \(error)")
            finish(Refusal.osError)
        }
    }

    private func finish(_ status: Int32) {
        self.status = status
        loop.stop()
    }
}
