import NIOCore

/// Changes. One node decides, the first that answers in the order of the ring, and the others follow it.
extension CopySet {
    /// What an application stores.
    struct Draft: Sendable {
        var value: ByteBuffer
        var clientFlags: UInt32
        var exptime: Int32
    }

    /// What is over as soon as it is stored is a deletion: without its tombstone an older copy would be
    /// the item again.
    private func content(of draft: Draft, version: UInt64) -> Content {
        guard !Expiry.isOver(draft.exptime) else { return tombstone(version: version) }
        return Content(
            value: draft.value, clientFlags: draft.clientFlags, exptime: draft.exptime,
            version: version)
    }

    /// - Returns: the version.
    func set(_ draft: Draft, deadline: NIODeadline) async throws(CacheError) -> UInt64 {
        let required = settings.writeCountMin
        let copies = await look(
            wantsValue: false, until: required, deadline: Self.part(of: deadline, 2))
        let newest = try newest(copies, of: required)
        let version = try nextVersion(after: newest.version)
        try await spread(content(of: draft, version: version), over: copies, deadline: deadline)
        return version
    }

    /// Stores if there is no item (`isAddition`), or if there is one.
    ///
    /// - Returns: the version; nil if it is not so.
    func store(
        _ draft: Draft, isAddition: Bool, deadline: NIODeadline
    ) async throws(CacheError) -> UInt64? {
        for _ in 0..<Self.attemptCountMax {
            let required = max(settings.readCountMin, settings.writeCountMin)
            let copies = await look(
                wantsValue: false, until: required, deadline: Self.part(of: deadline, 2))
            let newest = try newest(copies, of: required)
            guard newest.isLive != isAddition else { return nil }
            let content = content(
                of: draft, version: try nextVersion(after: newest.version))
            if try await decideAndSpread(content, over: copies, deadline: deadline) {
                return content.version
            }
        }
        throw CacheError(.contended)
    }

    /// Stores under a key that nobody has used before, in one round trip.
    ///
    /// - Returns: nil if it was used after all; then some nodes may have the item.
    func addFresh(_ draft: Draft, deadline: NIODeadline) async throws(CacheError) -> UInt64? {
        let content = content(of: draft, version: try nextVersion(after: 0))
        let request = NodeRequest.store(store(content, over: 0))
        let required = settings.writeCountMin
        let outcomes = await each(
            of: Array(pools.indices), until: { $0.count(where: \.isStored) >= required },
            { place in
                do throws(CacheError) {
                    let reply = try await ask(request, of: place, deadline: deadline)
                    return reply.status == .done ? Addition.stored : .present
                } catch {
                    return .unknown(error)
                }
            }
        ).map(\.outcome)
        let failures = outcomes.compactMap(\.error)
        let count = outcomes.count(where: \.isStored)
        guard count + failures.count == outcomes.count else { return nil }
        if count < settings.count { metrics.countShortWrite() }
        guard count >= required else {
            if count == 0, let error = failures.first { throw error }
            throw tooFew(count, of: required, because: failures.first)
        }
        return content.version
    }

    /// What became of a fresh item at one node.
    private enum Addition {
        case stored, present
        case unknown(CacheError)

        var isStored: Bool { if case .stored = self { true } else { false } }
        var error: CacheError? { if case .unknown(let error) = self { error } else { nil } }
    }

    func compareAndSet(
        _ draft: Draft, expected: UInt64, deadline: NIODeadline
    ) async throws(CacheError) -> StoreOutcome {
        // No item has it; as a version it would stand for a missing one.
        guard expected != 0 else {
            return try await get(exptime: nil, deadline: deadline) == nil ? .absent : .changed
        }
        for _ in 0..<Self.attemptCountMax {
            let content = content(of: draft, version: try nextVersion(after: expected))
            let assumed = pools.indices.map { place in
                let item = CacheItem(
                    value: ByteBuffer(), clientFlags: 0, casUnique: CASUnique(expected))
                return Copy(place: place, state: .live(item))
            }
            if try await decideAndSpread(content, over: assumed, deadline: deadline) {
                return .stored(content.version)
            }
            // The node that decides has another version: a later one, or it lags behind.
            switch try await get(exptime: nil, deadline: deadline) {
            case nil: return .absent
            case let item? where item.casUnique.number != expected: return .changed
            case .some: continue
            }
        }
        throw CacheError(.contended)
    }

    /// - Returns: whether there was an item.
    func delete(deadline: NIODeadline) async throws(CacheError) -> Bool {
        let required = settings.writeCountMin
        let copies = await look(
            wantsValue: false, until: required, deadline: Self.part(of: deadline, 2))
        let newest = try newest(copies, of: required)
        // Where a node does not answer, it may have one.
        guard newest.version != 0 || copies.contains(where: { $0.version == nil }) else {
            return false
        }
        let version = try nextVersion(after: newest.version)
        try await spread(tombstone(version: version), over: copies, deadline: deadline)
        return newest.isLive
    }

    /// Deletes the item if it is the expected one: a compare-and-set with a tombstone.
    func delete(
        expected: UInt64, deadline: NIODeadline
    ) async throws(CacheError) -> StoreOutcome {
        let content = tombstone(version: 0)
        let draft = Draft(
            value: content.value, clientFlags: content.clientFlags, exptime: content.exptime)
        return try await compareAndSet(draft, expected: expected, deadline: deadline)
    }

    // MARK: Parts

    /// Stores at the first node that answers, if that still has what it was seen to have, and then at the
    /// others.
    ///
    /// Each node has its part of the time, so that a hung one leaves some to the next. A node that was
    /// asked and did not answer may have stored it, too: it is the same then.
    ///
    /// - Returns: whether it was stored; false if the node has something else.
    private func decideAndSpread(
        _ content: Content, over copies: [Copy], deadline: NIODeadline
    ) async throws(CacheError) -> Bool {
        var failure = CacheError(.tooFewCopies)
        var rest = copies[...]
        while let copy = rest.popFirst() {
            guard let version = copy.version else { continue }
            let end = Self.part(of: deadline, rest.count + 2)
            do throws(CacheError) {
                let request = NodeRequest.store(store(content, over: version))
                let reply = try await ask(request, of: copy.place, deadline: end)
                guard reply.status == .done else { return false }
            } catch {
                failure = error
                continue
            }
            // Those before it do not answer.
            let open = Array(rest) + [copy]
            try await spread(content, over: open, done: [copy.place], deadline: deadline)
            return true
        }
        throw failure
    }

    private func nextVersion(after version: UInt64?) throws(CacheError) -> UInt64 {
        guard let next = clock.next(after: version ?? 0) else {
            throw CacheError(.contended, reason: "no later version than the item's")
        }
        return next
    }

    /// A part of the time that is left: what it is not enough for leaves the rest to others.
    private static func part(of deadline: NIODeadline, _ partCount: Int) -> NIODeadline {
        let now = NIODeadline.now()
        return now + .nanoseconds(max(0, (deadline - now).nanoseconds / Int64(partCount)))
    }
}
