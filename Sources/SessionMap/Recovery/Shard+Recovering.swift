/// What recovery found in one shard or all.
package struct RecoveryReport: Equatable, Sendable {
    package var itemCount = 0
    package var byteCount = 0
    package var expiredCount = 0
    package var flushedCount = 0
    /// Items whose successors had just been published.
    package var supersededCount = 0
    /// Items, the first to go, that had to make room for the index.
    package var evictedCount = 0
    /// Items that were not what had been stored, and places where none could be made out any more.
    package var damagedCount = 0
    /// Shards of which nothing could be believed, and which start empty.
    package var emptiedShardCount = 0
    /// What was found to be damaged first.
    package var firstDamage: DamagedRegion?

    package init() {}

    mutating func add(_ other: RecoveryReport) {
        itemCount += other.itemCount
        byteCount += other.byteCount
        expiredCount += other.expiredCount
        flushedCount += other.flushedCount
        supersededCount += other.supersededCount
        evictedCount += other.evictedCount
        damagedCount += other.damagedCount
        emptiedShardCount += other.emptiedShardCount
        firstDamage = firstDamage ?? other.firstDamage
    }

    /// Takes note of damage that recovery goes on after.
    mutating func note(_ damage: DamagedRegion) {
        damagedCount += 1
        firstDamage = firstDamage ?? damage
    }
}

/// Memory that is not what a shard leaves behind, whenever it dies.
package struct DamagedRegion: Error, Equatable, Sendable {
    package let reason: String
}

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
        recovering region: Region, byteCount: Int, number: Int,
        configuration: MapConfiguration, hash: KeyHash, now: UInt32,
        report: inout RecoveryReport
    ) throws(DamagedRegion) {
        let end = UInt32(byteCount / Region.unitByteCount)
        let queues = EvictionQueues(region: region, policy: configuration.eviction)
        // The second's end: what was stored in it is not from the future.
        let time = MapTime(seconds: now, fraction: 15)
        let stampRule = StampRule(rawValue: region[0, .shardStampRule]) ?? .unknown
        var survey = try Survey(
            region: region, end: end, number: number, shardCount: configuration.shardCount,
            hash: hash, now: now
        ) { item, hash in
            FoundItem(
                item: item, tag: Shard.tag(hash),
                age: queues.adopt(item, from: stampRule, time: time))
        }
        region.clearChange()
        var extents = ExtentAllocator(region: region, unitCount: end) { survey.isKept($0) }
        survey.found.sort { $0.age > $1.age }
        var items = survey.found.map(\.item)
        let tags = survey.found.map(\.tag)
        // The old index has left its room, perhaps in pieces: items are moved to join them, and go only
        // if that does not do.
        var mover = Mover(region: region)
        var gone: Set<Int> = []
        var candidates: [Int] = []
        var evictions = EvictionCounts()
        let index = ItemIndex(region: region, tags: tags, extents: &extents) { extents in
            if mover.makeRun(ItemIndex.segmentUnitCountMax, of: &items, extents: &extents) {
                return true
            }
            if gone.isEmpty {
                // From the end: the oldest on probation first, the newest proven last.
                candidates =
                    items.indices.filter { queues.isProven(items[$0]) }.reversed()
                    + items.indices.filter { !queues.isProven(items[$0]) }.reversed()
            }
            guard let number = candidates.popLast() else { return false }
            evictions.note(
                items[number], region: region, age: survey.found[number].age, now: now)
            extents.giveChain(items[number])
            mover.forget(items[number])
            gone.insert(number)
            return true
        }
        guard let index else {
            throw DamagedRegion(reason: "there is no room for an index")
        }
        self.init(
            region: region, number: number, configuration: configuration, hash: hash, now: now,
            extents: extents, index: index)
        flushes = region.shardFlushes
        casCounter = region.shardCASCounter ?? survey.casCounter
        region.setShardCASCounter(casCounter)
        for number in items.indices where !gone.contains(number) {
            take(items[number], tag: tags[number], report: &survey.report)
        }
        // Counted by whoever stored them.
        totalItemCount = 0
        self.evictions = evictions
        reclaimedCount = UInt64(survey.report.expiredCount + survey.report.flushedCount)
        expiredUnfetchedCount = survey.expiredUnfetchedCount
        // Should the process die before this, some items' ages are read wrongly, and nothing else.
        region[0, .shardStampRule] = queues.stampRule.rawValue
        region[0, .superseded] = 0
        report.add(survey.report)
        report.evictedCount += gone.count
        report.itemCount += self.index.count
        report.byteCount += itemUnitCount * Region.unitByteCount
    }

    /// Takes in an item of the region, as the newest so far. Of two of one key, which only damage
    /// leaves, the higher CAS unique stays.
    private mutating func take(_ item: Unit, tag: UInt32, report: inout RecoveryReport) {
        if let twin = index.find(Span(_unsafeBytes: region.key(item)), tag: tag) {
            report.note(DamagedRegion(reason: "two items of one key, unit \(item)"))
            guard region.casUnique(twin.item) < region.casUnique(item) else {
                return extents.giveChain(item)
            }
            // Not `remove`, which may make the index smaller: it has room for all that is yet to come.
            index.remove(twin.slot)
            retire(twin.item)
        }
        region[item, .wheelPrevious] = TimingWheel.unscheduled
        index.insert(item, tag: tag)
        noteStored(item)
        queues.insert(item, unitCount: chainSize(item).unitCount)
        if region[item, .deadline] != 0 {
            wheel.schedule(item, deadline: region[item, .deadline])
        }
    }
}

/// Moves items that are in no index yet, so that a run of free units comes about.
private struct Mover {
    let region: Region
    /// Items of one extent by place; made when it is first needed.
    private var numbers: [Unit: Int] = [:]

    init(region: Region) { self.region = region }

    mutating func forget(_ item: Unit) { numbers[item] = nil }

    private static let candidateCount = 16

    /// Makes a free run of `length` units, behind one of the largest there are.
    mutating func makeRun(
        _ length: UInt32, of items: inout [Unit], extents: inout ExtentAllocator
    ) -> Bool {
        if numbers.isEmpty {
            for (number, item) in items.enumerated() where region[item, .link] == 0 {
                numbers[item] = number
            }
        }
        var tried: [Unit] = []
        var isMade = false
        while !isMade, tried.count < Self.candidateCount,
            let start = extents.takeLargest(atMost: length, atLeast: 1)
        {
            tried.append(start)
            // One that is long enough already was no help: it is not what was asked for.
            guard region.length(start) < length else { continue }
            isMade = extend(start, to: length, items: &items, extents: &extents)
        }
        for start in tried { extents.give(start) }
        return isMade
    }

    private mutating func extend(
        _ start: Unit, to length: UInt32, items: inout [Unit], extents: inout ExtentAllocator
    ) -> Bool {
        while region.length(start) < length {
            let next = start + region.length(start)
            if region.kind(next) == .free {
                extents.absorb(next, into: start, atMost: length)
            } else if let number = numbers[next],
                let place = extents.take(region.length(next))
            {
                region.moveItem(next, to: place)
                extents.give(next)
                region[0, .superseded] = 0
                items[number] = place
                numbers[next] = nil
                numbers[place] = number
            } else {
                return false
            }
        }
        return true
    }
}
