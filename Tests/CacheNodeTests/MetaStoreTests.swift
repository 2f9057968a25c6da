import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// `ms` with values beyond the input buffer, whose line is needed once more when they have arrived.
@Suite(.timeLimit(.minutes(10)))
struct MetaStoreTests {
    private static let buffer = InputBuffer.blockByteCount

    private func command(_ key: String, _ value: [UInt8], _ flags: String) -> [UInt8] {
        bytes("ms \(key) \(value.count)\(flags)\r\n") + value + bytes("\r\n")
    }

    /// The same replies for cuts around all that has a border, and for some more.
    private func expectSame(
        _ input: [UInt8], around places: [Int], wanted: [UInt8]
    ) throws {
        var borders: Set<Int> = []
        for place in places { borders.formUnion((place - 3)...(place + 3)) }
        let once = borders.filter { $0 > 0 && $0 < input.count }.sorted().map { Cuts.once(at: $0) }
        for cut in once + [.whole, .pieces(byteCount: 1_021)] + (0..<6).map({ .random(seed: $0) }) {
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
        let head = "ms k 16384 k c T90 F7 Oabc\r\n".utf8.count
        for total in (Self.buffer - 2)...(Self.buffer + 2) {
            let value = pattern(total - head - 2)
            let stored = command("k", value, " k c T90 F7 Oabc")
            #expect(stored.count == total)
            try expectSame(
                stored + bytes("mg k t f v c\r\n"), around: [head, total],
                wanted: bytes("HD kk c1 Oabc\r\nVA \(value.count) t90 f7 c1\r\n") + value
                    + bytes("\r\n"))
        }
    }

    @Test("Large values of several commands come one behind the other, in all modes")
    func severalAtOnce() throws {
        let first = pattern(20_000, seed: 1)
        let second = pattern(60_000, seed: 2)
        let commands = [
            command("YQ==", first, " b k E5 c"), command("a", second, " ME k Oabc s"),
            command("a", second, " MA C5 E6 s q"), command("a", first, " C5 k"),
            command("a", first, " C5 I MR s c k E9"), command("x", second, " MP N30 q"),
            command("y", second, " MR s k"), bytes("mg a s v k\r\nmg x s t\r\nmn\r\n"),
        ]
        var places: [Int] = []
        for part in commands { places.append((places.last ?? 0) + part.count) }
        try expectSame(
            Array(commands.joined()), around: places,
            wanted: bytes(
                "HD kYQ== b c5\r\nNS ka Oabc s60000\r\nEX ka\r\nHD s20000 c9 ka\r\n"
                    + "NS s60000 ky\r\nVA 20000 s20000 ka X W\r\n") + first
                + bytes("\r\nHD s60000 t30\r\nMN\r\n"))
    }

    @Test(
        "A large value with a wrong end is dropped, and q does not hide it", arguments: ["", " q"])
    func badDataChunk(quiet: String) throws {
        let line = bytes("ms k 20000 k Oabc\(quiet)\r\n")
        let input =
            command("k", bytes("old"), "") + line + pattern(20_000) + bytes("XYmg k v\r\n")
        try expectSame(
            input, around: [14, 14 + line.count, input.count - 10],
            wanted: bytes("HD\r\nCLIENT_ERROR bad data chunk\r\nVA 3\r\nold\r\n"))
    }

    @Test(
        "A value above the item limit is swallowed, and the old one goes in every mode but with C",
        arguments: ["", " ME", " MR", " MA", " MP", " C7", " I C7 q", " MA N30"])
    func tooLarge(flags: String) throws {
        let line = bytes("ms k 1100000\(flags)\r\n")
        let block = [UInt8](repeating: UInt8(ascii: "\n"), count: 1_100_002)
        let input = command("k", bytes("old"), "") + line + block + bytes("mg k\r\n")
        try expectSame(
            input, around: [14, 14 + line.count, input.count - 6],
            wanted: bytes(
                "HD\r\nSERVER_ERROR object too large for cache\r\n"
                    + (flags.contains("C") ? "HD\r\n" : "EN\r\n")))
    }

    @Test("The item limit is met to the byte")
    func itemLimit() throws {
        let limit = 1_048_516
        for (count, wanted) in [
            (limit - 1, "HD\r\n"), (limit, "HD\r\n"),
            (limit + 1, "SERVER_ERROR object too large for cache\r\n"),
        ] {
            let node = try InProcessNode()
            #expect(try node.reply(to: command("k", pattern(count), "")) == bytes(wanted))
        }
    }

    @Test("Without memory for it a value is refused, and the old one, out of date, is gone")
    func noMemory() throws {
        var configuration = NodeConfiguration.small
        configuration.evicts = false
        let node = try InProcessNode(configuration)
        let peer = node.open(cuts: .random(seed: 7))
        for number in 0..<8 {
            try peer.send(command("k\(number)", pattern(700_000, seed: UInt64(number)), " q k"))
        }
        try peer.send(command("k0", pattern(900_000), " k") + bytes("mg k0\r\nmn\r\n"))
        try peer.receiveAll()
        let lines = String(decoding: peer.received, as: UTF8.self).split(separator: "\r\n")
        let refused = lines.count { $0 == "SERVER_ERROR out of memory storing object" }
        #expect(refused >= 4)
        #expect(lines.count == refused + 2)
        #expect(lines.suffix(2) == ["EN", "MN"])
        #expect(node.count(.storeNoMemory) == UInt64(refused))
        node.map.checkInvariants(now: node.now.seconds)
    }

    @Test("A peer that goes away inside a value leaves the old one and no memory behind")
    func goneInside() throws {
        let node = try InProcessNode()
        #expect(try node.reply(to: "ms k 3\r\nold\r\n") == "HD\r\n")
        let before = node.map.statistics(now: node.now.seconds)
        do {
            let connection = node.makeConnection()
            let part = bytes("ms k 500000 k Oabc\r\n") + pattern(10_000)
            connection.input.room().copyBytes(from: part)
            connection.noteReceived(direct: 0, buffered: part.count, now: node.now)
            #expect(connection.run(commandLimit: 20, now: node.now) == .needsInput)
            #expect(!connection.directTarget.isEmpty)
        }
        let after = node.map.statistics(now: node.now.seconds)
        #expect(after.freeByteCount == before.freeByteCount)
        #expect(try node.reply(to: "mg k v\r\n") == "VA 3\r\nold\r\n")
    }

    @Test("A value that comes in parts is judged by the item that is there when it has come")
    func judgedAtTheEnd() throws {
        let node = try InProcessNode()
        #expect(try node.reply(to: "ms k 2 E5\r\nab\r\n") == "HD\r\n")
        let value = pattern(50_000)
        let input = command("k", value, " C5 k c E9")
        let peer = node.open()
        try peer.send(Array(input[..<30_000]))
        #expect(try node.reply(to: "ms k 2 C5 E6\r\ncd\r\n") == "HD\r\n")
        try peer.send(Array(input[30_000...]))
        try peer.receiveAll()
        #expect(peer.received == bytes("EX kk c0\r\n"))
        #expect(try node.reply(to: "mg k v c\r\n") == "VA 2 c6\r\ncd\r\n")
    }
}
