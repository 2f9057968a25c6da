import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Replies, taken apart; a failure where they are anything else.
func packets(_ bytes: [UInt8]) throws -> [BinaryReplyPacket] {
    try #require(BinaryReplyPacket.all(in: bytes), "\(printable(bytes))")
}

private func get(_ key: String, opcode: UInt8 = 0x00, opaque: UInt32 = 0) -> [UInt8] {
    BinaryPacket(opcode, key: key, opaque: opaque).bytes
}

private let noop = BinaryPacket(0x0a, opaque: 99).bytes

@Suite(.timeLimit(.minutes(10)))
struct BinaryConnectionTests {
    /// Requests of every kind, one after the other.
    private static let everyKind: [UInt8] = {
        let number = bigEndian(UInt64(1)) + bigEndian(UInt64(7)) + bigEndian(UInt32(0))
        var all = BinaryPacket.store(0x01, "a", bytes("one"), clientFlags: 5, opaque: 1)
        all += BinaryPacket.store(0x12, "a", bytes("two"), opaque: 2)
        all += BinaryPacket.store(0x02, "b", [], opaque: 3)
        all += BinaryPacket.store(0x13, "c", bytes("x"), opaque: 4)
        all += BinaryPacket(0x0e, key: "a", value: bytes("\r\nget b\r\n"), opaque: 5).bytes
        all += BinaryPacket(0x1a, key: "a", value: bytes("0"), opaque: 6).bytes
        all += get("a", opaque: 7) + get("b", opcode: 0x0c) + get("c", opcode: 0x0c) + get("c")
        all += get("a", opcode: 0x0d, opaque: 8) + get("c", opcode: 0x09)
        all += BinaryPacket(0x05, key: "n", extras: number, opaque: 9).bytes
        all += BinaryPacket(0x16, key: "n", extras: number, opaque: 10).bytes
        all += BinaryPacket(0x05, key: "a", extras: number, opaque: 11).bytes
        all += BinaryPacket(0x1c, key: "a", extras: bigEndian(UInt32(90)), opaque: 12).bytes
        all += BinaryPacket(0x1d, key: "a", extras: bigEndian(UInt32(90)), opaque: 13).bytes
        all += BinaryPacket(0x24, key: "c", extras: bigEndian(UInt32(90)), opaque: 14).bytes
        all += BinaryPacket(0x04, key: "b", opaque: 15).bytes
        all += BinaryPacket(0x14, key: "b", opaque: 16).bytes
        all += BinaryPacket(0x20, opaque: 17).bytes
        all += BinaryPacket(0x21, key: "PLAIN", value: bytes("\0u\0p"), opaque: 18).bytes
        all += BinaryPacket(0x30, key: "k", extras: [1, 2], value: [3, 4], opaque: 19).bytes
        all += BinaryPacket(0x10, key: "reset", opaque: 20).bytes
        all += BinaryPacket(0x10, key: "none", opaque: 21).bytes
        all += BinaryPacket(0x1b, extras: bigEndian(UInt32(0)), opaque: 22).bytes
        all += BinaryPacket(0x0b, opaque: 23).bytes + BinaryPacket(0x18, opaque: 24).bytes
        all += get("a", opaque: 25) + noop + BinaryPacket(0x07, opaque: 26).bytes
        return all + get("a", opaque: 27)
    }()

    @Test("Several requests at once have the same replies, cut at every place and byte by byte")
    func cuts() throws {
        let input = Self.everyKind
        let whole = try InProcessNode().reply(to: input)
        let replies = try packets(whole)
        #expect(replies.last?.opcode == 0x07)
        #expect(replies.count == 26)
        let cuts =
            (1..<input.count).map { Cuts.once(at: $0) } + (1...3).map { .pieces(byteCount: $0) }
            + (0..<20).map { .random(seed: $0) }
        for cut in cuts {
            let node = try InProcessNode()
            let reply = try node.reply(to: input, cuts: cut)
            #expect(node.pool.lentCount == 0, "\(cut)")
            guard reply == whole else {
                Issue.record("\(cut): \(try packets(reply))")
                return
            }
        }
    }

    @Test("A get of many keys is answered by one write, and by no more than the noop without hits")
    func oneWrite() throws {
        let node = try InProcessNode()
        _ = try node.reply(to: BinaryPacket.store(0x11, "k", bytes("value")))
        let peer = node.open()
        var input: [UInt8] = []
        for number in 0..<100 { input += get(number % 2 == 0 ? "k" : "none", opcode: 0x0d) }
        try peer.send(input + noop)
        var writes = 0
        peer.connection.output.send { pieces in
            guard case .one(let bytes) = pieces else { return 0 }
            writes += 1
            peer.received += bytes
            return bytes.count
        }
        #expect(writes == 1)
        let replies = try packets(peer.received)
        #expect(replies.count == 51)
        #expect(
            replies.dropLast().allSatisfy { $0.value == bytes("value") && $0.key == bytes("k") })
        #expect(replies.last == BinaryReplyPacket(opcode: 0x0a, status: 0, opaque: 99))
        #expect(node.count(.getHits) == 50 && node.count(.getMisses) == 50)
    }

    @Test("An idle connection holds no buffers")
    func idle() throws {
        let node = try InProcessNode()
        let peer = node.open()
        try peer.send(BinaryPacket.store(0x01, "k", bytes("value")) + get("k"))
        try peer.receiveAll()
        #expect(try packets(peer.received).count == 2)
        #expect(node.pool.lentCount == 0)
        // Half a packet is kept, and the header is not read a second time for each byte of the rest.
        try peer.send(Array(get("k").prefix(24)))
        #expect(node.pool.lentCount == 1)
        guard case .awaitingKey = peer.connection.state else {
            Issue.record("\(peer.connection.state)")
            return
        }
        try peer.send(Array(get("k").dropFirst(24)))
        try peer.receiveAll()
        #expect(node.pool.lentCount == 0)
    }

    @Test("A turn ends after 20 packets if there are more")
    func turns() throws {
        let node = try InProcessNode()
        let connection = node.makeConnection()
        let turns: [(Int, Connection.Turn)] = [(20, .needsInput), (21, .yielded)]
        for (count, turn) in turns {
            let input = (0..<count).flatMap { _ in noop }
            connection.input.room().copyBytes(from: input)
            connection.noteReceived(direct: 0, buffered: input.count, now: node.now)
            #expect(connection.run(commandLimit: 20, now: node.now) == turn)
        }
        #expect(connection.output.pendingByteCount == 40 * 24)
        #expect(connection.run(commandLimit: 20, now: node.now) == .needsInput)
        #expect(node.count(.connectionYields) == 1)
    }

    @Test(
        "Nothing more is executed for a peer that does not read",
        arguments: [100, 20_000, 40_000, 900_000])
    func outputFull(valueByteCount: Int) throws {
        let node = try InProcessNode()
        let value = pattern(valueByteCount)
        _ = try node.reply(to: BinaryPacket.store(0x01, "k", value))
        let peer = node.open()
        let count = 2_000
        try peer.send((0..<count).flatMap { _ in get("k") })
        #expect(peer.turn == .outputFull)
        let replyByteCount = 24 + 4 + valueByteCount
        let most = OutputBuffer.highWaterByteCount + replyByteCount
        #expect(peer.connection.output.pendingByteCount < most)
        var total = 0
        while try peer.receivePart(of: 300_000), total < 20_000_000 {
            #expect(peer.connection.output.pendingByteCount < most)
            total += peer.received.count
            peer.received.removeAll(keepingCapacity: true)
        }
        if total < 20_000_000 { #expect(total == replyByteCount * count) }
    }

    @Test("The first byte chooses, unless the listener's protocol does")
    func choice() throws {
        let text = bytes("version\r\n")
        let choices: [(NodeConfiguration.BindingProtocol, Bool, Bool)] = [
            (.auto, true, true), (.ascii, false, true), (.binary, true, false),
        ]
        for (binding, binaryWorks, textWorks) in choices {
            var configuration = NodeConfiguration.small
            configuration.bindingProtocol = binding
            let node = try InProcessNode(configuration)
            for cuts in [Cuts.whole, .pieces(byteCount: 1)] {
                let binary = node.open(cuts: cuts)
                try binary.send(noop)
                try binary.receiveAll()
                let replies = BinaryReplyPacket.all(in: binary.received)
                #expect((replies?.count == 1) == binaryWorks, "\(binding)")
                let peer = node.open(cuts: cuts)
                try peer.send(text)
                try peer.receiveAll()
                #expect(peer.received.starts(with: bytes("VERSION")) == textWorks, "\(binding)")
                #expect(peer.hasEnded == !textWorks, "\(binding)")
            }
        }
    }

    @Test("What cannot be a request ends the connection, at any cut, and nothing after it is done")
    func foreign() throws {
        let input = noop + [0x81] + noop.dropFirst() + BinaryPacket.store(0x01, "k", [1])
        for place in 1..<input.count {
            let node = try InProcessNode()
            let peer = node.open(cuts: .once(at: place))
            try peer.send(input)
            try peer.receiveAll()
            #expect(peer.hasEnded)
            #expect(try packets(peer.received).count == 1)
            #expect(node.count(.setCommands) == 0)
        }
    }
}
