/// Keys that are taken in turn. Who comes when is the caller's business: the map says when a key may be
/// free, and keeps it from an `add` out of turn meanwhile.
extension SessionMap {
    /// What `claim`, `stopAwaiting` and the observer name a key by.
    package func keyHash(_ key: Span<UInt8>) -> UInt64 { hash.hash(key) }

    /// Stores by `add`. Where there is an item, or somebody else waits for the key, `held`; from then on
    /// the observer is told of each change of the item, and no `add` out of turn takes the key, until
    /// `stopAwaiting`. That is one step: no removal comes between.
    ///
    /// - Parameters:
    ///   - isFirst: of those who wait for this key.
    ///   - zeroIsFree: an item with the value `0` counts as none, and is replaced. While it is awaited
    ///     so, what is added to the zero is added to 1, and not kept: the key is as good as taken.
    ///   - body: sees the item that was stored, with the lock held.
    package func claim(
        _ key: Span<UInt8>, _ request: StoreRequest, value: Span<UInt8>, isFirst: Bool,
        zeroIsFree: Bool = false, now: UInt32, fraction: UInt32 = 0,
        _ body: (Hit) -> Void = { _ in }
    ) -> ClaimOutcome {
        precondition(request.mode == .add, "a claim that is no add")
        guard value.count <= configuration.valueByteCountMax(keyByteCount: key.count) else {
            return .refused(.tooLarge)
        }
        let hash = hash.hash(key)
        return value.withUnsafeBytes { bytes in
            withShard(shardNumber(hash)) {
                $0.claim(
                    key, hash: hash, request: request, value: bytes, isFirst: isFirst,
                    zeroIsFree: zeroIsFree, now: now, fraction: fraction, body)
            }
        }
    }

    /// Nobody waits for a key any more.
    package func stopAwaiting(_ hash: UInt64) {
        withShard(shardNumber(hash)) { $0.items.awaited.remove(hash) }
    }

    /// Tells `observer` of awaited keys whose item has gone or changed, with a shard's lock held: it must
    /// not call the map. It may be told in vain, and more than once.
    package func observeAwaited(_ observer: @escaping @Sendable (_ hash: UInt64) -> Void) {
        for number in 0..<shardCount {
            withShard(number) { $0.items.awaited.observer = observer }
        }
    }
}
