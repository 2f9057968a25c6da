/// Moves the items of an arena to one of another size, of other shards or a later layout, giving the old
/// one's memory back as it goes.
///
/// The old arena is walked from its beginning to its end. What lives is copied behind the last item of
/// its new region; nothing else is made there: a moved arena looks like one that a process has left,
/// and is taken over as such. Standing and time of the last access are fields of the item, so recovery
/// finds the order in which items go. If a new region cannot hold all that falls to it, what the
/// eviction policy says goes first is left out.
///
/// Goals: at no moment more memory than the larger of the two arenas, and a tenth; a death of the process
/// at any moment loses nothing; time proportional to what is stored. Not a goal: to serve meanwhile.
///
/// Why no death loses an item. An item moves when the walk comes to its first extent in memory, and
/// *has moved* exactly if that extent is below the journal's cursor. A step is, each an aligned store
/// after everything before it:
///
/// 1. the journal says: from this cursor on a step has begun, to this region, whose frontier was this;
/// 2. the item is written behind the frontier, where nobody looks;
/// 3. the frontier is set behind the item;
/// 4. the cursor is set behind the item's first extent.
///
/// Before 4 the old copy counts, and nothing of it has been given back, as only what is below the cursor
/// is (of an item in pieces also the inside of pieces further on, after its step). Whoever goes on
/// sees by the equal cursors of 1 that the step was not completed, and puts the frontier back: so no
/// item moves twice. After 4 the new copy counts: the walk goes on behind the old one, and an item in
/// pieces of which one is below the cursor is passed over. The old arena is marked before the first
/// step, so that nobody takes it for whole; the new one gets its magic number after the last, and then
/// its name. A replaced item that still has its successor beside it is made none before the first step.
package struct ArenaMove {
    /// What the owner of both memories does for the move.
    package struct Host {
        /// Makes memory of the new arena present; false when there is none to be had.
        package var take: (Range<Int>) -> Bool
        /// Gives whole pages of the old one back.
        package var release: (Range<Int>) -> Void
        /// Between two steps, now and then: how many bytes of the old arena are done. False ends
        /// the work, which somebody goes on with later.
        package var goesOn: (Int) -> Bool
        /// For tests: before every store that decides what a death leaves.
        var willStore: (() -> Void)?
        /// Steps between two questions whether to go on.
        var stepsPerTurn = 64

        package init(
            take: @escaping (Range<Int>) -> Bool, release: @escaping (Range<Int>) -> Void,
            goesOn: @escaping (Int) -> Bool
        ) {
            self.take = take
            self.release = release
            self.goesOn = goesOn
        }
    }

    package enum Outcome: Equatable, Sendable {
        case moved
        case interrupted
        case noRoom
    }

    private let old: UnsafeMutableRawBufferPointer
    private let new: UnsafeMutableRawBufferPointer
    private let found: FoundArena
    private let header: ArenaHeader
    private let journal: MoveJournal
    private let now: UInt32
    private let host: Host
    private let hash: KeyHash
    private let targets: MoveTargets
    private var choice = MoveChoice()
    /// What did not move; what did is counted by whoever takes the new arena over.
    package private(set) var report = MoveReport()
    /// How far the present old region has been given back, in bytes from the arena's start.
    private var released = 0
    private var stepsSinceTurn = 0

    package static let pageByteCount = 4_096

    // MARK: Beginning

    /// Whether an arena's items have begun to move: by which number.
    package static func number(ofOld page: UnsafeRawBufferPointer) -> UInt64? {
        MoveJournal.mark(of: page)
    }

    /// The move that a new arena belongs to, and what it will be.
    package static func unfinished(
        _ page: UnsafeMutableRawBufferPointer
    ) -> (number: UInt64, header: ArenaHeader)? {
        guard let number = MoveJournal.number(of: UnsafeRawBufferPointer(page)),
            let base = page.baseAddress
        else { return nil }
        return (number, MoveJournal(page: base, willStore: nil).header)
    }

    /// The arena that a map of this configuration will be taken over from.
    package static func header(
        for configuration: MapConfiguration, after old: FoundArena
    ) -> ArenaHeader {
        let share =
            configuration.byteCount / configuration.shardCount / Region.unitByteCount
            * Region.unitByteCount
        return ArenaHeader(
            arenaByteCount: SessionMap.arenaByteCount(forMapOf: configuration.byteCount),
            regionCount: configuration.shardCount, regionByteCount: share,
            hashSeed: old.header.hashSeed, features: configuration.features)
    }

    /// Writes the journal of a new move. `page` is the zero first page of what will be the new arena.
    /// Throws before anything is changed if the old arena is damaged.
    package static func begin(
        _ old: UnsafeMutableRawBufferPointer, _ found: FoundArena,
        to page: UnsafeMutableRawBufferPointer, header: ArenaHeader, number: UInt64, now: UInt32
    ) throws(DamagedRegion) {
        try begin(old, found, to: page, header: header, number: number, now: now, willStore: nil)
    }

    static func begin(
        _ old: UnsafeMutableRawBufferPointer, _ found: FoundArena,
        to page: UnsafeMutableRawBufferPointer, header: ArenaHeader, number: UInt64, now: UInt32,
        willStore: (() -> Void)?
    ) throws(DamagedRegion) {
        guard let oldBase = old.baseAddress, let newBase = page.baseAddress else {
            preconditionFailure("arenas without memory")
        }
        var casBase: UInt64 = 0
        var flushDeadline = Deadline.never
        var stampRules: Set<StampRule> = []
        for number in 0..<found.header.regionCount {
            let region = oldRegion(old, found, number)
            try region.check()
            try region.settleReplacement(now: now)
            stampRules.insert(region.stampRule)
            // The last unique of a shard is so; from a counter that makes no sense nothing follows.
            let (high, overflow) = region.casCounter.multipliedReportingOverflow(
                by: UInt64(found.header.regionCount))
            if !overflow, high < .max / 4 { casBase = max(casBase, high + UInt64(number)) }
            let deadline = region.flushDeadline
            if deadline != .never,
                flushDeadline == .never || deadline.seconds < flushDeadline.seconds
            {
                flushDeadline = deadline
            }
        }
        let journal = MoveJournal(page: newBase, willStore: willStore)
        journal.begin(
            number: number, header: header, casBase: casBase, flushDeadline: flushDeadline,
            // Where they differ, a change of policy was not completed: each item says what it can.
            stampRule: stampRules.count == 1 ? stampRules.first ?? .unknown : .unknown)
        journal.setMark(of: oldBase, number: number)
    }

    /// A move that has begun, perhaps by another process, which died.
    package init(
        _ old: UnsafeMutableRawBufferPointer, _ found: FoundArena,
        to new: UnsafeMutableRawBufferPointer, eviction: EvictionPolicy, now: UInt32, host: Host
    ) throws(DamagedRegion) {
        guard let newBase = new.baseAddress else { preconditionFailure("an arena without memory") }
        self.old = old
        self.new = new
        self.found = found
        self.now = now
        self.host = host
        journal = MoveJournal(page: newBase, willStore: host.willStore)
        header = journal.header
        hash = KeyHash(seed: found.header.hashSeed)
        targets = MoveTargets(new, header: header, willStore: host.willStore)
        if let broken = journal.brokenStep { targets.setFrontier(broken) }
        try choose(eviction)
    }

    private static func oldRegion(
        _ old: UnsafeMutableRawBufferPointer, _ found: FoundArena, _ number: Int
    ) -> OldRegion {
        let byteCount = found.header.regionByteCount
        guard let base = old.baseAddress, number < found.header.regionCount,
            ArenaHeader.byteCount + (number + 1) * byteCount <= old.count
        else { preconditionFailure("no such region") }
        return OldRegion(
            base: base + ArenaHeader.byteCount + number * byteCount, byteCount: byteCount,
            layoutVersion: found.layoutVersion, features: found.header.features)
    }

    private func regionStart(_ number: Int) -> Int {
        ArenaHeader.byteCount + number * found.header.regionByteCount
    }

    private func shard(of key: UnsafeRawBufferPointer) -> Int {
        Int(hash.hash(key) >> 32) & (header.regionCount - 1)
    }

    // MARK: What stays

    /// Calls `body` with every item that has not moved and lives, where it begins in memory.
    private func forEachLeft(
        in number: Int, _ body: (_ start: Unit, _ head: Unit, _ item: OldRegion.StoredItem) -> Void
    ) throws(DamagedRegion) -> (expired: Int, flushed: Int) {
        let region = Self.oldRegion(old, found, number)
        let cursor = journal.cursor
        let first = number == cursor.region ? cursor.unit : Layout3.headUnitCount
        var expired = 0
        var flushed = 0
        var damage: DamagedRegion?
        let epoch = region.epoch
        try region.walk(from: first) { head, kind in
            guard kind == Layout3.item, damage == nil else { return }
            let item = region.item(head)
            do throws(DamagedRegion) {
                guard let start = try region.lowestExtent(head, item, notBelow: first) else {
                    return
                }
                if item.epoch != epoch {
                    flushed += 1
                } else if item.deadline.isPassed(at: now) {
                    expired += 1
                } else {
                    body(start, head, item)
                }
            } catch {
                damage = error
            }
        }
        if let damage { throw damage }
        return (expired, flushed)
    }

    private mutating func choose(_ eviction: EvictionPolicy) throws(DamagedRegion) {
        var sums = [MoveTargets.Sum](repeating: .init(), count: header.regionCount)
        let start = journal.cursor.region
        for number in start..<max(start, found.header.regionCount) {
            let region = Self.oldRegion(old, found, number)
            let (expired, flushed) = try forEachLeft(in: number) { _, head, item in
                sums[shard(of: region.key(head, item))].add(targets.unitCount(item))
            }
            report.expiredCount += expired
            report.flushedCount += flushed
        }
        let short = (0..<header.regionCount).map { !targets.hold(sums[$0], in: $0) }
        guard short.contains(true) else { return }
        var choosing = MoveChoice.Choosing(
            eviction: eviction, stampRule: journal.stampRule, now: now)
        for number in start..<max(start, found.header.regionCount) {
            let region = Self.oldRegion(old, found, number)
            _ = try forEachLeft(in: number) { _, head, item in
                let shard = shard(of: region.key(head, item))
                if short[shard] {
                    choosing.add(
                        MoveJournal.Place(region: number, unit: head), item,
                        unitCount: targets.unitCount(item), shard: shard)
                }
            }
        }
        choice = choosing.choice(sums, targets)
        report.counts.add(choice.counts)
    }

    // MARK: Moving

    /// Moves what is left. Once it has moved, `finish` makes an arena of the new memory.
    package mutating func run() throws(DamagedRegion) -> Outcome {
        while journal.cursor.region < found.header.regionCount {
            let outcome = try moveRegion(journal.cursor.region)
            if outcome != .moved { return outcome }
        }
        return .moved
    }

    private mutating func moveRegion(_ number: Int) throws(DamagedRegion) -> Outcome {
        let region = Self.oldRegion(old, found, number)
        // Items by the place from which they move, in its order.
        var left: [(start: Unit, head: Unit)] = []
        _ = try forEachLeft(in: number) { start, head, _ in left.append((start, head)) }
        left.sort { $0.start < $1.start }
        // The region's own fields are needed until it is done with.
        let pages = regionStart(number) + Int(Layout3.headUnitCount) * Layout3.unitByteCount
        released = (pages + Self.pageByteCount - 1) / Self.pageByteCount * Self.pageByteCount
        for (start, head) in left {
            let place = MoveJournal.Place(region: number, unit: head)
            guard !choice.leavesOut(place) else { continue }
            guard move(head, region, from: start, of: number) else { return .noRoom }
            giveBack(below: start + region.length(start), of: number)
            stepsSinceTurn += 1
            if stepsSinceTurn >= host.stepsPerTurn {
                stepsSinceTurn = 0
                let done = regionStart(number) + Int(start) * Layout3.unitByteCount
                guard host.goesOn(done) else { return .interrupted }
            }
        }
        journal.advance(to: .init(region: number + 1, unit: Layout3.headUnitCount))
        // The page in which the next region begins may be needed yet; the last has none behind it.
        let end = regionStart(number + 1) / Self.pageByteCount * Self.pageByteCount
        let begin = max(
            ArenaHeader.byteCount,
            regionStart(number) / Self.pageByteCount * Self.pageByteCount)
        if begin < end { host.release(begin..<end) }
        guard host.goesOn(regionStart(number + 1)) else { return .interrupted }
        return .moved
    }

    /// One step; false when there is no memory for it.
    private mutating func move(
        _ head: Unit, _ region: OldRegion, from start: Unit, of number: Int
    ) -> Bool {
        let item = region.item(head)
        let shard = shard(of: region.key(head, item))
        let unitCount = targets.unitCount(item)
        let next = MoveJournal.Place(region: number, unit: start + region.length(start))
        // Whoever it was, it is not what was stored; a new checksum would say that it is.
        guard region.isIntact(head, seed: hash.seed) else {
            report.damagedCount += 1
            journal.advance(to: next)
            return true
        }
        // What was left for the index is the last that is taken.
        guard targets.hasRoom(for: unitCount, in: shard) else {
            report.counts[.evictions] += 1
            journal.advance(to: next)
            return true
        }
        guard targets.take(unitCount, in: shard, host.take) else { return false }
        let target = MoveJournal.Place(region: shard, unit: targets.frontier(shard))
        journal.beginStep(to: target)
        targets.write(item, head, of: region, to: target, unitCount: unitCount)
        targets.setFrontier(.init(region: shard, unit: target.unit + unitCount))
        journal.advance(to: next)
        if region.link(head) != 0 { giveBackInside(head, region, of: number) }
        return true
    }

    // MARK: Giving back

    private static let pieceByteCountMin = 64 << 10

    /// In parts that are small beside the arena, and not too many.
    private var partByteCount: Int { max(64 << 10, min(4 << 20, found.header.arenaByteCount / 64)) }

    private mutating func giveBack(below unit: Unit, of number: Int) {
        let end =
            (regionStart(number) + Int(unit) * Layout3.unitByteCount)
            / Self.pageByteCount * Self.pageByteCount
        guard end - released >= partByteCount else { return }
        host.release(released..<end)
        released = end
    }

    /// The inside of an item's pieces, wherever they are: their headers are still walked on.
    private func giveBackInside(_ head: Unit, _ region: OldRegion, of number: Int) {
        var pieces: [Range<Int>] = []
        region.forEachExtent(head) { extent in
            let start = regionStart(number) + Int(extent) * Layout3.unitByteCount
            let end = start + Int(region.length(extent)) * Layout3.unitByteCount
            // An item's header, or a piece's.
            let first = (start + 512 + Self.pageByteCount - 1) / Self.pageByteCount
            let last = end / Self.pageByteCount
            let inside = first * Self.pageByteCount..<max(first, last) * Self.pageByteCount
            if inside.count >= Self.pieceByteCountMin, inside.lowerBound >= released {
                pieces.append(inside)
            }
        }
        for piece in pieces { host.release(piece) }
    }

    // MARK: The end

    private static func isComplete(_ new: UnsafeRawBufferPointer) -> Bool {
        if case .success = ArenaHeader.read(new) { return true }
        return false
    }

    /// Makes an arena of the new memory, as a process would have left it. The clock is that of now.
    package func finish(_ clock: SavedClock) {
        precondition(journal.cursor.region == found.header.regionCount, "items are left")
        guard let base = new.baseAddress else { return }
        // Who died between here and the new name has done this.
        guard !Self.isComplete(UnsafeRawBufferPointer(new)) else { return }
        targets.layOut(
            casBase: journal.casBase, flushDeadline: journal.flushDeadline,
            stampRule: journal.stampRule)
        clock.write(to: base)
        ArenaState.open(bootID: clock.bootID).write(to: base)
        header.write(to: base)
    }
}

/// Who was left behind; who moved is counted when the new arena is taken over.
package struct MoveReport: Sendable {
    package var expiredCount = 0
    package var flushedCount = 0
    /// Items that were not what had been stored.
    package var damagedCount = 0
    /// What found no room in a smaller arena.
    var counts = Counts<MapCounter>()
    package var evictedCount: Int { counts[.evictions] }
}
