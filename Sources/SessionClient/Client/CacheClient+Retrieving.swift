extension CacheClient {
    /// Reads an item.
    ///
    /// An `expiry` is a new one for the item, set in the same round trip, or with several copies in a second
    /// one: how a session slides.
    ///
    /// - Returns: nil for a miss.
    public func get(
        _ key: CacheKey, touching expiry: Expiry? = nil
    ) async throws(CacheError) -> CacheItem? {
        let exptime = expiry?.exptime()
        let item = try await measured(.get) { deadline throws(CacheError) in
            try await core.get(key, exptime: exptime, deadline: deadline)
        }
        core.metrics.countHits(item == nil ? 0 : 1, misses: item == nil ? 1 : 0)
        return item
    }

    /// Reads several items, from all their nodes at once. A node that does not answer costs its own
    /// keys: they are among the failures.
    public func get(_ keys: some Collection<CacheKey>) async -> CacheItems {
        let start = Instant.now
        let keys = Set(keys)
        let items = await core.get(keys, deadline: deadline)
        core.metrics.record(.get, since: start)
        for error in items.failures.values { core.metrics.countError(error) }
        let missCount = keys.count - items.hits.count - items.failures.count
        core.metrics.countHits(items.hits.count, misses: missCount)
        return items
    }

    /// Gives an item another expiry.
    ///
    /// - Returns: whether it is there.
    public func touch(_ key: CacheKey, expiry: Expiry) async throws(CacheError) -> Bool {
        let exptime = expiry.exptime()
        return try await measured(.touch) { deadline throws(CacheError) in
            try await core.touch(key, exptime: exptime, deadline: deadline)
        }
    }
}

extension CacheItem {
    /// - Parameter reply: to a retrieval.
    init?(_ reply: NodeReply) {
        guard reply.status == .done else { return nil }
        value = reply.value ?? []
        clientFlags = reply.clientFlags ?? 0
        casUnique = CASUnique(reply.casUnique ?? 0)
        timeLeft = reply.timeLeft.flatMap { $0 < 0 ? nil : .seconds($0) }
    }
}
