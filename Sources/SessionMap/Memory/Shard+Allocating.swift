/// Finding extents for items.
extension Shard {
    /// Pieces below this are left for smaller items: a piece costs 8 bytes and a cache line.
    private static let pieceUnitCountMin: UInt32 = 8

    /// Takes extents for an item of `keyByteCount` and `valueByteCount`, evicting as needed. The
    /// chain is linked, its head's kind is `held`; nothing else is written.
    mutating func allocate(
        clientFlags: UInt32, keyByteCount: Int, valueByteCount: Int, now: UInt32
    ) -> Unit? {
        let headByteCount = region.itemHeaderByteCount(clientFlags: clientFlags) + keyByteCount
        return allocateChain(
            byteCount: headByteCount + valueByteCount, headByteCount: headByteCount, now: now)
    }

    /// Takes extents for `byteCount` bytes, the first of which holds at least `headByteCount`.
    ///
    /// One run if there is one. Otherwise several linked ones, but few: eviction goes on a little
    /// for a better run, and the more of the region is free, the more pieces are put up with.
    mutating func allocateChain(
        byteCount: Int, headByteCount: Int, now: UInt32, evictsProven: Bool = true
    ) -> Unit? {
        let whole = Region.units(forByteCount: byteCount)
        guard whole <= unitLimit else { return nil }
        while usedUnitCount + whole > unitLimit {
            guard makeRoom(now: now, evictsProven: evictsProven) else { return nil }
        }
        while true {
            if let run = extents.take(whole) { return run }
            let pieceCount = piecesAllowed(wanted: whole)
            if pieceCount > 0,
                let chain = takePieces(
                    byteCount: byteCount, headByteCount: headByteCount, atMost: pieceCount)
            {
                return chain
            }
            guard makeRoom(now: now, evictsProven: evictsProven) else {
                return takePieces(
                    byteCount: byteCount, headByteCount: headByteCount, atMost: .max)
            }
        }
    }

    /// How many pieces an item of `wanted` units may have, given what is free; 0: not enough.
    private func piecesAllowed(wanted: UInt32) -> Int {
        let free = extents.freeUnitCount
        guard free > wanted else { return 0 }
        let slack = free - wanted
        let atEase = 2 + Int(wanted / 8192)
        if slack < extents.capacity / 256 { return atEase }
        if slack < extents.capacity / 128 { return atEase * 2 }
        if slack < extents.capacity / 80 { return atEase * 8 }
        if slack < extents.capacity / 50 { return atEase * 16 }
        return .max
    }

    private mutating func takePieces(
        byteCount: Int, headByteCount: Int, atMost pieceCount: Int
    ) -> Unit? {
        if pieceCount < .max {
            // Cheap, and mostly right: what the largest extents could hold together.
            let reach = Int(extents.reach(ofPieces: pieceCount)) * Region.unitByteCount
            guard reach >= byteCount + 8 * (pieceCount - 1) else { return nil }
        }
        let headMin = Region.units(forByteCount: headByteCount)
        let whole = Region.units(forByteCount: byteCount)
        guard let head = extents.takeLargest(atMost: whole, atLeast: headMin) else { return nil }
        var last = head
        var left = byteCount - Int(region.length(head)) * Region.unitByteCount
        var count = 1
        while left > 0 {
            let units = Region.units(
                forByteCount: left + Region.continuationHeaderByteCount)
            let piece =
                extents.take(units)
                ?? extents.takeLargest(
                    atMost: units, atLeast: min(units, Self.pieceUnitCountMin))
            guard let piece, count < pieceCount else {
                if let piece { extents.give(piece) }
                extents.giveChain(head)
                return nil
            }
            region.setKind(piece, .continuation)
            region[last, .link] = piece
            last = piece
            count += 1
            left -=
                Int(region.length(piece)) * Region.unitByteCount
                - Region.continuationHeaderByteCount
        }
        return head
    }

    /// Makes sure that the index can take one more item of this tag.
    mutating func prepareIndex(_ tag: UInt32, now: UInt32) -> Bool {
        // A segment wants a run of free units. As long as it has room it waits for one to come by;
        // then one is made. Evicting until one comes by is the last resort.
        while index.wantsGrowth(tag) {
            if index.grow(tag, extents: &extents) { continue }
            guard index.isNearlyFull(tag) else { return true }
            if makeRun(index.growthUnitCount(tag)), index.grow(tag, extents: &extents) { continue }
            if index.hasRoom(tag) { return true }
            guard makeRoom(now: now) else { return false }
        }
        return true
    }
}
