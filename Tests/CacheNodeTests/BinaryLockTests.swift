import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// `-o lock_keys` in the binary protocol: `add` and `addq` of a lock that is held wait for it.
@Suite(.timeLimit(.minutes(10)))
struct BinaryLockTests: LockStage {
    private static let opcodes: [UInt8] = [0x02, 0x12]
    private static let refused = bytes("Data exists for key.")

    private func add(
        _ key: String = "lock.a", opcode: UInt8 = 0x02, exptime: UInt32 = 30, opaque: UInt32 = 7
    ) -> [UInt8] {
        BinaryPacket.store(
            opcode, key, bytes("2"), clientFlags: 5, exptime: exptime, opaque: opaque)
    }

    private func get(opaque: UInt32) -> [UInt8] {
        BinaryPacket(0x00, key: "lock.a", opaque: opaque).bytes
    }

    private func noop(_ opaque: UInt32) -> [UInt8] { BinaryPacket(0x0a, opaque: opaque).bytes }

    private func noopReply(_ opaque: UInt32) -> BinaryReplyPacket {
        BinaryReplyPacket(opcode: 0x0a, status: 0, opaque: opaque)
    }

    /// Sends packets, and takes what comes at once.
    private func ask(_ peer: InProcessPeer, _ input: [UInt8]) throws -> [BinaryReplyPacket] {
        try peer.send(input)
        return try replies(peer)
    }

    private func replies(_ peer: InProcessPeer) throws -> [BinaryReplyPacket] {
        try peer.receiveAll()
        defer { peer.received = [] }
        return try packets(peer.received)
    }

    @Test(
        "Whoever waits is told the lock's CAS unique when it is deleted, and packets behind stay in order",
        arguments: opcodes, [Cuts.whole, .pieces(byteCount: 1)])
    func handOver(opcode: UInt8, cuts: Cuts) throws {
        let node = try makeNode()
        let (holder, waiter) = (node.open(), node.open(cuts: cuts))
        #expect(try ask(holder, add()).map(\.status) == [0])
        let sent = noop(1) + add(opcode: opcode) + get(opaque: 8) + noop(9)
        #expect(try ask(waiter, sent) == [noopReply(1)])
        #expect(waiter.turn == .waiting)
        // Others go on, also under that key.
        #expect(try ask(holder, get(opaque: 2)).map(\.status) == [0])
        #expect(try ask(holder, BinaryPacket(0x04, key: "lock.a").bytes).map(\.status) == [0])
        try node.attendWaits()
        let received = try replies(waiter)
        let casUnique = try #require(ask(holder, get(opaque: 3)).first?.casUnique)
        #expect(casUnique != 0)
        let stored = BinaryReplyPacket(opcode: 0x02, status: 0, opaque: 7, casUnique: casUnique)
        let shown = BinaryReplyPacket(
            opcode: 0x00, status: 0, extras: [0, 0, 0, 5], value: bytes("2"), opaque: 8,
            casUnique: casUnique)
        #expect(received == (opcode == 0x02 ? [stored] : []) + [shown, noopReply(9)])
        #expect(waiter.turn == .needsInput)
        #expect(node.pool.lentCount == 0)
        node.map.checkInvariants(now: node.now.seconds)
    }

    @Test("What is sent after the answer is a packet, too", arguments: opcodes)
    func next(opcode: UInt8) throws {
        for isHandedOver in [true, false] {
            let node = try makeNode()
            let (holder, waiter) = (node.open(), node.open())
            #expect(try ask(holder, add()).map(\.status) == [0])
            #expect(try ask(waiter, add(opcode: opcode)) == [])
            if isHandedOver {
                _ = try ask(holder, BinaryPacket(0x14, key: "lock.a").bytes)
                try node.attendWaits()
            } else {
                try end(waiter, .overdue, on: node)
            }
            _ = try replies(waiter)
            #expect(try ask(waiter, noop(4)) == [noopReply(4)])
        }
    }

    @Test(
        "Without the lock in time the key exists, which the quiet form tells too",
        arguments: opcodes)
    func timeOver(opcode: UInt8) throws {
        for ending in [WaitEnding.overdue, .peerLeft, .stopping] {
            let node = try makeNode()
            let (holder, waiter) = (node.open(), node.open())
            #expect(try ask(holder, add()).map(\.status) == [0])
            #expect(try ask(waiter, add(opcode: opcode) + noop(9)) == [])
            try end(waiter, ending, on: node)
            let told = BinaryReplyPacket(
                opcode: opcode, status: 2, value: Self.refused, opaque: 7)
            #expect(try replies(waiter) == [told, noopReply(9)])
            // Nobody waits for it any more: it is anybody's.
            #expect(try ask(holder, BinaryPacket(0x04, key: "lock.a").bytes).map(\.status) == [0])
            try node.attendWaits()
            #expect(try ask(holder, add()).map(\.status) == [0])
        }
    }

    @Test("Text, meta and binary clients stand in one line")
    func oneLine() throws {
        let node = try makeNode()
        let (holder, text, binary, meta) = (node.open(), node.open(), node.open(), node.open())
        #expect(try ask(holder, Self.add) == "STORED\r\n")
        #expect(try ask(text, Self.add) == "")
        #expect(try ask(binary, add()) == [])
        #expect(try ask(meta, "ms lock.a 1 ME\r\n3\r\n") == "")
        #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
        try node.attendWaits()
        #expect(received(text) == "STORED\r\n" && received(meta) == "")
        #expect(try replies(binary) == [])
        #expect(try ask(text, "delete lock.a\r\n") == "DELETED\r\n")
        try node.attendWaits()
        #expect(try replies(binary).map(\.status) == [0])
        #expect(received(meta) == "")
        let deleted = try ask(binary, BinaryPacket(0x04, key: "lock.a").bytes)
        #expect(deleted.map(\.status) == [0])
        try node.attendWaits()
        #expect(received(meta) == "HD\r\n")
        #expect(statistics(node)["lock_hand_overs"] == 3)
    }

    @Test("The time of a lock that was waited for counts from when it was got")
    func exptime() throws {
        let node = try makeNode()
        let (holder, waiter) = (node.open(), node.open())
        #expect(try ask(holder, Self.add) == "STORED\r\n")
        #expect(try ask(waiter, add(exptime: 10)) == [])
        node.space.clock.advance(seconds: 7)
        #expect(try ask(holder, "delete lock.a\r\n") == "DELETED\r\n")
        try node.attendWaits()
        #expect(try replies(waiter).map(\.status) == [0])
        #expect(try ask(holder, "mg lock.a t\r\n") == "HD t10\r\n")
    }

    @Test(
        "Other storage commands, a CAS unique, other keys and a question for existence never wait")
    func others() throws {
        let node = try makeNode()
        let peer = node.open()
        #expect(try ask(peer, add()).map(\.status) == [0])
        let requests: [(packet: [UInt8], status: UInt16)] = [
            (BinaryPacket.store(0x02, "lock.a", bytes("2"), casUnique: 77), 2),
            (BinaryPacket.store(0x03, "lock.b", bytes("2")), 1),
            (BinaryPacket(0x0e, key: "lock.b", value: bytes("2")).bytes, 5),
            (BinaryPacket.store(0x02, "lock.a", [], exptime: 2_678_400), 2),
            (add("other"), 0),
            (add("other"), 2),
        ]
        for (place, request) in requests.enumerated() {
            #expect(try ask(peer, request.packet).map(\.status) == [request.status], "\(place)")
        }
        #expect(statistics(node)["lock_waits"] == 0)
    }

    @Test("stats locks is a reply for each statistic, and an empty one behind; keys where shown")
    func page() throws {
        for isShown in [true, false] {
            let node = try makeNode { $0.showsKeys = isShown }
            let (holder, operator_) = (node.open(), node.open())
            #expect(try ask(holder, add()).map(\.status) == [0])
            #expect(try ask(node.open(), add()) == [])
            let replies = try ask(
                operator_, BinaryPacket(0x10, key: "locks", opaque: 3).bytes + noop(4))
            let text = { (bytes: [UInt8]) in String(decoding: bytes, as: UTF8.self) }
            let page = replies.dropLast()
            let names = page.map { text($0.key) }
            let ofKeys = isShown ? ["lock.a:waiting", "lock.a:longest_us"] : []
            #expect(names == ["locks", "waiting"] + ofKeys + [""])
            #expect(page.prefix(isShown ? 3 : 2).allSatisfy { text($0.value) == "1" })
            #expect(page.allSatisfy { $0.opcode == 0x10 && $0.status == 0 && $0.opaque == 3 })
            #expect(page.last == BinaryReplyPacket(opcode: 0x10, status: 0, opaque: 3))
            #expect(replies.last == noopReply(4))
        }
    }
}
