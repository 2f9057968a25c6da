import Glibc
import HashRing
import NIOCore
import TestSupport
import Testing

@testable import SessionClient

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct DeadNodeTests {
    private func isEjected(_ node: Int, in cache: CacheClient) async throws -> Bool {
        try await cache.topology().pools[node].watch.isEjected
    }

    @Test("A dead node is ejected, asked no more, and its keys fail at once")
    func ejection() async throws {
        let server = try await FaultServer { _ in .close }
        let configuration = quickConfiguration {
            $0.ejectionMin = .seconds(3_600)
            $0.ejectionMax = .seconds(3_600)
        }
        try await withClient([server.node], configuration) { cache async throws in
            for _ in 0..<10 where try await !isEjected(0, in: cache) {
                #expect(await code { _ = try await cache.get("k") } != nil)
            }
            #expect(try await isEjected(0, in: cache))
            let count = server.connectionCount
            for _ in 0..<20 {
                #expect(await code { _ = try await cache.get("k") } == .nodeUnavailable)
            }
            #expect(server.connectionCount == count)
        }
    }

    @Test(
        "A server that greets and then breaks is ejected: 300 gets make no 600 connections",
        arguments: ["", "VA 1 f0 c1\r\n", "HD O1\r\n"])
    func greetsAndBreaks(answer: String) async throws {
        let server = try await FaultServer.greeting { _ in
            answer.isEmpty ? .close : .bytesAndClose(answer)
        }
        let configuration = quickConfiguration {
            $0.ejectionMin = .seconds(3_600)
            $0.ejectionMax = .seconds(3_600)
        }
        try await withClient([server.node], configuration) { cache async throws in
            for _ in 0..<300 { #expect(await code { _ = try await cache.get("k") } != nil) }
            #expect(try await isEjected(0, in: cache))
            #expect(server.connectionCount <= 6)
        }
    }

    @Test("A restart costs nothing but time who has some", arguments: ServerKind.allCases)
    func restart(kind: ServerKind) async throws {
        let node = try RestartableNode(kind)
        let configuration = quickConfiguration { $0.restartPatience = nil }
        try await withClient([node.ringNode], configuration) { cache async throws in
            try await cache.set("k", to: .text("v"))
            node.kill()
            let tasks = (0..<20).map { number in
                ownTask {
                    try await cache.set(try CacheKey("key-\(number)"), to: .text("v"))
                    return await cache.get([try CacheKey("key-\(number)")]).failures.count
                }
            }
            let watch = try await cache.topology().pools[0].watch
            try await eventually("a refusal") {
                if case .later = watch.admission() { true } else { false }
            }
            // Long enough for the three failures that eject a node.
            try await Task.sleep(for: .milliseconds(100))
            #expect(try await !isEjected(0, in: cache))
            try node.start()
            for task in tasks { #expect(try await task.value == 0) }
        }
    }

    @Test("Who has no time left for a restart is told, and a node that stays away is ejected")
    func noRestart() async throws {
        let port = try OccupiedPort(.refusing)
        let configuration = quickConfiguration {
            $0.restartPatience = .milliseconds(300)
            $0.ejectionMin = .seconds(3_600)
            $0.ejectionMax = .seconds(3_600)
        }
        try await withClient([port.node], configuration) { cache async throws in
            let quick = cache.withTimeout(.milliseconds(50))
            #expect(await code { _ = try await quick.get("k") } == .nodeUnavailable)
            let start = ContinuousClock.now
            #expect(await code { _ = try await cache.get("k") } == .nodeUnavailable)
            #expect(try await isEjected(0, in: cache))
            // Not until its own deadline, of 20 s.
            #expect(ContinuousClock.now - start < .seconds(15))
            #expect(await code { _ = try await cache.get("k") } == .nodeUnavailable)
        }
    }

    @Test("A node that comes back is probed and used again", arguments: ServerKind.allCases)
    func `return`(kind: ServerKind) async throws {
        let node = try kind.start()
        let configuration = quickConfiguration {
            $0.silenceTimeout = .milliseconds(100)
            $0.connectTimeout = .milliseconds(100)
        }
        try await withClient([try node.ringNode], configuration) { cache async throws in
            try await eventually("a store") { (try? await cache.set("k", to: .text("v"))) != nil }
            let quick = cache.withTimeout(.milliseconds(50))
            try node.program.suspend()
            try await eventually("ejection") {
                _ = try? await quick.get("k")
                return try await isEjected(0, in: cache)
            }
            // It stays out as long as it does not answer its probes.
            for _ in 0..<20 {
                #expect(await code { _ = try await quick.get("k") } == .nodeUnavailable)
                try await Task.sleep(for: .milliseconds(5))
            }
            node.program.send(SIGCONT)
            try await eventually("return") {
                guard let item = try? await cache.get("k") else { return false }
                #expect(item.text == "v")
                return try await !isEjected(0, in: cache)
            }
        }
    }

    @Test("With .fail a dead node costs its own keys, and no others")
    func fail() async throws {
        let (one, other) = (try ServerKind.memcached.start(), try ServerKind.memcached.start())
        let nodes = [try one.ringNode, try other.ringNode]
        try await withClient(nodes) { cache async throws in
            let dead = try await key(of: 0, in: cache)
            let alive = try await key(of: 1, in: cache)
            try await cache.set(dead, to: .text("v"))
            try await cache.set(alive, to: .text("v"))
            one.program.end()
            for _ in 0..<20 {
                #expect(await code { _ = try await cache.get(dead) } == .nodeUnavailable)
                #expect(try await cache.get(alive)?.text == "v")
                let items = await cache.get([dead, alive])
                #expect(items[alive]?.text == "v")
                #expect(items.failures[dead]?.code == .nodeUnavailable)
                #expect(items.failures.count == 1)
            }
            #expect(try other.counter("curr_items") == 1)
        }
    }

    @Test("With .nextNode the ring's next node takes its place, as if it were left out of the ring")
    func nextNode() async throws {
        let processes = try (0..<3).map { _ in try ServerKind.memcached.start() }
        let nodes = try processes.map { try $0.ringNode }
        let configuration = quickConfiguration { $0.deadNodes = .nextNode }
        try await withClient(nodes, configuration) { cache async throws in
            processes[0].program.end()
            let keys = try (0..<60).map { try CacheKey("key-\($0)") }
            for key in keys { try await cache.set(key, to: .text("of \(key)")) }
            for key in keys { #expect(try await cache.get(key)?.text == "of \(key)") }
            let items = await cache.get(keys)
            #expect(items.hits.count == 60 && items.failures.isEmpty)
            #expect(try await cache.delete(keys[0]))
            #expect(try await cache.get(keys[0]) == nil)
            // Every other client finds them there, too.
            let rest = try Ring(nodes: nodes).leavingOut([0])
            for key in keys.dropFirst() {
                let peer = try processes[rest.index(for: key.bytes)].connect()
                #expect(try peer.ask("get \(key)", until: "END\r\n").hasPrefix("VALUE \(key) "))
            }
        }
    }

    @Test("With .nextNode and no node left, commands fail")
    func noNodeLeft() async throws {
        let ports = try [OccupiedPort(.refusing), OccupiedPort(.refusing)]
        let configuration = quickConfiguration { $0.deadNodes = .nextNode }
        try await withClient(ports.map(\.node), configuration) { cache async throws in
            for _ in 0..<5 {
                #expect(
                    await code { _ = try await cache.set("k", to: .text("v")) } == .nodeUnavailable)
                let items = await cache.get(["k"] as [CacheKey])
                #expect(items.failures["k"]?.code == .nodeUnavailable)
            }
        }
    }

    @Test("With .nextNode what may have been carried out is not done elsewhere")
    func lostIsNotRepeated() async throws {
        let server = try await FaultServer.greeting { _ in .close }
        let node = try ServerKind.memcached.start()
        let configuration = quickConfiguration {
            $0.deadNodes = .nextNode
            $0.failureCountUntilEjection = 1_000
        }
        try await withClient([server.node, try node.ringNode], configuration) {
            cache async throws in
            let key = try await key(of: 0, in: cache)
            #expect(
                await code { _ = try await cache.set(key, to: .text("v")) } == .connectionLost)
            #expect(try node.counter("cmd_set") == 0)
        }
    }

    @Test("Membership that changes keeps the connections to nodes that stay")
    func changingNodes() async throws {
        let processes = try (0..<3).map { _ in try ServerKind.memcached.start() }
        let nodes = try processes.map { try $0.ringNode }
        try await withClient(Array(nodes[..<2])) { cache async throws in
            let staying = try await cache.topology().pools[1]
            for number in 0..<100 {
                try await cache.set(try CacheKey("key-\(number)"), to: .text("v"))
            }
            try cache.core.setNodes([nodes[2], nodes[1]])
            let later = try await cache.topology().pools
            #expect(later[1] === staying)
            #expect(later.map(\.node) == [nodes[2], nodes[1]])
            // The connections to the node that is gone are closed.
            try await eventually("closing") { try processes[0].counter("curr_connections") == 1 }
            #expect(throws: RingError.noNodes) { try cache.core.setNodes([]) }
            #expect(try await cache.topology().pools.count == 2)
        }
    }
}
