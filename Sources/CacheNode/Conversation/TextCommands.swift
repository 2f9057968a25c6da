import MemcacheProtocol
import SessionMap

/// What comes of the line at the input's start.
extension Connection.Step {
    @inline(__always)
    static func nextCommand(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        isLogged: Bool, now: Moment
    ) -> Self {
        guard !input.isEmpty else { return .ends(.needsInput) }
        let bytes = input.bytes
        let span = bytes.span
        switch LineFraming.of(span, newline: input.newline(), isFull: input.isFull) {
        case .incomplete: return .ends(.needsInput)
        case .line(let count, let next):
            let line = span.extracting(first: count)
            let command = CommandParser.parse(
                line, knowsDebugtime: executor.listener.rules.knowsDebugtime)
            if isLogged { executor.log(command, line: line) }
            return command.run(line, next: next, &input, &output, executor, now: now)
        case .tooShort(let next):
            input.use(next)
            output.append(.badFormat)
            return .over
        case .partOfRetrieval:
            guard input.capacity >= ProtocolLimits.retrievalLineByteCountMax else {
                input.grow()
                return .ends(.needsInput)
            }
            return longRetrieval(
                CommandParser.retrievalInParts(span), &input, &output, executor, now: now)
        case .endless: return .leads(.closed(.error))
        }
    }

    /// The keys of a retrieval, from the input's first byte on.
    ///
    /// - Parameter newline: where the input's first line ends, if it has arrived.
    @inline(__always)
    static func of(
        _ retrieval: TextRetrieval, newline: Int?, _ input: inout InputBuffer,
        _ output: inout OutputBuffer, _ executor: borrowing Executor, now: Moment
    ) -> Self {
        switch retrieval.run(&input, &output, executor, newline: newline, now: now) {
        case .over:
            executor.requests.note(retrieval.kind)
            return .over
        case .voided: return .leads(.swallowingLine)
        case .needsInput: return .halts(.retrieving(retrieval), .needsInput)
        case .outputFull: return .halts(.retrieving(retrieval), .outputFull)
        case .tired:
            executor.counters.add(.connectionYields)
            return .halts(.retrieving(retrieval), .rested)
        }
    }

    /// A retrieval whose line is longer than any buffer.
    private static func longRetrieval(
        _ command: Command, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) -> Self {
        switch command {
        case .retrieve(let retrieval):
            input.use(retrieval.keysStart)
            return .leads(.retrieving(TextRetrieval(retrieval, rule: executor.rule, now: now)))
        case .failure(let failure) where failure.recovery == .nextLine:
            output.append(failure.reply.line, isQuiet: failure.isQuiet)
            return .leads(.swallowingLine)
        default: return .leads(.closed(.error))
        }
    }

    /// The rest of a line that is not wanted.
    static func dropLine(_ input: inout InputBuffer) -> Self {
        guard let newline = input.newline() else {
            input.use(input.count)
            return .ends(.needsInput)
        }
        input.use(newline + 1)
        return .leads(.command)
    }

    /// A mistake in a line that has been used.
    static func recovery(from failure: Failure, _ output: inout OutputBuffer) -> Self {
        switch failure.recovery {
        case .nextLine:
            output.append(failure.reply.line, isQuiet: failure.isQuiet)
            return .over
        case .swallow(let byteCount):
            return .swallows(
                byteCount: byteCount, then: failure.isQuiet ? nil : .line(failure.reply))
        case .close: return .leads(.closed(.error))
        }
    }
}

/// A command whose line was read: it is carried out and answered here, or begun.
extension Command {
    /// - Parameters:
    ///   - line: the input's first.
    ///   - next: where the one behind it, or its data block, starts.
    @inline(__always)
    fileprivate func run(
        _ line: Span<UInt8>, next: Int, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) -> Connection.Step {
        switch self {
        case .retrieve(let retrieval):
            input.use(retrieval.keysStart)
            return .of(
                TextRetrieval(retrieval, rule: executor.rule, now: now),
                newline: next - 1 - retrieval.keysStart, &input, &output, executor, now: now)
        case .store(let header):
            return TextStorage.begin(
                header, line: line, next: next, &input, &output, executor, now: now)
        case .meta(let verb):
            return verb.run(line, next: next, &input, &output, executor, now: now)
        case .failure(let failure):
            input.use(next)
            return .recovery(from: failure, &output)
        default:
            let answer = executor.answer(
                self, line: line, owesReplies: !output.isEmpty, now: now)
            executor.requests.note(RequestKind(self))
            input.use(next)
            if let state = output.append(answer, isQuiet: isQuiet) { return .leads(state) }
            // Pages look at all of the node's parts, and thousands of such lines fit the input.
            if case .stats = self, !input.isEmpty { return .halts(.command, .rested) }
            return .over
        }
    }
}

extension MetaVerb {
    @inline(__always)
    fileprivate func run(
        _ line: Span<UInt8>, next: Int, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor, now: Moment
    ) -> Connection.Step {
        do throws(Failure) {
            let request = try MetaRequest(line, self)
            if self == .set {
                return TextStorage.begin(
                    request, line: line, next: next, &input, &output, executor, now: now)
            }
            request.run(self, line: line, &output, executor, now: now)
            executor.requests.note(RequestKind(self))
            input.use(next)
            return .over
        } catch {
            input.use(next)
            return .recovery(from: error, &output)
        }
    }
}

/// The classic commands that are one line, and answered by one line or a page.
extension Executor {
    /// - Parameter owesReplies: to earlier commands.
    func answer(
        _ command: Command, line: Span<UInt8>, owesReplies: Bool, now: Moment
    ) -> Answer {
        switch command {
        case .delete(let key, _):
            let key = line.extracting(key.range)
            let outcome = delete(key, command: "delete", now: now)
            return .reply(outcome == .deleted ? .deleted : .notFound)
        case .touch(let key, let exptime, _):
            let isHit = touch(
                line.extracting(key.range), deadline: rule.deadline(exptime, now: now), now: now
            ) { _ in }
            return .reply(isHit ? .touched : .notFound)
        case .arithmetic(let key, let delta, let increments, _):
            let request = ArithmeticRequest(delta: delta, increments: increments)
            return Self.answer(count(line.extracting(key.range), request, now: now))
        case .flushAll(let delay, _):
            return flush(FlushMoment(delay, line, rule, now: now), now: now)
        case .version: return .version
        case .verbosity(let level, _): return setVerbosity(level)
        case .cacheMemlimit(let megabytes, let isQuiet):
            return limitMemory(megabytes: megabytes, isQuiet: isQuiet)
        case .shutdown(let mode, _): return shutDown(mode)
        case .noop: return .noop
        case .debugtime(let change): return changeTime(change)
        case .stats(let page): return statistics(page, now: now)
        case .operate(let command, _):
            return operate(command, owesReplies: owesReplies, now: now)
        case .quit: return .close(.normal)
        case .retrieve, .store, .meta, .failure: preconditionFailure("no command of one line")
        }
    }

    private static func answer(_ outcome: ArithmeticOutcome) -> Answer {
        switch outcome {
        case .value(let number): .number(number)
        case .notFound: .reply(.notFound)
        case .notANumber: .error(.notANumber)
        case .outOfMemory: .error(.outOfMemory)
        case .created, .exists: preconditionFailure("nobody asked for that")
        }
    }
}

extension Executor.FlushMoment {
    /// When the word behind `flush_all` says; at once without one, or with one below 1.
    fileprivate init(_ delay: ByteRange?, _ line: Span<UInt8>, _ rule: ExptimeRule, now: Moment) {
        guard let delay else {
            self = .now
            return
        }
        guard let seconds = line.signed32(at: delay) else {
            self = .unknown
            return
        }
        self = seconds > 0 ? .at(rule.deadline(seconds, now: now)) : .now
    }
}
