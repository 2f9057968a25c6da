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
/// allocation for a hit. Confined to one worker's thread.
///
/// Invariant: `pending` is there exactly in the states `receivingValue` and `terminator`.
final class Connection {
    enum State: Equatable {
        /// Nothing has arrived yet: the first byte chooses the protocol.
        case fresh
        case command
        /// In the keys of a retrieval. The line may be longer than the input buffer.
        case retrieving(RetrievalInProgress)
        /// A line that is not wanted any more, up to its end.
        case swallowingLine
        /// A value that is larger than the input buffer arrives in the map.
        case receivingValue(isQuiet: Bool)
        /// Such a value has arrived; CR LF must follow.
        case terminator(isQuiet: Bool)
        /// A data block that is not wanted; then the reply, if any.
        case swallowing(byteCount: Int, then: ErrorReply?)
        /// A long reply is being made; then commands again.
        case listing
        /// Events are told until the peer goes; its input is not read.
        case watching
        case closed
    }

    struct RetrievalInProgress: Equatable {
        var showsCASUnique: Bool
        /// For `gat` and `gats`.
        var touch: Deadline?
    }

    /// What a connection waits for after `run`.
    enum Turn: Equatable {
        case needsInput
        /// Replies must be sent before more is executed.
        case outputFull
        /// The turn's bound is reached and there is more to do: let others have a turn.
        case yielded
        /// The same after much work: others that have become ready meanwhile come first, too.
        case rested
        /// There will be more to send when others have done something.
        case watching
        /// The conversation is over, once what is owed has been sent.
        case close
    }

    let context: NodeContext
    /// The context's: what every command needs is at hand.
    let map: SessionMap
    private let watchers: Watchers
    let worker: WorkerRecord
    let counters: Counters
    let record: ConnectionRecord
    var input: InputBuffer
    var output: OutputBuffer
    var state = State.fresh
    /// Why the state is `closed`, if it is.
    var closeReason = CloseReason.error
    /// A value on its way into the map; the storing part's own.
    var pending: SessionMap.PendingStore?
    /// The line of the meta command whose value is on its way; nothing for a classic one's.
    var pendingMeta: PendingMeta?
    /// What watchers want to be told of, as of this turn.
    private var watched = WatchedEvents()
    /// Whether each command is logged, as of this turn.
    private var logsCommands = false
    /// There while the state is `listing`.
    var listing: Listing?
    /// This connection's name among the watchers; 0 unless the state is `watching`.
    var watcherID: UInt64 = 0

    init(
        context: NodeContext, worker: WorkerRecord, pool: BufferPool, now: Moment,
        descriptor: Int32 = -1
    ) {
        self.context = context
        map = context.map
        watchers = context.watchers
        self.worker = worker
        counters = worker.counters
        record = ConnectionRecord(descriptor: descriptor, now: now.seconds)
        input = InputBuffer(pool: pool)
        output = OutputBuffer(pool: pool, map: context.map)
    }

    deinit {
        if let pending = pending.take() {
            context.map.abandon(pending)
        }
        listing?.end()
        if watcherID != 0 { context.watchers.remove(watcherID) }
    }

    // MARK: Receiving

    /// Where value bytes can be received without a detour; empty when there is no such place.
    var directTarget: UnsafeMutableRawBufferPointer {
        guard case .receivingValue = state, input.isEmpty else {
            return UnsafeMutableRawBufferPointer(start: nil, count: 0)
        }
        return pending?.target ?? UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    /// Whether more of the value is to come than `directTarget` takes.
    var goesOnBehindDirectTarget: Bool {
        (pending?.bytesLeft ?? 0) > (pending?.target.count ?? 0)
    }

    /// Takes note of bytes that were written to `directTarget`, and of more behind it to the input.
    func noteReceived(direct: Int, buffered: Int, now: Moment) {
        counters.add(.bytesRead, direct + buffered)
        input.noteReceived(buffered)
        if direct > 0 { noteValueReceived(direct, now: now) }
    }

    // MARK: Running

    /// Executes what has arrived, at most `commandLimit` commands.
    func run(commandLimit: Int, now: Moment) -> Turn {
        record.lastCommandSeconds.store(now.seconds, ordering: .relaxed)
        record.note(.parsing)
        watched = watchers.wantedEvents
        logsCommands = context.isVerbose(2)
        var commandsLeft = commandLimit
        while true {
            if output.isAboveHighWater { return .outputFull }
            let progress: Progress
            switch state {
            case .fresh: progress = chooseProtocol()
            case .command:
                if commandsLeft == 0 {
                    guard !input.isEmpty else { return .needsInput }
                    counters.add(.connectionYields)
                    return .yielded
                }
                progress = runCommand(now: now)
                if progress == .went { commandsLeft -= 1 }
            case .retrieving(let retrieval):
                progress = runRetrieval(retrieval, newline: input.newline(), now: now)
            case .swallowingLine: progress = swallowLine()
            case .receivingValue(let isQuiet): progress = receiveValue(isQuiet, now: now)
            case .terminator(let isQuiet): progress = finishValue(isQuiet, now: now)
            case .swallowing(let byteCount, let reply): progress = swallow(byteCount, reply)
            case .listing: progress = runListing(now: now)
            case .watching:
                switch takeLines() {
                case .some: continue
                case .nothing: return .watching
                case .replaced:
                    closeReason = .normal
                    state = .closed
                }
                continue
            case .closed: return .close
            }
            switch progress {
            case .went: continue
            case .stuck: return .needsInput
            case .full: return .outputFull
            case .tired: return .rested
            }
        }
    }

    enum Progress {
        case went
        /// More input is needed.
        case stuck
        /// The output must be sent first.
        case full
        /// So much has been done that others come first.
        case tired
    }

    /// What the conversation is about, as `stats conns` tells it.
    var phase: ConnectionRecord.Phase {
        switch state {
        case .receivingValue, .terminator: .receivingValue
        case .swallowing, .swallowingLine: .swallowing
        case .closed: .closing
        case .listing, .watching: .watching
        // A whole line that stays in the input waits for its data block.
        case .command where input.newline() != nil: .receivingValue
        case .fresh, .command, .retrieving: .reading
        }
    }

    /// The first byte of a binary request is 0x80. The binary protocol is not spoken.
    private func chooseProtocol() -> Progress {
        guard !input.isEmpty else { return .stuck }
        let isBinary = input.bytes[0] == 0x80
        switch context.configuration.bindingProtocol {
        case .ascii: state = .command
        case .auto where !isBinary: state = .command
        case .auto, .binary:
            if isBinary {
                context.logger.notice(
                    "closed a connection: the binary protocol is not supported; use text")
            }
            state = .closed
        }
        return .went
    }

    private func runCommand(now: Moment) -> Progress {
        guard !input.isEmpty else { return .stuck }
        let bytes = input.bytes
        let span = bytes.span
        switch LineFraming.of(span, newline: input.newline(), isFull: input.isFull) {
        case .incomplete: return .stuck
        case .line(let count, let next):
            let line = span.extracting(first: count)
            let command = CommandParser.parse(
                line, knowsDebugtime: context.configuration.knowsDebugtime)
            if logsCommands { log(command, line: line) }
            return execute(command, line: line, next: next, now: now)
        case .tooShort(let next):
            input.use(next)
            fail(.badFormat, isQuiet: false)
        case .partOfRetrieval:
            if input.capacity < ProtocolLimits.retrievalLineByteCountMax {
                input.grow()
                return .stuck
            }
            beginLongRetrieval(CommandParser.retrievalInParts(span), now: now)
        case .endless: state = .closed
        }
        return .went
    }

    /// A retrieval whose line is longer than any buffer.
    private func beginLongRetrieval(_ command: Command, now: Moment) {
        switch command {
        case .retrieve(let retrieval):
            input.use(retrieval.keysStart)
            state = .retrieving(retrievalInProgress(retrieval, now: now))
        case .failure(let failure) where failure.recovery == .nextLine:
            fail(failure.reply, isQuiet: failure.isQuiet)
            state = .swallowingLine
        default: state = .closed
        }
    }

    @inline(__always)
    private func retrievalInProgress(_ retrieval: Retrieval, now: Moment) -> RetrievalInProgress {
        let touch = retrieval.exptime.map {
            context.configuration.exptimeRule.deadline($0, now: now)
        }
        return RetrievalInProgress(showsCASUnique: retrieval.showsCASUnique, touch: touch)
    }

    private func execute(
        _ command: Command, line: Span<UInt8>, next: Int, now: Moment
    ) -> Progress {
        switch command {
        case .retrieve(let retrieval):
            input.use(retrieval.keysStart)
            return runRetrieval(
                retrievalInProgress(retrieval, now: now),
                newline: next - 1 - retrieval.keysStart, now: now)
        case .store(let header): return store(header, line: line, next: next, now: now)
        case .meta(let verb): return executeMeta(verb, line: line, next: next, now: now)
        case .failure(let failure):
            input.use(next)
            recover(failure)
        default:
            executeSimple(command, line: line, now: now)
            input.use(next)
            // Pages look at all of the node's parts, and thousands of such lines fit the input.
            if case .stats = command, state == .command, !input.isEmpty { return .tired }
        }
        return .went
    }

    @inline(__always)
    func wants(_ events: WatchedEvents) -> Bool { watched.rawValue & events.rawValue != 0 }

    /// Counts for `stats detail`, if that is on.
    @inline(__always)
    func notePrefix(_ operation: PrefixStatistics.Operation, key: Span<UInt8>) {
        if context.prefixes.isCollecting { context.prefixes.note(operation, key: key) }
    }

    // MARK: Failing

    /// Appends a reply that is one fixed line, unless the command was quiet. The only place where
    /// `noreply` is honoured, errors included.
    @inline(__always)
    func reply(_ line: StaticString, isQuiet: Bool) {
        if !isQuiet { output.append(line) }
    }

    @inline(__always)
    func reply(_ reply: Reply, isQuiet: Bool = false) { self.reply(reply.line, isQuiet: isQuiet) }

    func fail(_ error: ErrorReply, isQuiet: Bool) { reply(error.line, isQuiet: isQuiet) }

    func recover(_ failure: Failure) {
        switch failure.recovery {
        case .nextLine: fail(failure.reply, isQuiet: failure.isQuiet)
        case .swallow(let byteCount):
            state = .swallowing(
                byteCount: byteCount, then: failure.isQuiet ? nil : failure.reply)
        case .close: state = .closed
        }
    }

    private func swallow(_ byteCount: Int, _ reply: ErrorReply?) -> Progress {
        let count = min(byteCount, input.count)
        input.use(count)
        guard count == byteCount else {
            state = .swallowing(byteCount: byteCount - count, then: reply)
            return .stuck
        }
        if let reply { fail(reply, isQuiet: false) }
        state = .command
        return .went
    }

    private func swallowLine() -> Progress {
        guard let newline = input.newline() else {
            input.use(input.count)
            return .stuck
        }
        input.use(newline + 1)
        state = .command
        return .went
    }
}
