import SessionMap
import Synchronization

/// How full a space's memory was in each of the last minutes' seconds, and how late what expires was removed.
final class SessionHistory: Sendable {
    struct Sample: Equatable, Sendable {
        let second: UInt64
        let vitals: MapVitals
    }

    /// Over which growth is told: it is not to follow every login, and to follow a morning.
    static let growthSeconds: UInt64 = 300
    /// Less says nothing.
    static let growthSecondsMin: UInt64 = 10
    static let lagSeconds: UInt64 = 60

    private let samples = Mutex<[Sample]>([])

    /// To be called every second, by whom it may; more often does no harm.
    ///
    /// - Parameter second: on a clock that nobody can move.
    func note(second: UInt64, _ read: () -> MapVitals) {
        let isKnown = samples.withLock { $0.last.map { $0.second >= second } ?? false }
        guard !isKnown else { return }
        let sample = Sample(second: second, vitals: read())
        samples.withLock { samples in
            samples.append(sample)
            let kept = samples.firstIndex { $0.second + Self.growthSeconds >= second } ?? 0
            samples.removeFirst(kept)
        }
    }

    enum TimeToFull: Equatable, Sendable {
        /// It runs for too short a time.
        case unknown
        /// It does not grow.
        case never
        /// 0: items are evicted to make room.
        case seconds(UInt64)
    }

    struct Reading: Equatable, Sendable {
        var usedByteCount = 0
        /// Below zero where it shrinks.
        var growthBytesPerSecond = 0.0
        var timeToFull = TimeToFull.unknown
        /// Of items that were removed in the last minute as time went by.
        var lagSecondsMax: UInt32 = 0
        var lagSecondsMean = 0.0
    }

    func reading(limitByteCount: Int) -> Reading {
        let samples = samples.withLock { $0 }
        var reading = Reading()
        guard let first = samples.first, let last = samples.last else { return reading }
        reading.usedByteCount = last.vitals.usedByteCount
        let recent = samples.filter { $0.second + Self.lagSeconds > last.second }
        reading.lagSecondsMax = recent.map(\.vitals.lagSecondsMax).max() ?? 0
        let before = samples.last { $0.second + Self.lagSeconds <= last.second } ?? first
        let expired = last.vitals.expiredCount - before.vitals.expiredCount
        if expired > 0 {
            reading.lagSecondsMean =
                Double(last.vitals.lagSeconds - before.vitals.lagSeconds) / Double(expired)
        }
        if last.vitals.evictionCount > first.vitals.evictionCount {
            reading.timeToFull = .seconds(0)
        }
        let seconds = last.second - first.second
        guard seconds >= Self.growthSecondsMin else { return reading }
        let growth = last.vitals.usedByteCount - first.vitals.usedByteCount
        reading.growthBytesPerSecond = Double(growth) / Double(seconds)
        guard reading.timeToFull == .unknown else { return reading }
        let left = limitByteCount - last.vitals.usedByteCount
        reading.timeToFull =
            growth <= 0
            ? .never : .seconds(UInt64(Double(max(0, left)) / reading.growthBytesPerSecond))
        return reading
    }
}
