/// What one thread moves: every region of an old arena from its lane's number on, lane after lane.
struct MoveLane {
    private let old: OldArena
    private let targets: MoveTargets
    private let journal: MoveJournal.Lane
    private let laneCount: Int
    private let choice: MoveChoice
    private let host: ArenaMove.Host
    private let now: UInt32
    private(set) var report = MoveReport()
    /// How far the present old region has been given back, in bytes from the arena's start.
    private var released = 0
    /// How far the host knows of it.
    private var told = 0
    private var stepsSinceTurn = 0

    private static let pageByteCount = ArenaMove.pageByteCount

    init(
        _ old: OldArena, _ targets: MoveTargets, _ journal: MoveJournal.Lane,
        stride laneCount: Int, _ choice: MoveChoice, _ host: ArenaMove.Host, now: UInt32
    ) {
        self.old = old
        self.targets = targets
        self.journal = journal
        self.laneCount = laneCount
        self.choice = choice
        self.host = host
        self.now = now
    }

    mutating func run() throws(DamagedRegion) -> ArenaMove.Outcome {
        while journal.cursor.region < old.header.regionCount {
            let outcome = try moveRegion(journal.cursor)
            if outcome != .moved { return outcome }
        }
        return .moved
    }

    /// An item that is left.
    private struct Left {
        let start: Unit
        let item: Item
        let shard: Int
    }

    private mutating func moveRegion(
        _ place: MoveJournal.Place
    ) throws(DamagedRegion) -> ArenaMove.Outcome {
        let number = place.region
        let region = old.region(number)
        let start = old.start(of: number)
        // The region's own fields are needed until it is done with, and neighbours' pages not touched.
        released = Self.page(atOrAfter: start + Int(ExtentAllocator.headUnitCount) * 8)
        told = start
        for left in try left(from: place) {
            let item = MoveJournal.Place(region: number, unit: left.item.unit)
            guard !choice.leavesOut(item) else { continue }
            guard move(left, region, of: number) else { return .noRoom }
            let end = left.start + region.region.length(Extent(left.start))
            giveBack(below: start + Int(end) * Region.unitByteCount)
            stepsSinceTurn += 1
            if stepsSinceTurn >= host.stepsPerTurn {
                stepsSinceTurn = 0
                guard tell(start + Int(left.start) * Region.unitByteCount) else {
                    return .interrupted
                }
            }
        }
        journal.advance(to: .start(of: number + laneCount))
        let end = old.start(of: number + 1)
        let begin = Self.page(atOrAfter: start)
        let last = end / Self.pageByteCount * Self.pageByteCount
        if begin < last { host.release(begin..<last) }
        return tell(end) ? .moved : .interrupted
    }

    /// What lives and has not moved, by the places from which it moves, in their order.
    private mutating func left(from place: MoveJournal.Place) throws(DamagedRegion) -> [Left] {
        var all: [Left] = []
        var isInOrder = true
        var found = RecoveryReport()
        _ = try old.survey(place.region, from: place.unit, now: now, &found) { item, hash, lowest in
            all.append(Left(start: lowest, item: item, shard: targets.shard(hash)))
            isInOrder = isInOrder && lowest == item.unit
        }
        if !isInOrder { all.sort { $0.start < $1.start } }
        report.note(found)
        return all
    }

    private mutating func tell(_ done: Int) -> Bool {
        defer { told = done }
        return host.goesOn(done - told)
    }

    /// One step; false when there is no memory for it.
    private mutating func move(_ left: Left, _ region: OldRegion, of number: Int) -> Bool {
        let item = left.item
        let header = region.header(item)
        let unitCount = targets.unitCount(header)
        let next = MoveJournal.Place(
            region: number, unit: left.start + region.region.length(Extent(left.start)))
        // What was left for the index is the last that is taken.
        guard targets.hasRoom(for: unitCount, in: left.shard) else {
            report.counts[.evictions] += 1
            journal.advance(to: next)
            return true
        }
        guard targets.take(unitCount, in: left.shard, host.take) else { return false }
        let target = MoveJournal.Place(region: left.shard, unit: targets.frontier(left.shard))
        journal.beginStep(to: target)
        targets.write(header, item, of: region, to: target, unitCount: unitCount)
        targets.setFrontier(.init(region: left.shard, unit: target.unit + unitCount))
        journal.advance(to: next)
        if !region.region.next(after: item.head).isNull {
            giveBackInside(item, region, of: number)
        }
        return true
    }

    // MARK: Giving back

    private static let pieceByteCountMin = 64 << 10

    private static func page(atOrAfter place: Int) -> Int {
        (place + pageByteCount - 1) / pageByteCount * pageByteCount
    }

    /// In parts that are small beside the arena, and not too many.
    private var partByteCount: Int { max(64 << 10, min(4 << 20, old.header.arenaByteCount / 64)) }

    private mutating func giveBack(below place: Int) {
        let end = place / Self.pageByteCount * Self.pageByteCount
        guard end - released >= partByteCount else { return }
        host.release(released..<end)
        released = end
    }

    /// The inside of an item's pieces, wherever they are: their headers are still walked on.
    private func giveBackInside(_ item: Item, _ region: OldRegion, of number: Int) {
        var pieces: [Range<Int>] = []
        region.forEachExtent(item) { extent in
            let start = old.start(of: number) + Int(extent.unit) * Region.unitByteCount
            let end = start + Int(region.region.length(extent)) * Region.unitByteCount
            // An item's header, or a piece's.
            let first = Self.page(atOrAfter: start + 512)
            let inside = first..<max(first, end / Self.pageByteCount * Self.pageByteCount)
            if inside.count >= Self.pieceByteCountMin, inside.lowerBound >= released {
                pieces.append(inside)
            }
        }
        for piece in pieces { host.release(piece) }
    }
}
