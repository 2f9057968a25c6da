/// What a node needs to keep copies of items that other nodes have, too. The arena must have births.
///
/// Whoever keeps copies changes items one after the other: what is told of a key here stays true until then, but
/// for what expires or is evicted.
extension SessionMap {
    /// The hash of a key under a seed that several nodes agree on; a map's own seed is its secret.
    package static func hash(_ key: UnsafeRawBufferPointer, seed: UInt64) -> UInt64 {
        KeyHash(seed: seed).hash(key)
    }

    /// What there is of a live item, without its value. No access.
    package func copyHead(of key: Span<UInt8>, now: UInt32) -> CopyHead? {
        var head: CopyHead?
        _ = peek(key, now: now) { head = $0.copyHead }
        return head
    }

    /// The item that is stored next in this key's shard gets this version as its CAS unique, unless its client wishes
    /// for another one, and this birth if it takes no other's place.
    ///
    /// - Parameter version: its low six bits are the shard's number, as `shardNumber(of:)` tells it.
    package func setNextStamp(_ key: Span<UInt8>, version: UInt64, birth: UInt32) {
        withShard(shardNumber(hash.hash(key))) {
            $0.setNextCASUnique(version)
            $0.births = .kept(orElse: birth)
        }
    }

    package func shardNumber(of key: Span<UInt8>) -> Int { shardNumber(hash.hash(key)) }

    /// Lets the item of a key be exactly this one. False when there is no memory for it: then there is none, for the one
    /// that was there is out of date.
    ///
    /// - Parameter age: in seconds, of what was not here before: by it a read proves the item.
    package func adopt(
        _ key: Span<UInt8>, _ head: CopyHead, value: Span<UInt8>, age: UInt32, now: UInt32,
        fraction: UInt32
    ) -> Bool {
        guard admits(valueByteCount: value.count, keyByteCount: key.count) else {
            _ = delete(key, now: now)
            return false
        }
        let hash = hash.hash(key)
        return value.withUnsafeBytes { bytes in
            withShard(shardNumber(hash)) {
                $0.adopt(
                    key, hash: hash, head, value: bytes, age: age, now: now, fraction: fraction)
            }
        }
    }

    /// Lets the item of a key live longer, or be proven, if that is what another copy of the very same state has come to:
    /// somebody has read it there.
    package func renew(_ key: Span<UInt8>, _ head: CopyHead, now: UInt32, fraction: UInt32) {
        let hash = hash.hash(key)
        withShard(shardNumber(hash)) {
            $0.renew(key, hash: hash, head, now: now, fraction: fraction)
        }
    }

    /// Of the memory that the items are in: two numbers, 0 if it does not outlive the process.
    package var arenaID: [UInt64] {
        guard let page else { return [0, 0] }
        return [0, 8].map {
            page.load(fromByteOffset: ArenaHeader.arenaIDOffset + $0, as: UInt64.self)
        }
    }

    /// Before which everything is gone, on all nodes; 0 if nobody has said so. Outlives the process, if the memory does.
    package var flushStamp: (version: UInt64, birth: UInt32) {
        guard let page else { return (0, 0) }
        return (
            page.load(fromByteOffset: ArenaHeader.flushStamp, as: UInt64.self),
            page.load(fromByteOffset: ArenaHeader.flushStamp + 8, as: UInt32.self)
        )
    }

    /// A death between the two stores leaves an earlier stamp.
    package func setFlushStamp(version: UInt64, birth: UInt32) {
        page?.storeBytes(of: version, toByteOffset: ArenaHeader.flushStamp, as: UInt64.self)
        page?.storeBytes(of: birth, toByteOffset: ArenaHeader.flushStamp + 8, as: UInt32.self)
    }

    /// By when deletions were made that are not remembered any more, though a node is away that may not know of them:
    /// the clock of versions, 0 for none. Outlives the process, if the memory does.
    package var deletionsForgottenUntil: UInt64 {
        page?.load(fromByteOffset: ArenaHeader.floor, as: UInt64.self) ?? 0
    }

    package func setDeletionsForgotten(until time: UInt64) {
        page?.storeBytes(of: time, toByteOffset: ArenaHeader.floor, as: UInt64.self)
    }

    /// Shows `body` each live item whose key has this hash: its own place in a map.
    package func visit(hash: UInt64, now: UInt32, _ body: (Hit) -> Void) {
        withShard(shardNumber(hash)) { shard in
            shard.enter(now: now)
            shard.items.index.visit(tag: Items.tag(hash)) { item in
                guard !shard.items.isFlushed(item), !shard.items.isExpired(item, now: now)
                else { return }
                body(shard.look(at: item, now: now))
            }
        }
    }

    /// Where `visit` finds the item of a key again.
    package func place(of key: UnsafeRawBufferPointer) -> UInt64 { hash.hash(key) }
}

extension Hit {
    package var copyHead: CopyHead {
        CopyHead(
            version: casUnique, birth: region.birth(item), clientFlags: clientFlags,
            deadline: deadline, marks: region.marks(item))
    }
}

extension Shard {
    /// Lets the next unique be this one: the counter is what it is a multiple of.
    mutating func setNextCASUnique(_ unique: UInt64) {
        setCASCounter(max(unique / UInt64(configuration.shardCount), 1) - 1)
    }

    mutating func adopt(
        _ key: Span<UInt8>, hash: UInt64, _ head: CopyHead, value: UnsafeRawBufferPointer,
        age: UInt32, now: UInt32, fraction: UInt32
    ) -> Bool {
        enter(now: now, fraction: fraction)
        let tag = Items.tag(hash)
        let old = items.findPresent(key, tag: tag, now: now, &memory)
        let isNew = old.item.isNull || region.birth(old.item) != head.birth
        births = .exactly(head.birth)
        let marks = head.marks & CopyHead.sharedMarks
        let item = make(
            key, tag: tag,
            head: ItemHead(
                clientFlags: head.clientFlags,
                deadline: lifetimes.cut(head.deadline, birth: head.birth),
                marks: configuration.eviction == .lru ? marks & ~ItemMark.proven : marks,
                casUnique: head.version),
            value: value, replacing: old, now: now)
        guard let item else {
            _ = refuseForMemory(key, tag: tag, dropsOld: true)
            return false
        }
        if isNew { items.queues.setAge(of: item, seconds: age, time: time(now)) }
        return true
    }
}

extension Shard {
    mutating func renew(
        _ key: Span<UInt8>, hash: UInt64, _ head: CopyHead, now: UInt32, fraction: UInt32
    ) {
        enter(now: now, fraction: fraction)
        guard let found = items.findLive(key, tag: Items.tag(hash), now: now, &memory),
            found.outcome == .hit
        else { return }
        let own = look(at: found.item, now: now).copyHead
        guard own.version == head.version, own.birth == head.birth else { return }
        var merged = own.merged(with: head)
        merged.deadline = lifetimes.cut(merged.deadline, birth: own.birth)
        if merged.deadline != own.deadline {
            items.apply(.touched(merged.deadline), to: found.item)
        }
        items.noteReadElsewhere(found.item, isProven: merged.isProven, time: time(now))
    }

    mutating func prove(_ key: Span<UInt8>, hash: UInt64, now: UInt32, fraction: UInt32) {
        enter(now: now, fraction: fraction)
        guard let found = items.findLive(key, tag: Items.tag(hash), now: now, &memory),
            found.outcome == .hit
        else { return }
        items.noteReadElsewhere(found.item, isProven: true, time: time(now))
    }
}

extension ItemIndex {
    /// Shows `body` every item of a tag.
    func visit(tag: UInt32, _ body: (Item) -> Void) {
        let place = place(tag)
        let slots = slots(place)
        var number = slots.home(tag)
        while true {
            let slot = slots[number]
            if slot == 0 { return }
            if UInt32(truncatingIfNeeded: slot >> 32) == tag {
                body(Item(Unit(truncatingIfNeeded: slot)))
            }
            number = slots.after(number)
        }
    }
}
