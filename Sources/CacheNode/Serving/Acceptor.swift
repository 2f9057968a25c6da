import EventLoop
import Glibc
import Logging
import MemcacheProtocol
import Synchronization

/// Accepts connections on the node's listening sockets and deals them to the workers in turn. Places are each space's
/// own: one that has none left costs no other one any.
///
/// Confined to the main thread; what other threads need is in each space's `AcceptanceRecord`.
final class Acceptor {
    private let context: NodeContext
    private let workers: [Worker]
    private let loop: Loop
    private var doors: [Door] = []
    private var retry: Timer?
    private var resumption: WakeUp?
    private var countOfAccepted = 0
    private static let acceptedPerTurn = 4
    private var nextWorker = 0

    /// After accepting failed for want of descriptors or memory.
    private static let retryMilliseconds = 10

    /// A listener, and what its connections are given from now on.
    private final class Entrance {
        let place: NodeConfiguration.Listening?
        var identity: ListenerIdentity
        var listener: Listener?

        init(_ place: NodeConfiguration.Listening?, _ identity: ListenerIdentity) {
            self.place = place
            self.identity = identity
        }
    }

    /// Where a space listens.
    private final class Door {
        let space: Space
        var listeners: [Entrance] = []
        var pausedSince: ContinuousClock.Instant?
        /// Whether peers on other machines can connect.
        var servesOthers = false

        init(_ space: Space) { self.space = space }

        var openCount: Int { space.acceptance.openCount.load(ordering: .relaxed) }
        var placeCount: Int { space.acceptance.placeCount.load(ordering: .relaxed) }
        var isFull: Bool { openCount >= placeCount }
        var waits: Bool { space.configuration.connectionLimitRule == .wait }

        /// Whether a place is kept for this peer when there are none for others.
        func hasPlace(for descriptor: Int32) -> Bool {
            servesOthers && openCount < placeCount + NodeConfiguration.localConnectionCount
                && SocketAddress.peer(of: descriptor).isLocal
        }

        func noteListeners() {
            servesOthers = listeners.contains { $0.listener?.socket.address.isLocal == false }
            let records = listeners.compactMap { entrance in
                entrance.listener.map {
                    ListenerRecord(descriptor: $0.socket.descriptor, identity: entrance.identity)
                }
            }
            space.acceptance.listeners.withLock { $0 = records }
        }
    }

    init(context: NodeContext, workers: [Worker], loop: Loop) throws(EventLoopError) {
        self.context = context
        self.workers = workers
        self.loop = loop
        resumption = try WakeUp(loop: loop) { [unowned self] in resume() }
        retry = try Timer(loop: loop) { [unowned self] in resume() }
    }

    /// Listens for a space, there as well where it does so already.
    ///
    /// - Parameter identity: a listener's, which its connections keep.
    func listen(
        for space: Space, on listening: [SecuredSocket],
        identity: (SecuredSocket) -> ListenerIdentity
    ) throws(EventLoopError) {
        let door = door(of: space)
        for place in listening {
            try add(place, identity(place), to: door)
        }
        door.noteListeners()
        noteDescriptors()
        if door.pausedSince != nil {
            for entrance in door.listeners { entrance.listener?.pause() }
        }
    }

    /// Lets a space listen at other places no more than at these. Who came by one that closes stays.
    ///
    /// - Parameter identity: what connections are given by those that stay.
    func close(
        of space: Space, allBut places: [NodeConfiguration.Listening],
        identity: (ListenerIdentity) -> ListenerIdentity
    ) {
        let door = door(of: space)
        door.listeners.removeAll { entrance in
            entrance.place.map { !places.contains($0) } ?? false
        }
        for entrance in door.listeners { entrance.identity = identity(entrance.identity) }
        door.noteListeners()
        noteDescriptors()
    }

    private func door(of space: Space) -> Door {
        if let door = doors.first(where: { $0.space === space }) { return door }
        let door = Door(space)
        doors.append(door)
        space.acceptance.open(resumption)
        return door
    }

    private func add(
        _ place: SecuredSocket, _ identity: ListenerIdentity, to door: Door
    ) throws(EventLoopError) {
        let entrance = Entrance(place.place, identity)
        entrance.listener = try Listener(
            loop: loop, socket: place.socket,
            accepted: { [unowned self, unowned door, unowned entrance] in
                accepted($0, by: entrance.identity, at: door)
            },
            failed: { [unowned self] in failed(errno: $0) })
        door.listeners.append(entrance)
    }

    func stop() {
        for door in doors { door.space.acceptance.close() }
        doors.removeAll()
        resumption = nil
        retry = nil
    }

    private func accepted(_ descriptor: Int32, by listener: ListenerIdentity, at door: Door) {
        if door.isFull, !door.hasPlace(for: descriptor) {
            refuse(descriptor, by: listener)
            return
        }
        door.space.acceptance.openCount.add(1, ordering: .relaxed)
        workers[nextWorker].adopt(descriptor, listener: listener)
        nextWorker = (nextWorker + 1) % workers.count
        countOfAccepted &+= 1
        // On a processor that it shares with a worker a crowd would be let in before anybody is served.
        if countOfAccepted % Self.acceptedPerTurn == 0 { sched_yield() }
        if door.isFull, door.waits { pauseUntilPlace(in: door.space) }
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
        listener.space.acceptance.rejectedCount.add(1, ordering: .relaxed)
        if context.isVerbose(1) {
            context.logger.info("refused a connection: -c allows no more")
        }
    }

    private func failed(errno reason: Int32) {
        if context.isVerbose(1) {
            context.logger.info("cannot accept: \(String(cString: strerror(reason)))")
        }
        // Descriptors and memory are the process's: nobody gets any.
        for door in doors { pause(door) }
        do {
            try retry?.start(afterMilliseconds: Self.retryMilliseconds)
        } catch {
            context.logger.error("cannot wait to accept again, trying at once: \(error)")
            resume()
        }
    }

    /// Lets a space's connections wait until one that is there has gone.
    func pauseUntilPlace(in space: Space) {
        let door = door(of: space)
        pause(door)
        // One may have gone just before others were told to say so.
        if !door.isFull { resume(door) }
    }

    private func pause(_ door: Door) {
        guard door.pausedSince == nil else { return }
        door.pausedSince = .now
        for entrance in door.listeners { entrance.listener?.pause() }
        door.space.acceptance.isAccepting.store(false, ordering: .sequentiallyConsistent)
        door.space.acceptance.pauseCount.add(1, ordering: .relaxed)
    }

    private func resume() { for door in doors { resume(door) } }

    private func resume(_ door: Door) {
        guard let since = door.pausedSince, !door.isFull || !door.waits else { return }
        let acceptance = door.space.acceptance
        door.pausedSince = nil
        let microseconds = (ContinuousClock.now - since) / .microseconds(1)
        acceptance.pausedMicroseconds.add(UInt64(microseconds), ordering: .relaxed)
        acceptance.isAccepting.store(true, ordering: .sequentiallyConsistent)
        for entrance in door.listeners { entrance.listener?.resume() }
    }

    /// Those that are not connections' now; all spaces show the same.
    private func noteDescriptors() {
        let connections = doors.reduce(0) { $0 + $1.openCount }
        let count = max(0, Self.openDescriptorCount() - connections)
        for door in doors {
            door.space.acceptance.reservedDescriptorCount.store(count, ordering: .relaxed)
        }
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

/// What others may see of how a space accepts, and tell about it.
final class AcceptanceRecord: Sendable {
    /// Connections that may be open at a time.
    let placeCount: Atomic<Int>
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

    init(placeCount: Int) { self.placeCount = Atomic(placeCount) }

    fileprivate func open(_ wakeUp: WakeUp?) { resumption.withLock { $0 = wakeUp } }

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
