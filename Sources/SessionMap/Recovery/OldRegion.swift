/// A region that another process has left, of this layout or an earlier one: what its fields say.
///
/// Extents, and how they follow on each other, are the same in both: `RegionWalk` has the rules, and
/// `Survey` says which items can be believed. Whatever is damaged, nothing that is read of those lies
/// outside of the region.
struct OldRegion {
    let region: Region
    let end: Unit
    private let isLayout3: Bool

    init(_ region: Region, end: Unit, layoutVersion: UInt32 = ArenaHeader.layoutVersion) {
        self.region = region
        self.end = end
        isLayout3 = layoutVersion == Layout3.version
    }

    /// Whether items have checksums: then damage costs what is damaged.
    var isChecked: Bool { region.features.contains(.checksums) }

    // MARK: The shard's

    var epoch: UInt32 { isLayout3 ? region[.layout3ShardEpoch] : region.shardFlushes.epoch }
    var flushDeadline: Deadline { region.shardFlushes.deadline }
    var stampRule: StampRule { StampRule(rawValue: region[.shardStampRule]) ?? .unknown }

    var hasIntactFlushes: Bool {
        isLayout3 ? epoch < Layout3.epochCount : region.hasIntactFlushes
    }

    /// Nothing when it is not what was stored.
    var casCounter: UInt64? {
        guard isLayout3 else { return region.shardCASCounter }
        let counter = region.casUnique(.null)
        return counter < Survey.casCounterLimit ? counter : nil
    }

    // MARK: Items

    /// An item's header.
    struct StoredItem {
        var casUnique: UInt64
        var accessed: UInt32
        var keyByteCount: Int
        var valueByteCount: Int
        var marks: UInt32
        var deadline: Deadline
        var clientFlags: UInt32
        var birth: UInt32
    }

    @inline(__always)
    func epoch(_ item: Item) -> UInt32 {
        isLayout3 ? region[item, .layout3Epoch] : region[item, .epoch]
    }

    @inline(__always)
    func valueByteCount(_ item: Item) -> Int {
        Int(isLayout3 ? region[item, .layout3ValueByteCount] : region[item, .valueByteCount])
    }

    func marks(_ item: Item) -> UInt32 {
        isLayout3 ? region[item, .layout3Marks] : region.marks(item)
    }

    func header(_ item: Item) -> StoredItem {
        StoredItem(
            casUnique: region.casUnique(item), accessed: region[item, .accessed],
            keyByteCount: Int(region[item, .keyByteCount]), valueByteCount: valueByteCount(item),
            marks: marks(item), deadline: region.deadline(item),
            clientFlags: region.clientFlags(item),
            birth: region.features.contains(.births) ? region.birth(item) : 0)
    }

    /// Whether an item, whose extents are sound, is what was stored; without checksums nobody knows.
    func isIntact(_ item: Item, seed: UInt64) -> Bool {
        guard isChecked, !region.isIntact(item, seed: seed) else { return true }
        // It may have been changed just now.
        guard region.change?.item == item else { return false }
        region.finishChange(item)
        return region.isIntact(item, seed: seed)
    }

    /// Calls `body` with the parts of an item's key and value, whose extents are sound, one after the
    /// other; the key is in the first.
    func forEachPart(
        _ item: Item, _ header: StoredItem, _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        var extent = item.head
        var offset = region.keyOffset(item)
        var left = header.keyByteCount + header.valueByteCount
        while true {
            let count = min(left, Int(region.length(extent)) * Region.unitByteCount - offset)
            body(UnsafeRawBufferPointer(region.bytes(extent, offset: offset, count: count)))
            left -= count
            if left == 0 { return }
            extent = region.next(after: extent)
            offset = Region.continuationHeaderByteCount
        }
    }

    /// Calls `body` with the extents of an item, which are sound.
    func forEachExtent(_ item: Item, _ body: (Extent) -> Void) {
        var extent = item.head
        while !extent.isNull {
            body(extent)
            extent = region.next(after: extent)
        }
    }
}

/// An arena that another process has left, of this layout or an earlier one.
struct OldArena {
    private let base: UnsafeMutableRawPointer
    private let found: FoundArena
    private let hash: KeyHash

    init(_ memory: UnsafeMutableRawBufferPointer, _ found: FoundArena) {
        let header = found.header
        let byteCount = header.regionCount * header.regionByteCount + Region.guardByteCount
        guard let base = memory.baseAddress, ArenaHeader.byteCount + byteCount <= memory.count
        else { preconditionFailure("memory that does not hold the regions") }
        self.base = base
        self.found = found
        hash = KeyHash(seed: header.hashSeed)
    }

    var header: ArenaHeader { found.header }

    /// Where a region begins, in bytes from the arena's start.
    func start(of number: Int) -> Int {
        ArenaHeader.byteCount + number * header.regionByteCount
    }

    func region(_ number: Int) -> OldRegion {
        precondition(number >= 0 && number < header.regionCount, "no such region")
        let end = UInt32(header.regionByteCount / Region.unitByteCount)
        return OldRegion(
            Region(base: base + start(of: number), unitCount: end, features: header.features),
            end: end, layoutVersion: found.layoutVersion)
    }

    /// Surveys a region from `start` on. Of one with checksums of which nothing can be believed nothing
    /// is kept, and there is no survey; without, damage that shows is an error.
    func survey(
        _ number: Int, from start: Unit = ExtentAllocator.headUnitCount, now: UInt32,
        _ report: inout RecoveryReport, keep: (Item, _ hash: UInt64, _ lowest: Unit) -> Void
    ) throws(DamagedRegion) -> Survey? {
        do throws(DamagedRegion) {
            let survey = try Survey(
                region(number), from: start, number: number, shardCount: header.regionCount,
                hash: hash, now: now, keep: keep)
            report.add(survey.report)
            return survey
        } catch {
            guard header.features.contains(.checksums) else { throw error }
            report.noteEmptied(error)
            return nil
        }
    }
}
