import TestSupport
import Testing

@testable import HashRing

@Suite(.timeLimit(.minutes(10)))
struct ContinuumTests {
    private typealias Point = Continuum.Point

    /// What the two searches find in sorted points, the long way.
    private func expected(_ sorted: [Point], _ hash: UInt32) -> (after: Int, before: Int) {
        let after = sorted.first { $0.value >= hash } ?? sorted[0]
        let before = sorted.last { $0.value <= hash } ?? sorted[sorted.count - 1]
        return (after.owner, before.owner)
    }

    @Test(
        "The table finds the same point as a look at all of them",
        arguments: [1, 2, 3, 7, 64, 1_600])
    func search(count: Int) {
        var generator = SeededGenerator(seed: UInt64(count))
        for _ in 0..<5 {
            // Some crowded together, so that buckets have many points and most have none.
            let points = (0..<count).map { owner in
                let value = UInt32.random(in: 0...(.max), using: &generator)
                return Point(value: owner % 3 == 0 ? value >> 20 : value, owner: owner)
            }
            let continuum = Continuum(points)
            let sorted = points.sorted { ($0.value, $0.owner) < ($1.value, $1.owner) }
            #expect(continuum.count == count)
            var hashes: [UInt32] = [0, 1, .max - 1, .max]
            for point in points.prefix(20) {
                hashes += [point.value &- 1, point.value, point.value &+ 1]
            }
            for hash in hashes {
                let expected = expected(sorted, hash)
                #expect(
                    continuum.owner(of: continuum.point(atOrAfter: hash)) == expected.after,
                    "\(hash)")
                #expect(
                    continuum.owner(of: continuum.point(atOrBefore: hash)) == expected.before,
                    "\(hash)")
            }
        }
    }

    @Test(
        "Of points with the same value the first node's is found, or the last node's where so asked"
    )
    func ties() {
        let points = [3, 1, 2].map { Point(value: 100, owner: $0) }
        let first = Continuum(points)
        #expect(first.owner(of: first.point(atOrAfter: 100)) == 1)
        #expect(first.owner(of: first.point(atOrAfter: 101)) == 1)
        let last = Continuum(points, tie: .lastNode)
        #expect(last.owner(of: last.point(atOrAfter: 50)) == 3)
    }

    @Test("Weighted ketama's points, with libmemcached's rounding")
    func pointCounts() {
        func count(_ weight: Int, _ total: Int, _ live: Int) -> Int {
            Points.weightedKetamaCount(weight: weight, totalWeight: total, liveCount: live)
        }
        for equal in [1, 2, 3, 10, 24, 26] { #expect(count(1, equal, equal) == 160) }
        for equal in [25, 47, 50, 55, 61] { #expect(count(1, equal, equal) == 156) }
        #expect([1, 2, 3].map { count($0, 6, 3) } == [80, 160, 240])
        #expect(count(1, 1_004, 5) == 0)
        #expect(count(Node.weightMax, Node.weightMax, 1) == 160)
    }
}
