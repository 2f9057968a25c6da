/// Key to item: extendible hashing over segments that live in the arena.
///
/// Goals: one segment and, nearly always, one item are touched by a look-up; the index grows and
/// shrinks by one segment at a time (about 700 slots, some microseconds), so no request waits for a
/// rehash; 10 to 12 bytes per item. Not a goal: iteration order.
///
/// A slot is 8 bytes: the item's unit and a 32-bit tag of its hash. The directory (in ordinary
/// memory, 4 bytes per segment) is indexed by the tag's low bits; the tag's high bits give the first
/// slot to probe. So neither growing nor removing has to touch an item. Linear probing, removal by
/// shifting back.
///
///     segment: | extent header | count, slots, depth | slot | slot | ...        512 ... 896 slots
///
/// A segment that is 4/5 full takes the next size; the largest splits into two, of the smallest size
/// as a rule. Tags may fall to one side; so a part takes the size that its items ask for.
///
/// The tag is part of an item's hash and must be passed in the same for the same key always.
struct ItemIndex: ~Copyable {
    private static let sizes: [UInt32] = [512, 640, 768, 896]
    /// The tag's low bits choose the segment, its high bits the slot: they must not meet.
    private static let depthMax: UInt32 = 20

    let region: Region
    private(set) var count = 0
    private(set) var unitCount: UInt32 = 0
    private(set) var depth: UInt32 = 0
    private(set) var directory: UnsafeMutablePointer<Unit>

    /// An empty index.
    init?(region: Region, extents: inout ExtentAllocator) {
        self.init(region: region, tags: [], extents: &extents)
    }

    /// An empty index with room for items of these tags: the segments that would be there had the
    /// items come one by one, or fuller ones where there are no runs for those, as they become when
    /// they wait for one to grow. As a last resort `makeRoom` is asked; nothing when it has none.
    init?(
        region: Region, tags: [UInt32], extents: inout ExtentAllocator,
        makeRoom: (inout ExtentAllocator) -> Bool = { _ in false }
    ) {
        self.region = region
        directory = .allocate(capacity: 1)
        directory.initialize(to: 0)
        var parts: [Part] = []
        for fill in [Fill.usual, .tight, .tightest, .full] {
            parts = Self.parts(tags, fill: fill)
            if lay(parts, &extents, { _ in false }) { return }
        }
        guard lay(parts, &extents, makeRoom) else { return nil }
    }

    /// Makes the segments of an empty index; all or none.
    private mutating func lay(
        _ parts: [Part], _ extents: inout ExtentAllocator,
        _ makeRoom: (inout ExtentAllocator) -> Bool
    ) -> Bool {
        var made: [(segment: Unit, part: Part)] = []
        for part in parts {
            var fresh: Unit?
            repeat {
                fresh = makeSegment(
                    slotCount: part.slotCount, depth: part.depth, extents: &extents)
            } while fresh == nil && makeRoom(&extents)
            guard let segment = fresh else {
                for (segment, _) in made { dropSegment(segment, extents: &extents) }
                return false
            }
            made.append((segment, part))
        }
        while depth < parts.reduce(0, { max($0, $1.depth) }) { doubleDirectory() }
        for (segment, part) in made { point(part.lowBits, depth: part.depth, to: segment) }
        return true
    }

    /// A segment to be made, for tags that agree in their `depth` low bits.
    private struct Part {
        var lowBits: UInt32
        var depth: UInt32
        var slotCount: UInt32
    }

    /// How full segments are made at most.
    private struct Fill {
        let numerator: Int
        let denominator: Int

        static let usual = Fill(numerator: 4, denominator: 5)
        static let tight = Fill(numerator: 9, denominator: 10)
        static let tightest = Fill(numerator: 19, denominator: 20)
        /// All slots but one, which is as far as it ever goes.
        static let full = Fill(numerator: 1, denominator: 1)

        func holds(_ itemCount: Int, slotCount: UInt32) -> Bool {
            itemCount * denominator < Int(slotCount) * numerator
        }
    }

    /// How tags fall to segments none of which is over-full.
    private static func parts(_ tags: [UInt32], fill: Fill) -> [Part] {
        var parts: [Part] = []
        var open: [(tags: [UInt32], lowBits: UInt32, depth: UInt32)] = [(tags, 0, 0)]
        while let next = open.popLast() {
            let count = next.tags.count
            if let slotCount = sizes.first(where: { fill.holds(count, slotCount: $0) })
                ?? (next.depth < depthMax ? nil : sizes[sizes.count - 1])
            {
                parts.append(
                    Part(lowBits: next.lowBits, depth: next.depth, slotCount: slotCount))
                continue
            }
            let bit: UInt32 = 1 << next.depth
            open.append((next.tags.filter { $0 & bit == 0 }, next.lowBits, next.depth + 1))
            open.append((next.tags.filter { $0 & bit != 0 }, next.lowBits | bit, next.depth + 1))
        }
        return parts
    }

    deinit { directory.deallocate() }

    /// Memory outside of the arena.
    var directoryByteCount: Int { 4 << Int(depth) }
    /// The power of two of slots that `stats` shows.
    var slotPower: Int {
        let slots = Int(unitCount) * Region.unitByteCount / IndexSlots.slotByteCount
        return slots <= 1 ? 0 : Int.bitWidth - (slots - 1).leadingZeroBitCount
    }

    /// A slot that was found; valid until the index changes.
    struct Slot {
        fileprivate let segment: Unit
        fileprivate let number: UInt32
    }

    // MARK: Look-up and change

    @inline(__always)
    func segment(_ tag: UInt32) -> Unit {
        directory[Int(tag & ((1 << depth) &- 1))]
    }

    func find(_ key: Span<UInt8>, tag: UInt32) -> (item: Unit, slot: Slot)? {
        let segment = segment(tag)
        let slots = IndexSlots(region: region, segment: segment)
        var number = slots.home(tag)
        while true {
            let slot = slots[number]
            if slot == 0 { return nil }
            if UInt32(truncatingIfNeeded: slot >> 32) == tag {
                let item = Unit(truncatingIfNeeded: slot)
                if region.hasKey(item, key) {
                    return (item, Slot(segment: segment, number: number))
                }
            }
            number = slots.after(number)
        }
    }

    /// The slot of an item that is in the index.
    func slot(of item: Unit, tag: UInt32) -> Slot {
        let segment = segment(tag)
        let slots = IndexSlots(region: region, segment: segment)
        var number = slots.home(tag)
        while true {
            let slot = slots[number]
            precondition(slot != 0, "an item that is not in the index")
            if Unit(truncatingIfNeeded: slot) == item {
                return Slot(segment: segment, number: number)
            }
            number = slots.after(number)
        }
    }

    func replace(_ slot: Slot, with item: Unit) {
        let slots = IndexSlots(region: region, segment: slot.segment)
        slots[slot.number] = (slots[slot.number] >> 32) << 32 | UInt64(item)
    }

    /// Adds an item whose key is not there. `hasRoom` must hold for the tag.
    mutating func insert(_ item: Unit, tag: UInt32) {
        let segment = segment(tag)
        IndexSlots(region: region, segment: segment).insert(
            UInt64(tag) << 32 | UInt64(item), tag: tag)
        setItemCount(segment, itemCount(segment) + 1)
        count += 1
    }

    mutating func remove(_ slot: Slot) {
        IndexSlots(region: region, segment: slot.segment).remove(slot.number)
        setItemCount(slot.segment, itemCount(slot.segment) - 1)
        count -= 1
    }

    // MARK: Growing and shrinking

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
        } else {
            merge(old, tag: tag, extents: &extents)
        }
    }

    private mutating func shorten(
        _ segment: Unit, toSlotCount slotCount: UInt32, extents: inout ExtentAllocator
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
        unitCount -= region.length(segment)
        extents.shorten(segment, to: Self.segmentUnits(slotCount: slotCount))
        unitCount += region.length(segment)
    }

    private mutating func resize(
        _ old: Unit, tag: UInt32, slotCount: UInt32, extents: inout ExtentAllocator
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
        _ old: Unit, tag: UInt32, extents: inout ExtentAllocator
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
        _ old: Unit, tag: UInt32, extents: inout ExtentAllocator
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

    private func copySlots(from old: Unit, to target: (UInt32) -> Unit) {
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

    private func countItems(of segment: Unit, where isCounted: (UInt32) -> Bool) -> UInt32 {
        let slots = IndexSlots(region: region, segment: segment)
        var count: UInt32 = 0
        for number in 0..<slots.count {
            let slot = slots[number]
            if slot != 0, isCounted(UInt32(truncatingIfNeeded: slot >> 32)) { count += 1 }
        }
        return count
    }

    /// Lets every directory place whose low `segmentDepth` bits are the tag's lead to `segment`.
    private func point(_ tag: UInt32, depth segmentDepth: UInt32, to segment: Unit) {
        var place = Int(tag & ((1 << segmentDepth) - 1))
        while place < 1 << Int(depth) {
            directory[place] = segment
            place += 1 << Int(segmentDepth)
        }
    }

    private mutating func doubleDirectory() {
        let size = 1 << Int(depth)
        let larger = UnsafeMutablePointer<Unit>.allocate(capacity: size * 2)
        larger.initialize(from: directory, count: size)
        (larger + size).initialize(from: directory, count: size)
        directory.deallocate()
        directory = larger
        depth += 1
    }

    // MARK: Segments

    private mutating func makeSegment(
        slotCount: UInt32, depth: UInt32, extents: inout ExtentAllocator
    ) -> Unit? {
        let length = Self.segmentUnits(slotCount: slotCount)
        guard let segment = extents.take(length) else { return nil }
        region.setKind(segment, .index)
        region[segment, .segmentItemCount] = 0
        setShape(segment, slotCount: slotCount, depth: depth)
        let slots = region.bytes(
            segment, offset: IndexSlots.headerByteCount,
            count: Int(slotCount) * IndexSlots.slotByteCount)
        slots.initializeMemory(as: UInt8.self, repeating: 0)
        unitCount += length
        return segment
    }

    private static func segmentUnits(slotCount: UInt32) -> UInt32 {
        Region.units(
            forByteCount: IndexSlots.headerByteCount + Int(slotCount) * IndexSlots.slotByteCount)
    }

    private mutating func dropSegment(_ segment: Unit, extents: inout ExtentAllocator) {
        unitCount -= region.length(segment)
        extents.give(segment)
    }

    @inline(__always)
    func itemCount(_ segment: Unit) -> UInt32 { region[segment, .segmentItemCount] }
    @inline(__always)
    private func setItemCount(_ segment: Unit, _ count: UInt32) {
        region[segment, .segmentItemCount] = count
    }
    @inline(__always)
    private func setShape(_ segment: Unit, slotCount: UInt32, depth: UInt32) {
        region[segment, .segmentShape] = slotCount << 8 | depth
    }
    @inline(__always)
    private func slotCount(_ segment: Unit) -> UInt32 { region[segment, .segmentShape] >> 8 }
    func segmentDepth(_ segment: Unit) -> UInt32 { region[segment, .segmentShape] & 0xFF }
}
