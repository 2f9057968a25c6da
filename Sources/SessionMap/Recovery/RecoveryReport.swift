/// What recovery counts.
enum RecoveryCounter: Int {
    case items
    case bytes
    case expired
    case flushed
    /// Items whose successors had just been published.
    case superseded
    /// Items, the first to go, that had to make room for the index.
    case evicted
    /// Items that were not what had been stored, and places where none could be made out any more.
    case damaged
    /// Shards of which nothing could be believed, and which start empty.
    case emptiedShards
}

/// What recovery found in one shard or all.
package struct RecoveryReport: Equatable, Sendable {
    var counts = Counts<RecoveryCounter>()
    /// What was found to be damaged first.
    package private(set) var firstDamage: DamagedRegion?

    package init() {}

    package var itemCount: Int { counts[.items] }
    package var byteCount: Int { counts[.bytes] }
    package var expiredCount: Int { counts[.expired] }
    package var flushedCount: Int { counts[.flushed] }
    package var supersededCount: Int { counts[.superseded] }
    package var evictedCount: Int { counts[.evicted] }
    package var damagedCount: Int { counts[.damaged] }
    package var emptiedShardCount: Int { counts[.emptiedShards] }

    mutating func add(_ other: RecoveryReport) {
        counts.add(other.counts)
        firstDamage = firstDamage ?? other.firstDamage
    }

    /// Takes note of damage that recovery goes on after.
    mutating func note(_ damage: DamagedRegion) {
        counts[.damaged] += 1
        firstDamage = firstDamage ?? damage
    }

    /// The same, of damage that a whole shard is lost to.
    mutating func noteEmptied(_ damage: DamagedRegion) {
        note(damage)
        counts[.emptiedShards] += 1
    }
}

/// Memory that is not what a shard leaves behind, whenever it dies.
package struct DamagedRegion: Error, Equatable, Sendable {
    package let reason: String
}
