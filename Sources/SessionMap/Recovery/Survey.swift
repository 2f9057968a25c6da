/// What recovery needs to know of an item that is kept, so that it meets each but once before it is
/// taken in: most of the time of a restart is waiting for memory.
struct FoundItem {
    var item: Item
    let tag: UInt32
    /// Seconds since it was accessed; of one on probation, since it was stored.
    let age: UInt32
}

/// A walk over a region that another process has left: which items and extents are kept.
struct Survey {
    /// The kept items, in the order of their places.
    var found: [FoundItem] = []
    var report = RecoveryReport()
    private(set) var expiredUnfetchedCount = 0
    /// The greatest that the kept items' CAS uniques tell of.
    private(set) var casCounter: UInt64 = 0
    private let region: Region
    private let end: Unit
    private let number: Int
    private let shardCount: Int
    private let hash: KeyHash
    private let isChecked: Bool
    /// Continuations, of whatever item.
    private var continuations: ExtentSet
    /// The extents of kept items.
    private var kept: ExtentSet

    init(
        region: Region, end: Unit, number: Int, shardCount: Int, hash: KeyHash, now: UInt32,
        _ look: (Item, _ hash: UInt64) -> FoundItem
    ) throws(DamagedRegion) {
        self.region = region
        self.end = end
        self.number = number
        self.shardCount = shardCount
        self.hash = hash
        isChecked = region.features.contains(.checksums)
        kept = ExtentSet(end: end)
        continuations = kept
        try checkBorders()
        let starts = try walk()
        let epoch = region.shardFlushes.epoch
        let superseded = superseded(among: starts, now: now)
        found.reserveCapacity(starts.count)
        for item in starts {
            if region[item, .epoch] != epoch {
                report.counts[.flushed] += 1
            } else if Deadline(stored: region[item, .deadline]).isPassed(at: now) {
                report.counts[.expired] += 1
                if region[item, .marks] & ItemMark.fetched == 0 { expiredUnfetchedCount += 1 }
            } else if item == superseded {
                report.counts[.superseded] += 1
            } else {
                do throws(DamagedRegion) {
                    let hash = try keep(item)
                    found.append(look(item, hash))
                    noteCASUnique(region.casUnique(item))
                } catch {
                    try note(error)
                }
            }
        }
    }

    func isKept(_ extent: Extent) -> Bool { kept.contains(extent) }

    /// Damage that something can be saved from, or that ends it.
    private mutating func note(_ damage: DamagedRegion) throws(DamagedRegion) {
        guard isChecked else { throw damage }
        report.note(damage)
    }

    private mutating func checkBorders() throws(DamagedRegion) {
        if !RegionWalk(region, end: end).hasBorders {
            try note(DamagedRegion(reason: "a region without its borders"))
            region.setHeader(
                .null, length: ExtentAllocator.headUnitCount, kind: .border, previousIsFree: false)
            region.setHeader(Extent(end - 1), length: 1, kind: .border, previousIsFree: false)
        }
        // What was flushed must not come back, whatever becomes of the rest.
        guard region.hasIntactFlushes else { throw DamagedRegion(reason: "a flush that never was") }
    }

    /// Takes note of continuations, and returns the items.
    private mutating func walk() throws(DamagedRegion) -> [Item] {
        var starts: [Item] = []
        var walk = RegionWalk(region, end: end)
        while let step = walk.next() {
            if let fault = step.fault {
                try note(fault.damage(at: step.extent))
                // Nobody knows where the next one starts: the rest is one free extent.
                if fault == .length {
                    region.setHeader(
                        step.extent, length: step.length, kind: .held, previousIsFree: false)
                }
            } else if step.kind == .item {
                starts.append(Item(step.extent))
            } else if step.kind == .continuation {
                continuations.insert(step.extent)
            }
        }
        return starts
    }

    /// The one item whose successor may be there as well, if it is: it was being replaced.
    private mutating func superseded(among starts: [Item], now: UInt32) -> Item? {
        let loser = Journal(region: region).superseded
        guard !loser.isNull, starts.contains(loser) else { return nil }
        let epoch = region.shardFlushes.epoch
        let key = region.key(loser)
        for item in starts
        where item != loser && Int(region[item, .keyByteCount]) == key.count
            && region[item, .epoch] == epoch
            && !Deadline(stored: region[item, .deadline]).isPassed(at: now)
            && region.key(item).elementsEqual(key)
        {
            // Only one that will be kept itself. Nothing else is kept yet.
            guard let extentCount = try? chain(item) else { continue }
            defer { unmarkChain(item, extentCount) }
            if isIntact(item) { return loser }
        }
        return nil
    }

    /// Keeps an item whose extents are there and nobody else's, and which is what was stored; returns its
    /// key's hash.
    private mutating func keep(_ item: Item) throws(DamagedRegion) -> UInt64 {
        let extentCount = try chain(item)
        let hash = hash.hash(region.key(item))
        let isOwn = Int(hash >> 32) & (shardCount - 1) == number
        if isOwn, isIntact(item) { return hash }
        unmarkChain(item, extentCount)
        throw DamagedRegion(
            reason: isOwn
                ? "an item with a wrong checksum, unit \(item.unit)"
                : "an item that belongs to another shard, unit \(item.unit)")
    }

    private func isIntact(_ item: Item) -> Bool {
        guard isChecked, !region.isIntact(item, seed: hash.seed) else { return true }
        // It may have been changed just now.
        guard region.change?.item == item else { return false }
        region.finishChange(item)
        return region.isIntact(item, seed: hash.seed)
    }

    /// Marks an item's extents as kept, each of which must be there and nobody else's; returns how many.
    private mutating func chain(_ item: Item) throws(DamagedRegion) -> Int {
        var count = 0
        let fault = region.walkChain(item) { extent in
            guard count == 0 || continuations.contains(extent) && !kept.contains(extent) else {
                return false
            }
            kept.insert(extent)
            count += 1
            return true
        }
        guard let fault else { return count }
        unmarkChain(item, count)
        throw fault.damage(of: item)
    }

    private mutating func unmarkChain(_ item: Item, _ count: Int) {
        var extent = item.head
        for _ in 0..<count {
            kept.remove(extent)
            extent = region.next(after: extent)
        }
    }

    /// A unique that the shard itself may have given; a client can wish for any.
    private mutating func noteCASUnique(_ unique: UInt64) {
        let counter = unique / UInt64(shardCount)
        guard unique % UInt64(shardCount) == UInt64(number), counter < Self.casCounterLimit else {
            return
        }
        casCounter = max(casCounter, counter)
    }

    /// Thirty years of a million stores in a second.
    private static let casCounterLimit: UInt64 = 1 << 50
}

/// Extents of a region: a bit for each unit that one may start at.
private struct ExtentSet {
    private let end: Unit
    private var bits: [UInt64]

    init(end: Unit) {
        self.end = end
        bits = Array(repeating: 0, count: Int(end) / 64 + 1)
    }

    func contains(_ extent: Extent) -> Bool {
        extent.unit < end && bits[Int(extent.unit / 64)] & Self.bit(extent) != 0
    }

    mutating func insert(_ extent: Extent) { bits[Int(extent.unit / 64)] |= Self.bit(extent) }
    mutating func remove(_ extent: Extent) { bits[Int(extent.unit / 64)] &= ~Self.bit(extent) }

    private static func bit(_ extent: Extent) -> UInt64 { 1 << UInt64(extent.unit % 64) }
}
