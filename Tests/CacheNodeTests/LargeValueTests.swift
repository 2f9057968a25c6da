import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Values beyond the input buffer, which arrive in the map directly.
@Suite(.timeLimit(.minutes(10)))
struct LargeValueTests {
    private static let buffer = InputBuffer.blockByteCount

    /// Cuts around everything that has a border, and some more.
    private func cuts(around places: [Int], of byteCount: Int) -> [Cuts] {
        var wanted: Set<Int> = []
        for place in places { wanted.formUnion((place - 4)...(place + 4)) }
        return wanted.filter { $0 > 0 && $0 < byteCount }.sorted().map { .once(at: $0) }
            + [.whole, .pieces(byteCount: 1_021), .pieces(byteCount: Self.buffer)]
            + (0..<6).map { .random(seed: $0) }
    }

    /// The same replies for all cuts; `wanted` if given.
    private func expectSame(
        _ input: [UInt8], around places: [Int], wanted: [UInt8]
    ) throws {
        for cut in cuts(around: places, of: input.count) {
            let node = try InProcessNode()
            let reply = try node.reply(to: input, cuts: cut)
            #expect(reply == wanted, "\(cut): \(printable(reply))")
            #expect(node.pool.lentCount == 0, "\(cut): buffers are held")
            node.map.checkInvariants(now: node.now.seconds)
            guard reply == wanted else { return }
        }
    }

    @Test("A value is stored whether or not it fits the input buffer with its line")
    func aroundTheBuffer() throws {
        let head = bytes("set k 0 0 16384\r\n").count
        for total in (Self.buffer - 2)...(Self.buffer + 2) {
            let value = pattern(total - head - 2)
            let input = setCommand("k", value) + bytes("get k\r\n")
            #expect(setCommand("k", value).count == total)
            try expectSame(
                input, around: [head, total],
                wanted:
                    bytes("STORED\r\n") + valueReply("k", value) + bytes("END\r\n"))
        }
    }

    @Test("Large values follow each other and small commands in one input")
    func severalAtOnce() throws {
        let first = pattern(20_000, seed: 1)
        let second = pattern(200_000, seed: 2)
        let input =
            setCommand("a", first) + setCommand("b", second) + bytes("get a\r\n")
            + setCommand("a", second, verb: "append") + bytes("get b a\r\nmn\r\n")
        let wanted =
            bytes("STORED\r\nSTORED\r\n") + valueReply("a", first) + bytes("END\r\nSTORED\r\n")
            + valueReply("b", second) + valueReply("a", first + second)
            + bytes("END\r\nMN\r\n")
        let firstEnd = setCommand("a", first).count
        try expectSame(
            input, around: [17, firstEnd, firstEnd + 18, firstEnd + 200_018, Self.buffer],
            wanted: wanted)
    }

    @Test(
        "A large value with a wrong end is dropped, and the old one stays",
        arguments: [
            "XY", "\rX", "X\n", "\n\r",
        ])
    func badDataChunk(end: String) throws {
        let value = pattern(20_000)
        let line = bytes("set k 0 0 20000\r\n")
        let input =
            setCommand("k", bytes("old")) + line + value + bytes(end) + bytes("get k\r\n")
        try expectSame(
            input, around: [16, 16 + line.count, input.count - 9, input.count - 7],
            wanted: bytes("STORED\r\nCLIENT_ERROR bad data chunk\r\n")
                + valueReply("k", bytes("old")) + bytes("END\r\n"))
    }

    @Test("A large value with a wrong end and noreply is dropped without a word")
    func quietBadDataChunk() throws {
        let input =
            bytes("set k 0 0 20000 noreply\r\n") + pattern(20_000) + bytes("XYget k\r\n")
        try expectSame(input, around: [25, 20_025], wanted: bytes("END\r\n"))
    }

    @Test(
        "A value above the item limit is swallowed; set drops the old one, the others keep it",
        arguments: ["set", "add", "replace", "append", "prepend", "cas"])
    func tooLarge(verb: String) throws {
        let unique = verb == "cas" ? " 1" : ""
        let line = bytes("\(verb) k 0 0 1100000\(unique)\r\n")
        // The content of the data block does not matter, nor how it ends.
        let block = [UInt8](repeating: UInt8(ascii: "\n"), count: 1_100_002)
        let input = setCommand("k", bytes("old")) + line + block + bytes("get k\r\n")
        let kept = verb == "set" ? [] : valueReply("k", bytes("old"))
        try expectSame(
            input, around: [18, 18 + line.count, input.count - 9, input.count - 7],
            wanted: bytes("STORED\r\nSERVER_ERROR object too large for cache\r\n") + kept
                + bytes("END\r\n"))
    }

    @Test("The item limit is met to the byte")
    func itemLimit() throws {
        // 1 MiB less what memcached counts for an item with a key of one byte.
        let limit = 1_048_516
        for (count, wanted) in [
            (limit - 1, "STORED\r\n"), (limit, "STORED\r\n"),
            (limit + 1, "SERVER_ERROR object too large for cache\r\n"),
        ] {
            let node = try InProcessNode()
            let reply = try node.reply(to: setCommand("k", pattern(count)))
            #expect(reply == bytes(wanted), "\(count) bytes")
        }
    }

    @Test("Without memory for it a large value is swallowed and refused")
    func noMemory() throws {
        var configuration = NodeConfiguration.small
        configuration.evicts = false
        let node = try InProcessNode(configuration)
        let peer = node.open(cuts: .random(seed: 7))
        for number in 0..<8 {
            try peer.send(setCommand("k\(number)", pattern(900_000, seed: UInt64(number))))
        }
        try peer.send(bytes("mn\r\n"))
        try peer.receiveAll()
        let lines = String(decoding: peer.received, as: UTF8.self).split(separator: "\r\n")
        #expect(lines.first == "STORED")
        #expect(lines.last == "MN")
        let refused = lines.count { $0 == "SERVER_ERROR out of memory storing object" }
        #expect(lines.count == 9)
        #expect(refused >= 4)
        #expect(node.count(.storeNoMemory) == UInt64(refused))
        node.map.checkInvariants(now: node.now.seconds)
        // What was stored is not lost.
        #expect(
            try node.reply(to: bytes("get k0\r\n"))
                == valueReply("k0", pattern(900_000, seed: 0)) + bytes("END\r\n"))
    }

    @Test("A peer that goes away inside a large value leaves the old one and no memory behind")
    func goneInside() throws {
        let node = try InProcessNode()
        #expect(try node.reply(to: "set k 0 0 3\r\nold\r\n") == "STORED\r\n")
        let before = node.map.statistics(now: node.now.seconds)
        do {
            let connection = node.makeConnection()
            let part = bytes("set k 0 0 500000\r\n") + pattern(10_000)
            connection.input.room().copyBytes(from: part)
            connection.noteReceived(direct: 0, buffered: part.count, now: node.now)
            #expect(connection.run(commandLimit: 20, now: node.now) == .needsInput)
            #expect(!connection.directTarget.isEmpty)
            #expect(node.map.statistics(now: node.now.seconds).freeByteCount < before.freeByteCount)
        }
        let after = node.map.statistics(now: node.now.seconds)
        #expect(after.freeByteCount == before.freeByteCount)
        #expect(after.itemCount == 1)
        #expect(node.pool.lentCount == 0)
        #expect(try node.reply(to: "get k\r\n") == "VALUE k 0 3\r\nold\r\nEND\r\n")
    }

    @Test("Bytes of a large value are received where they are stored")
    func directReceiving() throws {
        let node = try InProcessNode()
        let connection = node.makeConnection()
        let line = bytes("set k 0 0 100000\r\n")
        connection.input.room().copyBytes(from: line)
        connection.noteReceived(direct: 0, buffered: line.count, now: node.now)
        #expect(connection.run(commandLimit: 20, now: node.now) == .needsInput)
        connection.input.releaseIfEmpty()
        let value = pattern(100_000)
        var position = 0
        while position < value.count {
            let target = connection.directTarget
            try #require(!target.isEmpty)
            let count = min(target.count, value.count - position)
            target.copyBytes(from: value[position..<(position + count)])
            connection.noteReceived(direct: count, buffered: 0, now: node.now)
            position += count
        }
        #expect(connection.directTarget.isEmpty)
        // No buffer was needed for the value.
        #expect(node.pool.lentCount == 0)
        connection.input.room().copyBytes(from: bytes("\r\n"))
        connection.noteReceived(direct: 0, buffered: 2, now: node.now)
        #expect(connection.run(commandLimit: 20, now: node.now) == .needsInput)
        #expect(
            try node.reply(to: bytes("get k\r\n")) == valueReply("k", value) + bytes("END\r\n"))
    }
}
