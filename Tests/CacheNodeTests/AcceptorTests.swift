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
    private func start() throws -> (acceptor: Acceptor, space: Space, loop: Loop) {
        var configuration = NodeConfiguration.small
        configuration.connectionLimitRule = .wait
        configuration.connectionCountMax = 1
        let node = try InProcessNode(configuration)
        let loop = try Loop()
        let acceptor = try Acceptor(context: node.context, workers: [], loop: loop)
        try acceptor.listen(
            for: node.space,
            on: ListeningSocket.tcp(host: "127.0.0.1", port: 0, backlog: 8).map {
                SecuredSocket(socket: $0, security: .standard)
            }
        ) { _ in node.listener }
        return (acceptor, node.space, loop)
    }

    private func isAccepting(_ acceptance: AcceptanceRecord) -> Bool {
        acceptance.isAccepting.load(ordering: .relaxed)
    }

    @Test("A connection that closes while accepting is paused lets it go on")
    func closesWhilePaused() throws {
        let (acceptor, space, loop) = try start()
        let acceptance = space.acceptance
        acceptance.openCount.store(1, ordering: .relaxed)
        acceptor.pauseUntilPlace(in: space)
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
        let (acceptor, space, loop) = try start()
        let acceptance = space.acceptance
        acceptance.openCount.store(1, ordering: .relaxed)
        // Accepting goes on still, so nobody is woken.
        acceptance.noteClosed()
        acceptor.pauseUntilPlace(in: space)
        #expect(isAccepting(acceptance))
        loop.poll()
        acceptor.stop()
    }
}
