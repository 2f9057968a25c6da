/// What one node holds of an item, without the value: what can be decided by.
struct Copy: Equatable, Sendable {
    enum State: Equatable, Sendable {
        case missing
        /// `isDated` is whether the node holds it as a `DatedItem`.
        case live(version: UInt64, timeLeft: Duration? = nil, isDated: Bool = false)
        /// The item was deleted, or it has expired and says so.
        case tombstone(version: UInt64, timeLeft: Duration? = nil)
        case unknown(CacheError)
    }

    /// The node's place in the order of the ring.
    let place: Int
    let state: State

    /// 0 for what is not there, nil for what is not known.
    var version: UInt64? {
        switch state {
        case .missing: 0
        case .live(let version, _, _), .tombstone(let version, _): version
        case .unknown: nil
        }
    }

    var isLive: Bool { if case .live = state { true } else { false } }

    var isDated: Bool { if case .live(_, _, let isDated) = state { isDated } else { false } }

    /// Nil for one that never expires, and for what is none.
    var timeLeft: Duration? {
        switch state {
        case .live(_, let timeLeft, _), .tombstone(_, let timeLeft): timeLeft
        case .missing, .unknown: nil
        }
    }

    /// Of copies with the same version the one that knows of an end is the newer one: a plain one has
    /// missed the shorter time that it was given.
    private var rank: Int { isLive ? (isDated ? 1 : 0) : 2 }

    /// The newest of several.
    ///
    /// - Parameters:
    ///   - needed: how many have to be known.
    ///   - nodeCount: how many nodes there are for the item.
    /// - Throws: `CacheError` with `.tooFewCopies`; where none is known, the reason for that.
    static func newest(
        of copies: [Copy], needed: Int, nodeCount: Int
    ) throws(CacheError) -> Copy {
        let known = copies.filter { $0.version != nil }
        let newest = known.max {
            ($0.version ?? 0, $0.rank) < ($1.version ?? 0, $1.rank)
        }
        if known.count >= needed, let newest { return newest }
        let errors = copies.compactMap { copy -> CacheError? in
            if case .unknown(let error) = copy.state { error } else { nil }
        }
        // Where no copy is known, the reason is the better answer.
        if errors.count == copies.count, let first = errors.first { throw first }
        throw tooFew(known.count, needed: needed, nodeCount: nodeCount, because: errors.first)
    }

    static func tooFew(
        _ count: Int, needed: Int, nodeCount: Int, because error: CacheError? = nil
    ) -> CacheError {
        var reason = "\(count) of \(needed)"
        if nodeCount < needed { reason += ", the cluster has \(nodeCount)" }
        if let error { reason += ", \(error)" }
        return CacheError(.tooFewCopies, reason: reason)
    }
}
