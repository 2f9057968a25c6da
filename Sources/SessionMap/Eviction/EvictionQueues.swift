/// Who is evicted when room is needed.
package enum EvictionPolicy: Equatable, Sendable {
    /// The least recently used item.
    case lru
    /// Items that were never read back go first, as long as they hold more than `sharePercent` of
    /// the memory; a hit proves an item once it is `proofAgeSeconds` old, since frameworks read a
    /// session within the very request that creates it.
    case probation(sharePercent: Int, proofAgeSeconds: Int)

    /// How the share was chosen is in `scripts/results/README.md`.
    package static let standard = EvictionPolicy.probation(
        sharePercent: sharePercentDefault, proofAgeSeconds: proofAgeSecondsDefault)
    package static let sharePercentDefault = 5
    package static let sharePercentRange = 0...100
    package static let proofAgeSecondsDefault = 1
    /// An unproven item's age is kept in 24 bits of sixteenths of a second: 12 days.
    package static let proofAgeSecondsRange = 0...86_400
}

/// Under which policy a shard's items got their marks and time stamps. The numbers are part of the
/// layout.
enum StampRule: UInt32 {
    /// The shard does not say: it was left by a version that did not.
    case unknown = 0
    case lru = 1
    case probation = 2
}

/// What an item's `marks` say.
enum ItemMark {
    static let fetched: UInt32 = 1 << 0
    /// Read back when it was old enough: the item is in the proven queue.
    static let proven: UInt32 = 1 << 1
    /// Its value is out of date, as a client has said.
    static let stale: UInt32 = 1 << 2
    /// Some client has been told to make a new value; others need not.
    static let claimed: UInt32 = 1 << 3
    /// The key was sent in base64, and is to be shown so. It never changes, and is kept apart from the
    /// others, see `Region`.
    static let encodedKey: UInt32 = 1 << 4
}

/// The items of a shard in the order in which they are evicted: two recency queues, of probationary
/// and of proven items. With `EvictionPolicy.lru` all items stay in the first.
///
/// Proven items are in the order of the seconds of their last accesses: an item that was accessed in
/// this very second already stays where it is, which saves a hot one the walk to its neighbours. LRU is
/// exact.
///
/// The item's `accessed` field is the low 24 bits of a time: of its last access in seconds; but of its
/// creation in sixteenths of a second while it is on probation, when an access proves nothing.
struct EvictionQueues {
    let region: Region
    let policy: EvictionPolicy
    private(set) var probationary: RecencyQueue
    private(set) var proven: RecencyQueue
    private(set) var probationaryUnitCount = 0
    private(set) var provenUnitCount = 0
    /// Items that were proven by a read, so far.
    private(set) var becameProvenCount = 0
    /// Of these, what was flushed and is still to be removed.
    private var flushedProbationary = QueueSize()
    private var flushedProven = QueueSize()

    init(region: Region, policy: EvictionPolicy) {
        self.region = region
        self.policy = policy
        probationary = RecencyQueue(region: region)
        proven = RecencyQueue(region: region)
    }

    var count: Int { probationary.count + proven.count }

    /// What is there for clients, on probation and proven.
    var liveProbationary: QueueSize {
        QueueSize(itemCount: probationary.count, unitCount: probationaryUnitCount)
            - flushedProbationary
    }
    var liveProven: QueueSize {
        QueueSize(itemCount: proven.count, unitCount: provenUnitCount) - flushedProven
    }

    @inline(__always)
    func isProven(_ item: Item) -> Bool { region[item, .marks] & ItemMark.proven != 0 }

    /// The time stamp that an item keeps.
    @inline(__always)
    func keepsCreation(_ item: Item) -> Bool { policy != .lru && !isProven(item) }

    // MARK: Change

    /// Writes a new item's standing. One that replaces another keeps that one's, and its age.
    // Inlined: a call would be given a copy of the queues.
    @inline(__always)
    func stamp(_ item: Item, replacing old: Item, time: MapTime) {
        if !old.isNull {
            region[item, .marks] |= region[old, .marks] & ItemMark.proven
        }
        if !keepsCreation(item) {
            region[item, .accessed] = time.seconds
        } else if !old.isNull {
            region[item, .accessed] = region[old, .accessed]
        } else {
            region[item, .accessed] = time.sixteenths
        }
    }

    /// Lets an item that was stored just now have been stored so long ago: it is a copy of one that was.
    func setAge(of item: Item, seconds: UInt32, time: MapTime) {
        guard keepsCreation(item), seconds > 0 else { return }
        region[item, .accessed] = (time.seconds &- min(seconds, MapTime.creationAgeMax)) &<< 4
    }

    /// Gives an item that was stored under another policy the standing and the time stamp that it has
    /// under this one; returns the seconds since it was accessed (on probation: stored).
    ///
    /// To one queue nobody is proven. From one queue, whoever was read back is: an age of proof was
    /// not kept, and better a bot is taken for a user for a while than a user for a bot.
    func adopt(_ item: Item, from old: StampRule, time: MapTime) -> UInt32 {
        let wasProven = isProven(item)
        // In one queue nobody is proven, so a file that does not say shows it by such an item.
        let old = old == .unknown ? (wasProven ? .probation : stampRule) : old
        guard old != stampRule else { return secondsSinceAccess(item, time: time) }
        let isCreation = old == .probation && !wasProven
        let age = time.secondsSince(stamp: region[item, .accessed], isCreation: isCreation)
        let marks = region[item, .marks]
        let proves = policy != .lru && marks & ItemMark.fetched != 0
        let kept = proves ? marks | ItemMark.proven : marks & ~ItemMark.proven
        let stamp =
            policy == .lru || proves
            ? time.seconds &- age : (time.seconds &- min(age, MapTime.creationAgeMax)) &<< 4
        region.setMarks(item, kept, accessed: stamp)
        return age
    }

    var stampRule: StampRule { policy == .lru ? .lru : .probation }

    /// Takes in an item, by its marks, as the newest of its queue.
    mutating func insert(_ item: Item, unitCount: Int) {
        if isProven(item) {
            proven.insert(item)
            provenUnitCount += unitCount
        } else {
            probationary.insert(item)
            probationaryUnitCount += unitCount
        }
    }

    mutating func remove(_ item: Item, unitCount: Int, isFlushed: Bool) {
        if isProven(item) {
            proven.remove(item)
            provenUnitCount -= unitCount
            if isFlushed { flushedProven.takeOut(unitCount) }
        } else {
            probationary.remove(item)
            probationaryUnitCount -= unitCount
            if isFlushed { flushedProbationary.takeOut(unitCount) }
        }
    }

    /// Takes note that all items that are there have been flushed.
    mutating func noteFlush() {
        flushedProbationary = QueueSize(
            itemCount: probationary.count, unitCount: probationaryUnitCount)
        flushedProven = QueueSize(itemCount: proven.count, unitCount: provenUnitCount)
    }

    /// Takes note that an item, its links and marks included, has been copied to another place.
    mutating func relocate(_ item: Item, to place: Item) {
        if isProven(place) {
            proven.relocate(item, to: place)
        } else {
            probationary.relocate(item, to: place)
        }
    }

    /// Takes note that an item takes so many more units than before.
    mutating func resize(_ item: Item, by unitCount: Int) {
        if isProven(item) {
            provenUnitCount += unitCount
        } else {
            probationaryUnitCount += unitCount
        }
    }

    /// Lets an item be the last to go in its queue.
    @inline(__always)
    mutating func bump(_ item: Item) {
        if isProven(item) { proven.bump(item) } else { probationary.bump(item) }
    }

    /// Takes note of a hit.
    @inline(__always)
    mutating func noteHit(_ item: Item, time: MapTime) {
        if keepsCreation(item) {
            guard isOldEnough(item, time: time) else { return probationary.bump(item) }
            prove(item, time: time)
        } else if policy == .lru || region[item, .accessed] != time.seconds & 0xFF_FFFF {
            bump(item)
            region[item, .accessed] = time.seconds
        }
    }

    private mutating func prove(_ item: Item, time: MapTime) {
        becameProvenCount += 1
        let unitCount = region.chainSize(item.head).unitCount
        remove(item, unitCount: unitCount, isFlushed: false)
        region.setMarks(item, region[item, .marks] | ItemMark.proven, accessed: time.seconds)
        insert(item, unitCount: unitCount)
    }

    /// Takes note of a read of another copy of an item, which may have proven it.
    mutating func noteReadElsewhere(_ item: Item, isProven: Bool, time: MapTime) {
        if keepsCreation(item) {
            if isProven, policy != .lru { prove(item, time: time) }
        } else {
            bump(item)
            region[item, .accessed] = time.seconds
        }
    }

    private func isOldEnough(_ item: Item, time: MapTime) -> Bool {
        guard case .probation(_, let proofAgeSeconds) = policy else { return false }
        return MapTime.age(of: region[item, .accessed], at: time.sixteenths)
            >= UInt32(proofAgeSeconds) * 16
    }

    // MARK: Order

    /// What items on probation may hold of `limit` units at the expense of proven ones.
    func probationShare(of limit: UInt32) -> Int {
        guard case .probation(let sharePercent, _) = policy else { return 0 }
        return Int(limit) * sharePercent / 100
    }

    /// The item that goes first; null when there is none. `limit` is what the share is a share of. Held
    /// memory counts as on probation, but leaves half of the share to items that are.
    func nextToGo(limit: UInt32, heldUnitCount: Int) -> Item {
        guard proven.count > 0 else { return probationary.oldest }
        guard probationary.count > 0 else { return proven.oldest }
        let share = probationShare(of: limit)
        let onProbation = probationaryUnitCount + min(heldUnitCount, share / 2)
        return onProbation > share ? probationary.oldest : proven.oldest
    }

    /// An item of another epoch, which is at the oldest end of its queue; null when there is none.
    func oldest(notOf epoch: UInt32) -> Item {
        let first = probationary.oldest
        if !first.isNull, region[first, .epoch] != epoch { return first }
        let second = proven.oldest
        return !second.isNull && region[second, .epoch] != epoch ? second : .null
    }

    /// Whether there are items of an epoch, which are at the newest ends.
    func hasItems(of epoch: UInt32) -> Bool {
        !probationary.newest.isNull && region[probationary.newest, .epoch] == epoch
            || !proven.newest.isNull && region[proven.newest, .epoch] == epoch
    }

    /// Seconds since an item was accessed; of a probationary one, since it was stored. Right up to
    /// half a year (12 days); then it starts again.
    func secondsSinceAccess(_ item: Item, time: MapTime) -> UInt32 {
        time.secondsSince(stamp: region[item, .accessed], isCreation: keepsCreation(item))
    }
}

/// So many items, and the units that they take.
struct QueueSize: Equatable {
    var itemCount = 0
    var unitCount = 0

    static func - (left: QueueSize, right: QueueSize) -> QueueSize {
        QueueSize(
            itemCount: left.itemCount - right.itemCount,
            unitCount: left.unitCount - right.unitCount)
    }

    mutating func takeOut(_ unitCount: Int) {
        itemCount -= 1
        self.unitCount -= unitCount
    }
}

/// A moment on the node's clock, as the map needs it.
struct MapTime {
    var seconds: UInt32
    /// Sixteenths of a second that have passed since.
    var fraction: UInt32

    /// All sixteenths since the clock's start, in as many low bits as there are.
    var sixteenths: UInt32 { seconds &<< 4 | fraction }

    /// Seconds since an item was stamped with its creation or its last access.
    func secondsSince(stamp: UInt32, isCreation: Bool) -> UInt32 {
        isCreation ? Self.age(of: stamp, at: sixteenths) / 16 : Self.age(of: stamp, at: seconds)
    }

    /// How long before `time` an item was stamped, in the stamp's own units. A stamp that is a little
    /// later counts as now: another thread's clock reading may be older than the item, the maintenance
    /// knows no fractions, and after a restart the clock may stand a second behind.
    @inline(__always)
    static func age(of stamp: UInt32, at time: UInt32) -> UInt32 {
        let age = (time &- stamp) & 0xFF_FFFF
        return age <= 0xFF_FFFF - stampsAheadMax ? age : 0
    }

    /// The most seconds since a creation that a stamp can tell.
    static let creationAgeMax: UInt32 = (0xFF_FFFF - stampsAheadMax) / 16

    /// Four minutes of sixteenths, an hour of seconds.
    private static let stampsAheadMax: UInt32 = 4_096
}
