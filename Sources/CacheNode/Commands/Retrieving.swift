import MemcacheProtocol
import SessionMap

/// `get`, `gets`, `gat`, `gats`, `mg`, `touch`, `me`: all that reads an item, or gives it another
/// deadline.
extension Executor {
    /// As what a retrieval is counted.
    enum RetrievalKind {
        case get
        case getAndTouch
        /// `mg`: with `T` a hit is counted as a touch, too, and a miss is not.
        case metaGet(touches: Bool)
    }

    /// Reads an item, or one that it makes for want of it.
    ///
    /// - Parameter show: sees the item with its shard's lock held, copies of it what is shown, and says
    ///   what becomes of it.
    /// - Returns: the pinned value, too, if `show` asked for that.
    @inline(__always)
    func retrieve(
        _ key: Span<UInt8>, as kind: RetrievalKind, isAccess: Bool = true,
        creating new: Vivification? = nil, now: Moment, _ show: (Hit) -> HitUse
    ) -> (outcome: RetrievalOutcome, pinned: PinnedValue?) {
        let result = map.retrieve(
            key, now: now.seconds, fraction: now.fraction, isAccess: isAccess, creating: new, show)
        let isHit = result.outcome.isHit
        switch kind {
        case .get: count(result.outcome, isTouch: false)
        case .getAndTouch: count(result.outcome, isTouch: true)
        case .metaGet(let touches): count(result.outcome, isTouch: isHit && touches)
        }
        var told = result.outcome
        // Made anew: a hit, and a miss of its kind all the same.
        if new != nil, let absence = result.absence {
            if isHit { count(absence: absence) }
            told = absence
        }
        notePrefix(.get(isHit: isHit), key: key)
        noteRetrieved(key, told, now: now)
        if isHit, takesSample() { sampleRead(key, now: now) }
        return (result.outcome, result.pinned)
    }

    /// Reads an item that is here, if `show` makes use of it: nil, and nothing is counted, otherwise.
    @inline(__always)
    func retrieveHere(
        _ key: Span<UInt8>, isTouch: Bool, now: Moment, _ show: (Hit) -> HitUse?
    ) -> PinnedValue?? {
        var isUsed = false
        let result = map.retrieve(key, now: now.seconds, fraction: now.fraction) { hit in
            guard let use = show(hit) else { return .none }
            isUsed = true
            return use
        }
        guard isUsed, case .hit = result.outcome else { return nil }
        count(.hit, isTouch: isTouch)
        notePrefix(.get(isHit: true), key: key)
        noteRetrieved(key, .hit, now: now)
        if takesSample() { sampleRead(key, now: now) }
        return .some(result.pinned)
    }

    @inline(__always)
    private func count(_ outcome: RetrievalOutcome, isTouch: Bool) {
        counters.add(isTouch ? .touchCommands : .getCommands)
        switch outcome {
        case .hit: counters.add(isTouch ? .touchHits : .getHits)
        case .miss: counters.add(isTouch ? .touchMisses : .getMisses)
        case .expired, .flushed:
            counters.add(isTouch ? .touchMisses : .getMisses)
            count(absence: outcome)
        case .outOfMemory:
            counters.add(isTouch ? .touchMisses : .getMisses)
            counters.add(.repliesWithoutMemory)
        }
    }

    /// Counts why an item that was asked for is not there any more.
    private func count(absence: RetrievalOutcome) {
        switch absence {
        case .expired: counters.add(.getExpired)
        case .flushed: counters.add(.getFlushed)
        case .hit, .miss, .outOfMemory: break
        }
    }

    /// `touch`: another deadline, and the value is not asked for. It counts no prefix.
    ///
    /// - Parameter show: sees the item that was there; false where there was none.
    func touch(
        _ key: Span<UInt8>, deadline: Deadline, now: Moment, _ show: (Hit) -> Void
    ) -> Bool {
        let result = map.retrieve(key, now: now.seconds, fraction: now.fraction) { hit in
            show(hit)
            return .touched(deadline)
        }
        let isHit = result.outcome.isHit
        counters.add(.touchCommands)
        counters.add(isHit ? .touchHits : .touchMisses)
        noteRetrieved(key, result.outcome, now: now)
        return isHit
    }

    /// `me`: shows an item without an access to it; false where there is none.
    func describe(_ key: Span<UInt8>, now: Moment, _ show: (Hit) -> Void) -> Bool {
        counters.add(.metaCommands)
        let result = map.retrieve(key, now: now.seconds, isAccess: false) { hit in
            show(hit)
            return .copied
        }
        noteRetrieved(key, result.outcome, now: now)
        return result.outcome == .hit
    }
}
