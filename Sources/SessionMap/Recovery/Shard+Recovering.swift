/// Making a shard of what another process has left in its region.
///
/// Only extent headers and items are believed. A process may have died between any two stores; every
/// change is published by one of them, so each item is there as a whole or not at all. Index, queues,
/// wheel and free lists are made anew. Costs one look at every extent, and a sort of the items.
///
/// With checksums not even items are believed: one that is not what was stored is dropped, and where
/// extents do not follow on each other what is behind that place. Without, damage that shows is an error.
/// Nothing is read from memory that a dead item left: what was deleted stays so.
extension Shard {
    init(
        recovering region: Region, byteCount: Int, limitByteCount: Int? = nil,
        isSettled: Bool = false, number: Int,
        configuration: MapConfiguration, hash: KeyHash, now: UInt32,
        report: inout RecoveryReport
    ) throws(DamagedRegion) {
        let end = UInt32(byteCount / Region.unitByteCount)
        let queues = EvictionQueues(region: region, policy: configuration.eviction)
        // The second's end: what was stored in it is not from the future.
        let time = MapTime(seconds: now, fraction: 15)
        let stampRule = StampRule(rawValue: region[.shardStampRule]) ?? .unknown
        var found: [FoundItem] = []
        let survey = try Survey(
            OldRegion(region, end: end), number: number, shardCount: configuration.shardCount,
            hash: hash, now: now
        ) { item, hash, _ in
            found.append(
                FoundItem(
                    item: item, tag: Items.tag(hash),
                    age: queues.adopt(item, from: stampRule, time: time)))
        }
        survey.repair()
        var surveyed = survey.report
        region.clearChange()
        var extents = ExtentAllocator(region: region, unitCount: end) { survey.isKept($0) }
        let limitByteCount = limitByteCount ?? byteCount
        extents.setFence(UInt32(limitByteCount / Region.unitByteCount) - 1)
        found.sort { $0.age > $1.age }
        var room = IndexRoom(region: region, queues: queues, found: found, now: now)
        let index = ItemIndex(region: region, tags: found.map(\.tag), extents: &extents) {
            room.make(in: &$0)
        }
        guard let index else {
            throw DamagedRegion(reason: "there is no room for an index")
        }
        let casCounter = region.shardCASCounter ?? survey.casCounter
        region.setShardCASCounter(casCounter)
        self.init(
            region: region, number: number, configuration: configuration, extents: extents,
            items: Items(
                region: region, configuration: configuration, hash: hash, now: now, index: index,
                flushes: region.shardFlushes),
            casCounter: casCounter)
        for found in room.found where !found.item.isNull {
            if isTimed {
                items.setDeadline(adoptedDeadline(of: found.item, now: now), of: found.item)
            }
            if !items.adopt(found.item, tag: found.tag, &memory) {
                surveyed.note(
                    DamagedRegion(reason: "two items of one key, unit \(found.item.unit)"))
            }
        }
        // What was stored is counted by whoever stored it.
        var counts = room.counts
        counts[.reclaimed] = surveyed.expiredCount + surveyed.flushedCount
        counts[.expiredUnfetched] = survey.expiredUnfetchedCount
        items.sums.add(counts, lastEviction: room.lastEviction)
        // Should the process die before this, some items' ages are read wrongly, and nothing else.
        region[.shardStampRule] = queues.stampRule.rawValue
        Journal(region: region).settle()
        if !isSettled { memory.forgetMemoryEnd() }
        setLimit(byteCount: limitByteCount, isSettled: isSettled)
        surveyed.counts[.evicted] = counts[.evictions]
        surveyed.counts[.items] = items.index.count
        surveyed.counts[.bytes] = items.sums.unitCount * Region.unitByteCount
        report.add(surveyed)
    }
}

/// Room for the index of a region whose items are in no index yet. The old index has left its room,
/// perhaps in pieces: items are moved to join them, and go only if that does not do.
private struct IndexRoom {
    private let region: Region
    private let queues: EvictionQueues
    private let now: UInt32
    /// The oldest first; null in place of an item that has gone.
    private(set) var found: [FoundItem]
    private(set) var counts = Counts<MapCounter>()
    private(set) var lastEviction = LastEviction()
    private var isPrepared = false
    /// Where items are in `found`; made when it is first needed.
    private var numbers: [Item: Int] = [:]
    /// From the end: the oldest on probation first, the newest proven last.
    private var candidates: [Int] = []

    init(region: Region, queues: EvictionQueues, found: [FoundItem], now: UInt32) {
        self.region = region
        self.queues = queues
        self.found = found
        self.now = now
    }

    /// Makes a run of free units of which any segment can be made, or lets an item go; false when there
    /// is none left.
    mutating func make(in extents: inout ExtentAllocator) -> Bool {
        if !isPrepared {
            isPrepared = true
            for (number, found) in found.enumerated() { numbers[found.item] = number }
            candidates =
                found.indices.filter { queues.isProven(found[$0].item) }.reversed()
                + found.indices.filter { !queues.isProven(found[$0].item) }.reversed()
        }
        let rule = Journal.RunRule(candidateCount: 16, takesWhatIsThere: false)
        let isMade = Journal(region: region).makeRun(
            ItemIndex.segmentUnitCountMax, rule, extents: &extents
        ) {
            numbers[$0] != nil
        } didMove: { item, place in
            guard let number = numbers.removeValue(forKey: item) else { return }
            numbers[place] = number
            found[number].item = place
        }
        return isMade || evict(from: &extents)
    }

    private mutating func evict(from extents: inout ExtentAllocator) -> Bool {
        guard let number = candidates.popLast() else { return false }
        let item = found[number].item
        counts.countEviction(item, region)
        lastEviction = LastEviction(age: found[number].age, seconds: now)
        numbers[item] = nil
        found[number].item = .null
        Journal(region: region).giveBack(item, to: &extents)
        return true
    }
}
