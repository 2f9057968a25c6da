import Synchronization

/// What a client's command waits for: that for some keys it is settled what the predecessor has of them.
final class Settlement: Sendable {
    private let leftCount = Atomic<Int>(0)
    private let worker: WorkerRecord
    let ticket: Ticket

    init(worker: WorkerRecord, ticket: Ticket) {
        self.worker = worker
        self.ticket = ticket
    }

    /// Before anything of it can end.
    func expect(_ count: Int) { leftCount.store(count, ordering: .relaxed) }

    /// One of the keys is settled, or will not be. Called without a lock.
    func endOne() {
        if leftCount.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
            worker.resume(ticket)
        }
    }
}
