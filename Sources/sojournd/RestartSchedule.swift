/// When a node that died is started again: at once, unless it did not get anywhere before.
struct RestartSchedule {
    /// Deaths in a row, each before the node had served for `calm`.
    private var hastyDeathCount = 0

    static let calm = Duration.seconds(1)
    static let firstDelayMilliseconds = 100
    static let delayMillisecondsMax = 5_000

    /// - Parameter served: how long the node was ready; nothing if it never was.
    mutating func delayMilliseconds(afterServing served: Duration?) -> Int {
        if let served, served >= Self.calm { hastyDeathCount = 0 }
        defer { hastyDeathCount += 1 }
        guard hastyDeathCount > 0 else { return 0 }
        // Doubled each time; the shift is bounded long after the delay is.
        return min(
            Self.firstDelayMilliseconds << min(hastyDeathCount - 1, 16), Self.delayMillisecondsMax)
    }
}
