import Synchronization

/// How often a thread has come around, for whoever wants to know that it still does.
final class Pulse: Sendable {
    private let count = Atomic<UInt64>(0)

    /// Called by that thread alone.
    @inline(__always)
    func beat() { count.store(value &+ 1, ordering: .relaxed) }

    @inline(__always)
    var value: UInt64 { count.load(ordering: .relaxed) }
}
