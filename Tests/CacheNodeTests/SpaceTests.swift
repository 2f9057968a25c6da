import EventLoop
import MemcacheProtocol
import SessionMap
import Synchronization
import Testing

@testable import CacheNode
@testable import NodeStage

/// Several spaces in one node: nothing but the place that makes one may count on it.
@Suite(.timeLimit(.minutes(10)))
struct SpaceTests {
    private func ask(_ text: String, by listener: ListenerIdentity, of node: InProcessNode) throws
        -> String
    {
        let peer = node.open(by: listener)
        try peer.send(bytes(text))
        try peer.receiveAll()
        return String(decoding: peer.received, as: UTF8.self)
    }

    private func value(
        _ name: String, of space: Space, _ node: InProcessNode
    ) -> Statistic.Value? {
        node.context.statistics(.general, of: space, now: node.now)
            .first { $0.name == name }?.value
    }

    @Test("A connection reaches the items and the counters of its listener's space, and no others")
    func listeners() throws {
        let node = try InProcessNode(spaceCount: 2)
        let (first, second) = (node.listeners[0], node.listeners[1])
        #expect(try ask("set k 0 0 1\r\n1\r\n", by: first, of: node) == "STORED\r\n")
        #expect(try ask("get k\r\n", by: second, of: node) == "END\r\n")
        #expect(try ask("set k 0 0 1\r\n2\r\n", by: second, of: node) == "STORED\r\n")
        #expect(try ask("get k\r\n", by: first, of: node) == "VALUE k 0 1\r\n1\r\nEND\r\n")
        #expect(value("get_hits", of: first.space, node) == .counter(1))
        #expect(value("get_hits", of: second.space, node) == .counter(0))
        #expect(value("get_misses", of: second.space, node) == .counter(1))
        node.context.resetStatistics(of: first.space)
        #expect(value("get_hits", of: first.space, node) == .counter(0))
        #expect(value("get_misses", of: second.space, node) == .counter(1))
        #expect(value("curr_items", of: first.space, node) == .gauge(1))
    }

    @Test("A worker expires what is due in every space")
    func expiry() throws {
        let node = try InProcessNode(spaceCount: 2)
        let worker = try Worker(number: 0, context: node.context)
        for listener in node.listeners {
            #expect(try ask("set k 0 1 1\r\nx\r\n", by: listener, of: node) == "STORED\r\n")
        }
        for listener in node.listeners { listener.space.clock.advance(seconds: 2) }
        worker.requestMaintenance()
        worker.loop.poll()
        for listener in node.listeners {
            #expect(value("reclaimed", of: listener.space, node) == .counter(1))
            #expect(value("expired_unfetched", of: listener.space, node) == .counter(1))
        }
        worker.stop()
        worker.run()
    }

    @Test("A space's clock is its own: what moves one moves no other one's deadlines")
    func clocks() throws {
        let node = try InProcessNode(spaceCount: 2)
        for listener in node.listeners {
            #expect(try ask("set k 0 10 1\r\nx\r\n", by: listener, of: node) == "STORED\r\n")
        }
        node.listeners[1].space.clock.advance(seconds: 11)
        let get = "mg k t\r\n"
        #expect(try ask(get, by: node.listeners[0], of: node) == "HD t10\r\n")
        // A conversation without a worker has the first space's moments: asked by the other one's map.
        let map = node.listeners[1].space.map
        let now = node.listeners[1].space.clock.now().seconds
        #expect(map.peek(Array("k".utf8).span, now: now) { _ in } == .expired)
    }

    @Test("A connection takes a place of its own space, and is shown there alone")
    func places() throws {
        let node = try InProcessNode(spaceCount: 2)
        let (first, second) = (node.listeners[0], node.listeners[1])
        let peer = node.open(by: second)
        node.worker.connections.withLock { $0[peer.descriptor] = peer.connection.record }
        #expect(value("curr_connections", of: first.space, node) == .gauge(0))
        #expect(value("curr_connections", of: second.space, node) == .gauge(1))
        let name = "STAT \(peer.descriptor):state"
        #expect(try !ask("stats conns\r\n", by: first, of: node).contains(name))
        #expect(try ask("stats conns\r\n", by: second, of: node).contains(name))
    }

    @Test("A watcher is told of its own space's items and of no other's")
    func watchers() throws {
        let node = try InProcessNode(spaceCount: 2)
        let watched = node.listeners[0].space.watchers
        let id = try #require(watched.add(.mutations, wakeUp: nil))
        #expect(try ask("set k 0 0 1\r\nx\r\n", by: node.listeners[1], of: node) == "STORED\r\n")
        #expect(watched.counts.toldCount == 0)
        #expect(try ask("set k 0 0 1\r\nx\r\n", by: node.listeners[0], of: node) == "STORED\r\n")
        #expect(watched.counts.toldCount == 1)
        watched.remove(id)
    }

    @Test("A listener's rules say whether keys are shown: by themselves, or on a Unix socket")
    func rules() throws {
        let space = try InProcessNode().space
        func areKeysShown(isUnixSocket: Bool, _ change: (inout ListenerRules) -> Void) -> Bool {
            var rules = ListenerRules()
            change(&rules)
            return ListenerIdentity(space: space, rules: rules, isUnixSocket: isUnixSocket)
                .areKeysShown
        }
        #expect(!areKeysShown(isUnixSocket: false) { _ in })
        #expect(areKeysShown(isUnixSocket: true) { _ in })
        #expect(areKeysShown(isUnixSocket: false) { $0.showsKeys = true })
        #expect(!areKeysShown(isUnixSocket: true) { $0.isDumpAllowed = false })
        #expect(
            !areKeysShown(isUnixSocket: false) {
                $0.showsKeys = true
                $0.isDumpAllowed = false
            })
    }
}
