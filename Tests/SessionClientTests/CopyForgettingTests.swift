import NIOCore
import TestSupport
import Testing

@testable import SessionClient

/// What nodes forget by themselves: by eviction and by expiry. An older copy must not profit from it.
@Suite(.ownThread, .timeLimit(.minutes(10)))
struct CopyForgettingTests {
    private let two = Copies.patient(count: 2)

    @Test("Who logged out stays logged out, though bots fill the node that remembers it")
    func evictedTombstone() async throws {
        let cluster = try await CopyCluster(two, nodeCount: 2, flags: ["-m", "8", "-t", "1"])
        let client = cluster.client
        let keys = ["session-0", "session-1"] as [CacheKey]
        for key in keys { try await client.set(key, to: .text("ann")) }
        // Nobody reads them before; an access within the first second proves nothing.
        try await Task.sleep(for: .milliseconds(1_200))
        for (late, key) in keys.enumerated() {
            try await cluster.gates[late].shut()
            #expect(try await client.delete(key))
            let peer = try cluster.processes[1 - late].connect()
            _ = try peer.ask("set unread 0 0 1\r\nu")
            try cluster.fill(1 - late)
            // So the tombstone would have gone, too.
            #expect(try peer.ask("me unread") == "EN\r\n")
            cluster.gates[late].open()
            #expect(try await client.get(key) == nil)
            #expect(try cluster.stored(key, at: late).hasPrefix("VA 0 "))
        }
    }

    @Test("A sliding read that hears from too few copies leaves a deletion remembered")
    func slidingOverTombstone() async throws {
        let cluster = try await CopyCluster(
            .patient(count: 3, readCountMin: 2, writeCountMin: 2))
        let client = cluster.client
        try await client.set("k", to: .text("v"))
        try await client.delete("k")
        for place in 1..<3 { try await cluster.gates[place].shut() }
        let slide = Expiry.after(.seconds(4))
        #expect(await code { _ = try await client.get("k", touching: slide) } == .tooFewCopies)
        #expect(await code { _ = try await client.touch("k", expiry: slide) } == .tooFewCopies)
        #expect(try #require(try cluster.timeLeft(of: "k", at: 0)) > 80_000)
    }

    @Test("A sliding read gives an outdated copy no longer life than the newest has")
    func slidingOverOutdated() async throws {
        let cluster = try await CopyCluster(two, nodeCount: 2)
        let client = cluster.client
        try await client.set("k", to: .text("v"), expiry: .after(.seconds(50)))
        #expect(try await client.get("k", touching: .after(.seconds(500)))?.text == "v")
        for place in 0..<2 {
            #expect((490...500).contains(try #require(try cluster.timeLeft(of: "k", at: place))))
        }
        let item = try #require(try await client.get("k", touching: .after(.seconds(600))))
        #expect(item.timeLeft == .seconds(600))
        #expect(try #require(try await client.get("k", touching: .never)).timeLeft == nil)
        #expect(try cluster.timeLeft(of: "k", at: 0) == -1)
    }

    @Test("What has expired is not followed by an older copy that was to live longer")
    func longerOldCopy() async throws {
        for late in 0..<2 {
            let cluster = try await CopyCluster(two, nodeCount: 2)
            let client = cluster.client
            let keys = ["set", "over", "save", "touch", "replace", "kept"] as [CacheKey]
            var versions: [CacheKey: CASUnique] = [:]
            for key in keys {
                versions[key] = try await client.set(
                    key, to: .text("old"), expiry: .after(.seconds(1_000)))
            }
            let save = try #require(versions["save"])
            try await cluster.gates[late].shut()
            let short = Expiry.after(.seconds(1))
            try await client.set("set", to: .text("new"), expiry: short)
            try await client.set("over", to: .text("new"), expiry: .after(.zero))
            let outcome = try await client.compareAndSet(
                "save", to: .text("new"), expected: save, expiry: short)
            #expect(outcome != .conflict && outcome != .notFound)
            #expect(try await client.touch("touch", expiry: short))
            #expect(try await client.replace("replace", with: .text("new"), expiry: short) != nil)
            try await client.set("kept", to: .text("new"), expiry: .after(.seconds(500)))
            // Nodes and clients count in whole seconds.
            try await Task.sleep(for: .milliseconds(2_100))
            cluster.gates[late].open()
            for key in keys.dropLast() {
                #expect(try await client.get(key) == nil, "\(key)")
                #expect(try cluster.stored(key, at: late).hasPrefix("VA 0 "), "\(key)")
            }
            #expect(try await client.get("kept")?.text == "new")
            #expect(try await client.add("set", .text("again")) != nil)
            #expect(try await client.get("set")?.text == "again")
        }
    }

    @Test("What was stored while a node was away is a plain item again when it is back")
    func undated() async throws {
        let cluster = try await CopyCluster(two, nodeCount: 2)
        let client = cluster.client
        try await client.set("k", to: .text("old"), expiry: .after(.seconds(1_000)))
        try await cluster.gates[1].shut()
        let expiry = Expiry.after(.seconds(900))
        var version = try await client.set("k", to: .text("new"), expiry: expiry, clientFlags: 7)
        #expect(try cluster.stored("k", at: 0).contains("f\(DatedItem.clientFlags) "))
        // It is used as it is: sliding, touched, saved, counted as there.
        let item = try #require(
            try await client.get("k", touching: .after(.seconds(800))))
        #expect(item.text == "new" && item.clientFlags == 7 && item.casUnique == version)
        #expect((790...800).contains(try #require(try await client.get("k")?.seconds)))
        #expect(try await client.touch("k", expiry: .after(.seconds(700))))
        #expect((690...700).contains(try #require(try await client.get("k")?.seconds)))
        #expect(try await client.add("k", .text("x")) == nil)
        let outcome = try await client.compareAndSet(
            "k", to: .text("newer"), expected: version, expiry: expiry, clientFlags: 8)
        guard case .stored(let next) = outcome else { throw Trouble("\(outcome)") }
        version = next
        cluster.gates[1].open()
        for _ in 0..<2 { #expect(try await client.get("k")?.text == "newer") }
        for place in 0..<2 {
            let stored = try cluster.stored("k", at: place)
            #expect(
                stored.hasPrefix("VA 5 f8 c\(version.number) t") && stored.contains("\nnewer\n"))
            #expect((800...900).contains(try #require(try cluster.timeLeft(of: "k", at: place))))
        }
    }

    @Test("A shorter time that a copy has missed holds for it, too")
    func missedTouch() async throws {
        let cluster = try await CopyCluster(two, nodeCount: 2)
        let client = cluster.client
        for late in 0..<2 {
            let key = try CacheKey("k\(late)")
            try await client.set(key, to: .text("v"), expiry: .after(.seconds(1_000)))
            try await cluster.gates[late].shut()
            #expect(try await client.touch(key, expiry: .after(.seconds(700))))
            cluster.gates[late].open()
            #expect((690...700).contains(try #require(try await client.get(key)?.seconds)))
            for place in 0..<2 {
                let timeLeft = try #require(try cluster.timeLeft(of: key, at: place))
                #expect((690...700).contains(timeLeft), "\(late), \(place)")
            }
        }
    }

    @Test("The largest value that is taken is read back, also when it was stored with its end")
    func largestValue() async throws {
        let processes = try (0..<2).map { _ in try ServerKind.sojournd.start() }
        var gates: [Gate] = []
        for process in processes { gates.append(try await Gate(before: try process.port)) }
        let client = try CopyCluster.client(of: gates, two) { $0.valueByteCountMax = 1_000 }
        defer { client.shutDown() }
        try await gates[1].shut()
        for byteCount in [987, 988] {
            let value = [UInt8](repeating: 7, count: byteCount)
            try await client.set("k", to: value, expiry: .after(.seconds(100)))
            #expect(try await client.get("k")?.value == value)
        }
        let value = [UInt8](repeating: 7, count: 989)
        #expect(await code { try await client.set("k", to: value) } == .valueTooLarge)
    }

    @Test("A dated item has its own client flags and its end, and is nothing else")
    func dating() throws {
        let content = CopySet.Content(
            value: .text("value"), clientFlags: 9, exptime: 2_000_000_000, version: 5)
        let lifetime = Duration.seconds(86_400)
        let dated = try #require(DatedItem.dating(content, lifetime: lifetime))
        #expect(dated.clientFlags == DatedItem.clientFlags && dated.version == 5)
        var item = CacheItem(
            value: dated.value, clientFlags: dated.clientFlags, casUnique: CASUnique(5))
        let read = try #require(DatedItem(item))
        #expect(read.item(casUnique: CASUnique(5), unixSeconds: 2_000_000_000) == nil)
        let inner = try #require(read.item(casUnique: CASUnique(5), unixSeconds: 1_999_999_999))
        #expect(inner.text == "value" && inner.clientFlags == 9 && inner.timeLeft == .seconds(1))
        // Twelve bytes are an empty value; fewer are none of ours.
        item.value = Array(dated.value.prefix(12))
        #expect(DatedItem(item) != nil)
        item.value = Array(dated.value.prefix(11))
        #expect(DatedItem(item) == nil)
        var never = content
        never.exptime = 0
        #expect(DatedItem.dating(never, lifetime: lifetime) == nil)
        var tombstone = content
        tombstone.clientFlags = CopySet.tombstoneClientFlags
        #expect(DatedItem.dating(tombstone, lifetime: lifetime) == nil)
    }
}

extension CacheItem {
    fileprivate var seconds: Int? { timeLeft.map { Int($0.components.seconds) } }
}
