import Logging

/// What a store of sessions needs of the place where they are: single items, and that of two changes of
/// one state only the first is made.
protocol SessionItems: Sendable {
    var logger: Logger { get }

    /// - Parameter expiry: a new one for the item.
    func get(_ key: CacheKey, touching expiry: Expiry?) async throws(CacheError) -> CacheItem?

    /// Stores under a key that nobody has used before.
    ///
    /// - Returns: nil if it was used after all.
    func addFresh(
        _ key: CacheKey, _ value: [UInt8], expiry: Expiry
    ) async throws(CacheError) -> CASUnique?

    func compareAndSet(
        _ key: CacheKey, to value: [UInt8], expected: CASUnique, expiry: Expiry,
        clientFlags: UInt32
    ) async throws(CacheError) -> CompareAndSetOutcome

    func compareAndDelete(
        _ key: CacheKey, expected: CASUnique
    ) async throws(CacheError) -> CompareAndDeleteOutcome

    /// - Returns: whether there was an item.
    func delete(_ key: CacheKey) async throws(CacheError) -> Bool
}

extension CacheClient: SessionItems {
    var logger: Logger { core.logger }

    func addFresh(
        _ key: CacheKey, _ value: [UInt8], expiry: Expiry
    ) async throws(CacheError) -> CASUnique? {
        guard case .stored(let number) = try await store(.addFresh, key, value, expiry, 0) else {
            return nil
        }
        return CASUnique(number)
    }
}
