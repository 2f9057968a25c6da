import MemcacheProtocol
import SessionMap
import Synchronization

/// `flush_all`, `verbosity`, `cache_memlimit`, `shutdown` and `debugtime`.
extension Executor {
    /// When everything goes.
    enum FlushMoment {
        case now
        case at(Deadline)
        /// What was sent is no moment.
        case unknown
    }

    func flush(_ moment: FlushMoment, now: Moment) -> Answer {
        counters.add(.flushCommands)
        guard listener.rules.isFlushAllowed else { return .error(.flushNotAllowed) }
        switch moment {
        case .unknown: return .error(.invalidExptime)
        case .at(let deadline):
            // One second early, as memcached does it.
            let due = deadline.seconds > now.seconds ? deadline.seconds - 1 : now.seconds
            if due <= now.seconds {
                map.flush()
            } else {
                map.flush(at: .at(UInt64(due)), now: now.seconds)
            }
        case .now: map.flush()
        }
        return .reply(.ok)
    }

    /// 0 is now.
    func secondsUntilFlush(_ command: FlushCommand, now: Moment) -> UInt32 {
        guard command.delay > 0 else { return 0 }
        let deadline = rule.deadline(unsigned: command.delay, now: now)
        // One second early, as memcached does it.
        return deadline.seconds > now.seconds + 1 ? deadline.seconds - 1 - now.seconds : 0
    }

    func setVerbosity(_ level: UInt32) -> Answer {
        context.switches.verbosity.store(Int(min(level, 5)), ordering: .relaxed)
        return .reply(.ok)
    }

    func limitMemory(megabytes: UInt32, isQuiet: Bool) -> Answer {
        guard megabytes >= 8 else { return .error(.memlimitTooSmall) }
        guard megabytes <= 1_000_000_000 else { return .error(.memlimitTooLarge) }
        let change = MemoryChange(isQuiet: isQuiet)
        let worker = worker
        let ticket = worker.makeTicket(descriptor: descriptor)
        space.memory.set(byteCount: Int(megabytes) << 20, logger: context.logger) { outcome in
            change.end(outcome)
            worker.resume(ticket)
        }
        if let answer = change.answer { return answer }
        let end = NodeClock.nanoseconds() + MemoryChange.nanosecondsMax
        return .waiting(Waiting(ticket, until: end, lookingAt: nil, change))
    }

    func shutDown(_ mode: ShutdownMode) -> Answer {
        guard listener.rules.isShutdownAllowed else { return .error(.shutdownNotEnabled) }
        guard mode != .unknown else { return .error(.invalidShutdownMode) }
        context.requestShutdown(mode)
        return .close(.shutdown)
    }

    func changeTime(_ change: DebugtimeChange) -> Answer {
        switch change {
        case .advance(let seconds): space.clock.advance(seconds: seconds)
        case .pause: space.clock.pause()
        case .resume: space.clock.resume()
        }
        return .reply(.ok)
    }
}
