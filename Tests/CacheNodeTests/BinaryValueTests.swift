import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Values of binary packets: in parts, in place, and on their way out.
@Suite(.timeLimit(.minutes(10)))
struct BinaryValueTests {
    private static let buffer = InputBuffer.blockByteCount
    private static let getKey = BinaryPacket(0x00, key: "k").bytes

    private func value(_ reply: [UInt8]) throws -> [UInt8] {
        try #require(try packets(reply).last).value
    }

    @Test("A value is stored whether or not its packet fits the input buffer")
    func aroundTheBuffer() throws {
        let head = 24 + 8 + 1
        for total in (Self.buffer - 2)...(Self.buffer + 2) {
            let value = pattern(total - head)
            let packet = BinaryPacket.store(0x01, "k", value)
            #expect(packet.count == total)
            let input = packet + Self.getKey
            let places = [24, head, total, total + 24].flatMap { ($0 - 2)...($0 + 2) }
            for cut in places.filter({ $0 < input.count }).map({ Cuts.once(at: $0) }) + [
                .whole, .pieces(byteCount: 1_021), .random(seed: 1), .random(seed: 2),
            ] {
                let node = try InProcessNode()
                let reply = try node.reply(to: input, cuts: cut)
                #expect(try self.value(reply) == value, "\(total) bytes, \(cut)")
                #expect(node.pool.lentCount == 0)
            }
        }
    }

    @Test("Bytes of a large value are received where they are stored")
    func directReceiving() throws {
        let node = try InProcessNode()
        let connection = node.makeConnection()
        let value = pattern(100_000)
        let packet = BinaryPacket.store(0x01, "k", value)
        connection.input.room().copyBytes(from: packet.prefix(33))
        connection.noteReceived(direct: 0, buffered: 33, now: node.now)
        #expect(connection.run(commandLimit: 20, now: node.now) == .needsInput)
        connection.input.releaseIfEmpty()
        var position = 0
        while position < value.count {
            let target = connection.directTarget
            try #require(!target.isEmpty)
            let count = min(target.count, value.count - position)
            target.copyBytes(from: value[position..<(position + count)])
            connection.noteReceived(direct: count, buffered: 0, now: node.now)
            position += count
        }
        #expect(node.pool.lentCount == 0)
        // Nothing follows a value: with its last byte it is stored.
        #expect(connection.run(commandLimit: 20, now: node.now) == .needsInput)
        #expect(connection.output.pendingByteCount == 24)
        #expect(try self.value(try node.reply(to: Self.getKey)) == value)
    }

    @Test("Values are copied below 32 KiB and sent from where they are stored from there on")
    func border() throws {
        let limit = OutputBuffer.pinnedValueByteCountMin
        for count in [limit - 1, limit, limit + 1] {
            let node = try InProcessNode()
            let value = pattern(count)
            _ = try node.reply(to: BinaryPacket.store(0x11, "k", value))
            let peer = node.open()
            try peer.send(BinaryPacket(0x0d, key: "k").bytes + Self.getKey)
            #expect((peer.connection.output.heldByteCount > limit) == (count < limit))
            while try peer.receivePart(of: 1_777) {}
            #expect(try packets(peer.received).map(\.value) == [value, value], "\(count) bytes")
            #expect(node.pool.lentCount == 0)
        }
    }

    @Test("A reply on its way survives that its item is deleted and replaced")
    func inFlight() throws {
        let node = try InProcessNode()
        let value = pattern(100_000)
        _ = try node.reply(to: BinaryPacket.store(0x11, "k", value))
        let reader = node.open()
        try reader.send(Self.getKey)
        reader.pull(1_000)
        _ = try node.reply(to: BinaryPacket.store(0x11, "k", pattern(100_000, seed: 2)))
        _ = try node.reply(to: BinaryPacket(0x14, key: "k").bytes)
        try reader.receiveAll()
        #expect(try self.value(reader.received) == value)
        node.map.checkInvariants(now: node.now.seconds)
    }

    @Test("A key that came with spaces or line ends is shown in base64, any other as it is")
    func encodedKeys() throws {
        for (key, isEncoded) in [
            ("plain", false), ("plain-key-of-some-length", false), ("k", false), ("a b", true),
            ("exactly8", false), ("exactly8!", false), (" leading-space-of-sixteen", true),
            ("trailing-space-of-more ", true), ("a\r\nb", true), ("long-enough-for-it\n", true),
            ("\u{1}", true), ("!!!!!!!!", false), ("ümlaut-über-8", false),
            ("sixteen bytes  !", true),
        ] {
            let node = try InProcessNode()
            let number =
                bigEndian(UInt64(1)) + bigEndian(UInt64(7)) + bigEndian(UInt32(0))
            for packet in [
                BinaryPacket.store(0x11, key, [1]), BinaryPacket.store(0x12, key, [1]),
                BinaryPacket(0x15, key: key, extras: number).bytes,
            ] {
                _ = try node.reply(to: BinaryPacket(0x18).bytes + packet)
                let dump = try node.reply(to: "lru_crawler mgdump all\r\n")
                #expect(dump.hasSuffix(" b\r\nEN\r\n") == isEncoded, "\(key): \(dump)")
                #expect(dump.split(separator: "\r\n").count == 3, "\(key): \(dump)")
            }
        }
    }
}
