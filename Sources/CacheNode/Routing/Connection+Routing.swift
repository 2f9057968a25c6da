import MemcacheProtocol
import SessionMap

/// Where the node is a member of a cluster: a command is carried out here, or somebody else is asked.
extension Connection.Step {
    /// What comes of the command at the input's start.
    ///
    /// - Parameters:
    ///   - readsAreOpenUntil: see `Peers`.
    ///   - epoch: of the gates, as it was before that was looked at.
    static func nextRouted(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        _ peers: Peers, readsAreOpenUntil: UInt64, epoch: UInt64, isBinary: Bool, isLogged: Bool,
        now: Moment
    ) -> Self {
        guard !input.isEmpty else { return .ends(.needsInput) }
        if readsAreOpenUntil != 0, !isBinary, !isLogged,
            readHere(
                &input, &output, executor, peers, until: readsAreOpenUntil, epoch: epoch, now: now)
        {
            return .over
        }
        // Until when what is read may be told.
        var end = UInt64.max
        var isRead = false
        // Keys of what lives longer once it was read.
        var renewed: [[UInt8]] = []
        let epochNow = peers.gates.epoch
        switch shape(of: input, executor, isBinary: isBinary) {
        case .unknown: return .ends(.needsInput)
        case .local where !isBinary && isEndlessRetrieval(input): return refuseRetrieval(&output)
        case .local: break
        case .keyed(let command):
            isRead = true
            end =
                command.isRead
                ? command.withKey(in: input.bytes.span) {
                    mayReadUntil($0, executor, peers, &renewed, now: now)
                } : 0
            if end == 0 {
                return route(
                    command, isBinary: isBinary, &input, &output, executor, peers, now: now)
            }
        case .several(let keys):
            isRead = true
            end =
                keys.isRead
                ? mayReadUntil(keys, input.bytes.span, executor, peers, &renewed, now: now) : 0
            if end == 0 { return route(keys, &input, &output, executor, peers) }
        case .flush(let command) where executor.listener.rules.isFlushAllowed:
            return route(command, isBinary: isBinary, &input, &output, executor, peers, now: now)
        case .flush: break
        }
        let step =
            isBinary
            ? nextPacket(&input, &output, executor, isLogged: isLogged, now: now)
            : nextCommand(&input, &output, executor, isLogged: isLogged, now: now)
        for key in renewed { _ = peers.notes.add(key.span) }
        guard end == .max || peers.now < end, !isRead || epochNow == peers.gates.epoch else {
            // Nobody knows whether it is still so.
            output.abandon()
            return .leads(.closed(.error))
        }
        return step
    }

    private static func shape(
        of input: borrowing InputBuffer, _ executor: borrowing Executor, isBinary: Bool
    ) -> CommandShape {
        CommandShape.of(
            input.bytes.span, isBinary: isBinary,
            valueByteCountMax: executor.map.configuration.valueByteCountMax(keyByteCount: 1),
            isFull: input.isFull)
    }

    /// Keys of a line that is longer than any buffer cannot be given to whom they belong.
    private static func isEndlessRetrieval(_ input: borrowing InputBuffer) -> Bool {
        input.isFull && input.capacity >= ProtocolLimits.retrievalLineByteCountMax
            && input.newline() == nil
    }

    private static func refuseRetrieval(_ output: inout OutputBuffer) -> Self {
        output.append(
            "CLIENT_ERROR a line of at most 512 KiB is possible in a cluster that keeps copies\r\n"
                as StaticString)
        return .leads(.closed(.error))
    }

    private static func mayReadUntil(
        _ keys: SeveralKeys, _ input: Span<UInt8>, _ executor: borrowing Executor, _ peers: Peers,
        _ renewed: inout [[UInt8]], now: Moment
    ) -> UInt64 {
        var end = UInt64.max
        var rest = keys.keys
        while let key = rest.next(in: input), end != 0 {
            end = min(
                end,
                mayReadUntil(
                    input.extracting(key.range), executor, peers, &renewed, now: now))
        }
        return end
    }

    /// Until when a read may be answered from this node's memory; 0 for not at all. The others are to have notes of
    /// what it lets live longer.
    private static func mayReadUntil(
        _ key: Span<UInt8>, _ executor: borrowing Executor, _ peers: Peers,
        _ renewed: inout [[UInt8]], now: Moment
    ) -> UInt64 {
        let end = peers.mayReadUntil(key, now: now)
        guard end != 0, executor.lifetimes.hasIdleTimeout else { return end }
        switch peers.renewal(byReading: key, now: now) {
        case .none: return end
        case .told:
            renewed.append(key.withUnsafeBytes { Array($0) })
            return end
        case .decided: return 0
        }
    }

    // MARK: One key

    private static func route(
        _ command: KeyedCommand, isBinary: Bool, _ input: inout InputBuffer,
        _ output: inout OutputBuffer, _ executor: borrowing Executor, _ peers: Peers, now: Moment
    ) -> Self {
        let key = command.withKey(in: input.bytes.span) { $0.withUnsafeBytes { Array($0) } }
        guard command.isWhole(in: input.bytes.span) else {
            let gathered = GatheredCommand(command, key: key)
            _ = gathered.take(from: &input)
            return .halts(.gathering(gathered), .needsInput)
        }
        var commands = [take(command, key: key, &input)]
        if !input.isEmpty {
            takeMore(behind: &commands, isBinary: isBinary, &input, executor, peers, now: now)
        }
        return ask(commands, &output, executor, peers, now: now)
    }

    private static func take(
        _ command: KeyedCommand, key: [UInt8], _ input: inout InputBuffer
    ) -> ClientCommand {
        let bytes = Array(input.bytes.prefix(command.byteCount))
        input.use(command.byteCount)
        return ClientCommand(key: key, isRead: command.isRead, bytes: bytes)
    }

    /// What comes behind a command that is others' to carry out, and is that, too, is asked for at the same time: of a
    /// pipeline each command would wait for the one before. What is behind is carried out once all have their replies,
    /// so is a second command on one of these keys, which is to see what the first one did.
    private static func takeMore(
        behind commands: inout [ClientCommand], isBinary: Bool,
        _ input: inout InputBuffer, _ executor: borrowing Executor, _ peers: Peers, now: Moment
    ) {
        // Keys with one hash wait for each other as if they were one.
        let first = commands[0]
        var hashes = [executor.map.keyHash(first.key.span)]
        var readCount = first.isRead ? 1 : 0
        while hashes.count < RoutedCommand.countMax, readCount < RoutedCommand.readCountMax,
            case .keyed(let command) = shape(of: input, executor, isBinary: isBinary),
            command.isWhole(in: input.bytes.span)
        {
            let key = command.withKey(in: input.bytes.span) { key -> [UInt8]? in
                // A read of what is here costs nothing, and has to come behind.
                if command.isRead, peers.mayReadUntil(key, now: now) != 0 { return nil }
                let hash = executor.map.keyHash(key)
                guard !hashes.contains(hash) else { return nil }
                hashes.append(hash)
                return key.withUnsafeBytes { Array($0) }
            }
            guard let key else { return }
            if command.isRead { readCount += 1 }
            commands.append(take(command, key: key, &input))
        }
    }

    static func of(
        _ gathered: GatheredCommand, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, _ peers: Peers, now: Moment
    ) -> Self {
        guard gathered.take(from: &input) else { return .ends(.needsInput) }
        let command = ClientCommand(
            key: gathered.key, isRead: gathered.command.isRead, bytes: gathered.bytes)
        return ask([command], &output, executor, peers, now: now)
    }

    private static func ask(
        _ commands: [ClientCommand], _ output: inout OutputBuffer,
        _ executor: borrowing Executor, _ peers: Peers, now: Moment
    ) -> Self {
        let pending = makePending(executor, count: commands.count)
        let knowsDebugtime = executor.listener.rules.knowsDebugtime
        let requests = commands.map { RequestKind($0.bytes, knowsDebugtime: knowsDebugtime) }
        peers.ask(commands, for: pending)
        return next(
            after: RoutedCommand(pending, count: commands.count), of: pending, requests,
            // A long one takes longer on its way.
            seconds: 1 + UInt64(commands[0].bytes.count >> 22), &output, executor, peers, now: now)
    }

    private static func makePending(_ executor: borrowing Executor, count: Int) -> Pending {
        Pending(
            count: count, worker: executor.worker,
            ticket: executor.worker.makeTicket(descriptor: executor.descriptor))
    }

    /// What has come of commands that were asked for, or that it comes later.
    private static func next(
        after command: RoutedCommand, of pending: Pending, _ requests: [RequestKind],
        seconds: UInt64,
        _ output: inout OutputBuffer, _ executor: borrowing Executor, _ peers: Peers, now: Moment
    ) -> Self {
        guard pending.isOver else {
            let nanoseconds = peers.now * 1_000
            return .waits(
                waiting(
                    pending.ticket, command, at: nanoseconds,
                    lookingAt: command.look(after: nanoseconds), seconds: seconds, requests))
        }
        for request in requests { executor.requests.note(request) }
        return command.finish(.ready, &output, executor, now: now) == .answered
            ? .over : .leads(.closed(.error))
    }

    /// The member answers in time, or says that it cannot; should it not, the connection ends a little later.
    private static func waiting(
        _ ticket: Ticket, _ command: any AwaitingCommand, at nanoseconds: UInt64,
        lookingAt look: UInt64? = nil, seconds: UInt64, _ requests: [RequestKind]
    ) -> Waiting {
        Waiting(
            ticket, until: nanoseconds + seconds * 1_000_000_000, lookingAt: look, command,
            requests: requests, began: nanoseconds)
    }

    // MARK: All keys

    private static func route(
        _ command: FlushCommand, isBinary: Bool, _ input: inout InputBuffer,
        _ output: inout OutputBuffer, _ executor: borrowing Executor, _ peers: Peers, now: Moment
    ) -> Self {
        executor.counters.add(.flushCommands)
        let reply = reply(to: command, isBinary: isBinary, input.bytes)
        input.use(command.byteCount)
        let pending = makePending(executor, count: 1)
        peers.flushAll(after: executor.secondsUntilFlush(command, now: now), for: pending)
        return next(
            after: RoutedCommand(pending, count: 1, reply: reply), of: pending,
            [isBinary ? .binaryOther : .textOther], seconds: 1, &output, executor, peers, now: now)
    }

    /// What its client is sent once it has been carried out.
    private static func reply(
        to command: FlushCommand, isBinary: Bool, _ input: UnsafeBufferPointer<UInt8>
    ) -> [UInt8] {
        if command.isQuiet { return [] }
        guard isBinary else { return Array("OK\r\n".utf8) }
        // A header without a mistake, and without anything behind it.
        var reply = Array(input.prefix(BinaryHeader.byteCount))
        for place in reply.indices where place != 1 && !(12..<16).contains(place) {
            reply[place] = 0
        }
        reply[0] = BinaryHeader.replyMagic
        return reply
    }

    // MARK: Several keys

    private static func route(
        _ keys: SeveralKeys, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, _ peers: Peers
    ) -> Self {
        let ticket = executor.worker.makeTicket(descriptor: executor.descriptor)
        let bytes = input.bytes
        var all: [[UInt8]] = []
        var rest = keys.keys
        while let range = rest.next(in: bytes.span) { all.append(Array(bytes[range.range])) }
        var head = Array(bytes[keys.verb.range]) + [UInt8(ascii: " ")]
        if let exptime = keys.exptime { head += Array(bytes[exptime.range]) + [UInt8(ascii: " ")] }
        let retrieval = RoutedRetrieval(
            all, head: head, isRead: keys.isRead, peers, executor.worker, ticket)
        input.use(keys.byteCount)
        let request = RequestKind.retrieval(
            showsCASUnique: head[3] == UInt8(ascii: "s"), touches: keys.exptime != nil)
        switch retrieval.goOn(&output) {
        case .answered:
            executor.requests.note(request)
            return .over
        case .closes: return .leads(.closed(.error))
        // Each of its keys has its time.
        case .waits:
            return .waits(
                waiting(ticket, retrieval, at: peers.now * 1_000, seconds: 60, [request]))
        }
    }
}
