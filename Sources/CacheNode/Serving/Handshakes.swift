import EventLoop
import Logging
import Synchronization

/// A worker's connections that are not secured yet.
///
/// A handshake takes many times as long as a request. So few go on at a time, and then whoever else
/// is ready comes first.
///
/// Goals: bounded in number and in time, whatever peers do. Only so many have an object of OpenSSL's;
/// others wait for one of these to end, and those that stand still make way for them. Not goals:
/// refusing anybody: a thousand clients that come at once, after a restart, are all let in.
///
/// Confined to its worker's thread.
final class Handshakes {
    private let context: NodeContext
    private let record: WorkerRecord
    private let loop: Loop
    /// This worker's share.
    private let underWayCountMax: Int
    /// Takes over what has been secured.
    private let secured: (consuming Transport, DescriptorEvent?, ListenerIdentity) -> Void
    private var all: [Int32: Handshake] = [:]
    private var underWayCount = 0
    /// Those whose peers have said something.
    private var ready = HandshakeQueue()
    /// Those that were ready when too many were under way.
    private var waiting = HandshakeQueue()
    private var turn: Timer?

    /// Then others get their turn.
    private static let stepsPerTurn = 4
    /// From here on one that stands still makes way, in seconds.
    private static let stallSeconds: UInt32 = 2

    init(
        context: NodeContext, record: WorkerRecord, loop: Loop,
        secured: @escaping (consuming Transport, DescriptorEvent?, ListenerIdentity) -> Void
    ) throws(EventLoopError) {
        self.context = context
        self.record = record
        self.loop = loop
        self.secured = secured
        let share = context.rules.handshakeCountMax / context.rules.threadCount
        underWayCountMax = max(1, share)
        turn = try Timer(loop: loop) { [unowned self] in goOn() }
    }

    /// Everything goes.
    func close() {
        for handshake in all.values { drop(handshake) }
        ready.removeAll()
        waiting.removeAll()
        turn = nil
    }

    func begin(
        _ socket: consuming EventLoop.Stream, listener: ListenerIdentity, now: Moment
    ) throws(EventLoopError) {
        let handshake = try Handshake(
            socket, listener: listener, handshakes: self, loop: loop, now: now)
        all[handshake.descriptor] = handshake
        record.connections.withLock { $0[handshake.descriptor] = handshake.record }
    }

    // MARK: Turns

    /// Called by a handshake whose peer has gone on.
    func goOnSoon(_ handshake: Handshake) {
        handshake.isQueued = true
        ready.append(handshake)
        // The next turn may not reach it.
        if ready.count > Self.stepsPerTurn { handshake.stopListening() }
        loop.requestEndOfTurn()
    }

    /// Whether any peer has gone on.
    var areReady: Bool { ready.count > 0 }

    private func startTurn() {
        guard let turn, !turn.isEnabled else { return }
        do {
            try turn.start(afterMilliseconds: 0)
        } catch {
            // The next second's maintenance tries again.
            context.logger.error("handshakes may take too long, a timer failed: \(error)")
        }
    }

    /// To be called at the end of a turn, when everybody else has been served.
    func goOn() {
        for _ in 0..<Self.stepsPerTurn {
            guard let handshake = ready.next() else { break }
            handshake.isQueued = false
            step(handshake)
        }
        if ready.count > 0 { startTurn() }
    }

    private func step(_ handshake: Handshake) {
        let isNew = !handshake.isUnderWay
        guard !isNew || underWayCount < underWayCountMax else {
            handshake.isQueued = true
            handshake.stopListening()
            return waiting.append(handshake)
        }
        let space = handshake.listener.space
        guard let security = space.security else { return end(handshake, .left) }
        let step = handshake.goOn(security.context, loop: loop, now: space.clock.now())
        if isNew, handshake.isUnderWay { underWayCount += 1 }
        switch step {
        case .waits: break
        case .ends(let ending): end(handshake, ending)
        case .secured:
            let listener = handshake.listener
            let readable = handshake.takeReadable()
            guard let stream = drop(handshake) else { return }
            space.counters[record.number].add(
                stream.isResumed ? .tlsResumedSessions : .tlsNewSessions)
            secured(stream, readable, listener)
        }
    }

    // MARK: Endings

    func end(_ handshake: Handshake, _ ending: Handshake.Ending) {
        let counters = handshake.listener.space.counters[record.number]
        var isError = true
        let reason: String
        switch ending {
        case .left:
            // Who only looks whether somebody listens makes no mistake.
            isError = handshake.isUnderWay
            reason = "the peer has gone"
        case .clearText:
            counters.add(.tlsClearTextClients)
            reason = "the peer does not speak TLS"
        case .failed(let text): reason = text
        case .overdue:
            counters.add(.tlsHandshakeTimeouts)
            reason = "it took more than \(context.rules.handshakeTimeoutSeconds) s"
        case .stalled:
            counters.add(.tlsHandshakeTimeouts)
            reason = "it stood still, and others wait"
        case .noMemory: reason = "no memory"
        }
        if isError { counters.add(.tlsHandshakeErrors) }
        if isError, context.isVerbose(1) {
            context.logger.info("\(handshake.peer): no TLS: \(reason)")
        }
        drop(handshake)
        handshake.listener.space.acceptance.noteClosed()
    }

    /// Lets go of it; its stream closes unless it is taken over.
    @discardableResult
    private func drop(_ handshake: Handshake) -> Transport? {
        // Its own event may be what calls this, and holds it no longer than the dictionary does.
        guard let handshake = all.removeValue(forKey: handshake.descriptor) else { return nil }
        _ = record.connections.withLock { $0.removeValue(forKey: handshake.descriptor) }
        if handshake.isUnderWay { underWayCount -= 1 }
        if underWayCount < underWayCountMax, let next = waiting.next() {
            ready.append(next)
            startTurn()
        }
        return handshake.takeStream()
    }

    /// Ends those that take too long. To be called every second.
    func attend() {
        let limit = UInt32(context.rules.handshakeTimeoutSeconds)
        for handshake in all.values {
            let now = handshake.listener.space.clock.now()
            if now.seconds - min(handshake.begunSeconds, now.seconds) > limit {
                end(handshake, .overdue)
            } else if waiting.count > 0, handshake.isUnderWay, !handshake.isQueued,
                now.seconds - min(handshake.advancedSeconds, now.seconds) >= Self.stallSeconds,
                !handshake.hasNews
            {
                end(handshake, .stalled)
            }
        }
        if ready.count > 0 { startTurn() }
    }
}

/// First come, first served. Those that are over are left out.
private struct HandshakeQueue {
    private var handshakes: [Handshake] = []
    private var first = 0

    /// Those that are over may be among them.
    var count: Int { handshakes.count - first }

    mutating func append(_ handshake: Handshake) { handshakes.append(handshake) }

    mutating func next() -> Handshake? {
        while first < handshakes.count {
            let handshake = handshakes[first]
            first += 1
            if first == handshakes.count {
                removeAll()
            } else if first >= 64, first * 2 >= handshakes.count {
                handshakes.removeFirst(first)
                first = 0
            }
            if !handshake.isOver { return handshake }
        }
        return nil
    }

    mutating func removeAll() {
        handshakes.removeAll(keepingCapacity: handshakes.count <= 1_024)
        first = 0
    }
}
