import EventLoop
import Synchronization
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Accepting that pauses, because all places are taken, must go on when one is free.
@Suite(.timeLimit(.minutes(10)))
struct AcceptorTests {
    /// An acceptor with one place, whose loop the test runs.
    private func start() throws -> (acceptor: Acceptor, acceptance: AcceptanceRecord, loop: Loop) {
        var configuration = NodeConfiguration.small
        configuration.connectionLimitRule = .wait
        configuration.connectionCountMax = 1
        let node = try InProcessNode(configuration)
        let loop = try Loop()
        let acceptor = Acceptor(context: node.context, workers: [])
        try acceptor.start(
            loop: loop, sockets: ListeningSocket.tcp(host: "127.0.0.1", port: 0, backlog: 8)
        ) { _ in node.listener }
        return (acceptor, node.context.acceptance, loop)
    }

    private func isAccepting(_ acceptance: AcceptanceRecord) -> Bool {
        acceptance.isAccepting.load(ordering: .relaxed)
    }

    @Test("A connection that closes while accepting is paused lets it go on")
    func closesWhilePaused() throws {
        let (acceptor, acceptance, loop) = try start()
        acceptance.openCount.store(1, ordering: .relaxed)
        acceptor.pauseUntilPlace()
        loop.poll()
        #expect(!isAccepting(acceptance))
        acceptance.noteClosed()
        loop.poll()
        #expect(isAccepting(acceptance))
        #expect(acceptance.pauseCount.load(ordering: .relaxed) == 1)
        acceptor.stop()
    }

    @Test("A connection that closed just before accepting was paused is noticed, too")
    func closedBefore() throws {
        let (acceptor, acceptance, loop) = try start()
        acceptance.openCount.store(1, ordering: .relaxed)
        // Accepting goes on still, so nobody is woken.
        acceptance.noteClosed()
        acceptor.pauseUntilPlace()
        #expect(isAccepting(acceptance))
        loop.poll()
        acceptor.stop()
    }
}
