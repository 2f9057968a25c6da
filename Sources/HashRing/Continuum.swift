/// The points of a ring, sorted, and a table that finds the first point at or after a hash.
///
/// A lookup costs one read of the table, which goes by the hash's top bits, and a look at the four points
/// from there on, without a branch that depends on the key: a binary search over 1,600 points would
/// mispredict about five of its eleven branches, and one such miss costs as much as all of this.
///
/// Invariants: `values` ascend, the last four of them are sentinels that no hash is above, and the points
/// before those have owners; `firsts[b]` is the first point whose value is not below the first hash of bucket
/// `b`.
///
/// Sendable, because nothing changes it once it is made.
final class Continuum: @unchecked Sendable {
    let count: Int
    /// Whether the points are not all one node's.
    let hasSeveralOwners: Bool
    // Plain memory, because bounds that cannot be missed need no checks in a lookup.
    private let values: UnsafeMutablePointer<UInt32>
    private let owners: UnsafeMutablePointer<UInt32>
    private let firsts: UnsafeMutablePointer<UInt32>
    private let shift: UInt32

    /// Points looked at together.
    private static let stepCount = 4

    struct Point {
        var value: UInt32
        /// The index of the node.
        var owner: Int
    }

    /// Which of several points with the same value is the one that is found.
    enum Tie {
        /// The one of the first node: libmemcached 1.1. Others leave it to their sorting, and we do the
        /// same for them.
        case firstNode
        /// The one of the last node: spymemcached, whose points are a map.
        case lastNode
    }

    /// - Parameter points: in any order.
    init(_ points: [Point], tie: Tie = .firstNode) {
        let sorted = points.sorted { one, other in
            if one.value != other.value { return one.value < other.value }
            return tie == .firstNode ? one.owner < other.owner : one.owner > other.owner
        }
        count = sorted.count
        hasSeveralOwners = sorted.contains { $0.owner != sorted[0].owner }
        values = .allocate(capacity: count + Self.stepCount)
        owners = .allocate(capacity: max(1, count))
        for (index, point) in sorted.enumerated() {
            values[index] = point.value
            owners[index] = UInt32(point.owner)
        }
        for sentinel in count..<count + Self.stepCount { values[sentinel] = .max }
        // One to two buckets a point, and never fewer than two: a shift by 32 would be none.
        let bits = max(1, Int.bitWidth - count.leadingZeroBitCount)
        shift = UInt32(32 - bits)
        firsts = .allocate(capacity: 1 << bits)
        var point = 0
        for bucket in 0..<1 << bits {
            while point < count, sorted[point].value < UInt32(bucket) << shift { point += 1 }
            firsts[bucket] = UInt32(point)
        }
    }

    deinit {
        values.deallocate()
        owners.deallocate()
        firsts.deallocate()
    }

    subscript(_ point: Int) -> Point {
        precondition(point >= 0 && point < count, "there is no such point")
        return Point(value: values[point], owner: Int(owners[point]))
    }

    /// - Parameter point: below `count`, as those that the searches return are.
    @inline(__always)
    func owner(of point: Int) -> Int { Int(owners[point]) }

    /// The first point whose value is not below `hash`; past the last one, the ring begins again.
    @inline(__always)
    func point(atOrAfter hash: UInt32) -> Int {
        let point = firstPoint(notBelow: hash)
        return point == count ? 0 : point
    }

    /// The last point whose value is not above `hash`; before the first one, the ring ends.
    @inline(__always)
    func point(atOrBefore hash: UInt32) -> Int {
        let following = hash == .max ? count : firstPoint(notBelow: hash + 1)
        return following == 0 ? count - 1 : following - 1
    }

    /// `count` if there is none.
    @inline(__always)
    private func firstPoint(notBelow hash: UInt32) -> Int {
        var point = Int(firsts[Int(hash &>> shift)])
        while true {
            // Values ascend, so this is how many of them come before the one that is looked for.
            var belowCount = 0
            for step in 0..<Self.stepCount where values[point &+ step] < hash { belowCount &+= 1 }
            point &+= belowCount
            if belowCount < Self.stepCount { return point }
        }
    }
}

extension Continuum: Equatable {
    static func == (one: Continuum, other: Continuum) -> Bool {
        one.count == other.count
            && (0..<one.count).allSatisfy { point in
                let (mine, others) = (one[point], other[point])
                return mine.value == others.value && mine.owner == others.owner
            }
    }
}
