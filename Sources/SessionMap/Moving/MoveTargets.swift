/// The regions that items move to. Until they are laid out, each is a row of items up to its frontier.
struct MoveTargets {
    private let base: UnsafeMutableRawPointer
    private let header: ArenaHeader
    private let willStore: (() -> Void)?
    /// Of items of which nobody knows when they were born.
    private let birth: UInt32

    /// The last words of a region's first 64 bytes; what a shard keeps there comes when it is laid out.
    private static let itemCountOffset = 56
    private static let frontierOffset = 60
    private static let headUnitCount = ExtentAllocator.headUnitCount

    init(
        _ new: UnsafeMutableRawBufferPointer, header: ArenaHeader, birth: UInt32 = 0,
        willStore: (() -> Void)?
    ) {
        guard let base = new.baseAddress,
            ArenaHeader.byteCount + header.regionCount * header.regionByteCount <= new.count
        else { preconditionFailure("memory that does not hold the regions") }
        self.base = base
        self.header = header
        self.birth = birth
        self.willStore = willStore
    }

    private var end: Unit { UInt32(header.regionByteCount / Region.unitByteCount) }
    /// From here on a region has no memory.
    private var limit: Unit { UInt32(header.limitByteCount / Region.unitByteCount) }

    private func region(_ number: Int) -> Region {
        precondition(number >= 0 && number < header.regionCount, "no such region")
        return Region(
            base: base + ArenaHeader.byteCount + number * header.regionByteCount, unitCount: end,
            features: header.features)
    }

    /// The region that a key's hash leads to.
    static func shard(_ hash: UInt64, _ header: ArenaHeader) -> Int {
        Int(hash >> 32) & (header.regionCount - 1)
    }

    func shard(_ hash: UInt64) -> Int { Self.shard(hash, header) }

    // MARK: Frontiers

    /// Whether a frontier may be there.
    func isPlace(_ place: MoveJournal.Place) -> Bool {
        place.region < header.regionCount && (Self.headUnitCount..<end).contains(place.unit)
    }

    /// Whether frontiers are where a move may have left them.
    var areSound: Bool {
        (0..<header.regionCount).allSatisfy { isPlace(.init(region: $0, unit: frontier($0))) }
    }

    func frontier(_ number: Int) -> Unit {
        let frontier = region(number).base.load(
            fromByteOffset: Self.frontierOffset, as: UInt32.self)
        return frontier == 0 ? Self.headUnitCount : frontier
    }

    private func itemCount(_ number: Int) -> UInt32 {
        region(number).base.load(fromByteOffset: Self.itemCountOffset, as: UInt32.self)
    }

    /// Together with how many items there are, by one store: those only say how large the index will be.
    func setFrontier(_ place: MoveJournal.Place) {
        precondition(place.unit >= Self.headUnitCount && place.unit < end)
        guard place.unit != frontier(place.region) else { return }
        let isBack = place.unit < frontier(place.region)
        let count = itemCount(place.region)
        willStore?()
        Region.order()
        let word = UInt64(place.unit) << 32 | UInt64(isBack ? count - min(count, 1) : count + 1)
        region(place.region).base.storeBytes(
            of: word, toByteOffset: Self.itemCountOffset, as: UInt64.self)
        Region.order()
    }

    // MARK: Room

    /// What items take together.
    struct Sum: Sendable {
        var unitCount = 0
        var itemCount = 0

        mutating func add(_ unitCount: UInt32) {
            self.unitCount += Int(unitCount)
            itemCount += 1
        }

        mutating func add(_ other: Sum) {
            unitCount += other.unitCount
            itemCount += other.itemCount
        }

        mutating func remove(_ unitCount: Int) {
            self.unitCount -= unitCount
            itemCount -= 1
        }
    }

    static func unitCount(
        _ item: OldRegion.StoredItem, _ features: ArenaFeatures
    ) -> UInt32 {
        Region.units(
            forByteCount: Region.itemHeaderByteCount(features, clientFlags: item.clientFlags)
                + item.keyByteCount + item.valueByteCount)
    }

    func unitCount(_ item: OldRegion.StoredItem) -> UInt32 {
        Self.unitCount(item, header.features)
    }

    /// Units that an index of so many items takes, at the most: 12 bytes each, and a segment.
    private static func indexUnitCount(_ itemCount: Int) -> Int {
        itemCount * 3 / 2 + Int(ItemIndex.segmentUnitCountMax)
    }

    /// Whether a region has room for these, too, and for the index of all.
    func hold(_ sum: Sum, in number: Int) -> Bool {
        let index = Self.indexUnitCount(sum.itemCount + Int(itemCount(number)))
        return Int(frontier(number)) + sum.unitCount + index < Int(limit)
    }

    func hasRoom(for unitCount: UInt32, in number: Int) -> Bool {
        unitCount <= Region.unitCountMax
            && Int(frontier(number)) + Int(unitCount) + Self.indexUnitCount(0) < Int(limit)
    }

    /// The units of one region that are an eviction policy's to share out.
    var capacity: Int { Int(limit) }

    private var partByteCount: Int { max(64 << 10, min(1 << 20, header.limitByteCount / 64)) }

    /// Has memory made present before it is written to: a part at a time, whose first byte is zero
    /// behind the frontier as long as nobody has.
    func take(_ unitCount: UInt32, in number: Int, _ take: (Range<Int>) -> Bool) -> Bool {
        let start = ArenaHeader.byteCount + number * header.regionByteCount
        let from = frontier(number)
        let first = from == Self.headUnitCount ? 0 : Int(from) * Region.unitByteCount
        let last = Int(from + unitCount) * Region.unitByteCount
        let part = partByteCount
        // Parts that the frontier is in are there already.
        let begin = first == 0 ? 0 : (first + part - 1) / part * part
        guard last > begin else { return true }
        let end = min((last + part - 1) / part * part, header.limitByteCount)
        return take(start + begin..<start + end)
    }

    // MARK: Writing

    /// Writes an item behind a region's frontier.
    func write(
        _ item: OldRegion.StoredItem, _ source: Item, of old: OldRegion,
        to place: MoveJournal.Place, unitCount: UInt32
    ) {
        let region = region(place.region)
        let new = Item(place.unit)
        region.setHeader(new.head, length: unitCount, kind: .item, previousIsFree: false)
        region[new.head, .link] = 0
        region[new, .epoch] = 0
        region.setCASUnique(new, item.casUnique)
        region[new, .deadline] = item.deadline.word
        region.setClientFlags(
            new, item.clientFlags, hasEncodedKey: item.marks & ItemMark.encodedKey != 0)
        if header.features.contains(.births) {
            region.setBirth(new, item.birth == 0 ? birth : item.birth)
        }
        region.setSizes(
            new, keyByteCount: item.keyByteCount, valueByteCount: item.valueByteCount,
            marks: item.marks)
        region[new, .accessed] = item.accessed
        var offset = region.keyOffset(new)
        old.forEachPart(source, item) { part in
            region.bytes(new.head, offset: offset, count: part.count).copyMemory(from: part)
            offset += part.count
        }
        if header.features.contains(.checksums) {
            region.seal(new, region.content(of: new, seed: header.hashSeed))
        }
    }

    /// Makes regions of them that a process might have left.
    func layOut(casBase: UInt64, flushDeadline: Deadline, stampRule: StampRule) {
        for number in 0..<header.regionCount {
            let region = region(number)
            let frontier = frontier(number)
            region.setHeader(
                Extent(end - 1), length: 1, kind: .border, previousIsFree: false)
            if frontier < end - 1 {
                region.setHeader(
                    Extent(frontier), length: end - 1 - frontier, kind: .held, previousIsFree: false
                )
            }
            region.setHeader(
                .null, length: Self.headUnitCount, kind: .border, previousIsFree: false)
            region.shardFlushes = FlushState(epoch: 0, deadline: flushDeadline)
            Journal(region: region).settle()
            region[.shardStampRule] = stampRule.rawValue
            // Above every unique that any old shard has given out.
            region.setShardCASCounter(casBase / UInt64(header.regionCount) &+ 1)
        }
    }
}
