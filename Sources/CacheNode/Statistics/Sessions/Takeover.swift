import SessionMap

/// What a node found in its memory file when it started, and what of it is gone.
struct Takeover: Equatable, Sendable {
    let report: RecoveryReport
    /// How long it took.
    let milliseconds: Int
}

/// `stats restarts`.
extension StatisticsReading {
    func addRestarts(to list: inout StatisticsList) {
        let report = space.takeover?.report ?? RecoveryReport()
        list.gauge("uptime", space.uptime(now), "Seconds since the node started")
        list.gauge(
            "restarts", space.map.takeoverCount,
            "Starts that took the memory file over, since it was made; 0 without one")
        list.gauge("taken_items", report.itemCount, "Sessions that this start has taken over")
        list.gauge("taken_bytes", report.byteCount, "Memory of these")
        list.gauge(
            "takeover_ms", space.takeover?.milliseconds ?? 0, "Milliseconds that this took")
        list.gauge(
            "away_seconds", space.clock.secondsAway,
            "Seconds between the last sign of the process before and the start")
        list.gauge(
            "lost_expired", report.expiredCount, "Sessions not taken over: their time had come")
        list.gauge("lost_flushed", report.flushedCount, "Not taken over: they had been flushed")
        list.gauge(
            "lost_replaced", report.supersededCount, "Not taken over: newer ones are there")
        list.gauge(
            "lost_evicted", report.evictedCount, "Not taken over for want of room: logged out")
        list.gauge("lost_damaged", report.damagedCount, "Not taken over as damaged: logged out")
    }
}
