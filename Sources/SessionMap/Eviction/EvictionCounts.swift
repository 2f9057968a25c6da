/// What was evicted alive, to make room.
struct EvictionCounts: Equatable, Sendable {
    var all: UInt64 = 0
    /// Never read.
    var unfetched: UInt64 = 0
    /// Read back when they were old enough: users who were logged out.
    var proven: UInt64 = 0
    var withDeadline: UInt64 = 0
    /// Of the one that went last: seconds since its last access; of one on probation, since it was
    /// stored.
    var lastAge: UInt32 = 0
    /// When that was, on the node's clock.
    private var lastSeconds: UInt32 = 0

    /// Counts an item, whose memory is still whole.
    mutating func note(_ item: Unit, region: Region, age: UInt32, now: UInt32) {
        let marks = region[item, .marks]
        all += 1
        if marks & ItemMark.proven != 0 { proven += 1 }
        if marks & ItemMark.fetched == 0 { unfetched += 1 }
        if region[item, .deadline] != 0 { withDeadline += 1 }
        lastAge = age
        lastSeconds = now
    }

    mutating func add(_ other: EvictionCounts) {
        all += other.all
        unfetched += other.unfetched
        proven += other.proven
        withDeadline += other.withDeadline
        guard other.all > 0, other.lastSeconds >= lastSeconds else { return }
        lastAge = other.lastAge
        lastSeconds = other.lastSeconds
    }

    /// What was counted since `zero`.
    func since(_ zero: EvictionCounts) -> EvictionCounts {
        var left = self
        left.all = all.since(zero.all)
        left.unfetched = unfetched.since(zero.unfetched)
        left.proven = proven.since(zero.proven)
        left.withDeadline = withDeadline.since(zero.withDeadline)
        return left
    }
}
