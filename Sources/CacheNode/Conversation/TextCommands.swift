import MemcacheProtocol
import SessionMap

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
        case .cacheMemlimit(let megabytes, _): return limitMemory(megabytes: megabytes)
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
