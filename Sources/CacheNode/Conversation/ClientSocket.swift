import EventLoop
import Glibc
import SessionMap
import Synchronization

/// A connection's socket: reads and writes for the state machine, and waits for readiness.
///
/// The pattern of a request is read once, execute everything in it, write once; the worker has all
/// that are ready do each of the three together. After a short read there is no second one: the loop
/// says when there is more. After one that filled the input there is, and one write answers both.
///
/// Confined to its worker's thread.
final class ClientSocket {
    /// The worker owns this object and outlives it. Not even an unowned reference: using one retains
    /// what it refers to, by two atomic operations each time.
    private let worker: Unmanaged<Worker>
    private let commandsPerTurn: Int
    let descriptor: Int32
    private let stream: Transport
    let connection: Connection
    /// Of the connection's space.
    private let clock: NodeClock
    private var readable: DescriptorEvent?
    /// There only after a short write: most connections never need one.
    private var writable: DescriptorEvent?
    private var state = SocketState.serving
    /// What was received last has filled the input: as a rule there is more.
    private var hasFilledInput = false
    private var progress = SendingProgress()
    /// Since when its peer is owed what it does not take, if it is.
    private var blockedSeconds: UInt32 = 0
    /// Known only where somebody watches connections.
    private var peer: SocketAddress?
    /// Goes on after a rest. There only once one was taken.
    private var rest: Timer?
    /// TLS has to receive something before it can go on sending.
    private var writesWhenReadable = false

    /// How often in a row the output may be filled and sent before other connections get their turn:
    /// a peer that reads as fast as it is sent to must not hold the thread.
    private static let fillsPerTurn = 4
    /// How often in a row the input may be filled and executed, for the same reason.
    private static let readsPerTurn = 4
    /// From here on a reply is sent at once: when many others have theirs, it is in no processor's cache any
    /// more.
    private static let longReplyByteCount = 16 << 10
    /// After so much of a large value others get their turn.
    private static let bytesPerTurn = 256 << 10

    /// - Parameter readable: tells already that the socket is, whoever was told before.
    init(
        worker: Worker, stream: consuming Transport, readable: DescriptorEvent?,
        connection: Connection
    ) throws(EventLoopError) {
        self.worker = .passUnretained(worker)
        commandsPerTurn = worker.commandsPerTurn
        descriptor = stream.socket.descriptor
        self.stream = stream
        self.connection = connection
        clock = connection.space.clock
        // The events belong to this object, so their handlers cannot outlive it; and the worker keeps
        // it to the end of the turn in which it closes.
        let socket = Unmanaged.passUnretained(self)
        let handler: (Readiness) -> Void =
            self.stream.isSecured
            ? { _ in socket._withUnsafeGuaranteedRef { $0.securedBecameReadable() } }
            : { _ in socket._withUnsafeGuaranteedRef { $0.becameReadable() } }
        let event: DescriptorEvent
        if let readable {
            event = readable
            event.handOver(to: handler)
        } else {
            event = try DescriptorEvent(
                loop: worker.loop, descriptor: descriptor, interest: .readable, handler: handler)
        }
        self.readable = event
        if !event.isEnabled { try event.enable() }
    }

    /// Takes what came with the handshake, of which the socket does not tell any more. A client in clear text has sent its
    /// first command by now, as a rule.
    func begin() { if stream.hasPending || !stream.isSecured { becameReadable() } }

    @inline(__always)
    func now() -> Moment { worker._withUnsafeGuaranteedRef { $0.now(clock) } }

    private func close(_ reason: CloseReason = .error) {
        worker.takeUnretainedValue().close(self, reason)
    }

    // MARK: Receiving

    private func becameReadable() {
        let now = now()
        if state.hasYielded {
            state.note(.resumes)
        } else {
            guard receive(now: now) else { return }
        }
        worker._withUnsafeGuaranteedRef { $0.runSoon(self) }
    }

    /// False when there is nothing to do, or the socket is gone.
    private func receive(now: Moment) -> Bool {
        var received = 0
        while true {
            let direct = connection.directTarget
            // Nothing but the value's end makes it worth to read past the target: what of the value
            // itself came there would have to be copied.
            let isFilled = !direct.isEmpty && connection.goesOnBehindDirectTarget
            let result: EventLoop.Stream.Transfer
            if direct.isEmpty {
                result = stream.read(into: connection.input.room())
            } else if isFilled {
                result = stream.read(into: direct)
            } else {
                result = stream.read(into: direct, then: connection.input.room())
            }
            switch result {
            case .bytes(let count):
                let directCount = min(count, direct.count)
                connection.noteReceived(
                    direct: directCount, buffered: count - directCount, now: now)
                hasFilledInput = connection.input.isFull
                received += count
                // The next target is another place, and there is more as a rule.
                if isFilled, directCount == direct.count, received < Self.bytesPerTurn { continue }
                return true
            case .wouldBlock:
                if stream.isCrossed(.readable), !readWhenWritable() { return false }
                connection.input.releaseIfEmpty()
                return received > 0
            case .ended:
                // The peer may have closed only its side: it gets what it is owed.
                noteEndOfInput(now: now)
                return false
            case .failed(let reason):
                noteFailure(reason)
                close()
                return false
            }
        }
    }

    private func noteEndOfInput(now: Moment) {
        if let watching = connection.state.watching {
            goOnTelling(watching)
        } else if let waiting = connection.state.waiting, waiting.outlivesPeersInput {
            // The end will be met again once it is answered.
            stopReading()
        } else if let waiting = connection.state.waiting {
            // What is in the input is still to be answered; the end of it will be met again then.
            worker.takeUnretainedValue().forget(waiting)
            resume(waiting, .peerLeft)
        } else {
            if stream.wasCutOff { connection.counters.add(.tlsCutOffs) }
            finish(.normal)
        }
    }

    // MARK: Turns

    /// What the worker was asked to do, now that others have received, too.
    func runReceived() {
        let now = now()
        guard state.mayRun else { return }
        takeTurns(now: now)
    }

    private func takeTurns(now: Moment) {
        var fillsLeft = Self.fillsPerTurn
        var readsLeft = Self.readsPerTurn - 1
        while true {
            let turn = connection.run(commandLimit: commandsPerTurn, now: now)
            switch turn {
            case .needsInput:
                if hasFilledInput, readsLeft > 0, !state.isBlocked {
                    readsLeft -= 1
                    hasFilledInput = false
                    if receive(now: now) { continue }
                    // Its end may have come.
                    guard state.mayRun, readable != nil else { return }
                }
                connection.input.releaseIfEmpty()
                if stream.hasPending { readOn() }
                if state.isBlocked || connection.output.isEmpty {
                    notePhase()
                } else if connection.output.pendingByteCount >= Self.longReplyByteCount {
                    sendReplies()
                } else {
                    worker._withUnsafeGuaranteedRef { $0.sendSoon(self) }
                }
                return
            case .outputFull:
                guard state.isBlocked || send() else { return }
                if state.isBlocked {
                    // The peer does not read: nothing more is read from it either.
                    stopReading()
                    notePhase()
                    return
                }
                fillsLeft -= 1
                if fillsLeft == 0 { return takeRest() }
            case .yielded:
                // There is an input buffer of commands at most, and none that is much work.
                state.note(.yields)
                readable?.fire(.readable)
                return
            case .rested: return takeRest()
            case .watching:
                worker.takeUnretainedValue().noteWatching(self)
                connection.input.releaseIfEmpty()
                if stream.hasPending { readOn() }
                guard state.isBlocked || send() else { return }
                notePhase()
                return
            case .waiting:
                wait()
                return
            case .close:
                finish(connection.state.closeReason)
                return
            }
        }
    }

    /// Goes on when everybody else had a turn, and the loop has asked who else is ready.
    private func takeRest() {
        state.note(.yields)
        startRest()
    }

    private func startRest() {
        do {
            let timer =
                try rest
                ?? Timer(loop: worker.takeUnretainedValue().loop) { [unowned(unsafe) self] in goOn()
                }
            rest = timer
            try timer.start(afterMilliseconds: 0)
        } catch {
            close()
        }
    }

    private func goOn() {
        if state.hasYielded || state.isTelling {
            state.note(.resumes)
            takeTurns(now: now())
        } else if stream.hasPending, let readable, readable.isEnabled {
            becameReadable()
        }
    }

    // MARK: TLS

    /// More has been taken in than there was room for, of which the socket does not tell. Who sends without
    /// end must not keep others from their turn.
    private func readOn() {
        guard !state.isTelling, let readable, readable.isEnabled else { return }
        startRest()
    }

    private func securedBecameReadable() {
        guard writesWhenReadable else { return becameReadable() }
        writesWhenReadable = false
        becameWritable()
    }

    /// TLS has to send something before it can go on receiving. False when the socket is gone.
    private func readWhenWritable() -> Bool {
        readable?.disable()
        return waitUntilWritable()
    }

    private func stopReading() {
        if !writesWhenReadable { readable?.disable() }
    }

    private func noteFailure(_ reason: Int32) {
        guard stream.isSecured, reason == EPROTO else { return }
        connection.counters.add(.tlsProtocolErrors)
    }

    // MARK: Waiting

    private func wait() {
        // Who sends on is read from until the input is full: its end would be seen.
        if connection.input.isFull { readable?.disable() }
        connection.input.releaseIfEmpty()
        if stream.hasPending { readOn() }
        guard let waiting = connection.state.waiting else { return }
        worker._withUnsafeGuaranteedRef {
            $0.attend(waiting)
            if state.isBlocked || connection.output.isEmpty {
                notePhase()
            } else {
                $0.sendSoon(self)
            }
        }
    }

    /// Lets what the connection waits for end, or look; then goes on with its input.
    func resume(_ waiting: Waiting, _ ending: WaitEnding) {
        let now = now()
        let isInVain = ending == .ready && waiting.needsPeer && stream.socket.hasPeerEnded
        guard connection.resume(waiting.ticket, isInVain ? .peerLeft : ending, now: now) else {
            return
        }
        if let readable, !readable.isEnabled {
            do { try readable.enable() } catch { return close() }
        }
        if state.mayRun { takeTurns(now: now) }
    }

    /// The node stops: what the connection waits for is answered, and nothing that comes behind it.
    func answer(_ waiting: Waiting) {
        guard connection.resume(waiting.ticket, .stopping, now: now()), !state.isBlocked else {
            return
        }
        _ = send()
    }

    /// Takes what there is to tell a watcher.
    func attend() {
        guard state.mayRun, !state.isBlocked else { return }
        takeTurns(now: now())
    }

    /// Closes, once what is owed has been sent.
    private func finish(_ reason: CloseReason) {
        stopReading()
        guard state.isBlocked || send() else { return }
        if state.isBlocked { state.note(.ends(reason)) } else { close(reason) }
    }

    // MARK: Sending

    /// Sends what it can; false when the socket is gone.
    private func send() -> Bool {
        guard !connection.output.isEmpty else { return true }
        var isBroken = false
        var sentByteCount = 0
        connection.output.send { pieces in
            let result =
                switch pieces {
                case .one(let bytes): stream.write(bytes)
                case .several(let pieces):
                    stream.write(pieces, scratch: worker.takeUnretainedValue().recordScratch)
                }
            switch result {
            case .bytes(let count):
                sentByteCount += count
                return count
            case .wouldBlock:
                writesWhenReadable = stream.isCrossed(.writable)
                return 0
            case .failed(let reason):
                noteFailure(reason)
                isBroken = true
                return 0
            case .ended:
                isBroken = true
                return 0
            }
        }
        connection.counters.add(.bytesWritten, sentByteCount)
        if isBroken {
            close()
            return false
        }
        if connection.output.isEmpty {
            state.note(.drained)
            return true
        }
        if !state.isBlocked {
            blockedSeconds = now().seconds
            worker.takeUnretainedValue().noteStuck(self)
        }
        if !state.isBlocked || sentByteCount > 0 { progress.note(now: now()) }
        state.note(.stuck)
        return writesWhenReadable || waitUntilWritable()
    }

    /// What the worker was asked to do at the end of a turn.
    func sendReplies() {
        if state.isBlocked || send() { notePhase() }
    }

    private func waitUntilWritable() -> Bool {
        do {
            let event =
                try writable
                ?? DescriptorEvent(
                    loop: worker.takeUnretainedValue().loop, descriptor: descriptor,
                    interest: .writable
                ) { [unowned(unsafe) self] _ in becameWritable() }
            writable = event
            try event.enable()
            return true
        } catch {
            close()
            return false
        }
    }

    private func becameWritable() {
        progress.note(now: now())
        guard send(), connection.output.isEmpty else { return }
        writable?.disable()
        if case .closing(let reason) = state { return close(reason) }
        if let readable, !readable.isEnabled, !state.isTelling {
            do { try readable.enable() } catch { return close() }
        }
        // Commands that had to wait for room in the output.
        takeTurns(now: now())
    }

    private func notePhase() {
        connection.record.note(state.isBlocked ? .writing : connection.phase)
    }

    /// Whether nothing was received, and nothing taken of what is owed, for `seconds`. A watcher has
    /// nothing to say, and who waits has said something. To be asked every second.
    func isIdle(for seconds: UInt32, now: Moment) -> Bool {
        guard connection.state.watching == nil, connection.state.waiting == nil else {
            return false
        }
        progress.look(state.isBlocked ? stream.socket.queuedByteCount : nil, now: now)
        let received = connection.record.lastCommandSeconds.load(ordering: .relaxed)
        return now.seconds - min(max(received, progress.lastSeconds), now.seconds) >= seconds
    }

    /// Whether replies wait for the peer to read, now.
    var isStuck: Bool { state.isBlocked }

    /// Whether it has taken nothing of what it is owed for `seconds`. A watcher may stop and look: its
    /// lines are bounded. To be asked every second.
    func isStalled(for seconds: UInt32, now: Moment) -> Bool {
        guard state.isBlocked, connection.state.watching == nil else { return false }
        progress.look(stream.socket.queuedByteCount, now: now)
        return now.seconds - min(progress.lastSeconds, now.seconds) >= seconds
    }

    /// Since when it has held memory that others should have; nothing when it holds none.
    func heldSeconds(of map: SessionMap, in shards: Set<Int>) -> UInt32? {
        if let seconds = connection.heldSeconds(of: map, in: shards) { return seconds }
        return state.isBlocked && connection.output.holds(shards, of: map) ? blockedSeconds : nil
    }

    // MARK: Watchers

    /// How long nothing comes from a half-closed watcher's side before the kernel asks it.
    private static let probeSeconds: Int32 = 10

    /// `echo watch | nc HOST PORT` ends its side at once.
    private func goOnTelling(_ watching: Watching) {
        // It would stay readable for ever.
        readable?.disable()
        state.note(.halfCloses)
        watching.noteHalfClosed()
        stream.socket.probePeer(afterSeconds: Self.probeSeconds)
        if stream.socket.isGone { close(.normal) }
    }

    /// Closes a half-closed watcher that has gone. To be called every second, for nothing else tells.
    func closeIfGone() {
        switch state {
        case .telling, .tellingBlocked: if stream.socket.isGone { close(.normal) }
        case .closing(let reason): if stream.socket.isGone { close(reason) }
        case .serving, .yielded, .blocked, .blockedYielded: break
        }
    }

    /// Tells watchers that this connection is there.
    func tellOpened() {
        let peer = stream.socket.peer
        // When it ends, the kernel may not know any more.
        self.peer = peer
        connection.space.tellOpened(descriptor, peer: peer)
    }

    func tellClosed(_ reason: CloseReason) {
        connection.space.tellClosed(descriptor, peer: peer ?? stream.socket.peer, reason)
    }

    /// Takes the socket out of the loop; the descriptor closes with the object.
    func detach() {
        readable = nil
        writable = nil
        rest = nil
    }
}
