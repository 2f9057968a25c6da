import Cluster

/// What is remembered of deleted keys, as long as somebody may still have what was deleted.
///
/// Kept beside the map, so no flood of items pushes them out, and nobody takes them for items. `DeletionLog` keeps them
/// for the next process.
struct Tombstones {
    struct Tombstone: Equatable {
        let key: [UInt8]
        let stamp: Stamp
        let madeSeconds: UInt32
        /// Until when the key cannot be stored again; 0 where it can.
        var fencedUntil: UInt32 = 0

        func state(now: UInt32) -> KeyState {
            var state = KeyState.tombstone(of: key, stamp)
            if fencedUntil > now { state.secondsLeft = fencedUntil - now }
            return state
        }
    }

    private struct Place {
        let hash: UInt64
        let version: UInt64
        let madeSeconds: UInt32
    }

    /// By the hash that members agree on.
    private var byHash: [UInt64: Tombstone] = [:]
    /// In the order in which they were made; from `first` on.
    private var order: [Place] = []
    private var first = 0
    private let countMax: Int
    /// Those that were dropped before their time, for want of room.
    private(set) var droppedEarlyCount: UInt64 = 0
    /// The latest of those that were dropped while somebody was away who may have what was deleted.
    private(set) var latestForgotten = Stamp.none
    /// Whether no member is away.
    var isEverybodyHere = false {
        didSet { if isEverybodyHere { latestForgotten = .none } }
    }

    /// What one takes, the allocator's own included.
    static let byteCount = 160
    /// While all members are there, only frames that are on their way matter.
    private static let secondsWhileWell: UInt32 = 60
    private let secondsWhileWell: UInt32
    static let secondsMax: UInt32 = 24 * 3_600
    private static let countPerTurn = 5_000
    /// Longer than anything waits to be acknowledged.
    private static let secondsUnderWay: UInt32 = 2
    /// So many times as many as there is room for may be under way.
    private static let excess = 8

    /// Nothing is dropped meanwhile: somebody compares what there is.
    var isHeld = false

    /// - Parameter seconds: for which they are kept at least, though all members are there.
    init(countMax: Int, secondsWhileWell seconds: UInt32 = 0) {
        self.countMax = countMax
        secondsWhileWell = max(Self.secondsWhileWell, seconds)
    }

    var count: Int { byHash.count }

    subscript(hash: UInt64) -> Tombstone? { byHash[hash] }

    mutating func insert(
        _ key: [UInt8], hash: UInt64, _ stamp: Stamp, fencedUntil: UInt32 = 0, now: UInt32
    ) {
        byHash[hash] = Tombstone(
            key: key, stamp: stamp, madeSeconds: now, fencedUntil: fencedUntil)
        order.append(Place(hash: hash, version: stamp.version, madeSeconds: now))
        if order.count - first > 2 * byHash.count + 10_000 {
            // Of keys that were deleted, or changed, again and again.
            tidy()
        }
        while byHash.count > countMax, !isHeld, !isOldestUnderWay(now: now) {
            dropOldest()
            droppedEarlyCount += 1
        }
    }

    /// Whether the other owner may not have acknowledged the oldest one yet, and be given up before it has: then what is
    /// dropped would not count as forgotten.
    private func isOldestUnderWay(now: UInt32) -> Bool {
        isEverybodyHere && byHash.count <= Self.excess * countMax && first < order.count
            && now <= order[first].madeSeconds + Self.secondsUnderWay
    }

    /// The key has an item again.
    mutating func remove(hash: UInt64) { if !byHash.isEmpty { byHash[hash] = nil } }

    /// Something else says as much of these.
    mutating func removeAll(before stamp: Stamp) {
        byHash = byHash.filter { $0.value.stamp > stamp }
        tidy()
    }

    private mutating func tidy() {
        order = order[first...].filter { byHash[$0.hash]?.stamp.version == $0.version }
        first = 0
    }

    /// Drops those whose time is over. To be called now and then.
    mutating func expire(now: UInt32) {
        let age = isEverybodyHere ? secondsWhileWell : Self.secondsMax
        for _ in 0..<Self.countPerTurn where !isHeld {
            guard first < order.count, order[first].madeSeconds + age < now else { return }
            dropOldest()
        }
    }

    private mutating func dropOldest() {
        guard first < order.count else { return }
        let oldest = order[first]
        first += 1
        // It may have been replaced by a later one, which has a place of its own.
        if let tombstone = byHash[oldest.hash], tombstone.stamp.version == oldest.version {
            byHash[oldest.hash] = nil
            if !isEverybodyHere { latestForgotten = max(latestForgotten, tombstone.stamp) }
        }
        if first > 4_096, first * 2 > order.count {
            order.removeFirst(first)
            first = 0
        }
    }

    var all: [Tombstone] { Array(byHash.values) }
}
