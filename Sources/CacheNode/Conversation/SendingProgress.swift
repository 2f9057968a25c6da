/// When a peer last took a part of what it is owed.
struct SendingProgress {
    private(set) var lastSeconds: UInt32 = 0
    /// What the kernel held for the peer a second ago, if anything had to wait.
    private var queuedByteCount: Int?

    mutating func note(now: Moment) { lastSeconds = now.seconds }

    /// The kernel takes megabytes before it tells that there is room again: a peer may read for minutes
    /// until then. To be called every second.
    ///
    /// - Parameter queued: what the kernel holds, if anything has to wait.
    mutating func look(_ queued: Int?, now: Moment) {
        if let queued, let before = queuedByteCount, before != queued { note(now: now) }
        queuedByteCount = queued
    }
}
