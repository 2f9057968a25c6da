/// The memory of a shard: its extents, how many of them may be in use, and what eviction cannot have
/// back: values on their way in, and values that replies send from where they are stored. How long that
/// is needed, the peers decide.
///
/// So it is bounded, both together, as what a reply reads is held once its item goes. They may take half
/// of what proven items leave; proven items go for values on their way only as long as less than half of
/// probation's share is held or pinned. The other halves stay with new items. A single value finds room
/// in any case: no bound is below what the largest item takes.
///
/// Proven items may become more meanwhile, and others may be refused for want of what is held: then who
/// has held it for long should give it back, see `Shard.wantsRelief`.
///
/// Who may free an extent: the index its segments, and this type everything else.
struct ShardMemory: ~Copyable {
    private let region: Region
    private let journal: Journal
    /// In extents as they come about while a value arrives, each of which costs a header.
    private let largestItemUnitCount: Int
    /// Only the index takes and gives extents by itself.
    var extents: ExtentAllocator
    /// Units that may be in use; what is laid out, or less by an operator's wish.
    private(set) var unitLimit: UInt32
    /// While more is in use than a limit that was lowered allows: how much was at the end of the last
    /// turn. Stores go by it, so that none of them has to wait until all that is above has gone.
    private(set) var allowance: UInt32
    /// From here on nothing has memory: what lies behind the limit, once that has been given back.
    private var memoryEnd: UInt32
    /// Not after a process that died while a region's end was left: some of it may have no memory.
    private(set) var knowsMemoryEnd = true
    /// How pages that nobody needs go back to the system.
    var pages = Arena.Pages.kept
    /// Of values on their way in, and of items that are gone and still read by replies.
    private(set) var heldUnitCount = 0
    /// Of items that replies read.
    private(set) var pinnedUnitCount = 0
    /// When something was refused last because too much is held and pinned already; 0 for never.
    private(set) var refusedSeconds: UInt32 = 0
    /// Items whose values replies still read, and how many: their extents must stay when they go.
    private(set) var pins: [Item: Int] = [:]
    /// How far the region may come into use before `growthObserver` is told.
    private var growthMark = Int.max
    private var growthObserver: (() -> Void)?

    init(region: Region, extents: consuming ExtentAllocator, itemByteCountMax: Int) {
        self.region = region
        journal = Journal(region: region)
        largestItemUnitCount =
            (itemByteCountMax + itemByteCountMax / 8) / Region.unitByteCount
        unitLimit = extents.capacity
        allowance = unitLimit
        memoryEnd = extents.end
        self.extents = extents
    }

    // MARK: The limit

    var usedUnitCount: UInt32 { extents.usedUnitCount }
    var isAboveLimit: Bool { usedUnitCount > unitLimit }

    /// Sets how much of the region may be in use: its first part. A higher limit lays out more of it.
    ///
    /// - Parameter isSettled: nothing behind it has memory.
    mutating func setLimit(byteCount: Int, isSettled: Bool) {
        let unitCount = UInt32(byteCount / Region.unitByteCount)
        memoryEnd = isSettled ? unitCount : max(memoryEnd, unitCount)
        if unitCount > extents.end { extents.extend(to: unitCount) }
        extents.setFence(unitCount - 1)
        unitLimit = extents.capacity
        allowance = max(unitLimit, usedUnitCount)
    }

    mutating func forgetMemoryEnd() { knowsMemoryEnd = false }

    /// A turn is over that brought what is in use nearer to the limit.
    mutating func noteTurn() { allowance = max(unitLimit, min(allowance, usedUnitCount)) }

    /// Whether nothing lies behind the limit, and has no memory there either.
    var hasLeftEnd: Bool { extents.isEmptyBehindFence && memoryEnd <= extents.fence + 1 }

    /// Whole pages of what is free behind the fence, as far as they are worth to be given back.
    var releasable: [UnsafeMutableRawBufferPointer] {
        var all: [UnsafeMutableRawBufferPointer] = []
        guard pages != .kept else { return all }
        extents.forEachFenced { units in
            // Header and footer stay.
            let end = min(units.upperBound, memoryEnd)
            let inside = Int(units.lowerBound) + 2..<max(Int(end) - 1, Int(units.lowerBound) + 2)
            guard inside.count >= Self.releasableUnitCountMin else { return }
            all.append(Arena.Pages.whole(in: region.memory(inside, end: extents.end)))
        }
        return all
    }

    private static let releasableUnitCountMin = (64 << 10) / Region.unitByteCount

    /// Everything behind the fence is free, and has been given back.
    mutating func noteRetreated() {
        memoryEnd = extents.fence + 1
        knowsMemoryEnd = true
        guard pages != .kept, growthObserver != nil else { return }
        extents.noteReleased(from: extents.fence)
        growthMark = max(Int(extents.frontier), region.middleOfPage(extents.frontier))
    }

    // MARK: Taking

    /// Pieces below this are left for smaller items: a piece costs 8 bytes and a cache line.
    private static let pieceUnitCountMin: UInt32 = 8

    /// Takes one run for `byteCount` bytes, or several linked ones, but few: the more of the region is
    /// free, the more pieces are put up with. Nothing when something should go first.
    @inline(__always)
    mutating func take(byteCount: Int, headByteCount: Int) -> Extent? {
        let whole = Region.units(forByteCount: byteCount)
        return extents.take(whole)
            ?? takeNextBest(byteCount: byteCount, headByteCount: headByteCount)
    }

    private mutating func takeNextBest(byteCount: Int, headByteCount: Int) -> Extent? {
        // Before what is above the limit has gone, there may be little in front of the fence. What comes
        // to lie behind it moves later.
        if isAboveLimit,
            let extent = extents.takeFenced(Region.units(forByteCount: byteCount))
        {
            return extent
        }
        return takeFewPieces(byteCount: byteCount, headByteCount: headByteCount)
    }

    /// The same for what has to leave the region's end: in front of the fence in any case, in however
    /// many pieces.
    mutating func takeInFront(byteCount: Int, headByteCount: Int) -> Extent? {
        extents.take(Region.units(forByteCount: byteCount))
            ?? takeFewPieces(byteCount: byteCount, headByteCount: headByteCount)
            ?? takePieces(byteCount: byteCount, headByteCount: headByteCount)
    }

    private mutating func takeFewPieces(byteCount: Int, headByteCount: Int) -> Extent? {
        let pieceCount = piecesAllowed(wanted: Region.units(forByteCount: byteCount))
        guard pieceCount > 0 else { return nil }
        return takePieces(byteCount: byteCount, headByteCount: headByteCount, atMost: pieceCount)
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

    /// Takes linked extents for `byteCount` bytes, the first of which holds at least `headByteCount`.
    mutating func takePieces(
        byteCount: Int, headByteCount: Int, atMost pieceCount: Int = .max
    ) -> Extent? {
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
                journal.giveBack(Item(head), to: &extents)
                return nil
            }
            append(piece, to: last)
            last = piece
            count += 1
            left -=
                Int(region.length(piece)) * Region.unitByteCount
                - Region.continuationHeaderByteCount
        }
        return head
    }

    private func append(_ piece: Extent, to last: Extent) {
        region.setKind(piece, .continuation)
        region[last, .link] = piece.unit
    }

    // MARK: Giving back

    /// Lets go of an item that was published once, and is in no index any more. A reply that still reads
    /// it keeps its memory until `unpin`.
    @inline(__always)
    mutating func release(_ item: Item, unitCount: Int) {
        if !pins.isEmpty, pins[item] != nil {
            journal.hold(item)
            heldUnitCount += unitCount
            pinnedUnitCount -= unitCount
        } else {
            journal.giveBack(item, to: &extents)
        }
    }

    /// Lets go of extents that were to be an item's and never were.
    mutating func giveBack(unpublished item: Item) { journal.giveBack(item, to: &extents) }

    // MARK: Values on their way in

    /// Units that eviction cannot have back, or could not if all that replies read went.
    var boundUnitCount: Int { heldUnitCount + pinnedUnitCount }

    mutating func noteRefused(now: UInt32) { refusedSeconds = now }

    /// Units that may be held and pinned beside proven items and the index. `share` is probation's.
    func heldUnitCountMax(besideUnitCount: Int, share: Int) -> Int {
        max((Int(unitLimit) - besideUnitCount) / 2, heldUnitCountOverProven(share: share))
    }

    /// Units that may be held at proven items' expense.
    func heldUnitCountOverProven(share: Int) -> Int { max(share / 2, largestItemUnitCount) }

    /// Units that may be held and pinned without keeping others from it for long: half of the most, and
    /// the largest item finds room.
    func comfort(heldUnitCountMax most: Int) -> Int {
        min(most / 2, max(0, most - largestItemUnitCount))
    }

    /// Takes note that a chain that was taken is for a value on its way; behind `last`, if there is one.
    mutating func hold(_ chain: Extent, behind last: Extent? = nil) {
        if let last { append(chain, to: last) }
        heldUnitCount += region.chainSize(chain).unitCount
    }

    /// A value that was on its way is complete, or will not come.
    mutating func endHold(_ item: Item) {
        heldUnitCount -= region.chainSize(item.head).unitCount
    }

    // MARK: Pins

    /// Lets an item's value stay where it is until `unpin`; false when more than `unitCountMax` would be
    /// held and pinned.
    mutating func pin(_ item: Item, atMost unitCountMax: Int) -> Bool {
        if pins[item] == nil {
            let unitCount = region.chainSize(item.head).unitCount
            guard boundUnitCount + unitCount <= unitCountMax else { return false }
            pinnedUnitCount += unitCount
        }
        pins[item, default: 0] += 1
        return true
    }

    /// Ends what `pin` began. Who reads an item last that is gone by now frees it.
    mutating func unpin(_ item: Item) {
        guard let count = pins[item] else { preconditionFailure("an item that is not pinned") }
        guard count == 1 else {
            pins[item] = count - 1
            return
        }
        pins[item] = nil
        let unitCount = region.chainSize(item.head).unitCount
        if region.kind(item.head) == .held {
            heldUnitCount -= unitCount
            journal.giveBack(item, to: &extents)
        } else {
            pinnedUnitCount -= unitCount
        }
    }

    // MARK: Memory that comes into use for the first time

    // Its first touch takes the kernel long: it has to find a large page and to empty it, 8 to 10 ms on
    // a virtual machine. So the page behind the one that is in use is wanted once half of that one is. The first one has
    // small pages, of which few are needed until items come.

    /// Tells `observer`, with the shard's lock held, whenever another page should be made present.
    mutating func observeGrowth(_ observer: @escaping () -> Void) {
        growthObserver = observer
        let frontier = Int(extents.frontier)
        growthMark = max(
            frontier, min(region.middleOfPage(extents.frontier), Self.unitCountOfFewItems))
    }

    /// More than an empty index has.
    private static let unitCountOfFewItems = (32 << 10) / Region.unitByteCount

    /// Looks whether the region has come into use that far.
    @inline(__always)
    mutating func noteUse() {
        if Int(extents.frontier) > growthMark { noteGrowth() }
    }

    private mutating func noteGrowth() {
        let middle = region.middleOfPage(extents.frontier)
        // Behind the middle the next page is wanted now, and the one after it from its middle on.
        growthMark = Int(extents.frontier) > middle ? middle + Region.pageUnitCount : middle
        growthObserver?()
    }

    /// The page that is wanted, as far as it is the region's and in use.
    var wantedPage: UnsafeMutableRawBufferPointer {
        guard growthObserver != nil else {
            return UnsafeMutableRawBufferPointer(start: nil, count: 0)
        }
        let start = growthMark - Region.pageUnitCount / 2
        return region.memory(start..<start + Region.pageUnitCount, end: extents.end)
    }
}
