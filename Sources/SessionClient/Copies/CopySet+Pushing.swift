import NIOCore

/// Bringing copies up to date.
extension CopySet {
    /// What a node is to hold.
    struct Content: Sendable {
        var value = ByteBuffer()
        var clientFlags: UInt32
        var exptime: Int32
        var version: UInt64

        var isTombstone: Bool { clientFlags == CopySet.tombstoneClientFlags }
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
                let requests = requests(for: content, over: known)
                let replies = try await ask(requests, of: place, deadline: deadline)
                if replies[0].status == .done { return true }
                // Somebody was there in between.
                let get = NodeRequest.Get(key: key, wantsValue: false)
                let now = try await ask(.get(get), of: place, deadline: deadline)
                known = now.status == .done ? now.casUnique ?? 0 : 0
            } catch {
                return false
            }
        }
        return false
    }

    static let attemptCountMax = 8

    /// The store, and for a tombstone a retrieval that proves it: what was never read is the first that a
    /// node evicts, and then an older copy would be the item again. (Sojourn counts it where the item is
    /// older than a second; a younger tombstone is proven by the next one who asks for the item.)
    func requests(for content: Content, over known: UInt64) -> [NodeRequest] {
        let store = NodeRequest.store(store(content, over: known))
        guard content.isTombstone else { return [store] }
        return [store, .get(.init(key: key, wantsValue: false))]
    }

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
        let required = settings.writeCountMin
        let outcomes = await each(
            of: open.map(\.place), until: { $0.count { $0 } + done.count >= required },
            { place in
                await push(content, to: place, over: versions[place] ?? 0, deadline: deadline)
            })
        let reached = done.union(outcomes.filter(\.outcome).map(\.place))
        if reached.count < settings.count {
            metrics.countShortWrite()
            await date(content, at: reached, deadline: deadline)
        }
        guard reached.count >= required else { throw tooFew(reached.count, of: required) }
    }

    /// Has those that were reached outlive what the others may still have.
    private func date(_ content: Content, at places: Set<Int>, deadline: NIODeadline) async {
        guard places.count < pools.count,
            let dated = DatedItem.dating(content, lifetime: settings.tombstoneLifetime)
        else { return }
        let request = NodeRequest.store(store(dated, over: content.version))
        _ = await each(
            of: Array(places), until: { _ in true },
            { place in (try? await ask(request, of: place, deadline: deadline)) != nil })
    }
}
