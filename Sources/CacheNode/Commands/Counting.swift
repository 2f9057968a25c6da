import MemcacheProtocol
import SessionMap

/// `incr`, `decr` and `ma`.
extension Executor {
    /// Changes the number in an item.
    ///
    /// - Parameter show: sees the new item and the number, with the shard's lock held.
    func count(
        _ key: Span<UInt8>, _ request: ArithmeticRequest, now: Moment,
        _ show: (Hit, UInt64) -> HitUse = { _, _ in .copied }
    ) -> ArithmeticOutcome {
        _ = noteLookUp(key, now: now)
        let outcome = map.arithmetic(key, request, now: now.seconds, show)
        if let latestCount, let locks = space.locks {
            latestCount.note(key, outcome, request, map: map, rules: locks.rules)
        }
        switch outcome {
        case .value: counters.add(request.increments ? .incrHits : .decrHits)
        case .notFound: counters.add(request.increments ? .incrMisses : .decrMisses)
        case .created:
            // Watchers are told of an `add`.
            let add = StoreRequest(
                mode: .add, clientFlags: 0, deadline: request.initial?.deadline ?? .never)
            noteStored(key, .stored, add, valueByteCount: 0, now: now)
        case .exists, .notANumber, .outOfMemory: break
        }
        return outcome
    }
}
