/// One part of the map: an index, eviction queues, a timing wheel and the extents of one region.
///
/// Goals: constant time for every operation (a store also pays for what it evicts); memory never
/// beyond its region. Not goals: exact recency across shards (each evicts its own oldest item); a
/// consistent view of two keys.
///
/// A shard knows no lock and no clock: its map locks it, and `now` is passed in.
///
/// Invariants, checked by `brokenInvariant()`:
/// - every item is in the index once and in one of the queues once; one with a deadline is in the
///   wheel, in a slot that comes up no later than it expires;
/// - every extent is free, or belongs to exactly one item, held chain or index segment;
/// - the counters agree with what is there.
struct Shard: ~Copyable {
    let region: Region
    let number: Int
    let configuration: MapConfiguration
    let hash: KeyHash
    var extents: ExtentAllocator
    var index: ItemIndex
    var queues: EvictionQueues
    var wheel: TimingWheel

    var flushes = FlushState() {
        didSet { region.shardFlushes = flushes }
    }
    var epoch: UInt32 { flushes.epoch }
    var flushDeadline: Deadline {
        get { flushes.deadline }
        set { flushes.deadline = newValue }
    }
    /// The fraction of the present second, as the last operation was told.
    private var fraction: UInt32 = 0
    /// Flushes since the last moment without flushed items; bounds the use of `epoch`.
    var unsweptFlushCount = 0
    static let epochCount = 8
    /// Counts removals: whoever found a slot before may use it only if this has not changed.
    var removalCount: UInt64 = 0
    var casCounter: UInt64 = 0
    /// Items whose values replies still read, and how many: their extents must stay when they go.
    var pins: [Unit: Int] = [:]

    /// Units that may be in use; what is laid out, or less by an operator's wish.
    var unitLimit: UInt32
    var usedUnitCount: UInt32 { extents.capacity - extents.freeUnitCount }

    var itemUnitCount: Int = 0
    var extraExtentCount = 0
    /// Of values on their way in, and of items that are gone and still read by replies.
    var heldUnitCount: Int = 0
    /// Of items that replies read.
    var pinnedUnitCount: Int = 0
    var totalItemCount: UInt64 = 0
    var evictions = EvictionCounts()
    var expiredUnfetchedCount: UInt64 = 0
    var reclaimedCount: UInt64 = 0
    var outOfMemoryCount: UInt64 = 0
    /// Live items by size in steps of `sizeStepByteCount`, when the configuration asks for it.
    private(set) var sizes: [Int: Int] = [:]
    /// How far the region may come into use before `growthObserver` is told.
    var growthMark = Int.max
    var growthObserver: (() -> Void)?
    /// Shown every item that is evicted while it is alive.
    var evictionObserver: ((Hit) -> Void)?

    /// A shard without items.
    init(
        region: Region, byteCount: Int, number: Int, configuration: MapConfiguration,
        hash: KeyHash, now: UInt32
    ) {
        var extents = ExtentAllocator(
            region: region, unitCount: UInt32(byteCount / Region.unitByteCount))
        guard let index = ItemIndex(region: region, extents: &extents) else {
            preconditionFailure("a region without room for its index")
        }
        self.init(
            region: region, number: number, configuration: configuration, hash: hash, now: now,
            extents: extents, index: index)
        region.clearBorder()
        region[0, .shardStampRule] = queues.stampRule.rawValue
    }

    init(
        region: Region, number: Int, configuration: MapConfiguration, hash: KeyHash, now: UInt32,
        extents: consuming ExtentAllocator, index: consuming ItemIndex
    ) {
        self.region = region
        self.number = number
        self.configuration = configuration
        self.hash = hash
        unitLimit = extents.capacity
        self.extents = extents
        self.index = index
        queues = EvictionQueues(region: region, policy: configuration.eviction)
        wheel = TimingWheel(region: region, time: now)
    }

    /// The part of a key's hash that the index uses; the other half chose the shard.
    @inline(__always)
    static func tag(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash) }

    func tag(of item: Unit) -> UInt32 { Shard.tag(hash.hash(region.key(item))) }

    /// What an item is given: what its client wishes, or a fresh one; 0 where there are none.
    mutating func casUnique(_ wish: UInt64?) -> UInt64 {
        guard configuration.assignsCASUniques else { return 0 }
        return wish ?? nextCASUnique()
    }

    private mutating func nextCASUnique() -> UInt64 {
        casCounter += 1
        // Kept, so that a unique does not come again after a restart, its item long gone.
        region.setShardCASCounter(casCounter)
        return casCounter &* UInt64(configuration.shardCount) &+ UInt64(number)
    }

    // MARK: Life and death

    @inline(__always)
    func isFlushed(_ item: Unit) -> Bool { region[item, .epoch] != epoch }

    @inline(__always)
    func isExpired(_ item: Unit, now: UInt32) -> Bool {
        Deadline(stored: region[item, .deadline]).isPassed(at: now)
    }

    /// Every operation starts here: a flush that was asked for in advance comes first.
    @inline(__always)
    mutating func enter(now: UInt32, fraction: UInt32 = 0) {
        self.fraction = fraction
        if flushDeadline.isPassed(at: now) { flush() }
    }

    func time(_ now: UInt32) -> MapTime { MapTime(seconds: now, fraction: fraction) }

    /// The live item of a key, or why there is none. A dead one that is met is removed.
    @inline(__always)
    mutating func findLive(
        _ key: Span<UInt8>, tag: UInt32, now: UInt32
    ) -> (item: Unit, slot: ItemIndex.Slot, outcome: RetrievalOutcome)? {
        guard let found = index.find(key, tag: tag) else { return nil }
        if isFlushed(found.item) {
            removeDead(found.item, slot: found.slot, tag: tag)
            return (0, found.slot, .flushed)
        }
        if isExpired(found.item, now: now) {
            removeDead(found.item, slot: found.slot, tag: tag)
            return (0, found.slot, .expired)
        }
        return (found.item, found.slot, .hit)
    }

    /// What holds a key's place in the index. Eviction may take it away, or move its slot.
    struct Present {
        /// 0: nothing does.
        var item: Unit
        var slot: ItemIndex.Slot?
        let removalCount: UInt64

        static let none = Present(item: 0, slot: nil, removalCount: 0)
    }

    /// The live item of a key, for another to take its place.
    @inline(__always)
    mutating func findPresent(_ key: Span<UInt8>, tag: UInt32, now: UInt32) -> Present {
        guard let found = findLive(key, tag: tag, now: now), found.outcome == .hit else {
            return .none
        }
        return Present(item: found.item, slot: found.slot, removalCount: removalCount)
    }

    /// The same, after room was made.
    @inline(__always)
    func refreshed(_ old: Present, _ key: Span<UInt8>, tag: UInt32) -> Present {
        guard old.item != 0, old.removalCount != removalCount else { return old }
        guard let found = index.find(key, tag: tag) else { return .none }
        return Present(item: found.item, slot: found.slot, removalCount: removalCount)
    }

    /// Takes an item out of index, queue and wheel, and frees it unless a reply still reads it.
    mutating func remove(_ item: Unit, slot: ItemIndex.Slot, tag: UInt32) {
        index.remove(slot)
        retire(item)
        if index.wantsShrinking(slot) { index.shrink(tag, extents: &extents) }
    }

    /// As `remove`, for an item whose slot in the index another item has taken.
    mutating func retire(_ item: Unit) {
        removalCount += 1
        if wheel.isScheduled(item) { wheel.unschedule(item) }
        let size = chainSize(item)
        let isFlushed = isFlushed(item)
        queues.remove(item, unitCount: size.unitCount, isFlushed: isFlushed)
        itemUnitCount -= size.unitCount
        extraExtentCount -= size.extentCount - 1
        if configuration.tracksSizes, !isFlushed {
            sizes[Self.sizeStep(size.unitCount), default: 0] -= 1
        }
        if !pins.isEmpty, pins[item] != nil {
            region.setKind(item, .held)
            heldUnitCount += size.unitCount
            pinnedUnitCount -= size.unitCount
        } else {
            extents.giveChain(item)
        }
    }

    /// Removes an item that has expired or was flushed.
    mutating func removeDead(_ item: Unit, slot: ItemIndex.Slot, tag: UInt32) {
        reclaimedCount += 1
        if !isFlushed(item), region[item, .marks] & ItemMark.fetched == 0 {
            expiredUnfetchedCount += 1
        }
        remove(item, slot: slot, tag: tag)
    }

    mutating func removeDead(_ item: Unit) {
        let tag = tag(of: item)
        removeDead(item, slot: index.slot(of: item, tag: tag), tag: tag)
    }

    static let sizeStepByteCount = 32

    private static func sizeStep(_ unitCount: Int) -> Int {
        (unitCount * Region.unitByteCount + sizeStepByteCount - 1) / sizeStepByteCount
    }

    /// Counts an item in that has just become one.
    mutating func noteStored(_ item: Unit) {
        let size = chainSize(item)
        totalItemCount += 1
        itemUnitCount += size.unitCount
        extraExtentCount += size.extentCount - 1
        if configuration.tracksSizes { sizes[Self.sizeStep(size.unitCount), default: 0] += 1 }
        if Int(extents.frontier) > growthMark { noteGrowth() }
    }

    @inline(__always)
    func chainSize(_ head: Unit) -> (unitCount: Int, extentCount: Int) { region.chainSize(head) }

    // MARK: Making room

    /// Removes the item that is the first to go; false when nothing may go.
    mutating func makeRoom(now: UInt32, evictsProven: Bool = true) -> Bool {
        // Expired items first, should the next turn of maintenance not have come yet.
        if wheel.time < now {
            let before = removalCount
            _ = expire(now: now, budget: WorkBudget(items: 16))
            if removalCount != before { return true }
        }
        let flushed = queues.oldest(notOf: epoch)
        if flushed != 0 {
            removeDead(flushed)
            return true
        }
        let item = queues.nextToGo(limit: unitLimit, heldUnitCount: heldUnitCount)
        guard item != 0 else { return false }
        if isExpired(item, now: now) {
            removeDead(item)
            return true
        }
        guard configuration.evicts, evictsProven || !queues.isProven(item) else { return false }
        evictions.note(
            item, region: region, age: queues.secondsSinceAccess(item, time: time(now)), now: now)
        evictionObserver?(look(at: item, now: now))
        let tag = tag(of: item)
        remove(item, slot: index.slot(of: item, tag: tag), tag: tag)
        return true
    }

    // MARK: Flushing

    /// Lets everything that is stored be gone. Constant time: the memory comes back in turns of
    /// `maintain`, or when room is needed.
    mutating func flush() {
        // Nothing was stored since the last flush: flushes in a row are one.
        guard queues.hasItems(of: epoch) else {
            flushDeadline = .never
            return
        }
        if unsweptFlushCount == Self.epochCount - 2 {
            // One more, and an epoch would come again that some item still carries. It takes more
            // flushes than `maintain` keeps up with, with stores in between, to get here.
            while sweep(budget: WorkBudget(items: 1_000)) {}
        }
        flushes = FlushState(epoch: (epoch + 1) % UInt32(Self.epochCount), deadline: .never)
        unsweptFlushCount += 1
        queues.noteFlush()
        if configuration.tracksSizes { sizes = [:] }
    }

    /// Frees flushed items; true when there are more.
    private mutating func sweep(budget: WorkBudget) -> Bool {
        guard unsweptFlushCount > 0 else { return false }
        var budget = budget
        while true {
            let item = queues.oldest(notOf: epoch)
            if item == 0 { break }
            guard !budget.isSpent else { return true }
            budget.spendItem()
            removeDead(item)
        }
        unsweptFlushCount = 0
        return false
    }

    // MARK: The limit

    /// Sets how much of the region may be in use. What is above a lower limit is evicted in turns of
    /// `maintain`; a higher one lays out more of the region.
    mutating func setLimit(byteCount: Int) {
        let unitCount = UInt32(byteCount / Region.unitByteCount)
        if unitCount > extents.end { extents.extend(to: unitCount) }
        unitLimit = extents.capacity - (extents.end - unitCount)
    }

    private mutating func shrinkToLimit(now: UInt32, budget: WorkBudget) -> Bool {
        var budget = budget
        while usedUnitCount > unitLimit {
            guard !budget.isSpent else { return true }
            budget.spendItem()
            guard makeRoom(now: now) else { return false }
        }
        return false
    }

    // MARK: Maintenance

    /// One bounded turn of what must be done as time goes by; true when more is due already.
    mutating func maintain(now: UInt32, itemBudget: Int) -> Bool {
        enter(now: now)
        let budget = WorkBudget(items: itemBudget)
        if expire(now: now, budget: budget) { return true }
        if sweep(budget: budget) { return true }
        if shrinkToLimit(now: now, budget: budget) { return true }
        var ahead = budget
        return !wheel.prepareAhead(budget: &ahead)
    }

    /// Removes what has expired, as far as `budget` goes; true when there is more.
    private mutating func expire(now: UInt32, budget: WorkBudget) -> Bool {
        var budget = budget
        while let item = wheel.nextExpired(now: now, budget: &budget) { removeDead(item) }
        return wheel.time < now
    }
}

/// What a shard knows of flushes; a death of the process leaves a change of it whole or not at all.
struct FlushState {
    /// Items of another epoch than this have been flushed. They are all older than any other item,
    /// so they sit together at the oldest end of each queue.
    var epoch: UInt32 = 0
    /// When a flush that was asked for in advance is due.
    var deadline = Deadline.never
}
