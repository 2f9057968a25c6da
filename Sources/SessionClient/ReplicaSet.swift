import HashRing
import NIOCore

/// The nodes that hold the copies of one item, and how they are read and written together.
///
/// See `Replication` for what this promises.
struct ReplicaSet: Sendable {
    /// What one node holds.
    struct Copy: Sendable {
        enum State: Sendable {
            case missing
            case live(CacheItem)
            /// The item was deleted.
            case tombstone(version: UInt64, timeLeft: Duration?)
            case unknown(CacheError)
        }

        let place: Int
        let state: State

        /// 0 for what is not there, nil for what is not known.
        var version: UInt64? {
            switch state {
            case .missing: 0
            case .live(let item): item.casUnique.number
            case .tombstone(let version, _): version
            case .unknown: nil
            }
        }
    }

    let key: CacheKey
    /// The key's own node first.
    let pools: [NodePool]
    let settings: Replication
    let clock: VersionClock

    /// Marks a tombstone, which is empty. No item of an application may have them.
    static let tombstoneClientFlags: UInt32 = 0x746F_6D62

    // MARK: All at once

    /// Does something with several of the nodes at the same time.
    func each<Outcome: Sendable>(
        of places: some Sequence<Int>,
        _ body: @escaping @Sendable (Int) async -> Outcome
    ) async -> [(place: Int, outcome: Outcome)] {
        await withTaskGroup(of: (Int, Outcome).self) { tasks in
            for place in places { tasks.addTask { (place, await body(place)) } }
            var outcomes: [(place: Int, outcome: Outcome)] = []
            for await (place, outcome) in tasks { outcomes.append((place, outcome)) }
            return outcomes.sorted { $0.place < $1.place }
        }
    }

    func ask(
        _ request: NodeRequest, of place: Int, deadline: NIODeadline
    ) async throws(CacheError) -> NodeReply {
        let pool = pools[place]
        let replies = try await pool.ask([request], deadline: deadline)
        if let error = replies[0].refusal(of: pool.node.name) { throw error }
        return replies[0]
    }

    // MARK: Looking

    /// - Returns: every copy, in the order of the nodes.
    func look(
        wantsValue: Bool, exptime: Int32? = nil, deadline: NIODeadline
    ) async -> [Copy] {
        let get = NodeRequest.Get(
            key: key, wantsValue: wantsValue, wantsTimeLeft: true, exptime: exptime)
        return await each(of: pools.indices) { place in
            await look(get, at: place, deadline: deadline)
        }.map(\.outcome)
    }

    private func look(
        _ get: NodeRequest.Get, at place: Int, deadline: NIODeadline
    ) async -> Copy {
        do throws(CacheError) {
            let reply = try await ask(.get(get), of: place, deadline: deadline)
            guard let item = CacheItem(reply) else { return Copy(place: place, state: .missing) }
            guard item.clientFlags != Self.tombstoneClientFlags else {
                let version = item.casUnique.number
                return Copy(
                    place: place, state: .tombstone(version: version, timeLeft: item.timeLeft))
            }
            return Copy(place: place, state: .live(item))
        } catch {
            return Copy(place: place, state: .unknown(error))
        }
    }

    /// The newest of the copies.
    ///
    /// - Throws: if fewer than `count` are known.
    func newest(_ copies: [Copy], of count: Int) throws(CacheError) -> Copy {
        let known = copies.filter { $0.version != nil }
        guard known.count >= max(1, min(count, pools.count)),
            let newest = known.max(by: { ($0.version ?? 0) < ($1.version ?? 0) })
        else { throw tooFew(copies) }
        return newest
    }

    private func tooFew(_ copies: [Copy]) -> CacheError {
        let errors = copies.compactMap { copy -> CacheError? in
            if case .unknown(let error) = copy.state { error } else { nil }
        }
        // Where no copy is known, the reason is the better answer.
        if errors.count == copies.count, let first = errors.first { return first }
        return CacheError(.tooFewCopies, reason: errors.first?.description)
    }

    // MARK: Bringing up to date

    /// What a node is to hold.
    struct Content: Sendable {
        var value = ByteBuffer()
        var clientFlags: UInt32
        var exptime: Int32
        var version: UInt64
    }

    func tombstone(version: UInt64, for lifetime: Duration? = nil) -> Content {
        Content(
            clientFlags: Self.tombstoneClientFlags,
            exptime: Expiry.after(lifetime ?? settings.tombstoneLifetime).exptime(),
            version: version)
    }

    /// Stores at one node, if what it has is older.
    ///
    /// - Parameter known: the version that the node had when it was last seen, 0 for none.
    /// - Returns: whether the node has this version now, or a later one.
    func push(
        _ content: Content, to place: Int, over known: UInt64, deadline: NIODeadline
    ) async -> Bool {
        var known = known
        for _ in 0..<Self.attemptCountMax {
            guard known < content.version else { return true }
            do throws(CacheError) {
                let store = store(content, over: known)
                let reply = try await ask(.store(store), of: place, deadline: deadline)
                if reply.status == .done { return true }
                // Somebody was there in between.
                let get = NodeRequest.Get(key: key, wantsValue: false)
                let now = await look(get, at: place, deadline: deadline)
                guard let version = now.version else { return false }
                known = version
            } catch {
                return false
            }
        }
        return false
    }

    static let attemptCountMax = 8

    /// A store that succeeds only where the node has exactly the known version.
    func store(_ content: Content, over known: UInt64) -> NodeRequest.Store {
        NodeRequest.Store(
            key: key, value: content.value, clientFlags: content.clientFlags,
            exptime: content.exptime, mode: known == 0 ? .add : .set,
            expected: known == 0 ? nil : known, casUnique: content.version)
    }

    /// Pushes to all that were known, but those of `done`.
    ///
    /// - Throws: if in the end fewer nodes have it than there have to be.
    func spread(
        _ content: Content, over copies: [Copy], done: Set<Int> = [], deadline: NIODeadline
    ) async throws(CacheError) {
        let open = copies.filter { $0.version != nil && !done.contains($0.place) }
        let versions = Dictionary(uniqueKeysWithValues: open.map { ($0.place, $0.version ?? 0) })
        let outcomes = await each(of: open.map(\.place)) { place in
            await push(content, to: place, over: versions[place] ?? 0, deadline: deadline)
        }
        let count = done.count + outcomes.count(where: \.outcome)
        guard count >= min(settings.writeCountMin, pools.count) else {
            throw CacheError(.tooFewCopies, reason: "\(count) of \(settings.writeCountMin) reached")
        }
    }
}
