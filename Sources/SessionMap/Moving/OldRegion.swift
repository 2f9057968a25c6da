/// A region that items move out of, of this layout or an earlier one. Whatever is damaged in it: no
/// reading leaves its memory.
struct OldRegion {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
    let layoutVersion: UInt32
    let features: ArenaFeatures

    private var isLayout3: Bool { layoutVersion == Layout3.version }
    /// As this build reads it, if it is of this build's layout.
    private var present: Region { Region(base: base, unitCount: end, features: features) }

    var end: Unit { UInt32(byteCount / Layout3.unitByteCount) }

    /// An item's header.
    struct StoredItem {
        var casUnique: UInt64
        var accessed: UInt32
        var keyByteCount: Int
        var valueByteCount: Int
        var marks: UInt32
        var deadline: Deadline
        var clientFlags: UInt32
        var epoch: UInt32
        var birth: UInt32
        /// Where the key begins in the head extent.
        var keyOffset: Int
    }

    // MARK: Extents

    private func word(_ unit: Unit, _ offset: Int) -> UInt32 {
        let place = Int(unit) * Layout3.unitByteCount + offset
        precondition(place + 4 <= byteCount, "a word outside of its region")
        return base.load(fromByteOffset: place, as: UInt32.self)
    }

    private func setWord(_ unit: Unit, _ offset: Int, _ value: UInt32) {
        let place = Int(unit) * Layout3.unitByteCount + offset
        precondition(place + 4 <= byteCount, "a word outside of its region")
        base.storeBytes(of: value, toByteOffset: place, as: UInt32.self)
    }

    func length(_ unit: Unit) -> UInt32 { word(unit, 0) & Layout3.unitMask }
    func kind(_ unit: Unit) -> UInt32 { word(unit, 0) >> 27 & 0xF }
    func link(_ unit: Unit) -> Unit { word(unit, 4) & Layout3.unitMask }

    // MARK: The shard's

    var epoch: UInt32 { isLayout3 ? word(0, 24) : present.shardFlushes.epoch }
    var flushDeadline: Deadline { Deadline(stored: word(0, 28)) }
    var stampRule: StampRule { StampRule(rawValue: word(0, 36)) ?? .unknown }
    var casCounter: UInt64 {
        isLayout3 ? base.load(fromByteOffset: 8, as: UInt64.self) : present.shardCASCounter ?? 0
    }

    /// Whether an item, whose extents are sound, is what was stored; without checksums nobody knows.
    func isIntact(_ unit: Unit, seed: UInt64) -> Bool {
        guard features.contains(.checksums), !present.isIntact(Item(unit), seed: seed) else {
            return true
        }
        // It may have been changed just now.
        present.finishChange(Item(unit))
        return present.isIntact(Item(unit), seed: seed)
    }

    /// An item whose successor is published as well, if it is, is none any more: what the process that
    /// died would have done next.
    func settleReplacement(now: UInt32) throws(DamagedRegion) {
        let loser = word(0, 32)
        guard loser != 0 else { return }
        var isThere = false
        try walk(from: Layout3.headUnitCount) { unit, kind in
            isThere = isThere || unit == loser && kind == Layout3.item
        }
        if isThere {
            let old = item(loser)
            let key = key(loser, old)
            var hasSuccessor = false
            try walk(from: Layout3.headUnitCount) { unit, kind in
                guard !hasSuccessor, kind == Layout3.item, unit != loser else { return }
                let other = item(unit)
                hasSuccessor =
                    other.keyByteCount == old.keyByteCount && other.epoch == epoch
                    && !other.deadline.isPassed(at: now)
                    && self.key(unit, other).elementsEqual(key)
            }
            if hasSuccessor {
                setWord(
                    loser, 0, word(loser, 0) & ~(0xF << 27) | Layout3.held << 27)
            }
        }
        Region.order()
        setWord(0, 32, 0)
    }

    // MARK: Walking

    /// Calls `body` with every extent from `start` on; checks what it walks on.
    func walk(
        from start: Unit, _ body: (_ unit: Unit, _ kind: UInt32) -> Void
    ) throws(DamagedRegion) {
        var unit = start
        while unit < end - 1 {
            let length = length(unit)
            guard length > 0, length < end - unit else {
                throw DamagedRegion(reason: "an extent of an impossible length at unit \(unit)")
            }
            let kind = kind(unit)
            guard kind < Layout3.border else {
                throw DamagedRegion(reason: "an extent of an unknown kind at unit \(unit)")
            }
            if kind == Layout3.item {
                let item = item(unit)
                guard item.keyByteCount > 0,
                    item.keyOffset + item.keyByteCount <= Int(length) * Layout3.unitByteCount
                else { throw DamagedRegion(reason: "an item without a key at unit \(unit)") }
            }
            body(unit, kind)
            unit += length
        }
    }

    /// The extent of an item with the lowest place, from where on it moves; nothing when one is below
    /// `start`, which means that it has moved. Checks that all are there.
    func lowestExtent(_ head: Unit, _ item: StoredItem, notBelow start: Unit) throws(DamagedRegion)
        -> Unit?
    {
        var lowest = head
        var extent = head
        var left = item.keyOffset + item.keyByteCount + item.valueByteCount
        var headerByteCount = 0
        while true {
            let room = Int(length(extent)) * Layout3.unitByteCount - headerByteCount
            guard room > 0 else { break }
            left -= room
            if left <= 0 { return lowest }
            let next = link(extent)
            guard next != 0, next < end - 1 else { break }
            if next < start { return nil }
            guard kind(next) == Layout3.continuation else { break }
            extent = next
            headerByteCount = Layout3.unitByteCount
            lowest = min(lowest, next)
        }
        throw DamagedRegion(reason: "an item in pieces that misses one, unit \(head)")
    }

    // MARK: Items

    func item(_ unit: Unit) -> StoredItem {
        let place = Int(unit) * Layout3.unitByteCount
        let plain =
            isLayout3 ? Layout3.plainHeaderByteCount : present.itemHeaderByteCount(clientFlags: 0)
        // The last extents of a region may be shorter than an item's header.
        guard place + plain + 4 <= byteCount else {
            return StoredItem(
                casUnique: 0, accessed: 0, keyByteCount: 0, valueByteCount: 0, marks: 0,
                deadline: .never, clientFlags: 0, epoch: 0, birth: 0, keyOffset: 0)
        }
        let hasClientFlags = word(unit, 4) >> 27 & 1 == 1
        return StoredItem(
            casUnique: base.load(fromByteOffset: place + 8, as: UInt64.self),
            accessed: word(unit, 32) & 0xFF_FFFF, keyByteCount: Int(word(unit, 32) >> 24),
            valueByteCount: isLayout3
                ? Int(word(unit, 36) & Layout3.unitMask)
                : Int(present[Item(unit), .valueByteCount]),
            marks: isLayout3 ? word(unit, 36) >> 27 : present.marks(Item(unit)),
            deadline: Deadline(stored: word(unit, 40)),
            clientFlags: hasClientFlags ? word(unit, plain) : 0,
            epoch: isLayout3 ? word(unit, 4) >> 28 : present[Item(unit), .epoch],
            birth: features.contains(.births) ? present.birth(Item(unit)) : 0,
            keyOffset: plain + (hasClientFlags ? 4 : 0))
    }

    func key(_ unit: Unit, _ item: StoredItem) -> UnsafeRawBufferPointer {
        bytes(unit, item.keyOffset, item.keyByteCount)
    }

    private func bytes(_ unit: Unit, _ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        let place = Int(unit) * Layout3.unitByteCount + offset
        precondition(count >= 0 && place + count <= byteCount, "bytes outside of their region")
        return UnsafeRawBufferPointer(start: base + place, count: count)
    }

    /// Calls `body` with the parts of an item's value, one after the other.
    func forEachValuePart(
        _ head: Unit, _ item: StoredItem, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        var extent = head
        var offset = item.keyOffset + item.keyByteCount
        var left = item.valueByteCount
        while true {
            let count = min(left, Int(length(extent)) * Layout3.unitByteCount - offset)
            if count > 0 { body(bytes(extent, offset, count)) }
            left -= count
            if left == 0 { return }
            extent = link(extent)
            precondition(extent != 0 && extent < end, "an item that was looked at before")
            offset = Layout3.unitByteCount
        }
    }

    /// Calls `body` with the extents of an item.
    func forEachExtent(_ head: Unit, _ body: (Unit) -> Void) {
        var extent = head
        while extent != 0 {
            body(extent)
            extent = link(extent)
        }
    }
}

extension OldRegion {
    /// That a whole region is what a process leaves, before anything is moved.
    func check() throws(DamagedRegion) {
        guard length(0) == Layout3.headUnitCount, kind(0) == Layout3.border,
            length(end - 1) == 1, kind(end - 1) == Layout3.border
        else { throw DamagedRegion(reason: "a region without its borders") }
        guard isLayout3 ? epoch < Layout3.epochCount : present.hasIntactFlushes else {
            throw DamagedRegion(reason: "a flush that never was")
        }
        var damage: DamagedRegion?
        try walk(from: Layout3.headUnitCount) { unit, kind in
            guard kind == Layout3.item, damage == nil else { return }
            do throws(DamagedRegion) {
                _ = try lowestExtent(unit, item(unit), notBelow: 0)
            } catch {
                damage = error
            }
        }
        if let damage { throw damage }
    }
}
