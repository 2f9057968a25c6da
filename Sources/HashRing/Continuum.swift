/// The points of a ring, sorted, and a table that finds the first point at or after a hash.
///
/// A lookup costs one read of the table, which goes by the hash's top bits, and a scan over the points
/// that share these bits: fewer than one on average, for hashes spread as those of the strategies are.
/// A binary search over 1,600 points would mispredict about five of its eleven branches.
///
/// Invariants: `values` ascend; `firsts[b]` is the first point whose value is not below the first hash of
/// bucket `b`.
final class Continuum: Sendable {
    private let values: [UInt32]
    private let owners: [UInt32]
    private let firsts: [UInt32]
    private let shift: UInt32

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
        values = sorted.map(\.value)
        owners = sorted.map { UInt32($0.owner) }
        // One to two buckets a point, and never fewer than two: a shift by 32 would be none.
        let bits = max(1, Int.bitWidth - sorted.count.leadingZeroBitCount)
        shift = UInt32(32 - bits)
        var firsts: [UInt32] = []
        firsts.reserveCapacity(1 << bits)
        var point = 0
        for bucket in 0..<UInt32(1 << bits) {
            while point < sorted.count, sorted[point].value < bucket << shift { point += 1 }
            firsts.append(UInt32(point))
        }
        self.firsts = firsts
    }

    var count: Int { values.count }

    subscript(_ point: Int) -> Point { Point(value: values[point], owner: Int(owners[point])) }

    func owner(of point: Int) -> Int { Int(owners[point]) }

    /// The first point whose value is not below `hash`; past the last one, the ring begins again.
    func point(atOrAfter hash: UInt32) -> Int {
        let point = firstPoint(notBelow: hash)
        return point == values.count ? 0 : point
    }

    /// The last point whose value is not above `hash`; before the first one, the ring ends.
    func point(atOrBefore hash: UInt32) -> Int {
        let following = hash == .max ? values.count : firstPoint(notBelow: hash + 1)
        return following == 0 ? values.count - 1 : following - 1
    }

    /// Below `count` where there is one.
    @inline(__always)
    private func firstPoint(notBelow hash: UInt32) -> Int {
        var point = Int(firsts[Int(hash >> shift)])
        while point < values.count, values[point] < hash { point += 1 }
        return point
    }
}
