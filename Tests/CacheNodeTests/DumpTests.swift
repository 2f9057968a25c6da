import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// `lru_crawler metadump` and `mgdump`: all items, without being in anybody's way.
@Suite(.timeLimit(.minutes(10)))
struct DumpTests {
    /// A map of one shard, and one of four.
    private static let sizes = [4 << 20, 256 << 20]

    private func makeNode(_ memoryByteCount: Int) throws -> InProcessNode {
        var configuration = NodeConfiguration.small
        configuration.memoryByteCount = memoryByteCount
        return try InProcessNode(configuration)
    }

    private func fill(_ node: InProcessNode, _ count: Int, key: (Int) -> String) throws {
        for number in 0..<count {
            #expect(try node.reply(to: "set \(key(number)) 0 0 1\r\nx\r\n") == "STORED\r\n")
        }
    }

    /// A dump that has begun and waits for its reader.
    private func stalledDump(_ node: InProcessNode) throws -> InProcessPeer {
        let peer = node.open()
        try peer.send(bytes("lru_crawler metadump all\r\n"))
        #expect(peer.turn == .outputFull)
        return peer
    }

    private func lines(_ bytes: [UInt8]) -> [String] {
        // CR LF would be one character of a text.
        bytes.split(separator: 10).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(
        "A dump takes no more memory than its reader lets it, and shows every item once",
        arguments: sizes)
    func bounded(memoryByteCount: Int) throws {
        let node = try makeNode(memoryByteCount)
        try fill(node, 2_000) { "\(times(245))\($0 + 10_000)" }
        let peer = try stalledDump(node)
        // Of a key each byte may become three.
        let step = 2 * ItemWalk.itemsPerStep * (750 + 200)
        var keys: [String] = []
        repeat {
            #expect(
                peer.connection.output.pendingByteCount < OutputBuffer.highWaterByteCount + step)
        } while try peer.receivePart(of: 10_000)
        keys = lines(peer.received).filter { $0.hasPrefix("key=") }
        #expect(keys.count == 2_000)
        #expect(Set(keys).count == 2_000)
        #expect(lines(peer.received).first == "OK\r")
        #expect(lines(peer.received).last == "END\r")
        #expect(node.pool.lentCount == 0)
    }

    private func times(_ count: Int) -> String { String(repeating: "#", count: count) }

    @Test("A turn of a dump ends after four steps, that others may have theirs")
    func turns() throws {
        let node = try InProcessNode()
        try fill(node, 2_000) { "\($0)" }
        let connection = node.makeConnection()
        connection.input.room().copyBytes(from: bytes("lru_crawler mgdump all\r\nmn\r\n"))
        connection.noteReceived(direct: 0, buffered: 28, now: node.now)
        var turnCount = 0
        var before = 0
        while case .rested = connection.run(commandLimit: 20, now: node.now) {
            let grown = connection.output.pendingByteCount - before
            #expect(grown > 0 && grown < 2 * 4 * ItemWalk.itemsPerStep * 10)
            before = connection.output.pendingByteCount
            turnCount += 1
        }
        #expect(turnCount >= 2_000 / (2 * 4 * ItemWalk.itemsPerStep))
        // What followed in the input has been executed by now.
        #expect(connection.input.count == 0)
        guard case .command = connection.state else {
            Issue.record("\(connection.state) after a dump")
            return
        }
    }

    @Test("There is one dump at a time: another one, and a crawl, are told so")
    func busy() throws {
        let node = try InProcessNode()
        try fill(node, 2_000) { "\($0)" }
        let busy = "BUSY currently processing crawler request\r\n"
        let peer = try stalledDump(node)
        #expect(node.space.dumps.isRunning)
        #expect(try node.reply(to: "lru_crawler metadump all\r\n") == busy)
        #expect(try node.reply(to: "lru_crawler mgdump 5\r\n") == busy)
        #expect(try node.reply(to: "lru_crawler crawl 1\r\n") == busy)
        // Other commands are not held up; switching the crawler off does not end the dump.
        #expect(try node.reply(to: "get 1\r\n") == "VALUE 1 0 1\r\nx\r\nEND\r\n")
        #expect(try node.reply(to: "lru_crawler disable\r\n") == "OK\r\n")
        try peer.receiveAll()
        #expect(lines(peer.received).last == "END\r")
        #expect(lines(peer.received).count == 2_002)
        #expect(!node.space.dumps.isRunning)
        #expect(try node.reply(to: "lru_crawler enable\r\n") == "OK\r\n")
        #expect(try node.reply(to: "lru_crawler crawl 1\r\n") == "OK\r\n")
        #expect(node.space.dumps.startCount == 2)
    }

    @Test("A dump goes with its connection")
    func gone() throws {
        let node = try InProcessNode()
        try fill(node, 2_000) { "\($0)" }
        do {
            let connection = node.makeConnection()
            connection.input.room().copyBytes(from: bytes("lru_crawler metadump all\r\n"))
            connection.noteReceived(direct: 0, buffered: 26, now: node.now)
            _ = connection.run(commandLimit: 20, now: node.now)
            #expect(node.space.dumps.isRunning)
        }
        #expect(!node.space.dumps.isRunning)
    }

    @Test(
        "A dump whose reader has not read for a minute makes way for another, and is not finished")
    func patience() throws {
        let node = try InProcessNode()
        try fill(node, 2_000) { "\($0)" }
        let stalled = try stalledDump(node)
        node.space.clock.advance(seconds: 59)
        #expect(
            try node.reply(to: "lru_crawler mgdump 9\r\n")
                == "BUSY currently processing crawler request\r\n")
        // It has read a little, and so may take its time.
        _ = try stalled.receivePart(of: 20_000)
        node.space.clock.advance(seconds: 59)
        #expect(
            try node.reply(to: "lru_crawler mgdump 9\r\n")
                == "BUSY currently processing crawler request\r\n")
        node.space.clock.advance(seconds: 1)
        let second = try stalledDump(node)
        try stalled.receiveAll()
        #expect(stalled.hasEnded)
        #expect(lines(stalled.received).last != "END\r")
        #expect(node.space.dumps.isRunning)
        try second.receiveAll()
        #expect(!second.hasEnded)
        #expect(lines(second.received).last == "END\r")
        #expect(lines(second.received).count == 2_002)
    }

    @Test(
        "Items that come, change and go during a dump are shown once or not at all",
        arguments: sizes)
    func change(memoryByteCount: Int) throws {
        let node = try makeNode(memoryByteCount)
        try fill(node, 3_000) { "stays\($0)" }
        let peer = try stalledDump(node)
        var number = 0
        while try peer.receivePart(of: 5_000) {
            for _ in 0..<20 {
                _ = try node.reply(to: "set other\(number) 0 0 1\r\nx\r\n")
                _ = try node.reply(to: "set stays\(number % 3_000) 0 0 3\r\nnew\r\n")
                _ = try node.reply(to: "delete other\(number / 2)\r\n")
                number += 1
            }
        }
        let keys = lines(peer.received).filter { $0.hasPrefix("key=") }
            .map { $0.split(separator: " ")[0] }
        #expect(Set(keys).count == keys.count)
        #expect(keys.count { $0.hasPrefix("key=stays") } == 3_000)
        #expect(number > 100)
    }
}
