import EventLoop
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// Conversations of peers that have to log in, without sockets.
@Suite(.timeLimit(.minutes(10)))
struct LoginTests {
    private let directory: TemporaryDirectory
    private let node: InProcessNode

    init() throws {
        directory = try TemporaryDirectory()
        var rules = AuthenticationRules()
        rules.passwordFile = try directory.write("app:secret\n", to: "passwords")
        rules.mayFileBeShared = true
        node = try InProcessNode(authentication: NodeAuthentication(rules))
    }

    /// What is answered to an input on a fresh connection, refusals told at once.
    private func reply(_ input: [UInt8], cuts: Cuts = .whole) throws -> [UInt8] {
        let peer = node.open(cuts: cuts)
        try peer.send(input)
        try peer.receiveAll()
        while let waiting = peer.connection.state.waiting {
            // What comes after a failure is not slowed down.
            node.space.authentication?.throttle.noteSuccess(.init(.unknown))
            try peer.resume(waiting.ticket, .overdue)
            try peer.receiveAll()
        }
        return peer.received + (peer.hasEnded ? bytes("(closed)") : [])
    }

    private func reply(_ input: String) throws -> String {
        String(decoding: try reply(bytes(input)), as: UTF8.self)
    }

    @Test(
        "Nothing is done before a login, and a mistake says what it is",
        arguments: [
            ("get a\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("version\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("flush_all\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("mg auth v\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("ms auth 10\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("shutdown\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("watch fetchers\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("set auth 0 0\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("set auth 0 0 x\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("set auth 0 0 -1\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("set auth 0 0 4294967296\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("settle auth 0 0 3\r\n", "CLIENT_ERROR unauthenticated\r\n"),
            ("quit\r\n", "(closed)"), ("a\r\n", "(closed)"), ("\r\n", "(closed)"),
            ("set auth 0 0 10\r\napp secret\r\n", "STORED\r\n"),
            ("set auth 0 0 10\napp secret\r\n", "STORED\r\n"),
            ("set x y z 10 noreply\r\napp secret\r\n", "STORED\r\n"),
            ("set auth 0 0 9\r\napp wrong\r\n", "CLIENT_ERROR authentication failure\r\n"),
            ("set auth 0 0 3\r\napp\r\n", "CLIENT_ERROR bad authentication token format\r\n"),
            ("set auth 0 0 0\r\n\r\n", "CLIENT_ERROR bad authentication token format\r\n"),
            ("set auth 0 0 1\r\n \r\n", "CLIENT_ERROR authentication failure\r\n"),
            (
                "set auth 0 0 10\r\napp secretsxget a\r\n",
                "CLIENT_ERROR bad command line termination\r\nCLIENT_ERROR unauthenticated\r\n"
            ),
        ])
    func words(input: String, expected: String) throws {
        #expect(try reply(input) == expected)
    }

    @Test("What follows a login is carried out, what follows a failure is not")
    func pipelined() throws {
        let login = "set auth 0 0 10\r\napp secret\r\n"
        #expect(
            try reply(login + "set k 0 0 1\r\nv\r\nget k\r\n")
                == "STORED\r\nSTORED\r\nVALUE k 0 1\r\nv\r\nEND\r\n")
        #expect(
            try reply("set k 0 0 9\r\napp wrong\r\nget k\r\n" + login + "get k\r\n")
                == "CLIENT_ERROR authentication failure\r\nCLIENT_ERROR unauthenticated\r\n"
                + "STORED\r\nVALUE k 0 1\r\nv\r\nEND\r\n")
        #expect(node.count(.logins) == 3)
        #expect(node.count(.failedLogins) == 1)
        // A second login is an ordinary command.
        #expect(try reply(login + login + "get auth\r\n").hasSuffix("app secret\r\nEND\r\n"))
    }

    @Test("A login is the same however it is cut, and with much behind it")
    func cuts() throws {
        let large = pattern(40_000)
        let input =
            bytes("get a\r\nset auth 0 0 10\r\napp secret\r\n") + setCommand("k", large)
            + bytes("get k\r\n")
        let expected =
            bytes("CLIENT_ERROR unauthenticated\r\nSTORED\r\nSTORED\r\n")
            + valueReply("k", large) + bytes("END\r\n")
        for size in [1, 2, 3, 7, 64, 1_000, 2_047, 2_048, 2_049, 16_384] {
            #expect(try reply(input, cuts: .pieces(byteCount: size)) == expected, "\(size)")
        }
        #expect(node.pool.lentCount == 0)
    }

    @Test(
        "A token that is too long is refused and passes by: 1,024 bytes are looked at, 16,384 are no mistake"
    )
    func longTokens() throws {
        func answer(_ count: Int) throws -> String {
            let token = "app " + String(repeating: "s", count: count - 4)
            return try reply("set auth 0 0 \(count)\r\n\(token)\r\nget a\r\n")
        }
        let unauthenticated = "CLIENT_ERROR unauthenticated\r\n"
        for count in [1_024, 1_025, 16_384] {
            #expect(
                try answer(count) == "CLIENT_ERROR authentication failure\r\n" + unauthenticated)
        }
        #expect(try answer(16_385) == "CLIENT_ERROR auth token too long\r\n" + unauthenticated)
    }

    @Test("A peer that is not logged in keeps no more than 2 KiB; a longer line ends it")
    func smallBuffers() throws {
        let peer = node.open()
        try peer.send(bytes(String(repeating: "x", count: 2_047)))
        #expect(!peer.hasEnded)
        #expect(peer.connection.input.capacity == 2_048)
        #expect(node.pool.lentCount == 0)
        try peer.send(bytes("x"))
        #expect(peer.hasEnded)
        #expect(node.pool.lentCount == 0)
    }

    @Test("A peer that is not known and does not read is owed 2 KiB at most, and read from no more")
    func smallReplies() throws {
        let peer = node.open()
        for _ in 0..<40 { try peer.send(bytes(String(repeating: "abcdef\n", count: 100))) }
        #expect(peer.turn == .outputFull)
        #expect(peer.connection.output.pendingByteCount < 2 * Login.outputByteCountMax)
        try peer.receiveAll()
        #expect(peer.received.count == 40 * 100 * "CLIENT_ERROR unauthenticated\r\n".utf8.count)
    }

    @Test("A login that was not looked at before the node stops is not called wrong")
    func putOff() throws {
        let guesser = node.open()
        try guesser.send(bytes("set auth 0 0 9\r\napp wrong\r\n"))
        let (text, binary) = (node.open(), node.open())
        try text.send(bytes("set auth 0 0 10\r\napp secret\r\n"))
        try binary.send(plain("\u{0}app\u{0}secret"))
        for peer in [text, binary] {
            let waiting = try #require(peer.connection.state.waiting)
            try peer.resume(waiting.ticket, .stopping)
            try peer.receiveAll()
        }
        #expect(
            String(decoding: text.received, as: UTF8.self)
                == "SERVER_ERROR too many logins from this address have failed\r\n")
        #expect(BinaryReplyPacket.all(in: binary.received)?.map(\.status) == [0x86])
        #expect(node.count(.failedLogins) == 1)
    }

    @Test("A peer that goes while it waits leaves nothing behind")
    func gone() throws {
        let peer = node.open()
        try peer.send(bytes("set auth 0 0 9\r\napp wrong\r\nget a\r\n"))
        #expect(peer.connection.state.waiting != nil)
        #expect(peer.received.isEmpty)
        peer.close()
        #expect(node.count(.failedLogins) == 1)
    }

    // MARK: The binary protocol

    private func plain(_ text: String, opcode: UInt8 = 0x21, mechanism: String = "PLAIN") -> [UInt8]
    {
        BinaryPacket(opcode, key: mechanism, value: bytes(text), opaque: 7).bytes
    }

    private func replies(_ input: [UInt8]) throws -> (packets: [BinaryReplyPacket], ends: Bool) {
        let received = try reply(input)
        let end = bytes("(closed)")
        let ends = received.suffix(end.count) == end[...]
        let packets = BinaryReplyPacket.all(in: ends ? received.dropLast(end.count) : received)
        return (try #require(packets), ends)
    }

    @Test("SASL PLAIN logs in, by one message or by two, and tells which mechanisms there are")
    func sasl() throws {
        let noop = BinaryPacket(0x0a).bytes
        let once = try replies(
            BinaryPacket(0x20).bytes + BinaryPacket(0x0b).bytes + plain("\u{0}app\u{0}secret")
                + noop)
        #expect(once.packets.map(\.status) == [0, 0, 0, 0])
        #expect(once.packets.map { String(decoding: $0.value, as: UTF8.self) }[0] == "PLAIN")
        #expect(once.packets[2].value == bytes("Authenticated"))
        #expect(once.packets[2].opaque == 7)
        let twice = try replies(plain("") + plain("app\u{0}app\u{0}secret", opcode: 0x22) + noop)
        #expect(twice.packets.map(\.status) == [0x21, 0, 0])
    }

    @Test(
        "Whatever else comes by SASL is refused, and the connection goes on",
        arguments: [
            "\u{0}app\u{0}wrong", "\u{0}app", "app\u{0}secret", "other\u{0}app\u{0}secret",
            "\u{0}app\u{0}secret\u{0}", "\u{0}\u{0}", "x",
        ])
    func refusedMessages(message: String) throws {
        let result = try replies(plain(message) + plain("\u{0}app\u{0}secret"))
        #expect(result.packets.map(\.status) == [0x20, 0])
        #expect(result.packets[0].value == bytes("Auth failure."))
        #expect(!result.ends)
    }

    @Test(
        "A mechanism that there is not, a step without a beginning and a long message are refused")
    func refusedSteps() throws {
        let right = "\u{0}app\u{0}secret"
        for packet in [
            plain(right, mechanism: "CRAM-MD5"), plain(right, mechanism: ""),
            plain(right, opcode: 0x22), plain(String(repeating: "x", count: 1_027)),
            plain(right, mechanism: String(repeating: "M", count: 33)),
        ] {
            let result = try replies(packet + BinaryPacket(0x0b).bytes)
            #expect(result.packets.first?.status != 0)
            #expect(result.packets.first?.status != 0x21)
        }
    }

    @Test("Any other packet before the login is refused, quiet ones, too, and ends the connection")
    func otherPackets() throws {
        for opcode in UInt8(0)...0x24 where ![0x0b, 0x20, 0x21, 0x22].contains(opcode) {
            let result = try replies(
                BinaryPacket(opcode, key: "k").bytes + plain("\u{0}app\u{0}secret"))
            #expect(result.ends, "\(opcode)")
            #expect(result.packets.count == 1, "\(opcode)")
            #expect(result.packets.first?.status != 0, "\(opcode)")
        }
    }

    @Test("A binary peer that is logged in can do so again, and stays so when that fails")
    func again() throws {
        let result = try replies(
            plain("\u{0}app\u{0}secret") + plain("\u{0}app\u{0}secret") + plain("\u{0}app\u{0}x")
                + BinaryPacket.store(0x01, "k", bytes("v")))
        #expect(result.packets.map(\.status) == [0, 0, 0x20, 0])
        let steps = try replies(
            plain("\u{0}app\u{0}secret") + plain("")
                + plain("\u{0}app\u{0}secret", opcode: 0x22) + BinaryPacket(0x0a).bytes)
        #expect(steps.packets.map(\.status) == [0, 0x21, 0, 0])
    }
}
