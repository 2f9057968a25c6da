import SessionMap

/// How long items live, whatever their clients say: what was decided, and what came of it.
extension StatisticsReading {
    func addTimeoutSettings(to list: inout StatisticsList) {
        let rules = space.configuration.timeouts
        list.gauge(
            "idle", rules.idleSeconds,
            "Seconds that an item lives after its last access; 0: as its client says")
        list.gauge(
            "absolute", rules.absoluteSeconds,
            "Seconds that an item lives after its key was first stored; 0: as its client says")
        list.gauge(
            "exptime_default", rules.defaultSeconds,
            "Seconds for an item whose client lets it live for ever; 0: for ever")
        list.gauge(
            "exptime_max", rules.maxSeconds, "The most seconds that a client can ask for; 0: any")
    }

    /// Shown where there are such rules.
    func addTimeouts(to list: inout StatisticsList) {
        list.isShowing = space.configuration.timeouts.areOn
        list.counter(
            "exptime_defaulted", map.exptimeDefaultedCount,
            "Items that were to live for ever, and got exptime_default")
        list.counter(
            "exptime_capped", map.exptimeCappedCount,
            "Exptimes that were later than exptime_max allows")
        list.counter("idle_renewed", map.idleRenewedCount, "Deadlines that an access has put off")
        list.counter(
            "absolute_capped", map.absoluteCappedCount,
            "Deadlines that would have been later without the absolute timeout")
        list.counter(
            "expired_idle", map.expiredIdleCount, "Items that were not accessed for as long as idle"
        )
        list.counter(
            "expired_absolute", map.expiredAbsoluteCount, "Items that had lived as long as absolute"
        )
        list.isShowing = true
    }
}
