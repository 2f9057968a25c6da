import Logging
import MemcacheProtocol
import SessionMap

/// What comes of the packet at the input's start.
extension Connection.Step {
    /// The next packet's, whose header is looked at first.
    @inline(__always)
    static func nextPacket(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        isLogged: Bool, now: Moment
    ) -> Self {
        switch BinaryFraming.of(input.bytes.span) {
        case .request(let request):
            return of(request, &input, &output, executor, isLogged: isLogged, now: now)
        case .incomplete: return .ends(.needsInput)
        case .foreign: return foreign(executor)
        case .failure(let failure):
            switch failure.recovery {
            case .swallow(let byteCount):
                return .swallows(byteCount: byteCount, then: .packet(failure.reply))
            case .close:
                output.append(failure.reply)
                return .leads(.closed(.error))
            }
        }
    }

    /// That of a request whose header is at the input's start.
    @inline(__always)
    static func of(
        _ request: BinaryRequest, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, isLogged: Bool, now: Moment
    ) -> Self {
        guard input.count >= request.headByteCount else {
            return .halts(.awaitingKey(request), .needsInput)
        }
        if isLogged { executor.log(request, packet: input.bytes.span) }
        if request.isStorage {
            return TextStorage.begin(request, &input, &output, executor, now: now)
        }
        if case .authenticate = request.command,
            let authentication = executor.space.authentication, authentication.hasPasswords
        {
            // Once more, or after a login that took no password.
            return .leads(
                .loggingIn(Login(authentication, descriptor: executor.descriptor, now: now)))
        }
        if let next = request.run(&input, &output, executor, now: now) { return .leads(next) }
        // A page looks at all of the node's parts, and hundreds of such packets fit the input.
        if case .stat = request.command, !input.isEmpty { return .halts(.packet, .rested) }
        return .over
    }

    /// What has come begins as no binary request does.
    static func foreign(_ executor: borrowing Executor) -> Self {
        executor.context.logger.notice(
            "closed a connection: what it sent is no binary request")
        return .leads(.closed(.error))
    }
}

/// A binary request whose header was read: it is carried out and answered here, in one go. Those with a
/// value are storage commands, with the other protocols' ones.
extension BinaryRequest {
    var isStorage: Bool { if case .store = command { true } else { false } }

    /// Carries out what is at the input's start, with all of its key, and uses it. Returns the state that
    /// follows, where that is not the next packet.
    func run(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> Connection.State? {
        if case .authenticate = command {
            // There are no users. What it brings is not wanted.
            return .swallowing(
                byteCount: headByteCount + valueByteCount,
                then: .packet(BinaryReply(to: self, .unknownCommand)))
        }
        let bytes = input.bytes
        let next = run(bytes.span, &output, executor, now: now)
        input.use(headByteCount)
        return next
    }

    /// - Parameter packet: with all of its key.
    private func run(
        _ packet: Span<UInt8>, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> Connection.State? {
        if case .retrieve = command {
            retrieve(packet, &output, executor, now: now)
            return nil
        }
        executor.requests.note(RequestKind(command))
        switch command {
        case .retrieve: break
        case .touch: touch(packet, &output, executor, now: now)
        case .delete:
            let outcome = executor.delete(
                packet.extracting(key), comparison: comparison,
                isForgotten: executor.descriptor < 0
                    && vbucket(in: packet) == BinaryRequest.forgettingVbucket,
                command: "delete", now: now)
            output.append(outcome.status, to: self)
        case .arithmetic(let increments):
            count(packet, increments: increments, &output, executor, now: now)
        case .flush: flush(packet, &output, executor, now: now)
        case .verbosity:
            return output.append(executor.setVerbosity(level(in: packet)), to: self)
        case .noop: output.append(.success, to: self)
        case .version: return output.append(.version, to: self)
        case .quit:
            output.append(.success, to: self)
            return .closed(.normal)
        case .stat: return showPage(packet.extracting(key), &output, executor, now: now)
        case .listMechanisms: output.appendMechanisms(to: self, executor)
        case .store, .authenticate: preconditionFailure("a value follows")
        }
        return nil
    }

    /// The CAS unique that an item must have; 0 is no wish.
    var comparison: UInt64? { header.casUnique == 0 ? nil : header.casUnique }

    private func count(
        _ packet: Span<UInt8>, increments: Bool, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) {
        var request = ArithmeticRequest(delta: delta(in: packet), increments: increments)
        request.comparison = header.casUnique
        request.hasEncodedKey = needsEncodedKey(in: packet)
        request.initial = initial(in: packet).map { number in
            let deadline = executor.rule.deadline(unsigned: exptime(in: packet), now: now)
            return ArithmeticRequest.Initial(number: number, deadline: deadline)
        }
        var (casUnique, number): (UInt64, UInt64) = (0, 0)
        let outcome = executor.count(packet.extracting(key), request, now: now) {
            (casUnique, number) = ($0.casUnique, $1)
            return .copied
        }
        switch outcome {
        case .value, .created:
            guard !isQuiet else { return }
            let reply = BinaryReply(
                to: self, casUnique: casUnique, valueByteCount: MemoryLayout<UInt64>.size)
            output.append(atMost: BinaryHeader.byteCount + reply.valueByteCount) { writer in
                reply.encode(to: &writer)
                writer.write(bigEndian: number)
            }
        case .notFound: output.append(.notFound, to: self)
        case .exists: output.append(.exists, to: self)
        case .notANumber: output.append(.notANumber, to: self)
        case .outOfMemory: output.append(.outOfMemory, to: self)
        }
    }

    private func flush(
        _ packet: Span<UInt8>, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) {
        let delay = delay(in: packet)
        let moment =
            delay == 0
            ? Executor.FlushMoment.now
            : .at(executor.rule.deadline(unsigned: delay, now: now))
        _ = output.append(executor.flush(moment, now: now), to: self)
    }

    private func showPage(
        _ name: Span<UInt8>, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> Connection.State? {
        guard let page = StatsPage(binaryName: name) else {
            output.append(.notFound, to: self)
            return nil
        }
        return output.append(executor.statistics(page, now: now), to: self)
    }
}

extension DeleteOutcome {
    fileprivate var status: BinaryStatus {
        switch self {
        case .deleted: .success
        case .exists: .exists
        case .notFound: .notFound
        case .outOfMemory: .outOfMemory
        }
    }
}
