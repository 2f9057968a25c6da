/// One part of the map: items and the memory that they lie in, of one region.
///
/// Goals: constant time for every operation (a store also pays for what it evicts); memory never
/// beyond its region. Not goals: exact recency across shards (each evicts its own oldest item); a
/// consistent view of two keys.
///
/// A shard knows no lock and no clock: its map locks it, and `now` is passed in. Its parts keep their
/// state to themselves: what is in index, queues and wheel is the business of `Items`, who has which
/// extent that of `ShardMemory`, and in what order a change reaches the memory that of `Journal`. What
/// an operation does with them is here, a file for each family.
///
/// Invariants, checked by `brokenInvariant()`: those of the parts, and every extent is free, or belongs
/// to exactly one item, held chain or index segment.
struct Shard: ~Copyable {
    let region: Region
    let number: Int
    let configuration: MapConfiguration
    var memory: ShardMemory
    var items: Items
    /// There while a region's end is left.
    var retreat: Retreat?
    /// The fraction of the present second, as the last operation was told.
    private var fraction: UInt32 = 0
    private(set) var casCounter: UInt64
    /// In an arena that has births.
    var births = BirthRule.kept(orElse: 0)
    /// Whether there are rules on how long items live.
    private(set) var isTimed: Bool
    var lifetimes: Lifetimes { configuration.lifetimes }
    var fences: FencedKeys
    /// Shown every item that is evicted while it is alive.
    var evictionObserver: ((Hit) -> Void)?

    /// A shard without items.
    init(
        region: Region, byteCount: Int, number: Int, configuration: MapConfiguration,
        hash: KeyHash, now: UInt32, casCounter: UInt64 = 0
    ) {
        var extents = ExtentAllocator(
            region: region, unitCount: UInt32(byteCount / Region.unitByteCount))
        guard let index = ItemIndex(region: region, extents: &extents) else {
            preconditionFailure("a region without room for its index")
        }
        let items = Items(
            region: region, configuration: configuration, hash: hash, now: now, index: index)
        self.init(
            region: region, number: number, configuration: configuration, extents: extents,
            items: items, casCounter: casCounter)
        region.clearBorder()
        region.setShardCASCounter(casCounter)
        region[.shardStampRule] = self.items.queues.stampRule.rawValue
    }

    init(
        region: Region, number: Int, configuration: MapConfiguration,
        extents: consuming ExtentAllocator, items: consuming Items, casCounter: UInt64
    ) {
        self.region = region
        self.number = number
        self.configuration = configuration
        isTimed = configuration.lifetimes.rules.areOn
        memory = ShardMemory(
            region: region, extents: extents, itemByteCountMax: configuration.itemByteCountMax)
        self.items = items
        fences = FencedKeys(mapByteCount: configuration.byteCount / configuration.shardCount)
        self.casCounter = casCounter
    }

    /// What an item is given: what its client wishes, or a fresh one; 0 where there are none.
    @inline(__always)
    mutating func casUnique(_ wish: UInt64?) -> UInt64 {
        guard configuration.assignsCASUniques else { return 0 }
        if let wish { return wished(wish) }
        return nextCASUnique()
    }

    /// What a client wishes for; among copies nothing that is not above all that is known of the key, or that
    /// nobody's clock would come to.
    @inline(never)
    private mutating func wished(_ wish: UInt64) -> UInt64 {
        // A birth of 0 is none: nobody keeps copies.
        guard case .kept(let birth) = births, birth != 0 else { return wish }
        let fresh = nextCASUnique()
        return wish > fresh && wish - fresh < BirthRule.wishMax ? wish : fresh
    }

    @inline(__always)
    private mutating func nextCASUnique() -> UInt64 {
        casCounter += 1
        // Kept, so that a unique does not come again after a restart, its item long gone.
        region.setShardCASCounter(casCounter)
        return casCounter &* UInt64(configuration.shardCount) &+ UInt64(number)
    }

    /// The rules on how long items live have changed.
    mutating func noteRules() {
        isTimed = lifetimes.rules.areOn
        items.noteRules()
    }

    mutating func setCASCounter(_ counter: UInt64) {
        casCounter = counter
        region.setShardCASCounter(counter)
    }

    /// Every operation starts here: a flush that was asked for in advance comes first.
    @inline(__always)
    mutating func enter(now: UInt32, fraction: UInt32 = 0) {
        self.fraction = fraction
        if items.flushes.deadline.isPassed(at: now) { flush() }
    }

    func time(_ now: UInt32) -> MapTime { MapTime(seconds: now, fraction: fraction) }

    mutating func flush() { items.flush(&memory) }

    // MARK: Making room

    /// Removes the item that is the first to go; false when nothing may go.
    mutating func makeRoom(now: UInt32, evictsProven: Bool = true) -> Bool {
        if items.expireLate(now: now, &memory) { return true }
        let flushed = items.queues.oldest(notOf: items.flushes.epoch)
        if !flushed.isNull {
            items.removeDead(flushed, &memory)
            return true
        }
        let item = items.queues.nextToGo(
            limit: memory.unitLimit, heldUnitCount: memory.heldUnitCount)
        guard !item.isNull else { return false }
        if items.isExpired(item, now: now) {
            items.removeDead(item, &memory)
            return true
        }
        guard configuration.evicts, evictsProven || !items.queues.isProven(item) else {
            return false
        }
        evictionObserver?(look(at: item, now: now))
        items.evict(item, time: time(now), &memory)
        return true
    }

    /// Takes extents for `byteCount` bytes, the first of which holds at least `headByteCount`, evicting
    /// as needed: until what is free is one run, or few pieces. When nothing may go any more, however
    /// many pieces it takes.
    mutating func allocateChain(
        byteCount: Int, headByteCount: Int, now: UInt32, evictsProven: Bool = true
    ) -> Extent? {
        let whole = Region.units(forByteCount: byteCount)
        guard whole <= memory.unitLimit else { return nil }
        while memory.usedUnitCount + whole > memory.allowance {
            guard makeRoom(now: now, evictsProven: evictsProven) else { return nil }
        }
        while true {
            if let chain = memory.take(byteCount: byteCount, headByteCount: headByteCount) {
                return chain
            }
            guard makeRoom(now: now, evictsProven: evictsProven) else {
                return memory.takePieces(byteCount: byteCount, headByteCount: headByteCount)
            }
        }
    }

    /// Makes sure that the index can take one more item of this tag.
    mutating func prepareIndex(_ tag: UInt32, now: UInt32) -> Bool {
        while !items.makeIndexRoom(tag, &memory) {
            guard makeRoom(now: now) else { return false }
        }
        return true
    }

    // MARK: Maintenance

    /// One bounded turn of what must be done as time goes by; true when more is due already.
    mutating func maintain(now: UInt32, itemBudget: Int) -> Bool {
        enter(now: now)
        fences.expire(now: now)
        let budget = WorkBudget(items: itemBudget)
        if items.expire(now: now, budget: budget, &memory) { return true }
        if items.sweep(budget: budget, &memory) { return true }
        if shrinkToLimit(now: now, budget: budget) { return true }
        if goOnRetreating(now: now, itemBudget: itemBudget) { return true }
        return !items.prepareAhead(budget)
    }

    /// Evicts what is above a limit that was lowered, as far as `budget` goes; true when there is more.
    private mutating func shrinkToLimit(now: UInt32, budget: WorkBudget) -> Bool {
        var budget = budget
        defer { memory.noteTurn() }
        while memory.isAboveLimit {
            guard !budget.isSpent else { return true }
            budget.spendItem()
            guard makeRoom(now: now) else { return false }
        }
        return false
    }
}
