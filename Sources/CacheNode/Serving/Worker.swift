import EventLoop
import Glibc
import Logging
import MemcacheProtocol
import SessionMap
import Synchronization

/// One thread with an event loop, its connections, its buffers and its counters.
///
/// Everything in it is confined to its thread, but for the queue of new connections and the record
/// that others read, and by which they let go on what waits.
///
/// `@unchecked Sendable`: other threads call `adopt`, `requestMaintenance`, `requestTurn` and `stop` only, which touch
/// `inbox` (a mutex) and the loop's wake-up (safe to call from anywhere).
final class Worker: @unchecked Sendable {
    private let number: Int
    private let context: NodeContext
    let loop: Loop
    private let record: WorkerRecord
    private let pool = BufferPool()
    private var sockets: [Int32: ClientSocket] = [:]
    /// Those whose input waits until others have received theirs; of `sockets`.
    private var received = SocketQueue()
    /// Those whose replies wait for the end of the turn; of `sockets`.
    private var owing = SocketQueue()
    /// Closed in this turn, and those whose turn to go has not come yet. Until the end of a turn they are there
    /// for whoever is in the middle of one of them, so that nobody needs to retain them.
    private var closed: [ClientSocket] = []
    /// The moment of this turn of the loop, by the clock that was asked for last.
    private var turnMoment: Moment?
    /// A name alone: looking at the clock itself would retain it.
    private var turnClock: ObjectIdentifier?
    /// When it began, in nanoseconds of `NodeClock.nanoseconds`.
    private var turnBegan: UInt64 = 0
    /// What the clock that was asked for last showed then.
    private var shown: NodeClock.Shown?
    /// This worker's of all spaces, which outlive it.
    private var tallies: [Unmanaged<RequestTally>] = []
    /// Those of `sockets` that watch.
    private var watching: [Int32: ClientSocket] = [:]
    private var watchTimer: Timer?
    /// What connections wait for; see `Waiting`.
    private var waits: Waits?
    private var limited: LimitedPeers
    /// All there are, as far as is known.
    private var spaces: [Space] = []
    /// Those of the spaces where keys are locks.
    private var locks: [LockQueues] = []
    private var hasLocks = false
    private let inbox = Mutex(Inbox())
    private var wakeUp: WakeUp?
    /// Goes on with what maintenance left undone. As a rule no timer runs here: it would be set and
    /// taken back each time that the loop waits, which on a virtual machine made a request that had
    /// to be waited for an eighth dearer.
    private var goOn: Timer?
    let commandsPerTurn: Int
    /// Those of no connection yet, because TLS has to be agreed on. There only with TLS.
    private var handshakes: Handshakes?
    /// There only in a cluster that keeps copies.
    private(set) var links: ServedLinks?
    /// Where small pieces of a reply become one record of TLS. There only once one is sent.
    private(set) lazy var recordScratch = RecordScratch()

    /// A connected descriptor, and the listener that it came by.
    private struct Arrival {
        let descriptor: Int32
        let listener: ListenerIdentity
    }

    private struct Inbox {
        var arrivals: [Arrival] = []
        var isMaintenanceDue = false
        var isStopping = false
    }

    private static let arrivalsPerTurn = 4
    private static let buriedPerTurn = 4
    /// Items that one turn of maintenance may move before connections get their turn again.
    private static let itemsPerTurn = 256
    /// Each holds a block of input, and what is in the caches must not be gone when it is executed.
    private static let receivedCountMax = 16
    /// How long events are gathered for watchers: many go out by one write.
    private static let watchMilliseconds = 5

    init(number: Int, context: NodeContext) throws(EventLoopError) {
        self.number = number
        self.context = context
        record = context.workers[number]
        limited = LimitedPeers(context.rules)
        commandsPerTurn = context.rules.commandsPerTurn
        loop = try Loop()
        let wakeUp = try WakeUp(loop: loop) { [unowned self] in
            readInbox()
            links?.attend()
            readResumptions()
            scheduleWatchers()
            // Nobody may have anything to do: it has come around.
            loop.requestEndOfTurn()
        }
        self.wakeUp = wakeUp
        record.attention.withLock { $0 = wakeUp }
        watchTimer = try Timer(loop: loop) { [unowned self] in attendWatchers() }
        goOn = try Timer(loop: loop) { [unowned self] in maintain() }
        waits = Waits(context: context, loop: loop) { [unowned self] waiting, ending in
            sockets[waiting.ticket.descriptor]?.resume(waiting, ending)
        }
        links = context.peers.map {
            ServedLinks($0, loop: loop, worker: record) { [unowned self] in readResumptions() }
        }
        loop.onEndOfTurn { [unowned(unsafe) self] in endTurn() }
        try noteSpaces()
    }

    /// Takes the spaces in that have come.
    private func noteSpaces() throws(EventLoopError) {
        spaces = context.spaces.all
        locks = spaces.compactMap(\.locks)
        hasLocks = !locks.isEmpty
        tallies = spaces.map { .passUnretained($0.requests[number]) }
        guard handshakes == nil, spaces.contains(where: { $0.security != nil }) else { return }
        handshakes = try Handshakes(context: context, record: record, loop: loop) {
            [unowned self] in open($0, readable: $1, listener: $2)
        }
    }

    /// The present moment of a space, read once per turn of the loop as long as one space's are asked for.
    @inline(__always)
    func now(_ clock: NodeClock) -> Moment {
        if let turnMoment, turnClock == ObjectIdentifier(clock) { return turnMoment }
        return read(clock)
    }

    @inline(never)
    private func read(_ clock: NodeClock) -> Moment {
        let nanoseconds = NodeClock.nanoseconds()
        if turnMoment == nil { turnBegan = nanoseconds }
        let moment = moment(of: clock, nanoseconds)
        turnMoment = moment
        turnClock = ObjectIdentifier(clock)
        loop.requestEndOfTurn()
        return moment
    }

    @inline(__always)
    private func moment(of clock: NodeClock, _ nanoseconds: UInt64) -> Moment {
        if turnClock == ObjectIdentifier(clock),
            let moment = shown?.moment(of: clock, nanoseconds: nanoseconds)
        {
            return moment
        }
        let shown = NodeClock.Shown(clock, nanoseconds: nanoseconds)
        self.shown = shown
        return shown.moment
    }

    // The event must not outlive its loop.
    deinit { record.attention.withLock { $0 = nil } }

    /// Runs until `stop`; called on the worker's own thread.
    func run() {
        loop.run()
        for socket in sockets.values { socket.detach() }
        links?.close()
        handshakes?.close()
        watching.removeAll()
        limited.removeAll()
        sockets.removeAll()
        bury(atMost: closed.count)
        wakeUp = nil
        watchTimer = nil
        waits?.close()
        goOn = nil
    }

    // MARK: Called from other threads

    /// Takes over a connected descriptor.
    func adopt(_ descriptor: Int32, listener: ListenerIdentity) {
        inbox.withLock {
            $0.arrivals.append(Arrival(descriptor: descriptor, listener: listener))
        }
        wakeUp?.wake()
    }

    /// To be called every second.
    func requestMaintenance() {
        inbox.withLock { $0.isMaintenanceDue = true }
        wakeUp?.wake()
    }

    /// Has it come around, also when there is nothing to do.
    func requestTurn() { wakeUp?.wake() }

    func stop() {
        inbox.withLock { $0.isStopping = true }
        wakeUp?.wake()
    }

    // MARK: Connections

    private func readInbox() {
        let (arrivals, hasMore, isMaintenanceDue, isStopping) = inbox.withLock { inbox in
            let arrivals = Array(inbox.arrivals.prefix(Self.arrivalsPerTurn))
            inbox.arrivals.removeFirst(arrivals.count)
            defer { inbox.isMaintenanceDue = false }
            return (
                arrivals, !inbox.arrivals.isEmpty, inbox.isMaintenanceDue, inbox.isStopping
            )
        }
        for arrival in arrivals { receive(arrival) }
        // Those who are here already get their turn first.
        if hasMore { wakeUp?.wake() }
        if isMaintenanceDue { maintain() }
        if isStopping {
            answerWaits()
            loop.stop()
        }
    }

    private func receive(_ arrival: Arrival) {
        let listener = arrival.listener
        let socket = EventLoop.Stream(descriptor: arrival.descriptor)
        listener.space.counters[number].add(.totalConnections)
        if spaces.count != context.spaces.count {
            do { try noteSpaces() } catch { return noteDropped(error, listener.space) }
        }
        guard let handshakes, listener.verification != nil else {
            return open(.clear(socket), readable: nil, listener: listener)
        }
        do {
            try handshakes.begin(socket, listener: listener, now: now(listener.space.clock))
        } catch {
            noteDropped(error, listener.space)
        }
    }

    private func open(
        _ stream: consuming Transport, readable: DescriptorEvent?, listener: ListenerIdentity
    ) {
        let descriptor = stream.socket.descriptor
        var login: Login?
        let space = listener.space
        let now = now(space.clock)
        if let authentication = space.authentication {
            switch authentication.admit(stream) {
            case .loggedIn: break
            case .unknown: login = Login(authentication, descriptor: descriptor, now: now)
            case .refused: return noteRefused(listener)
            }
        }
        let connection = Connection(
            context: context, listener: listener, worker: record, pool: pool, now: now,
            descriptor: descriptor, login: login, peers: space.peers,
            predecessor: space.predecessor)
        connection.record.transport =
            listener.isUnixSocket ? .unix : listener.verification == nil ? .tcp : .tls
        do {
            let socket = try ClientSocket(
                worker: self, stream: stream, readable: readable, connection: connection)
            sockets[descriptor] = socket
            if login != nil { limited.noteUnknown(socket) }
            record.connections.withLock { $0[descriptor] = connection.record }
            if space.watchers.want(.connections) { socket.tellOpened() }
            if context.isVerbose(2) { context.logger.debug("<\(descriptor) new client connection") }
            socket.begin()
        } catch {
            noteDropped(error, space)
        }
    }

    /// The descriptor has been closed with its stream.
    private func noteDropped(_ error: EventLoopError, _ space: Space) {
        context.logger.error("a connection was dropped, its events failed: \(error)")
        space.acceptance.noteClosed()
    }

    /// Of a Unix socket, by a user that is not among those who may. The descriptor has been closed with
    /// its stream.
    private func noteRefused(_ listener: ListenerIdentity) {
        let counters = listener.space.counters[number]
        counters.add(.logins)
        counters.add(.failedLogins)
        context.logger.warning("refused a connection: it is not that of one of auth_uids")
        listener.space.acceptance.noteClosed()
    }

    func close(_ socket: ClientSocket, _ reason: CloseReason = .error) {
        let descriptor = socket.descriptor
        guard sockets[descriptor] === socket else { return }
        if context.isVerbose(2) { context.logger.debug("<\(descriptor) connection closed") }
        if socket.connection.space.watchers.want(.connections) { socket.tellClosed(reason) }
        _ = record.connections.withLock { $0.removeValue(forKey: descriptor) }
        // Before anything lets go of it.
        closed.append(socket)
        if let waiting = socket.connection.state.waiting {
            waits?.forget(waiting)
            socket.connection.giveUp()
        }
        socket.detach()
        received.takeOut(socket)
        owing.takeOut(socket)
        sockets[descriptor] = nil
        watching[descriptor] = nil
        limited.remove(socket)
        loop.requestEndOfTurn()
    }

    /// Lets go of closed sockets, at most so many; their descriptors close with them. When a crowd leaves at
    /// once, those who stay get their turns between.
    private func bury(atMost countMax: Int = buriedPerTurn) {
        let count = min(closed.count, countMax)
        for socket in closed.suffix(count) { socket.connection.space.acceptance.noteClosed() }
        closed.removeLast(count)
        if !closed.isEmpty { wakeUp?.wake() }
    }

    /// Called by a connection whose peer does not take all that it is sent.
    func noteStuck(_ socket: ClientSocket) { limited.noteStuck(socket) }

    // MARK: The phases of a turn

    // All that are ready receive, then what they received is executed, then all replies are sent. The
    // kernel's ways of receiving and sending and ours of executing are each too long for a processor's
    // first cache to hold them beside the others.

    /// Lets a connection's input be executed when others have received theirs, at most so many.
    @inline(__always)
    func runSoon(_ socket: ClientSocket) {
        received.append(socket)
        if received.count == Self.receivedCountMax {
            runReceived()
        } else {
            loop.requestEndOfTurn()
        }
    }

    private func runReceived() {
        // Executing may close the socket whose commands they are, and touches no other.
        for place in 0..<received.count {
            received[place]?._withUnsafeGuaranteedRef { $0.runReceived() }
        }
        received.removeAll()
    }

    /// Lets a connection's replies be sent when every other that is ready has been served, too, and
    /// at the latest after so many. A send wakes its peer up; sent one by one, each of them would find
    /// it asleep again, which takes the kernel a tenth of the time of a request.
    @inline(__always)
    func sendSoon(_ socket: ClientSocket) {
        owing.append(socket)
        if owing.count == SocketQueue.capacity { sendOwed() } else { loop.requestEndOfTurn() }
    }

    private func sendOwed() {
        // Who gets stuck asks for the time, which another turn begins with.
        let began = turnBegan
        // Sending may close the socket that sends, and touches no other.
        for place in 0..<owing.count {
            owing[place]?._withUnsafeGuaranteedRef { $0.sendReplies() }
        }
        owing.removeAll()
        noteReplies(since: began)
    }

    /// Puts down how long the requests took whose replies have gone.
    @inline(never)
    private func noteReplies(since began: UInt64) {
        // By place: going through the array would retain it.
        for place in 0..<tallies.count {
            tallies[place]._withUnsafeGuaranteedRef { tally in
                guard tally.hasAny else { return }
                tally.finishTurn(nanoseconds: NodeClock.nanoseconds() &- began)
            }
        }
    }

    /// Called by the loop, so while none of the sockets is in the middle of anything.
    private func endTurn() {
        finishTurn()
        guard let handshakes, handshakes.areReady else { return }
        handshakes.goOn()
        finishTurn()
    }

    private func finishTurn() {
        record.pulse.beat()
        if received.count > 0 { runReceived() }
        turnMoment = nil
        if hasLocks { callNext() }
        context.peers?.sendOwed()
        // Nothing is owed by those that had it sent at once, or owe none.
        if owing.count > 0 { sendOwed() } else { noteReplies(since: turnBegan) }
        if !closed.isEmpty { bury() }
    }

    // MARK: What waits

    /// Called by a connection that waits, once or more.
    func attend(_ waiting: Waiting) { waits?.attend(waiting) }

    /// It ends by itself.
    func forget(_ waiting: Waiting) { waits?.forget(waiting) }

    /// Whatever was removed in this turn is seen to in it.
    private func callNext() { for locks in locks { locks.callNext() } }

    private func readResumptions() {
        let resumptions = record.takeResumptions()
        for (place, resumption) in resumptions.enumerated() {
            // One look at a pipeline is enough for all that have come.
            if place + 1 < resumptions.count, resumptions[place + 1] == resumption { continue }
            guard let socket = sockets[resumption.ticket.descriptor],
                let waiting = socket.connection.state.waiting,
                waiting.ticket == resumption.ticket
            else { continue }
            waits?.forget(waiting)
            socket.resume(waiting, resumption.ending)
        }
    }

    /// The node stops.
    private func answerWaits() {
        for waiting in waits?.takeAll() ?? [] {
            sockets[waiting.ticket.descriptor]?.answer(waiting)
        }
    }

    // MARK: Watchers

    /// Called by a connection that watches.
    func noteWatching(_ socket: ClientSocket) { watching[socket.descriptor] = socket }

    private func scheduleWatchers() {
        guard !watching.isEmpty, let watchTimer, !watchTimer.isEnabled else { return }
        do {
            try watchTimer.start(afterMilliseconds: Self.watchMilliseconds)
        } catch {
            context.logger.error("watchers are told at once, a timer failed: \(error)")
            attendWatchers()
        }
    }

    private func attendWatchers() {
        for socket in watching.values { socket.attend() }
    }

    // MARK: Time

    /// Every second, and again at once while something is left to do: this worker's share of the
    /// shards, and the connections that have been idle for too long.
    private func maintain() {
        if spaces.count != context.spaces.count {
            do { try noteSpaces() } catch {
                context.logger.error("a worker has not taken a new space in yet: \(error)")
            }
        }
        var hasMore = false
        for space in spaces {
            let now = now(space.clock)
            if number == 0 {
                space.map.save(space.clock.saved())
                space.history.note(second: NodeClock.nanoseconds() / 1_000_000_000) {
                    space.map.takeVitals()
                }
            }
            for shard in stride(from: number, to: space.map.shardCount, by: workerCount) {
                let more = space.map.maintain(
                    shard: shard, now: now.seconds, itemBudget: Self.itemsPerTurn)
                hasMore = hasMore || more
            }
        }
        if !hasMore {
            kickIdle()
            kickOverdue()
            relieve()
            handshakes?.attend()
            for socket in [ClientSocket](watching.values) { socket.closeIfGone() }
        }
        record.lentBufferCount.store(pool.lentCount, ordering: .relaxed)
        record.freeBufferCount.store(pool.freeCount, ordering: .relaxed)
        waits?.startTimer()
        guard hasMore else { return }
        do {
            try goOn?.start(afterMilliseconds: 0)
        } catch {
            context.logger.error("a worker's timer failed, the rest expires in a second: \(error)")
        }
    }

    private var workerCount: Int { context.rules.threadCount }

    private func kickOverdue() {
        for (socket, counter) in limited.overdue() {
            socket.connection.counters.add(counter)
            if context.isVerbose(1) {
                context.logger.info(
                    counter == .outputTimeouts
                        ? "closed a connection: its peer takes nothing of what it is owed"
                        : "closed a connection: its peer did not log in in time")
            }
            close(socket, .idleTimeout)
        }
    }

    /// Lets go of what some have held for long and others need.
    private func relieve() {
        for space in spaces {
            let now = now(space.clock)
            Relief(of: space.map).drop(among: sockets.values, now: now) { socket in
                socket.connection.counters.add(.holdersDropped)
                let isValue = socket.connection.yieldValue(now: now)
                if context.isVerbose(1) {
                    context.logger.info(
                        isValue
                            ? "gave up a value on its way: its memory is needed, and it is late"
                            : "closed a connection: its peer is slow to read what others need the memory of"
                    )
                }
                if !isValue { close(socket) }
            }
        }
    }

    private func kickIdle() {
        let limit = context.rules.idleTimeoutSeconds
        guard limit > 0 else { return }
        for socket in sockets.values where socket.isIdle(for: UInt32(limit), now: socket.now()) {
            socket.connection.counters.add(.idleKicks)
            close(socket, .idleTimeout)
        }
    }
}
