/// What a check of invariants has found: the first sentence that does not hold. What comes after may
/// follow from it, so nobody looks further.
struct InvariantFindings {
    private(set) var broken: String?

    var isClean: Bool { broken == nil }

    mutating func note(_ sentence: String) { broken = broken ?? sentence }

    mutating func require(_ holds: @autoclosure () -> Bool, _ sentence: String) {
        if isClean, !holds() { note(sentence) }
    }
}

/// The invariants of a shard and its parts, for tests.
extension Shard {
    /// The first that is broken, in a sentence; nothing when all hold.
    func brokenInvariant() -> String? {
        var findings = InvariantFindings()
        var reachable: [Unit: Region.Kind] = [:]
        checkItems(&reachable, &findings)
        if findings.isClean { checkQueues(&findings) }
        if findings.isClean { checkPins(&findings) }
        if findings.isClean { checkWheel(&findings) }
        if findings.isClean { checkWalk(reachable, &findings) }
        return findings.broken
    }

    private func checkItems(
        _ reachable: inout [Unit: Region.Kind], _ findings: inout InvariantFindings
    ) {
        var items = 0
        var units = 0
        var extra = 0
        var scheduled = 0
        index.forEachItem { item, tag in
            guard findings.isClean else { return }
            findings.require(region.kind(item) == .item, "the index holds what is not an item")
            findings.require(self.tag(of: item) == tag, "a tag that is not the key's")
            items += 1
            let size = chainSize(item)
            units += size.unitCount
            extra += size.extentCount - 1
            var extent = item
            while extent != 0, findings.isClean {
                findings.require(
                    reachable.updateValue(region.kind(extent), forKey: extent) == nil,
                    "an extent that belongs to two items")
                findings.require(
                    region.kind(extent) == (extent == item ? .item : .continuation),
                    "an extent of the wrong kind")
                extent = region[extent, .link]
            }
            let room =
                size.unitCount * Region.unitByteCount
                - (size.extentCount - 1) * Region.continuationHeaderByteCount
            let needed =
                region.valueOffset(item) + Int(region[item, .valueByteCount])
            findings.require(room >= needed, "an item that does not fit its extents")
            if wheel.isScheduled(item) {
                scheduled += 1
            } else {
                findings.require(region[item, .deadline] == 0, "an item that will never expire")
            }
        }
        findings.require(items == index.count, "the index counts wrongly")
        findings.require(units == itemUnitCount, "the items' units are counted wrongly")
        findings.require(extra == extraExtentCount, "the items' extents are counted wrongly")
        findings.require(scheduled == wheel.count, "the wheel holds what is not in the index")
    }

    private func checkQueues(_ findings: inout InvariantFindings) {
        let probationary = check(queues.probationary, isProven: false, &findings)
        let proven = check(queues.proven, isProven: true, &findings)
        findings.require(
            probationary.count + proven.count == index.count, "the queues miss items")
        findings.require(
            probationary.unitCount == queues.probationaryUnitCount
                && proven.unitCount == queues.provenUnitCount,
            "the queues' units are counted wrongly")
        findings.require(
            probationary.live == queues.liveProbationary && proven.live == queues.liveProven,
            "flushed items are counted wrongly")
    }

    private func check(
        _ queue: RecencyQueue, isProven: Bool, _ findings: inout InvariantFindings
    ) -> (count: Int, unitCount: Int, live: QueueSize) {
        var count = 0
        var unitCount = 0
        var live = QueueSize()
        var item = queue.oldest
        var metLiving = false
        while item != 0, findings.isClean {
            count += 1
            unitCount += chainSize(item).unitCount
            findings.require(count <= queue.count, "a queue that runs in a circle")
            findings.require(queues.isProven(item) == isProven, "an item in the wrong queue")
            if isFlushed(item) {
                findings.require(!metLiving, "a flushed item that is newer than a living one")
            } else {
                metLiving = true
                live.itemCount += 1
                live.unitCount += chainSize(item).unitCount
            }
            item = queue.newer(than: item)
        }
        findings.require(count == queue.count, "a queue counts wrongly")
        return (count, unitCount, live)
    }

    private func checkPins(_ findings: inout InvariantFindings) {
        var unitCount = 0
        for item in pins.keys {
            switch region.kind(item) {
            case .item: unitCount += chainSize(item).unitCount
            case .held: break
            default: findings.note("a pinned value that is not where it was")
            }
        }
        findings.require(unitCount == pinnedUnitCount, "pinned units are counted wrongly")
    }

    private func checkWheel(_ findings: inout InvariantFindings) {
        var count = 0
        wheel.forEachScheduled { item, earliest in
            count += 1
            let deadline = region[item, .deadline]
            findings.require(
                deadline == 0 || earliest <= max(deadline, wheel.time + 1),
                "an item whose slot comes up late")
        }
        findings.require(count == wheel.count, "the wheel counts wrongly")
    }

    private func checkWalk(
        _ reachable: [Unit: Region.Kind], _ findings: inout InvariantFindings
    ) {
        var unit = ExtentAllocator.headUnitCount
        var freeUnits: UInt32 = 0
        var freeCount = 0
        var held = 0
        var indexUnits: UInt32 = 0
        var itemExtents = 0
        var previousIsFree = false
        while unit < extents.end - 1, findings.isClean {
            let length = region.length(unit)
            findings.require(length > 0, "an extent without length")
            findings.require(
                region.previousIsFree(unit) == previousIsFree, "a wrong bit about the neighbour")
            let kind = region.kind(unit)
            switch kind {
            case .free:
                findings.require(!previousIsFree, "free neighbours that were not joined")
                findings.require(
                    region.freeLength(before: unit + length) == length, "a wrong footer")
                freeUnits += length
                if length > 1 { freeCount += 1 }
            case .item, .continuation:
                if reachable[unit] == nil {
                    findings.require(kind == .continuation, "an item that is not in the index")
                    held += Int(length)
                } else {
                    itemExtents += 1
                }
            case .held: held += Int(length)
            case .index: indexUnits += length
            case .border: findings.note("a border inside of the region")
            case .tombstone, .guest, .guestTombstone:
                findings.note("an extent of a kind that nobody uses yet")
            }
            previousIsFree = kind == .free
            unit += length
        }
        findings.require(unit == extents.end - 1, "the walk misses the last border")
        findings.require(
            region.previousIsFree(unit) == previousIsFree, "a wrong bit at the last border")
        findings.require(itemExtents == reachable.count, "an item's extent is not in the walk")
        findings.require(freeUnits == extents.freeUnitCount, "free units are counted wrongly")
        findings.require(indexUnits == index.unitCount, "index units are counted wrongly")
        findings.require(held == heldUnitCount, "held units are counted wrongly")
        var listed = 0
        extents.forEachFree { extent in
            listed += 1
            findings.require(region.kind(extent) == .free, "a free list holds what is taken")
        }
        findings.require(listed == freeCount, "a free extent is in no list")
    }
}
