/// Reading and touching.
extension Shard {
    /// Reads the item of a key, or one that it makes for want of it. `body` sees the item as it was
    /// before this access, and says what becomes of it. Of an item that was made, `absence` says why
    /// there was none.
    @inline(__always)
    mutating func retrieve(
        _ key: Span<UInt8>, hash: UInt64, now: UInt32, fraction: UInt32, isAccess: Bool = true,
        creating new: Vivification? = nil, _ body: (Hit) -> HitUse
    ) -> (outcome: RetrievalOutcome, absence: RetrievalOutcome?, pinned: PinnedValue?) {
        enter(now: now, fraction: fraction)
        let tag = Shard.tag(hash)
        let found = findLive(key, tag: tag, now: now)
        var item = found?.item ?? 0
        let isNew = item == 0
        let absence = found?.outcome ?? .miss
        if isNew {
            guard let new, let made = vivify(key, tag: tag, new, now: now) else {
                return (absence, absence, nil)
            }
            item = made
        }
        let use = body(look(at: item, now: now, isNew: isNew))
        let pinned = use.pinsValue ? pin(item) : nil
        if isAccess {
            region[item, .marks] |= ItemMark.fetched
            queues.noteHit(item, time: time(now))
        }
        apply(use, to: item)
        return (.hit, isNew ? absence : nil, pinned)
    }

    /// Looks at the item of a key, and leaves everything as it is.
    mutating func peek(
        _ key: Span<UInt8>, hash: UInt64, now: UInt32, _ body: (Hit) -> Void
    ) -> RetrievalOutcome {
        enter(now: now)
        guard let item = index.find(key, tag: Shard.tag(hash))?.item else { return .miss }
        if isFlushed(item) { return .flushed }
        if isExpired(item, now: now) { return .expired }
        body(look(at: item, now: now))
        return .hit
    }

    @inline(__always)
    func look(at item: Unit, now: UInt32, isNew: Bool = false) -> Hit {
        Hit(
            region: region, item: item, time: time(now),
            keepsCreation: queues.keepsCreation(item), isNew: isNew)
    }

    @inline(__always)
    mutating func apply(_ use: HitUse, to item: Unit) {
        if use.claims { region[item, .marks] |= ItemMark.claimed }
        if let deadline = use.deadline { setDeadline(item, deadline) }
    }

    mutating func setDeadline(_ item: Unit, _ deadline: Deadline) {
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
