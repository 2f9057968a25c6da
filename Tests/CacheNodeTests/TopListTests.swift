import SessionMap
import Synchronization
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Who comes first, in bounded memory.
@Suite(.timeLimit(.minutes(10)))
struct SpaceSavingTests {
    /// Names by a law of Zipf's kind: the first few have most.
    private func stream(_ count: Int, _ generator: inout SeededGenerator) -> [UInt64] {
        (0..<count).map { _ in
            let share = Double.random(in: 0..<1, using: &generator)
            return UInt64(Double(10_000) * share * share * share * share)
        }
    }

    @Test("What is told is never too little, and too much by its error at most")
    func guarantee() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(seed: seed)
        var truth: [UInt64: UInt64] = [:]
        var lists = (0..<3).map { _ in SpaceSaving<UInt64>(capacity: 64) }
        var total: UInt64 = 0
        for (place, name) in stream(30_000, &generator).enumerated() {
            let amount = UInt64.random(in: 1...3, using: &generator)
            lists[place % 3].add(name, amount)
            truth[name, default: 0] += amount
            total += amount
        }
        for list in lists {
            #expect(list.entries.count == 64)
            #expect(list.entries.allSatisfy { $0.error <= total / 3 * 11 / 10 / 64 })
        }
        let merged = SpaceSaving.merged(lists)
        #expect(merged == merged.sorted { $0.count > $1.count })
        for entry in merged {
            let exact = truth[entry.name] ?? 0
            #expect(entry.count >= exact && entry.count - entry.error <= exact, "seed \(seed)")
        }
        // Whoever has more than anybody's error is there; and the first is the first.
        let names = merged.map(\.name)
        for (name, count) in truth where count > total / 64 {
            #expect(names.contains(name), "\(name) of seed \(seed)")
        }
        #expect(names.first == truth.max { $0.value < $1.value }?.key, "seed \(seed)")
    }

    @Test("Up to its capacity it counts exactly, and one more takes the place of who has the least")
    func capacity() {
        var list = SpaceSaving<String>(capacity: 3)
        for (name, amount) in [("a", 5), ("b", 2), ("c", 7), ("a", 1)] {
            list.add(name, UInt64(amount))
        }
        #expect(
            SpaceSaving.merged([list]).map { "\($0.name)\($0.count)\($0.error)" } == [
                "c70", "a60", "b20",
            ])
        list.add("d", 1)
        let entries = SpaceSaving.merged([list])
        #expect(entries.map(\.name) == ["c", "a", "d"])
        #expect(entries.last == SpaceSaving.Entry(name: "d", count: 3, error: 2))
        list.removeAll()
        #expect(SpaceSaving.merged([list]).isEmpty)
    }

    @Test("The largest are those by what was seen last")
    func largest() {
        var list = Largest<Int>(capacity: 2)
        list.note(1, size: 10)
        list.note(2, size: 20)
        list.note(3, size: 5)
        #expect(list.entries.map(\.name) == [1, 2])
        list.note(1, size: 1)
        list.note(3, size: 5)
        #expect(list.entries.map(\.name).sorted() == [2, 3])
    }

    @Test("Hashes of IDs are SipHash's, as everybody else makes them")
    func hashes() throws {
        // The vectors of the algorithm's authors: key 00 to 0f, messages 00, 00 01, ...
        let key = IDKey((0..<16).map { UInt8($0) })
        let vectors: [(Int, UInt64)] = [
            (0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd),
            (7, 0xab02_00f5_8b01_d137), (8, 0x93f5_f579_9a93_2462),
            (15, 0xa129_ca61_49be_45e5), (16, 0x3f2a_cc7f_57c2_9bdb),
        ]
        for (count, hash) in vectors {
            let message = (0..<count).map { UInt8($0) }
            #expect(message.withUnsafeBytes { key.hash($0) } == hash, "\(count)")
        }
        #expect(IDKey.name(of: 0x726f_db47_dd0e_0e31) == "310E0EDD47DB6F72")
        #expect(IDKey.name(of: 0xff) == "FF00000000000000")
        let digits = "000102030405060708090a0b0c0D0E0F"
        #expect(IDKey(hexadecimal: digits.utf8) == key)
        #expect(IDKey(hexadecimal: "\(digits)\r\n".utf8) == key)
        for wrong in [
            "", digits.dropLast() + "", "\(digits)0", "\(digits.dropLast())g", " \(digits)",
        ] {
            #expect(IDKey(hexadecimal: wrong.utf8) == nil, "\(wrong)")
        }
        #expect(IDKey() != IDKey())
    }
}

/// Which sessions have the most of something.
@Suite(.timeLimit(.minutes(10)))
struct TopListTests {
    private func node(every interval: Int = 1) throws -> InProcessNode {
        var configuration = NodeConfiguration.small
        configuration.topSampleInterval = interval
        return try InProcessNode(configuration)
    }

    private func hash(_ key: String, _ node: InProcessNode) -> String {
        IDKey.name(of: Array(key.utf8).withUnsafeBytes { node.context.idKey.hash($0) })
    }

    private func first(_ question: TopQuestion, _ node: InProcessNode) -> [String: UInt64] {
        let all = node.space.top(question, count: 40)
        #expect(all.allSatisfy { $0.error == 0 })
        return Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0.count) })
    }

    @Test("Each question is answered by what has happened, and by nothing else")
    func questions() throws {
        let node = try node()
        let (a, b) = (hash("a", node), hash("b", node))
        _ = try node.reply(
            to: "set a 0 0 3\r\nxyz\r\nadd b 0 0 1\r\nx\r\nget a b none\r\nmg a v\r\n")
        #expect(first(.reads, node) == [a: 2, b: 1])
        #expect(first(.creators, node) == ["unknown": 2])
        #expect(first(.size, node) == [a: 3, b: 1])
        #expect(first(.rewrites, node).isEmpty && first(.growth, node).isEmpty)
        // The same; other flags; another value of this length; a longer one; a shorter one.
        let stores = [
            "set a 0 9 3\r\nxyz", "set a 1 0 3\r\nxyz", "set a 1 0 3\r\nxyZ", "ms a 6 F1\r\nxyZabc",
            "set a 1 0 2\r\nxy", "replace a 1 0 2\r\nxy", "append a 0 0 4\r\nabcd",
        ]
        for store in stores { _ = try node.reply(to: store + "\r\n") }
        #expect(first(.rewrites, node) == [a: 7])
        #expect(first(.unchangedRewrites, node) == [a: 2])
        #expect(first(.growth, node) == [a: 3 + 4])
        #expect(first(.size, node) == [a: 6, b: 1])
        // Refused, it is no store.
        _ = try node.reply(to: "add a 0 0 1\r\nx\r\ncas a 0 0 1 999\r\nx\r\n")
        #expect(first(.rewrites, node) == [a: 7])
        let page = try node.reply(to: "stats top unchanged_rewrites\r\n")
        #expect(page == "STAT unchanged_rewrites:\(a) 2\r\nEND\r\n")
        #expect(try node.reply(to: "stats top\r\n").contains("STAT growth:\(a) 7\r\n"))
        #expect(
            try node.reply(to: "stats top sizes\r\n").hasPrefix("CLIENT_ERROR usage: stats top "))
        _ = try node.reply(to: "stats reset\r\n")
        #expect(TopQuestion.allCases.allSatisfy { first($0, node).isEmpty })
    }

    @Test("Values that come in parts count, too, but are not compared")
    func parts() throws {
        let node = try node()
        let value = String(repeating: "x", count: 40_000)
        for _ in 0..<3 { _ = try node.reply(to: "set a 0 0 40000\r\n\(value)\r\n") }
        #expect(first(.rewrites, node) == [hash("a", node): 2])
        #expect(first(.unchangedRewrites, node).isEmpty)
        #expect(first(.size, node) == [hash("a", node): 40_000])
    }

    @Test("What is sampled stands for as many, and nothing is looked at where nobody wants it")
    func sampling() throws {
        let node = try node(every: 10)
        _ = try node.reply(to: "set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\n")
        for _ in 0..<100 {
            _ = try node.reply(
                to: String(repeating: "get a\r\nget a\r\nget a\r\nget b\r\n", count: 25))
        }
        let reads = first(.reads, node)
        let (a, b) = (reads[hash("a", node)] ?? 0, reads[hash("b", node)] ?? 0)
        // 7,500 and 2,500: by chance a tenth of it is off once in a million runs or so.
        #expect((6_000...9_000).contains(a) && (1_700...3_300).contains(b), "\(a) \(b)")
        #expect(a % 10 == 0 && b % 10 == 0)
        let off = try self.node(every: 0)
        _ = try off.reply(to: "set a 0 0 1\r\nx\r\nget a\r\nget a\r\n")
        #expect(TopQuestion.allCases.allSatisfy { first($0, off).isEmpty })
    }

    @Test("What was more than twenty minutes ago is forgotten, and less than ten is not")
    func windows() throws {
        let node = try node()
        let a = hash("a", node)
        _ = try node.reply(to: "set a 0 0 1\r\nx\r\nget a\r\n")
        node.space.clock.advance(seconds: 599)
        _ = try node.reply(to: "get a\r\n")
        #expect(first(.reads, node) == [a: 2])
        node.space.clock.advance(seconds: 1)
        _ = try node.reply(to: "get a\r\n")
        #expect(first(.reads, node) == [a: 3])
        node.space.clock.advance(seconds: 600)
        #expect(first(.reads, node) == [a: 1] && first(.creators, node).isEmpty)
        node.space.clock.advance(seconds: 1_200)
        #expect(first(.reads, node).isEmpty)
        _ = try node.reply(to: "get a\r\n")
        node.space.clock.advance(seconds: 5_000)
        _ = try node.reply(to: "get a\r\n")
        #expect(first(.reads, node) == [a: 1])
    }

    @Test("Several workers add while others read, and all of it is told")
    func threads() {
        let lists = (0..<2).map { _ in TopLists() }
        NodeThread.each(3, threadCount: 3) { number in
            for step in 0..<2_000 {
                if number == 2 {
                    if step % 100 == 0 {
                        _ = TopLists.top(.reads, of: lists, count: 5, second: 10)
                    }
                } else {
                    lists[number].noteRead(
                        UInt64(step % 50), byteCount: step, weight: 1, second: 10)
                }
            }
        }
        let all = TopLists.top(.reads, of: lists, count: 100, second: 10)
        #expect(all.count == 50 && all.allSatisfy { $0.count == 80 && $0.error == 0 })
    }

    @Test("Connections are told apart by what they came by and said first")
    func clients() throws {
        let words: [(String, FirstWord)] = [
            ("get a\r\n", .get), ("version\r\n", .version), ("mn\r\n", .mn), ("gets\r\n", .gets),
            ("nonsense \r\n", .other), ("ge", .nothing), ("quit\n", .quit), ("other\r\n", .other),
            (String(repeating: "x", count: 100), .other),
        ]
        for (text, word) in words {
            let found = Array(text.utf8).withUnsafeBufferPointer { FirstWord($0, isBinary: false) }
            #expect(found == word, "\(text)")
        }
        let node = try node()
        let peers = [node.open(), node.open()]
        for peer in peers {
            try peer.send(bytes("version\r\n"))
            node.worker.connections.withLock { $0[peer.descriptor] = peer.connection.record }
        }
        peers[0].connection.record.transport = .unix
        let clients = ClientReading(node.space, [node.worker], addressCountMax: 1)
        #expect(clients.openCount == 2 && clients.byTransport == [.tcp: 1, .unix: 1])
        #expect(clients.byFirstWord == [.version: 2] && clients.addressedCount == 1)
        #expect(clients.addresses(count: 9) == [TopEntry(name: "unknown", count: 1, error: 0)])
    }
}
