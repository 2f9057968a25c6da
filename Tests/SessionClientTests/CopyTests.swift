import MetricsTestKit
import NIOCore
import TestSupport
import Testing

@testable import SessionClient

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct CopyTests {
    private let two = Copies.patient(count: 2)

    @Test("An item is on as many nodes of the ring as there are to be copies, with one version")
    func copies() async throws {
        let cluster = try await CopyCluster(two)
        let version = try await cluster.client.set("k", to: .text("v"), clientFlags: 7)
        let places = try await cluster.places(of: "k")
        for place in places[..<2] {
            #expect(try cluster.version(of: "k", at: place) == version.number)
            #expect(try cluster.stored("k", at: place).contains("\nv\n"))
        }
        #expect(try cluster.stored("k", at: places[2]) == "EN\n")
        let item = try #require(try await cluster.client.get("k"))
        #expect(item.text == "v" && item.clientFlags == 7 && item.casUnique == version)
        #expect(item.timeLeft == nil)
    }

    @Test("With one node dead its items are still read and written")
    func deadNode() async throws {
        for dead in 0..<2 {
            let cluster = try await CopyCluster(two)
            try await cluster.client.set("k", to: .text("v"))
            try await cluster.gates[try await cluster.places(of: "k")[dead]].shut()
            #expect(try await cluster.client.get("k")?.text == "v")
            #expect(await cluster.client.get(["k", "o"] as [CacheKey])["k"]?.text == "v")
            try await cluster.client.set("k", to: .text("w"))
            #expect(try await cluster.client.get("k")?.text == "w")
            #expect(try await cluster.client.touch("k", expiry: .after(.seconds(9))))
            #expect(try await cluster.client.delete("k"))
            #expect(try await cluster.client.get("k") == nil)
            #expect(try await cluster.client.add("k", .text("x")) != nil)
        }
    }

    @Test("A node that comes back with an outdated copy is not believed, and brought up to date")
    func outdatedCopy() async throws {
        for late in 0..<2 {
            let cluster = try await CopyCluster(two)
            let places = try await cluster.places(of: "k")
            try await cluster.client.set("k", to: .text("old"), expiry: .after(.seconds(500)))
            try await cluster.gates[places[late]].shut()
            let version = try await cluster.client.set(
                "k", to: .text("new"), expiry: .after(.seconds(900)))
            cluster.gates[places[late]].open()
            #expect(try cluster.stored("k", at: places[late]).contains("old"))
            #expect(try await cluster.client.get("k")?.text == "new")
            #expect(try cluster.stored("k", at: places[late]).contains("new"))
            #expect(try cluster.version(of: "k", at: places[late]) == version.number)
            // With the time that is left.
            let timeLeft = word("t", of: try cluster.stored("k", at: places[late])).dropFirst()
            #expect((800...900).contains(try #require(Int(timeLeft))))
            // From now on it is as good as the other.
            try await cluster.gates[places[1 - late]].shut()
            #expect(try await cluster.client.get("k")?.text == "new")
        }
    }

    @Test("A node that comes back empty is filled again by reading")
    func emptyNode() async throws {
        let cluster = try await CopyCluster(two)
        let places = try await cluster.places(of: "k")
        try await cluster.client.set("k", to: .text("v"))
        for place in places[..<2] {
            _ = try cluster.processes[place].connect().ask("flush_all")
            #expect(try await cluster.client.get("k")?.text == "v")
            #expect(try cluster.stored("k", at: place).contains("\nv\n"))
        }
    }

    @Test("What was deleted stays deleted, whoever comes back with it, and however it is asked for")
    func deletedStaysDeleted() async throws {
        for late in 0..<2 {
            let cluster = try await CopyCluster(two)
            let places = try await cluster.places(of: "k")
            try await cluster.client.set("k", to: .text("v"))
            try await cluster.gates[places[late]].shut()
            #expect(try await cluster.client.delete("k"))
            cluster.gates[places[late]].open()
            #expect(try cluster.stored("k", at: places[late]).contains("\nv\n"))
            if late == 0 {
                #expect(try await cluster.client.get("k") == nil)
            } else {
                // A sliding read must not shorten the memory of the deletion.
                let slide = Expiry.after(.seconds(10))
                #expect(try await cluster.client.get("k", touching: slide) == nil)
                #expect(try await cluster.client.touch("k", expiry: slide) == false)
            }
            for place in places[..<2] {
                let stored = try cluster.stored("k", at: place)
                #expect(stored.hasPrefix("VA 0 f\(CopySet.tombstoneClientFlags) "))
                #expect(try #require(Int(word("t", of: stored).dropFirst())) > 80_000)
            }
            #expect(try await cluster.client.delete("k") == false)
            #expect(try await cluster.client.replace("k", with: .text("x")) == nil)
            try await cluster.gates[places[1 - late]].shut()
            #expect(try await cluster.client.get("k") == nil)
        }
    }

    @Test("What nobody has is deleted without a trace, unless a node does not answer")
    func deletingNothing() async throws {
        let cluster = try await CopyCluster(two)
        let places = try await cluster.places(of: "k")
        #expect(try await cluster.client.delete("k") == false)
        #expect(try cluster.stored("k", at: places[0]) == "EN\n")
        try await cluster.gates[places[0]].shut()
        #expect(try await cluster.client.delete("k") == false)
        #expect(try cluster.stored("k", at: places[1]).hasPrefix("VA 0 "))
    }

    @Test("A tombstone makes room for a new item")
    func addAfterDelete() async throws {
        let cluster = try await CopyCluster(two)
        let first = try #require(try await cluster.client.add("k", .text("a")))
        #expect(try await cluster.client.add("k", .text("b")) == nil)
        try await cluster.client.delete("k")
        let second = try #require(try await cluster.client.add("k", .text("c")))
        #expect(second.number > first.number)
        #expect(try await cluster.client.get("k")?.text == "c")
        #expect(try await cluster.client.replace("k", with: .text("d")) != nil)
        #expect(try await cluster.client.get("k")?.text == "d")
    }

    @Test("add knows of an item that only a later copy has")
    func addOverLaterCopy() async throws {
        let cluster = try await CopyCluster(two)
        let places = try await cluster.places(of: "k")
        try await cluster.gates[places[0]].shut()
        try await cluster.client.set("k", to: .text("v"))
        cluster.gates[places[0]].open()
        #expect(try await cluster.client.add("k", .text("x")) == nil)
        #expect(try await cluster.client.replace("k", with: .text("w")) != nil)
        #expect(try await cluster.client.get("k")?.text == "w")
    }

    @Test("Compare and set sees changes, deletions and lagging copies")
    func compareAndSet() async throws {
        let cluster = try await CopyCluster(two)
        let client = cluster.client
        let places = try await cluster.places(of: "k")
        let zero = CASUnique(0)
        #expect(try await client.compareAndSet("k", to: .text("x"), expected: zero) == .notFound)
        let first = try await client.set("k", to: .text("one"))
        #expect(try await client.compareAndSet("k", to: .text("x"), expected: zero) == .conflict)
        // The first copy misses a change, and is then the one to decide.
        try await cluster.gates[places[0]].shut()
        let second = try await client.set("k", to: .text("two"))
        cluster.gates[places[0]].open()
        #expect(try await client.compareAndSet("k", to: .text("x"), expected: second) != .conflict)
        #expect(try await client.get("k")?.text == "x")
        #expect(try await client.compareAndSet("k", to: .text("y"), expected: first) == .conflict)
        try await client.delete("k")
        #expect(try await client.compareAndSet("k", to: .text("y"), expected: second) == .notFound)
        #expect(try await client.get("k") == nil)
    }

    @Test("Counting on copies keeps the item's client flags")
    func clientFlagsOfNumbers() async throws {
        let cluster = try await CopyCluster(two)
        try await cluster.client.set("n", to: .text("5"), clientFlags: 7)
        #expect(try await cluster.client.increment("n") == 6)
        #expect(try await cluster.client.get("n")?.clientFlags == 7)
        #expect(try await cluster.client.decrement("n", by: 2) == 4)
        for place in try await cluster.places(of: "n")[..<2] {
            #expect(word("f", of: try cluster.stored("n", at: place)) == "f7")
        }
    }

    @Test("No session begins under an ID that one of the copies has already")
    func usedID() async throws {
        let cluster = try await CopyCluster(two)
        for number in 0..<2 {
            let key = try CacheKey("k\(number)")
            // Nobody has it.
            let free = try CacheKey("free\(number)")
            let created = try await cluster.client.store(.addFresh, free, .text("v"), .never, 0)
            guard case .stored = created else { throw Trouble("\(created) of a free ID") }
            let peer = try cluster.processes[try await cluster.places(of: key)[number]].connect()
            _ = try peer.ask("set \(key) 0 0 4\r\nours")
            let outcome = try await cluster.client.store(.addFresh, key, .text("v"), .never, 0)
            #expect(outcome == .present, "copy \(number)")
        }
    }

    @Test("Numbers are counted on all copies")
    func arithmetic() async throws {
        let cluster = try await CopyCluster(two)
        let client = cluster.client
        #expect(try await client.increment("n") == nil)
        #expect(try await client.increment("n", initial: (5, .after(.seconds(100)))) == 5)
        #expect(try await client.increment("n", by: 3) == 8)
        #expect(try await client.decrement("n", by: 10) == 0)
        #expect(try #require(try await client.get("n")?.timeLeft) <= .seconds(100))
        try await client.set("n", to: .text("word"))
        #expect(await code { _ = try await client.increment("n") } == .notANumber)
        for place in try await cluster.places(of: "n")[..<2] {
            #expect(try cluster.stored("n", at: place).contains("word"))
        }
    }

    @Test("Of many that add at once one wins, and of many that count none is lost")
    func races() async throws {
        let cluster = try await CopyCluster(two)
        let other = try CopyCluster.client(of: cluster.gates, two)
        defer { other.shutDown() }
        let clients = [cluster.client, other]
        let winnerCount = await total(of: 20) { number in
            let version = try? await clients[number % 2].add("k", .text("\(number)"))
            return version.flatMap { $0 } == nil ? 0 : 1
        }
        #expect(winnerCount == 1)
        try await cluster.client.set("n", to: .text("0"))
        let count = await total(of: 10) { number in
            var count = 0
            for _ in 0..<5 {
                // Contended ones give up after some attempts, and then have counted nothing.
                guard let item = try? await clients[number % 2].get("n"), let old = Int(item.text)
                else { continue }
                let outcome = try? await clients[number % 2].compareAndSet(
                    "n", to: .text("\(old + 1)"), expected: item.casUnique)
                if case .stored = outcome { count += 1 }
            }
            return count
        }
        #expect(count > 0)
        let final = try #require(try await cluster.client.get("n"))
        #expect(Int(final.text) == count)
        for place in try await cluster.places(of: "n")[..<2] {
            #expect(try cluster.version(of: "n", at: place) == final.casUnique.number)
        }
    }

    /// The sum of what many tasks return.
    private func total(
        of taskCount: Int, _ body: @escaping @Sendable (Int) async -> Int
    ) async -> Int {
        await withTaskGroup(of: Int.self) { tasks in
            for number in 0..<taskCount { tasks.addTask { await body(number) } }
            return await tasks.reduce(0, +)
        }
    }

    @Test("What requires more copies than there are nodes alive fails")
    func tooFewCopies() async throws {
        let strict = Copies.patient(count: 3, readCountMin: 2, writeCountMin: 2)
        let cluster = try await CopyCluster(strict)
        let client = cluster.client
        try await client.set("k", to: .text("v"))
        try await cluster.gates[0].shut()
        #expect(try await client.get("k")?.text == "v")
        try await client.set("k", to: .text("w"))
        try await cluster.gates[1].shut()
        #expect(await code { _ = try await client.get("k") } == .tooFewCopies)
        #expect(await code { try await client.set("k", to: .text("x")) } == .tooFewCopies)
        #expect(await code { _ = try await client.add("k", .text("x")) } == .tooFewCopies)
        #expect(await code { _ = try await client.delete("k") } == .tooFewCopies)
        #expect(await code { _ = try await client.touch("k", expiry: .never) } == .tooFewCopies)
        let items = await client.get(["k"] as [CacheKey])
        #expect(items.failures["k"]?.code == .tooFewCopies)
        try await cluster.gates[2].shut()
        #expect(await code { _ = try await client.get("k") } != .tooFewCopies)
        for gate in cluster.gates { gate.open() }
        #expect(try await client.get("k")?.text == "w")
    }

    @Test("Where the cluster has fewer nodes than copies are required, it fails and says so")
    func tooFewNodes() async throws {
        let cluster = try await CopyCluster(
            .patient(count: 2, readCountMin: 2, writeCountMin: 2), nodeCount: 1)
        do throws(CacheError) {
            try await cluster.client.set("k", to: .text("v"))
            Issue.record("it was stored once")
        } catch {
            #expect(error.code == .tooFewCopies)
            #expect(error.reason == "1 of 2, the cluster has 1")
        }
        #expect(await code { _ = try await cluster.client.get("k") } == .tooFewCopies)
        let fresh = await code {
            _ = try await cluster.client.store(.addFresh, "k", .text("v"), .never, 0)
        }
        #expect(fresh == .tooFewCopies)
    }

    @Test("A write that reached fewer copies than there are to be is counted")
    func shortWrites() async throws {
        let metrics = TestMetrics()
        let cluster = try await CopyCluster(two, metrics: metrics)
        let count = { try metrics.expectCounter("sojourn_client_short_writes").totalValue }
        let client = cluster.client
        var version = try await client.set("k", to: .text("v"))
        #expect(try await client.store(.addFresh, "fresh", .text("v"), .never, 0) != .present)
        #expect(try count() == 0)
        for place in try await cluster.places(of: "k")[1..<2] {
            try await cluster.gates[place].shut()
        }
        version = try await client.set("k", to: .text("w"))
        #expect(try count() == 1)
        #expect(try await client.compareAndSet("k", to: .text("x"), expected: version) != .conflict)
        #expect(try count() == 2)
        #expect(try await client.replace("k", with: .text("y")) != nil)
        #expect(try count() == 3)
        #expect(try await client.delete("k"))
        #expect(try count() == 4)
    }

    @Test("An item with client flags that mark a copy is refused where there are several copies")
    func reservedClientFlags() async throws {
        let cluster = try await CopyCluster(two)
        for flags in CopySet.reservedClientFlags {
            #expect(
                await code {
                    try await cluster.client.set("k", to: .text("v"), clientFlags: flags)
                } == .reservedClientFlags)
        }
        #expect(await code { try await cluster.client.set("k", to: .text("v")) } == nil)
    }

    @Test("Settings of copies have their ranges")
    func settings() {
        let wrong = [
            Copies(count: 0), Copies(count: 6),
            Copies(count: 2, readCountMin: 3), Copies(count: 2, readCountMin: 0),
            Copies(count: 2, writeCountMin: 3),
            Copies(count: 2, tombstoneLifetime: .milliseconds(999)),
            Copies(count: 2, tombstoneLifetime: .seconds(2_592_001)),
            Copies(count: 2, stragglerTimeout: .zero),
            Copies(count: 2, stragglerTimeout: .seconds(3_601)),
        ]
        for copies in wrong {
            #expect(throws: ConfigurationError.self) { try copies.validate() }
        }
        #expect(throws: Never.self) {
            try Copies(count: 5, readCountMin: 5, writeCountMin: 5).validate()
            try Copies(count: 2, tombstoneLifetime: .seconds(2_592_000)).validate()
            try Copies(count: 2, stragglerTimeout: .milliseconds(1)).validate()
            try Copies(count: 2, stragglerTimeout: .seconds(3_600)).validate()
        }
        var configuration = CacheClientConfiguration()
        configuration.copies = two
        configuration.deadNodes = .nextNode
        #expect(throws: ConfigurationError.self) { try configuration.validate() }
    }
}
