/// Which of a shard's items have been flushed, and when a flush is due. Each flush begins another epoch,
/// and an item keeps the number of its own.
///
/// Invariant: no item that is left carries the number of an epoch to come, of which there are few.
struct Flushes {
    private static let epochCount = 8

    private let region: Region
    private var state: FlushState
    /// Since the last moment without flushed items.
    private var unsweptCount = 0

    init(region: Region, _ state: FlushState) {
        self.region = region
        self.state = state
    }

    /// That of items that are stored now.
    @inline(__always)
    var epoch: UInt32 { state.epoch }
    /// When a flush that was asked for in advance is due.
    var deadline: Deadline { state.deadline }

    @inline(__always)
    func cover(_ item: Item) -> Bool { region[item, .epoch] != epoch }

    mutating func schedule(at deadline: Deadline) {
        set(FlushState(epoch: epoch, deadline: deadline))
    }

    /// With one more, an epoch would come again that some item still carries: sweep first.
    var wantSweeping: Bool { unsweptCount == Self.epochCount - 2 }

    /// Flushes everything.
    mutating func begin() {
        precondition(!wantSweeping, "an epoch that some item still carries")
        set(FlushState(epoch: (epoch + 1) % UInt32(Self.epochCount), deadline: .never))
        unsweptCount += 1
    }

    /// Whether flushed items may be left.
    var mayHaveLeftItems: Bool { unsweptCount > 0 }

    /// None is left.
    mutating func noteSwept() { unsweptCount = 0 }

    private mutating func set(_ state: FlushState) {
        self.state = state
        region.shardFlushes = state
    }
}

/// What a shard knows of flushes; a death of the process leaves a change of it whole or not at all.
struct FlushState {
    /// Items of another epoch than this have been flushed. They are all older than any other item,
    /// so they sit together at the oldest end of each queue.
    var epoch: UInt32 = 0
    /// When a flush that was asked for in advance is due.
    var deadline = Deadline.never
}
