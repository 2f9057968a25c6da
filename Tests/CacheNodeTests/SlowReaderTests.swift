import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// What one peer may take of a node's memory by the way in which it reads.
@Suite(.timeLimit(.minutes(10)))
struct SlowReaderTests {
    /// Room for what is pending, doubled, and doubled again when it grows.
    private static let heldByteCountMax = 8 * OutputBuffer.highWaterByteCount

    @Test(
        "A peer that reads steadily, but never all, costs no more memory than one that does not read",
        arguments: [100, 5_000, 31_000, 40_000, 70_000])
    func steadyReader(valueByteCount: Int) throws {
        let node = try InProcessNode()
        let value = pattern(valueByteCount)
        _ = try node.reply(to: setCommand("k", value))
        let reply = valueReply("k", value) + bytes("END\r\n")
        let peer = node.open()
        var total = 0
        while total < 12_000_000 {
            // There is always more to answer than it takes.
            if peer.connection.input.count < 1_000 {
                try peer.send(bytes(String(repeating: "get k\r\n", count: 500)))
            }
            #expect(try peer.receivePart(of: 20_011))
            try #require(peer.connection.output.heldByteCount <= Self.heldByteCountMax)
            let isEmpty = peer.connection.output.isEmpty
            #expect(!isEmpty)
            peer.checkRepeats(of: reply, from: total)
            total += peer.received.count
            peer.received.removeAll(keepingCapacity: true)
        }
    }

    @Test("A reader that stops just before a value's end has that one value pinned, and no second")
    func nearTheEnd() throws {
        let node = try InProcessNode()
        func freeByteCount() -> Int { node.map.statistics(now: node.now.seconds).freeByteCount }
        let empty = freeByteCount()
        let value = pattern(900_000)
        for key in ["a", "b", "c"] { _ = try node.reply(to: setCommand(key, value)) }
        let each = (empty - freeByteCount()) / 3
        for left in [1, 1_000, 60_000] {
            for key in ["a", "b", "c"] { _ = try node.reply(to: setCommand(key, value)) }
            let reader = node.open()
            try reader.send(bytes("get a b c\r\nmg b v\r\nmg c v\r\n"))
            _ = try reader.receivePart(of: valueReply("a", value).count - 2 - left)
            _ = try node.reply(to: "delete a\r\ndelete b\r\ndelete c\r\n")
            // What is pinned is held until it has been sent; the rest is free.
            #expect(empty - freeByteCount() < each * 3 / 2, "\(left) bytes before the end")
            #expect(empty - freeByteCount() > each / 2)
            try reader.receiveAll()
            #expect(reader.received.starts(with: valueReply("a", value)))
            #expect(freeByteCount() == empty)
        }
    }

    @Test("A value that lies in more than 256 pieces is sent in order, its end last")
    func manyPieces() throws {
        let node = try InProcessNode()
        // Nearly full of small items, every second of which then goes.
        let small = String(repeating: "x", count: 300)
        for start in stride(from: 0, to: 11_000, by: 100) {
            let sets = (start..<(start + 100)).map { "set k\($0) 0 0 300 noreply\r\n\(small)\r\n" }
            _ = try node.reply(to: sets.joined())
        }
        for start in stride(from: 0, to: 11_000, by: 200) {
            let deletes = stride(from: start, to: start + 200, by: 2).map {
                "delete k\($0) noreply\r\n"
            }
            _ = try node.reply(to: deletes.joined())
        }
        #expect(node.map.statistics(now: node.now.seconds).evictionCount == 0)
        let value = pattern(900_000)
        #expect(try node.reply(to: setCommand("large", value)) == bytes("STORED\r\n"))
        let seen = node.map.retrieve(
            Array("large".utf8).span, now: node.now.seconds, fraction: node.now.fraction
        ) { _ in
            var use = HitUse.copied
            use.pinsValue = true
            return use
        }
        let pinned = try #require(seen.pinned)
        let pieceCount = pinned.pieces.count
        node.map.unpin(pinned)
        try #require(pieceCount > 600, "\(pieceCount) pieces show nothing")
        let wanted = valueReply("large", value) + bytes("END\r\nMN\r\n")
        for part in [Int.max, 50_000, 7_777] {
            let peer = node.open()
            try peer.send(bytes("get large\r\nmn\r\n"))
            while try peer.receivePart(of: part) {}
            #expect(peer.received == wanted)
        }
    }
}
