/// When the requests of an open loop should be sent: evenly, whatever becomes of earlier ones.
///
/// A request's latency counts from here, so a server that stalls is charged with every request that
/// should have been sent meanwhile, not only with those that were ("coordinated omission").
package struct OpenSchedule: Equatable, Sendable {
    package let start: UInt64
    package let nanosecondsPerRequest: Double

    /// - Parameter perSecond: of this schedule alone.
    package init(start: UInt64, perSecond: Double) {
        self.start = start
        nanosecondsPerRequest = 1e9 / perSecond
    }

    /// When the request of that number should be sent.
    package func due(_ number: Int) -> UInt64 {
        start + UInt64(Double(number) * nanosecondsPerRequest)
    }

    /// How many requests are due before `end`.
    package func count(before end: UInt64) -> Int {
        guard end > start else { return 0 }
        var count = Int(Double(end - start) / nanosecondsPerRequest)
        while due(count) < end { count += 1 }
        while count > 0, due(count - 1) >= end { count -= 1 }
        return count
    }
}
