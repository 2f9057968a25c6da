/// Values that arrive in parts.
extension Shard {
    /// Extents of a value in parts are taken as it arrives: at first so much, then as much again as
    /// has arrived, up to a bound. So announcing a large value takes next to nothing from anybody.
    private static let firstPartByteCount = 16 << 10
    private static let partByteCountMax = 256 << 10

    /// Takes the first extents for a value in parts and writes the header. The writer stands where
    /// the first value byte goes, which may be in the second extent.
    mutating func begin(
        _ key: Span<UInt8>, request: StoreRequest, valueByteCount: Int, now: UInt32
    ) -> (item: Item, writer: ValueWriter)? {
        enter(now: now)
        let headByteCount =
            region.itemHeaderByteCount(clientFlags: request.clientFlags) + key.count
        let first = min(headByteCount + valueByteCount, headByteCount + Self.firstPartByteCount)
        guard
            let head = allocateHeld(
                byteCount: first, headByteCount: headByteCount, now: now)
        else {
            items.sums.countOutOfMemory()
            return nil
        }
        let item = Item(head)
        writeHeader(
            item, key: key, head: ItemHead(request), valueByteCount: valueByteCount)
        memory.hold(head)
        var writer = ValueWriter(region: region, item: item)
        if writer.room == 0, valueByteCount > 0 { _ = writer.nextExtent() }
        return (item, writer)
    }

    /// Lets the writer go on: in the next extent, or in new ones for the `left` bytes to come.
    mutating func extend(
        _ writer: inout ValueWriter, arrived: Int, left: Int, now: UInt32
    ) -> Bool {
        if writer.nextExtent() { return true }
        enter(now: now)
        let byteCount =
            min(left, max(Self.firstPartByteCount, min(arrived, Self.partByteCountMax)))
            + Region.continuationHeaderByteCount
        guard
            let part = allocateHeld(
                byteCount: byteCount, headByteCount: Region.continuationHeaderByteCount + 1,
                now: now)
        else {
            items.sums.countOutOfMemory()
            return false
        }
        memory.hold(part, behind: writer.extent)
        return writer.nextExtent()
    }

    /// Lets go of a value in parts.
    mutating func abandon(_ item: Item) {
        memory.endHold(item)
        memory.giveBack(unpublished: item)
    }

    /// Stores a value that has arrived in parts.
    mutating func commit(
        _ item: Item, key: Span<UInt8>, hash: UInt64, request: StoreRequest, now: UInt32,
        fraction: UInt32, content: ItemChecksum? = nil, _ body: (Hit) -> Void = { _ in }
    ) -> StoreOutcome {
        enter(now: now, fraction: fraction)
        let tag = Items.tag(hash)
        let old = items.findPresent(key, tag: tag, now: now, &memory)
        switch Self.judge(request, existing: old.item, region: region) {
        case .refuse(let outcome):
            noteRefused(request, existing: old.item)
            abandon(item)
            return outcome
        case .store(let head):
            if case .add = request.mode, items.awaited.contains(hash) {
                abandon(item)
                return .notStored
            }
            if refusesFenced(old.item, hash: hash, now: now) {
                abandon(item)
                return .notStored
            }
            guard !old.item.isNull || prepareIndex(tag, now: now) else {
                abandon(item)
                return refuseForMemory(key, tag: tag, dropsOld: request.dropsOldWhenRefused)
            }
            if let head {
                region[item, .deadline] = head.deadline.word
                region[item, .marks] = head.marks
            } else if isTimed {
                let deadline = deadline(request.deadline, replacing: old.item, now: now)
                region[item, .deadline] = deadline.word
            }
            memory.endHold(item)
            publish(
                item, tag: tag, replacing: old, wish: request.casUnique, now: now,
                content: content)
            body(look(at: item, now: now))
            return .stored
        case .combine:
            let outcome = combine(
                old, key: key, tag: tag, request: request,
                byteCount: Int(region[item, .valueByteCount]), now: now,
                { $0.write(valueOf: item) }, body)
            abandon(item)
            return outcome
        }
    }

    /// As `allocateChain`, for what is held: nothing when too much is.
    private mutating func allocateHeld(
        byteCount: Int, headByteCount: Int, now: UInt32
    ) -> Extent? {
        let bound = memory.boundUnitCount + Int(Region.units(forByteCount: byteCount))
        guard bound <= heldUnitCountMax else {
            memory.noteRefused(now: now)
            return nil
        }
        return allocateChain(
            byteCount: byteCount, headByteCount: headByteCount, now: now,
            evictsProven: bound <= memory.heldUnitCountOverProven(share: probationShare))
    }

    // MARK: What peers hold

    private var probationShare: Int { items.queues.probationShare(of: memory.unitLimit) }

    /// Units that may be held and pinned, as much as proven items have become.
    var heldUnitCountMax: Int {
        memory.heldUnitCountMax(
            besideUnitCount: items.queues.provenUnitCount + Int(items.index.unitCount),
            share: probationShare)
    }

    /// For how long after a refusal others should give way.
    private static let refusalSeconds: UInt32 = 2

    /// Whether who has held memory for long should give it back: proven items have come to need it, or
    /// others have just been refused.
    func wantsRelief(now: UInt32) -> Bool {
        let bound = memory.boundUnitCount
        let most = heldUnitCountMax
        guard bound <= most else { return true }
        let refused = memory.refusedSeconds
        return refused != 0 && now < refused + Self.refusalSeconds
            && bound > memory.comfort(heldUnitCountMax: most)
    }
}
