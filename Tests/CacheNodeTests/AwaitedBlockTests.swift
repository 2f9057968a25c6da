import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// A storage command whose data block comes after its line, and in parts.
@Suite(.timeLimit(.minutes(10)))
struct AwaitedBlockTests {
    private func isAwaiting(_ peer: InProcessPeer) -> Bool {
        if case .awaitingBlock = peer.connection.state { true } else { false }
    }

    @Test(
        "The line is read once; the block may come in any parts",
        arguments: [
            ("set k 0 0 5\r\n", "STORED\r\n"), ("ms k 5 k Oab c E7\r\n", "HD kk Oab c7\r\n"),
            ("ms aw== 5 b k\r\n", "HD kaw== b\r\n"), ("set k 0 0 5 noreply\r\n", ""),
            ("replace k 0 0 5\r\n", "NOT_STORED\r\n"), ("ms k 5 MR k\r\n", "NS kk\r\n"),
        ])
    func parts(line: String, reply: String) throws {
        let node = try InProcessNode()
        let peer = node.open()
        try peer.send(bytes(line))
        #expect(isAwaiting(peer) && peer.connection.state.phase == .receivingValue)
        for part in ["a", "\r\n", "bc", "\r"] {
            try peer.send(bytes(part))
            #expect(isAwaiting(peer))
        }
        try peer.send(bytes("\nmn\r\n"))
        try peer.receiveAll()
        #expect(String(decoding: peer.received, as: UTF8.self) == reply + "MN\r\n")
        let isStored = !reply.hasPrefix("N")
        #expect(
            try node.reply(to: "get k\r\n")
                == (isStored ? "VALUE k 0 5\r\na\r\nbc\r\nEND\r\n" : "END\r\n"))
        #expect(node.pool.lentCount == 0)
    }

    @Test("A block that ends wrongly is no value, and what follows it is a command")
    func badEnd() throws {
        let node = try InProcessNode()
        let peer = node.open()
        try peer.send(bytes("set k 0 0 1\r\n"))
        try peer.send(bytes("abcmn\r\n"))
        try peer.receiveAll()
        #expect(
            String(decoding: peer.received, as: UTF8.self)
                == "CLIENT_ERROR bad data chunk\r\nMN\r\n")
    }

    @Test("An exptime counts from when the block is there")
    func deadline() throws {
        let node = try InProcessNode()
        let peer = node.open()
        try peer.send(bytes("set k 0 10 1\r\n"))
        node.space.clock.advance(seconds: 60)
        try peer.send(bytes("a\r\nmg k t\r\n"))
        try peer.receiveAll()
        #expect(String(decoding: peer.received, as: UTF8.self) == "STORED\r\nHD t10\r\n")
    }

    @Test("Who goes while a block is awaited leaves nothing behind")
    func gone() throws {
        let node = try InProcessNode()
        for line in ["set k 0 0 5\r\nab", "ms k 5\r\nab", "set k 0 0 100000\r\nab"] {
            let peer = node.open()
            try peer.send(bytes(line))
            try peer.endSending()
        }
        #expect(try node.reply(to: "get k\r\n") == "END\r\n")
    }
}
