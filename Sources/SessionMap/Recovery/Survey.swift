/// What recovery needs to know of an item that is kept, so that it meets each but once before it is
/// taken in: most of the time of a restart is waiting for memory.
struct FoundItem {
    let item: Unit
    let tag: UInt32
    /// Seconds since it was accessed; of one on probation, since it was stored.
    let age: UInt32
}

/// A walk over a region that another process has left: which items and extents are kept.
struct Survey {
    /// The kept items, in the order of their places.
    var found: [FoundItem] = []
    var report = RecoveryReport()
    private(set) var expiredUnfetchedCount: UInt64 = 0
    /// The greatest that the kept items' CAS uniques tell of.
    private(set) var casCounter: UInt64 = 0
    private let region: Region
    private let end: Unit
    private let number: Int
    private let shardCount: Int
    private let hash: KeyHash
    private let isChecked: Bool
    /// A bit for each unit: a continuation starts there, of whatever item.
    private var continuations: [UInt64]
    /// A bit for each unit: an extent of a kept item starts there.
    private var kept: [UInt64]

    init(
        region: Region, end: Unit, number: Int, shardCount: Int, hash: KeyHash, now: UInt32,
        _ look: (Unit, _ hash: UInt64) -> FoundItem
    ) throws(DamagedRegion) {
        self.region = region
        self.end = end
        self.number = number
        self.shardCount = shardCount
        self.hash = hash
        isChecked = region.features.contains(.checksums)
        kept = Array(repeating: 0, count: Int(end) / 64 + 1)
        continuations = kept
        try checkBorders()
        let starts = try walk()
        let epoch = region.shardFlushes.epoch
        let superseded = superseded(among: starts, now: now)
        found.reserveCapacity(starts.count)
        for item in starts {
            if region[item, .epoch] != epoch {
                report.flushedCount += 1
            } else if Deadline(stored: region[item, .deadline]).isPassed(at: now) {
                report.expiredCount += 1
                if region[item, .marks] & ItemMark.fetched == 0 { expiredUnfetchedCount += 1 }
            } else if item == superseded {
                report.supersededCount += 1
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

    func isKept(_ unit: Unit) -> Bool { kept[Int(unit / 64)] & (1 << UInt64(unit % 64)) != 0 }

    /// Damage that something can be saved from, or that ends it.
    private mutating func note(_ damage: DamagedRegion) throws(DamagedRegion) {
        guard isChecked else { throw damage }
        report.note(damage)
    }

    private mutating func checkBorders() throws(DamagedRegion) {
        if region.length(0) != ExtentAllocator.headUnitCount
            || region.kindIfKnown(0) != .border || region.length(end - 1) != 1
            || region.kindIfKnown(end - 1) != .border
        {
            try note(DamagedRegion(reason: "a region without its borders"))
            region.setHeader(
                0, length: ExtentAllocator.headUnitCount, kind: .border, previousIsFree: false)
            region.setHeader(end - 1, length: 1, kind: .border, previousIsFree: false)
        }
        // What was flushed must not come back, whatever becomes of the rest.
        guard region.hasIntactFlushes else { throw DamagedRegion(reason: "a flush that never was") }
    }

    /// Marks where continuations start, and returns where items do.
    private mutating func walk() throws(DamagedRegion) -> [Unit] {
        var starts: [Unit] = []
        var unit = ExtentAllocator.headUnitCount
        while unit < end - 1 {
            let length = region.length(unit)
            guard length > 0, length < end - unit else {
                try note(
                    DamagedRegion(reason: "an extent of an impossible length at unit \(unit)"))
                // Nobody knows where the next one starts: the rest is one free extent.
                region.setHeader(
                    unit, length: end - 1 - unit, kind: .held, previousIsFree: false)
                break
            }
            switch region.kindIfKnown(unit) {
            case .item:
                if region[unit, .keyByteCount] > 0,
                    Int(length) * Region.unitByteCount >= region.valueOffset(unit)
                {
                    starts.append(unit)
                } else {
                    try note(DamagedRegion(reason: "an item without a key at unit \(unit)"))
                }
            case .continuation: continuations[Int(unit / 64)] |= 1 << UInt64(unit % 64)
            case .free, .held, .index: break
            case .border, .tombstone, .guest, .guestTombstone, nil:
                try note(
                    DamagedRegion(reason: "an extent of an unknown kind at unit \(unit)"))
            }
            unit += length
        }
        return starts
    }

    /// The one item whose successor may be there as well, if it is: it was being replaced.
    private mutating func superseded(among starts: [Unit], now: UInt32) -> Unit? {
        let loser = region[0, .superseded]
        guard loser != 0, starts.contains(loser) else { return nil }
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
    private mutating func keep(_ item: Unit) throws(DamagedRegion) -> UInt64 {
        let extentCount = try chain(item)
        let hash = hash.hash(region.key(item))
        let isOwn = Int(hash >> 32) & (shardCount - 1) == number
        if isOwn, isIntact(item) { return hash }
        unmarkChain(item, extentCount)
        throw DamagedRegion(
            reason: isOwn
                ? "an item with a wrong checksum, unit \(item)"
                : "an item that belongs to another shard, unit \(item)")
    }

    private func isIntact(_ item: Unit) -> Bool {
        guard isChecked, !region.isIntact(item, seed: hash.seed) else { return true }
        // It may have been changed just now.
        guard region.change?.item == item else { return false }
        region.finishChange(item)
        return region.isIntact(item, seed: hash.seed)
    }

    /// Marks an item's extents as kept, each of which must be there and nobody else's; returns how many.
    private mutating func chain(_ item: Unit) throws(DamagedRegion) -> Int {
        var count = 0
        var bytesLeft = region.valueOffset(item) + Int(region[item, .valueByteCount])
        var extent = item
        while true {
            kept[Int(extent / 64)] |= 1 << UInt64(extent % 64)
            count += 1
            bytesLeft -= Int(region.length(extent)) * Region.unitByteCount
            if bytesLeft <= 0 { break }
            extent = region[extent, .link]
            bytesLeft += Region.continuationHeaderByteCount
            guard extent < end,
                continuations[Int(extent / 64)] & (1 << UInt64(extent % 64)) != 0,
                !isKept(extent)
            else {
                unmarkChain(item, count)
                throw DamagedRegion(reason: "an item in pieces that misses one, unit \(item)")
            }
        }
        guard region[extent, .link] == 0 else {
            unmarkChain(item, count)
            throw DamagedRegion(reason: "an item with an extent too many, unit \(item)")
        }
        return count
    }

    private mutating func unmarkChain(_ item: Unit, _ count: Int) {
        var extent = item
        for _ in 0..<count {
            kept[Int(extent / 64)] &= ~(1 << UInt64(extent % 64))
            extent = region[extent, .link]
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
