import MemcacheProtocol
import SessionMap

/// `add` of a lock that is held: `-o lock_keys`.
extension Executor {
    /// Counts what an `add` has stored, if that is a lock.
    @inline(__always)
    func noteLock(_ key: Span<UInt8>, isThere: Bool) {
        if isThere, let locks = space.locks, locks.rules.isLock(key) { counters.add(.locksBorn) }
    }

    /// What becomes of a store that was refused.
    enum Refused {
        /// Told like any other.
        case over(StoreOutcome)
        /// It is answered later.
        case waits(Waiting)
    }

    /// To be asked when `store` has answered `notStored`, before that is told. An `add` that found a lock
    /// held is held back, unless it is the holder's own, got by `incr`; every other command stays refused.
    ///
    /// It was counted, and watchers were told `not_stored`; when the lock is handed over they are told
    /// once more.
    ///
    /// - Parameters:
    ///   - command: by which it is answered then.
    ///   - show: sees the item, should the lock have become free just now.
    @inline(never)
    func refused(
        _ key: Span<UInt8>, _ request: StoreRequest, value: Span<UInt8>,
        of command: @autoclosure () -> any HeldStore, as kind: RequestKind, now: Moment,
        _ show: (Hit) -> Void
    ) -> Refused {
        guard let locks = space.locks, case .add = request.mode, locks.rules.isLock(key),
            value.count <= LockRules.valueByteCountMax
        else { return .over(.notStored) }
        // Its own, by the count that came before.
        if let latestCount, latestCount.takes(key, map: map) { return .over(.notStored) }
        let began = NodeClock.nanoseconds()
        let ticket = worker.makeTicket(descriptor: descriptor)
        let admission = locks.join(
            key, request, value: value, ticket: ticket, worker: worker, began: began, now: now,
            show)
        switch admission {
        case .over(let outcome):
            noteLock(key, isThere: outcome == .stored)
            if outcome != .notStored {
                noteStored(key, outcome, request, valueByteCount: value.count, now: now)
            }
            return .over(outcome)
        case .waits(let place, let heldUntil):
            let claim = LockClaim(
                locks, place, key: key, value: value, command(), clock: space.clock)
            return .waits(
                Waiting(
                    ticket, until: began + UInt64(locks.rules.waitMilliseconds) * 1_000_000,
                    lookingAt: space.clock.nanoseconds(at: heldUntil), claim,
                    requests: [kind], began: began))
        }
    }
}
