/// What a shard knows of flushes; a death of the process leaves a change of it whole or not at all.
struct FlushState {
    /// Items of another epoch than this have been flushed. They are all older than any other item,
    /// so they sit together at the oldest end of each queue.
    var epoch: UInt32 = 0
    /// When a flush that was asked for in advance is due.
    var deadline = Deadline.never
}
