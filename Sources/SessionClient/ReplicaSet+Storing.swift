import NIOCore

/// Changes. One node decides, the first that answers in the order of the ring, and the others follow it.
extension ReplicaSet {
    /// What an application stores.
    struct Draft: Sendable {
        var value: ByteBuffer
        var clientFlags: UInt32
        var exptime: Int32

        func content(version: UInt64) -> Content {
            Content(value: value, clientFlags: clientFlags, exptime: exptime, version: version)
        }
    }

    /// - Returns: the version.
    func set(_ draft: Draft, deadline: NIODeadline) async throws(CacheError) -> UInt64 {
        let copies = await look(wantsValue: false, deadline: half(of: deadline))
        let newest = try newest(copies, of: settings.writeCountMin)
        let version = try nextVersion(after: newest.version)
        try await spread(draft.content(version: version), over: copies, deadline: deadline)
        return version
    }

    /// Stores if there is no item (`isAddition`), or if there is one.
    ///
    /// - Returns: the version; nil if it is not so.
    func store(
        _ draft: Draft, isAddition: Bool, deadline: NIODeadline
    ) async throws(CacheError) -> UInt64? {
        for _ in 0..<Self.attemptCountMax {
            let copies = await look(wantsValue: false, deadline: half(of: deadline))
            let newest = try newest(
                copies, of: max(settings.readCountMin, settings.writeCountMin))
            guard newest.isLive != isAddition else { return nil }
            let content = draft.content(version: try nextVersion(after: newest.version))
            if let place = try await decide(content, over: copies, deadline: deadline) {
                try await spread(content, over: copies, done: [place], deadline: deadline)
                return content.version
            }
        }
        throw CacheError(.contended)
    }

    /// Stores under a key that nobody has used before, in one round trip.
    ///
    /// - Returns: nil if it was used after all; then some nodes may have the item.
    func addFresh(_ draft: Draft, deadline: NIODeadline) async throws(CacheError) -> UInt64? {
        let content = draft.content(version: try nextVersion(after: 0))
        let request = NodeRequest.store(store(content, over: 0))
        let outcomes = await each(of: pools.indices) { place in
            do throws(CacheError) {
                return Result<NodeReply, CacheError>.success(
                    try await ask(request, of: place, deadline: deadline))
            } catch {
                return .failure(error)
            }
        }.map(\.outcome)
        let replies = outcomes.compactMap { try? $0.get() }
        guard replies.allSatisfy({ $0.status == .done }) else { return nil }
        guard replies.count >= min(settings.writeCountMin, pools.count) else {
            if replies.isEmpty, case .failure(let error)? = outcomes.first { throw error }
            throw CacheError(.tooFewCopies)
        }
        return content.version
    }

    func compareAndSet(
        _ draft: Draft, expected: UInt64, deadline: NIODeadline
    ) async throws(CacheError) -> StoreOutcome {
        // No item has it; as a version it would stand for a missing one.
        guard expected != 0 else {
            return try await get(exptime: nil, deadline: deadline) == nil ? .absent : .changed
        }
        for _ in 0..<Self.attemptCountMax {
            let content = draft.content(version: try nextVersion(after: expected))
            let assumed = pools.indices.map { place in
                let item = CacheItem(
                    value: ByteBuffer(), clientFlags: 0, casUnique: CASUnique(expected))
                return Copy(place: place, state: .live(item))
            }
            let end = half(of: deadline)
            if let place = try await decide(content, over: assumed, deadline: end) {
                try await spread(content, over: assumed, done: [place], deadline: deadline)
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
        let copies = await look(wantsValue: false, deadline: half(of: deadline))
        let newest = try newest(copies, of: settings.writeCountMin)
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

    /// Stores at the first node that answers, if that still has what it was seen to have.
    ///
    /// A node that was asked and did not answer may have stored it, too: it is the same then.
    ///
    /// - Returns: the node's place; nil if it has something else.
    private func decide(
        _ content: Content, over copies: [Copy], deadline: NIODeadline
    ) async throws(CacheError) -> Int? {
        var failure = CacheError(.tooFewCopies)
        for copy in copies {
            guard let version = copy.version else { continue }
            do throws(CacheError) {
                let request = NodeRequest.store(store(content, over: version))
                let reply = try await ask(request, of: copy.place, deadline: deadline)
                return reply.status == .done ? copy.place : nil
            } catch {
                failure = error
            }
        }
        throw failure
    }

    private func nextVersion(after version: UInt64?) throws(CacheError) -> UInt64 {
        guard let next = clock.next(after: version ?? 0) else {
            throw CacheError(.contended, reason: "no later version than the item's")
        }
        return next
    }

    /// Half of the time goes to the first round trip at most, so that a hung node leaves some for the
    /// second.
    private func half(of deadline: NIODeadline) -> NIODeadline {
        let now = NIODeadline.now()
        return now + .nanoseconds(max(0, (deadline - now).nanoseconds / 2))
    }
}

extension ReplicaSet.Copy {
    fileprivate var isLive: Bool { if case .live = state { true } else { false } }
}
