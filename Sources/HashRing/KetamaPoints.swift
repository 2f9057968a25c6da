/// The points of weighted ketama, as libmemcached, twemproxy and their kin compute them.
enum KetamaPoints {
    /// Points a node gets, of `totalWeight` over `liveCount` nodes.
    ///
    /// Every step is in 32-bit floats, as in libmemcached's `update_continuum`, and must stay so: with 25,
    /// 47, 50 and some other counts of equal nodes it leaves 156 points instead of 160.
    static func count(weight: Int, totalWeight: Int, liveCount: Int) -> Int {
        let share = Float(weight) / Float(totalWeight)
        let quarter = share * 160 / 4 * Float(liveCount) + 0.000_000_000_1
        return Int(quarter.rounded(.down)) * 4
    }

    /// The points of the nodes `live`, four from each digest of `<name>-<number>`.
    static func weighted(_ nodes: [Node], live: [Int]) -> [Continuum.Point] {
        let totalWeight = live.reduce(0) { $0 + nodes[$1].weight }
        var points: [Continuum.Point] = []
        points.reserveCapacity(live.count * 160)
        for owner in live {
            let count = count(
                weight: nodes[owner].weight, totalWeight: totalWeight, liveCount: live.count)
            let name = nodes[owner].hostAndUnusualPort
            for number in 0..<(count / 4) {
                let digest = MD5.digest(Array("\(name)-\(number)".utf8).span.bytes)
                for value in [digest.a, digest.b, digest.c, digest.d] {
                    points.append(Continuum.Point(value: value, owner: owner))
                }
            }
        }
        return points
    }
}
