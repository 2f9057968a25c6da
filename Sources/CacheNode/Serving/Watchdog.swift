/// Whoever kills this process when it has heard nothing from it for a while: systemd, or a supervisor.
package struct Watchdog: Sendable {
    /// How long the process may be silent.
    package let milliseconds: Int
    /// Tells that it gets somewhere.
    package let feed: @Sendable () -> Void

    package init(milliseconds: Int, feed: @escaping @Sendable () -> Void) {
        self.milliseconds = milliseconds
        self.feed = feed
    }

    /// A turn of a thread may take three quarters of the time, and a thread that is busy is not late yet.
    var feedingMilliseconds: Int { max(1, milliseconds / 4) }
}

/// Whether all threads of a process get somewhere: one that waits for ever, or goes around in a circle, is as bad as a
/// process that is dead, and worse, since clients wait for it.
struct Heartbeat {
    private let pulses: [Pulse]
    /// When all had come around last.
    private var seen: [UInt64]

    init(of pulses: [Pulse]) {
        self.pulses = pulses
        seen = pulses.map(\.value)
    }

    /// Whether each has come around since this was true last.
    mutating func haveAllComeAround() -> Bool {
        let values = pulses.map(\.value)
        guard zip(values, seen).allSatisfy({ $0 != $1 }) else { return false }
        seen = values
        return true
    }
}
