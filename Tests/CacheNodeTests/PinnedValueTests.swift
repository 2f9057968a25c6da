import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Values that are sent from where they are stored must not change while they are sent.
@Suite(.timeLimit(.minutes(10)))
struct PinnedValueTests {
    private static let value = pattern(100_000, seed: 11)

    /// Asks for the value, takes a part of the reply, lets something happen, takes the rest.
    private func expectUnharmed(_ happening: (InProcessNode) throws -> Void) throws {
        let node = try InProcessNode()
        _ = try node.reply(to: setCommand("k", Self.value))
        let reader = node.open()
        try reader.send(bytes("get k\r\n"))
        reader.pull(1_000)
        #expect(reader.received.count == 1_000)
        try happening(node)
        node.map.checkInvariants(now: node.now.seconds)
        try reader.receiveAll()
        #expect(reader.received == valueReply("k", Self.value) + bytes("END\r\n"))
        node.map.checkInvariants(now: node.now.seconds)
    }

    @Test("A reply on its way survives a delete")
    func delete() throws {
        try expectUnharmed { (node) throws in
            #expect(try node.reply(to: "delete k\r\n") == "DELETED\r\n")
        }
    }

    @Test("A reply on its way survives an overwrite, small or large")
    func overwrite() throws {
        for count in [3, 50_000, 100_000] {
            try expectUnharmed { (node) throws in
                let other = pattern(count, seed: 12)
                #expect(try node.reply(to: setCommand("k", other)) == bytes("STORED\r\n"))
                #expect(
                    try node.reply(to: bytes("get k\r\n"))
                        == valueReply("k", other) + bytes("END\r\n"))
            }
        }
    }

    @Test("A reply on its way survives append and prepend")
    func append() throws {
        for verb in ["append", "prepend"] {
            try expectUnharmed { (node) throws in
                let more = setCommand("k", pattern(100_000, seed: 13), verb: verb)
                #expect(try node.reply(to: more) == bytes("STORED\r\n"))
            }
        }
    }

    @Test("A reply on its way survives a flush and the item's end")
    func flushAndExpiry() throws {
        try expectUnharmed { (node) throws in
            #expect(try node.reply(to: "flush_all\r\n") == "OK\r\n")
        }
        try expectUnharmed { (node) throws in
            #expect(try node.reply(to: "touch k 1\r\n") == "TOUCHED\r\n")
            node.space.clock.advance(seconds: 1)
            for _ in 0..<100 {
                _ = node.map.maintain(shard: 0, now: node.now.seconds, itemBudget: 100)
            }
            #expect(try node.reply(to: "get k\r\n") == "END\r\n")
        }
    }

    @Test("A reply on its way survives eviction of everything else")
    func eviction() throws {
        try expectUnharmed { (node) throws in
            for number in 0..<200 {
                _ = try node.reply(to: setCommand("other\(number)", pattern(90_000, seed: 14)))
            }
            #expect(node.map.statistics(now: node.now.seconds).evictionCount > 100)
        }
    }

    @Test("A connection that goes away lets go of what it pinned")
    func gone() throws {
        let node = try InProcessNode()
        _ = try node.reply(to: setCommand("k", Self.value))
        let empty = try InProcessNode().map.statistics(now: 2).freeByteCount
        do {
            let connection = node.makeConnection()
            connection.input.room().copyBytes(from: bytes("get k k k\r\n"))
            connection.noteReceived(direct: 0, buffered: 11, now: node.now)
            _ = connection.run(commandLimit: 20, now: node.now)
            #expect(connection.output.pendingByteCount > 100_000)
        }
        #expect(try node.reply(to: "delete k\r\n") == "DELETED\r\n")
        #expect(node.map.statistics(now: node.now.seconds).freeByteCount == empty)
        #expect(node.pool.lentCount == 0)
    }

    @Test("Values are copied below 32 KiB and pinned from there on")
    func border() throws {
        let limit = OutputBuffer.pinnedValueByteCountMin
        for count in [limit - 1, limit, limit + 1] {
            let node = try InProcessNode()
            let value = pattern(count)
            _ = try node.reply(to: setCommand("k", value))
            let peer = node.open()
            try peer.send(bytes("get k k\r\n"))
            let wanted = valueReply("k", value) + valueReply("k", value) + bytes("END\r\n")
            // Piece by piece, and the pieces end anywhere.
            while try peer.receivePart(of: 1_777) {}
            #expect(peer.received == wanted, "\(count) bytes")
            #expect(node.pool.lentCount == 0)
        }
    }
}
