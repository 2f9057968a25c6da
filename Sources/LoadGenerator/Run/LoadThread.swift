import EventLoop
import Glibc
import Synchronization

/// One thread of a load, with its event loop and its connections.
///
/// `@unchecked Sendable`: made by the thread that runs the load, then used by its own thread alone,
/// but for `completedCount`, and for what the running thread reads and sets while this one waits at
/// the gate.
final class LoadThread: @unchecked Sendable {
    let loop: Loop
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4_096)
    let tally = Tally()
    /// Right replies, for others to look at.
    let completedCount = Atomic<Int>(0)
    private(set) var connections: [LoadConnection] = []
    /// Of the load's own clock, which begins at 2.
    private(set) var second: UInt32 = 2
    private(set) var now: UInt64 = 0
    /// Set, while the thread waits at the gate, to end it.
    var isCancelled = false
    /// Set, while the thread waits at the gate, to what it should do next.
    var phase = Phase.fill

    private let plan: LoadPlan
    private let origin: UInt64
    /// Keys that a connection stores at a time: about a mebibyte, so that a refusal is seen soon.
    private let fillCount: Int
    private var busyCount = 0
    /// Numbers of the connections that have received in this turn of the loop, or have ended.
    private var answered: [Int] = []
    private var requestsLeft = 0
    private var open: OpenProgress?
    private var tick: Timer?

    enum Phase {
        case fill
        /// Requests follow replies, until a moment or for a number of them.
        case closed(end: UInt64, requestCount: Int)
        /// Requests follow a schedule.
        case open(OpenSchedule, requestCount: Int)
    }

    /// How far an open loop has come.
    private struct OpenProgress {
        var schedule: OpenSchedule
        var requestCount: Int
        /// The next request to become due.
        var next = 0
        var giveUp: UInt64
    }

    /// - Parameter origin: of the load's clock.
    init(plan: LoadPlan, origin: UInt64) throws(EventLoopError) {
        self.plan = plan
        self.origin = origin
        let mean = plan.values.meanByteCount + Double(plan.keyFormat.byteCountMax)
        fillCount = max(1, min(Conversation.fillDepth, Int(1_048_576 / max(1, mean))))
        loop = try Loop()
        tick = try Timer(loop: loop) { [unowned self] in lookForOverdue() }
        loop.onEndOfTurn { [unowned(unsafe) self] in goOnTogether() }
    }

    deinit { buffer.deallocate() }

    func add(_ stream: consuming Transport, _ conversation: Conversation) throws(EventLoopError) {
        connections.append(
            try LoadConnection(
                thread: self, number: connections.count, stream: stream,
                conversation: conversation))
    }

    // MARK: Time

    @inline(__always)
    @discardableResult
    func readClock() -> UInt64 {
        now = monotonicNanoseconds()
        second = 2 + UInt32(truncatingIfNeeded: (now - origin) / 1_000_000_000)
        return now
    }

    private static let tickMilliseconds = 100

    private func lookForOverdue() {
        readClock()
        let limit = UInt64(plan.timeoutSeconds) * 1_000_000_000
        for connection in connections { connection.giveUpIfOverdue(at: now, nanoseconds: limit) }
        startTick()
    }

    private func startTick() {
        // Without a timer the overdue would go unseen, and the end might never come.
        do {
            try tick?.start(afterMilliseconds: Self.tickMilliseconds)
        } catch {
            preconditionFailure("a loop refuses a timer: \(error)")
        }
    }

    // MARK: Phases

    /// Runs a phase to its end; on the thread itself.
    func runPhase() {
        readClock()
        startTick()
        busyCount = 0
        for connection in connections where connection.isOpen {
            connection.isBusy = true
            connection.dueCount = 0
            connection.sentCount = 0
            busyCount += 1
        }
        open = nil
        switch phase {
        case .fill: runLoop()
        case .closed(_, let requestCount):
            requestsLeft = requestCount
            runLoop()
        case .open(let schedule, let requestCount):
            let end = schedule.due(requestCount)
            open = OpenProgress(
                schedule: schedule, requestCount: requestCount,
                giveUp: end + UInt64(plan.timeoutSeconds) * 1_000_000_000)
            runSchedule()
        }
        noteCompleted()
    }

    private func runLoop() {
        for connection in connections { goOn(connection) }
        if busyCount > 0 { loop.run() }
    }

    @inline(__always)
    private func noteCompleted() {
        completedCount.store(tally.rightCount, ordering: .relaxed)
    }

    /// So many go on together at most.
    private static let answeredCountMax = 64

    /// A connection has received, or has ended: it goes on when all that are ready have received. Both
    /// the kernel's way of sending and ours of comparing stay in the processor's caches longer, and a
    /// server that is the faster one finds more requests at a time.
    func goOnSoon(_ connection: LoadConnection) {
        answered.append(connection.number)
        if answered.count == Self.answeredCountMax {
            goOnTogether()
        } else {
            loop.requestEndOfTurn()
        }
    }

    private func goOnTogether() {
        guard !answered.isEmpty else { return }
        readClock()
        for number in answered { goOn(connections[number]) }
        answered.removeAll(keepingCapacity: true)
    }

    /// A connection has received, can send again, or has ended: it does what comes next.
    func goOn(_ connection: LoadConnection) {
        guard connection.isBusy else { return }
        noteCompleted()
        if !connection.isOpen || isDone(connection) {
            connection.isBusy = false
            busyCount -= 1
            if busyCount == 0 { loop.stop() }
        }
    }

    /// Whether a connection has nothing left to do in this phase; if it has, does it.
    private func isDone(_ connection: LoadConnection) -> Bool {
        let conversation = connection.conversation
        switch phase {
        case .fill:
            guard conversation.isIdle else { return false }
            // A load that cannot be prepared is not put.
            guard !conversation.isExhausted, !tally.hasFaults else { return true }
            conversation.ask(fillCount, since: now, second: second)
        case .closed(let end, _):
            guard conversation.isIdle else { return false }
            guard now < end, requestsLeft > 0 else { return true }
            let count = min(plan.depth, requestsLeft)
            requestsLeft -= count
            conversation.ask(count, since: now, second: second)
        case .open:
            sendDue(connection)
            guard let open, open.next == open.requestCount else { return !connection.isOpen }
            return connection.sentCount == connection.dueCount && conversation.isIdle
        }
        connection.send(at: second)
        return !connection.isOpen || conversation.isExhausted && conversation.isIdle
    }

    // MARK: Open loop

    /// Below this the loop is asked again and again instead of waiting: waiting is exact to a
    /// millisecond only.
    private static let pollNanoseconds: UInt64 = 2_000_000

    private func runSchedule() {
        while busyCount > 0, let progress = open {
            readClock()
            if progress.next == progress.requestCount {
                if now > progress.giveUp { return giveUpUnsent() }
                for connection in connections { goOn(connection) }
                if busyCount > 0 { loop.runOnce() }
                continue
            }
            let due = progress.schedule.due(progress.next)
            if due <= now {
                sendScheduled()
                loop.poll()
            } else if due - now > Self.pollNanoseconds {
                waitForDue(milliseconds: Int((due - now) / 1_000_000) - 1)
            } else {
                // A server that has to share this processor is let through.
                sched_yield()
                loop.poll()
            }
        }
    }

    private func waitForDue(milliseconds: Int) {
        guard let pause = try? Timer(loop: loop, handler: {}) else { return }
        // Refused, it is a turn without waiting.
        guard (try? pause.start(afterMilliseconds: milliseconds)) != nil else { return }
        loop.runOnce()
    }

    /// Requests that are dealt before replies are looked for again.
    private static let requestsPerTurn = 32

    /// Deals what is due by now to the connections, in turn.
    private func sendScheduled() {
        var left = Self.requestsPerTurn
        while left > 0, let progress = open, progress.next < progress.requestCount {
            let due = progress.schedule.due(progress.next)
            guard due <= now else { return }
            left -= 1
            tally.noteDealt(due: due, at: now)
            let connection = connections[progress.next % connections.count]
            open?.next += 1
            connection.dueCount += 1
            sendDue(connection)
        }
    }

    /// Sends what is due on a connection, as far as its depth allows.
    private func sendDue(_ connection: LoadConnection) {
        guard let open, connection.isOpen else { return }
        let conversation = connection.conversation
        var hasAsked = false
        while connection.sentCount < connection.dueCount, conversation.wanted == 0,
            conversation.outstanding.count < plan.depth
        {
            let number = connection.number + connection.sentCount * connections.count
            conversation.ask(1, since: open.schedule.due(number), second: second)
            connection.sentCount += 1
            hasAsked = true
        }
        if hasAsked { connection.send(at: second) }
    }

    private func giveUpUnsent() {
        for connection in connections where connection.isBusy {
            connection.isBusy = false
        }
        busyCount = 0
    }

    /// Requests of the open loop that were never sent.
    var unsentCount: Int {
        guard let open else { return 0 }
        let sent = connections.reduce(0) { $0 + $1.sentCount }
        return open.requestCount - sent
    }
}

/// Nanoseconds of the monotonic clock.
@inline(__always)
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}
