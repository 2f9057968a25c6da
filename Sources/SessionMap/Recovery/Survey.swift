/// What recovery needs to know of an item that is kept, so that it meets each but once before it is
/// taken in: most of the time of a restart is waiting for memory.
struct FoundItem {
    var item: Item
    let tag: UInt32
    /// Seconds since it was accessed; of one on probation, since it was stored.
    let age: UInt32
}

/// A walk over a region that another process has left: which items and extents are kept. For recovery of a
/// map as for the move of its items: both believe the same.
///
/// With checksums, what is damaged is dropped and noted; without, it is an error. Changes nothing but
/// an item whose change had begun.
struct Survey {
    private(set) var report = RecoveryReport()
    private(set) var expiredUnfetchedCount = 0
    /// The greatest that the kept items' CAS uniques tell of.
    private(set) var casCounter: UInt64 = 0
    /// The item whose successor is there as well, if one is.
    private(set) var superseded = Item.null
    private let old: OldRegion
    private let region: Region
    private let start: Unit
    private let number: Int
    private let shardCount: Int
    private let hash: KeyHash
    /// Continuations, of whatever item.
    private var continuations: ExtentSet
    /// The extents of kept items.
    private var kept: ExtentSet
    private var hasBorders = true
    /// Where the walk came to its end too early, and how much it did not see.
    private var lost: (extent: Extent, length: UInt32)?

    /// Calls `keep` with each item that is kept, in the order of their places, with its key's hash and the
    /// lowest place of its extents. What has an extent below `start` has been dealt with before.
    init(
        _ old: OldRegion, from start: Unit = ExtentAllocator.headUnitCount, number: Int,
        shardCount: Int, hash: KeyHash, now: UInt32,
        keep: (Item, _ hash: UInt64, _ lowest: Unit) -> Void
    ) throws(DamagedRegion) {
        self.old = old
        region = old.region
        self.start = start
        self.number = number
        self.shardCount = shardCount
        self.hash = hash
        // Most of a region may be room to grow.
        kept = ExtentSet(end: old.end, usedEnd: min(old.end, 1 << 16))
        continuations = kept
        try checkBorders()
        let starts = try walk()
        let epoch = old.epoch
        superseded = superseded(among: starts, epoch: epoch, now: now)
        for item in starts {
            if old.epoch(item) != epoch {
                report.counts[.flushed] += 1
            } else if region.deadline(item).isPassed(at: now) {
                report.counts[.expired] += 1
                if old.marks(item) & ItemMark.fetched == 0 { expiredUnfetchedCount += 1 }
            } else if item == superseded {
                report.counts[.superseded] += 1
            } else {
                do throws(DamagedRegion) {
                    guard let (hash, lowest) = try self.keep(item) else { continue }
                    keep(item, hash, lowest)
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
        guard old.isChecked else { throw damage }
        report.note(damage)
    }

    private mutating func checkBorders() throws(DamagedRegion) {
        hasBorders = RegionWalk(region, end: old.end).hasBorders
        if !hasBorders { try note(DamagedRegion(reason: "a region without its borders")) }
        // What was flushed must not come back, whatever becomes of the rest.
        guard old.hasIntactFlushes else { throw DamagedRegion(reason: "a flush that never was") }
    }

    /// Takes note of continuations, and returns the items.
    private mutating func walk() throws(DamagedRegion) -> [Item] {
        var starts: [Item] = []
        var walk = RegionWalk(region, end: old.end, from: start)
        while let step = walk.next() {
            if let fault = step.fault {
                try note(fault.damage(at: step.extent))
                // Nobody knows where the next one starts.
                if fault == .length { lost = (step.extent, step.length) }
            } else if step.kind == .item {
                starts.append(Item(step.extent))
            } else if step.kind == .continuation {
                continuations.insert(step.extent)
            }
        }
        return starts
    }

    /// Makes of what could not be walked what can be: its borders, and one extent of the rest.
    func repair() {
        if !hasBorders {
            region.setHeader(
                .null, length: ExtentAllocator.headUnitCount, kind: .border, previousIsFree: false)
            region.setHeader(Extent(old.end - 1), length: 1, kind: .border, previousIsFree: false)
        }
        if let lost {
            region.setHeader(lost.extent, length: lost.length, kind: .held, previousIsFree: false)
        }
    }

    /// The one item whose successor may be there as well, if it is: it was being replaced.
    private mutating func superseded(among starts: [Item], epoch: UInt32, now: UInt32) -> Item {
        let loser = Journal(region: region).superseded
        guard !loser.isNull, starts.contains(loser) else { return .null }
        let key = region.key(loser)
        for item in starts
        where item != loser && Int(region[item, .keyByteCount]) == key.count
            && old.epoch(item) == epoch
            && !region.deadline(item).isPassed(at: now)
            && region.key(item).elementsEqual(key)
        {
            // Only one that will be kept itself. Nothing else is kept yet.
            guard let chain = try? chain(item) else { continue }
            defer { unmark(item, chain) }
            if old.isIntact(item, seed: hash.seed) { return loser }
        }
        return .null
    }

    /// Keeps an item whose extents are there and nobody else's, and which is what was stored; nothing
    /// when it was dealt with before.
    private mutating func keep(
        _ item: Item
    ) throws(DamagedRegion) -> (hash: UInt64, lowest: Unit)? {
        guard let chain = try chain(item) else { return nil }
        let hash = hash.hash(region.key(item))
        let isOwn = Int(hash >> 32) & (shardCount - 1) == number
        if isOwn, old.isIntact(item, seed: self.hash.seed) { return (hash, chain.lowest) }
        unmark(item, chain)
        throw DamagedRegion(
            reason: isOwn
                ? "an item with a wrong checksum, unit \(item.unit)"
                : "an item that belongs to another shard, unit \(item.unit)")
    }

    private struct Chain {
        var extentCount = 0
        var lowest: Unit
    }

    /// Marks an item's extents as kept, each of which must be there and nobody else's; nothing when one
    /// lies below the survey's start.
    private mutating func chain(_ item: Item) throws(DamagedRegion) -> Chain? {
        var chain = Chain(lowest: item.unit)
        var isBelow = false
        let fault = region.walkChain(item, valueByteCount: old.valueByteCount(item)) { extent in
            if chain.extentCount > 0 {
                isBelow = (ExtentAllocator.headUnitCount..<start).contains(extent.unit)
                guard continuations.contains(extent), !kept.contains(extent) else { return false }
            }
            kept.insert(extent)
            chain.extentCount += 1
            chain.lowest = min(chain.lowest, extent.unit)
            return true
        }
        guard let fault else { return chain }
        unmark(item, chain)
        if isBelow { return nil }
        throw fault.damage(of: item)
    }

    private mutating func unmark(_ item: Item, _ chain: Chain) {
        var extent = item.head
        for _ in 0..<chain.extentCount {
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
    static let casCounterLimit: UInt64 = 1 << 50
}

/// Extents of a region: a bit for each unit that one may start at, as far as any does.
private struct ExtentSet {
    private let end: Unit
    private var bits: [UInt64]

    init(end: Unit, usedEnd: Unit) {
        self.end = end
        bits = Array(repeating: 0, count: Int(usedEnd) / 64 + 1)
    }

    func contains(_ extent: Extent) -> Bool {
        let place = Int(extent.unit / 64)
        return extent.unit < end && place < bits.count && bits[place] & Self.bit(extent) != 0
    }

    mutating func insert(_ extent: Extent) {
        precondition(extent.unit < end, "an extent outside of its region")
        let place = Int(extent.unit / 64)
        if place >= bits.count {
            bits.append(contentsOf: repeatElement(0, count: place + 1 - bits.count))
        }
        bits[place] |= Self.bit(extent)
    }

    mutating func remove(_ extent: Extent) {
        let place = Int(extent.unit / 64)
        if place < bits.count { bits[place] &= ~Self.bit(extent) }
    }

    private static func bit(_ extent: Extent) -> UInt64 { 1 << UInt64(extent.unit % 64) }
}
