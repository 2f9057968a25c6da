/// The invariants of a shard and its parts, for tests.
extension Shard {
    func checkInvariants() {
        var reachable: [Unit: Region.Kind] = [:]
        checkItems(&reachable)
        checkQueues()
        checkPins()
        checkWheel()
        checkWalk(reachable)
    }

    private func checkItems(_ reachable: inout [Unit: Region.Kind]) {
        var items = 0
        var units = 0
        var extra = 0
        var scheduled = 0
        index.forEachItem { item, tag in
            precondition(region.kind(item) == .item, "the index holds what is not an item")
            precondition(self.tag(of: item) == tag, "a tag that is not the key's")
            items += 1
            let size = chainSize(item)
            units += size.unitCount
            extra += size.extentCount - 1
            var extent = item
            while extent != 0 {
                precondition(
                    reachable.updateValue(region.kind(extent), forKey: extent) == nil,
                    "an extent that belongs to two items")
                precondition(
                    region.kind(extent) == (extent == item ? .item : .continuation),
                    "an extent of the wrong kind")
                extent = region[extent, .link]
            }
            let room =
                size.unitCount * Region.unitByteCount
                - (size.extentCount - 1) * Region.continuationHeaderByteCount
            let needed =
                region.valueOffset(item) + Int(region[item, .valueByteCount])
            precondition(room >= needed, "an item that does not fit its extents")
            if wheel.isScheduled(item) {
                scheduled += 1
            } else {
                precondition(region[item, .deadline] == 0, "an item that will never expire")
            }
        }
        precondition(items == index.count, "the index counts wrongly")
        precondition(units == itemUnitCount, "the items' units are counted wrongly")
        precondition(extra == extraExtentCount, "the items' extents are counted wrongly")
        precondition(scheduled == wheel.count, "the wheel holds what is not in the index")
    }

    private func checkQueues() {
        let probationary = check(queues.probationary, isProven: false)
        let proven = check(queues.proven, isProven: true)
        precondition(
            probationary.count + proven.count == index.count, "the queues miss items")
        precondition(
            probationary.unitCount == queues.probationaryUnitCount
                && proven.unitCount == queues.provenUnitCount,
            "the queues' units are counted wrongly")
        precondition(
            probationary.live == queues.liveProbationary && proven.live == queues.liveProven,
            "flushed items are counted wrongly")
    }

    private func check(
        _ queue: RecencyQueue, isProven: Bool
    ) -> (count: Int, unitCount: Int, live: QueueSize) {
        var count = 0
        var unitCount = 0
        var live = QueueSize()
        var item = queue.oldest
        var metLiving = false
        while item != 0 {
            count += 1
            unitCount += chainSize(item).unitCount
            precondition(count <= queue.count, "a queue that runs in a circle")
            precondition(queues.isProven(item) == isProven, "an item in the wrong queue")
            if isFlushed(item) {
                precondition(!metLiving, "a flushed item that is newer than a living one")
            } else {
                metLiving = true
                live.itemCount += 1
                live.unitCount += chainSize(item).unitCount
            }
            item = queue.newer(than: item)
        }
        precondition(count == queue.count, "a queue counts wrongly")
        return (count, unitCount, live)
    }

    private func checkPins() {
        var unitCount = 0
        for item in pins.keys {
            switch region.kind(item) {
            case .item: unitCount += chainSize(item).unitCount
            case .held: break
            default: preconditionFailure("a pinned value that is not where it was")
            }
        }
        precondition(unitCount == pinnedUnitCount, "pinned units are counted wrongly")
    }

    private func checkWheel() {
        var count = 0
        wheel.forEachScheduled { item, earliest in
            count += 1
            let deadline = region[item, .deadline]
            precondition(
                deadline == 0 || earliest <= max(deadline, wheel.time + 1),
                "an item whose slot comes up late")
        }
        precondition(count == wheel.count, "the wheel counts wrongly")
    }

    private func checkWalk(_ reachable: [Unit: Region.Kind]) {
        var unit = ExtentAllocator.headUnitCount
        var freeUnits: UInt32 = 0
        var freeCount = 0
        var held = 0
        var indexUnits: UInt32 = 0
        var itemExtents = 0
        var previousIsFree = false
        while unit < extents.end - 1 {
            let length = region.length(unit)
            precondition(length > 0, "an extent without length")
            precondition(
                region.previousIsFree(unit) == previousIsFree, "a wrong bit about the neighbour")
            let kind = region.kind(unit)
            switch kind {
            case .free:
                precondition(!previousIsFree, "free neighbours that were not joined")
                precondition(
                    region.freeLength(before: unit + length) == length, "a wrong footer")
                freeUnits += length
                if length > 1 { freeCount += 1 }
            case .item, .continuation:
                if reachable[unit] == nil {
                    precondition(kind == .continuation, "an item that is not in the index")
                    held += Int(length)
                } else {
                    itemExtents += 1
                }
            case .held: held += Int(length)
            case .index: indexUnits += length
            case .border: preconditionFailure("a border inside of the region")
            case .tombstone, .guest, .guestTombstone:
                preconditionFailure("an extent of a kind that nobody uses yet")
            }
            previousIsFree = kind == .free
            unit += length
        }
        precondition(unit == extents.end - 1, "the walk misses the last border")
        precondition(region.previousIsFree(unit) == previousIsFree)
        precondition(itemExtents == reachable.count, "an item's extent is not in the walk")
        precondition(freeUnits == extents.freeUnitCount, "free units are counted wrongly")
        precondition(indexUnits == index.unitCount, "index units are counted wrongly")
        precondition(held == heldUnitCount, "held units are counted wrongly")
        var listed = 0
        extents.forEachFree { extent in
            listed += 1
            precondition(region.kind(extent) == .free, "a free list holds what is taken")
        }
        precondition(listed == freeCount, "a free extent is in no list")
    }
}
