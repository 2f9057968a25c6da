import EventLoop
import Glibc
import Logging
import MemcacheProtocol
import Synchronization

/// Accepts connections on the node's listening sockets and deals them to the workers in turn.
///
/// Confined to the main thread; what other threads need is in `AcceptanceRecord`.
final class Acceptor {
    private let context: NodeContext
    private let workers: [Worker]
    private var listeners: [Listener] = []
    private var retry: Timer?
    private var resumption: WakeUp?
    private var countOfAccepted = 0
    private static let acceptedPerTurn = 4
    private var nextWorker = 0
    private var pausedSince: ContinuousClock.Instant?
    /// Whether peers on other machines can connect.
    private var servesOthers = false

    /// After accepting failed for want of descriptors or memory.
    private static let retryMilliseconds = 10

    init(context: NodeContext, workers: [Worker]) {
        self.context = context
        self.workers = workers
    }

    /// - Parameter identity: a listener's, which its connections keep.
    func start(
        loop: Loop, listening: [SecuredSocket], identity: (SecuredSocket) -> ListenerIdentity
    ) throws(EventLoopError) {
        let resumption = try WakeUp(loop: loop) { [unowned self] in resume() }
        self.resumption = resumption
        retry = try Timer(loop: loop) { [unowned self] in resume() }
        var records: [ListenerRecord] = []
        for place in listening {
            let identity = identity(place)
            let socket = place.socket
            listeners.append(
                try Listener(
                    loop: loop, socket: socket,
                    accepted: { [unowned self] in accepted($0, by: identity) },
                    failed: { [unowned self] in failed(errno: $0) }))
            records.append(ListenerRecord(descriptor: socket.descriptor, identity: identity))
        }
        context.acceptance.open(
            listeners: records,
            reservedDescriptorCount: Self.openDescriptorCount(), resumption: resumption)
        servesOthers = listening.contains { !$0.socket.address.isLocal }
    }

    func stop() {
        listeners.removeAll()
        context.acceptance.close()
        resumption = nil
        retry = nil
    }

    private var openCount: Int { context.acceptance.openCount.load(ordering: .relaxed) }

    private var isFull: Bool { openCount >= context.rules.connectionCountMax }

    /// Whether a place is kept for this peer when there are none for others.
    private func hasPlace(for descriptor: Int32) -> Bool {
        let limit =
            context.rules.connectionCountMax + NodeConfiguration.localConnectionCount
        return servesOthers && openCount < limit && SocketAddress.peer(of: descriptor).isLocal
    }

    private func accepted(_ descriptor: Int32, by listener: ListenerIdentity) {
        if isFull, !hasPlace(for: descriptor) {
            refuse(descriptor, by: listener)
            return
        }
        context.acceptance.openCount.add(1, ordering: .relaxed)
        workers[nextWorker].adopt(descriptor, listener: listener)
        nextWorker = (nextWorker + 1) % workers.count
        countOfAccepted &+= 1
        // On a processor that it shares with a worker a crowd would be let in before anybody is served.
        if countOfAccepted % Self.acceptedPerTurn == 0 { sched_yield() }
        if context.rules.connectionLimitRule == .wait, isFull { pauseUntilPlace() }
    }

    /// Tells one peer too many, where it would understand, and hangs up.
    private func refuse(_ descriptor: Int32, by listener: ListenerIdentity) {
        let stream = EventLoop.Stream(descriptor: descriptor)
        // Clear text would be no answer to a client that speaks TLS.
        if listener.verification == nil {
            let line = ErrorReply.tooManyConnections.line
            _ = stream.write(
                UnsafeRawBufferPointer(start: line.utf8Start, count: line.utf8CodeUnitCount))
        }
        context.acceptance.rejectedCount.add(1, ordering: .relaxed)
        if context.isVerbose(1) {
            context.logger.info("refused a connection: -c allows no more")
        }
    }

    private func failed(errno reason: Int32) {
        if context.isVerbose(1) {
            context.logger.info("cannot accept: \(String(cString: strerror(reason)))")
        }
        pause()
        do {
            try retry?.start(afterMilliseconds: Self.retryMilliseconds)
        } catch {
            context.logger.error("cannot wait to accept again, trying at once: \(error)")
            resume()
        }
    }

    /// Lets connections wait until one that is there has gone.
    func pauseUntilPlace() {
        pause()
        // One may have gone just before others were told to say so.
        if !isFull { resume() }
    }

    private func pause() {
        guard pausedSince == nil else { return }
        pausedSince = .now
        for listener in listeners { listener.pause() }
        context.acceptance.isAccepting.store(false, ordering: .sequentiallyConsistent)
        context.acceptance.pauseCount.add(1, ordering: .relaxed)
    }

    private func resume() {
        guard let since = pausedSince,
            !isFull || context.rules.connectionLimitRule == .refuse
        else { return }
        pausedSince = nil
        let microseconds = (ContinuousClock.now - since) / .microseconds(1)
        context.acceptance.pausedMicroseconds.add(UInt64(microseconds), ordering: .relaxed)
        context.acceptance.isAccepting.store(true, ordering: .sequentiallyConsistent)
        for listener in listeners { listener.resume() }
    }

    private static func openDescriptorCount() -> Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Without ".", ".." and the directory itself.
        return max(0, count - 3)
    }
}

/// What others may see of the accepting side, and tell it.
final class AcceptanceRecord: Sendable {
    let isAccepting = Atomic<Bool>(true)
    let rejectedCount = Atomic<UInt64>(0)
    /// How often accepting was stopped for want of descriptors or places.
    let pauseCount = Atomic<UInt64>(0)
    let pausedMicroseconds = Atomic<UInt64>(0)
    let openCount = Atomic<Int>(0)
    /// Descriptors that are the node's own.
    let reservedDescriptorCount = Atomic<Int>(0)
    let listeners = Mutex<[ListenerRecord]>([])
    private let resumption = Mutex<WakeUp?>(nil)

    fileprivate func open(
        listeners records: [ListenerRecord], reservedDescriptorCount count: Int,
        resumption wakeUp: WakeUp
    ) {
        listeners.withLock { $0 = records }
        reservedDescriptorCount.store(count, ordering: .relaxed)
        resumption.withLock { $0 = wakeUp }
    }

    fileprivate func close() {
        listeners.withLock { $0 = [] }
        resumption.withLock { $0 = nil }
    }

    /// Called by a worker when a connection has gone.
    func noteClosed() {
        openCount.subtract(1, ordering: .sequentiallyConsistent)
        guard !isAccepting.load(ordering: .sequentiallyConsistent) else { return }
        resumption.withLock { $0?.wake() }
    }
}
