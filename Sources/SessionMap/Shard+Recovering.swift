/// What a shard keeps for recovery, behind the region's first border.
extension Region.Field {
    fileprivate static let shardEpoch = Region.Field(offset: 24)
    fileprivate static let shardFlushDeadline = Region.Field(offset: 28)
    /// The item that another of its key is about to replace; 0 when there is none.
    static let superseded = Region.Field(offset: 32)
    /// A `StampRule`.
    static let shardStampRule = Region.Field(offset: 36)
}

extension Region {
    /// What has been flushed, and what will be: one store changes both.
    var shardFlushes: FlushState {
        get {
            FlushState(
                epoch: self[0, .shardEpoch],
                deadline: Deadline(stored: self[0, .shardFlushDeadline]))
        }
        nonmutating set {
            setWords(
                0, offset: Field.shardEpoch.offset, newValue.epoch, newValue.deadline.seconds)
        }
    }

    /// Shares the place of an item's CAS unique, in the border's units.
    func setShardCASCounter(_ value: UInt64) { setCASUnique(0, value) }
    var shardCASCounter: UInt64 { casUnique(0) }
}

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

    package init() {}

    mutating func add(_ other: RecoveryReport) {
        itemCount += other.itemCount
        byteCount += other.byteCount
        expiredCount += other.expiredCount
        flushedCount += other.flushedCount
        supersededCount += other.supersededCount
        evictedCount += other.evictedCount
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
        var survey = try Survey(region: region, end: end, now: now) { item in
            FoundItem(
                item: item, tag: Shard.tag(hash.hash(region.key(item))),
                age: queues.adopt(item, from: stampRule, time: time))
        }
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
        casCounter = region.shardCASCounter
        for number in items.indices where !gone.contains(number) {
            take(items[number], tag: tags[number])
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
        report.itemCount += items.count - gone.count
        report.byteCount += itemUnitCount * Region.unitByteCount
    }

    /// Takes in an item of the region, as the newest so far.
    private mutating func take(_ item: Unit, tag: UInt32) {
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

/// What recovery needs to know of an item that is kept, so that it meets each but once before it is
/// taken in: most of the time of a restart is waiting for memory.
private struct FoundItem {
    let item: Unit
    let tag: UInt32
    /// Seconds since it was accessed; of one on probation, since it was stored.
    let age: UInt32
}

/// A walk over a region that another process has left: which items and extents are kept.
private struct Survey {
    /// The kept items, in the order of their places.
    var found: [FoundItem] = []
    private(set) var report = RecoveryReport()
    private(set) var expiredUnfetchedCount: UInt64 = 0
    private let region: Region
    private let end: Unit
    /// A bit for each unit: a continuation starts there, of whatever item.
    private var continuations: [UInt64]
    /// A bit for each unit: an extent of a kept item starts there.
    private var kept: [UInt64]

    init(
        region: Region, end: Unit, now: UInt32, _ look: (Unit) -> FoundItem
    ) throws(DamagedRegion) {
        self.region = region
        self.end = end
        kept = Array(repeating: 0, count: Int(end) / 64 + 1)
        continuations = kept
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
                try keep(item)
                found.append(look(item))
            }
        }
    }

    func isKept(_ unit: Unit) -> Bool { kept[Int(unit / 64)] & (1 << UInt64(unit % 64)) != 0 }

    /// Marks where continuations start, and returns where items do.
    private mutating func walk() throws(DamagedRegion) -> [Unit] {
        guard region.length(0) == ExtentAllocator.headUnitCount,
            region.kindIfKnown(0) == .border, region.length(end - 1) == 1,
            region.kindIfKnown(end - 1) == .border
        else { throw DamagedRegion(reason: "a region without its borders") }
        guard region.shardFlushes.epoch < Shard.epochCount else {
            throw DamagedRegion(reason: "a flush that never was")
        }
        var starts: [Unit] = []
        var unit = ExtentAllocator.headUnitCount
        while unit < end - 1 {
            let length = region.length(unit)
            guard length > 0, length < end - unit else {
                throw DamagedRegion(reason: "an extent of an impossible length at unit \(unit)")
            }
            switch region.kindIfKnown(unit) {
            case .item:
                let keyByteCount = Int(region[unit, .keyByteCount])
                guard keyByteCount > 0,
                    Int(length) * Region.unitByteCount >= region.valueOffset(unit)
                else { throw DamagedRegion(reason: "an item without a key at unit \(unit)") }
                starts.append(unit)
            case .continuation: continuations[Int(unit / 64)] |= 1 << UInt64(unit % 64)
            case .free, .held, .index: break
            case .border, .tombstone, .guest, .guestTombstone, nil:
                throw DamagedRegion(reason: "an extent of an unknown kind at unit \(unit)")
            }
            unit += length
        }
        return starts
    }

    /// The one item whose successor may be there as well, if it is: it was being replaced.
    private func superseded(among starts: [Unit], now: UInt32) -> Unit? {
        let loser = region[0, .superseded]
        guard loser != 0, starts.contains(loser) else { return nil }
        let epoch = region.shardFlushes.epoch
        let key = region.key(loser)
        let hasSuccessor = starts.contains { item in
            item != loser && Int(region[item, .keyByteCount]) == key.count
                && region[item, .epoch] == epoch
                && !Deadline(stored: region[item, .deadline]).isPassed(at: now)
                && region.key(item).elementsEqual(key)
        }
        return hasSuccessor ? loser : nil
    }

    /// Marks an item's extents, each of which must be there and nobody else's.
    private mutating func keep(_ item: Unit) throws(DamagedRegion) {
        var bytesLeft =
            region.valueOffset(item) + Int(region[item, .valueByteCount])
        var extent = item
        while true {
            kept[Int(extent / 64)] |= 1 << UInt64(extent % 64)
            bytesLeft -= Int(region.length(extent)) * Region.unitByteCount
            if bytesLeft <= 0 { break }
            extent = region[extent, .link]
            bytesLeft += Region.continuationHeaderByteCount
            guard extent < end, continuations[Int(extent / 64)] & (1 << UInt64(extent % 64)) != 0,
                !isKept(extent)
            else { throw DamagedRegion(reason: "an item in pieces that misses one, unit \(item)") }
        }
        guard region[extent, .link] == 0 else {
            throw DamagedRegion(reason: "an item with an extent too many, unit \(item)")
        }
    }
}
