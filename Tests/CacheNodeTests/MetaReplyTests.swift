import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

@Suite(.timeLimit(.minutes(10)))
struct MetaReplyTests {
    @Test("The longest line that flags can ask for has room", arguments: ["", " b"])
    func longestLine(encoding: String) throws {
        let node = try InProcessNode()
        let isEncoded = !encoding.isEmpty
        let key = String(repeating: isEncoded ? "YWFh" : "k", count: isEncoded ? 62 : 250)
        let opaque = "O" + String(repeating: "o", count: 31)
        let all = "E18446744073709551615 k c \(opaque)\(encoding)"
        let echoes = "k\(key)\(encoding) c18446744073709551615 \(opaque)"
        #expect(
            try node.reply(
                to: "ms \(key) 20 F4294967295 T2147483647 \(all)\r\n"
                    + "18446744073709551614\r\n") == "HD \(echoes)\r\n")
        #expect(try node.reply(to: "md \(key) I E18446744073709551615\(encoding)\r\n") == "HD\r\n")
        #expect(
            try node.reply(to: "mg \(key) v s f h l T999999999 t k c \(opaque)\(encoding)\r\n")
                == "VA 20 s20 f4294967295 h0 l0 t999999999 \(echoes) X W\r\n"
                + "18446744073709551614\r\n")
        #expect(
            try node.reply(to: "ma \(key) v t \(all)\r\n")
                == "VA 20 t999999999 \(echoes)\r\n18446744073709551615\r\n")
        #expect(
            try node.reply(to: "md \(key) k \(opaque)\(encoding)\r\n")
                == "HD k\(key)\(encoding) \(opaque)\r\n")
        for verb in ["mg", "md", "ma"] {
            let code = verb == "mg" ? "EN" : "NF"
            #expect(
                try node.reply(to: "\(verb) \(key) k \(opaque)\(encoding)\r\n")
                    == "\(code) k\(key)\(encoding) \(opaque)\r\n")
        }
    }

    @Test("A value is copied below 32 KiB and pinned from there on, whatever else is shown")
    func border() throws {
        let limit = OutputBuffer.pinnedValueByteCountMin
        for count in [limit - 1, limit, limit + 1] {
            let node = try InProcessNode()
            let value = pattern(count)
            _ = try node.reply(to: setCommand("k", value))
            let peer = node.open()
            try peer.send(bytes("mg k v s k Oabc\r\nmg k s\r\nmg k v\r\n"))
            let wanted =
                bytes("VA \(count) s\(count) kk Oabc\r\n") + value
                + bytes("\r\nHD s\(count)\r\nVA \(count)\r\n") + value + bytes("\r\n")
            // Piece by piece, and the pieces end anywhere.
            while try peer.receivePart(of: 1_777) {}
            #expect(peer.received == wanted, "\(count) bytes")
            #expect(node.pool.lentCount == 0)
        }
    }

    @Test(
        "A reply on its way survives what others do to its item",
        arguments: [
            "md k\r\n", "md k I\r\n", "md k x\r\n", "ms k 3\r\nnew\r\n", "ms k 3 MA\r\nnew\r\n",
            "ms k 1100000\r\n", "flush_all\r\n", "mg k T-1\r\n",
        ])
    func pinned(command: String) throws {
        let node = try InProcessNode()
        let value = pattern(100_000, seed: 21)
        _ = try node.reply(to: setCommand("k", value))
        let reader = node.open()
        try reader.send(bytes("mg k v s\r\n"))
        reader.pull(1_000)
        _ = try node.reply(to: command)
        _ = try node.reply(to: setCommand("other", pattern(300_000, seed: 22)))
        node.map.checkInvariants(now: node.now.seconds)
        try reader.receiveAll()
        #expect(reader.received == bytes("VA 100000 s100000\r\n") + value + bytes("\r\n"))
        node.map.checkInvariants(now: node.now.seconds)
    }

    @Test("Nothing more is executed for a peer that asks and does not read")
    func outputFull() throws {
        let node = try InProcessNode()
        _ = try node.reply(to: setCommand("k", pattern(20_000)))
        let peer = node.open()
        try peer.send(bytes(String(repeating: "mg k v k\r\n", count: 500)))
        #expect(peer.turn == .outputFull)
        let reply = bytes("VA 20000 kk\r\n") + pattern(20_000) + bytes("\r\n")
        #expect(
            peer.connection.output.pendingByteCount
                < OutputBuffer.highWaterByteCount + reply.count)
        var total = 0
        while try peer.receivePart(of: 30_000) {
            total += peer.received.count
            peer.checkRepeats(of: reply, from: total - peer.received.count)
            peer.received.removeAll(keepingCapacity: true)
        }
        #expect(total == reply.count * 500)
        #expect(node.pool.lentCount == 0)
    }

    @Test("Quiet commands without end make no replies that wait, and take turns")
    func quietFlood() throws {
        let node = try InProcessNode()
        let peer = node.open()
        try peer.send(
            bytes(
                String(
                    repeating: "ms k 2 q\r\nab\r\nmg missing q v k\r\nma n q N0\r\n", count: 2_000))
        )
        #expect(peer.turn == .needsInput)
        #expect(peer.connection.output.pendingByteCount == 0)
        #expect(node.count(.connectionYields) > 100)
        try peer.send(bytes("mn\r\n"))
        try peer.receiveAll()
        #expect(peer.received == bytes("MN\r\n"))
        #expect(try node.reply(to: "mg n v\r\n") == "VA 4\r\n1999\r\n")
    }
}
