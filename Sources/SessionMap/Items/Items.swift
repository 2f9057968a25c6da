/// The items of a shard: index, eviction queues and timing wheel, which change together or not at all,
/// and only here.
///
/// An item comes in by `insert` or `replace` and leaves by `replace` or `remove`, for a reason. Every
/// change of one, deadlines and marks included, passes `note`.
///
/// Invariants, checked by the shard's `brokenInvariant()`:
/// - every item is in the index once and in one of the queues once; one with a deadline is in the
///   wheel, in a slot that comes up no later than it expires;
/// - the sums agree with what is there.
struct Items: ~Copyable {
    private let region: Region
    private let journal: Journal
    private let hash: KeyHash
    private(set) var index: ItemIndex
    private(set) var queues: EvictionQueues
    private(set) var wheel: TimingWheel
    private(set) var flushes: Flushes
    private let lifetimes: Lifetimes
    private var isTimed: Bool
    var sums: ItemSums
    var awaited = AwaitedKeys()
    /// Counts removals and moves: whoever found a slot before may use it only if this has not changed.
    private var moveCount: UInt64 = 0

    init(
        region: Region, configuration: MapConfiguration, hash: KeyHash, now: UInt32,
        index: consuming ItemIndex, flushes: FlushState = FlushState()
    ) {
        self.region = region
        journal = Journal(region: region)
        self.hash = hash
        self.index = index
        queues = EvictionQueues(region: region, policy: configuration.eviction)
        wheel = TimingWheel(region: region, time: now)
        self.flushes = Flushes(region: region, flushes)
        lifetimes = configuration.lifetimes
        isTimed = lifetimes.rules.areOn
        sums = ItemSums(region: region, tracksSizes: configuration.tracksSizes)
    }

    /// The part of a key's hash that the index uses; the other half chose the shard.
    @inline(__always)
    static func tag(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash) }

    func tag(of item: Item) -> UInt32 { Self.tag(hash.hash(region.key(item))) }

    // MARK: The door

    /// Every change of an item passes here, while the item's memory is whole: what is counted is
    /// counted here, and a stream of changes begins here.
    ///
    /// The shard's lock is held. So whoever listens writes down what changed, in memory that is there
    /// already and of a bounded size, and does its work later, without the lock. What nobody listens to
    /// costs nothing: the change is known where this is compiled into.
    @inline(__always)
    private mutating func note(_ change: ItemChange, _ item: Item) {
        switch change {
        case .stored: sums.countStored()
        case .removed(let reason):
            moveCount += 1
            sums.count(reason, item)
            if isTimed, reason == .expired { noteTimeout(item) }
            noteAwaited(item)
        case .moved: moveCount += 1
        case .deadline: noteAwaited(item)
        case .marks: break
        }
    }

    mutating func noteRules() { isTimed = lifetimes.rules.areOn }

    /// Where there are rules on how long items live: which of them has ended this one.
    @inline(never)
    private mutating func noteTimeout(_ item: Item) {
        let birth = region.features.contains(.births) ? region.birth(item) : 0
        if let end = lifetimes.end(of: region.deadline(item), birth: birth) { sums.count(end) }
    }

    @inline(__always)
    private func noteAwaited(_ item: Item) {
        if !awaited.isEmpty { awaited.noteChange(hash.hash(region.key(item))) }
    }

    // MARK: Finding

    @inline(__always)
    func isFlushed(_ item: Item) -> Bool { flushes.cover(item) }

    @inline(__always)
    func isExpired(_ item: Item, now: UInt32) -> Bool {
        region.deadline(item).isPassed(at: now)
    }

    /// The live item of a key, or why there is none. A dead one that is met is removed.
    @inline(__always)
    mutating func findLive(
        _ key: Span<UInt8>, tag: UInt32, now: UInt32, _ memory: inout ShardMemory
    ) -> (item: Item, slot: ItemIndex.Slot, outcome: RetrievalOutcome)? {
        guard let found = index.find(key, tag: tag) else { return nil }
        if isFlushed(found.item) {
            remove(found.item, slot: found.slot, tag: tag, .flushed, &memory)
            return (.null, found.slot, .flushed)
        }
        if isExpired(found.item, now: now) {
            remove(found.item, slot: found.slot, tag: tag, .expired, &memory)
            return (.null, found.slot, .expired)
        }
        return (found.item, found.slot, .hit)
    }

    /// The live item of a key, for another to take its place.
    @inline(__always)
    mutating func findPresent(
        _ key: Span<UInt8>, tag: UInt32, now: UInt32, _ memory: inout ShardMemory
    ) -> Present {
        guard let found = findLive(key, tag: tag, now: now, &memory), found.outcome == .hit else {
            return .none
        }
        return present(found.item, found.slot)
    }

    @inline(__always)
    func present(_ item: Item, _ slot: ItemIndex.Slot) -> Present {
        Present(item: item, slot: slot, moveCount: moveCount)
    }

    /// The same, after room was made.
    @inline(__always)
    func refreshed(_ old: Present, _ key: Span<UInt8>, tag: UInt32) -> Present {
        guard !old.item.isNull, old.moveCount != moveCount else { return old }
        guard let found = index.find(key, tag: tag) else { return .none }
        return present(found.item, found.slot)
    }

    // MARK: Coming and going

    /// Lets a written item be the one of its key: the last step of every store. The index has room for
    /// it, and nothing holds the key's place.
    mutating func insert(_ item: Item, tag: UInt32, _ seal: Seal) {
        publish(item, superseding: .null, seal)
        sums.countBorn()
        index.insert(item, tag: tag)
    }

    /// The same, for an item that takes another's place and standing.
    mutating func replace(
        _ old: Item, in slot: ItemIndex.Slot, with item: Item, _ seal: Seal,
        _ memory: inout ShardMemory
    ) {
        publish(item, superseding: old, seal)
        index.replace(slot, with: item)
        retire(old, .replaced, &memory)
        journal.settle()
    }

    /// An item whose deadline has passed is stored like any other and found to be expired.
    @inline(__always)
    private mutating func publish(_ item: Item, superseding old: Item, _ seal: Seal) {
        region.setCASUnique(item, seal.casUnique)
        region[item, .epoch] = flushes.epoch
        if region.features.contains(.checksums) {
            region.seal(item, seal.content ?? region.content(of: item, seed: hash.seed))
        }
        queues.stamp(item, replacing: continues(item, old) ? old : .null, time: seal.time)
        journal.publish(item, superseding: old)
        enqueue(item)
        note(.stored, item)
    }

    /// Whether one takes another's standing with its place. Not what began anew elsewhere, as another session.
    @inline(__always)
    private func continues(_ item: Item, _ old: Item) -> Bool {
        guard !old.isNull, region.features.contains(.births) else { return true }
        let birth = region.birth(old)
        return birth == 0 || region.birth(item) == birth
    }

    /// Puts an item into its queue, as the newest, and into the wheel.
    @inline(__always)
    private mutating func enqueue(_ item: Item) {
        let size = region.chainSize(item.head)
        sums.add(size)
        queues.insert(item, unitCount: size.unitCount)
        let deadline = region.deadline(item).seconds
        if deadline != 0 { wheel.schedule(item, deadline: deadline) }
    }

    /// Takes an item out of index, queue and wheel, and frees it unless a reply still reads it.
    mutating func remove(
        _ item: Item, slot: ItemIndex.Slot, tag: UInt32, _ reason: RemovalReason,
        _ memory: inout ShardMemory
    ) {
        index.remove(slot)
        retire(item, reason, &memory)
        if index.wantsShrinking(slot) { index.shrink(tag, extents: &memory.extents) }
    }

    mutating func remove(_ item: Item, _ reason: RemovalReason, _ memory: inout ShardMemory) {
        let tag = tag(of: item)
        remove(item, slot: index.slot(of: item, tag: tag), tag: tag, reason, &memory)
    }

    /// Removes an item that has expired or was flushed.
    mutating func removeDead(_ item: Item, _ memory: inout ShardMemory) {
        remove(item, isFlushed(item) ? .flushed : .expired, &memory)
    }

    /// Removes an item alive, to make room.
    mutating func evict(_ item: Item, time: MapTime, _ memory: inout ShardMemory) {
        sums.lastEviction = LastEviction(
            age: queues.secondsSinceAccess(item, time: time), seconds: time.seconds)
        remove(item, .evicted, &memory)
    }

    /// As `remove`, for an item whose slot in the index another item has taken.
    @inline(__always)
    private mutating func retire(
        _ item: Item, _ reason: RemovalReason, _ memory: inout ShardMemory
    ) {
        note(.removed(reason), item)
        if wheel.isScheduled(item) { wheel.unschedule(item) }
        let size = region.chainSize(item.head)
        let isFlushed = isFlushed(item)
        queues.remove(item, unitCount: size.unitCount, isFlushed: isFlushed)
        sums.subtract(size, isFlushed: isFlushed)
        memory.release(item, unitCount: size.unitCount)
    }

    /// Gives an item that is not in the wheel yet another deadline.
    func setDeadline(_ deadline: Deadline, of item: Item) {
        if deadline != region.deadline(item) { region.setDeadline(item, deadline) }
    }

    /// Takes in an item that recovery has found, as the newest so far; false for one that has a twin
    /// already, which only damage leaves. Of the two, the higher CAS unique stays.
    mutating func adopt(_ item: Item, tag: UInt32, _ memory: inout ShardMemory) -> Bool {
        let twin = index.find(Span(_unsafeBytes: region.key(item)), tag: tag)
        if let twin {
            guard region.casUnique(twin.item) < region.casUnique(item) else {
                memory.giveBack(unpublished: item)
                return false
            }
            // Not `remove`, which may make the index smaller: it has room for all that is yet to come.
            index.remove(twin.slot)
            retire(twin.item, .replaced, &memory)
        }
        region[item, .wheelPrevious] = TimingWheel.unscheduled
        index.insert(item, tag: tag)
        enqueue(item)
        return twin == nil
    }

    // MARK: Changes of an item that stays

    /// Takes note of a hit.
    @inline(__always)
    mutating func noteHit(_ item: Item, time: MapTime) {
        region[item, .marks] |= ItemMark.fetched
        queues.noteHit(item, time: time)
        note(.marks, item)
    }

    /// Takes note of an access to another copy.
    mutating func noteReadElsewhere(_ item: Item, isProven: Bool, time: MapTime) {
        queues.noteReadElsewhere(item, isProven: isProven, time: time)
        note(.marks, item)
    }

    /// Takes note of an access that is no hit: the item is the last to go in its queue.
    @inline(__always)
    mutating func bump(_ item: Item) { queues.bump(item) }

    @inline(__always)
    mutating func apply(_ use: HitUse, to item: Item) {
        if use.claims {
            region[item, .marks] |= ItemMark.claimed
            note(.marks, item)
        }
        if let deadline = use.deadline {
            wheel.setDeadline(item, deadline)
            note(.deadline, item)
        }
    }

    /// Marks an item's value as out of date. It gets another CAS unique, so that nobody's
    /// compare-and-swap takes it for what it was.
    mutating func makeStale(_ item: Item, casUnique: UInt64, deadline: Deadline?) {
        let old = region.deadline(item)
        region.makeStale(item, casUnique: casUnique, deadline: deadline ?? old)
        note(.marks, item)
        guard let deadline else { return }
        wheel.reschedule(item, from: old.seconds, to: deadline)
        note(.deadline, item)
    }

    // MARK: The index's room

    /// Makes sure that the index can take one more item of this tag; false when something must go.
    mutating func makeIndexRoom(_ tag: UInt32, _ memory: inout ShardMemory) -> Bool {
        // A segment wants a run of free units. As long as it has room it waits for one to come by;
        // then one is made. Evicting until one comes by is the last resort.
        while index.wantsGrowth(tag) {
            if index.grow(tag, extents: &memory.extents) { continue }
            guard index.isNearlyFull(tag) else { return true }
            if makeRun(index.growthUnitCount(tag), &memory),
                index.grow(tag, extents: &memory.extents)
            {
                continue
            }
            return index.hasRoom(tag)
        }
        return true
    }

    /// Makes a free run of `length` units by moving small items. Their recency stays.
    mutating func makeRun(_ length: UInt32, _ memory: inout ShardMemory) -> Bool {
        let region = region
        let pins = memory.pins
        let rule = Journal.RunRule(candidateCount: 4, takesWhatIsThere: true)
        return Journal(region: region).makeRun(length, rule, extents: &memory.extents) { item in
            // A large one or one that a reply reads stays where it is.
            region.length(item.head) <= length && pins[item] == nil
        } didMove: {
            noteMoved($0, to: $1)
        }
    }

    private mutating func noteMoved(_ item: Item, to place: Item) {
        index.replace(index.slot(of: item, tag: tag(of: item)), with: place)
        queues.relocate(item, to: place)
        if wheel.isScheduled(item) { wheel.relocate(item, to: place) }
        note(.moved, place)
    }

    // MARK: Leaving the region's end

    /// Moves an item, which no reply reads, to where extents are handed out; in pieces, if need be. Its
    /// recency stays. False when there is no room.
    mutating func relocate(_ item: Item, _ memory: inout ShardMemory) -> Bool {
        let length = region.length(item.head)
        if region.next(after: item.head).isNull, let place = memory.extents.take(length) {
            Journal(region: region).move(item, to: Item(place), extents: &memory.extents) {
                noteMoved($0, to: $1)
            }
            return true
        }
        let headByteCount = region.valueOffset(item)
        let byteCount = headByteCount + Int(region[item, .valueByteCount])
        guard
            let chain = memory.takeInFront(byteCount: byteCount, headByteCount: headByteCount)
        else { return false }
        let old = region.chainSize(item.head)
        let new = region.chainSize(chain)
        sums.subtract(old, isFlushed: false)
        sums.add(new)
        queues.resize(item, by: new.unitCount - old.unitCount)
        Journal(region: region).move(
            item, toChain: Item(chain), seed: hash.seed, extents: &memory.extents
        ) {
            noteMoved($0, to: $1)
        }
        return true
    }

    /// Moves a segment of the index there, small items making room if need be.
    mutating func moveSegment(at place: Int, _ memory: inout ShardMemory) -> Bool {
        if index.moveSegment(at: place, extents: &memory.extents) { return true }
        let length = region.length(index.directory[place].segment.extent)
        return makeRun(length, &memory)
            && index.moveSegment(at: place, extents: &memory.extents)
    }

    // MARK: As time goes by

    /// Removes what has expired, as far as `budget` goes; true when there is more.
    mutating func expire(now: UInt32, budget: WorkBudget, _ memory: inout ShardMemory) -> Bool {
        var budget = budget
        while let item = wheel.nextExpired(now: now, budget: &budget) {
            if !isFlushed(item) {
                sums.countExpiredInTurn(lagSeconds: now - min(region.deadline(item).seconds, now))
            }
            removeDead(item, &memory)
        }
        return wheel.time < now
    }

    /// Removes some of what has expired, should a turn of maintenance be late; whether it was any.
    mutating func expireLate(now: UInt32, _ memory: inout ShardMemory) -> Bool {
        guard wheel.time < now else { return false }
        let before = moveCount
        _ = expire(now: now, budget: WorkBudget(items: 16), &memory)
        return moveCount != before
    }

    mutating func prepareAhead(_ budget: consuming WorkBudget) -> Bool {
        wheel.prepareAhead(budget: &budget)
    }

    // MARK: Flushing

    /// Lets everything be gone that is stored at a moment to come.
    mutating func flush(at deadline: Deadline) {
        awaited.noteFlush()
        flushes.schedule(at: deadline)
    }

    /// Lets everything that is stored be gone. Constant time: the memory comes back in turns of
    /// `sweep`, or when room is needed.
    mutating func flush(_ memory: inout ShardMemory) {
        // Nothing was stored since the last flush: flushes in a row are one.
        guard queues.hasItems(of: flushes.epoch) else { return flush(at: .never) }
        awaited.noteFlush()
        if flushes.wantSweeping {
            // It takes more flushes than `maintain` keeps up with, with stores in between, to get here.
            while sweep(budget: WorkBudget(items: 1_000), &memory) {}
        }
        flushes.begin()
        sums.countFlushed(queues.liveProbationary.itemCount + queues.liveProven.itemCount)
        queues.noteFlush()
        sums.forgetSizes()
    }

    /// Frees flushed items; true when there are more.
    mutating func sweep(budget: WorkBudget, _ memory: inout ShardMemory) -> Bool {
        guard flushes.mayHaveLeftItems else { return false }
        var budget = budget
        while true {
            let item = queues.oldest(notOf: flushes.epoch)
            if item.isNull { break }
            guard !budget.isSpent else { return true }
            budget.spendItem()
            removeDead(item, &memory)
        }
        flushes.noteSwept()
        return false
    }
}
