import Metrics

/// What a session store counts, through swift-metrics.
struct SessionMetrics: Sendable {
    let created = Counter(label: "sojourn_sessions_created")
    /// Cookies that no store has given out.
    let rejectedCookies = Counter(label: "sojourn_sessions_rejected_cookies")
    /// Stored sessions with which nothing could be done.
    let unreadable = Counter(label: "sojourn_sessions_unreadable")
    /// Saves that came second.
    let conflicts = Counter(label: "sojourn_sessions_conflicts")
}
