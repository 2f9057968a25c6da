import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Every counter of the pages of `stats` moves by what happened, and no other does.
@Suite(.timeLimit(.minutes(10)))
struct CounterTests {
    /// They tell of time, of the process, and of connections, which other tests look at.
    private static let apart: Set = [
        "uptime", "time", "rusage_user", "rusage_system", "curr_connections", "total_connections",
        "connection_structures", "bytes_read", "bytes_written", "read_buf_count",
        "read_buf_bytes", "read_buf_bytes_free",
    ]

    private func page(_ name: String, of node: InProcessNode) throws -> [String: String] {
        var all: [String: String] = [:]
        for line in try node.reply(to: "\(name)\r\n").split(separator: "\r\n") {
            let words = line.split(separator: " ", maxSplits: 2)
            if words[0] == "STAT" { all[String(words[1])] = String(words[2]) }
        }
        return all
    }

    private func numbers(_ name: String, of node: InProcessNode) throws -> [String: Int] {
        try page(name, of: node).compactMapValues { Int($0) }
    }

    /// What `body` changes in the general page.
    private func changes(
        of page: String = "stats", on node: InProcessNode, _ body: () throws -> Void
    ) throws -> [String: Int] {
        let before = try numbers(page, of: node)
        try body()
        let after = try numbers(page, of: node)
        var changes: [String: Int] = [:]
        for (name, value) in after where !Self.apart.contains(name) {
            let change = value - (before[name] ?? 0)
            if change != 0 { changes[name] = change }
        }
        return changes
    }

    private func maintain(_ node: InProcessNode) {
        for shard in 0..<node.map.shardCount {
            while node.map.maintain(shard: shard, now: node.now.seconds, itemBudget: 100) {}
        }
    }

    /// What `get a` meets is 48 bytes: 44 of header, key, value, rounded up.
    private static let item = 48

    private static let added = [
        "curr_items": 1, "bytes": item, "total_items": 1, "probationary_items": 1,
        "probationary_bytes": item,
    ]
    private static let removed = [
        "curr_items": -1, "bytes": -item, "probationary_items": -1, "probationary_bytes": -item,
    ]

    private static func with(
        _ some: [String: Int], _ more: [String: Int]
    ) -> [String: Int] { some.merging(more) { $0 + $1 } }

    private static let commands: [(command: String, changes: [String: Int])] = [
        ("set a 0 0 1\r\nx", with(added, ["cmd_set": 1])),
        ("set a 0 0 1\r\ny", ["cmd_set": 1, "total_items": 1]),
        ("add a 0 0 1\r\ny", ["cmd_set": 1]),
        ("replace none 0 0 1\r\ny", ["cmd_set": 1]),
        ("get a", ["cmd_get": 1, "get_hits": 1]),
        ("get a a none", ["cmd_get": 3, "get_hits": 2, "get_misses": 1]),
        ("gat 0 a none", ["cmd_touch": 2, "touch_hits": 1, "touch_misses": 1]),
        ("touch a 0", ["cmd_touch": 1, "touch_hits": 1]),
        ("touch none 0", ["cmd_touch": 1, "touch_misses": 1]),
        ("cas none 0 0 1 1\r\ny", ["cmd_set": 1, "cas_misses": 1]),
        ("cas a 0 0 1 999999\r\ny", ["cmd_set": 1, "cas_badval": 1]),
        ("ms a 1 E77\r\nz", ["cmd_set": 1, "total_items": 1]),
        ("cas a 0 0 1 77\r\n5", ["cmd_set": 1, "cas_hits": 1, "total_items": 1]),
        ("incr a 1", ["incr_hits": 1]),
        ("decr a 1", ["decr_hits": 1]),
        ("incr none 1", ["incr_misses": 1]),
        ("decr none 1", ["decr_misses": 1]),
        ("mg a v", ["cmd_get": 1, "get_hits": 1]),
        ("mg none v", ["cmd_get": 1, "get_misses": 1]),
        ("mg a T0", ["cmd_touch": 1, "get_hits": 0, "touch_hits": 1]),
        ("ma a", ["incr_hits": 1]),
        ("md none", ["delete_misses": 1]),
        ("me a", ["cmd_meta": 1]),
        ("delete none", ["delete_misses": 1]),
        ("delete a", with(removed, ["delete_hits": 1])),
        ("flush_all", ["cmd_flush": 1]),
        ("lru_crawler crawl all", ["lru_crawler_starts": 1]),
        ("cache_memlimit 8", ["limit_maxbytes": 4 << 20]),
        ("version", [:]), ("mn", [:]), ("nonsense", [:]), ("stats settings", [:]),
    ]

    @Test("A command moves its counters, and no others")
    func commandsMoveTheirCounters() throws {
        var configuration = NodeConfiguration.small
        configuration.isCrawlerEnabled = true
        let node = try InProcessNode(configuration)
        for (command, wanted) in Self.commands {
            let changes = try changes(on: node) { _ = try node.reply(to: command + "\r\n") }
            #expect(changes == wanted.filter { $0.value != 0 }, "\(command)")
        }
    }

    @Test("Items that expire or are flushed are counted as what they are, read or not")
    func theEndsOfItems() throws {
        let node = try InProcessNode()
        let gone = Self.with(Self.removed, ["reclaimed": 1])
        for isRead in [false, true] {
            let unread = isRead ? [:] : ["expired_unfetched": 1]
            for isMet in [false, true] {
                _ = try node.reply(to: "set a 0 10 1\r\nx\r\n" + (isRead ? "get a\r\n" : ""))
                let ends = try changes(on: node) {
                    node.space.clock.advance(seconds: 10)
                    if isMet { _ = try node.reply(to: "get a\r\n") } else { maintain(node) }
                }
                let met =
                    isMet ? ["cmd_get": 1, "get_misses": 1, "get_expired": 1] : [String: Int]()
                #expect(ends == Self.with(Self.with(gone, unread), met), "\(isRead) \(isMet)")
            }
            // A flush is no end of a time, and counts at once.
            for isMet in [false, true] {
                _ = try node.reply(to: "set a 0 10 1\r\nx\r\n" + (isRead ? "get a\r\n" : ""))
                let flushed = try changes(on: node) { _ = try node.reply(to: "flush_all\r\n") }
                #expect(flushed == Self.with(Self.removed, ["cmd_flush": 1]))
                let ends = try changes(on: node) {
                    if isMet { _ = try node.reply(to: "get a\r\n") } else { maintain(node) }
                }
                #expect(
                    ends
                        == (isMet
                            ? ["cmd_get": 1, "get_misses": 1, "get_flushed": 1, "reclaimed": 1]
                            : ["reclaimed": 1]),
                    "\(isRead) \(isMet)")
            }
        }
        // All of this counts on the other page as well, of which nothing is shown without an item.
        _ = try node.reply(to: "set a 0 0 1\r\nx\r\n")
        let items = try numbers("stats items", of: node)
        #expect(items["items:1:reclaimed"] == 8 && items["items:1:expired_unfetched"] == 2)
        #expect(items["items:1:number"] == 1 && items["items:1:number_cold"] == 1)
        #expect(items["items:1:mem_requested"] == Self.item)
    }

    @Test("Evictions are counted by what was evicted, and a reset takes the present for zero")
    func evictions() throws {
        var configuration = NodeConfiguration.small
        configuration.eviction = .probation(sharePercent: 50, proofAgeSeconds: 1)
        let node = try InProcessNode(configuration)
        let value = String(repeating: "x", count: 10_000)
        func store(_ kind: String, _ count: Int, exptime: Int, isRead: Bool) throws {
            for number in 0..<count {
                let key = "\(kind)\(number)"
                _ = try node.reply(to: "set \(key) 0 \(exptime) 10000\r\n\(value)\r\n")
                if isRead { _ = try node.reply(to: "get \(key)\r\n") }
            }
        }
        // Read too early to be proven; then 300 proven ones; then so many that all kinds go.
        try store("early", 50, exptime: 0, isRead: true)
        try store("user", 300, exptime: 1_000, isRead: false)
        node.space.clock.advance(seconds: 5)
        for number in 0..<300 { _ = try node.reply(to: "get user\(number)\r\n") }
        node.space.clock.advance(seconds: 7)
        var observed = (all: 0, unread: 0, proven: 0, timed: 0, lastAge: UInt32(0))
        node.map.observeEvictions { hit in
            let isUser = hit.withKey { $0.first == UInt8(ascii: "u") }
            observed.all += 1
            observed.unread += hit.wasFetched ? 0 : 1
            observed.proven += isUser ? 1 : 0
            observed.timed += hit.secondsLeft == nil ? 0 : 1
            observed.lastAge = hit.secondsSinceAccess
        }
        let moved = try changes(on: node) { try store("bot", 300, exptime: 0, isRead: false) }
        #expect(observed.unread > 10 && observed.proven > 10)
        #expect(observed.all > observed.unread + observed.proven)
        #expect(moved["evictions"] == observed.all)
        #expect(moved["evicted_unfetched"] == observed.unread)
        #expect(moved["evicted_live_proven"] == observed.proven)
        #expect(moved["evicted_active"] == observed.proven)
        #expect(moved["evicted_probationary"] == observed.all - observed.proven)
        #expect(moved["proven_items"] == -observed.proven)
        #expect(moved["probationary_items"] == 300 - (observed.all - observed.proven))
        #expect(moved["total_items"] == 300)
        let items = try numbers("stats items", of: node)
        #expect(items["items:1:evicted"] == observed.all)
        #expect(items["items:1:evicted_nonzero"] == observed.timed)
        #expect(items["items:1:evicted_unfetched"] == observed.unread)
        #expect(items["items:1:evicted_active"] == observed.proven)
        #expect(items["items:1:evicted_time"] == Int(observed.lastAge))
        // Users were read seven seconds ago.
        #expect(items["items:1:age"] == 7)
        #expect(try numbers("stats settings", of: node)["oldest"] == 7)
        #expect(try node.reply(to: "stats reset\r\n") == "RESET\r\n")
        let zero = try numbers("stats", of: node)
        for name in ["evictions", "evicted_unfetched", "evicted_live_proven", "total_items"] {
            #expect(zero[name] == 0, "\(name)")
        }
        #expect(zero["curr_items"] == items["items:1:number"])
        #expect(try numbers("stats items", of: node)["items:1:evicted_nonzero"] == 0)
    }

    @Test("What peers hold is shown while they hold it, and refused when it is too much")
    func heldAndPinned() throws {
        var configuration = NodeConfiguration.small
        configuration.itemByteCountMax = 1 << 20
        let node = try InProcessNode(configuration)
        let value = pattern(1_000_000)
        let sender = node.open()
        var moved = try changes(on: node) {
            try sender.send(bytes("set half 0 0 1000000\r\n") + value[..<500_000])
        }
        let held = moved.removeValue(forKey: "held_bytes") ?? 0
        #expect(held > 500_000 && held < 1_000_000 && moved == [:])
        // Half of what there is may be held: the third one is refused, swallowed, and goes on.
        let second = node.open()
        try second.send(bytes("set other 0 0 1000000\r\n") + value[..<900_000])
        let third = node.open()
        moved = try changes(on: node) {
            try third.send(setCommand("third", value) + bytes("mn\r\n"))
            try third.receiveAll()
        }
        #expect(moved == ["store_no_memory": 1])
        #expect(
            String(decoding: third.received, as: UTF8.self)
                == "SERVER_ERROR out of memory storing object\r\nMN\r\n")
        for (peer, left) in [(sender, 500_000), (second, 100_000)] {
            try peer.send(Array(value[(1_000_000 - left)...]) + bytes("\r\n"))
            try peer.receiveAll()
            #expect(peer.received == bytes("STORED\r\n"))
        }
        #expect(try numbers("stats", of: node)["held_bytes"] == 0)

        let description = try node.reply(to: "me half\r\n")
        let size = try #require(description.split(separator: "size=").last)
        let one = try #require(Int(size.dropLast()))
        let reader = node.open()
        moved = try changes(on: node) { try reader.send(bytes("get half\r\n")) }
        #expect(moved == ["cmd_get": 1, "get_hits": 1, "pinned_bytes": one])
        // Gone, it is held for its reader.
        moved = try changes(on: node) { _ = try node.reply(to: "delete half\r\n") }
        #expect(moved["held_bytes"] == one && moved["pinned_bytes"] == -one)
        moved = try changes(on: node) { try reader.receiveAll() }
        #expect(moved == ["held_bytes": -one])
        #expect(reader.received == valueReply("half", value) + bytes("END\r\n"))
        node.map.checkInvariants(now: node.now.seconds)
    }

    @Test(
        "A value that cannot be sent for want of memory is an error, and the next command is served"
    )
    func valuesThatCannotBeSent() throws {
        var configuration = NodeConfiguration.small
        configuration.itemByteCountMax = 1 << 20
        let node = try InProcessNode(configuration)
        let value = pattern(800_000)
        for key in ["a", "b", "c", "d"] { _ = try node.reply(to: setCommand(key, value)) }
        let readers = [node.open(), node.open()]
        for (reader, key) in zip(readers, ["a", "b"]) { try reader.send(bytes("get \(key)\r\n")) }
        let error = "SERVER_ERROR out of memory writing get response\r\n"
        _ = try node.reply(to: "set small 0 0 1\r\nx\r\n")
        for (command, shown) in [
            ("get c", ""), ("get small c small", "VALUE small 0 1\r\nx\r\n"), ("mg c v", ""),
            ("gat 0 c", ""),
        ] {
            var reply = ""
            let moved = try changes(on: node) {
                reply = try node.reply(to: "\(command)\r\nmn\r\n")
            }
            #expect(reply == shown + error + "MN\r\n", "\(command)")
            #expect(moved["response_obj_oom"] == 1, "\(command)")
        }
        // Who reads nothing of it is served, and so is everybody once the others have read.
        #expect(try node.reply(to: "touch c 0\r\n") == "TOUCHED\r\n")
        #expect(try node.reply(to: "mg c s\r\n") == "HD s800000\r\n")
        for reader in readers { try reader.receiveAll() }
        #expect(try node.reply(to: bytes("get c\r\n")) == valueReply("c", value) + bytes("END\r\n"))
        #expect(try numbers("stats", of: node)["pinned_bytes"] == 0)
    }

    @Test("A store that is refused counts as what it was refused for")
    func refusals() throws {
        var configuration = NodeConfiguration.small
        configuration.evicts = false
        configuration.itemByteCountMax = 1 << 20
        let node = try InProcessNode(configuration)
        let tooLarge = try changes(on: node) {
            _ = try node.reply(to: setCommand("k", pattern(1 << 20)))
        }
        #expect(tooLarge == ["store_too_large": 1])
        var number = 0
        while try node.reply(to: setCommand("k\(number)", pattern(15_000))) == bytes("STORED\r\n") {
            number += 1
        }
        #expect(number > 200)
        let noMemory = try changes(on: node) {
            _ = try node.reply(to: setCommand("k", pattern(15_000)))
        }
        #expect(noMemory == ["store_no_memory": 1])
        #expect(try numbers("stats items", of: node)["items:1:outofmemory"] == 2)
    }

    @Test("The index is shown as large as it is")
    func index() throws {
        let node = try InProcessNode()
        func store(_ numbers: Range<Int>) throws {
            for number in numbers { _ = try node.reply(to: "set key-\(number) 0 0 0\r\n\r\n") }
        }
        let empty = try numbers("stats", of: node)
        // 512 slots of 8 bytes, 16 in front of them, and a directory of one place.
        #expect(empty["hash_power_level"] == 9 && empty["hash_bytes"] == 514 * 8 + 4)
        try store(0..<410)
        #expect(try numbers("stats", of: node)["hash_power_level"] == 9)
        try store(410..<411)
        let grown = try numbers("stats", of: node)
        #expect(grown["hash_power_level"] == 10 && grown["hash_bytes"] == 642 * 8 + 4)
        // Shards have an index each, of which all slots count.
        var configuration = NodeConfiguration.small
        configuration.memoryByteCount = 256 << 20
        let large = try InProcessNode(configuration)
        #expect(large.map.shardCount == 4)
        #expect(try numbers("stats", of: large)["hash_power_level"] == 11)
    }

    @Test("The page of slabs shows one class, of what the items are")
    func slabs() throws {
        let node = try InProcessNode()
        let none = try numbers("stats slabs", of: node)
        #expect(none == ["active_slabs": 0, "total_malloced": 4 << 20])
        _ = try node.reply(
            to:
                "set a 0 0 1\r\n1\r\nset b 0 0 1\r\n1\r\nget a\r\nincr a 1\r\ndecr a 1\r\ntouch a 0\r\n"
        )
        _ = try node.reply(
            to: "cas a 0 0 1 99999\r\n1\r\nms c 1 E77\r\n1\r\ncas c 0 0 1 77\r\n1\r\ndelete c\r\n")
        let page = try numbers("stats slabs", of: node)
        let wanted = [
            "1:chunk_size": Self.item, "1:used_chunks": 2, "1:get_hits": 1, "1:cmd_set": 5,
            "1:delete_hits": 1, "1:incr_hits": 1, "1:decr_hits": 1, "1:cas_hits": 1,
            "1:cas_badval": 1, "1:touch_hits": 1, "1:total_pages": 4, "active_slabs": 1,
            "1:chunks_per_page": (1 << 20) / Self.item, "total_malloced": 4 << 20,
        ]
        for (name, value) in wanted { #expect(page[name] == value, "\(name)") }
        let free = page["1:free_chunks"] ?? 0
        #expect(page["1:total_chunks"] == free + 2)
        // All but the borders, the index and two items.
        #expect(free == ((4 << 20) - 9 * 8 - 514 * 8 - 2 * Self.item) / Self.item)
    }

    @Test("Operations are counted by prefix")
    func prefixes() throws {
        let node = try InProcessNode()
        _ = try node.reply(
            to:
                "stats detail on\r\nset p:1 0 0 1\r\nx\r\nget p:1 p:2 q:1\r\ndelete p:1\r\nget none\r\n"
        )
        #expect(
            try node.reply(to: "stats detail dump\r\n")
                == "PREFIX p get 2 hit 1 set 1 del 1\r\nPREFIX q get 1 hit 0 set 0 del 0\r\nEND\r\n"
        )
        _ = try node.reply(to: "stats reset\r\n")
        #expect(try node.reply(to: "stats detail dump\r\n") == "END\r\n")
    }
}
