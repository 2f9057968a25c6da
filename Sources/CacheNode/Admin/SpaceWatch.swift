import Cluster
import SessionMap
import Synchronization

/// What the operator's port keeps of one space: its history, and what it says to each question.
///
/// Confined to the port's thread.
final class SpaceWatch {
    let space: Space
    private let context: NodeContext
    private(set) var history = History()
    /// Since the reading before.
    private(set) var latest: [Float] = Series.allCases.map { _ in .nan }
    private var times = RecentTimes()
    private var last: (reading: SeriesReading, at: ContinuousClock.Instant)?

    init(_ space: Space, _ context: NodeContext) {
        (self.space, self.context) = (space, context)
    }

    /// Each second.
    func look() {
        let reading = StatisticsReading(context, space, now: space.clock.now())
        times.look(at: space)
        let now = ContinuousClock.now
        let series = SeriesReading(reading, space.peers?.view())
        if let last {
            latest = series.since(last.reading, seconds: (now - last.at) / .seconds(1))
            latest[SeriesReading.places[.readSlow] ?? 0] = Float(times.slowRead ?? .nan)
            latest[SeriesReading.places[.writeSlow] ?? 0] = Float(times.slowWrite ?? .nan)
            history.append(latest)
        }
        last = (series, now)
    }

    subscript(series: Series) -> Double {
        let value = latest[SeriesReading.places[series] ?? 0]
        return value.isNaN ? 0 : Double(value)
    }

    /// The session with the most reads or rewrites, if any was looked at. Of all requests some are, so what one has is
    /// about as much as is told.
    private var heaviest: (name: String, what: String, count: UInt64, total: UInt64)? {
        let all: [(TopQuestion, String, Series)] = [
            (.reads, "Reads", .gets), (.rewrites, "Writes", .sets),
        ]
        let first = all.compactMap {
            question, what, series -> (name: String, what: String, count: UInt64, total: UInt64)? in
            guard let entry = space.top(question, count: 1).first else { return nil }
            let total = max(entry.count, UInt64(history.sum(series)))
            return (entry.name, what, entry.count, total)
        }
        return first.max { $0.count < $1.count }
    }

    func facts(_ reading: StatisticsReading) -> Facts {
        var facts = Facts()
        facts.loggedOut = reading.evictedInUseCount
        facts.tellsProven = reading.tellsProven
        facts.loggedOutRecently = history.sum(.loggedOut)
        facts.evictedRecently = history.sum(.evicted)
        facts.evictedAgeSeconds = Int(reading.map.evictedAge)
        facts.evicts = reading.configuration.evicts
        facts.usedBytes = reading.map.itemByteCount + reading.map.indexByteCount
        facts.limitBytes = space.memory.byteCount
        facts.provenBytes = reading.map.provenByteCount
        facts.bytesPerSecond = history.growth(.usedBytes)
        facts.refusedForRoomRecently = history.sum(.refused)
        facts.requestsPerSecond = self[.gets] + self[.sets] + self[.touches] + self[.deletes]
        facts.slowMicroseconds = times.microseconds(quantile: 0.99)
        facts.middleMicroseconds = times.microseconds(quantile: 0.5)
        facts.hasLocks = space.locks != nil
        facts.waiting = reading.locks.waiting
        facts.lockTimeoutsRecently = history.sum(.lockTimeouts)
        facts.longestWaitMicroseconds = reading.locks.longestWaitMicroseconds
        if let takeover = space.takeover {
            facts.start = Facts.Start(
                items: takeover.report.itemCount, bytes: takeover.report.byteCount,
                milliseconds: takeover.milliseconds, damaged: takeover.report.damagedCount,
                secondsAway: Int(space.clock.secondsAway))
        }
        facts.heaviest = heaviest
        facts.expiryLagSeconds = Double(
            space.history.reading(limitByteCount: space.memory.byteCount).lagSecondsMax)
        facts.connections = space.acceptance.openCount.load(ordering: .relaxed)
        facts.connectionsMax = reading.configuration.connectionCountMax
        facts.isAccepting = space.acceptance.isAccepting.load(ordering: .relaxed)
        facts.turnedAwayRecently = history.sum(.turnedAway)
        facts.brokenRecently = history.sum(.broken)
        facts.expiredPerSecond = history.mean(.expired, lastSeconds: 60) ?? 0
        if let view = space.peers?.view() {
            var members = Facts.Members()
            members.current = view.currentCount
            members.all = view.peers.count + (view.isFront ? 0 : 1)
            members.away = view.away.map(\.name)
            members.refusesChanges = !view.isFront && view.isServing && !view.hasMajority
            members.singleCopiesRecently = history.sum(.singleCopies)
            facts.members = members
        }
        return facts
    }
}
