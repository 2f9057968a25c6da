import MemcacheProtocol
import SessionMap
import Synchronization

/// One peer's conversation as a state machine: bytes in, bytes out. It knows no socket.
///
/// Receive: `directTarget` or `input.room()` is filled, and `noteReceived` told. Then `run` parses,
/// executes and encodes as far as input, output and the turn's bound allow, and says what it waits
/// for. Sending takes from `output`.
///
/// Goals: the same replies however the input is cut; bounded memory whatever a peer does; no
/// allocation for a hit. Not goals: what commands do (`Executor`), and how they are worded and answered
/// (`TextCommands`, `MetaCommands`, `BinaryCommands`): each gives back a `Step`. Confined to one worker's
/// thread.
///
/// Invariant: each state has all that belongs to it, and leaving it lets go of that.
final class Connection {
    let context: NodeContext
    let space: Space
    let counters: Counters
    let record: ConnectionRecord
    var input: InputBuffer
    var output: OutputBuffer
    private(set) var state = State.fresh {
        didSet { expectation = Expectation(state) }
    }
    /// What of `state` every turn asks: with all that belongs to it, it is ten words.
    private var expectation = Expectation.rest
    private var goesOn: Bool { if case .rest = expectation { true } else { false } }
    private let executor: Executor
    /// Whether each command is logged, as of this turn.
    private var logsCommands = false
    private var speaksBinary = false
    /// There where commands may be others' to carry out.
    private let peers: Peers?
    /// There where what is not here may be elsewhere.
    private let predecessor: Predecessor?
    /// Whether commands are carried out here, with what is here.
    private let isAlone: Bool
    /// On behalf of so many commands, at the input's start, the predecessor has been asked.
    private var settledCount = 0
    /// There until the peer has logged in, where that is asked of it.
    private(set) var login: Login?

    /// - Parameters:
    ///   - login: what the peer has to do first, if anything.
    ///   - peers: who else may carry commands out.
    ///   - predecessor: who is asked for what is not here.
    init(
        context: NodeContext, listener: ListenerIdentity, worker: WorkerRecord, pool: BufferPool,
        now: Moment, descriptor: Int32 = -1, login: Login? = nil, peers: Peers? = nil,
        predecessor: Predecessor? = nil
    ) {
        self.context = context
        space = listener.space
        self.peers = peers
        self.predecessor = predecessor
        isAlone = peers == nil && predecessor == nil
        executor = Executor(
            context: context, listener: listener, worker: worker, descriptor: descriptor)
        counters = listener.space.counters[worker.number]
        record = ConnectionRecord(
            descriptor: descriptor, of: listener.space, now: now.seconds)
        input = InputBuffer(
            pool: pool, capacity: login == nil ? InputBuffer.blockByteCount : Login.inputByteCount)
        self.login = login
        output = OutputBuffer(pool: pool, map: listener.space.map)
    }

    /// Whether what comes next begins a command.
    var isBetweenCommands: Bool {
        switch state {
        case .command, .packet: true
        default: false
        }
    }

    // MARK: Receiving

    /// Where value bytes can be received without a detour; empty when there is no such place.
    @inline(__always)
    var directTarget: UnsafeMutableRawBufferPointer {
        guard goesOn, case .receivingValue(let value) = state, input.isEmpty else {
            return UnsafeMutableRawBufferPointer(start: nil, count: 0)
        }
        return value.target
    }

    /// Whether more of the value is to come than `directTarget` takes.
    var goesOnBehindDirectTarget: Bool {
        guard case .receivingValue(let value) = state else { return false }
        return value.bytesLeft > value.target.count
    }

    /// Takes note of bytes that were written to `directTarget`, and of more behind it to the input.
    func noteReceived(direct: Int, buffered: Int, now: Moment) {
        counters.add(.bytesRead, direct + buffered)
        input.noteReceived(buffered)
        guard direct > 0 else { return }
        guard case .receivingValue(let value) = state else {
            preconditionFailure("value bytes without a value")
        }
        giveUp(value.noteReceived(direct, executor, now: now))
    }

    private func giveUp(_ refusal: IncomingValue.Refusal?) {
        guard let refusal else { return }
        state = .swallowing(byteCount: refusal.bytesLeft, then: refusal.reply)
    }

    // MARK: Running

    /// What the conversation is about.
    @inline(__always)
    var phase: ConnectionRecord.Phase { goesOn ? state.phase : .reading }

    /// Executes what has arrived, at most `commandLimit` commands.
    func run(commandLimit: Int, now: Moment) -> Turn {
        record.lastCommandSeconds.store(now.seconds, ordering: .relaxed)
        record.note(.parsing)
        logsCommands = context.isVerbose(2)
        var commandsLeft = commandLimit
        while true {
            if output.isAboveHighWater { return .outputFull }
            let step: Step
            switch expectation {
            case .command:
                step =
                    isAlone
                    ? runCommands(&commandsLeft, now: now) : runElsewhere(&commandsLeft, now: now)
            case .packet:
                step =
                    isAlone
                    ? runPackets(&commandsLeft, now: now) : runElsewhere(&commandsLeft, now: now)
            case .rest: step = goOn(&commandsLeft, now: now)
            }
            switch step {
            case .over: continue
            case .ends(let turn): return turn
            case .leads(let next): state = next
            case .halts(let next, let turn):
                state = next
                return turn
            }
        }
    }

    @inline(__always)
    private func runCommands(_ commandsLeft: inout Int, now: Moment) -> Step {
        runAll(&commandsLeft) {
            Step.nextCommand(&input, &output, executor, isLogged: logsCommands, now: now)
        }
    }

    // Not inlined: it would make the other protocols' way longer.
    @inline(never)
    private func runPackets(_ commandsLeft: inout Int, now: Moment) -> Step {
        runAll(&commandsLeft) {
            Step.nextPacket(&input, &output, executor, isLogged: logsCommands, now: now)
        }
    }

    @inline(never)
    private func runElsewhere(_ commandsLeft: inout Int, now: Moment) -> Step {
        guard let predecessor else { return runRouted(&commandsLeft, now: now) }
        if predecessor.isOver {
            return speaksBinary
                ? runPackets(&commandsLeft, now: now) : runCommands(&commandsLeft, now: now)
        }
        return runAll(&commandsLeft) {
            Step.nextSettled(
                &input, &output, executor, predecessor, settledCount: &settledCount,
                isBinary: speaksBinary, isLogged: logsCommands, now: now)
        }
    }

    private func runRouted(_ commandsLeft: inout Int, now: Moment) -> Step {
        guard let peers else { return .over }
        let epoch = peers.gates.epoch
        let readsAreOpenUntil = peers.readsAreOpenUntil
        return runAll(&commandsLeft) {
            Step.nextRouted(
                &input, &output, executor, peers, readsAreOpenUntil: readsAreOpenUntil,
                epoch: epoch,
                isBinary: speaksBinary, isLogged: logsCommands, now: now)
        }
    }

    @inline(__always)
    private func runAll(_ commandsLeft: inout Int, _ runNext: () -> Step) -> Step {
        while true {
            if commandsLeft == 0 {
                guard !input.isEmpty else { return .ends(.needsInput) }
                counters.add(.connectionYields)
                return .ends(.yielded)
            }
            let step = runNext()
            commandsLeft -= 1
            guard case .over = step else { return step }
            if output.isAboveHighWater { return .ends(.outputFull) }
        }
    }

    /// Goes on with what is not the next command. Not inlined: most turns have nothing of the kind.
    @inline(never)
    private func goOn(_ commandsLeft: inout Int, now: Moment) -> Step {
        switch state {
        // `run` sees to it.
        case .command, .packet: return .over
        case .fresh: return chooseProtocol()
        case .loggingIn(let login): return goOn(login)
        case .awaitingKey(let request):
            commandsLeft -= 1
            return next(
                after: .of(request, &input, &output, executor, isLogged: logsCommands, now: now))
        case .retrieving(let retrieval):
            return next(
                after: .of(retrieval, newline: input.newline(), &input, &output, executor, now: now)
            )
        case .swallowingLine: return .dropLine(&input)
        case .awaitingBlock(let storage, let block):
            guard input.count >= block.next else { return .ends(.needsInput) }
            commandsLeft -= 1
            return next(after: storage.finish(block, &input, &output, executor, now: now))
        case .receivingValue(let value): return receive(value, now: now)
        case .swallowing(let byteCount, let reply): return swallow(byteCount, reply)
        case .listing(let listing): return makeSteps(of: listing, now: now)
        case .watching(let watching): return tell(watching)
        case .waiting: return .ends(.waiting)
        case .gathering(let gathered):
            guard let peers else { return .leads(.closed(.error)) }
            return next(after: .of(gathered, &input, &output, executor, peers, now: now))
        case .closed: return .ends(.close)
        }
    }

    /// The first byte of a binary request is 0x80. The choice is for the whole of the conversation.
    private func chooseProtocol() -> Step {
        guard !input.isEmpty else { return .ends(.needsInput) }
        let isBinary = input.bytes[0] == BinaryHeader.requestMagic
        record.firstWord = FirstWord(input.bytes, isBinary: isBinary)
        switch executor.listener.rules.bindingProtocol {
        case .ascii: break
        case .auto: speaksBinary = isBinary
        case .binary where isBinary: speaksBinary = true
        case .binary: return .foreign(executor)
        }
        return .leads(next)
    }

    /// Where a command, or a packet, is expected, and that the peer logs in if it has to.
    private var next: State {
        if let login { return .loggingIn(login) }
        return speaksBinary ? .packet : .command
    }

    /// - Parameter login: this connection's, or that of a peer that does it once more.
    private func goOn(_ login: Login) -> Step {
        // Who is not known is owed little: it has to read before it is answered again.
        if output.pendingByteCount > Login.outputByteCountMax { return .ends(.outputFull) }
        let step =
            speaksBinary
            ? login.nextPacket(&input, &output, executor)
            : login.nextLine(&input, &output, executor)
        endLogin()
        // Of one that does it once more, the second of two messages is still to come.
        if case .over = step, login.hasBegunPlain { return .leads(.loggingIn(login)) }
        return next(after: step)
    }

    /// Lets a peer that has logged in do everything else.
    private func endLogin() {
        guard let login, login.isOver else { return }
        self.login = nil
        input.widen()
    }

    /// What follows a command that was not there as a whole.
    private func next(after step: Step) -> Step {
        if case .over = step { .leads(next) } else { step }
    }

    // MARK: Values that are received or swallowed

    private func receive(_ value: IncomingValue, now: Moment) -> Step {
        if value.bytesLeft > 0 {
            guard !input.isEmpty else { return .ends(.needsInput) }
            giveUp(value.take(from: &input, executor, now: now))
            return .over
        }
        guard input.count >= value.endByteCount else { return .ends(.needsInput) }
        value.finish(&input, &output, executor, now: now)
        return .leads(next)
    }

    /// Since when a value on its way here holds memory that others should have; nothing if none does.
    func heldSeconds(of map: SessionMap, in shards: Set<Int>) -> UInt32? {
        guard case .receivingValue(let value) = state else { return nil }
        return value.heldSeconds(of: map, in: shards)
    }

    /// Gives up the value that is on its way, as if there had been no memory for it. False when none is.
    func yieldValue(now: Moment) -> Bool {
        guard case .receivingValue(let value) = state else { return false }
        giveUp(value.yield(executor, now: now))
        return true
    }

    private func swallow(_ byteCount: Int, _ reply: OwedReply?) -> Step {
        let count = min(byteCount, input.count)
        input.use(count)
        guard count == byteCount else {
            return .halts(.swallowing(byteCount: byteCount - count, then: reply), .needsInput)
        }
        if let reply { output.append(reply) }
        return .leads(next)
    }

    // MARK: Long replies

    private func makeSteps(of listing: Listing, now: Moment) -> Step {
        let after: State
        switch listing.run(&output, now: now) {
        case .outputFull: return .ends(.outputFull)
        case .tired: return .ends(.rested)
        case .over: after = next
        case .lost: after = .closed(.error)
        }
        return input.isEmpty ? .leads(after) : .halts(after, .rested)
    }

    private func tell(_ watching: Watching) -> Step {
        input.use(input.count)
        switch watching.takeLines(into: &output) {
        case .some: return .over
        case .nothing: return .ends(.watching)
        case .replaced: return .leads(.closed(.normal))
        }
    }

    // MARK: Waiting

    /// As a command does that waits: from here on turns end with `waiting`.
    func begin(_ waiting: Waiting) { state = .waiting(waiting) }

    /// Lets the command that waits under this ticket end, or look. False when there is none any more:
    /// the answer comes late.
    func resume(_ ticket: Ticket, _ ending: WaitEnding, now: Moment) -> Bool {
        guard case .waiting(let waiting) = state, waiting.ticket == ticket else { return false }
        switch waiting.finish(ending, &output, executor, now: now) {
        case .answered:
            endLogin()
            settledCount = waiting.precededCount
            state = next
        case .closes: state = .closed(.error)
        case .waits: break
        }
        return true
    }

    /// The connection has gone: nobody wants what it waits for.
    func giveUp() {
        guard case .waiting(let waiting) = state else { return }
        waiting.cancel()
        state = .closed(.error)
    }
}
