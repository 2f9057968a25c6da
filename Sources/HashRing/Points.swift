/// The points and slots of the strategies that have some, in the order of the nodes.
struct Points {
    let nodes: [Node]
    /// Indices of the nodes that get some.
    let live: [Int]

    /// The largest number of points or slots in a ring: 64 MiB of them.
    static let countMax = 1 << 23

    /// The points of a strategy, or none for one that has no points.
    func points(
        _ strategy: Ring.Strategy, keyHash: Ring.KeyHash?
    ) throws(RingError) -> [Continuum.Point] {
        switch strategy {
        case .ketamaWeighted, .twemproxyKetama: return weightedKetama()
        case .ketama where nodes.contains { $0.weight > 1 }: return weightedKetama()
        case .ketama, .ketamaSessions: return plainKetama(keyHash ?? .oneAtATime)
        case .spymemcached: return try spymemcached()
        case .dalli: return dalli()
        case .nginx: return try nginx()
        case .modula, .twemproxyModula, .rendezvous, .cacheMemcached, .pythonMemcached,
            .gomemcache, .jump:
            return []
        }
    }

    /// The nodes by slot, or none for a strategy that has no slots.
    func slots(_ strategy: Ring.Strategy) throws(RingError) -> [UInt32] {
        switch strategy {
        case .modula, .gomemcache: return live.map { UInt32($0) }
        case .cacheMemcached, .pythonMemcached: return try weightedSlots(live)
        case .twemproxyModula:
            return try weightedSlots(
                live.sorted {
                    let one = nodes[$0].hostAndUnusualPort.utf8
                    let other = nodes[$1].hostAndUnusualPort.utf8
                    return one.count != other.count
                        ? one.count < other.count : one.lexicographicallyPrecedes(other)
                })
        case .ketamaWeighted, .ketama, .ketamaSessions, .twemproxyKetama, .dalli, .spymemcached,
            .rendezvous, .nginx, .jump:
            return []
        }
    }

    // MARK: - Ketama

    /// How many points weighted ketama gives a node.
    ///
    /// Every step is in 32-bit floats, as in libmemcached's `update_continuum`, and must stay so: with
    /// 25, 47, 50 and some other counts of equal nodes it leaves 156 points instead of 160.
    static func weightedKetamaCount(weight: Int, totalWeight: Int, liveCount: Int) -> Int {
        let share = Float(weight) / Float(totalWeight)
        let quarter = share * 160 / 4 * Float(liveCount) + 0.000_000_000_1
        return Int(quarter.rounded(.down)) * 4
    }

    private func weightedKetama() -> [Continuum.Point] {
        let totalWeight = totalWeight
        return live.flatMap { owner in
            let count = Self.weightedKetamaCount(
                weight: nodes[owner].weight, totalWeight: totalWeight, liveCount: live.count)
            return digestPoints(owner, name: nodes[owner].hostAndUnusualPort, count: count)
        }
    }

    /// Four points from each digest of `<name>-<number>`.
    private func digestPoints(_ owner: Int, name: String, count: Int) -> [Continuum.Point] {
        (0..<count / 4).flatMap { number in
            let digest = "\(name)-\(number)".withBytes { MD5.digest($0) }
            return [digest.a, digest.b, digest.c, digest.d].map {
                Continuum.Point(value: $0, owner: owner)
            }
        }
    }

    private func plainKetama(_ hash: Ring.KeyHash) -> [Continuum.Point] {
        live.flatMap { owner in
            (0..<100).map { number in
                let text = "\(nodes[owner].hostAndUnusualPort)-\(number)"
                return Continuum.Point(value: text.withBytes { hash.hash($0) }, owner: owner)
            }
        }
    }

    private func spymemcached() throws(RingError) -> [Continuum.Point] {
        var points: [Continuum.Point] = []
        for owner in live {
            let node = nodes[owner]
            guard node.ringName != nil || node.hasIPv4Address else {
                throw .ringNameNeeded(node: node.name)
            }
            points += digestPoints(owner, name: node.hostAndPort, count: 160)
        }
        return points
    }

    // MARK: - Others

    private func dalli() -> [Continuum.Point] {
        let totalWeight = totalWeight
        return live.flatMap { owner in
            // As Dalli has it, in 64-bit floats.
            let share = Double(live.count * 160 * nodes[owner].weight) / Double(totalWeight)
            return (0..<Int(share)).map { number in
                let text = "\(nodes[owner].hostAndPort):\(number)"
                return Continuum.Point(value: SHA1.prefix(Array(text.utf8)), owner: owner)
            }
        }
    }

    /// Each point is the hash of the one before, behind host, a zero byte, and port.
    private func nginx() throws(RingError) -> [Continuum.Point] {
        try checkCount(totalWeight * 160)
        return live.flatMap { owner in
            let node = nodes[owner]
            let name = node.hostZeroPort
            var previous: UInt32 = 0
            return (0..<node.weight * 160).map { _ in
                var crc = CRC32()
                name.withUnsafeBytes { crc.update($0) }
                withUnsafeBytes(of: previous.littleEndian) { crc.update($0) }
                previous = crc.checksum
                return Continuum.Point(value: previous, owner: owner)
            }
        }
    }

    private func weightedSlots(_ order: [Int]) throws(RingError) -> [UInt32] {
        try checkCount(totalWeight)
        return order.flatMap { Array(repeating: UInt32($0), count: nodes[$0].weight) }
    }

    private var totalWeight: Int { live.reduce(0) { $0 + nodes[$1].weight } }

    private func checkCount(_ count: Int) throws(RingError) {
        guard count <= Self.countMax else { throw .tooManyPoints(limit: Self.countMax) }
    }
}

extension String {
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Array(utf8).withUnsafeBytes(body)
    }
}
