import EventLoop
import Glibc
import Logging
import MemcacheProtocol
import SessionMap
import Synchronization

/// A whole cache node: its spaces, the workers with their threads, and the accepting main thread.
package final class Node {
    var configuration: NodeConfiguration
    let context: NodeContext
    let loop: Loop
    private let workers: [Worker]
    let acceptor: Acceptor
    private var threads: [NodeThread] = []
    private var signals: [SignalSource] = []
    private var stopRequest: WakeUp?
    private var tick: Timer?
    private var feeding: Timer?
    private var heartbeat: Heartbeat
    /// As it was told last.
    private var standing: String?
    private var clusters: [ClusterFollower] = []
    /// Spaces that have come while the node runs, and are being made.
    var newcomers: [Newcomer] = []
    private let peerThread: PeerThread?
    private let operatorThread: OperatorThread?
    let adminThread: AdminThread?
    /// Of the main thread.
    private let pulse = Pulse()

    private static let tickMilliseconds = 1_000

    /// Makes everything that can fail, but listens only once it runs.
    package init(_ configuration: NodeConfiguration) throws(NodeError) {
        self.configuration = configuration
        // First: what is wrong with a file must not wait until the memory is there.
        let peerSecurity = try Self.makePeerSecurity(configuration)
        let idKey = try Self.readIDKey(configuration)
        let adminSecurity = try configuration.rules.admin.map { rules throws(NodeError) in
            try AdminSecurity(rules)
        }
        var makers: [SpaceMaker] = []
        for space in configuration.spaces {
            makers.append(try SpaceMaker(configuration, space))
        }
        var spaces: [Space] = []
        for maker in makers {
            spaces.append(try maker.make())
            if configuration.shouldStop() { throw .stopped }
        }
        let context = NodeContext(
            configuration: configuration, spaces: spaces, peerSecurity: peerSecurity, idKey: idKey)
        self.context = context
        for space in spaces {
            if let follower = try Self.makeFollower(of: space, context) {
                clusters.append(follower)
            }
        }
        do {
            // One for both: what is counted of operators has one place.
            let ending = SessionEnding(context)
            operatorThread = try configuration.rules.operatorSocket.map {
                try OperatorThread(path: $0, context: context, ending: ending)
            }
            adminThread = try adminSecurity.map {
                try AdminThread($0, context: context, ending: ending)
            }
            loop = try Loop()
            var workers: [Worker] = []
            for number in 0..<configuration.rules.threadCount {
                workers.append(try Worker(number: number, context: context))
            }
            self.workers = workers
            acceptor = try Acceptor(context: context, workers: workers, loop: loop)
        } catch {
            throw NodeError(message: "cannot make an event loop: \(error)")
        }
        peerThread = try Self.makePeerThread(context, workers)
        heartbeat = Heartbeat(
            of: context.workers.map(\.pulse) + [peerThread?.pulse].compactMap(\.self))
    }

    private static func makeFollower(
        of space: Space, _ context: NodeContext
    ) throws(NodeError) -> ClusterFollower? {
        guard let source = space.configuration.cluster else { return nil }
        let follower = ClusterFollower(source, of: space, logger: context.logger)
        do { try follower.read() } catch { throw NodeError(message: "\(error)") }
        return follower
    }

    private static func makePeerThread(
        _ context: NodeContext, _ workers: [Worker]
    ) throws(NodeError) -> PeerThread? {
        guard let space = context.spaces.all.first(where: { $0.peers != nil }),
            let peers = space.peers
        else { return nil }
        peers.prepare(
            context, space,
            listener: ListenerIdentity(
                space: space, rules: space.configuration.listener, isUnixSocket: false))
        do {
            return try PeerThread(
                peers, context: context, servers: workers.compactMap(\.links))
        } catch {
            throw NodeError(message: "cannot make the members' event loop: \(error)")
        }
    }

    private static func readIDKey(_ configuration: NodeConfiguration) throws(NodeError) -> IDKey {
        guard let path = configuration.idKeyFile else { return IDKey() }
        do throws(SecretFileError) {
            let file = try SecretFile(path, "the key of IDs", byteCountMax: 1_024)
            if let exposure = file.exposure { configuration.logger.warning("\(exposure)") }
            if let key = file.withBytes({ IDKey(hexadecimal: $0) }) { return key }
            throw SecretFileError(
                "\(file.name) must be 32 digits from 0 to f: openssl rand -hex 16")
        } catch {
            var problem = NodeError(message: "id_key_file: \(error)")
            problem.isMisconfigured = true
            throw problem
        }
    }

    private static func makePeerSecurity(
        _ configuration: NodeConfiguration
    ) throws(NodeError) -> PeerSecurity? {
        guard let settings = configuration.spaces.lazy.compactMap(\.peers).first?.tls else {
            return nil
        }
        do throws(TLSError) {
            return try PeerSecurity(settings)
        } catch {
            throw NodeError(message: "peers.tls: \(error)")
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
            let places = try context.spaces.all.flatMap { try listen(for: $0) }
            try peerThread?.listen()
            try operatorThread?.listen()
            try adminThread?.listen(watching: watchedPulses)
            if let security = context.peerSecurity { context.logger.notice("\(security.summary)") }
            return places
        } catch let error as NodeError {
            throw error
        } catch {
            throw NodeError(message: "cannot listen: \(error)")
        }
    }

    /// Of the threads without which nobody is served.
    private var watchedPulses: [(name: String, pulse: Pulse)] {
        [("main", pulse)] + context.workers.map { ("worker \($0.number)", $0.pulse) }
            + [peerThread?.pulse].compactMap(\.self).map { ("members", $0) }
    }

    /// Listens where a space's configuration says.
    func listen(for space: Space) throws -> [Place] {
        let configuration = space.configuration
        let listening = try self.configuration.makeSockets(for: configuration)
        try acceptor.listen(for: space, on: listening) {
            ListenerIdentity(space: space, configuration, $0)
        }
        if let security = space.security { context.logger.notice("\(security.summary)") }
        if let exposure = Exposure(of: listening, space).sentence {
            context.logger.warning("\(exposure)")
        }
        return listening.map {
            Place(
                $0.socket.address, isSecured: $0.security.verification(configuration.tls) != nil)
        }
    }

    private func attendSignals() throws(EventLoopError) {
        let logger = context.logger
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
            try SignalSource(loop: loop, signal: SIGHUP) { [unowned self] in readAgain() })
    }

    /// SIGHUP: what is wrong with a file is in the log, and changes nothing.
    private func readAgain() {
        let hasUsers = context.spaces.all.contains { $0.authentication != nil }
        let hasFile = configuration.readAgain != nil || adminThread?.hasFiles == true
        guard !clusters.isEmpty || context.speaksTLS || hasUsers || hasFile else {
            return context.logger.info("SIGHUP: nothing to read again")
        }
        configuration.follow(.reloading)
        reconfigure()
        for cluster in clusters { cluster.readAgain() }
        for space in context.spaces.all {
            if let authentication = space.authentication {
                context.refreshPasswords(authentication)
            }
        }
        if context.speaksTLS { try? context.refreshCertificates() }
        adminThread?.refresh()
        configuration.follow(.serving)
    }

    /// Serves until a signal or a client's `shutdown`; then closes everything in order.
    package func run() throws {
        for cluster in clusters { try cluster.watch(on: loop) }
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
        if let operatorThread { threads.append(try NodeThread { operatorThread.run() }) }
        // Whoever watches waits for those who are watched.
        if let adminThread { threads.append(try NodeThread(yields: true) { adminThread.run() }) }
        for worker in workers { threads.append(try NodeThread { worker.run() }) }
        for space in context.spaces.all { try prepare(space) }
        if let watchdog = configuration.watchdog { try beginFeeding(watchdog) }
        loop.run()
        configuration.follow(.stopping)
        stop()
    }

    /// Makes the memory of a space present, and what it will need next.
    func prepare(_ space: Space) throws {
        threads.append(try NodeThread { space.preparer.run() })
        guard let predecessor = space.predecessor else { return }
        do {
            let thread = try PredecessorThread(predecessor, space: space, logger: context.logger)
            threads.append(try NodeThread { thread.run() })
        } catch let error as EventLoopError {
            throw NodeError(message: "cannot make the predecessor's event loop: \(error)")
        }
    }

    /// A space that has come while the node runs.
    func admit(_ space: Space) throws -> [Place] {
        let follower = try Self.makeFollower(of: space, context)
        try prepare(space)
        context.spaces.append(space)
        for worker in workers { worker.requestMaintenance() }
        if let follower {
            try follower.watch(on: loop)
            clusters.append(follower)
        }
        return try listen(for: space)
    }

    /// Every second: expiry and the like, which each worker does for its share of the shards.
    private func keepUp() {
        pulse.beat()
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
        for newcomer in newcomers { newcomer.join() }
        newcomers.removeAll()
        operatorThread?.stop()
        adminThread?.stop()
        for space in context.spaces.all {
            space.preparer.stop()
            space.predecessor?.finish()
        }
        for thread in threads { thread.join() }
        for space in context.spaces.all { space.map.save(space.clock.saved()) }
        threads.removeAll()
        context.peers?.end()
        context.onShutdownRequest { _ in }
        signals.removeAll()
        for cluster in clusters { cluster.stop() }
        stopRequest = nil
    }
}
