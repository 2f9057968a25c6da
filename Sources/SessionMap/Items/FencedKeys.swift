/// The keys of a shard that were deleted lately, and cannot be stored again yet. By hash: two keys of one hash of 64
/// bits are fenced together.
///
/// Kept beside the arena, and bounded: of more than `countMax` the oldest fences go early. Costs one comparison where
/// nothing is stored, or nothing is fenced.
struct FencedKeys {
    /// Beside the dictionary, which lies elsewhere in memory.
    private(set) var isEmpty = true
    private var ends: [UInt64: UInt32] = [:]
    /// In the order in which they were made; from `first` on.
    private var order: [(hash: UInt64, end: UInt32)] = []
    private var first = 0
    private let countMax: Int
    private(set) var droppedEarlyCount = 0

    /// What one takes, the allocator's own included.
    static let byteCount = 64
    /// All fences take at most one part in so many of what the map takes.
    private static let share = 64
    private static let countMin = 256
    private static let expiredPerTurn = 1_000

    /// - Parameter mapByteCount: of the shard.
    init(mapByteCount: Int) {
        countMax = max(Self.countMin, mapByteCount / Self.share / Self.byteCount)
    }

    var count: Int { ends.count }

    @inline(__always)
    func contains(_ hash: UInt64, now: UInt32) -> Bool {
        !isEmpty && ends[hash].map { now < $0 } == true
    }

    /// When a key can be stored again; nothing where it can be now.
    func end(_ hash: UInt64, now: UInt32) -> UInt32? {
        ends[hash].flatMap { now < $0 ? $0 : nil }
    }

    var all: [(hash: UInt64, end: UInt32)] { ends.map { (hash: $0.key, end: $0.value) } }

    /// Fences a key until that second. One that is fenced for longer stays so.
    mutating func insert(_ hash: UInt64, until end: UInt32, now: UInt32) {
        guard end > now, ends[hash] ?? 0 < end else { return }
        ends[hash] = end
        isEmpty = false
        order.append((hash, end))
        // Of keys that were deleted again and again.
        if order.count - first > 2 * ends.count + Self.countMin { tidy() }
        while ends.count > countMax {
            if dropOldest() > now { droppedEarlyCount += 1 }
        }
    }

    private mutating func tidy() {
        order = order[first...].filter { ends[$0.hash] == $0.end }
        first = 0
    }

    /// Drops some of those whose time is over. To be called now and then.
    mutating func expire(now: UInt32) {
        guard !isEmpty else { return }
        for _ in 0..<Self.expiredPerTurn {
            guard first < order.count, order[first].end <= now else { return }
            _ = dropOldest()
        }
    }

    /// Returns when its time would have been over; 0 where another one has taken its place.
    private mutating func dropOldest() -> UInt32 {
        let oldest = order[first]
        first += 1
        if first > 1_024, first * 2 > order.count {
            order.removeFirst(first)
            first = 0
        }
        guard ends[oldest.hash] == oldest.end else { return 0 }
        ends[oldest.hash] = nil
        isEmpty = ends.isEmpty
        return oldest.end
    }
}
