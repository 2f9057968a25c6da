import SessionMap

/// Keys that cannot be stored again for a while: what was decided, and what came of it.
extension StatisticsReading {
    func addFenceSettings(to list: inout StatisticsList) {
        let rules = space.configuration.fence
        list.gauge(
            "fence", rules.seconds,
            "Seconds until a key that was deleted can be stored again; 0: at once")
        let keys = rules.keys.map(\.description).joined(separator: " ")
        list.text("fence_keys", keys.isEmpty ? "all" : keys, "Keys that this is about")
    }

    /// Shown where there is a fence.
    func addFence(to list: inout StatisticsList) {
        list.isShowing = space.configuration.fence.seconds > 0
        list.gauge("fences", map.fenceCount, "Keys that cannot be stored again yet")
        list.counter("fenced", map.fencedCount, "Stores that were refused so")
        list.counter(
            "fence_dropped_early", map.fencesDroppedEarlyCount,
            "Fences that were forgotten before their time, for want of room")
        list.isShowing = true
    }
}
