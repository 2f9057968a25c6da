/// Taking a key in turn: `add` for somebody who waits until the key is free.
extension Shard {
    /// As `store` with `add`. Where there is an item, its removal is awaited from here on, until
    /// `awaited.remove`; there is no moment between the two in which it could go unseen.
    ///
    /// - Parameter isFirst: of all who await this key. Others do not get it while somebody does.
    mutating func claim(
        _ key: Span<UInt8>, hash: UInt64, request: StoreRequest, value: UnsafeRawBufferPointer,
        isFirst: Bool, zeroIsFree: Bool, now: UInt32, fraction: UInt32, _ body: (Hit) -> Void
    ) -> ClaimOutcome {
        enter(now: now, fraction: fraction)
        let tag = Items.tag(hash)
        let old = items.findPresent(key, tag: tag, now: now, &memory)
        guard old.item.isNull || zeroIsFree && isZero(old.item) else {
            items.awaited.insert(hash, zeroIsFree: zeroIsFree)
            return .held(until: freeAt(old.item))
        }
        guard isFirst || !items.awaited.contains(hash) else { return .held(until: .never) }
        if refusesFenced(old.item, hash: hash, now: now) { return .refused(.notStored) }
        guard
            let item = make(
                key, tag: tag, head: head(request, replacing: old.item, now: now), value: value,
                replacing: old, now: now)
        else {
            return .refused(refuseForMemory(key, tag: tag, dropsOld: false))
        }
        body(look(at: item, now: now))
        return .stored
    }

    /// Whether the value is the one digit `0`.
    private func isZero(_ item: Item) -> Bool {
        guard region[item, .valueByteCount] == 1 else { return false }
        var pieces = ValuePieces(region: region, item: item)
        return pieces.next()?.first == UInt8(ascii: "0")
    }

    /// When an item goes by itself, as far as that is known: it expires, or a flush is due.
    private func freeAt(_ item: Item) -> Deadline {
        let deadline = region.deadline(item)
        let flush = items.flushes.deadline
        guard flush != .never, deadline == .never || flush.seconds < deadline.seconds else {
            return deadline
        }
        return flush
    }
}
