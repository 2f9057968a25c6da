import MemcacheProtocol
import SessionMap
import Synchronization
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// `stat`, and what the binary protocol's commands count.
@Suite(.timeLimit(.minutes(10)))
struct BinaryStatisticsTests {
    private func page(_ name: String, of node: InProcessNode) throws -> [BinaryReplyPacket] {
        let peer = node.open()
        try peer.send(BinaryPacket(0x10, key: name, opaque: 3).bytes)
        try peer.receiveAll()
        return try packets(peer.received)
    }

    @Test(
        "A page has the names of the text protocol's, a reply each, and one without a name behind",
        arguments: ["", "settings", "items", "slabs", "sizes", "requests", "latency", "sessions"])
    func pages(name: String) throws {
        var configuration = NodeConfiguration.small
        configuration.tracksSizes = true
        let node = try InProcessNode(configuration)
        _ = try node.reply(to: "set a 0 0 1\r\nx\r\nget a b\r\ndelete b\r\nversion\r\n")
        let text = try node.reply(to: "stats \(name)\r\n")
        let wanted = text.split(separator: "\r\n").compactMap { line -> String? in
            let words = line.split(separator: " ", maxSplits: 2)
            return words.first == "STAT" ? String(words[1]) : nil
        }
        #expect(!wanted.isEmpty)
        let replies = try page(name, of: node)
        #expect(replies.dropLast().map { String(decoding: $0.key, as: UTF8.self) } == wanted)
        #expect(replies.dropLast().allSatisfy { !$0.key.isEmpty })
        #expect(replies.allSatisfy { $0.opcode == 0x10 && $0.status == 0 && $0.opaque == 3 })
        #expect(replies.last == BinaryReplyPacket(opcode: 0x10, status: 0, opaque: 3))
    }

    @Test("The settings tell which protocols are spoken")
    func binding() throws {
        let names: [(NodeConfiguration.BindingProtocol, String)] = [
            (.auto, "auto-negotiate"), (.binary, "binary"),
        ]
        for (binding, text) in names {
            var configuration = NodeConfiguration.small
            configuration.bindingProtocol = binding
            let replies = try page("settings", of: try InProcessNode(configuration))
            let found = replies.first { $0.key == bytes("binding_protocol") }
            #expect(found?.value == bytes(text))
        }
    }

    @Test("Connections are a page, made in parts")
    func connections() throws {
        let node = try InProcessNode()
        let peers = (0..<100).map { _ in node.open() }
        node.worker.connections.withLock { connections in
            for peer in peers {
                connections[peer.connection.record.descriptor] = peer.connection.record
            }
        }
        let replies = try page("conns", of: node)
        let states = replies.filter { String(decoding: $0.key, as: UTF8.self).hasSuffix(":state") }
        #expect(states.count == 100)
        #expect(replies.last?.key.isEmpty == true)
        let text = try node.reply(to: "stats conns\r\n")
        #expect(text.split(separator: "\r\n").count == replies.count)
    }

    @Test("A dump of prefixes is one value, the text protocol's, however long")
    func detail() throws {
        let node = try InProcessNode()
        _ = try page("detail on", of: node)
        for number in 0..<300 { _ = try node.reply(to: "get p\(number):k\r\n") }
        _ = try node.reply(to: BinaryPacket(0x09, key: "p\r\nEND:k").bytes)
        let replies = try page("detail dump", of: node)
        #expect(replies.count == 2)
        let text = try node.reply(to: "stats detail dump\r\n")
        #expect(String(decoding: replies[0].value, as: UTF8.self) == text)
        #expect(text.split(separator: "\r\n").count == 302)
    }

    @Test("Where keys are not shown, prefixes are not either")
    func refused() throws {
        var configuration = NodeConfiguration.small
        configuration.showsKeys = false
        let node = try InProcessNode(configuration)
        for name in ["detail on", "detail dump"] {
            #expect(try page(name, of: node).map(\.status) == [0x20])
        }
        #expect(try page("items", of: node).map(\.status) == [0])
    }

    @Test("Commands count what the text protocol's count")
    func counters() throws {
        let number = bigEndian(UInt64(1)) + bigEndian(UInt64(7)) + bigEndian(UInt32.max)
        let soon = bigEndian(UInt32(100))
        let pairs: [(binary: [UInt8], text: String)] = [
            (BinaryPacket.store(0x01, "a", [49]), "set a 0 0 1\r\n1\r\n"),
            (BinaryPacket.store(0x02, "a", [49]), "add a 0 0 1\r\n1\r\n"),
            (BinaryPacket.store(0x13, "b", [49]), "replace b 0 0 1\r\n1\r\n"),
            (BinaryPacket(0x0e, key: "a", value: [49]).bytes, "append a 0 0 1\r\n1\r\n"),
            (BinaryPacket.store(0x01, "a", [49], casUnique: 77), "cas a 0 0 1 77\r\n1\r\n"),
            (BinaryPacket.store(0x11, "b", [49], casUnique: 77), "cas b 0 0 1 77\r\n1\r\n"),
            (BinaryPacket(0x00, key: "a").bytes, "get a\r\n"),
            (BinaryPacket(0x0d, key: "b").bytes, "get b\r\n"),
            (BinaryPacket(0x1d, key: "a", extras: soon).bytes, "gat 100 a\r\n"),
            (BinaryPacket(0x24, key: "b", extras: soon).bytes, "gat 100 b\r\n"),
            (BinaryPacket(0x1c, key: "a", extras: soon).bytes, "touch a 100\r\n"),
            (BinaryPacket(0x1c, key: "b", extras: soon).bytes, "touch b 100\r\n"),
            (BinaryPacket(0x05, key: "a", extras: number).bytes, "incr a 1\r\n"),
            (BinaryPacket(0x15, key: "b", extras: number).bytes, "incr b 1\r\n"),
            (BinaryPacket(0x06, key: "a", extras: number).bytes, "decr a 1\r\n"),
            (BinaryPacket(0x16, key: "b", extras: number).bytes, "decr b 1\r\n"),
            (BinaryPacket(0x14, key: "a").bytes, "delete a\r\n"),
            (BinaryPacket(0x04, key: "a").bytes, "delete a\r\n"),
            (
                BinaryPacket.store(0x01, "c", pattern(1_100_000)),
                "set c 0 0 1100000\r\n\(String(repeating: "x", count: 1_100_000))\r\n"
            ),
            (BinaryPacket(0x18).bytes, "flush_all\r\n"),
        ]
        let (binary, text) = (try InProcessNode(), try InProcessNode())
        for (place, pair) in pairs.enumerated() {
            _ = try binary.reply(to: pair.binary)
            _ = try text.reply(to: pair.text)
            for counter in Counter.allCases where counter != .bytesRead && counter != .bytesWritten
            {
                let counts = (binary.count(counter), text.count(counter))
                #expect(counts.0 == counts.1, "\(counter) after \(place)")
            }
        }
        #expect(binary.count(.casMisses) == 1 && binary.count(.storeTooLarge) == 1)
    }
}
