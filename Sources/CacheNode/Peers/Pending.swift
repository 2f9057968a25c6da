import Cluster
import Synchronization

/// A request that was asked of the cluster, until its outcome is there.
final class Pending: Sendable {
    enum Result: Equatable {
        case reply([UInt8])
        /// Nobody knows what has come of it.
        case none
    }

    private let result = Mutex<Result?>(nil)
    let worker: WorkerRecord
    private let ticket: Ticket
    /// Microseconds of the boot-time clock.
    let askedAt: UInt64

    init(worker: WorkerRecord, ticket: Ticket, askedAt: UInt64) {
        self.worker = worker
        self.ticket = ticket
        self.askedAt = askedAt
    }

    /// What has come of it, once that is known.
    var outcome: Result? { result.withLock { $0 } }

    /// - Parameters:
    ///   - isAwaited: whether somebody has to be told.
    ///   - thread: the worker on whose thread this is, if it is one's: it takes what is there for it by itself.
    func end(_ new: Result, isAwaited: Bool, on thread: WorkerRecord? = nil) {
        result.withLock { $0 = new }
        if isAwaited { worker.resume(ticket, wakes: thread !== worker) }
    }
}

/// Everything that was asked and has no outcome yet.
struct PendingRequests {
    private var places: [(turn: UInt32, pending: Pending?)] = []
    private var free: [Int] = []

    /// A name that nothing else has had, as long as it matters.
    mutating func insert(_ pending: Pending) -> UInt64 {
        let place = free.popLast() ?? places.count
        if place == places.count { places.append((0, nil)) }
        places[place].turn &+= 1
        places[place].pending = pending
        return UInt64(places[place].turn) << 32 | UInt64(place)
    }

    mutating func remove(_ name: UInt64) -> Pending? {
        let place = Int(name & 0xFFFF_FFFF)
        guard places.indices.contains(place), places[place].turn == name >> 32,
            let pending = places[place].pending
        else { return nil }
        places[place].pending = nil
        free.append(place)
        return pending
    }
}
