/// The size and the rules of a map.
package struct MapConfiguration: Sendable {
    /// Arena bytes, everything about items included.
    package let byteCount: Int
    /// The largest item in memcached's way of counting, see `valueByteCountMax`.
    package let itemByteCountMax: Int
    package let eviction: EvictionPolicy
    /// Whether items are evicted when room is needed; otherwise stores are refused.
    package let evicts: Bool
    package let assignsCASUniques: Bool
    /// Whether the arena is locked into physical memory.
    package let locksPages: Bool
    /// Whether items are counted by size.
    package let tracksSizes: Bool
    package let shardCount: Int
    package let hashSeed: UInt64
    /// What the arena has room for. Of memory that outlives the map, as a rule; births are of use to every map.
    package let features: ArenaFeatures
    package let lifetimes: Lifetimes
    /// How many times its size a map in memory that outlives it may become, for which that has room.
    package let growth: Int

    package init(
        byteCount: Int, itemByteCountMax: Int = 1 << 20, eviction: EvictionPolicy = .lru,
        evicts: Bool = true,
        assignsCASUniques: Bool = true, locksPages: Bool = false, tracksSizes: Bool = false,
        shardCount: Int? = nil,
        hashSeed: UInt64 = .random(in: .min ... .max), features: ArenaFeatures = [],
        lifetimes: Lifetimes = Lifetimes(), growth: Int = 1
    ) {
        self.growth = growth
        self.byteCount = byteCount
        self.itemByteCountMax = itemByteCountMax
        self.evicts = evicts
        self.eviction = eviction
        self.assignsCASUniques = assignsCASUniques
        self.locksPages = locksPages
        self.tracksSizes = tracksSizes
        self.hashSeed = hashSeed
        self.features = features
        self.lifetimes = lifetimes
        self.shardCount =
            shardCount
            ?? Self.shardCount(byteCount: byteCount, itemByteCountMax: itemByteCountMax)
    }

    /// With what an arena that is there has settled.
    func with(_ header: ArenaHeader) -> MapConfiguration {
        with(
            shardCount: header.regionCount, hashSeed: header.hashSeed, features: header.features)
    }

    package func with(features: ArenaFeatures) -> MapConfiguration {
        with(shardCount: shardCount, hashSeed: hashSeed, features: features)
    }

    func with(
        shardCount: Int, hashSeed: UInt64, features: ArenaFeatures
    ) -> MapConfiguration {
        MapConfiguration(
            byteCount: byteCount, itemByteCountMax: itemByteCountMax, eviction: eviction,
            evicts: evicts, assignsCASUniques: assignsCASUniques, locksPages: locksPages,
            tracksSizes: tracksSizes, shardCount: shardCount, hashSeed: hashSeed,
            features: features, lifetimes: lifetimes, growth: growth)
    }

    /// The least arena that a map can be made of.
    package static let byteCountMin = 1 << 20

    /// A power of two that leaves each shard 64 MiB and eight of the largest items, and not more
    /// than a region can have.
    ///
    /// Few and large shards: exact recency and room for large items; contention on a lock that is
    /// held for half a microsecond per request is not what limits a node.
    static func shardCount(byteCount: Int, itemByteCountMax: Int) -> Int {
        let shardByteCountMin = max(64 << 20, 8 * itemByteCountMax)
        let regionByteCountMax = Int(Region.unitCountMax) * Region.unitByteCount
        var count = 1
        while byteCount / (count * 2) >= shardByteCountMin && count < 64
            || byteCount / count > regionByteCountMax
        {
            count *= 2
        }
        return count
    }

    /// The largest value that an item with a key of this length may have.
    ///
    /// memcached counts an item's header (48 bytes), its CAS unique (8), the key with a NUL and the
    /// value with its CR LF; so a limit of 1 MiB and a key of 1 byte leave 1,048,516 bytes there, and
    /// here.
    @inline(__always)
    package func valueByteCountMax(keyByteCount: Int) -> Int {
        itemByteCountMax - 48 - 8 - (keyByteCount + 1) - 2
    }
}
