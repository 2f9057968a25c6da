/// The resolved moment at which an item expires, in seconds of the node's clock.
package struct Deadline: Equatable, Sendable {
    /// 0 stands for "never": the node's clock starts later than that.
    package let seconds: UInt32

    private init(seconds: UInt32) { self.seconds = seconds }

    package static let never = Deadline(seconds: 0)
    /// A moment that has passed already.
    package static let past = Deadline(seconds: 1)
    /// The node's clock must not show less than this.
    package static let clockStart: UInt32 = 2

    /// `seconds` on the node's clock; what the clock cannot show any more is its last second.
    package static func at(_ seconds: UInt64) -> Deadline {
        Deadline(seconds: UInt32(clamping: max(seconds, 1)))
    }

    init(stored seconds: UInt32) { self.seconds = seconds }

    @inline(__always)
    package func isPassed(at now: UInt32) -> Bool { seconds != 0 && seconds <= now }
}

/// What a store command asks of the item that is there.
package enum StoreMode: Equatable, Sendable {
    case set
    case add
    case replace
    case append
    case prepend
    case compareAndSwap(UInt64)
}

/// Everything about a new item but its bytes.
package struct StoreRequest: Equatable, Sendable {
    package var mode: StoreMode
    package var clientFlags: UInt32
    package var deadline: Deadline

    package init(mode: StoreMode, clientFlags: UInt32, deadline: Deadline) {
        self.mode = mode
        self.clientFlags = clientFlags
        self.deadline = deadline
    }
}

package enum StoreOutcome: Equatable, Sendable {
    case stored
    case notStored
    /// The CAS unique differs.
    case exists
    case notFound
    case tooLarge
    case outOfMemory
}

package enum RetrievalOutcome: Equatable, Sendable {
    case hit
    case miss
    /// There was an item, but its deadline has passed: a miss of its own kind.
    case expired
    /// There was an item, but a flush came after it: a miss of its own kind.
    case flushed
}

package enum ArithmeticOutcome: Equatable, Sendable {
    case value(UInt64)
    case notFound
    case notANumber
    case outOfMemory
}

/// Counters of a map or of one shard of it.
package struct MapStatistics: Equatable, Sendable {
    package var itemCount = 0
    /// Arena bytes that live items take, headers and rounding included.
    package var itemByteCount = 0
    package var indexByteCount = 0
    /// The power of two of slots in the index.
    package var indexPower = 0
    package var freeByteCount = 0
    package var totalItemCount: UInt64 = 0
    package var evictionCount: UInt64 = 0
    package var evictedUnfetchedCount: UInt64 = 0
    /// Evicted items that had been read back: users who were logged out.
    package var evictedProvenCount: UInt64 = 0
    package var probationaryItemCount = 0
    package var probationaryByteCount = 0
    package var provenItemCount = 0
    package var provenByteCount = 0
    /// Evicted items that had a deadline.
    package var evictedWithDeadlineCount: UInt64 = 0
    package var expiredUnfetchedCount: UInt64 = 0
    /// Items that were removed because their time had come, or a flush.
    package var reclaimedCount: UInt64 = 0
    package var outOfMemoryCount: UInt64 = 0
    /// Seconds since the last access of the least recently used item.
    package var oldestAge: UInt32 = 0
    /// Seconds since the last access of the item that was evicted last.
    package var evictedAge: UInt32 = 0
    /// Extents per item are this many more than one, summed up.
    package var extraExtentCount = 0

    package init() {}

    mutating func add(_ other: MapStatistics) {
        itemCount += other.itemCount
        itemByteCount += other.itemByteCount
        indexByteCount += other.indexByteCount
        indexPower = max(indexPower, other.indexPower)
        freeByteCount += other.freeByteCount
        totalItemCount += other.totalItemCount
        evictionCount += other.evictionCount
        evictedUnfetchedCount += other.evictedUnfetchedCount
        evictedProvenCount += other.evictedProvenCount
        probationaryItemCount += other.probationaryItemCount
        probationaryByteCount += other.probationaryByteCount
        provenItemCount += other.provenItemCount
        provenByteCount += other.provenByteCount
        evictedWithDeadlineCount += other.evictedWithDeadlineCount
        expiredUnfetchedCount += other.expiredUnfetchedCount
        reclaimedCount += other.reclaimedCount
        outOfMemoryCount += other.outOfMemoryCount
        oldestAge = max(oldestAge, other.oldestAge)
        evictedAge = max(evictedAge, other.evictedAge)
        extraExtentCount += other.extraExtentCount
    }
}
