/// What is looked at every second, to tell what has become of it over minutes.
package struct MapVitals: Equatable, Sendable {
    /// Memory that is in use, as a limit has it: items, index, and what is on its way in or out.
    package internal(set) var usedByteCount = 0
    package internal(set) var evictionCount = 0
    /// Items that were removed as time went by, so far, and by how many seconds that was too late in all.
    package internal(set) var expiredCount = 0
    package internal(set) var lagSeconds = 0
    /// The most of these seconds since `takeVitals` was called before.
    package internal(set) var lagSecondsMax: UInt32 = 0

    package init() {}

    package init(
        usedByteCount: Int, evictionCount: Int = 0, expiredCount: Int = 0, lagSeconds: Int = 0,
        lagSecondsMax: UInt32 = 0
    ) {
        self.usedByteCount = usedByteCount
        self.evictionCount = evictionCount
        self.expiredCount = expiredCount
        self.lagSeconds = lagSeconds
        self.lagSecondsMax = lagSecondsMax
    }
}

extension SessionMap {
    /// For one caller. Holds each shard's lock for some loads.
    package func takeVitals() -> MapVitals {
        var vitals = MapVitals()
        for number in 0..<shardCount {
            withShard(number) { shard in
                let unitCount = Int(shard.memory.usedUnitCount)
                vitals.usedByteCount += unitCount * Region.unitByteCount
                let counts = shard.items.sums.counts
                vitals.evictionCount += counts[.evictions]
                vitals.expiredCount += counts[.expiredInTurn]
                vitals.lagSeconds += counts[.expiryLagSeconds]
                vitals.lagSecondsMax = max(vitals.lagSecondsMax, shard.items.sums.lagSecondsMax)
                shard.items.sums.lagSecondsMax = 0
            }
        }
        return vitals
    }
}
