import Testing

@testable import CacheNode

/// Commands that are asked of the cluster together: who waits for them is told once.
@Suite(.timeLimit(.minutes(1)))
struct PendingTests {
    private let worker = WorkerRecord(number: 0)
    private let reply = Pending.Result.reply(Array("STORED\r\n".utf8))

    private func pending(_ count: Int) -> Pending {
        Pending(count: count, worker: worker, ticket: worker.makeTicket(descriptor: 7))
    }

    @Test("Who waits is told once, when all have their outcomes")
    func isToldOnce() {
        let pending = pending(3)
        pending.end(1, reply, isAwaited: true)
        pending.end(0, reply, isAwaited: true)
        #expect(!pending.isOver)
        #expect(worker.takeResumptions().isEmpty)
        pending.end(2, .none, isAwaited: true)
        #expect(pending.isOver)
        #expect(worker.takeResumptions().map(\.ticket) == [pending.ticket])
        #expect(pending.outcomes == [reply, reply, .some(.none)])
    }

    @Test("Who is asking sees by itself what is there at once")
    func isNotToldWhileAsking() {
        let pending = pending(2)
        pending.end(0, reply, isAwaited: false)
        pending.end(1, reply, isAwaited: false)
        #expect(pending.isOver)
        #expect(worker.takeResumptions().isEmpty)
    }
}
