import Logging
import MemcacheProtocol
import NIOCore
import NIOPosix
import Synchronization

/// One connection to a node: made when there is something to send, and again when it was lost.
///
/// Any task may submit an exchange. All that is submitted while the event loop is busy goes out with
/// one write. Whoever makes it has to shut it down: while it has a socket it keeps itself alive, so
/// that nobody waits for ever.
///
/// Unchecked, because: `inbox` has its lock; every other variable is used on `eventLoop` alone, which
/// each method that is reached from elsewhere asserts.
final class NodeConnection: @unchecked Sendable {
    struct Settings: Sendable {
        var limits: ConnectionStateMachine.Limits
        /// Requests that are submitted and not settled; further ones are refused.
        var outstandingCountMax: Int
        var valueByteCountMax: Int
        /// How a connection begins.
        var access = NodeAccess.open
    }

    /// What became of the node, as far as this connection can see.
    enum News: Sendable {
        case answered
        /// - Parameter atLogin: whether the answer to a login was due.
        case failed(CacheError, atLogin: Bool)
    }

    private struct Inbox {
        var arrivals: [Exchange] = []
        var outstandingCount = 0
        var isScheduled = false
        var isCleaningScheduled = false
    }

    let host: String
    let port: Int
    let eventLoop: any EventLoop
    private let settings: Settings
    private let logger: Logger
    private let tell: @Sendable (News) -> Void
    private let inbox = Mutex(Inbox())

    private var machine: ConnectionStateMachine
    /// The one whose news count.
    private var handler: NodeChannelHandler?
    /// Counts attempts to connect, so that the end of an earlier one is told from that of the last.
    private var attempt: UInt64 = 0
    private var output = ByteBuffer()
    private var alarm: (callback: NIOScheduledCallback, deadline: Instant)?
    private var isClosing = false
    /// Whether a request was answered since the last news. Greetings and probes tell only that somebody
    /// is there.
    private var hasAnswered = false

    /// - Parameter tell: called on the event loop, once for each failure, and for each read with an answer
    ///   to a request.
    init(
        host: String, port: Int, eventLoop: any EventLoop, settings: Settings, logger: Logger,
        tell: @escaping @Sendable (News) -> Void
    ) {
        self.host = host
        self.port = port
        self.eventLoop = eventLoop
        self.settings = settings
        self.logger = logger
        self.tell = tell
        machine = ConnectionStateMachine(
            limits: settings.limits, firstOpaque: UInt64.random(in: .min ... .max),
            logsIn: settings.access.login != nil)
    }

    /// Requests that wait here or are on the wire.
    var outstandingCount: Int { inbox.withLock { $0.outstandingCount } }

    // MARK: From any task

    /// Takes an exchange on; it will be settled at its deadline at the latest.
    func submit(_ exchange: Exchange) throws(CacheError) {
        let count = exchange.requests.count
        let wakes: Bool? = inbox.withLock { inbox in
            let isAlone = inbox.outstandingCount == 0
            guard isAlone || inbox.outstandingCount + count <= settings.outstandingCountMax else {
                return nil
            }
            inbox.outstandingCount += count
            inbox.arrivals.append(exchange)
            defer { inbox.isScheduled = true }
            return !inbox.isScheduled
        }
        guard let wakes else { throw CacheError(.overloaded) }
        if wakes { eventLoop.execute { self.takeArrivals() } }
    }

    /// Gives the room of exchanges that were cancelled before they were sent to others.
    func cleanUp() {
        let wakes = inbox.withLock { inbox in
            defer { inbox.isCleaningScheduled = true }
            return !inbox.isCleaningScheduled
        }
        guard wakes else { return }
        eventLoop.execute {
            self.inbox.withLock { $0.isCleaningScheduled = false }
            self.tick()
        }
    }

    /// What it is about, for tests.
    func phase() async throws -> ConnectionStateMachine.Phase {
        try await eventLoop.submit { self.machine.phase }.get()
    }

    /// Takes nothing more. What is under way goes on until it is settled.
    func shutDown() {
        eventLoop.execute {
            self.isClosing = true
            self.closeWhenDone()
        }
    }

    // MARK: On the event loop

    private func takeArrivals() {
        eventLoop.assertInEventLoop()
        var arrivals: [Exchange] = []
        inbox.withLock { inbox in
            swap(&arrivals, &inbox.arrivals)
            inbox.isScheduled = false
        }
        let now = Instant.now
        for exchange in arrivals { take(exchange, now: now) }
        send(now: now)
    }

    private func take(_ exchange: Exchange, now: Instant) {
        switch machine.submit(exchange, now: now) {
        case .waits: break
        case .connect: connect()
        case .refused(let error):
            exchange.fail(error, wasSent: false)
            release(exchange)
            return
        }
        wake(at: min(exchange.deadline, machine.patienceEnd ?? exchange.deadline))
    }

    private func release(_ exchange: Exchange) {
        inbox.withLock { $0.outstandingCount -= exchange.requests.count }
    }

    private func releaseDropped() {
        for exchange in machine.takeDropped() {
            // Those that were settled before are not settled again.
            exchange.fail(CacheError(.deadlineExceeded), wasSent: false)
            release(exchange)
        }
    }

    private func send(now: Instant) {
        guard let context = handler?.context else { return }
        output.clear()
        while let (exchange, firstOpaque) = machine.nextToSend(now: now) {
            for (place, request) in exchange.requests.enumerated() {
                write(request, opaque: firstOpaque &+ UInt64(place), to: context)
            }
        }
        releaseDropped()
        guard output.readableBytes > 0 else { return }
        context.writeAndFlush(NIOAny(output), promise: nil)
        if let end = machine.patienceEnd { wake(at: end) }
    }

    /// Large values are handed on by themselves, the rest is put together.
    private func write(_ request: NodeRequest, opaque: UInt64, to context: ChannelHandlerContext) {
        output.writeLine(of: request, opaque: opaque)
        guard let value = request.value else { return }
        if value.count < Self.largeValueByteCount {
            output.writeBytes(value)
        } else {
            context.write(NIOAny(output), promise: nil)
            context.write(NIOAny(ByteBuffer(bytes: value)), promise: nil)
            output.clear()
        }
        output.writeStaticString("\r\n")
    }

    private static let largeValueByteCount = 16_384

    // MARK: Connecting

    private func connect() {
        attempt += 1
        let attempt = attempt
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(settings.limits.connectTimeout))
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
        let future = settings.access.connect(bootstrap, toHost: host, port: port)
        future.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.connected(channel, attempt: attempt)
            case .failure(let error):
                guard attempt == self.attempt else { return }
                let reason = ConnectingFailure(error).description
                self.lose(CacheError(.nodeUnavailable, reason: reason))
            }
        }
    }

    private func connected(_ channel: any Channel, attempt: UInt64) {
        guard attempt == self.attempt, let opening = machine.connected() else {
            return channel.close(promise: nil)
        }
        let handler = NodeChannelHandler(
            connection: self, valueByteCountMax: settings.valueByteCountMax)
        self.handler = handler
        do {
            // Of a channel that is closed already the handler would hear nothing.
            guard channel.isActive else { throw ChannelError.alreadyClosed }
            try channel.pipeline.syncOperations.addHandler(handler)
        } catch {
            return lose(CacheError(.nodeUnavailable, reason: "\(error)"))
        }
        begin(opening, on: handler)
    }

    private func begin(_ opening: ConnectionStateMachine.Opening, on handler: NodeChannelHandler) {
        output.clear()
        if opening == .login, let login = settings.access.login {
            output.writeImmutableBuffer(login)
        } else {
            output.writeLine(of: .noop, opaque: 0)
        }
        handler.context?.writeAndFlush(NIOAny(output), promise: nil)
        // Passwords do not stay where requests are put together.
        if opening == .login { output = ByteBuffer() }
    }

    /// - Parameter error: what is told to those whose requests may have reached the node.
    func lost(_ handler: NodeChannelHandler, _ error: CacheError) {
        if handler === self.handler { lose(error) }
    }

    private func lose(_ reason: CacheError) {
        var error = reason
        // Nothing was sent before the greeting is answered: a node that hangs up then cannot be reached.
        if machine.phase != .ready, error.code == .connectionLost { error.code = .nodeUnavailable }
        attempt += 1
        handler?.close()
        handler = nil
        // A node may close a connection that nobody uses.
        let isFailure =
            machine.phase != .ready || machine.inFlightCount > 0 || error.code != .connectionLost
        // Before those who waited go on: they might ask a node again that is to be left alone.
        if isFailure {
            logger.debug("connection lost", metadata: ["reason": "\(error)"])
            tell(.failed(error, atLogin: machine.isLoggingIn))
        }
        let lost = machine.lost()
        for exchange in lost.inFlight {
            exchange.fail(error, wasSent: true)
            release(exchange)
        }
        for exchange in lost.waiting {
            exchange.fail(error, wasSent: false)
            release(exchange)
        }
    }

    private func closeWhenDone() {
        guard isClosing, machine.isUnused else { return }
        machine.shutDown()
        alarm?.callback.cancel()
        alarm = nil
        attempt += 1
        handler?.close()
        handler = nil
    }

    // MARK: Receiving

    func received(_ reply: NodeReply, by handler: NodeChannelHandler) {
        guard handler === self.handler else { return }
        switch machine.receive(reply) {
        case .ready, .part: break
        case .loggedIn: begin(.greeting, on: handler)
        case .keptOut(let error): lose(error)
        case .complete(let exchange, let replies):
            hasAnswered = hasAnswered || exchange.requests[0] != .noop
            exchange.settle(.success(replies))
            release(exchange)
        case .refused(let exchange, let error):
            exchange.fail(error, wasSent: true)
            release(exchange)
            lose(CacheError(.connectionLost, reason: "closed after \(error)"))
        case .violation(let reason):
            lose(CacheError(.protocolViolation, reason: reason))
        }
    }

    /// All replies of one read were handed over.
    func receivedAll(by handler: NodeChannelHandler) {
        guard handler === self.handler else { return }
        let now = Instant.now
        machine.heard(now: now)
        if hasAnswered {
            hasAnswered = false
            tell(.answered)
        }
        send(now: now)
        if isClosing { closeWhenDone() }
    }

    func writabilityChanged(_ isWritable: Bool, of handler: NodeChannelHandler) {
        guard handler === self.handler else { return }
        machine.setWritable(isWritable)
        if isWritable { send(now: .now) }
    }

    // MARK: Time

    private func wake(at deadline: Instant) {
        if let alarm {
            guard deadline < alarm.deadline else { return }
            alarm.callback.cancel()
        }
        do {
            let callback = try eventLoop.scheduleCallback(
                in: TimeAmount(deadline - .now), handler: Alarm(connection: self))
            alarm = (callback, deadline)
        } catch {
            // The event loop has been shut down, and with it everything that could answer.
            alarm = nil
            lose(CacheError(.shutDown))
        }
    }

    private struct Alarm: NIOScheduledCallbackHandler {
        let connection: NodeConnection
        func handleScheduledCallback(eventLoop: some EventLoop) { connection.tick() }
    }

    private func tick() {
        alarm?.callback.cancel()
        alarm = nil
        let tick = machine.tick(now: .now)
        for (exchange, wasSent) in tick.late {
            exchange.fail(CacheError(.deadlineExceeded), wasSent: wasSent)
            if !wasSent { release(exchange) }
        }
        releaseDropped()
        if let error = tick.closes { lose(error) }
        if let next = tick.next { wake(at: next) }
        if isClosing { closeWhenDone() }
    }
}

extension ByteBuffer {
    fileprivate mutating func writeLine(of request: NodeRequest, opaque: UInt64) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: MetaLine.byteCountMax) { room in
            var writer = ReplyWriter(room)
            request.encodeLine(to: &writer, opaque: opaque)
            return writer.count
        }
    }
}
