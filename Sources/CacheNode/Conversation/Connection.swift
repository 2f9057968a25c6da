import Logging
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
/// allocation for a hit. Not goals: what commands do (`Executor`) and how they are worded
/// (`TextRetrieval`, `TextStorage`, `MetaCommands`, `BinaryCommands`). Confined to one worker's thread.
///
/// Invariant: each state has all that belongs to it, and leaving it lets go of that.
final class Connection {
    /// What has come of a step.
    private enum Progress {
        /// A command is done with, and the next one may follow.
        case went
        /// The state is another one.
        case changed
        case ends(Turn)
    }

    let context: NodeContext
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

    init(
        context: NodeContext, listener: ListenerIdentity, worker: WorkerRecord, pool: BufferPool,
        now: Moment, descriptor: Int32 = -1
    ) {
        self.context = context
        executor = Executor(
            context: context, listener: listener, worker: worker, descriptor: descriptor)
        counters = listener.space.counters[worker.number]
        record = ConnectionRecord(descriptor: descriptor, now: now.seconds)
        input = InputBuffer(pool: pool)
        output = OutputBuffer(pool: pool, map: listener.space.map)
    }

    private func enter(_ next: State) -> Progress {
        state = next
        return .changed
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
            let progress: Progress
            switch expectation {
            case .command: progress = runAll(&commandsLeft) { runCommand(now: now) }
            case .packet: progress = runPackets(&commandsLeft, now: now)
            case .rest: progress = goOn(&commandsLeft, now: now)
            }
            if case .ends(let turn) = progress { return turn }
        }
    }

    /// Goes on with what is not the next command. Not inlined: most turns have nothing of the kind.
    @inline(never)
    private func goOn(_ commandsLeft: inout Int, now: Moment) -> Progress {
        switch state {
        // `run` sees to it.
        case .command, .packet: return .changed
        case .fresh: return chooseProtocol()
        case .awaitingKey(let request):
            commandsLeft -= 1
            state = .packet
            return goOn(
                PacketStep.of(
                    request, &input, &output, executor, isLogged: logsCommands, now: now))
        case .retrieving(let retrieval):
            return retrieve(retrieval, newline: input.newline(), now: now)
        case .swallowingLine: return swallowLine()
        case .awaitingBlock(let storage, let block):
            let progress = finish(storage, block, now: now)
            if case .changed = progress { commandsLeft -= 1 }
            return progress
        case .receivingValue(let value): return receive(value, now: now)
        case .swallowing(let byteCount, let reply): return swallow(byteCount, reply)
        case .listing(let listing): return makeSteps(of: listing, now: now)
        case .watching(let watching): return tell(watching)
        case .waiting: return .ends(.waiting)
        case .closed: return .ends(.close)
        }
    }

    /// The first byte of a binary request is 0x80. The choice is for the whole of the conversation.
    private func chooseProtocol() -> Progress {
        guard !input.isEmpty else { return .ends(.needsInput) }
        let isBinary = input.bytes[0] == BinaryHeader.requestMagic
        switch executor.listener.bindingProtocol {
        case .ascii: return enter(.command)
        case .auto: speaksBinary = isBinary
        case .binary where isBinary: speaksBinary = true
        case .binary: return enter(PacketStep.foreign(executor))
        }
        return enter(next)
    }

    /// Where a command, or a packet, is expected.
    private var next: State { speaksBinary ? .packet : .command }

    @inline(__always)
    private func runAll(_ commandsLeft: inout Int, _ runNext: () -> Progress) -> Progress {
        while true {
            if commandsLeft == 0 {
                guard !input.isEmpty else { return .ends(.needsInput) }
                counters.add(.connectionYields)
                return .ends(.yielded)
            }
            let progress = runNext()
            commandsLeft -= 1
            guard case .went = progress else { return progress }
            if output.isAboveHighWater { return .ends(.outputFull) }
        }
    }

    private func runCommand(now: Moment) -> Progress {
        guard !input.isEmpty else { return .ends(.needsInput) }
        let bytes = input.bytes
        let span = bytes.span
        switch LineFraming.of(span, newline: input.newline(), isFull: input.isFull) {
        case .incomplete: return .ends(.needsInput)
        case .line(let count, let next):
            let line = span.extracting(first: count)
            let command = CommandParser.parse(
                line, knowsDebugtime: context.rules.knowsDebugtime)
            if logsCommands { executor.log(command, line: line) }
            return execute(command, line: line, next: next, now: now)
        case .tooShort(let next):
            input.use(next)
            output.append(.badFormat)
            return .went
        case .partOfRetrieval:
            guard input.capacity >= ProtocolLimits.retrievalLineByteCountMax else {
                input.grow()
                return .ends(.needsInput)
            }
            return beginLongRetrieval(CommandParser.retrievalInParts(span), now: now)
        case .endless: return enter(.closed(.error))
        }
    }

    private func execute(
        _ command: Command, line: Span<UInt8>, next: Int, now: Moment
    ) -> Progress {
        switch command {
        case .retrieve(let retrieval):
            input.use(retrieval.keysStart)
            return retrieve(
                TextRetrieval(retrieval, rule: executor.rule, now: now),
                newline: next - 1 - retrieval.keysStart, now: now)
        case .store(let header):
            return goOn(
                TextStorage.begin(
                    header, line: line, next: next, &input, &output, executor, now: now))
        case .meta(let verb): return executeMeta(verb, line: line, next: next, now: now)
        case .failure(let failure):
            input.use(next)
            return recover(failure)
        default:
            let answer = executor.answer(
                command, line: line, owesReplies: !output.isEmpty, now: now)
            input.use(next)
            if let next = output.append(answer, isQuiet: command.isQuiet) {
                return enter(next)
            }
            // Pages look at all of the node's parts, and thousands of such lines fit the input.
            if case .stats = command, !input.isEmpty { return .ends(.rested) }
            return .went
        }
    }

    private func executeMeta(
        _ verb: MetaVerb, line: Span<UInt8>, next: Int, now: Moment
    ) -> Progress {
        do throws(Failure) {
            let request = try MetaRequest(line, verb)
            if verb == .set {
                return goOn(
                    TextStorage.begin(
                        request, line: line, next: next, &input, &output, executor, now: now))
            }
            request.run(verb, line: line, &output, executor, now: now)
            input.use(next)
            return .went
        } catch {
            input.use(next)
            return recover(error)
        }
    }

    // MARK: Packets

    // Not inlined: it would make the other protocols' way longer.
    @inline(never)
    private func runPackets(_ commandsLeft: inout Int, now: Moment) -> Progress {
        runAll(&commandsLeft) {
            goOn(PacketStep.next(&input, &output, executor, isLogged: logsCommands, now: now))
        }
    }

    @inline(__always)
    private func goOn(_ step: PacketStep) -> Progress {
        switch step {
        case .over: return .went
        case .tired: return .ends(.rested)
        case .needsInput: return .ends(.needsInput)
        case .waits(let request):
            state = .awaitingKey(request)
            return .ends(.needsInput)
        case .stores(let step): return goOn(step)
        case .leads(let state): return enter(state)
        }
    }

    // MARK: Retrieving and storing

    @inline(__always)
    private func retrieve(
        _ retrieval: TextRetrieval, newline: Int?, now: Moment
    ) -> Progress {
        switch retrieval.run(&input, &output, executor, newline: newline, now: now) {
        case .over:
            if case .command = expectation { return .went }
            return enter(.command)
        case .voided: return enter(.swallowingLine)
        case .needsInput: return wait(retrieval, .needsInput)
        case .outputFull: return wait(retrieval, .outputFull)
        case .tired:
            counters.add(.connectionYields)
            return wait(retrieval, .rested)
        }
    }

    private func wait(_ retrieval: TextRetrieval, _ turn: Turn) -> Progress {
        state = .retrieving(retrieval)
        return .ends(turn)
    }

    /// A retrieval whose line is longer than any buffer.
    private func beginLongRetrieval(_ command: Command, now: Moment) -> Progress {
        switch command {
        case .retrieve(let retrieval):
            input.use(retrieval.keysStart)
            return enter(.retrieving(TextRetrieval(retrieval, rule: executor.rule, now: now)))
        case .failure(let failure) where failure.recovery == .nextLine:
            output.append(failure.reply.line, isQuiet: failure.isQuiet)
            return enter(.swallowingLine)
        default: return enter(.closed(.error))
        }
    }

    @inline(__always)
    private func goOn(_ step: TextStorage.Step) -> Progress {
        switch step {
        case .over: return .went
        case .awaits(let storage, let block):
            state = .awaitingBlock(storage, block)
            return .ends(.needsInput)
        case .receives(let value): return enter(.receivingValue(value))
        case .swallows(let byteCount, let reply):
            return enter(.swallowing(byteCount: byteCount, then: reply))
        case .waits(let waiting): return wait(for: waiting)
        }
    }

    private func finish(_ storage: TextStorage, _ block: DataBlock, now: Moment) -> Progress {
        guard input.count >= block.next else { return .ends(.needsInput) }
        let step = storage.finish(block, &input, &output, executor, now: now)
        if case .waits(let waiting) = step { return wait(for: waiting) }
        return enter(next)
    }

    private func receive(_ value: IncomingValue, now: Moment) -> Progress {
        if value.bytesLeft > 0 {
            guard !input.isEmpty else { return .ends(.needsInput) }
            giveUp(value.take(from: &input, executor, now: now))
            return .changed
        }
        guard input.count >= value.endByteCount else { return .ends(.needsInput) }
        value.finish(&input, &output, executor, now: now)
        return enter(next)
    }

    // MARK: Waiting

    private func wait(for waiting: Waiting) -> Progress {
        begin(waiting)
        return .ends(.waiting)
    }

    /// From here on turns end with `waiting`.
    func begin(_ waiting: Waiting) { state = .waiting(waiting) }

    /// Lets the command that waits under this ticket end, or look. False when there is none any more:
    /// the answer comes late.
    func resume(_ ticket: Ticket, _ ending: WaitEnding, now: Moment) -> Bool {
        guard case .waiting(let waiting) = state, waiting.ticket == ticket else { return false }
        if waiting.finish(ending, &output, executor, now: now) { state = next }
        return true
    }

    /// The connection has gone: nobody wants what it waits for.
    func giveUp() {
        guard case .waiting(let waiting) = state else { return }
        waiting.cancel()
        state = .closed(.error)
    }

    // MARK: Long replies

    private func makeSteps(of listing: Listing, now: Moment) -> Progress {
        switch listing.run(&output, now: now) {
        case .outputFull: return .ends(.outputFull)
        case .tired: return .ends(.rested)
        case .over: state = next
        case .lost: state = .closed(.error)
        }
        return input.isEmpty ? .changed : .ends(.rested)
    }

    private func tell(_ watching: Watching) -> Progress {
        input.use(input.count)
        switch watching.takeLines(into: &output) {
        case .some: return .changed
        case .nothing: return .ends(.watching)
        case .replaced: return enter(.closed(.normal))
        }
    }

    // MARK: Failing

    private func recover(_ failure: Failure) -> Progress {
        switch failure.recovery {
        case .nextLine:
            output.append(failure.reply.line, isQuiet: failure.isQuiet)
            return .went
        case .swallow(let byteCount):
            return enter(
                .swallowing(
                    byteCount: byteCount, then: failure.isQuiet ? nil : .line(failure.reply)))
        case .close: return enter(.closed(.error))
        }
    }

    private func swallow(_ byteCount: Int, _ reply: OwedReply?) -> Progress {
        let count = min(byteCount, input.count)
        input.use(count)
        guard count == byteCount else {
            state = .swallowing(byteCount: byteCount - count, then: reply)
            return .ends(.needsInput)
        }
        if let reply { output.append(reply) }
        return enter(next)
    }

    private func swallowLine() -> Progress {
        guard let newline = input.newline() else {
            input.use(input.count)
            return .ends(.needsInput)
        }
        input.use(newline + 1)
        return enter(.command)
    }
}
