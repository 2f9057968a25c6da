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
/// A *fence* keeps what lies behind it from being handed out: what is free there hangs in a list of its
/// own, so that the end of the region becomes empty. An extent across the fence counts as far as it lies
/// before it.
///
/// The order of the stores keeps the walk from header to header valid at every moment: a remainder's
/// header is written before the extent in front of it is shortened, and a coalesced extent's length
/// covers its parts by one store.
///
/// Invariants, checked by the shard's `brokenInvariant()`:
/// - walking from border to border meets every extent once;
/// - no two free extents touch; an extent's "previous is free" bit tells the truth;
/// - every free extent of two units or more is in the list of its length before the fence, or in that of
///   the fenced ones; `freeUnitCount` is the sum of what is free before the fence (one unit alone counts
///   here wherever it is), and `fencedUnitCount` of the rest.
struct ExtentAllocator: ~Copyable {
    /// Units at the region's start that belong to no extent: 64 bytes, the border's header and
    /// behind it what a shard keeps for recovery.
    static let headUnitCount: UInt32 = 8
    private static let exactClassCount = 128
    private static let classCount = exactClassCount + 16 * 20
    private static let wordCount = (classCount + 63) / 64
    /// The list of those that lie behind the fence, or all but one unit of which does.
    private static let fencedClass = classCount
    /// How many extents of one list are looked at for the best fit.
    private static let candidateCount = 8

    let region: Region
    private(set) var freeUnitCount: UInt32
    /// The unit behind the last border.
    private(set) var end: UInt32
    /// From here on nothing is handed out; the last border, as a rule.
    private(set) var fence: UInt32
    private(set) var fencedUnitCount: UInt32 = 0
    /// The free extent across the fence, if there is one.
    private var straddling = Extent.null
    /// No unit from here on was ever taken, of a region that was laid out empty.
    private(set) var frontier: UInt32 = 0
    private let heads: UnsafeMutablePointer<Extent>
    private let occupied: UnsafeMutablePointer<UInt64>

    private init(withoutFreeUnitsIn region: Region, end: UInt32) {
        self.region = region
        self.end = end
        fence = end - 1
        heads = .allocate(capacity: Self.classCount + 1)
        heads.initialize(repeating: .null, count: Self.classCount + 1)
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
    var capacity: UInt32 { fence - Self.headUnitCount }

    /// Units that are not free, wherever they are.
    var usedUnitCount: UInt32 {
        end &- (Self.headUnitCount + 1) &- freeUnitCount &- fencedUnitCount
    }

    // MARK: The end

    /// Moves the last border outwards, and frees what is in between.
    mutating func extend(to unitCount: UInt32) {
        precondition(unitCount > end && unitCount <= region.unitCount)
        setFence(end - 1)
        let oldBorder = Extent(end - 1)
        let previousIsFree = region.previousIsFree(oldBorder)
        region.setHeader(
            Extent(unitCount - 1), length: 1, kind: .border, previousIsFree: false)
        region.setHeader(
            oldBorder, length: unitCount - end, kind: .held, previousIsFree: previousIsFree)
        end = unitCount
        fence = end - 1
        give(oldBorder)
    }

    /// Moves the fence. Takes time for each free extent.
    mutating func setFence(_ unit: UInt32) {
        precondition(unit > Self.headUnitCount && unit < end)
        guard unit != fence else { return }
        let low = min(unit, fence)
        var concerned: [Extent] = []
        for list in 0...Self.fencedClass {
            var extent = heads[list]
            while !extent.isNull {
                if extent.unit + region.length(extent) > low { concerned.append(extent) }
                extent = region.next(after: extent)
            }
        }
        for extent in concerned { removeFree(extent) }
        fence = unit
        for extent in concerned {
            insertFree(
                extent, length: region.length(extent),
                previousIsFree: region.previousIsFree(extent))
        }
    }

    /// Whether everything behind the fence is free, and one extent.
    var isEmptyBehindFence: Bool { fencedUnitCount == end - 1 - fence }

    /// What lies behind the fence in free extents.
    func forEachFenced(_ body: (Range<UInt32>) -> Void) {
        var extent = heads[Self.fencedClass]
        while !extent.isNull {
            body(extent.unit..<extent.unit + region.length(extent))
            extent = region.next(after: extent)
        }
        if !straddling.isNull, usableLength(straddling) > 1 {
            body(fence..<straddling.unit + region.length(straddling))
        }
    }

    /// Nothing from here on has memory any more.
    mutating func noteReleased(from unit: UInt32) { frontier = min(frontier, unit) }

    /// The part of a free extent that can be handed out.
    @inline(never)
    private func usable(_ extent: Extent, length: UInt32) -> UInt32 {
        extent.unit < fence ? min(length, fence - extent.unit) : 0
    }

    /// How much of a free extent can be handed out.
    @inline(__always)
    func usableLength(_ extent: Extent) -> UInt32 {
        let length = region.length(extent)
        return extent.unit &+ length <= fence ? length : usable(extent, length: length)
    }

    // MARK: Taking

    /// Takes one extent of exactly `length` units, or nothing.
    mutating func take(_ length: UInt32) -> Extent? {
        guard let found = find(atLeast: length) else { return nil }
        cut(found, to: length)
        return found
    }

    /// Takes one extent from behind the fence, or nothing; only the first few are looked at.
    mutating func takeFenced(_ length: UInt32) -> Extent? {
        var extent = heads[Self.fencedClass]
        var left = Self.candidateCount
        while !extent.isNull, left > 0 {
            if region.length(extent) >= length {
                cut(extent, to: length)
                return extent
            }
            extent = region.next(after: extent)
            left -= 1
        }
        return nil
    }

    /// Takes the largest extent there is, cut to at most `length` units; nothing below `minimum`.
    mutating func takeLargest(atMost length: UInt32, atLeast minimum: UInt32) -> Extent? {
        guard let found = largest() else { return nil }
        let usable = usableLength(found)
        guard usable >= minimum else { return nil }
        cut(found, to: min(length, usable))
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
                    sum += usableLength(extent)
                    left -= 1
                    extent = region.next(after: extent)
                }
            }
            word -= 1
        }
        return sum
    }

    /// Joins a free extent, or its front part, to the taken extent in front of it. Some of it can be handed
    /// out.
    mutating func absorb(_ free: Extent, into extent: Extent, atMost length: UInt32) {
        precondition(extent + region.length(extent) == free && region.kind(free) == .free)
        cut(free, to: min(usableLength(free), length - region.length(extent)))
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
            let candidate = usableLength(extent)
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
            if usableLength(extent) > usableLength(best) { best = extent }
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
        region.setPreviousIsFree(extent + length, true)
        guard length > 1 else {
            freeUnitCount += 1
            return
        }
        guard extent.unit &+ length <= fence else { return insertFenced(extent, length: length) }
        freeUnitCount += length
        let list = Self.sizeClass(length)
        link(extent, to: list)
        occupied[list / 64] |= 1 << UInt64(list % 64)
    }

    private mutating func removeFree(_ extent: Extent) {
        let length = region.length(extent)
        guard length > 1 else {
            freeUnitCount -= 1
            return
        }
        guard extent.unit &+ length <= fence else { return removeFenced(extent, length: length) }
        freeUnitCount -= length
        guard let next = unlink(extent) else { return }
        let list = Self.sizeClass(length)
        heads[list] = next
        if next.isNull { occupied[list / 64] &= ~(1 << UInt64(list % 64)) }
    }

    @inline(__always)
    private func link(_ extent: Extent, to list: Int) {
        let next = heads[list]
        region[extent, .link] = next.unit
        region[extent, .freePrevious] = 0
        if !next.isNull { region[next, .freePrevious] = extent.unit }
        heads[list] = extent
    }

    /// Takes an extent out of the middle of its list. Of one at the beginning, returns the next one.
    @inline(__always)
    private func unlink(_ extent: Extent) -> Extent? {
        let next = region.next(after: extent)
        let previous = Extent(region[extent, .freePrevious])
        if !next.isNull { region[next, .freePrevious] = previous.unit }
        guard !previous.isNull else { return next }
        region[previous, .link] = next.unit
        return nil
    }

    /// The same for one that ends behind the fence.
    @inline(never)
    private mutating func insertFenced(_ extent: Extent, length: UInt32) {
        let usable = usable(extent, length: length)
        freeUnitCount += usable
        fencedUnitCount += length - usable
        if usable > 0 { straddling = extent }
        let list = list(usable: usable)
        link(extent, to: list)
        if list != Self.fencedClass { occupied[list / 64] |= 1 << UInt64(list % 64) }
    }

    @inline(never)
    private mutating func removeFenced(_ extent: Extent, length: UInt32) {
        let usable = usable(extent, length: length)
        freeUnitCount -= usable
        fencedUnitCount -= length - usable
        if usable > 0 { straddling = .null }
        guard let next = unlink(extent) else { return }
        let list = list(usable: usable)
        heads[list] = next
        if next.isNull, list != Self.fencedClass {
            occupied[list / 64] &= ~(1 << UInt64(list % 64))
        }
    }

    private func list(usable: UInt32) -> Int {
        usable > 1 ? Self.sizeClass(usable) : Self.fencedClass
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
        for list in 0...Self.fencedClass {
            var extent = heads[list]
            while !extent.isNull {
                precondition(self.list(usable: usableLength(extent)) == list)
                body(extent)
                extent = region.next(after: extent)
            }
        }
    }
}
