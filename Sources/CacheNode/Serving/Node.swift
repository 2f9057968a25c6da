import EventLoop
import Glibc
import Logging
import MemcacheProtocol
import SessionMap
import Synchronization

/// A whole cache node: its space, the workers with their threads, and the accepting main thread.
package final class Node {
    private let configuration: NodeConfiguration
    private let context: NodeContext
    /// What all listeners lead to. Everything but this type is ready for several.
    private let space: Space
    private let loop: Loop
    private let workers: [Worker]
    private let acceptor: Acceptor
    private var threads: [NodeThread] = []
    private var signals: [SignalSource] = []
    private var stopRequest: WakeUp?
    private var tick: Timer?
    private var feeding: Timer?
    private var heartbeat: Heartbeat
    /// As it was told last.
    private var standing: String?
    private let cluster: ClusterFollower?
    private let peerThread: PeerThread?

    private static let tickMilliseconds = 1_000

    /// Makes everything that can fail, but listens only once it runs.
    package init(_ configuration: NodeConfiguration) throws(NodeError) {
        self.configuration = configuration
        // First: what is wrong with a file must not wait until the memory is there.
        var security: NodeSecurity?
        if let settings = configuration.tls {
            do throws(TLSError) {
                security = try NodeSecurity(configuration, settings)
            } catch {
                throw NodeError(error)
            }
        }
        let peerSecurity = try Self.makePeerSecurity(configuration)
        let authentication = try Self.makeAuthentication(configuration)
        let (space, clock) = try SpaceMaker(configuration).make()
        if configuration.shouldStop() { throw .stopped }
        self.space = space
        let context = NodeContext(
            configuration: configuration, spaces: [space], clock: clock, security: security,
            peerSecurity: peerSecurity, authentication: authentication)
        self.context = context
        cluster = configuration.cluster.map { ClusterFollower($0, context: context) }
        do { try cluster?.read() } catch { throw NodeError(message: "\(error)") }
        do {
            loop = try Loop()
            var workers: [Worker] = []
            for number in 0..<configuration.rules.threadCount {
                workers.append(try Worker(number: number, context: context))
            }
            self.workers = workers
        } catch {
            throw NodeError(message: "cannot make an event loop: \(error)")
        }
        acceptor = Acceptor(context: context, workers: workers)
        peerThread = try Self.makePeerThread(context, space, workers)
        heartbeat = Heartbeat(
            of: context.workers.map(\.pulse) + [peerThread?.pulse].compactMap(\.self))
    }

    private static func makePeerThread(
        _ context: NodeContext, _ space: Space, _ workers: [Worker]
    ) throws(NodeError) -> PeerThread? {
        guard let peers = context.peers else { return nil }
        peers.prepare(
            context, space,
            listener: ListenerIdentity(
                space: space, rules: context.rules.listener, isUnixSocket: false))
        do {
            return try PeerThread(
                peers, context: context, servers: workers.compactMap(\.links))
        } catch {
            throw NodeError(message: "cannot make the members' event loop: \(error)")
        }
    }

    private static func makePeerSecurity(
        _ configuration: NodeConfiguration
    ) throws(NodeError) -> PeerSecurity? {
        guard let settings = configuration.peers?.tls else { return nil }
        do throws(TLSError) {
            return try PeerSecurity(settings)
        } catch {
            throw NodeError(message: "peers.tls: \(error)")
        }
    }

    private static func makeAuthentication(
        _ configuration: NodeConfiguration
    ) throws(NodeError) -> NodeAuthentication? {
        guard let rules = configuration.authentication else { return nil }
        do throws(AuthenticationError) {
            return try NodeAuthentication(rules)
        } catch {
            throw NodeError(error)
        }
    }

    /// A place where the node listens.
    package struct Place: Sendable, CustomStringConvertible {
        package let description: String
        /// The line that memcached writes of it to MEMCACHED_PORT_FILENAME.
        package let portLine: String?
        package let port: Int?

        init(_ address: SocketAddress, isSecured: Bool) {
            description = address.description + (isSecured ? " by TLS" : "")
            port = address.port
            portLine =
                switch address {
                case .tcp(_, let port): "TCP INET: \(port)\n"
                case .tcp6(_, let port): "TCP INET6: \(port)\n"
                case .unix, .unknown: nil
                }
        }
    }

    /// Listens, and says where. From here on a signal ends the node in order: whoever learns that it is
    /// there may send one.
    package func listen() throws(NodeError) -> [Place] {
        do {
            try attendSignals()
            // What came before; from here on the loop knows.
            if configuration.shouldStop() { throw NodeError.stopped }
            let listening = try configuration.makeSockets()
            let tls = context.rules.tls
            try acceptor.start(loop: loop, listening: listening) { place in
                ListenerIdentity(
                    space: space, rules: context.rules.listener,
                    isUnixSocket: place.socket.address.isUnix,
                    verification: place.security.verification(tls))
            }
            try peerThread?.listen()
            if let security = context.security { context.logger.notice("\(security.summary)") }
            if let security = context.peerSecurity { context.logger.notice("\(security.summary)") }
            if let exposure = Exposure(of: listening, context).sentence {
                context.logger.warning("\(exposure)")
            }
            return listening.map {
                Place($0.socket.address, isSecured: $0.security.verification(tls) != nil)
            }
        } catch let error as NodeError {
            throw error
        } catch {
            throw NodeError(message: "cannot listen: \(error)")
        }
    }

    private func attendSignals() throws(EventLoopError) {
        let logger = context.logger
        let follow = configuration.follow
        for number in [SIGINT, SIGTERM] {
            signals.append(
                try SignalSource(loop: loop, signal: number) { [unowned self] in
                    logger.info("Signal handled: \(String(cString: strsignal(number))).")
                    loop.stop()
                })
        }
        signals.append(
            try SignalSource(loop: loop, signal: SIGUSR1) { [unowned self] in
                logger.notice("Gracefully stopping")
                loop.stop()
            })
        signals.append(
            try SignalSource(loop: loop, signal: SIGHUP) { [unowned self] in
                let authentication = context.authentication
                guard cluster != nil || context.speaksTLS || authentication != nil else {
                    return logger.info("SIGHUP: nothing to read again")
                }
                follow(.reloading)
                cluster?.readAgain()
                if let authentication { context.refreshPasswords(authentication) }
                // What is wrong with them is in the log.
                if context.speaksTLS { try? context.refreshCertificates() }
                follow(.serving)
            })
    }

    /// Serves until a signal or a client's `shutdown`; then closes everything in order.
    package func run() throws {
        try cluster?.watch(on: loop)
        let stopRequest = try WakeUp(loop: loop) { [unowned self] in loop.stop() }
        self.stopRequest = stopRequest
        let logger = context.logger
        context.onShutdownRequest { mode in
            if mode == .graceful { logger.notice("Gracefully stopping") }
            stopRequest.wake()
        }
        let tick = try Timer(loop: loop) { [unowned self] in keepUp() }
        self.tick = tick
        try tick.start(afterMilliseconds: Self.tickMilliseconds)
        if let peerThread { threads.append(try NodeThread { peerThread.run() }) }
        for worker in workers { threads.append(try NodeThread { worker.run() }) }
        for space in context.spaces {
            threads.append(try NodeThread { space.preparer.run() })
        }
        if let watchdog = configuration.watchdog { try beginFeeding(watchdog) }
        loop.run()
        configuration.follow(.stopping)
        stop()
    }

    /// Every second: expiry and the like, which each worker does for its share of the shards.
    private func keepUp() {
        for worker in workers { worker.requestMaintenance() }
        tellStanding()
        do {
            try tick?.start(afterMilliseconds: Self.tickMilliseconds)
        } catch {
            context.logger.critical("the node's timer failed, nothing expires any more: \(error)")
        }
    }

    // MARK: Telling

    private func tellStanding() {
        guard let sentence = context.peers?.view().sentence, sentence != standing else { return }
        standing = sentence
        context.logger.notice("\(sentence)")
        configuration.follow(.standing(sentence))
    }

    /// On this thread, which accepts: if it hangs nobody is told either.
    private func beginFeeding(_ watchdog: Watchdog) throws {
        let feeding = try Timer(loop: loop) { [unowned self] in feed(watchdog) }
        self.feeding = feeding
        try feeding.start(afterMilliseconds: watchdog.feedingMilliseconds)
    }

    private func feed(_ watchdog: Watchdog) {
        if heartbeat.haveAllComeAround() {
            watchdog.feed()
        } else {
            context.withheldFeedCount.add(1, ordering: .relaxed)
        }
        for worker in workers { worker.requestTurn() }
        do {
            try feeding?.start(afterMilliseconds: watchdog.feedingMilliseconds)
        } catch {
            context.logger.critical("the watchdog's timer failed, it will end the node: \(error)")
        }
    }

    private func stop() {
        tick = nil
        feeding = nil
        acceptor.stop()
        for worker in workers { worker.stop() }
        peerThread?.stop()
        for space in context.spaces { space.preparer.stop() }
        for thread in threads { thread.join() }
        for space in context.spaces { space.map.save(context.clock.saved()) }
        threads.removeAll()
        context.peers?.end()
        context.onShutdownRequest { _ in }
        signals.removeAll()
        cluster?.stop()
        stopRequest = nil
    }
}

/// Why a node cannot start, in one line for its operator.
package struct NodeError: Error, Equatable, CustomStringConvertible {
    package let message: String
    package var description: String { message }
    /// The memory file is what stands in the way, and another one would do.
    var isFileUnusable = false
    /// The machine stopped while a node used it: nobody's fault, and never a reason not to start.
    var isFileInterrupted = false
    /// It is no longer where it was just now.
    var isFileGone = false
    /// The file system has no room for what is asked of it.
    var isNoRoom = false

    init(message: String) { self.message = message }

    /// A file that the command line names is wrong, and would be the next time.
    package private(set) var isMisconfigured = false

    init(_ error: TLSError) {
        message = "TLS: \(error)"
        isMisconfigured = true
    }

    init(_ error: AuthenticationError) {
        message = "-Y: \(error)"
        isMisconfigured = true
    }

    /// Not a failure: somebody asked the node to stop before it listened.
    package static let stopped = NodeError(message: "stopped before it listened")

    init(_ error: SocketError) {
        switch error {
        case .unresolvable(let name, let reason):
            message = "failed to listen on one of interface(s) \(name): \(reason)"
        case .failed(let call, let address, let number):
            message = "failed to listen on \(address): \(call)(): \(Self.reason(number))"
        case .pathTooLong(let path):
            message = "failed to listen on \(path): a Unix socket's path has at most 107 bytes"
        }
    }

    init(_ error: MapError) {
        switch error {
        case .cannotMap(let byteCount, let number):
            message =
                "cannot map \(byteCount >> 20) MB for items: \(Self.reason(number)); lower -m"
        case .cannotLock(let byteCount, let number):
            message =
                "cannot lock \(byteCount >> 20) MB of memory: \(Self.reason(number)); "
                + "raise 'ulimit -l' or leave -k out"
        case .damaged(let region):
            message =
                "the memory file is damaged (\(region.reason)), which no death of a node explains; "
                + "remove it to start without its items, or give -o damaged_file=aside"
            isFileUnusable = true
        }
    }

    private static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
}
