import Cluster
import SessionMap
import Synchronization

/// What a space's history is kept of, each second.
enum Series: String, CaseIterable {
    case gets, hits, sets, touches, deletes
    case loggedOut = "logged_out"
    case evicted, expired, refused
    case usedBytes = "used_bytes"
    case items, proven, connections
    case receivedBytes = "received_bytes"
    case sentBytes = "sent_bytes"
    case lockWaits = "lock_waits"
    case lockTimeouts = "lock_timeouts"
    case lockWaiting = "lock_waiting"
    case turnedAway = "turned_away"
    case broken
    case singleCopies = "single_copies"
    case membersAway = "members_away"
    case processorPercent = "processor_percent"
    case readSlow = "read_p99"
    case writeSlow = "write_p99"

    enum Kind {
        /// Of a counter: by how much it grew in a second.
        case rate
        case gauge
        /// Of a counter of microseconds: how many percent of the time these are.
        case share
    }

    var kind: Kind {
        switch self {
        case .usedBytes, .items, .proven, .connections, .lockWaiting, .membersAway, .readSlow,
            .writeSlow:
            .gauge
        case .processorPercent: .share
        default: .rate
        }
    }

    /// For a person, with its unit.
    var title: String {
        switch self {
        case .gets: "Reads a second"
        case .hits: "Reads that found their session, a second"
        case .sets: "Writes a second"
        case .touches: "Touches a second"
        case .deletes: "Deletions a second"
        case .loggedOut: "Users logged out for want of room, a second"
        case .evicted: "Items evicted a second"
        case .expired: "Items expired a second"
        case .refused: "Stores that found no memory, a second"
        case .usedBytes: "Memory in use, bytes"
        case .items: "Items"
        case .proven: "Items that were read back"
        case .connections: "Connections"
        case .receivedBytes: "Bytes received a second"
        case .sentBytes: "Bytes sent a second"
        case .lockWaits: "Waits for locks that began, a second"
        case .lockTimeouts: "Waits for locks that took too long, a second"
        case .lockWaiting: "Connections that wait for a lock"
        case .turnedAway: "Connections turned away, a second"
        case .broken: "Connections that failed (login, TLS, slow reader), a second"
        case .singleCopies: "Changes that only this node has, a second"
        case .membersAway: "Members that are away"
        case .processorPercent: "Processor time, percent of one"
        case .readSlow: "Microseconds within which 99 of 100 reads are answered"
        case .writeSlow: "Microseconds within which 99 of 100 writes are answered"
        }
    }
}

/// What the series are made of, as it was counted at one moment.
struct SeriesReading {
    let values: [Double]

    subscript(series: Series) -> Double { values[Self.places[series] ?? 0] }

    static let places = Dictionary(
        uniqueKeysWithValues: zip(Series.allCases, Series.allCases.indices))

    init(_ body: (Series) -> Double) { values = Series.allCases.map(body) }

    init(_ reading: StatisticsReading, _ view: PeersView?) {
        self.init { series in
            switch series {
            case .gets: Double(reading[.getCommands])
            case .hits: Double(reading[.getHits])
            case .sets: Double(reading[.setCommands])
            case .touches: Double(reading[.touchCommands])
            case .deletes: Double(reading[.deleteHits] &+ reading[.deleteMisses])
            case .loggedOut: Double(reading.evictedInUseCount)
            case .evicted: Double(reading.map.evictionCount)
            case .expired: Double(reading.map.reclaimedCount)
            case .refused: Double(reading.map.outOfMemoryCount)
            case .usedBytes: Double(reading.map.itemByteCount + reading.map.indexByteCount)
            case .items: Double(reading.map.itemCount)
            case .proven: Double(reading.map.provenItemCount)
            case .connections:
                Double(reading.space.acceptance.openCount.load(ordering: .relaxed))
            case .receivedBytes: Double(reading[.bytesRead])
            case .sentBytes: Double(reading[.bytesWritten])
            case .lockWaits: Double(reading.locks.waits)
            case .lockTimeouts: Double(reading.locks.timeouts)
            case .lockWaiting: Double(reading.locks.waiting)
            case .turnedAway:
                Double(
                    reading.space.acceptance.rejectedCount.load(ordering: .relaxed)
                        &+ reading.space.acceptance.pauseCount.load(ordering: .relaxed))
            case .broken:
                Double(
                    reading[.failedLogins] &+ reading[.loginTimeouts] &+ reading[.outputTimeouts]
                        &+ reading[.tlsHandshakeErrors] &+ reading[.tlsHandshakeTimeouts]
                        &+ reading[.tlsClearTextClients])
            case .singleCopies: Double(view?.memberCounts.singleCopies ?? 0)
            case .membersAway: Double(view?.away.count ?? 0)
            case .processorPercent: Double(ProcessorTime.microseconds)
            // Of a second, which nobody knows by one reading.
            case .readSlow, .writeSlow: .nan
            }
        }
    }

    /// What the series are between an earlier reading and this one.
    func since(_ earlier: SeriesReading, seconds: Double) -> [Float] {
        guard seconds > 0 else { return Series.allCases.map { _ in .nan } }
        return zip(Series.allCases, zip(values, earlier.values)).map { series, pair in
            switch series.kind {
            case .gauge: Float(pair.0)
            // A counter never goes back; a clock that is read twice may.
            case .rate: Float(max(0, pair.0 - pair.1) / seconds)
            case .share: Float(max(0, pair.0 - pair.1) / seconds / 10_000)
            }
        }
    }
}

extension StatisticsReading {
    /// Whether it is known which sessions are in use: one strict LRU queue does not tell them apart.
    var tellsProven: Bool { if case .lru = configuration.eviction { false } else { true } }

    /// Sessions in use that were evicted. With one strict LRU queue, those that had ever been read: at most so many.
    var evictedInUseCount: UInt64 {
        tellsProven ? map.evictedProvenCount : map.evictionCount.since(map.evictedUnfetchedCount)
    }
}
