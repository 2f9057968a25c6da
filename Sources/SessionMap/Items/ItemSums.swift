/// What a shard's items take, and what was counted as they came and went. `Items` tells it of each.
struct ItemSums {
    /// In which `sizes` go up.
    static let sizeStepByteCount = 32

    private let region: Region
    private let tracksSizes: Bool
    private(set) var unitCount = 0
    /// Extents per item are this many more than one, summed up.
    private(set) var extraExtentCount = 0
    /// Live items by size in steps of `sizeStepByteCount`, when the configuration asks for it.
    private(set) var sizes: [Int: Int] = [:]
    private(set) var counts = Counts<MapCounter>()
    var lastEviction = LastEviction()
    /// The most seconds that an item was removed too late, since somebody has looked and set it to 0.
    var lagSecondsMax: UInt32 = 0

    init(region: Region, tracksSizes: Bool) {
        self.region = region
        self.tracksSizes = tracksSizes
    }

    // MARK: What is there

    @inline(__always)
    mutating func add(_ size: (unitCount: Int, extentCount: Int)) {
        unitCount += size.unitCount
        extraExtentCount += size.extentCount - 1
        if tracksSizes { countSize(size.unitCount, 1) }
    }

    @inline(__always)
    mutating func subtract(_ size: (unitCount: Int, extentCount: Int), isFlushed: Bool) {
        unitCount -= size.unitCount
        extraExtentCount -= size.extentCount - 1
        if tracksSizes, !isFlushed { countSize(size.unitCount, -1) }
    }

    private mutating func countSize(_ unitCount: Int, _ difference: Int) {
        let step = unitCount * Region.unitByteCount + Self.sizeStepByteCount - 1
        sizes[step / Self.sizeStepByteCount, default: 0] += difference
    }

    /// After a flush nothing is live.
    mutating func forgetSizes() {
        if tracksSizes { sizes = [:] }
    }

    // MARK: What has happened

    @inline(__always)
    mutating func countStored() { counts[.totalItems] += 1 }

    /// To whoever counts it, the item that was stored last is the one that it replaced.
    mutating func uncountStored() { counts[.totalItems] -= 1 }

    mutating func countBorn() { counts[.born] += 1 }

    mutating func countFlushed(_ itemCount: Int) { counts[.flushed] += itemCount }

    /// Counts an item that goes as its time has come, and is over for so long.
    mutating func countExpiredInTurn(lagSeconds: UInt32) {
        counts[.expiredInTurn] += 1
        counts[.expiryLagSeconds] += Int(lagSeconds)
        lagSecondsMax = max(lagSecondsMax, lagSeconds)
    }

    mutating func countReleased(byteCount: Int) { counts[.releasedBytes] += byteCount }

    mutating func countOutOfMemory() { counts[.outOfMemory] += 1 }

    mutating func countFenced() { counts[.fenced] += 1 }

    mutating func countRenewal() { counts[.idleRenewed] += 1 }

    mutating func count(_ ruling: Lifetimes.Ruling) {
        if ruling.wasDefaulted { counts[.exptimeDefaulted] += 1 }
        if ruling.wasCapped { counts[.exptimeCapped] += 1 }
        if ruling.wasCutByAbsolute { counts[.absoluteCapped] += 1 }
    }

    mutating func count(_ end: Lifetimes.End) {
        switch end {
        case .idle: counts[.expiredIdle] += 1
        case .absolute: counts[.expiredAbsolute] += 1
        }
    }

    /// Counts an item that goes, and whose memory is still whole.
    @inline(__always)
    mutating func count(_ reason: RemovalReason, _ item: Item) {
        switch reason {
        case .replaced: break
        case .deleted: counts[.deleted] += 1
        case .outdated: counts[.outdated] += 1
        // Counted with all others of the flush.
        case .flushed: counts[.reclaimed] += 1
        case .expired:
            counts[.reclaimed] += 1
            counts[.expired] += 1
            if region[item, .marks] & ItemMark.fetched == 0 { counts[.expiredUnfetched] += 1 }
        case .evicted: counts.countEviction(item, region)
        }
    }

    /// Counts what others have done to items that are here now.
    mutating func add(_ others: Counts<MapCounter>, lastEviction last: LastEviction) {
        counts.add(others)
        if last.seconds >= lastEviction.seconds { lastEviction = last }
    }
}
