/// Key to item: extendible hashing over segments that live in the arena.
///
/// Goals: one segment and, nearly always, one item are touched by a look-up; the index grows and
/// shrinks by one segment at a time (about 700 slots, some microseconds), so no request waits for a
/// rehash; 10 to 12 bytes per item. Not a goal: iteration order.
///
/// A slot is 8 bytes: the item's unit and a 32-bit tag of its hash. The directory (in ordinary
/// memory, 4 bytes per segment) is indexed by the tag's low bits, and has the segment's size, too, so
/// that a look-up need not wait for its header; the tag's high bits give the first slot to probe. So
/// neither growing nor removing has to touch an item. Linear probing, removal by shifting back.
///
///     segment: | extent header | count, slots, depth | slot | slot | ...        512 ... 896 slots
///
/// A segment that is 4/5 full takes the next size; the largest splits into two, of the smallest size
/// as a rule. Tags may fall to one side; so a part takes the size that its items ask for.
///
/// The tag is part of an item's hash and must be passed in the same for the same key always.
struct ItemIndex: ~Copyable {
    static let sizes: [UInt32] = [512, 640, 768, 896]
    /// The tag's low bits choose the segment, its high bits the slot: they must not meet.
    static let depthMax: UInt32 = 20

    let region: Region
    private(set) var count = 0
    var unitCount: UInt32 = 0
    /// Of all segments.
    var totalSlotCount = 0
    private(set) var depth: UInt32 = 0
    private(set) var directory: UnsafeMutablePointer<DirectoryPlace>

    /// What a place of the directory leads to: a segment, and how many slots it has.
    struct DirectoryPlace: Sendable {
        private let bits: UInt32

        private static let unitBits: UInt32 = 27
        private static let slotStep: UInt32 = 128

        init(_ segment: Segment, slotCount: UInt32) {
            assert(segment.unit <= Region.unitCountMax && slotCount % Self.slotStep == 0)
            bits = segment.unit | (slotCount / Self.slotStep) << Self.unitBits
        }

        @inline(__always)
        var segment: Segment { Segment(bits & Region.unitCountMax) }
        @inline(__always)
        var slotCount: UInt32 { (bits >> Self.unitBits) * Self.slotStep }
    }

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
        directory.initialize(to: DirectoryPlace(Segment(0), slotCount: 0))
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
        var made: [(segment: Segment, part: Part)] = []
        for part in parts {
            var fresh: Segment?
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

    /// A slot that was found; valid until the index changes.
    struct Slot {
        fileprivate let place: DirectoryPlace
        fileprivate let number: UInt32

        var segment: Segment { place.segment }
    }

    // MARK: Look-up and change

    @inline(__always)
    func place(_ tag: UInt32) -> DirectoryPlace {
        directory[Int(tag & ((1 << depth) &- 1))]
    }

    @inline(__always)
    func slots(_ place: DirectoryPlace) -> IndexSlots {
        IndexSlots(region: region, segment: place.segment, count: place.slotCount)
    }

    @inline(__always)
    func segment(_ tag: UInt32) -> Segment { place(tag).segment }

    // Inlined, as `replace` is: a call would be given a copy of the whole index.
    @inline(__always)
    func find(_ key: Span<UInt8>, tag: UInt32) -> (item: Item, slot: Slot)? {
        let place = place(tag)
        let slots = slots(place)
        var number = slots.home(tag)
        while true {
            let slot = slots[number]
            if slot == 0 { return nil }
            if UInt32(truncatingIfNeeded: slot >> 32) == tag {
                let item = Item(Unit(truncatingIfNeeded: slot))
                if region.hasKey(item, key) {
                    return (item, Slot(place: place, number: number))
                }
            }
            number = slots.after(number)
        }
    }

    /// The slot of an item that is in the index.
    func slot(of item: Item, tag: UInt32) -> Slot {
        let place = place(tag)
        let slots = slots(place)
        var number = slots.home(tag)
        while true {
            let slot = slots[number]
            precondition(slot != 0, "an item that is not in the index")
            if Unit(truncatingIfNeeded: slot) == item.unit {
                return Slot(place: place, number: number)
            }
            number = slots.after(number)
        }
    }

    @inline(__always)
    func replace(_ slot: Slot, with item: Item) {
        let slots = slots(slot.place)
        slots[slot.number] = (slots[slot.number] >> 32) << 32 | UInt64(item.unit)
    }

    /// Adds an item whose key is not there. `hasRoom` must hold for the tag.
    mutating func insert(_ item: Item, tag: UInt32) {
        let segment = segment(tag)
        IndexSlots(region: region, segment: segment).insert(
            UInt64(tag) << 32 | UInt64(item.unit), tag: tag)
        setItemCount(segment, itemCount(segment) + 1)
        count += 1
    }

    mutating func remove(_ slot: Slot) {
        slots(slot.place).remove(slot.number)
        setItemCount(slot.segment, itemCount(slot.segment) - 1)
        count -= 1
    }

    // MARK: The directory

    /// Lets every directory place whose low `segmentDepth` bits are the tag's lead to `segment`, as
    /// large as it is now.
    func point(_ tag: UInt32, depth segmentDepth: UInt32, to segment: Segment) {
        var place = Int(tag & ((1 << segmentDepth) - 1))
        while place < 1 << Int(depth) {
            directory[place] = DirectoryPlace(segment, slotCount: slotCount(segment))
            place += 1 << Int(segmentDepth)
        }
    }

    mutating func doubleDirectory() {
        let size = 1 << Int(depth)
        let larger = UnsafeMutablePointer<DirectoryPlace>.allocate(capacity: size * 2)
        larger.initialize(from: directory, count: size)
        (larger + size).initialize(from: directory, count: size)
        directory.deallocate()
        directory = larger
        depth += 1
    }

    // MARK: Segments

    mutating func makeSegment(
        slotCount: UInt32, depth: UInt32, extents: inout ExtentAllocator
    ) -> Segment? {
        let length = Self.segmentUnits(slotCount: slotCount)
        guard let extent = extents.take(length) else { return nil }
        region.setKind(extent, .index)
        let segment = Segment(extent.unit)
        region[segment, .segmentItemCount] = 0
        setShape(segment, slotCount: slotCount, depth: depth)
        let slots = region.bytes(
            extent, offset: IndexSlots.headerByteCount,
            count: Int(slotCount) * IndexSlots.slotByteCount)
        slots.initializeMemory(as: UInt8.self, repeating: 0)
        unitCount += length
        totalSlotCount += Int(slotCount)
        return segment
    }

    static func segmentUnits(slotCount: UInt32) -> UInt32 {
        Region.units(
            forByteCount: IndexSlots.headerByteCount + Int(slotCount) * IndexSlots.slotByteCount)
    }

    mutating func dropSegment(_ segment: Segment, extents: inout ExtentAllocator) {
        unitCount -= region.length(segment.extent)
        totalSlotCount -= Int(slotCount(segment))
        extents.give(segment.extent)
    }

    @inline(__always)
    func itemCount(_ segment: Segment) -> UInt32 { region[segment, .segmentItemCount] }
    @inline(__always)
    func setItemCount(_ segment: Segment, _ count: UInt32) {
        region[segment, .segmentItemCount] = count
    }
    @inline(__always)
    func setShape(_ segment: Segment, slotCount: UInt32, depth: UInt32) {
        region[segment, .segmentShape] = slotCount << 8 | depth
    }
    @inline(__always)
    func slotCount(_ segment: Segment) -> UInt32 { region[segment, .segmentShape] >> 8 }
    func segmentDepth(_ segment: Segment) -> UInt32 { region[segment, .segmentShape] & 0xFF }
}
