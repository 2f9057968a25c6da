import SessionMap
import Synchronization

/// What has become of a space's sessions: how many there are, how they came and went, and how that goes on. Items are
/// sessions here, whatever their keys; locks are told apart where `lock_keys` says what one is.
struct SessionReading: Sendable {
    /// How sessions have ended, since the start or the last `stats reset`. Each ends once, as one of these.
    enum End: String, CaseIterable, Sendable {
        case logout, revoked, idle, absolute, expired, flushed
        case evictedProbation = "evicted_probation"
        case evictedProven = "evicted_proven"
        case outdated

        var help: String {
            switch self {
            case .logout: "Sessions that clients have deleted"
            case .revoked: "Sessions that operators have ended"
            case .idle: "Sessions that nobody used for as long as idle"
            case .absolute: "Sessions that had lived as long as absolute"
            case .expired: "Sessions whose time, as their client set it, had come"
            case .flushed: "Sessions that were there when all were to be gone (flush_all)"
            case .evictedProbation: "Sessions that were evicted and had not been read back"
            case .evictedProven: "Sessions in use that were evicted: users whom we logged out"
            case .outdated: "Sessions that could not be stored anew for want of memory"
            }
        }
    }

    let map: MapStatistics
    private let revokedCount: UInt64
    let lockBornCount: UInt64
    let lockDeletedCount: UInt64
    let history: SessionHistory.Reading
    let ages: [AgeSnapshot]

    init(_ reading: StatisticsReading) {
        let space = reading.space
        map = reading.map
        revokedCount = reading[.sessionsRevoked]
        lockBornCount = reading[.locksBorn]
        lockDeletedCount = reading[.locksDeleted]
        history = space.history.reading(limitByteCount: space.memory.byteCount)
        ages = space.evictionAges()
    }

    /// What was counted from the start on.
    func count(_ end: End) -> UInt64 {
        switch end {
        case .logout: map.deletedCount.since(revokedCount)
        case .revoked: min(revokedCount, map.deletedCount)
        case .idle: map.expiredIdleCount
        case .absolute: map.expiredAbsoluteCount
        case .expired:
            map.expiredCount.since(map.expiredIdleCount &+ map.expiredAbsoluteCount)
        case .flushed: map.flushedCount
        case .evictedProbation: map.evictionCount.since(map.evictedProvenCount)
        case .evictedProven: map.evictedProvenCount
        case .outdated: map.outdatedCount
        }
    }
}

extension Space {
    /// Ages of what was evicted, since the start or the last `stats reset`.
    func evictionAges() -> [AgeSnapshot] {
        let zero = agesZero.withLock { $0 }
        return zip(EvictionAges.Kind.allCases, ages.readings).enumerated().map { place, found in
            AgeSnapshot(found.0, place < zero.count ? found.1.since(zero[place]) : found.1)
        }
    }

    /// For `stats reset`.
    func resetAges() { agesZero.withLock { $0 = ages.readings } }
}

/// `stats sessions`.
extension StatisticsReading {
    func addSessions(to list: inout StatisticsList) {
        let sessions = SessionReading(self)
        list.gauge("live", map.itemCount, "Sessions that are there: items, whatever their keys")
        list.gauge("probationary", map.probationaryItemCount, "Of these, not read back so far")
        list.gauge("proven", map.provenItemCount, "Of these, read back: in use")
        list.counter("born", map.bornCount, "Sessions that were stored where there was none")
        list.counter(
            "became_proven", map.becameProvenCount, "Sessions that were read back, and so proven")
        for end in SessionReading.End.allCases {
            list.counter("ended_\(end.rawValue)", sessions.count(end), end.help)
        }
        list.counter(
            "lock_born", sessions.lockBornCount, "Of those born, locks that an add has taken")
        list.counter(
            "lock_deleted", sessions.lockDeletedCount, "Of those that ended by logout, locks")
        for ages in sessions.ages {
            list.gauge("\(ages.kind.rawValue)_count", ages.count, "So many of what follows")
            for (quantile, word) in [(0.1, "p10"), (0.5, "p50"), (0.9, "p90")] {
                list.gauge(
                    "\(ages.kind.rawValue)_\(word)", ages.seconds(quantile: quantile),
                    ages.kind.help)
            }
        }
        addHistory(sessions.history, to: &list)
    }

    private func addHistory(_ history: SessionHistory.Reading, to list: inout StatisticsList) {
        list.gauge("used_bytes", history.usedByteCount, "Memory that is in use, index included")
        list.gauge("limit_bytes", space.memory.byteCount, "Memory that may be in use (-m)")
        list.gauge(
            "growth_bytes_per_second", history.growthBytesPerSecond, digits: 0,
            "What the former grows by, on average over the last minutes")
        let time: String
        switch history.timeToFull {
        case .unknown: time = "unknown"
        case .never: time = "never"
        case .seconds(let seconds): time = String(seconds)
        }
        list.text(
            "time_to_full", time, "Seconds until memory is full, if it grows on so; 0: it is")
        list.gauge(
            "expiry_lag_max", history.lagSecondsMax,
            "Seconds that what expired in the last minute was removed too late at most")
        list.gauge(
            "expiry_lag_mean", history.lagSecondsMean, digits: 1, "The same, on average")
    }
}
