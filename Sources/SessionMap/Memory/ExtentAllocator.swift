/// The free space of a region: takes extents and gives them back, coalescing as it goes.
///
/// Goals: constant time; a good fit (the best of the first few candidates of a class); free
/// neighbours are always one extent. Not a goal: deciding what to evict; that is the shard's.
///
/// Free extents hang in lists by length: one list for each length below 128 units, then 16 lists for
/// each power of two. A bit per list says whether it is empty. Extents of one unit are in no list:
/// nothing asks for so little, and they come back when a neighbour is given back.
///
/// A region starts and ends with a border extent, so that every other extent has two neighbours:
///
///     | border, `headUnitCount` | extent | extent | ... | border, 1 unit |
///
/// The order of the stores keeps the walk from header to header valid at every moment: a remainder's
/// header is written before the extent in front of it is shortened, and a coalesced extent's length
/// covers its parts by one store.
///
/// Invariants, checked by the shard's `brokenInvariant()`:
/// - walking from border to border meets every extent once;
/// - no two free extents touch; an extent's "previous is free" bit tells the truth;
/// - every free extent of two units or more is in the list of its length; `freeUnitCount` is the
///   sum of all free ones.
struct ExtentAllocator: ~Copyable {
    /// Units at the region's start that belong to no extent: 64 bytes, the border's header and
    /// behind it what a shard keeps for recovery.
    static let headUnitCount: UInt32 = 8
    private static let exactClassCount = 128
    private static let classCount = exactClassCount + 16 * 20
    private static let wordCount = (classCount + 63) / 64
    /// How many extents of one list are looked at for the best fit.
    private static let candidateCount = 8

    let region: Region
    private(set) var freeUnitCount: UInt32
    /// The unit behind the last border.
    private(set) var end: UInt32
    /// No unit from here on was ever taken, of a region that was laid out empty.
    private(set) var frontier: UInt32 = 0
    private let heads: UnsafeMutablePointer<Extent>
    private let occupied: UnsafeMutablePointer<UInt64>

    private init(withoutFreeUnitsIn region: Region, end: UInt32) {
        self.region = region
        self.end = end
        heads = .allocate(capacity: Self.classCount)
        heads.initialize(repeating: .null, count: Self.classCount)
        occupied = .allocate(capacity: Self.wordCount)
        occupied.initialize(repeating: 0, count: Self.wordCount)
        freeUnitCount = 0
    }

    /// Lays out the first `unitCount` units of the region.
    init(region: Region, unitCount: UInt32) {
        precondition(unitCount > Self.headUnitCount + 1 && unitCount <= region.unitCount)
        self.init(withoutFreeUnitsIn: region, end: unitCount)
        let first = Extent(Self.headUnitCount)
        let last = Extent(end - 1)
        region.setHeader(.null, length: first.unit, kind: .border, previousIsFree: false)
        region.setHeader(last, length: 1, kind: .border, previousIsFree: false)
        insertFree(first, length: last.unit - first.unit, previousIsFree: false)
    }

    /// Takes over the first `unitCount` units of a region that are laid out already. Extents that
    /// `isKept` does not hold for are free from here on.
    init(region: Region, unitCount: UInt32, keeping isKept: (Extent) -> Bool) {
        self.init(withoutFreeUnitsIn: region, end: unitCount)
        var extent = Extent(Self.headUnitCount)
        var freeStart = Extent.null
        while extent.unit < end {
            let length = region.length(extent)
            if extent.unit < end - 1, !isKept(extent) {
                if freeStart.isNull { freeStart = extent }
            } else {
                region.setPreviousIsFree(extent, !freeStart.isNull)
                if !freeStart.isNull {
                    insertFree(
                        freeStart, length: extent.unit - freeStart.unit, previousIsFree: false)
                }
                freeStart = .null
            }
            extent = extent + length
        }
    }

    deinit {
        heads.deallocate()
        occupied.deallocate()
    }

    /// Every unit that an extent may have.
    var capacity: UInt32 { end - Self.headUnitCount - 1 }

    /// Moves the last border outwards, and frees what is in between.
    mutating func extend(to unitCount: UInt32) {
        precondition(unitCount > end && unitCount <= region.unitCount)
        let oldBorder = Extent(end - 1)
        let previousIsFree = region.previousIsFree(oldBorder)
        region.setHeader(
            Extent(unitCount - 1), length: 1, kind: .border, previousIsFree: false)
        region.setHeader(
            oldBorder, length: unitCount - end, kind: .held, previousIsFree: previousIsFree)
        end = unitCount
        give(oldBorder)
    }

    // MARK: Taking

    /// Takes one extent of exactly `length` units, or nothing.
    mutating func take(_ length: UInt32) -> Extent? {
        guard let found = find(atLeast: length) else { return nil }
        cut(found, to: length)
        return found
    }

    /// Takes the largest extent there is, cut to at most `length` units; nothing below `minimum`.
    mutating func takeLargest(atMost length: UInt32, atLeast minimum: UInt32) -> Extent? {
        guard let found = largest(), region.length(found) >= minimum else { return nil }
        cut(found, to: min(length, region.length(found)))
        return found
    }

    /// The units that the `count` largest lists' first extents offer together: a lower bound of
    /// what `count` extents can hold, and cheap.
    func reach(ofPieces count: Int) -> UInt32 {
        var sum: UInt32 = 0
        var left = count
        var word = Self.wordCount - 1
        while word >= 0, left > 0 {
            var bits = occupied[word]
            while bits != 0, left > 0 {
                let bit = 63 - bits.leadingZeroBitCount
                bits &= ~(1 << UInt64(bit))
                var extent = heads[word * 64 + bit]
                while !extent.isNull, left > 0 {
                    sum += region.length(extent)
                    left -= 1
                    extent = region.next(after: extent)
                }
            }
            word -= 1
        }
        return sum
    }

    /// Joins a free extent, or its front part, to the taken extent in front of it.
    mutating func absorb(_ free: Extent, into extent: Extent, atMost length: UInt32) {
        precondition(extent + region.length(extent) == free && region.kind(free) == .free)
        cut(free, to: min(region.length(free), length - region.length(extent)))
        region.setHeader(
            extent, length: region.length(extent) + region.length(free),
            kind: region.kind(extent), previousIsFree: region.previousIsFree(extent))
    }

    private mutating func cut(_ extent: Extent, to length: UInt32) {
        removeFree(extent)
        let whole = region.length(extent)
        let previousIsFree = region.previousIsFree(extent)
        if whole > length {
            insertFree(extent + length, length: whole - length, previousIsFree: false)
        } else {
            region.setPreviousIsFree(extent + whole, false)
        }
        region[extent, .link] = 0
        region.setHeader(extent, length: length, kind: .held, previousIsFree: previousIsFree)
        frontier = max(frontier, (extent + length).unit)
    }

    private func find(atLeast length: UInt32) -> Extent? {
        let start = Self.sizeClass(length)
        if let fit = bestFit(inClass: start, atLeast: length) { return fit }
        guard start + 1 < Self.classCount, let next = firstOccupied(from: start + 1) else {
            return nil
        }
        return bestFit(inClass: next, atLeast: length)
    }

    private func bestFit(inClass sizeClass: Int, atLeast length: UInt32) -> Extent? {
        var extent = heads[sizeClass]
        var best = Extent.null
        var bestLength = UInt32.max
        var left = Self.candidateCount
        while !extent.isNull, left > 0 {
            let candidate = region.length(extent)
            if candidate >= length, candidate < bestLength {
                best = extent
                bestLength = candidate
                if candidate == length { break }
            }
            extent = region.next(after: extent)
            left -= 1
        }
        return best.isNull ? nil : best
    }

    private func largest() -> Extent? {
        var word = Self.wordCount - 1
        while word >= 0 {
            if occupied[word] != 0 {
                return bestLargest(inClass: word * 64 + 63 - occupied[word].leadingZeroBitCount)
            }
            word -= 1
        }
        return nil
    }

    private func bestLargest(inClass sizeClass: Int) -> Extent {
        var best = heads[sizeClass]
        var extent = region.next(after: best)
        var left = Self.candidateCount
        while !extent.isNull, left > 0 {
            if region.length(extent) > region.length(best) { best = extent }
            extent = region.next(after: extent)
            left -= 1
        }
        return best
    }

    private func firstOccupied(from start: Int) -> Int? {
        var word = start / 64
        var bits = occupied[word] & (UInt64.max << UInt64(start % 64))
        while true {
            if bits != 0 { return word * 64 + bits.trailingZeroBitCount }
            word += 1
            guard word < Self.wordCount else { return nil }
            bits = occupied[word]
        }
    }

    // MARK: Giving back

    /// Gives one extent back. The caller has let go of every link to it.
    mutating func give(_ extent: Extent) {
        precondition(region.kind(extent) != .free && region.kind(extent) != .border)
        var start = extent
        var length = region.length(extent)
        var previousIsFree = region.previousIsFree(extent)
        let next = extent + length
        if region.kind(next) == .free {
            removeFree(next)
            length += region.length(next)
        }
        if previousIsFree {
            start = extent - region.freeLength(before: extent)
            removeFree(start)
            length += region.length(start)
            previousIsFree = region.previousIsFree(start)
        }
        insertFree(start, length: length, previousIsFree: previousIsFree)
    }

    /// Cuts the tail of a taken extent off and gives it back.
    mutating func shorten(_ extent: Extent, to length: UInt32) {
        let whole = region.length(extent)
        precondition(length > 0 && length <= whole)
        guard length < whole else { return }
        region.setHeader(
            extent + length, length: whole - length, kind: .held, previousIsFree: false)
        region.setHeader(
            extent, length: length, kind: region.kind(extent),
            previousIsFree: region.previousIsFree(extent))
        give(extent + length)
    }

    /// Gives back a head extent and all that are linked behind it.
    mutating func giveChain(_ head: Extent) {
        var extent = head
        while !extent.isNull {
            let next = region.next(after: extent)
            give(extent)
            extent = next
        }
    }

    // MARK: Lists

    private mutating func insertFree(_ extent: Extent, length: UInt32, previousIsFree: Bool) {
        region.setHeader(extent, length: length, kind: .free, previousIsFree: previousIsFree)
        region.setFreeFooter(extent, length: length)
        freeUnitCount += length
        region.setPreviousIsFree(extent + length, true)
        guard length > 1 else { return }
        let sizeClass = Self.sizeClass(length)
        let next = heads[sizeClass]
        region[extent, .link] = next.unit
        region[extent, .freePrevious] = 0
        if !next.isNull { region[next, .freePrevious] = extent.unit }
        heads[sizeClass] = extent
        occupied[sizeClass / 64] |= 1 << UInt64(sizeClass % 64)
    }

    private mutating func removeFree(_ extent: Extent) {
        let length = region.length(extent)
        freeUnitCount -= length
        guard length > 1 else { return }
        let next = region.next(after: extent)
        let previous = Extent(region[extent, .freePrevious])
        if !next.isNull { region[next, .freePrevious] = previous.unit }
        if !previous.isNull {
            region[previous, .link] = next.unit
        } else {
            let sizeClass = Self.sizeClass(length)
            heads[sizeClass] = next
            if next.isNull { occupied[sizeClass / 64] &= ~(1 << UInt64(sizeClass % 64)) }
        }
    }

    @inline(__always)
    private static func sizeClass(_ length: UInt32) -> Int {
        if length < UInt32(exactClassCount) { return Int(length) }
        let power = 31 - length.leadingZeroBitCount
        let step = Int(length >> UInt32(power - 4)) & 15
        return exactClassCount + (power - 7) * 16 + step
    }

    /// Calls `body` with every extent of every list; for invariants.
    func forEachFree(_ body: (Extent) -> Void) {
        for sizeClass in 0..<Self.classCount {
            var extent = heads[sizeClass]
            while !extent.isNull {
                precondition(Self.sizeClass(region.length(extent)) == sizeClass)
                body(extent)
                extent = region.next(after: extent)
            }
        }
    }
}
