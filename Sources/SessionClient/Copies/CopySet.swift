import HashRing
import NIOCore

/// The nodes that hold the copies of one item, and how they are read and written together.
///
/// See `Copies` for what this promises.
struct CopySet: Sendable {
    /// What one node holds.
    struct Copy: Sendable {
        enum State: Sendable {
            case missing
            case live(CacheItem)
            /// The item was deleted, or it has expired and says so.
            case tombstone(version: UInt64, timeLeft: Duration?)
            case unknown(CacheError)
        }

        let place: Int
        let state: State
        /// Whether the node holds a live item as a `DatedItem`.
        var isDated = false

        /// 0 for what is not there, nil for what is not known.
        var version: UInt64? {
            switch state {
            case .missing: 0
            case .live(let item): item.casUnique.number
            case .tombstone(let version, _): version
            case .unknown: nil
            }
        }

        var isLive: Bool { if case .live = state { true } else { false } }

        /// Of copies with the same version the one that knows of an end is the newer one: a plain one has
        /// missed the shorter time that it was given.
        var rank: Int { isLive ? (isDated ? 1 : 0) : 2 }
    }

    let key: CacheKey
    /// The key's own node first.
    let pools: [NodePool]
    let settings: Copies
    let clock: VersionClock
    let metrics: ClientMetrics

    /// Marks a tombstone, which is empty.
    static let tombstoneClientFlags: UInt32 = 0x746F_6D62
    /// What no item of an application may have.
    static let reservedClientFlags = [tombstoneClientFlags, DatedItem.clientFlags]

    // MARK: All at once

    /// Does something with several of the nodes at the same time.
    ///
    /// - Parameter isEnough: asked at first and after each outcome. From the first time that it says so,
    ///   the others have `stragglerTimeout`; then they are cancelled, so that a hung node does not cost
    ///   the deadline.
    /// - Returns: an outcome for each, in the order of the nodes.
    func each<Outcome: Sendable>(
        of places: [Int], until isEnough: ([Outcome]) -> Bool,
        _ body: @escaping @Sendable (Int) async -> Outcome
    ) async -> [(place: Int, outcome: Outcome)] {
        let timeout = settings.stragglerTimeout
        return await withTaskGroup(of: (Int, Outcome)?.self) { tasks in
            for place in places { tasks.addTask { (place, await body(place)) } }
            var outcomes: [(place: Int, outcome: Outcome)] = []
            var isTimed = false
            while outcomes.count < places.count {
                if !isTimed, isEnough(outcomes.map(\.outcome)) {
                    isTimed = true
                    tasks.addTask {
                        try? await Task.sleep(for: timeout)
                        return nil
                    }
                }
                if let finished = await tasks.next() ?? nil {
                    outcomes.append(finished)
                } else {
                    tasks.cancelAll()
                }
            }
            tasks.cancelAll()
            return outcomes.sorted { $0.place < $1.place }
        }
    }

    func ask(
        _ requests: [NodeRequest], of place: Int, deadline: NIODeadline
    ) async throws(CacheError) -> [NodeReply] {
        let pool = pools[place]
        let replies = try await pool.ask(requests, deadline: deadline)
        for reply in replies {
            if let error = reply.refusal(of: pool.node.name) { throw error }
        }
        return replies
    }

    func ask(
        _ request: NodeRequest, of place: Int, deadline: NIODeadline
    ) async throws(CacheError) -> NodeReply {
        try await ask([request], of: place, deadline: deadline)[0]
    }

    // MARK: Looking

    /// Asks all nodes. It changes nothing: who sees the newest copy knows what may be touched.
    ///
    /// - Parameter count: copies that are waited for; see `each`.
    /// - Returns: every copy, in the order of the nodes.
    func look(
        wantsValue: Bool, until count: Int, deadline: NIODeadline
    ) async -> [Copy] {
        let get = NodeRequest.Get(key: key, wantsValue: wantsValue, wantsTimeLeft: true)
        return await each(
            of: Array(pools.indices), until: { $0.count { $0.version != nil } >= count },
            { place in await look(get, at: place, deadline: deadline) }
        ).map(\.outcome)
    }

    private func look(
        _ get: NodeRequest.Get, at place: Int, deadline: NIODeadline
    ) async -> Copy {
        do throws(CacheError) {
            let reply = try await ask(.get(get), of: place, deadline: deadline)
            guard let item = CacheItem(reply) else { return Copy(place: place, state: .missing) }
            if item.clientFlags == DatedItem.clientFlags, !get.wantsValue {
                var whole = get
                whole.wantsValue = true
                return await look(whole, at: place, deadline: deadline)
            }
            return Self.copy(of: item, at: place)
        } catch {
            return Copy(place: place, state: .unknown(error))
        }
    }

    /// - Parameter item: as the node holds it.
    private static func copy(of item: CacheItem, at place: Int) -> Copy {
        let tombstone = Copy.State.tombstone(
            version: item.casUnique.number, timeLeft: item.timeLeft)
        if item.clientFlags == tombstoneClientFlags { return Copy(place: place, state: tombstone) }
        guard let dated = DatedItem(item) else { return Copy(place: place, state: .live(item)) }
        guard let inner = dated.item(casUnique: item.casUnique) else {
            return Copy(place: place, state: tombstone)
        }
        return Copy(place: place, state: .live(inner), isDated: true)
    }

    /// The newest of the copies.
    ///
    /// - Throws: if fewer than `count` are known.
    func newest(_ copies: [Copy], of count: Int) throws(CacheError) -> Copy {
        let known = copies.filter { $0.version != nil }
        let newest = known.max {
            ($0.version ?? 0, $0.rank) < ($1.version ?? 0, $1.rank)
        }
        guard known.count >= count, let newest else { throw tooFew(copies, of: count) }
        return newest
    }

    private func tooFew(_ copies: [Copy], of count: Int) -> CacheError {
        let errors = copies.compactMap { copy -> CacheError? in
            if case .unknown(let error) = copy.state { error } else { nil }
        }
        // Where no copy is known, the reason is the better answer.
        if errors.count == copies.count, let first = errors.first { return first }
        return tooFew(copies.count - errors.count, of: count, because: errors.first)
    }

    func tooFew(_ count: Int, of required: Int, because error: CacheError? = nil) -> CacheError {
        if Task.isCancelled { return CacheError(.cancelled) }
        var reason = "\(count) of \(required)"
        if pools.count < required { reason += ", the cluster has \(pools.count)" }
        if let error { reason += ", \(error)" }
        return CacheError(.tooFewCopies, reason: reason)
    }
}
