import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Every kind of wrong request: what is answered, and whether the connection goes on.
@Suite(.timeLimit(.minutes(10)))
struct BinaryMistakeTests {
    private struct Mistake {
        let name: String
        let packet: BinaryPacket
        let status: UInt16
        let goesOn: Bool

        init(_ name: String, _ packet: BinaryPacket, status: UInt16, goesOn: Bool = false) {
            self.name = name
            self.packet = packet
            self.status = status
            self.goesOn = goesOn
        }
    }

    private static func extras(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private static let mistakes: [Mistake] = {
        var shortBody = BinaryPacket(0x00, key: "key")
        shortBody.bodyByteCount = 2
        var huge = BinaryPacket(0x01, key: "k", extras: extras(8), value: [1])
        huge.bodyByteCount = Int(UInt32.max)
        let long = String(repeating: "k", count: 251)
        return [
            Mistake("a body shorter than its parts", shortBody, status: 0x81),
            Mistake("4 GiB announced", huge, status: 4),
            Mistake("a key of 251 bytes", BinaryPacket(0x00, key: long), status: 4),
            Mistake(
                "a key of 251 bytes with a value",
                BinaryPacket(0x11, key: long, extras: extras(8), value: [1]), status: 4),
            Mistake("get with extras", BinaryPacket(0x00, key: "k", extras: extras(4)), status: 4),
            Mistake("get with a value", BinaryPacket(0x09, key: "k", value: [1]), status: 4),
            Mistake("get without a key", BinaryPacket(0x0d), status: 4),
            Mistake("set without extras", BinaryPacket(0x01, key: "k", value: [1]), status: 4),
            Mistake(
                "set without a key", BinaryPacket(0x01, extras: extras(8), value: [1]), status: 4),
            Mistake(
                "append with extras", BinaryPacket(0x0e, key: "k", extras: extras(8)), status: 4),
            Mistake("delete with a value", BinaryPacket(0x04, key: "k", value: [1]), status: 4),
            Mistake(
                "increment with 16 bytes of extras",
                BinaryPacket(0x05, key: "k", extras: extras(16)), status: 4),
            Mistake("touch without extras", BinaryPacket(0x1c, key: "k"), status: 4),
            Mistake(
                "gat with a value",
                BinaryPacket(0x1d, key: "k", extras: extras(4), value: [1]), status: 4),
            Mistake("flush with a key", BinaryPacket(0x08, key: "k"), status: 4),
            Mistake(
                "flush with 8 bytes of extras", BinaryPacket(0x08, extras: extras(8)), status: 4),
            Mistake("noop with a value", BinaryPacket(0x0a, value: [1]), status: 4),
            Mistake("version with a key", BinaryPacket(0x0b, key: "k"), status: 4),
            Mistake("quit with a value", BinaryPacket(0x07, value: [1]), status: 4),
            Mistake("verbosity without extras", BinaryPacket(0x1b), status: 4),
            Mistake("stat with extras", BinaryPacket(0x10, extras: extras(4)), status: 4),
            Mistake("stat with a value", BinaryPacket(0x10, key: "reset", value: [1]), status: 4),
            Mistake("SASL's list with a body", BinaryPacket(0x20, value: [1]), status: 4),
            Mistake("SASL without a mechanism", BinaryPacket(0x21, value: [1]), status: 4),
            Mistake(
                "an unknown opcode",
                BinaryPacket(0x31, key: "k", extras: extras(8), value: extras(90)), status: 0x81,
                goesOn: true),
            Mistake(
                "SASL", BinaryPacket(0x22, key: "PLAIN", value: extras(50)), status: 0x81,
                goesOn: true),
            Mistake(
                "a value that is too large",
                BinaryPacket(0x11, key: "k", extras: extras(8), value: extras(1_100_000)),
                status: 3, goesOn: true),
            Mistake(
                "an addition that is too large",
                BinaryPacket(0x19, key: "k", value: extras(1_100_000)), status: 3, goesOn: true),
        ]
    }()

    @Test("Wrong requests are told, and end the connection or not, at any cut")
    func mistakes() throws {
        for mistake in Self.mistakes {
            var packet = mistake.packet
            packet.opaque = 5
            let before = BinaryPacket(0x0a, opaque: 1).bytes
            let input = before + packet.bytes + BinaryPacket(0x0a, opaque: 9).bytes
            let places = input.count < 2_000 ? Array(1..<input.count) : [1, 23, 24, 25, 47, 57, 60]
            let cuts =
                places.map { Cuts.once(at: $0) } + [
                    .whole, .pieces(byteCount: 1), .random(seed: 3),
                ]
            for cut in cuts {
                let node = try InProcessNode()
                let peer = node.open(cuts: cut)
                try peer.send(input)
                try peer.receiveAll()
                let replies = try packets(peer.received)
                let name = Comment(rawValue: "\(mistake.name), \(cut)")
                #expect(replies.map(\.opaque) == (mistake.goesOn ? [1, 5, 9] : [1, 5]), name)
                #expect(replies.count > 1 && replies[1].status == mistake.status, name)
                #expect(replies.count > 1 && replies[1].opcode == packet.opcode, name)
                #expect(peer.hasEnded == !mistake.goesOn, name)
                #expect(node.pool.lentCount == 0, name)
            }
        }
    }

    @Test("A peer that goes away inside a packet leaves nothing behind")
    func gone() throws {
        let node = try InProcessNode()
        let packet = BinaryPacket.store(0x01, "k", pattern(60_000))
        for count in [1, 24, 30, 33, 20_000, 60_000] {
            let before = node.map.statistics(now: node.now.seconds).freeByteCount
            do {
                let connection = node.makeConnection()
                var left = packet.prefix(count)[...]
                while !left.isEmpty {
                    let direct = connection.directTarget
                    let room = direct.isEmpty ? connection.input.room() : direct
                    let part = min(room.count, left.count)
                    room.copyBytes(from: left.prefix(part))
                    connection.noteReceived(
                        direct: direct.isEmpty ? 0 : part, buffered: direct.isEmpty ? part : 0,
                        now: node.now)
                    left = left.dropFirst(part)
                    #expect(connection.run(commandLimit: 20, now: node.now) == .needsInput)
                    connection.input.releaseIfEmpty()
                }
            }
            #expect(node.map.statistics(now: node.now.seconds).freeByteCount == before)
            #expect(node.pool.lentCount == 0)
        }
        #expect(node.map.statistics(now: node.now.seconds).itemCount == 0)
    }

    @Test("Without memory a value is swallowed, told, and the connection goes on")
    func noMemory() throws {
        var configuration = NodeConfiguration.small
        configuration.evicts = false
        let node = try InProcessNode(configuration)
        let peer = node.open(cuts: .random(seed: 7))
        for number in 0..<8 {
            try peer.send(BinaryPacket.store(0x11, "k\(number)", pattern(900_000)))
        }
        try peer.send(BinaryPacket(0x0a).bytes)
        try peer.receiveAll()
        let replies = try packets(peer.received)
        #expect(replies.last?.opcode == 0x0a)
        #expect(replies.count > 4)
        #expect(replies.dropLast().allSatisfy { $0.status == 0x82 && $0.opcode == 0x11 })
        #expect(node.count(.storeNoMemory) == UInt64(replies.count - 1))
        node.map.checkInvariants(now: node.now.seconds)
    }
}
