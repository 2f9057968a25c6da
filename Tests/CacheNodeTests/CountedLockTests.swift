import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// `-o lock_keys=*SUFFIX`: locks that are counted, added and set to zero, all in one batch, as the session
/// handler of PHP's older extension does it.
@Suite(.timeLimit(.minutes(10)))
struct CountedLockTests: LockStage {
    /// What that handler sends, and again until it has the lock.
    private static let take = "incr s.lock 1\r\nadd s.lock 0 15 1\r\n1\r\nget s\r\n"
    private static let give = "set s.lock 0 15 1\r\n0\r\n"

    private func save(_ value: String) -> String {
        "set s 0 0 \(value.utf8.count)\r\n\(value)\r\n" + Self.give
    }

    private func session(_ value: String) -> String {
        "VALUE s 0 \(value.utf8.count)\r\n\(value)\r\nEND\r\n"
    }

    private func makeNode() throws -> InProcessNode { try makeNode(["lock.", "*.lock"]) }

    @Test("Whoever waits has the lock when it is set to zero, and finds what its holder has saved")
    func handOver() throws {
        for cuts in [Cuts.whole, .pieces(byteCount: 1)] {
            let node = try makeNode()
            let (holder, waiter) = (node.open(cuts: cuts), node.open(cuts: cuts))
            #expect(try ask(holder, Self.take) == "NOT_FOUND\r\nSTORED\r\nEND\r\n")
            #expect(try ask(waiter, Self.take) == "2\r\n")
            #expect(waiter.turn == .waiting)
            #expect(try ask(holder, save("one")) == "STORED\r\nSTORED\r\n")
            try node.attendWaits()
            #expect(received(waiter) == "STORED\r\n" + session("one"))
            // It is held again.
            #expect(try ask(holder, Self.take) == "2\r\n")
            #expect(try ask(waiter, save("two")) == "STORED\r\nSTORED\r\n")
            try node.attendWaits()
            #expect(received(holder) == "STORED\r\n" + session("two"))
            #expect(try ask(holder, "mg s.lock v t\r\n") == "VA 1 t15\r\n1\r\n")
            node.map.checkInvariants(now: node.now.seconds)
        }
    }

    @Test("Who gets a lock by counting it does not wait for it by the add behind, each time")
    func counted() throws {
        let node = try makeNode()
        let peer = node.open()
        #expect(try ask(peer, Self.take) == "NOT_FOUND\r\nSTORED\r\nEND\r\n")
        for number in 0..<3 {
            #expect(try ask(peer, save("\(number)")) == "STORED\r\nSTORED\r\n")
            #expect(try ask(peer, Self.take) == "1\r\nNOT_STORED\r\n" + session("\(number)"))
        }
        #expect(statistics(node)["lock_waits"] == 0)
        // A lock that was deleted is made by whoever counts it, in the meta protocol.
        let take = "ma s.lock N15 J1 v\r\nms s.lock 1 ME\r\n1\r\n"
        #expect(try ask(peer, "delete s.lock\r\n" + take) == "DELETED\r\nVA 1\r\n1\r\nNS\r\n")
        #expect(try ask(peer, take) == "VA 1\r\n2\r\n")
        #expect(peer.turn == .waiting)
    }

    @Test("Another count, of whatever, and another add make the next add wait")
    func forgotten() throws {
        let others = [
            "incr s.lock 1\r\n": "2\r\n", "incr t.lock 1\r\n": "1\r\n", "incr n 1\r\n": "1\r\n",
            "decr s.lock 1\r\n": "0\r\n", "incr none 1\r\n": "NOT_FOUND\r\n",
            "add s.lock 0 0 1\r\n1\r\n": "NOT_STORED\r\n",
        ]
        for (other, reply) in others {
            let node = try makeNode()
            let (peer, waiter) = (node.open(), node.open())
            for key in ["s.lock", "t.lock", "n"] {
                #expect(try ask(peer, "set \(key) 0 0 1\r\n0\r\n") == "STORED\r\n")
            }
            #expect(try ask(peer, "incr s.lock 1\r\n") == "1\r\n")
            #expect(try ask(peer, other) == reply)
            if other.hasPrefix("decr") {
                #expect(try ask(waiter, "incr s.lock 1\r\n") == "1\r\n")
            }
            #expect(try ask(peer, "add s.lock 0 0 1\r\n1\r\n") == "", "\(other)")
            #expect(peer.turn == .waiting)
        }
        // By more than one it is no lock that was got; and to each connection its own.
        let node = try makeNode()
        let (one, other) = (node.open(), node.open())
        #expect(try ask(one, "add s.lock 0 0 1\r\n1\r\nincr s.lock 0\r\n") == "STORED\r\n1\r\n")
        #expect(try ask(one, "add s.lock 0 0 1\r\n1\r\n") == "")
        #expect(try ask(other, "add s.lock 0 0 1\r\n1\r\n") == "")
    }

    @Test("Who comes first is served first, also when others count the lock before it looks")
    func order() throws {
        let node = try makeNode()
        let (holder, waiter, newcomer) = (node.open(), node.open(), node.open())
        #expect(try ask(holder, Self.take).hasSuffix("END\r\n"))
        #expect(try ask(waiter, Self.take) == "2\r\n")
        #expect(try ask(holder, save("one")) == "STORED\r\nSTORED\r\n")
        // It is free, and promised.
        #expect(try ask(newcomer, Self.take) == "2\r\n")
        #expect(try ask(holder, "ma s.lock v\r\nincr s.lock 0\r\n") == "VA 1\r\n2\r\n0\r\n")
        try node.attendWaits()
        #expect(received(waiter) == "STORED\r\n" + session("one"))
        #expect(received(newcomer) == "")
        #expect(try ask(waiter, save("two")) == "STORED\r\nSTORED\r\n")
        try node.attendWaits()
        #expect(received(newcomer) == "STORED\r\n" + session("two"))
        // When nobody waits it counts as ever.
        #expect(try ask(newcomer, save("three")) == "STORED\r\nSTORED\r\n")
        #expect(try ask(holder, Self.take) == "1\r\nNOT_STORED\r\n" + session("three"))
        #expect(statistics(node)["lock_hand_overs"] == 2)
    }

    @Test("Whoever was promised a zero and has gone leaves it to the next, or to anybody")
    func gone() throws {
        for othersWait in [true, false] {
            let node = try makeNode()
            let (holder, waiter, other) = (node.open(), node.open(), node.open())
            #expect(try ask(holder, Self.take).hasSuffix("END\r\n"))
            #expect(try ask(waiter, Self.take) == "2\r\n")
            if othersWait { #expect(try ask(other, Self.take) == "3\r\n") }
            #expect(try ask(holder, save("one")) == "STORED\r\nSTORED\r\n")
            waiter.close()
            try node.attendWaits()
            let reply = othersWait ? received(other) : try ask(other, Self.take)
            #expect(reply.hasSuffix("STORED\r\n" + session("one")), "\(reply)")
            #expect(try ask(holder, Self.take) == "2\r\n")
        }
    }

    @Test("An add that finds a zero for which nobody waits has the lock at once")
    func free() throws {
        let adds = [
            ("add s.lock 0 0 1\r\n1\r\n", "STORED\r\n"), ("ms s.lock 1 ME\r\n1\r\n", "HD\r\n"),
        ]
        for (add, reply) in adds {
            let node = try makeNode()
            let peer = node.open()
            #expect(try ask(peer, Self.give) == "STORED\r\n")
            #expect(try ask(peer, add) == reply)
            #expect(try ask(peer, add) == "")
        }
    }

    @Test(
        "A zero is no free lock under a prefix, and other numbers are none",
        arguments: [
            ("lock.a", "0"), ("s.lock", "00"), ("s.lock", "1"), ("s.lock", "0 "), ("s.lock", ""),
        ])
    func held(key: String, value: String) throws {
        let node = try makeNode()
        let (holder, waiter) = (node.open(), node.open())
        let set = "set \(key) 0 0 \(value.utf8.count)\r\n\(value)\r\n"
        #expect(try ask(holder, set) == "STORED\r\n")
        #expect(try ask(waiter, "add \(key) 0 0 1\r\n1\r\n") == "")
        #expect(try ask(holder, set) == "STORED\r\n")
        try node.attendWaits()
        #expect(received(waiter) == "")
        if key == "lock.a" {
            // It is counted as any number, and that is no way to have it.
            #expect(try ask(holder, "incr lock.a 1\r\n") == "1\r\n")
            #expect(try ask(holder, "add lock.a 0 0 1\r\n1\r\n") == "")
        }
    }

    // MARK: Binary

    private func take(_ node: InProcessNode, _ peer: InProcessPeer) throws -> [String] {
        let count = BinaryPacket(
            0x05, key: "s.lock",
            extras: bigEndian(UInt64(1)) + bigEndian(UInt64(1)) + bigEndian(UInt32(15)))
        try peer.send(
            count.bytes + BinaryPacket.store(0x02, "s.lock", bytes("1"), exptime: 15)
                + BinaryPacket(0x00, key: "s").bytes)
        return try replies(peer)
    }

    /// Of each reply its opcode, its status, and the last byte of its value unless it is an error's text.
    private func replies(_ peer: InProcessPeer) throws -> [String] {
        try peer.receiveAll()
        defer { peer.received = [] }
        return try #require(BinaryReplyPacket.all(in: peer.received)).map { reply in
            let last = reply.status == 0 ? reply.value.last : nil
            return "\(reply.opcode) \(reply.status) \(last.map { "\($0)" } ?? "-")"
        }
    }

    private func give(_ peer: InProcessPeer, _ value: UInt8) throws -> [String] {
        try peer.send(
            BinaryPacket.store(0x01, "s", [value])
                + BinaryPacket.store(0x01, "s.lock", bytes("0"), exptime: 15))
        return try replies(peer)
    }

    @Test("So it is in the binary protocol, where the count makes the lock")
    func binary() throws {
        let node = try makeNode()
        let (holder, waiter) = (node.open(), node.open(cuts: .pieces(byteCount: 1)))
        // Not there; the add is the holder's own.
        #expect(try take(node, holder) == ["5 0 1", "2 2 -", "0 1 -"])
        #expect(try take(node, waiter) == ["5 0 2"])
        #expect(waiter.turn == .waiting)
        #expect(try give(holder, 7) == ["1 0 -", "1 0 -"])
        // It is promised.
        #expect(try take(node, holder) == ["5 0 2"])
        try node.attendWaits()
        #expect(try replies(waiter) == ["2 0 -", "0 0 7"])
        #expect(try give(waiter, 8) == ["1 0 -", "1 0 -"])
        try node.attendWaits()
        #expect(try replies(holder) == ["2 0 -", "0 0 8"])
        #expect(try give(holder, 9) == ["1 0 -", "1 0 -"])
        #expect(try take(node, waiter).first == "5 0 1")
    }
}
