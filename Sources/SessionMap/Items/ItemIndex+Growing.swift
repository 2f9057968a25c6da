/// Growing and shrinking, a segment at a time.
extension ItemIndex {
    /// Whether one more item may go to the tag's segment at all. One slot always stays empty: it
    /// ends every probe.
    func hasRoom(_ tag: UInt32) -> Bool {
        let segment = segment(tag)
        return itemCount(segment) + 1 < slotCount(segment)
    }

    /// Whether the tag's segment is so full that it should grow before it takes one more.
    @inline(__always)
    func wantsGrowth(_ tag: UInt32) -> Bool {
        let segment = segment(tag)
        return itemCount(segment) * 5 >= slotCount(segment) * 4
    }

    /// Whether probes in the tag's segment have become long: 15/16 of the slots are taken.
    func isNearlyFull(_ tag: UInt32) -> Bool {
        let segment = segment(tag)
        return itemCount(segment) * 16 >= slotCount(segment) * 15
    }

    /// A run of free units of which any segment can be made.
    static let segmentUnitCountMax = segmentUnits(slotCount: sizes[sizes.count - 1])

    /// The run of free units with which the tag's segment can grow.
    func growthUnitCount(_ tag: UInt32) -> UInt32 {
        let slotCount = slotCount(segment(tag))
        if let larger = Self.sizes.first(where: { $0 > slotCount }) {
            return Self.segmentUnits(slotCount: larger)
        }
        // Two segments for a half each, and some more should the halves differ.
        return 2 * Self.segmentUnits(slotCount: Self.sizes[2])
    }

    @inline(__always)
    func wantsShrinking(_ slot: Slot) -> Bool {
        let slots = slotCount(slot.segment)
        let items = itemCount(slot.segment)
        return items * 5 < slots * 2 && (slots > Self.sizes[0] || segmentDepth(slot.segment) > 0)
    }

    /// Makes room in the tag's segment; false when the arena has no free extent for it. A split whose
    /// items all fell to one side makes no room: ask `wantsGrowth` again.
    mutating func grow(_ tag: UInt32, extents: inout ExtentAllocator) -> Bool {
        let old = segment(tag)
        if let larger = Self.sizes.first(where: { $0 > slotCount(old) }) {
            return resize(old, tag: tag, slotCount: larger, extents: &extents)
        }
        return split(old, tag: tag, extents: &extents)
    }

    /// Gives memory back where the slot's segment has become sparse. Needs no free extent: in a
    /// memory that is full and in pieces there may be none for long.
    mutating func shrink(_ tag: UInt32, extents: inout ExtentAllocator) {
        let old = segment(tag)
        if let smaller = Self.sizes.last(where: { $0 < slotCount(old) }) {
            shorten(old, toSlotCount: smaller, extents: &extents)
            point(tag, depth: segmentDepth(old), to: old)
        } else {
            merge(old, tag: tag, extents: &extents)
        }
    }

    private mutating func shorten(
        _ segment: Segment, toSlotCount slotCount: UInt32, extents: inout ExtentAllocator
    ) {
        let old = IndexSlots(region: region, segment: segment)
        withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Int(itemCount(segment))) { kept in
            var count = 0
            for number in 0..<old.count where old[number] != 0 {
                kept[count] = old[number]
                old[number] = 0
                count += 1
            }
            setShape(segment, slotCount: slotCount, depth: segmentDepth(segment))
            let slots = IndexSlots(region: region, segment: segment)
            for slot in kept { slots.insert(slot, tag: UInt32(truncatingIfNeeded: slot >> 32)) }
        }
        unitCount -= region.length(segment.extent)
        totalSlotCount -= Int(old.count - slotCount)
        extents.shorten(segment.extent, to: Self.segmentUnits(slotCount: slotCount))
        unitCount += region.length(segment.extent)
    }

    /// A place of the directory whose segment ends behind a unit, if one does.
    func directoryPlace(behind fence: UInt32) -> Int? {
        (0..<1 << Int(depth)).first { place in
            let extent = directory[place].segment.extent
            return extent.unit + region.length(extent) > fence
        }
    }

    /// Moves the segment of a directory's place to another run; false when there is none.
    mutating func moveSegment(at place: Int, extents: inout ExtentAllocator) -> Bool {
        let segment = directory[place].segment
        return resize(
            segment, tag: UInt32(place), slotCount: slotCount(segment), extents: &extents)
    }

    private mutating func resize(
        _ old: Segment, tag: UInt32, slotCount: UInt32, extents: inout ExtentAllocator
    ) -> Bool {
        let depth = segmentDepth(old)
        guard
            let fresh = makeSegment(slotCount: slotCount, depth: depth, extents: &extents)
        else { return false }
        copySlots(from: old) { _ in fresh }
        point(tag, depth: depth, to: fresh)
        dropSegment(old, extents: &extents)
        return true
    }

    private mutating func split(
        _ old: Segment, tag: UInt32, extents: inout ExtentAllocator
    ) -> Bool {
        let oldDepth = segmentDepth(old)
        guard oldDepth < Self.depthMax else { return false }
        let bit: UInt32 = 1 << oldDepth
        let highCount = countItems(of: old) { $0 & bit != 0 }
        let lowSize = Self.size(forItemCount: itemCount(old) - highCount)
        let highSize = Self.size(forItemCount: highCount)
        guard let low = makeSegment(slotCount: lowSize, depth: oldDepth + 1, extents: &extents)
        else { return false }
        guard let high = makeSegment(slotCount: highSize, depth: oldDepth + 1, extents: &extents)
        else {
            dropSegment(low, extents: &extents)
            return false
        }
        copySlots(from: old) { $0 & bit == 0 ? low : high }
        if oldDepth == depth { doubleDirectory() }
        point(tag & ~bit, depth: oldDepth + 1, to: low)
        point(tag | bit, depth: oldDepth + 1, to: high)
        dropSegment(old, extents: &extents)
        return true
    }

    /// Joins a segment of the smallest size with its sibling, when both fit into one with ease.
    private mutating func merge(
        _ old: Segment, tag: UInt32, extents: inout ExtentAllocator
    ) {
        let oldDepth = segmentDepth(old)
        guard oldDepth > 0 else { return }
        let bit: UInt32 = 1 << (oldDepth - 1)
        let sibling = segment(tag ^ bit)
        guard segmentDepth(sibling) == oldDepth,
            (itemCount(old) + itemCount(sibling)) * 5 < Self.sizes[0] * 3
        else { return }
        copySlots(from: sibling) { _ in old }
        setShape(old, slotCount: slotCount(old), depth: oldDepth - 1)
        point(tag, depth: oldDepth - 1, to: old)
        dropSegment(sibling, extents: &extents)
    }

    private func copySlots(from old: Segment, to target: (UInt32) -> Segment) {
        let slots = IndexSlots(region: region, segment: old)
        for number in 0..<slots.count {
            let slot = slots[number]
            guard slot != 0 else { continue }
            let tag = UInt32(truncatingIfNeeded: slot >> 32)
            let segment = target(tag)
            IndexSlots(region: region, segment: segment).insert(slot, tag: tag)
            setItemCount(segment, itemCount(segment) + 1)
        }
    }

    /// The smallest size that is not 4/5 full with so many items, or the largest.
    private static func size(forItemCount count: UInt32) -> UInt32 {
        sizes.first { count * 5 < $0 * 4 } ?? sizes[sizes.count - 1]
    }

    private func countItems(of segment: Segment, where isCounted: (UInt32) -> Bool) -> UInt32 {
        let slots = IndexSlots(region: region, segment: segment)
        var count: UInt32 = 0
        for number in 0..<slots.count {
            let slot = slots[number]
            if slot != 0, isCounted(UInt32(truncatingIfNeeded: slot >> 32)) { count += 1 }
        }
        return count
    }
}
