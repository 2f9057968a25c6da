/// Moving items, so that a run of free units comes about where memory is in pieces.
///
/// The index wants runs of some kilobytes. Where recency and place have nothing to do with each other,
/// eviction leaves holes of an item's size, hardly ever next to each other: without this, one segment
/// cost thousands of evictions.
extension Shard {
    /// Free extents that are tried as the beginning of a run.
    private static let candidateCount = 4

    /// Makes a free run of `length` units by moving small items that lie behind a free extent into
    /// other holes. Their recency stays. False when that does not work out.
    mutating func makeRun(_ length: UInt32) -> Bool {
        var tried: [Unit] = []
        var isMade = false
        while !isMade, tried.count < Self.candidateCount,
            let start = extents.takeLargest(atMost: length, atLeast: 1)
        {
            isMade = extend(start, to: length)
            tried.append(start)
        }
        // All go back; the one that has grown is the run.
        for start in tried { extents.give(start) }
        return isMade
    }

    private mutating func extend(_ start: Unit, to length: UInt32) -> Bool {
        while region.length(start) < length {
            let next = start + region.length(start)
            switch region.kind(next) {
            case .free: extents.absorb(next, into: start, atMost: length)
            case .item:
                // An item in pieces, a large one or one that a reply reads stays where it is.
                guard region[next, .link] == 0, region.length(next) <= length, pins[next] == nil,
                    relocate(next)
                else { return false }
            case .held, .continuation, .index, .border, .tombstone, .guest, .guestTombstone:
                return false
            }
        }
        return true
    }

    /// Moves an item of one extent to another of its size; false when there is none.
    private mutating func relocate(_ item: Unit) -> Bool {
        let length = region.length(item)
        guard let place = extents.take(length) else { return false }
        let tag = tag(of: item)
        let slot = index.slot(of: item, tag: tag)
        region.moveItem(item, to: place)
        index.replace(slot, with: place)
        queues.relocate(item, to: place)
        if wheel.isScheduled(item) { wheel.relocate(item, to: place) }
        removalCount += 1
        extents.give(item)
        region[0, .superseded] = 0
        return true
    }
}

extension Region {
    /// Publishes a copy of an item of one extent at `place`, an extent of the same length. As for an
    /// overwrite, both are there until the caller gives the old one back, and recovery is told which
    /// one has lost.
    func moveItem(_ item: Unit, to place: Unit) {
        let headerByteCount = 4
        let byteCount = Int(length(item)) * Region.unitByteCount - headerByteCount
        bytes(place, offset: headerByteCount, count: byteCount).copyMemory(
            from: UnsafeRawBufferPointer(bytes(item, offset: headerByteCount, count: byteCount)))
        self[0, .superseded] = item
        setKind(place, .item)
    }
}
