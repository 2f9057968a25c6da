/// The one place where an item is published, supersedes another, moves and gives its memory back: the
/// order of the stores that decide what a death of the process leaves.
///
/// An item is there from the store on that makes its head's kind `item`, to the store that makes it
/// another. One that takes another's place goes like this, each step after everything before it:
///
/// 1. the new one is written whole, in extents that nobody looks at;
/// 2. the border says which item is about to be superseded;
/// 3. the new one is published: both are there now, and recovery drops the one that 2 tells of;
/// 4. index, queues and wheel lead to the new one, which recovery does not need;
/// 5. the old one's memory is given back;
/// 6. the border says nothing any more.
///
/// `publish` or `publishCopy` is 2 and 3; the caller does 4; `ShardMemory.release` or, of a moved one,
/// `giveBack` is 5, and `settle` 6. Without an item to supersede 2, 5 and 6 fall away.
struct Journal {
    private let region: Region

    init(region: Region) { self.region = region }

    /// Lets an item that is written be one.
    @inline(__always)
    func publish(_ item: Item, superseding old: Item) {
        if !old.isNull { region[.superseded] = old.unit }
        region.setKind(item.head, .item)
    }

    /// Publishes a copy of an item of one extent at `place`, an extent of the same length.
    private func publishCopy(of item: Item, at place: Item) {
        let headerByteCount = 4
        let byteCount = Int(region.length(item.head)) * Region.unitByteCount - headerByteCount
        region.bytes(place.head, offset: headerByteCount, count: byteCount).copyMemory(
            from: UnsafeRawBufferPointer(
                region.bytes(item.head, offset: headerByteCount, count: byteCount)))
        publish(place, superseding: item)
    }

    /// Gives all extents back of an item, or of one that never came to be.
    @inline(__always)
    func giveBack(_ item: Item, to extents: inout ExtentAllocator) {
        extents.giveChain(item.head)
    }

    /// Lets an item be none any more, whose bytes a reply still reads.
    func hold(_ item: Item) { region.setKind(item.head, .held) }

    /// The superseded item is gone.
    @inline(__always)
    func settle() { region[.superseded] = 0 }

    /// The item that another was about to supersede when the process died; null if none was.
    var superseded: Item { Item(region[.superseded]) }

    // MARK: Moving

    /// Which items may be moved to make a run of free units, and how hard it is tried.
    struct RunRule {
        /// Free extents that are tried as the run's beginning.
        let candidateCount: Int
        /// Whether a free extent that is long enough already is the run, or was no help.
        let takesWhatIsThere: Bool
    }

    /// Makes a free run of `length` units by moving small items that lie behind a free extent into
    /// other holes; `didMove` lets everything lead to the new place. False when that does not work out.
    ///
    /// The index wants runs of some kilobytes. Where recency and place have nothing to do with each
    /// other, eviction leaves holes of an item's size, hardly ever next to each other: without this, one
    /// segment cost thousands of evictions.
    func makeRun(
        _ length: UInt32, _ rule: RunRule, extents: inout ExtentAllocator,
        mayMove: (Item) -> Bool, didMove: (Item, _ place: Item) -> Void
    ) -> Bool {
        var tried: [Extent] = []
        var isMade = false
        while !isMade, tried.count < rule.candidateCount,
            let start = extents.takeLargest(atMost: length, atLeast: 1)
        {
            tried.append(start)
            guard rule.takesWhatIsThere || region.length(start) < length else { continue }
            isMade = extend(
                start, to: length, extents: &extents, mayMove: mayMove, didMove: didMove)
        }
        // All go back; the one that has grown is the run.
        for start in tried { extents.give(start) }
        return isMade
    }

    /// Moves an item of one extent to another of the same length.
    func move(
        _ item: Item, to place: Item, extents: inout ExtentAllocator,
        didMove: (Item, _ place: Item) -> Void
    ) {
        publishCopy(of: item, at: place)
        didMove(item, place)
        giveBack(item, to: &extents)
        settle()
    }

    /// Moves an item to other extents, each of which it may be cut into otherwise.
    func move(
        _ item: Item, toChain place: Item, seed: UInt64, extents: inout ExtentAllocator,
        didMove: (Item, _ place: Item) -> Void
    ) {
        writeCopy(of: item, to: place, seed: seed)
        publish(place, superseding: item)
        didMove(item, place)
        giveBack(item, to: &extents)
        settle()
    }

    private func writeCopy(of item: Item, to place: Item, seed: UInt64) {
        // All of the head in front of the value, but for length and kind; and the chain is another one.
        let offset = 4
        let link = region[place.head, .link]
        let count = region.valueOffset(item) - offset
        region.bytes(place.head, offset: offset, count: count).copyMemory(
            from: UnsafeRawBufferPointer(region.bytes(item.head, offset: offset, count: count)))
        region[place.head, .link] = link
        var writer = ValueWriter(region: region, item: place)
        writer.write(valueOf: item)
        if region.features.contains(.checksums) {
            region.seal(place, region.content(of: place, seed: seed))
        }
    }

    private func extend(
        _ start: Extent, to length: UInt32, extents: inout ExtentAllocator,
        mayMove: (Item) -> Bool, didMove: (Item, _ place: Item) -> Void
    ) -> Bool {
        while region.length(start) < length {
            let next = start + region.length(start)
            switch region.kind(next) {
            case .free:
                guard extents.usableLength(next) > 0 else { return false }
                extents.absorb(next, into: start, atMost: length)
            case .item:
                let item = Item(next)
                // An item in pieces stays where it is.
                guard region.next(after: next).isNull, mayMove(item),
                    let place = extents.take(region.length(next)).map(Item.init)
                else { return false }
                move(item, to: place, extents: &extents, didMove: didMove)
            case .held, .continuation, .index, .border, .tombstone, .guest, .guestTombstone:
                return false
            }
        }
        return true
    }
}

extension Region.Field where Place == Border {
    fileprivate static var superseded: Self { Self(offset: 32) }
}
