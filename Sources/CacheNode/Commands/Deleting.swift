import MemcacheProtocol
import SessionMap

/// `delete` and `md`.
extension Executor {
    /// Deletes an item; with a comparison, only if that is its CAS unique.
    ///
    /// - Parameters:
    ///   - invalidation: the item is made useless, and stays.
    ///   - isForgotten: nobody wants the item to be gone: a value that was to take its place is refused.
    ///   - command: its name, for watchers.
    func delete(
        _ key: Span<UInt8>, comparison: UInt64? = nil, invalidation: Invalidation? = nil,
        isForgotten: Bool = false, command: StaticString, now: Moment
    ) -> DeleteOutcome {
        let lookUp = noteLookUp(key, now: now)
        let outcome =
            if let invalidation {
                map.invalidate(key, invalidation, comparison: comparison, now: now.seconds)
            } else if isForgotten {
                map.delete(key, comparison: comparison, now: now.seconds)
            } else {
                space.delete(key, comparison: comparison, now: now)
            }
        notePrefix(.delete, key: key)
        switch outcome {
        // Stale, it is there as before.
        case .deleted where invalidation?.marksStale == true: break
        case .deleted:
            counters.add(.deleteHits)
            if invalidation == nil, let locks = space.locks, locks.rules.isLock(key) {
                counters.add(.locksDeleted)
            }
            noteDeleted(key, lookUp, command: command)
        case .exists, .notFound: counters.add(.deleteMisses)
        case .outOfMemory: break
        }
        return outcome
    }
}
