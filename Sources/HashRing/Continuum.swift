/// The points of a ring, sorted, and a table that finds the first point at or after a hash.
///
/// A lookup costs one read of the table, which goes by the hash's top bits, and a scan over the points
/// that share these bits: fewer than one on average, for hashes spread as those of the strategies are.
/// A binary search over 1,600 points would mispredict about five of its eleven branches.
///
/// Invariants: `values` ascend; equal values ascend by owner; `firsts[b]` is the first point whose value
/// is not below the bucket's first hash.
struct Continuum: Sendable {
    private let values: [UInt32]
    private let owners: [UInt32]
    private let firsts: [UInt32]
    private let shift: UInt32

    struct Point {
        var value: UInt32
        /// The index of the node.
        var owner: Int
    }

    /// - Parameter points: at least one, in any order.
    init(_ points: [Point]) {
        precondition(!points.isEmpty, "a continuum has a point")
        // libmemcached 1.1 and we: of nodes whose points have the same value, the first one comes first.
        let sorted = points.sorted { ($0.value, $0.owner) < ($1.value, $1.owner) }
        values = sorted.map(\.value)
        owners = sorted.map { UInt32($0.owner) }
        // Two to four buckets a point, and never fewer than two: a shift by 32 would be none.
        let bits = max(1, 64 - UInt64(sorted.count * 2 - 1).leadingZeroBitCount)
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

    subscript(_ point: Int) -> Point {
        Point(value: values[point], owner: Int(owners[point]))
    }

    /// The first point whose value is not below `hash`; past the last one, the ring begins again.
    @inline(__always)
    func firstPoint(atOrAfter hash: UInt32) -> Int {
        var point = Int(firsts[Int(hash >> shift)])
        while point < values.count, values[point] < hash { point += 1 }
        return point == values.count ? 0 : point
    }

    @inline(__always)
    func owner(of point: Int) -> Int { Int(owners[point]) }
}
