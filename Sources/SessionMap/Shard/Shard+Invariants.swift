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
        var reachable: [Extent: Region.Kind] = [:]
        checkItems(&reachable, &findings)
        if findings.isClean { checkQueues(&findings) }
        if findings.isClean { checkPins(&findings) }
        if findings.isClean { checkWheel(&findings) }
        if findings.isClean { checkWalk(reachable, &findings) }
        return findings.broken
    }

    private func checkItems(
        _ reachable: inout [Extent: Region.Kind], _ findings: inout InvariantFindings
    ) {
        var count = 0
        var units = 0
        var extra = 0
        var scheduled = 0
        items.index.forEachItem { item, tag in
            guard findings.isClean else { return }
            findings.require(region.kind(item.head) == .item, "the index holds what is not an item")
            findings.require(items.tag(of: item) == tag, "a tag that is not the key's")
            count += 1
            let size = region.chainSize(item.head)
            units += size.unitCount
            extra += size.extentCount - 1
            let fault = region.walkChain(
                item, valueByteCount: Int(region[item, .valueByteCount])
            ) { extent in
                let kind = region.kind(extent)
                return reachable.updateValue(kind, forKey: extent) == nil
                    && kind == (extent == item.head ? .item : .continuation)
            }
            if let fault { findings.note(fault.rawValue) }
            if items.wheel.isScheduled(item) {
                scheduled += 1
            } else {
                findings.require(
                    region.deadline(item).seconds == 0, "an item that will never expire")
            }
        }
        findings.require(count == items.index.count, "the index counts wrongly")
        findings.require(units == items.sums.unitCount, "the items' units are counted wrongly")
        findings.require(
            extra == items.sums.extraExtentCount, "the items' extents are counted wrongly")
        findings.require(scheduled == items.wheel.count, "the wheel holds what is not in the index")
    }

    private func checkQueues(_ findings: inout InvariantFindings) {
        let probationary = check(items.queues.probationary, isProven: false, &findings)
        let proven = check(items.queues.proven, isProven: true, &findings)
        findings.require(
            probationary.count + proven.count == items.index.count, "the queues miss items")
        findings.require(
            probationary.unitCount == items.queues.probationaryUnitCount
                && proven.unitCount == items.queues.provenUnitCount,
            "the queues' units are counted wrongly")
        findings.require(
            probationary.live == items.queues.liveProbationary
                && proven.live == items.queues.liveProven,
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
        while !item.isNull, findings.isClean {
            count += 1
            unitCount += region.chainSize(item.head).unitCount
            findings.require(count <= queue.count, "a queue that runs in a circle")
            findings.require(items.queues.isProven(item) == isProven, "an item in the wrong queue")
            if items.isFlushed(item) {
                findings.require(!metLiving, "a flushed item that is newer than a living one")
            } else {
                metLiving = true
                live.itemCount += 1
                live.unitCount += region.chainSize(item.head).unitCount
            }
            item = queue.newer(than: item)
        }
        findings.require(count == queue.count, "a queue counts wrongly")
        return (count, unitCount, live)
    }

    private func checkPins(_ findings: inout InvariantFindings) {
        var unitCount = 0
        for item in memory.pins.keys {
            switch region.kind(item.head) {
            case .item: unitCount += region.chainSize(item.head).unitCount
            case .held: break
            default: findings.note("a pinned value that is not where it was")
            }
        }
        findings.require(unitCount == memory.pinnedUnitCount, "pinned units are counted wrongly")
    }

    private func checkWheel(_ findings: inout InvariantFindings) {
        var count = 0
        // After the last second there is none.
        let next = min(items.wheel.time, .max - 1) + 1
        items.wheel.forEachScheduled { item, earliest in
            count += 1
            let deadline = region.deadline(item).seconds
            findings.require(
                deadline == 0 || earliest <= max(deadline, next),
                "an item whose slot comes up late")
        }
        findings.require(count == items.wheel.count, "the wheel counts wrongly")
    }

    private func checkWalk(
        _ reachable: [Extent: Region.Kind], _ findings: inout InvariantFindings
    ) {
        var walk = RegionWalk(region, end: memory.extents.end)
        findings.require(walk.hasBorders, "a region without its borders")
        var unitCounts: [Region.Kind: UInt32] = [:]
        var listedCount = 0
        var itemExtents = 0
        var held: UInt32 = 0
        var previousIsFree = false
        while findings.isClean, let step = walk.next() {
            if let fault = step.fault { findings.note(fault.rawValue) }
            findings.require(
                region.previousIsFree(step.extent) == previousIsFree,
                "a wrong bit about the neighbour")
            unitCounts[step.kind, default: 0] += step.length
            switch step.kind {
            case .free:
                findings.require(!previousIsFree, "free neighbours that were not joined")
                findings.require(
                    region.freeLength(before: step.extent + step.length) == step.length,
                    "a wrong footer")
                if step.length > 1 { listedCount += 1 }
            case .item, .continuation:
                if reachable[step.extent] != nil {
                    itemExtents += 1
                } else {
                    findings.require(step.kind == .continuation, "an item that is not in the index")
                    held += step.length
                }
            default: break
            }
            previousIsFree = step.kind == .free
        }
        findings.require(
            region.previousIsFree(Extent(memory.extents.end - 1)) == previousIsFree,
            "a wrong bit at the last border")
        findings.require(itemExtents == reachable.count, "an item's extent is not in the walk")
        findings.require(
            unitCounts[.free, default: 0]
                == memory.extents.freeUnitCount + memory.extents.fencedUnitCount,
            "free units are counted wrongly")
        findings.require(
            unitCounts[.index, default: 0] == items.index.unitCount,
            "index units are counted wrongly")
        findings.require(
            Int(held + unitCounts[.held, default: 0]) == memory.heldUnitCount,
            "held units are counted wrongly")
        memory.extents.forEachFree { extent in
            listedCount -= 1
            findings.require(region.kind(extent) == .free, "a free list holds what is taken")
        }
        findings.require(listedCount == 0, "a free extent is in no list")
    }
}
