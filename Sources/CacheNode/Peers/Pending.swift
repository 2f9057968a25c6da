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
    private let worker: WorkerRecord
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

    /// - Parameter isAwaited: whether somebody has to be told.
    func end(_ new: Result, isAwaited: Bool) {
        result.withLock { $0 = new }
        if isAwaited { worker.resume(ticket) }
    }
}
