import HashRing
import NIOCore
import TestSupport
import Testing

@testable import SessionClient

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct CacheClientTests {
    @Test("An item is stored and read", arguments: ServerKind.allCases)
    func setAndGet(kind: ServerKind) async throws {
        let node = try kind.start()
        try await withClient([node.ringNode]) { cache async throws in
            #expect(try await cache.get("k") == nil)
            let casUnique = try await cache.set("k", to: .text("value"), clientFlags: 7)
            let item = try #require(try await cache.get("k"))
            #expect(item.text == "value")
            #expect(item.clientFlags == 7)
            #expect(item.casUnique == casUnique)
            #expect(item.timeLeft == nil)
            try await cache.set("k", to: .text(""))
            #expect(try await cache.get("k")?.text == "")
        }
    }

    @Test("add, replace and delete tell whether there was an item", arguments: ServerKind.allCases)
    func modes(kind: ServerKind) async throws {
        let node = try kind.start()
        try await withClient([node.ringNode]) { cache async throws in
            #expect(try await cache.replace("k", with: .text("no")) == nil)
            #expect(try await cache.delete("k") == false)
            #expect(try await cache.add("k", .text("a")) != nil)
            #expect(try await cache.add("k", .text("b")) == nil)
            #expect(try await cache.get("k")?.text == "a")
            #expect(try await cache.replace("k", with: .text("c")) != nil)
            #expect(try await cache.get("k")?.text == "c")
            #expect(try await cache.delete("k"))
            #expect(try await cache.get("k") == nil)
        }
    }

    @Test("Compare and set stores only what is unchanged", arguments: ServerKind.allCases)
    func compareAndSet(kind: ServerKind) async throws {
        let node = try kind.start()
        try await withClient([node.ringNode]) { cache async throws in
            let first = CASUnique(1)
            #expect(
                try await cache.compareAndSet("k", to: .text("x"), expected: first) == .notFound)
            let stored = try await cache.set("k", to: .text("one"))
            guard
                case .stored(let next) = try await cache.compareAndSet(
                    "k", to: .text("two"), expected: stored)
            else {
                Issue.record("not stored")
                return
            }
            #expect(next != stored)
            #expect(
                try await cache.compareAndSet("k", to: .text("three"), expected: stored)
                    == .conflict)
            #expect(try await cache.get("k")?.text == "two")
        }
    }

    @Test("Expiries are set by stores, by touch and by reading", arguments: ServerKind.allCases)
    func expiries(kind: ServerKind) async throws {
        let node = try kind.start()
        try await withClient([node.ringNode]) { cache async throws in
            func timeLeft() async throws -> Duration? { try await cache.get("k")?.timeLeft }
            try await cache.set("k", to: .text("v"), expiry: .after(.seconds(1_000)))
            #expect(try #require(try await timeLeft()) > .seconds(900))
            #expect(try await cache.touch("k", expiry: .after(.seconds(100))))
            #expect(try #require(try await timeLeft()) <= .seconds(100))
            let item = try await cache.get("k", touching: .after(.seconds(5_000)))
            #expect(item?.text == "v")
            #expect(try #require(try await timeLeft()) > .seconds(4_000))
            #expect(try await cache.touch("k", expiry: .never))
            #expect(try await timeLeft() == nil)
            #expect(try await cache.touch("other", expiry: .never) == false)
            // More than 30 days.
            try await cache.set("k", to: .text("v"), expiry: .after(.seconds(5_000_000)))
            #expect(try #require(try await timeLeft()) > .seconds(4_900_000))
            try await cache.set("k", to: .text("v"), expiry: .after(.zero))
            #expect(try await cache.get("k") == nil)
        }
    }

    @Test("Numbers go up and down", arguments: ServerKind.allCases)
    func arithmetic(kind: ServerKind) async throws {
        let node = try kind.start()
        try await withClient([node.ringNode]) { cache async throws in
            #expect(try await cache.increment("n") == nil)
            #expect(try await cache.increment("n", initial: (5, .never)) == 5)
            #expect(try await cache.increment("n", by: 10) == 15)
            #expect(try await cache.decrement("n", by: 6) == 9)
            #expect(try await cache.decrement("n", by: 100) == 0)
            try await cache.set("n", to: .text("\(UInt64.max)"))
            #expect(try await cache.increment("n", by: 2) == 1)
            try await cache.set("n", to: .text("word"))
            #expect(await code { _ = try await cache.increment("n") } == .notANumber)
            // And the connection is as good as before.
            #expect(try await cache.get("n")?.text == "word")
        }
    }

    @Test("Values have a bound, here and at the node", arguments: ServerKind.allCases)
    func valueBound(kind: ServerKind) async throws {
        let node = try kind.start()
        let configuration = quickConfiguration { $0.valueByteCountMax = 2_000_000 }
        try await withClient([node.ringNode], configuration) { cache async throws in
            let large = [UInt8](repeating: 0x76, count: 1_000_000)
            try await cache.set("k", to: large)
            #expect(try await cache.get("k")?.value == large)
            for excess in [0, 1] {
                let value = [UInt8](repeating: 0x76, count: 2_000_000 + excess)
                let error = await #expect(throws: CacheError.self) {
                    try await cache.set("k", to: value)
                }
                #expect(error?.code == .valueTooLarge)
                // With a node it was the node that refused it.
                #expect((error?.node == nil) == (excess == 1))
            }
            #expect(try await cache.delete("k") == false)
        }
    }

    @Test("Hostile values arrive as they are", arguments: ServerKind.allCases)
    func values(kind: ServerKind) async throws {
        let node = try kind.start()
        try await withClient([node.ringNode]) { cache async throws in
            for text in ["\r\n", "END\r\n", "\r\nmd k\r\n", "VA 3\r\nabc\r\n", "\u{0}"] {
                try await cache.set("k", to: .text(text))
                #expect(try await cache.get("k")?.text == text)
            }
        }
    }

    @Test("Many tasks share the connections, and each gets its own", arguments: ServerKind.allCases)
    func manyTasks(kind: ServerKind) async throws {
        let nodes = try (0..<3).map { _ in try kind.start() }
        let connectionCounts = try nodes.map { try #require(try $0.counter("total_connections")) }
        try await withClient(try nodes.map { try $0.ringNode }) { cache in
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for number in 0..<2_000 {
                    tasks.addTask {
                        let key = try CacheKey("key-\(number)")
                        try await cache.set(key, to: .text("value-\(number)"))
                        #expect(try await cache.get(key)?.text == "value-\(number)")
                    }
                }
                try await tasks.waitForAll()
            }
        }
        for (node, before) in zip(nodes, connectionCounts) {
            // The one that asks for the counter is the third.
            let after = try #require(try node.counter("total_connections"))
            #expect(after <= before + 3)
            #expect(try #require(try node.counter("curr_items")) > 300)
        }
    }

    @Test("Several keys come from all nodes at once", arguments: ServerKind.allCases)
    func severalKeys(kind: ServerKind) async throws {
        let nodes = try (0..<3).map { _ in try kind.start() }
        try await withClient(try nodes.map { try $0.ringNode }) { cache in
            let keys = try (0..<1_000).map { try CacheKey("key-\($0)") }
            for key in keys.dropLast(100) { try await cache.set(key, to: .text("of \(key)")) }
            let items = await cache.get(keys + keys)
            #expect(items.failures.isEmpty)
            #expect(items.hits.count == 900)
            #expect(items.hits.allSatisfy { $0.value.text == "of \($0.key)" })
            #expect(items[keys[3]]?.text == "of key-3")
            #expect(await cache.get([CacheKey]()).hits.isEmpty)
        }
    }

    @Test("A client that was shut down says so")
    func shutDown() async throws {
        let node = try ServerKind.memcached.start()
        let cache = try CacheClient(nodes: [node.ringNode])
        try await cache.set("k", to: .text("v"))
        cache.shutDown()
        #expect(await code { _ = try await cache.get("k") } == .shutDown)
        #expect(await cache.get(["k"] as [CacheKey]).failures["k"]?.code == .shutDown)
        try await eventually("closed connections") { try node.counter("curr_connections") == 1 }
    }

    @Test("An error tells its code's name, its node and its reason")
    func errorText() {
        let error = CacheError(.tooFewCopies, node: "a", reason: "1 of 2")
        #expect(error.code.description == "tooFewCopies")
        #expect("\(error)" == "tooFewCopies at a: 1 of 2")
        #expect("\(CacheError(.contended))" == "contended")
        #expect(CacheError.Code.refused != .shutDown)
    }

    @Test("Nodes that make no ring, and settings out of their range, make no client")
    func configuration() throws {
        #expect(throws: RingError.noNodes) { try CacheClient(nodes: []) }
        let node = Node(host: "127.0.0.1")
        #expect(throws: RingError.self) { try CacheClient(nodes: [node, node]) }
        #expect(throws: RingError.self) { try CacheClient(nodes: [Node(host: "a", weight: 0)]) }
        let wrong: [(inout CacheClientConfiguration) -> Void] = [
            { $0.requestTimeout = .zero }, { $0.connectTimeout = .seconds(3_601) },
            { $0.silenceTimeout = .microseconds(999) }, { $0.connectionCountPerNode = 0 },
            { $0.connectionCountPerNode = 65 }, { $0.inFlightCountMax = 65_537 },
            { $0.outstandingCountMax = 0 }, { $0.valueByteCountMax = 134_217_729 },
            { $0.failureCountUntilEjection = 0 }, { $0.ejectionMin = .seconds(31) },
        ]
        for change in wrong {
            var configuration = CacheClientConfiguration()
            change(&configuration)
            #expect(throws: ConfigurationError.self) {
                try CacheClient(nodes: [node], configuration: configuration)
            }
        }
        let right: [(inout CacheClientConfiguration) -> Void] = [
            { $0.requestTimeout = .milliseconds(1) }, { $0.connectTimeout = .seconds(3_600) },
            { $0.connectionCountPerNode = 64 }, { $0.inFlightCountMax = 65_536 },
            { $0.valueByteCountMax = 134_217_728 }, { $0.ejectionMin = .seconds(30) },
        ]
        for change in right {
            var configuration = CacheClientConfiguration()
            change(&configuration)
            try CacheClient(nodes: [node], configuration: configuration).shutDown()
        }
    }
}
