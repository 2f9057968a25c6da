/// Values that arrive in parts.
extension SessionMap {
    /// A value on its way into the map: its bytes go straight into their extents.
    ///
    /// Ends with `commit` or `abandon`, exactly once; until then it holds memory.
    package struct PendingStore: ~Copyable {
        package let request: StoreRequest
        package let valueByteCount: Int
        fileprivate let hash: UInt64
        package let shard: Int
        fileprivate let item: Item
        /// In the item's own head extent.
        fileprivate let keyBytes: UnsafeRawBufferPointer
        fileprivate var writer: ValueWriter
        fileprivate var stream: ContentStream?
        fileprivate var window: UnsafeMutableRawBufferPointer
        /// Bytes that have not arrived yet.
        package fileprivate(set) var bytesLeft: Int

        /// Where the next bytes go; empty when all have arrived. Only its front part may be
        /// written before `SessionMap.received` is told.
        package var target: UnsafeMutableRawBufferPointer { window }

        /// A copy of the key.
        package var key: [UInt8] { Array(keyBytes) }
    }

    package enum BeginOutcome: ~Copyable {
        case pending(PendingStore)
        case refused(StoreOutcome)
    }

    /// Begins to store a value of `valueByteCount` bytes that has not arrived yet.
    package func begin(
        _ key: Span<UInt8>, _ request: StoreRequest, valueByteCount: Int, now: UInt32
    ) -> BeginOutcome {
        guard valueByteCount <= configuration.valueByteCountMax(keyByteCount: key.count) else {
            return .refused(refuseTooLarge(key, request, now: now))
        }
        let hash = hash.hash(key)
        let number = shardNumber(hash)
        let seed = self.hash.seed
        return withShard(number) { shard in
            guard
                let (item, writer) = shard.begin(
                    key, request: request, valueByteCount: valueByteCount, now: now)
            else {
                if request.dropsOldWhenRefused {
                    _ = shard.delete(key, hash: hash, now: now)
                }
                return .refused(.outOfMemory)
            }
            return .pending(
                PendingStore(
                    request: request, valueByteCount: valueByteCount, hash: hash, shard: number,
                    item: item, keyBytes: shard.region.key(item), writer: writer,
                    stream: ContentStream(
                        region: shard.region, item: item, writer: writer,
                        valueByteCount: valueByteCount, seed: seed),
                    window: writer.window(atMost: valueByteCount), bytesLeft: valueByteCount))
        }
    }

    /// Takes note of `count` bytes that were written to the target. False when there is no memory
    /// for the rest; the pending store must then be abandoned.
    package func received(_ count: Int, in pending: inout PendingStore, now: UInt32) -> Bool {
        precondition(count <= pending.window.count)
        pending.bytesLeft -= count
        pending.window = UnsafeMutableRawBufferPointer(rebasing: pending.window[count...])
        pending.stream?.takeArrived(upTo: pending.window)
        guard pending.window.isEmpty, pending.bytesLeft > 0 else { return true }
        var writer = pending.writer
        let left = pending.bytesLeft
        let arrived = pending.valueByteCount - left
        let window = withShard(pending.shard) { shard -> UnsafeMutableRawBufferPointer? in
            guard shard.extend(&writer, arrived: arrived, left: left, now: now) else { return nil }
            return writer.window(atMost: left)
        }
        guard let window else { return false }
        pending.writer = writer
        pending.window = window
        pending.stream?.goOn(in: window)
        return true
    }

    package func commit(
        _ pending: consuming PendingStore, now: UInt32, fraction: UInt32 = 0,
        _ body: (Hit) -> Void = { _ in }
    ) -> StoreOutcome {
        precondition(pending.bytesLeft == 0, "a value that has not arrived")
        let item = pending.item
        let hash = pending.hash
        let request = pending.request
        let keyBytes = pending.keyBytes
        let content = pending.stream?.content
        return withShard(pending.shard) { shard in
            // The key lies in the item's own head extent, which the shard may give back.
            let key = Array(keyBytes)
            return shard.commit(
                item, key: key.span, hash: hash, request: request, now: now,
                fraction: fraction, content: content, body)
        }
    }

    /// Lets go of a value that will not be complete. With a time, the item it was to replace goes
    /// too.
    package func abandon(
        _ pending: consuming PendingStore, deletingOldAt now: UInt32? = nil
    ) {
        let item = pending.item
        let hash = pending.hash
        let keyBytes = pending.keyBytes
        withShard(pending.shard) { shard in
            if let now {
                let key = Array(keyBytes)
                _ = shard.delete(key.span, hash: hash, now: now)
            }
            shard.abandon(item)
        }
    }
    // MARK: What peers hold

    /// Whether memory is wanted of whoever has held some of this shard for long, by a value that does not
    /// arrive or a reply that is not read: too much is held for what proven items have become, or others
    /// have been refused for it.
    package func wantsRelief(shard number: Int, now: UInt32) -> Bool {
        withShard(number) { $0.wantsRelief(now: now) }
    }
}
