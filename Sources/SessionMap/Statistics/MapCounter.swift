/// What a map counts from its start on.
enum MapCounter: Int {
    /// Items that were stored.
    case totalItems
    /// Items that were removed alive, to make room.
    case evictions
    /// Of these, read back when they were old enough: users who were logged out.
    case evictedProven
    /// Of these, never read.
    case evictedUnfetched
    case evictedWithDeadline
    /// Items that were removed because their time had come, or a flush.
    case reclaimed
    case expiredUnfetched
    case outOfMemory
    /// Items that were stored or touched for ever, and got the time that the rules have for those.
    case exptimeDefaulted
    /// Those that were to live for longer than the rules let anybody ask for.
    case exptimeCapped
    /// Deadlines that an access has put off.
    case idleRenewed
    /// Deadlines that would have been later without the absolute timeout.
    case absoluteCapped
    /// Items that ended as nobody accessed them, and as they were as old as any can be.
    case expiredIdle
    case expiredAbsolute
    /// Stores that were refused as their keys were deleted lately.
    case fenced
    /// Fences that were forgotten before their time, for want of room.
    case fencesDroppedEarly
    /// Of pages that went back to the system after a limit was lowered.
    case releasedBytes
    /// Items that were stored under keys that had none.
    case born
    /// Items that were read back when they were old enough.
    case becameProven
    /// Items that clients, or an operator, have deleted.
    case deleted
    /// Items whose time had come.
    case expired
    /// Items that were there when all of them were to be gone.
    case flushed
    /// Items that were out of date, for want of memory for what was to take their places.
    case outdated
    /// Items that were removed as time went by, with nobody asking for them, and by how many seconds that was too late.
    case expiredInTurn
    case expiryLagSeconds
}

/// What there is of something now, summed over a map's shards.
enum MapGauge: Int {
    case probationaryItems
    case probationaryBytes
    case provenItems
    case provenBytes
    case heldBytes
    case pinnedBytes
    case indexBytes
    case indexSlots
    case freeBytes
    case extraExtents
    case fences
}

/// The item that was evicted last.
struct LastEviction: Equatable, Sendable {
    /// Seconds since its last access; of one on probation, since it was stored.
    var age: UInt32 = 0
    /// When that was, on the node's clock; 0 before the first.
    var seconds: UInt32 = 0
}

extension Counts<MapCounter> {
    /// Counts an item that goes alive, whose memory is still whole.
    mutating func countEviction(_ item: Item, _ region: Region) {
        let marks = region[item, .marks]
        countEviction(
            isProven: marks & ItemMark.proven != 0, wasFetched: marks & ItemMark.fetched != 0,
            hasDeadline: region.deadline(item).seconds != 0)
    }

    mutating func countEviction(isProven: Bool, wasFetched: Bool, hasDeadline: Bool) {
        self[.evictions] += 1
        if isProven { self[.evictedProven] += 1 }
        if !wasFetched { self[.evictedUnfetched] += 1 }
        if hasDeadline { self[.evictedWithDeadline] += 1 }
    }
}
