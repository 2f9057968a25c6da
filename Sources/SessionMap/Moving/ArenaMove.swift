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
/// at any moment loses nothing; damage costs what it costs in recovery, by the same rules (`Survey`);
/// time proportional to what is stored. Not a goal: to serve meanwhile.
///
/// A key's shard is some bits of its hash, the lowest first. So where both arenas have several regions,
/// what is in the old ones of even numbers goes to new ones of even numbers. The two halves are *lanes*:
/// each moves by itself, in a thread of its own if there is one, and has its own cursor.
///
/// Why no death loses an item. An item moves when the walk comes to its first extent in memory, and
/// *has moved* exactly if that extent is below its lane's cursor. A step is, each an aligned store
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
    /// What the owner of both memories does for the move. Several threads may ask at the same time.
    package struct Host {
        /// Makes memory of the new arena present; false when there is none to be had.
        package var take: (Range<Int>) -> Bool
        /// Gives whole pages of the old one back.
        package var release: (Range<Int>) -> Void
        /// Between two steps, now and then: of so many bytes of the old arena more is known what became
        /// of them. False ends the work, which somebody goes on with later.
        package var goesOn: (Int) -> Bool
        /// Who works on regions at the same time.
        package var each: EachNumber = { count, body in
            for number in 0..<count { body(number) }
        }
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

    private let new: UnsafeMutableRawBufferPointer
    private let old: OldArena
    private let journal: MoveJournal
    private let now: UInt32
    private let host: Host
    private let targets: MoveTargets
    private var choice = MoveChoice()
    /// What did not move; what did is counted by whoever takes the new arena over.
    package private(set) var report = MoveReport()

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
        let header = MoveJournal(page: base, willStore: nil).header
        return header.isSound ? (number, header) : nil
    }

    /// The arena that a map of this configuration will be taken over from.
    package static func header(
        for configuration: MapConfiguration, after old: FoundArena
    ) -> ArenaHeader {
        ArenaHeader.planned(for: configuration, hashSeed: old.header.hashSeed)
    }

    /// Writes the journal of a new move. `page` is the zero first page of what will be the new arena.
    /// Throws before anything is changed if the old arena is damaged and has no checksums.
    package static func begin(
        _ memory: UnsafeMutableRawBufferPointer, _ found: FoundArena,
        to page: UnsafeMutableRawBufferPointer, header: ArenaHeader, number: UInt64, now: UInt32,
        each: EachNumber
    ) throws(DamagedRegion) -> MoveOutlook {
        try begin(
            memory, found, to: page, header: header, number: number, now: now, each: each,
            willStore: nil)
    }

    static func begin(
        _ memory: UnsafeMutableRawBufferPointer, _ found: FoundArena,
        to page: UnsafeMutableRawBufferPointer, header: ArenaHeader, number: UInt64, now: UInt32,
        each: EachNumber, willStore: (() -> Void)?
    ) throws(DamagedRegion) -> MoveOutlook {
        guard let oldBase = memory.baseAddress, let newBase = page.baseAddress else {
            preconditionFailure("arenas without memory")
        }
        let old = OldArena(memory, found)
        let regionCount = found.header.regionCount
        let outlook = try MoveOutlook(
            old, places: (0..<regionCount).map { .start(of: $0) }, header: header, now: now, each)
        for (number, item) in outlook.superseded {
            let journal = Journal(region: old.region(number).region)
            if !item.isNull { journal.hold(item) }
            journal.settle()
        }
        let rules = Set((0..<regionCount).map { old.region($0).stampRule })
        let journal = MoveJournal(page: newBase, willStore: willStore)
        journal.begin(
            number: number, header: header,
            laneCount: min(regionCount, header.regionCount, MoveJournal.laneCountMax),
            casBase: outlook.casBase, flushDeadline: outlook.flushDeadline,
            // Where they differ, a change of policy was not completed: each item says what it can.
            stampRule: rules.count == 1 ? rules.first ?? .unknown : .unknown)
        journal.setMark(of: oldBase, number: number)
        return outlook
    }

    /// A move that has begun, perhaps by another process, which died.
    ///
    /// - Parameters:
    ///   - outlook: what `begin` has found, if it was just now.
    ///   - birth: of items that do not say when they were born, if they are to.
    package init(
        _ memory: UnsafeMutableRawBufferPointer, _ found: FoundArena,
        to new: UnsafeMutableRawBufferPointer, outlook: MoveOutlook? = nil,
        eviction: EvictionPolicy, now: UInt32, birth: UInt32 = 0, host: Host
    ) throws(DamagedRegion) {
        guard let newBase = new.baseAddress else { preconditionFailure("an arena without memory") }
        self.new = new
        self.now = now
        self.host = host
        old = OldArena(memory, found)
        journal = MoveJournal(page: newBase, willStore: host.willStore)
        targets = MoveTargets(
            new, header: journal.header, birth: birth, willStore: host.willStore)
        guard journal.header.hashSeed == found.header.hashSeed, targets.areSound,
            lanes.allSatisfy({ $0.isSound(old.header, targets) })
        else {
            throw DamagedRegion(reason: "a journal of what cannot have moved")
        }
        for lane in lanes {
            if let broken = lane.brokenStep { targets.setFrontier(broken) }
        }
        let left = placesLeft
        var sums = outlook?.sums
        if sums == nil {
            sums = try MoveOutlook(
                old, places: left, header: journal.header, now: now, host.each
            ).sums
        }
        try choose(eviction, sums ?? [], among: left)
    }

    private var lanes: [MoveJournal.Lane] {
        (0..<journal.laneCount).map { journal.lane($0) }
    }

    /// From where on each region that has not moved as a whole is left.
    private var placesLeft: [MoveJournal.Place] {
        lanes.flatMap { lane in
            let cursor = lane.cursor
            return stride(
                from: cursor.region, to: old.header.regionCount, by: journal.laneCount
            ).map { $0 == cursor.region ? cursor : .start(of: $0) }
        }
    }

    /// What stays, if a region cannot hold all.
    private mutating func choose(
        _ eviction: EvictionPolicy, _ sums: [MoveTargets.Sum], among left: [MoveJournal.Place]
    ) throws(DamagedRegion) {
        let short = sums.indices.map { !targets.hold(sums[$0], in: $0) }
        guard short.contains(true) else { return }
        var choosing = MoveChoice.Choosing(
            eviction: eviction, stampRule: journal.stampRule, now: now)
        var report = RecoveryReport()
        for place in left {
            let region = old.region(place.region)
            _ = try old.survey(place.region, from: place.unit, now: now, &report) { item, hash, _ in
                let shard = targets.shard(hash)
                guard short[shard] else { return }
                let stored = region.header(item)
                choosing.add(
                    MoveJournal.Place(region: place.region, unit: item.unit), stored,
                    unitCount: targets.unitCount(stored), shard: shard)
            }
        }
        choice = choosing.choice(sums, targets)
        self.report.counts.add(choice.counts)
    }

    // MARK: Moving

    /// Moves what is left. Once it has moved, `finish` makes an arena of the new memory.
    package mutating func run() throws(DamagedRegion) -> Outcome {
        let (old, targets, journal, choice) = (old, targets, journal, choice)
        let (host, now) = (host, now)
        let ends = results(journal.laneCount, host.each) {
            number -> Result<(Outcome, MoveReport), DamagedRegion> in
            var lane = MoveLane(
                old, targets, journal.lane(number), stride: journal.laneCount, choice, host,
                now: now)
            do throws(DamagedRegion) {
                return .success((try lane.run(), lane.report))
            } catch {
                return .failure(error)
            }
        }
        var outcome = Outcome.moved
        for end in ends {
            let (part, left) = try end.get()
            report.add(left)
            if part != .moved { outcome = part }
        }
        return outcome
    }

    // MARK: The end

    private static func isComplete(_ new: UnsafeRawBufferPointer) -> Bool {
        if case .success = ArenaHeader.read(new) { return true }
        return false
    }

    /// Makes an arena of the new memory, as a process would have left it. The clock is that of now.
    package func finish(_ clock: SavedClock) {
        precondition(placesLeft.isEmpty, "items are left")
        guard let base = new.baseAddress else { return }
        // Who died between here and the new name has done this.
        guard !Self.isComplete(UnsafeRawBufferPointer(new)) else { return }
        targets.layOut(
            casBase: journal.casBase, flushDeadline: journal.flushDeadline,
            stampRule: journal.stampRule)
        clock.write(to: base)
        ArenaState.open(bootID: clock.bootID).write(to: base)
        journal.header.write(to: base)
    }
}

/// Who was left behind; who moved is counted when the new arena is taken over.
package struct MoveReport: Sendable {
    /// What was found in the old arena and is not kept.
    package private(set) var found = RecoveryReport()
    /// What found no room in a smaller arena.
    var counts = Counts<MapCounter>()
    package var evictedCount: Int { counts[.evictions] }

    mutating func add(_ other: MoveReport) {
        found.add(other.found)
        counts.add(other.counts)
    }

    mutating func note(_ part: RecoveryReport) { found.add(part) }
}
