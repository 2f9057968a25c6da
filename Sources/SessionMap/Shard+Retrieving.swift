/// Reading and touching.
extension Shard {
    /// Reads the item of a key; with a deadline, sets it afterwards. `body` sees the item as it was
    /// before, and says whether the reply needs the value for longer than this call.
    @inline(__always)
    mutating func retrieve(
        _ key: Span<UInt8>, hash: UInt64, now: UInt32, fraction: UInt32, touch: Deadline?,
        _ body: (Hit) -> HitUse
    ) -> (outcome: RetrievalOutcome, pinned: PinnedValue?) {
        enter(now: now, fraction: fraction)
        let tag = Shard.tag(hash)
        guard let found = findLive(key, tag: tag, now: now) else { return (.miss, nil) }
        guard found.outcome == .hit else { return (found.outcome, nil) }
        let item = found.item
        region[item, .marks] |= ItemMark.fetched
        queues.noteHit(item, time: time(now))
        var pinned: PinnedValue?
        if body(Hit(region: region, item: item, now: now)) == .later { pinned = pin(item) }
        if let touch { setDeadline(item, touch) }
        return (.hit, pinned)
    }

    private mutating func setDeadline(_ item: Unit, _ deadline: Deadline) {
        let old = region[item, .deadline]
        region[item, .deadline] = deadline.seconds
        guard deadline != .never else { return }
        // To a later deadline the item need not move: its slot comes up early and moves it then.
        if wheel.isScheduled(item) {
            guard old == 0 || deadline.seconds < old else { return }
            wheel.unschedule(item)
        }
        wheel.schedule(item, deadline: deadline.seconds)
    }

    // MARK: Pins

    private mutating func pin(_ item: Unit) -> PinnedValue {
        pins[item, default: 0] += 1
        var all: [UnsafeRawBufferPointer] = []
        var pieces = ValuePieces(region: region, item: item)
        while let piece = pieces.next() { all.append(piece) }
        return PinnedValue(
            shard: number, item: item, pieces: all,
            byteCount: Int(region[item, .valueByteCount]))
    }

    mutating func unpin(_ item: Unit) {
        guard let count = pins[item] else { preconditionFailure("an item that is not pinned") }
        guard count == 1 else {
            pins[item] = count - 1
            return
        }
        pins[item] = nil
        if region.kind(item) == .held {
            heldUnitCount -= chainSize(item).unitCount
            extents.giveChain(item)
        }
    }
}

/// What a reply does with a value that was found.
package enum HitUse: Sendable {
    /// It has copied what it needs.
    case copied
    /// It sends the value from where it is: the value is pinned.
    case later
}
