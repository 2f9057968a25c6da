/// Storing.
extension Shard {
    /// What a store makes of the item that is there.
    enum Verdict {
        /// With a head, the value is out of date, and this is what it takes over.
        case store(inheriting: ItemHead?)
        case combine
        case refuse(StoreOutcome)
    }

    // Static, with the one thing they need: a borrowed shard would be copied for each call.
    @inline(__always)
    static func judge(
        _ request: StoreRequest, existing: Item, region: Region
    ) -> Verdict {
        existing.isNull
            ? judgeMissing(request) : judge(request, present: existing, region: region)
    }

    private static func judgeMissing(_ request: StoreRequest) -> Verdict {
        switch request.mode {
        case .set where request.comparison == nil: .store(inheriting: nil)
        case .add: .store(inheriting: nil)
        case .append where request.createsMissing: .store(inheriting: nil)
        case .prepend where request.createsMissing: .store(inheriting: nil)
        default: .refuse(request.isCompareAndSwap ? .notFound : .notStored)
        }
    }

    private static func judge(
        _ request: StoreRequest, present item: Item, region: Region
    ) -> Verdict {
        switch request.mode {
        case .add: return .refuse(.notStored)
        case .append, .prepend:
            let comparison = request.comparison ?? 0
            let fits = comparison == 0 || comparison == region.casUnique(item)
            return fits ? .combine : .refuse(.exists)
        case .set, .replace:
            guard let comparison = request.comparison else { return .store(inheriting: nil) }
            let unique = region.casUnique(item)
            if comparison != 0, comparison == unique { return .store(inheriting: nil) }
            guard request.storesStale, comparison != 0, comparison < unique else {
                return .refuse(.exists)
            }
            return .store(inheriting: staleHead(request, replacing: item, region: region))
        }
    }

    /// Stores a value that is there as a whole. `body` sees the item that was stored.
    @inline(__always)
    mutating func store(
        _ key: Span<UInt8>, hash: UInt64, request: StoreRequest, value: UnsafeRawBufferPointer,
        now: UInt32, fraction: UInt32, _ body: (Hit) -> Void = { _ in }
    ) -> StoreOutcome {
        enter(now: now, fraction: fraction)
        let tag = Items.tag(hash)
        let old = items.findPresent(key, tag: tag, now: now, &memory)
        switch Self.judge(request, existing: old.item, region: region) {
        case .refuse(let outcome):
            noteRefused(request, existing: old.item)
            return outcome
        case .store(let head):
            if case .add = request.mode, items.awaited.contains(hash) { return .notStored }
            if refusesFenced(old.item, hash: hash, now: now) { return .notStored }
            guard
                let item = make(
                    key, tag: tag, head: head ?? self.head(request, replacing: old.item, now: now),
                    value: value, replacing: old, now: now)
            else {
                return refuseForMemory(key, tag: tag, dropsOld: request.dropsOldWhenRefused)
            }
            body(look(at: item, now: now))
            return .stored
        case .combine:
            return combine(
                old, key: key, tag: tag, request: request, byteCount: value.count, now: now,
                { $0.write(value) }, body)
        }
    }

    /// An `add` that meets an item counts as an access of it, though not as a hit.
    mutating func noteRefused(_ request: StoreRequest, existing: Item) {
        if case .add = request.mode, !existing.isNull { items.bump(existing) }
    }

    /// Makes an item of a value that is there, and lets it be the one of its key; nothing when memory
    /// is short. An item that takes another's place needs no slot of its own.
    @inline(__always)
    mutating func make(
        _ key: Span<UInt8>, tag: UInt32, head: ItemHead, value: UnsafeRawBufferPointer,
        replacing old: Present, now: UInt32
    ) -> Item? {
        guard !old.item.isNull || prepareIndex(tag, now: now),
            let item = allocate(
                clientFlags: head.clientFlags, keyByteCount: key.count,
                valueByteCount: value.count, now: now)
        else { return nil }
        writeHeader(item, key: key, head: head, valueByteCount: value.count)
        var writer = ValueWriter(region: region, item: item)
        writer.write(value)
        publish(
            item, tag: tag, replacing: items.refreshed(old, key, tag: tag), wish: head.casUnique,
            now: now
        )
        return item
    }

    /// Takes extents for an item of `keyByteCount` and `valueByteCount`, evicting as needed. The
    /// chain is linked, its head's kind is `held`; nothing else is written.
    private mutating func allocate(
        clientFlags: UInt32, keyByteCount: Int, valueByteCount: Int, now: UInt32
    ) -> Item? {
        let headByteCount = region.itemHeaderByteCount(clientFlags: clientFlags) + keyByteCount
        return allocateChain(
            byteCount: headByteCount + valueByteCount, headByteCount: headByteCount, now: now
        ).map(Item.init)
    }

    /// Makes the empty item that a retrieval wants where there is none.
    mutating func vivify(
        _ key: Span<UInt8>, tag: UInt32, _ new: Vivification, now: UInt32
    ) -> Item? {
        let head = ItemHead(
            clientFlags: 0, deadline: deadline(new.deadline, replacing: .null, now: now),
            marks: new.hasEncodedKey ? ItemMark.encodedKey : 0, casUnique: new.casUnique)
        let item = make(
            key, tag: tag, head: head, value: UnsafeRawBufferPointer(start: nil, count: 0),
            replacing: .none, now: now)
        if item == nil { items.sums.countOutOfMemory() }
        return item
    }

    /// Replaces an item by one whose value is its own and another, in either order.
    mutating func combine(
        _ old: Present, key: Span<UInt8>, tag: UInt32, request: StoreRequest, byteCount: Int,
        now: UInt32, _ writeAddition: (inout ValueWriter) -> Void, _ body: (Hit) -> Void
    ) -> StoreOutcome {
        let existing = old.item
        let oldByteCount = Int(region[existing, .valueByteCount])
        let byteCount = oldByteCount + byteCount
        guard byteCount <= configuration.valueByteCountMax(keyByteCount: key.count) else {
            return .notStored
        }
        // The old item is needed while room is made for the new one: it must be the last to go.
        items.bump(existing)
        guard
            let item = allocate(
                clientFlags: region.clientFlags(existing), keyByteCount: key.count,
                valueByteCount: byteCount, now: now)
        else { return refuseForMemory(key, tag: tag, dropsOld: false) }
        let old = items.refreshed(old, key, tag: tag)
        guard old.item == existing else {
            memory.giveBack(unpublished: item)
            return refuseForMemory(key, tag: tag, dropsOld: false)
        }
        var head = self.head(of: existing, keeping: ItemMark.encodedKey)
        renew(&head, of: existing, now: now)
        writeHeader(item, key: key, head: head, valueByteCount: byteCount)
        var writer = ValueWriter(region: region, item: item)
        let prepends = request.mode == .prepend
        if prepends { writeAddition(&writer) }
        writer.write(valueOf: existing)
        if !prepends { writeAddition(&writer) }
        publish(item, tag: tag, replacing: old, wish: request.casUnique, now: now)
        body(look(at: item, now: now))
        return .stored
    }

    /// Memory is short. What `set` would have replaced must not stay: it is out of date.
    mutating func refuseForMemory(
        _ key: Span<UInt8>, tag: UInt32, dropsOld: Bool
    ) -> StoreOutcome {
        items.sums.countOutOfMemory()
        if dropsOld, let old = items.index.find(key, tag: tag) {
            items.remove(old.item, slot: old.slot, tag: tag, .outdated, &memory)
        }
        return .outOfMemory
    }

    // MARK: The item's header

    /// Everything of a new item but its key and value. Without a wish it gets a fresh CAS unique.
    struct ItemHead {
        var clientFlags: UInt32
        var deadline: Deadline
        var marks: UInt32 = 0
        var casUnique: UInt64?

        init(
            clientFlags: UInt32, deadline: Deadline, marks: UInt32 = 0, casUnique: UInt64? = nil
        ) {
            self.clientFlags = clientFlags
            self.deadline = deadline
            self.marks = marks
            self.casUnique = casUnique
        }

        init(_ request: StoreRequest) {
            self.init(
                clientFlags: request.clientFlags, deadline: request.deadline,
                marks: request.hasEncodedKey ? ItemMark.encodedKey : 0,
                casUnique: request.casUnique)
        }
    }

    /// The head of an item as its client wants it, but for how long it lives.
    @inline(__always)
    mutating func head(_ request: StoreRequest, replacing old: Item, now: UInt32) -> ItemHead {
        var head = ItemHead(request)
        head.deadline = deadline(head.deadline, replacing: old, now: now)
        return head
    }

    /// The head of an item that takes another's place and keeps these of its marks. Whether it is
    /// proven is the queues' business.
    func head(of item: Item, keeping marks: UInt32) -> ItemHead {
        ItemHead(
            clientFlags: region.clientFlags(item),
            deadline: region.deadline(item),
            marks: region.marks(item) & marks & ~ItemMark.proven)
    }

    /// The head of a value that is out of date already when it is stored.
    private static func staleHead(
        _ request: StoreRequest, replacing item: Item, region: Region
    ) -> ItemHead {
        var head = ItemHead(request)
        head.deadline = region.deadline(item)
        head.marks |= ItemMark.stale | region[item, .marks] & ItemMark.claimed
        return head
    }

    @inline(__always)
    func writeHeader(_ item: Item, key: Span<UInt8>, head: ItemHead, valueByteCount: Int) {
        region[item, .wheelPrevious] = TimingWheel.unscheduled
        region[item, .deadline] = head.deadline.word
        region.setClientFlags(
            item, head.clientFlags, hasEncodedKey: head.marks & ItemMark.encodedKey != 0)
        region.setSizes(
            item, keyByteCount: key.count, valueByteCount: valueByteCount, marks: head.marks)
        key.withUnsafeBytes {
            region.bytes(item.head, offset: region.keyOffset(item), count: key.count)
                .copyMemory(from: $0)
        }
    }

    /// Lets a written item be the one of its key: the last step of every store. The index has room
    /// for it. With checksums, `content` is what its bytes come to, if that is known.
    @inline(__always)
    mutating func publish(
        _ item: Item, tag: UInt32, replacing old: Present, wish: UInt64?, now: UInt32,
        content: ItemChecksum? = nil
    ) {
        var content = content
        if region.features.contains(.births) {
            region.setBirth(item, birth(replacing: old.item, now: now))
            // It was made without the birth.
            content = nil
        }
        let seal = Items.Seal(casUnique: casUnique(wish), time: time(now), content: content)
        if let slot = old.slot {
            items.replace(old.item, in: slot, with: item, seal, &memory)
        } else {
            items.insert(item, tag: tag, seal)
        }
        memory.noteUse()
    }
}
