/// Seeing every item.
extension ItemIndex {
    /// Calls `body` with every item and its tag, segment after segment; for invariants.
    func forEachItem(_ body: (Item, _ tag: UInt32) -> Void) {
        for place in 0..<(1 << Int(depth)) {
            let segment = directory[place].segment
            precondition(
                directory[place].slotCount == slotCount(segment),
                "the directory has another size of a segment than its header")
            // A segment of lesser depth has several places; it is visited at the first.
            guard place < 1 << Int(segmentDepth(segment)) else { continue }
            let slots = IndexSlots(region: region, segment: segment)
            for number in 0..<slots.count where slots[number] != 0 {
                body(
                    Item(Unit(truncatingIfNeeded: slots[number])),
                    UInt32(truncatingIfNeeded: slots[number] >> 32))
            }
        }
    }

    /// The end of a walk by `visit`.
    static let walkEnd: UInt64 = 1 << 32

    /// Calls `body` with the next items of a walk from `place` on, about `itemCount` of them and
    /// never more than one segment holds. Returns where to go on; 0 is the beginning.
    ///
    /// The walk goes by the tags with their bits in reverse order. There the tags of one segment are
    /// one interval, whatever is split or joined between two calls: an item that is there from the
    /// first call to the last is seen exactly once, and a key at most once.
    func visit(from place: UInt64, atMost itemCount: Int, _ body: (Item) -> Void) -> UInt64 {
        precondition(place < Self.walkEnd && itemCount > 0)
        let segment = segment(Self.reversed(UInt32(place)))
        let width = Self.walkEnd >> UInt64(segmentDepth(segment))
        let end = (place & ~(width - 1)) + width
        // Tags are spread evenly: such a part of the interval holds so many items.
        let present = max(UInt64(self.itemCount(segment)), 1)
        let step = max(1, width / present * UInt64(itemCount))
        let stop = min(end, place + step)
        let slots = IndexSlots(region: region, segment: segment)
        for number in 0..<slots.count where slots[number] != 0 {
            let tag = UInt32(truncatingIfNeeded: slots[number] >> 32)
            guard (place..<stop).contains(UInt64(Self.reversed(tag))) else { continue }
            body(Item(Unit(truncatingIfNeeded: slots[number])))
        }
        return stop
    }

    @inline(__always)
    private static func reversed(_ tag: UInt32) -> UInt32 {
        var bits = tag.byteSwapped
        bits = (bits & 0x0F0F_0F0F) << 4 | (bits >> 4) & 0x0F0F_0F0F
        bits = (bits & 0x3333_3333) << 2 | (bits >> 2) & 0x3333_3333
        return (bits & 0x5555_5555) << 1 | (bits >> 1) & 0x5555_5555
    }
}
