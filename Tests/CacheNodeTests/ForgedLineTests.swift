import MemcacheProtocol
import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// A key that was given in base64 may hold any byte. Wherever keys are shown, none of them may end a line
/// and begin another that the node never wrote.
@Suite(.timeLimit(.minutes(10)))
struct ForgedLineTests {
    private static let key = "a\r\nEND\r\nITEM forged [1 b; 0 s]\nkey=forged:x\u{7f}\t z"

    private func encoded(_ key: String) -> String {
        var text: [UInt8] = []
        Base64.encode(Array(key.utf8).span) { text.append($0) }
        return String(decoding: text, as: UTF8.self)
    }

    /// Every way to make an item under a key in base64.
    private static let makers = [
        "ms KEY 1 b\r\nx", "ms KEY 1 b ME\r\nx", "ms KEY 1 b MA N0\r\nx", "ms KEY 1 b MP N0\r\nx",
        "ma KEY b N0", "mg KEY b N0 v",
        "ms KEY 20000 b\r\n\(String(repeating: "x", count: 20_000))",
    ]

    /// The same in the binary protocol, where a key is as it is.
    private static let packets: [[UInt8]] = {
        let number = bigEndian(UInt64(1)) + bigEndian(UInt64(7)) + bigEndian(UInt32(0))
        return [
            BinaryPacket.store(0x01, key, [1]), BinaryPacket.store(0x12, key, [1]),
            BinaryPacket.store(0x11, key, pattern(20_000)),
            BinaryPacket(0x05, key: key, extras: number).bytes,
        ]
    }()

    @Test("A key with line ends forges no line of any page, dump or reply", arguments: makers)
    func pages(maker: String) throws {
        let node = try InProcessNode()
        _ = try node.reply(to: "stats detail on\r\n")
        let made = maker.replacing("KEY", with: encoded(Self.key), maxReplacements: 1)
        #expect(try node.reply(to: made + "\r\n").prefix(2) != "CL")
        try expectNoForgery(node)
    }

    @Test("Nor does one that came in a binary packet", arguments: packets)
    func binaryPages(packet: [UInt8]) throws {
        let node = try InProcessNode()
        _ = try node.reply(to: "stats detail on\r\n")
        _ = try node.reply(to: packet)
        try expectNoForgery(node)
    }

    /// Of the item with the key that would.
    private func expectNoForgery(_ node: InProcessNode) throws {
        #expect(node.map.statistics(now: node.now.seconds).itemCount == 1)
        // A plain item beside it is shown as ever.
        _ = try node.reply(to: "set plain%key:1 0 0 1\r\nx\r\n")
        func lines(_ command: String) throws -> [String] {
            try node.reply(to: bytes(command + "\r\n")).split(
                separator: 10, omittingEmptySubsequences: false
            )
            .map { String(decoding: $0.last == 13 ? $0.dropLast() : $0, as: UTF8.self) }
            .dropLast()
        }
        let cachedump = try lines("stats cachedump 1 0")
        #expect(cachedump.count == 3 && cachedump.last == "END", "\(cachedump)")
        #expect(cachedump.filter { $0.hasPrefix("ITEM ") }.count == 2)
        #expect(cachedump.contains("ITEM plain%key:1 [1 b; 0 s]"))
        #expect(
            cachedump.contains { $0.hasPrefix("ITEM a%0D%0AEND%0D%0AITEM%20forged%20[1%20b;%200") })
        let detail = try lines("stats detail dump")
        #expect(detail.last == "END" && detail.dropLast().allSatisfy { $0.hasPrefix("PREFIX ") })
        #expect(detail.count <= 3)
        let metadump = try lines("lru_crawler metadump all")
        #expect(metadump.count == 4 && metadump.filter { $0.hasPrefix("key=") }.count == 2)
        let mgdump = try lines("lru_crawler mgdump all")
        #expect(
            mgdump.sorted() == ["EN", "OK", "mg \(encoded(Self.key)) b", "mg plain%key:1"],
            "\(mgdump)")
        #expect(try lines("me \(encoded(Self.key)) b").count == 1)
        #expect(try lines("mg \(encoded(Self.key)) b k").count == 1)
    }

    @Test("A lock whose key has line ends forges no line of the page of locks")
    func locks() throws {
        var configuration = NodeConfiguration.small
        configuration.locks.keys = [LockKeys("a")].compactMap { $0 }
        let node = try InProcessNode(configuration)
        let peer = node.open()
        let add = "ms \(encoded(Self.key)) 1 b ME\r\nx\r\n"
        try peer.send(bytes(add + add))
        #expect(peer.turn == .waiting)
        let lines = try node.reply(to: bytes("stats locks\r\n")).split(separator: 10)
        #expect(lines.count == 5)
        #expect(lines.last == bytes("END\r")[...])
        #expect(lines.dropLast().allSatisfy { $0.starts(with: "STAT ".utf8) })
        #expect(lines.contains { $0.starts(with: "STAT a%0D%0AEND%0D%0AITEM%20forged".utf8) })
    }

    @Test("A key with line ends forges no line for watchers")
    func watchers() throws {
        let node = try InProcessNode()
        let watcher = node.open()
        try watcher.send(bytes("watch fetchers mutations deletions evictions\r\n"))
        try watcher.receiveAll()
        watcher.received.removeAll()
        for maker in Self.makers {
            let made = maker.replacing("KEY", with: encoded(Self.key), maxReplacements: 1)
            _ = try node.reply(to: made + "\r\nmd \(encoded(Self.key)) b\r\n")
        }
        for packet in Self.packets {
            _ = try node.reply(to: packet + BinaryPacket(0x04, key: Self.key).bytes)
        }
        try watcher.receiveAll()
        let told = watcher.received.split(separator: 10)
        #expect(told.count > Self.makers.count)
        for line in told {
            #expect(line.starts(with: "ts=".utf8), "\(printable(Array(line)))")
            #expect(!line.contains(13))
        }
    }
}
