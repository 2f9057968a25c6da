import TestSupport
import Testing

/// Random binary requests, to memcached and to this project's node. What they answer must be the same.
///
/// Left out is what differs on purpose (the table of differences of `Sources/MemcacheProtocol/README.md`):
/// numbers that get shorter are not read, times are below 30 days, and only what has neither extras nor key
/// is an unknown request.
@Suite(.timeLimit(.minutes(10)))
struct BinaryOracleTests {
    /// One of the two, and what it has said of its items.
    private final class Side {
        let node: RunningNode
        var peer: SocketPeer
        /// The last CAS unique of each key.
        var uniques: [[UInt8]: UInt64] = [:]

        init(_ node: RunningNode) throws {
            self.node = node
            peer = try node.connect()
        }

        /// Sends a request and a noop behind it, and takes what is answered until that is.
        func ask(_ request: Request) throws -> [BinaryReplyPacket] {
            var packet = request.packet
            switch request.unique {
            case .none: break
            case .right: packet.casUnique = uniques[packet.key] ?? 1
            case .wrong: packet.casUnique = (uniques[packet.key] ?? 0) + 1_000_000
            }
            let end: UInt32 = 0xeeee_eeee
            try peer.send(packet.bytes + BinaryPacket(0x0a, opaque: end).bytes)
            var replies: [BinaryReplyPacket]?
            while replies?.last?.opaque != end {
                guard peer.receive(isUnexpected: false) else {
                    throw Trouble("no answer to \(packet): \(printable(peer.received))")
                }
                replies = BinaryReplyPacket.all(in: peer.received)
            }
            peer.received.removeAll()
            return (replies ?? []).map { reply in
                var reply = reply
                if reply.casUnique != 0 { uniques[packet.key] = reply.casUnique }
                reply.casUnique = reply.casUnique == 0 ? 0 : 1
                return reply
            }
        }
    }

    private struct Request {
        enum Unique {
            case none, right, wrong
        }
        var packet: BinaryPacket
        var unique = Unique.none
    }

    @Test("Random requests are answered as memcached answers them", arguments: 0..<6)
    func random(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let memcached = try Side(RunningNode.memcached([]))
        defer { memcached.node.program.end() }
        let own = try Side(RunningNode.sojournd([]))
        defer { own.node.program.end() }
        var statuses: Set<UInt16> = []
        for step in 0..<2_000 {
            let request = Self.request(UInt32(step), using: &generator)
            let wanted = try memcached.ask(request)
            let replies = try own.ask(request)
            statuses.formUnion(wanted.map(\.status))
            guard replies == wanted else {
                Issue.record("seed \(seed), step \(step), \(request): \(replies), not \(wanted)")
                return
            }
        }
        // It was about something.
        #expect(statuses.isSuperset(of: [0, 1, 2, 5, 6, 0x81]))
    }

    private static func request(
        _ opaque: UInt32, using generator: inout SeededGenerator
    ) -> Request {
        let key = ["a", "b", "c", "a b\r\n", "word"].randomElement(using: &generator) ?? "a"
        var packet = BinaryPacket(0, key: key, opaque: opaque)
        var unique = Request.Unique.none
        if Int.random(in: 0..<4, using: &generator) == 0 {
            unique = Bool.random(using: &generator) ? .right : .wrong
        }
        let count = [0, 1, 10, 1_000, 20_000, 40_000].randomElement(using: &generator) ?? 0
        let exptime = bigEndian(UInt32(Bool.random(using: &generator) ? 0 : 1_000))
        func choose(_ opcodes: [UInt8]) -> UInt8 { opcodes.randomElement(using: &generator) ?? 0 }
        switch Int.random(in: 0..<24, using: &generator) {
        case 0...5:
            packet.opcode = choose([0x01, 0x02, 0x03, 0x11, 0x12, 0x13])
            packet.extras = bigEndian(UInt32.random(in: 0...3, using: &generator)) + exptime
            packet.value = [UInt8](repeating: UInt8(ascii: "x"), count: count)
        case 6, 7:
            packet.opcode = choose([0x0e, 0x0f, 0x19, 0x1a])
            packet.value = Array("more".utf8)
        case 8...11: packet.opcode = choose([0x00, 0x09, 0x0c, 0x0d])
        case 12...14:
            packet.opcode = choose([0x1c, 0x1d, 0x1e, 0x23, 0x24])
            packet.extras = exptime
        case 15...18:
            // Of numbers one only grows, and the other is not read.
            let grows = Bool.random(using: &generator)
            packet.opcode = choose(grows ? [0x05, 0x15] : [0x06, 0x16])
            // An empty value is no number to memcached before it compares, any other after.
            if key == "word" { unique = .none }
            if key != "word" { packet.key = Array((grows ? "up" : "down").utf8) }
            let makes = Int.random(in: 0..<4, using: &generator) > 0
            packet.extras =
                bigEndian(UInt64.random(in: 0...20, using: &generator)) + bigEndian(UInt64(50))
                + (makes ? exptime : bigEndian(UInt32.max))
        case 19: packet.opcode = choose([0x04, 0x14])
        case 20:
            packet = BinaryPacket(0x00, key: "up", opaque: opaque)
            unique = .none
        default:
            packet = BinaryPacket(choose([0x0a, 0x20, 0x30, 0x08, 0x18]), opaque: opaque)
            unique = .none
        }
        return Request(packet: packet, unique: unique)
    }
}
