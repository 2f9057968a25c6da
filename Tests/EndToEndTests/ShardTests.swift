import TestSupport
import Testing

/// A node of several shards and threads does all that a node of one does.
///
/// Most tests' nodes are small, which is one shard: a shard, or a thread's counters, that is left out
/// shows only here.
@Suite(.timeLimit(.minutes(10)))
struct ShardTests {
    struct Shape: CustomTestStringConvertible {
        var megabytes: Int
        var shardCount: Int
        var threadCount: Int

        var flags: [String] { ["-m", "\(megabytes)", "-t", "\(threadCount)"] }
        var testDescription: String { "shards: \(shardCount), threads: \(threadCount)" }
    }

    static let one = Shape(megabytes: 64, shardCount: 1, threadCount: 1)
    static let several = Shape(megabytes: 512, shardCount: 8, threadCount: 4)
    /// Where memory lies in a file.
    static let few = Shape(megabytes: 128, shardCount: 2, threadCount: 4)

    private func start(_ shape: Shape, _ flags: [String] = []) throws -> RunningNode {
        let node = try RunningNode.sojournd(shape.flags + flags)
        let settings = try statisticsPage("stats settings", node.connect())
        try #require(settings["shards"] == "\(shape.shardCount)")
        try #require(settings["num_threads"] == "\(shape.threadCount)")
        return node
    }

    private func check(_ name: String, _ wanted: [String: Int], _ peer: SocketPeer) throws {
        let all = try statisticsPage(name, peer)
        for (statistic, value) in wanted {
            #expect(all[statistic] == "\(value)", "\(name): \(statistic)")
        }
    }

    /// Connections, which are dealt to the threads in turn.
    private func peers(_ node: RunningNode, _ count: Int = 4) throws -> [SocketPeer] {
        try (0..<count).map { _ in try node.connect() }
    }

    /// Stores items of one size by the peers in turn.
    private func store(
        _ peers: [SocketPeer], _ numbers: Range<Int>, of prefix: String = "p:", exptime: Int = 0,
        byteCount: Int = 1
    ) throws {
        let value = String(repeating: "x", count: byteCount)
        for (place, peer) in peers.enumerated() {
            let own = numbers.filter { $0 % peers.count == place }
            try peer.send(
                own.map { "ms \(prefix)\($0) \(byteCount) T\(exptime) q\r\n\(value)\r\n" }.joined())
        }
        for peer in peers { #expect(try peer.ask("mn") == "MN\r\n") }
    }

    /// Which of the items are there.
    private func hits(
        _ peer: SocketPeer, _ numbers: Range<Int>, of prefix: String = "p:"
    ) throws -> Int {
        let asked = numbers.map { "mg \(prefix)\($0) k q\r\n" }.joined()
        return try peer.ask(asked + "mn", until: "MN\r\n").split(separator: "\r\n").count - 1
    }

    // MARK: Sums

    @Test("What any thread did in any shard is in the sums of stats", arguments: [one, several])
    func sums(shape: Shape) throws {
        let node = try start(shape, ["-o", "track_sizes,show_keys"])
        let peers = try peers(node)
        #expect(try peers[0].ask("stats detail on") == "OK\r\n")
        try store(peers, 0..<400)
        let size = try #require(
            try peers[0].ask("me p:0").split(separator: "size=").last.flatMap { Int($0.dropLast()) }
        )
        // Each peer asks for all of them: 300 are there for each.
        for number in 300..<400 { #expect(try peers[1].ask("md p:\(number)") == "HD\r\n") }
        for peer in peers { #expect(try hits(peer, 0..<400) == 300) }
        let bytes = try #require(try node.counter("bytes"))
        // Keys are of three lengths, and so are the items, in steps of eight bytes.
        #expect(bytes >= 300 * size && bytes <= 300 * (size + 8))
        try check(
            "stats",
            [
                "curr_items": 300, "total_items": 400, "cmd_set": 400, "cmd_get": 1_600,
                "get_hits": 1_200, "get_misses": 400, "delete_hits": 100, "evictions": 0,
                "threads": shape.threadCount,
            ], peers[2])
        try check(
            "stats items", ["items:1:number": 300, "items:1:mem_requested": bytes], peers[3])
        try check(
            "stats slabs",
            [
                "1:used_chunks": 300, "1:get_hits": 1_200, "1:cmd_set": 400, "1:delete_hits": 100,
                "total_malloced": shape.megabytes << 20,
            ], peers[3])
        #expect(
            try peers[3].ask("stats detail dump", until: "END\r\n")
                == "PREFIX p get 1600 hit 1200 set 400 del 100\r\nEND\r\n")
        let sizes = try statisticsPage("stats sizes", peers[0]).values.compactMap { Int($0) }
        #expect(sizes.reduce(0, +) == 300)
        #expect(try peers[0].ask("stats reset") == "RESET\r\n")
        try check(
            "stats",
            ["curr_items": 300, "total_items": 0, "cmd_set": 0, "get_hits": 0, "delete_hits": 0],
            peers[1])
    }

    // MARK: All items

    @Test("A dump shows the items of every shard, each once", arguments: [one, several])
    func dumps(shape: Shape) throws {
        let node = try start(shape, ["-o", "show_keys"])
        let peers = try peers(node)
        try store(peers, 0..<3_000)
        let wanted = Set((0..<3_000).map { "p:\($0)" })
        func keys(_ command: String, _ end: String, _ key: (Substring) -> Substring?) throws {
            let lines = try peers[1].ask(command, until: end).split(separator: "\r\n")
                .flatMap { $0.split(separator: "\n") }
            let keys = lines.compactMap { key($0).map { String($0) } }
            #expect(keys.count == 3_000 && Set(keys) == wanted, "\(command)")
        }
        try keys("lru_crawler metadump all", "END\r\n") { line in
            let word = line.split(separator: " ")[0]
            guard word.hasPrefix("key=") else { return nil }
            return word.hasPrefix("key=p%3A") ? "p:" + word.dropFirst(8) : word.dropFirst(4)
        }
        try keys("lru_crawler mgdump all", "EN\r\n") { line in
            line.hasPrefix("mg ") ? line.split(separator: " ")[1] : nil
        }
        try keys("stats cachedump 1 0", "END\r\n") { line in
            line.hasPrefix("ITEM ") ? line.split(separator: " ")[1] : nil
        }
    }

    @Test(
        "flush_all empties every shard at once, and leaves what comes later",
        arguments: [one, several])
    func flush(shape: Shape) throws {
        let node = try start(shape, ["-o", "debugtime"])
        let peers = try peers(node)
        try store(peers, 0..<400)
        #expect(try hits(peers[0], 0..<400) == 400)
        #expect(try peers[1].ask("flush_all") == "OK\r\n")
        try check("stats", ["curr_items": 0, "bytes": 0], peers[2])
        for peer in peers { #expect(try hits(peer, 0..<400) == 0) }
        // In advance: what is stored before its second goes with it, in whatever shard.
        #expect(try peers[0].ask("flush_all 100") == "OK\r\n")
        try store(peers, 0..<400)
        try check("stats", ["curr_items": 400], peers[2])
        #expect(try peers[3].ask("debugtime 101") == "OK\r\n")
        #expect(try peers[3].ask("mn") == "MN\r\n")
        try check("stats", ["curr_items": 0], peers[2])
        try store(peers, 0..<400)
        #expect(try hits(peers[0], 0..<400) == 400)
        try check("stats", ["curr_items": 400, "cmd_flush": 2], peers[2])
    }

    @Test(
        "What expires in any shard of any worker is gone within its second",
        arguments: [one, several])
    func expiry(shape: Shape) throws {
        let node = try start(shape, ["-o", "debugtime"])
        let peers = try peers(node)
        try store(peers, 0..<400, exptime: 100)
        try store(peers, 0..<400, of: "q:", exptime: 1_000)
        #expect(try node.counter("curr_items") == 800)
        #expect(try peers[0].ask("debugtime 99") == "OK\r\n")
        // A clock that moves by itself: 99 s are not 100, and two more are.
        #expect(try peers[0].ask("debugtime 2") == "OK\r\n")
        try wait(for: "400 items to expire, which nobody asks for", seconds: 10) {
            try node.counter("curr_items") == 400
        }
        try check(
            "stats", ["expired_unfetched": 400, "reclaimed": 400, "evictions": 0], peers[1])
        #expect(try hits(peers[2], 0..<400, of: "q:") == 400)
    }

    // MARK: Eviction

    @Test(
        "Bots that fill every shard log nobody out, and every eviction is counted",
        arguments: [one, several])
    func bots(shape: Shape) throws {
        let node = try start(shape, ["-I", "512k", "-o", "debugtime"])
        let peers = try peers(node)
        // Of which each shard has its part, and less is to be filled.
        #expect(try peers[0].ask("cache_memlimit 32") == "OK\r\n")
        let (userCount, botCount) = (512, 1_536)
        try store(peers, 0..<userCount, of: "user:", byteCount: 25_000)
        #expect(try peers[0].ask("debugtime 5") == "OK\r\n")
        #expect(try peers[0].ask("mn") == "MN\r\n")
        #expect(try hits(peers[0], 0..<userCount, of: "user:") == userCount)
        try check("stats", ["proven_items": userCount, "evictions": 0], peers[1])
        try store(peers, 0..<botCount, of: "bot:", byteCount: 25_000)
        let left = try #require(try node.counter("curr_items"))
        let evicted = userCount + botCount - left
        #expect(evicted > botCount / 4)
        try check(
            "stats",
            [
                "evictions": evicted, "evicted_probationary": evicted,
                "evicted_unfetched": evicted, "evicted_live_proven": 0,
                "proven_items": userCount, "probationary_items": left - userCount,
            ], peers[2])
        #expect(try hits(peers[3], 0..<userCount, of: "user:") == userCount)
    }

    // MARK: Restart

    @Test(
        "A killed node has every shard's items again, and those of another policy are judged by it",
        arguments: [one, few])
    func restart(shape: Shape) throws {
        let directory = try TemporaryDirectory()
        let flags = ["-e", directory.path + "/arena", "-o", "debugtime"]
        var node = try start(shape, flags)
        var peers = try peers(node)
        try store(peers, 0..<1_000, exptime: 900)
        #expect(try peers[0].ask("debugtime 5") == "OK\r\n")
        #expect(try peers[0].ask("mn") == "MN\r\n")
        #expect(try hits(peers[0], 0..<300) == 300)
        let bytes = try #require(try node.counter("bytes"))
        try check("stats", ["proven_items": 300, "probationary_items": 700], peers[1])
        for (option, provenCount) in [("lru", 0), ("probation", 300), ("probation", 300)] {
            node.program.end()
            node = try start(shape, flags + ["-o", "eviction=\(option)"])
            peers = try self.peers(node)
            try check(
                "stats",
                [
                    "curr_items": 1_000, "bytes": bytes, "proven_items": provenCount,
                    "evictions": 0,
                ], peers[1])
        }
        for peer in peers { #expect(try hits(peer, 0..<1_000) == 1_000) }
    }
}
