import MemcacheProtocol
import SessionMap

/// `set`, `add`, `replace`, `append`, `prepend`, `cas` and `ms`: one path, with a mode.
extension Executor {
    /// Whether a value may be so long. One that may not takes the old one with it.
    @inline(__always)
    func admits(
        _ key: Span<UInt8>, _ request: StoreRequest, valueByteCount: Int, now: Moment
    ) -> Bool {
        if map.admits(valueByteCount: valueByteCount, keyByteCount: key.count) { return true }
        if request.dropsOldWhenRefused {
            // Who carries it out for the cluster has no socket.
            space.predecessor?.void(key)
            if let peers = space.peers, descriptor >= 0 {
                peers.forget(key, worker: worker)
            } else {
                _ = map.delete(key, now: now.seconds)
            }
        }
        counters.add(.storeTooLarge)
        noteStored(key, .tooLarge, request, valueByteCount: 0, now: now)
        return false
    }

    /// Stores a value that has arrived.
    ///
    /// - Parameters:
    ///   - isExistenceProbe: nothing is stored; asks whether there is an item.
    ///   - show: sees the item that was stored, with its shard's lock held.
    @inline(__always)
    func store(
        _ key: Span<UInt8>, _ request: StoreRequest, value: Span<UInt8>,
        isExistenceProbe: Bool = false, now: Moment, _ show: (Hit) -> Void
    ) -> StoreOutcome {
        notePrefix(.set, key: key)
        _ = noteLookUp(key, now: now)
        let sample = takesSample() ? beginSample(key, request, value: value, now: now) : nil
        let outcome: StoreOutcome
        if isExistenceProbe {
            outcome = map.contains(key, now: now.seconds) ? .notStored : .stored
        } else {
            outcome = map.store(
                key, request, value: value, now: now.seconds, fraction: now.fraction, show)
        }
        noteStored(key, outcome, request, valueByteCount: value.count, now: now)
        count(outcome, isCompareAndSwap: request.isCompareAndSwap)
        if case .add = request.mode { noteLock(key, isThere: outcome == .stored) }
        if let sample, outcome == .stored {
            endSample(sample, key, request, valueByteCount: value.count, now: now)
        }
        return outcome
    }

    /// A data block did not end where it should.
    func noteBadBlock() { counters.add(.setCommands) }

    private func count(_ outcome: StoreOutcome, isCompareAndSwap: Bool) {
        switch outcome {
        case .tooLarge: counters.add(.storeTooLarge)
        case .outOfMemory: counters.add(.storeNoMemory)
        default: counters.add(.setCommands)
        }
        guard isCompareAndSwap else { return }
        switch outcome {
        case .stored: counters.add(.casHits)
        case .exists: counters.add(.casBadValue)
        case .notFound: counters.add(.casMisses)
        default: break
        }
    }

    // MARK: Values that arrive in parts

    /// Begins to store a value that has not arrived; nothing when there is no memory for it.
    func begin(
        _ key: Span<UInt8>, _ request: StoreRequest, valueByteCount: Int, now: Moment
    ) -> SessionMap.PendingStore? {
        notePrefix(.set, key: key)
        switch map.begin(key, request, valueByteCount: valueByteCount, now: now.seconds) {
        case .pending(let store): return store
        case .refused(let outcome):
            counters.add(.storeNoMemory)
            noteStored(key, outcome, request, valueByteCount: 0, now: now)
            return nil
        }
    }

    /// There is no memory for the rest of a value.
    func refuseRest(of store: consuming SessionMap.PendingStore, now: Moment) {
        counters.add(.storeNoMemory)
        if wants(.mutations) {
            noteStored(store.key.span, .outOfMemory, store.request, valueByteCount: 0, now: now)
        }
        let dropsOld = store.request.dropsOldWhenRefused
        map.abandon(store, deletingOldAt: dropsOld ? now.seconds : nil)
    }

    /// Stores a value that has arrived in parts.
    func commit(
        _ store: consuming SessionMap.PendingStore, now: Moment, _ show: (Hit) -> Void
    ) -> StoreOutcome {
        let request = store.request
        let isSampled = takesSample()
        let isWatched = wants(.fetchers) || wants(.mutations) || isSampled
        let key = isWatched ? store.key : []
        let valueByteCount = store.valueByteCount
        if isWatched { _ = noteLookUp(key.span, now: now) }
        let sample = isSampled ? beginSample(key.span, request, value: nil, now: now) : nil
        let outcome = map.commit(store, now: now.seconds, fraction: now.fraction, show)
        if isWatched {
            noteStored(key.span, outcome, request, valueByteCount: valueByteCount, now: now)
        }
        if let sample, outcome == .stored {
            endSample(sample, key.span, request, valueByteCount: valueByteCount, now: now)
        }
        count(outcome, isCompareAndSwap: request.isCompareAndSwap)
        return outcome
    }
}

extension StoreRequest {
    /// What a classic command asks for. Not inside of the executor: it is the request alone.
    @inline(__always)
    init(_ header: StoreHeader, rule: ExptimeRule, now: Moment) {
        self.init(
            mode: header.verb.mode, clientFlags: header.clientFlags,
            deadline: rule.deadline(header.exptime, now: now),
            comparison: header.verb.comparison)
    }
}

extension StoreHeader.Verb {
    fileprivate var mode: StoreMode {
        switch self {
        case .set, .cas: .set
        case .add: .add
        case .replace: .replace
        case .append: .append
        case .prepend: .prepend
        }
    }

    fileprivate var comparison: UInt64? {
        if case .cas(let unique) = self { unique } else { nil }
    }
}
