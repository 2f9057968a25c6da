/// Keys that were deleted and cannot be stored again for a while.
extension SessionMap {
    /// Fences a key, whatever there is under it: an item that is there can be changed.
    package func fence(_ key: Span<UInt8>, until end: UInt32, now: UInt32) {
        fence(hash: keyHash(key), until: end, now: now)
    }

    /// - Parameter hash: as `keyHash` tells it, and `fences`.
    package func fence(hash: UInt64, until end: UInt32, now: UInt32) {
        withShard(shardNumber(hash)) { $0.fences.insert(hash, until: end, now: now) }
    }

    /// When a key can be stored again; nothing where it can be now.
    package func fenceEnd(of key: Span<UInt8>, now: UInt32) -> UInt32? {
        let hash = keyHash(key)
        return withShard(shardNumber(hash)) { $0.fences.end(hash, now: now) }
    }

    /// All fences, by their keys' hashes: as another process of the same memory would have them.
    package var fences: [(hash: UInt64, end: UInt32)] {
        (0..<shardCount).flatMap { number in withShard(number) { $0.fences.all } }
    }
}

extension Shard {
    /// Whether a key is not to be stored where there is nothing under it.
    @inline(__always)
    mutating func refusesFenced(_ existing: Item, hash: UInt64, now: UInt32) -> Bool {
        guard existing.isNull, fences.contains(hash, now: now) else { return false }
        items.sums.countFenced()
        return true
    }
}
