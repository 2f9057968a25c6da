import Glibc
import TestSupport
import Testing

/// `sojournd` with TLS as a transcript's node.
private struct SecuredNode: TranscriptNode {
    let node: TLSNode
    let version: Int
    let isBytewise: Bool

    func connect() throws -> TLSPeer {
        try node.connect {
            $0.versions = version...version
            $0.isBytewise = isBytewise
        }
    }

    func pauseClock(through control: TLSPeer) throws { try expectOK("debugtime p", control) }

    func advanceClock(seconds: Int, through control: TLSPeer) throws {
        try expectOK("debugtime \(seconds)", control)
    }

    private func expectOK(_ line: String, _ control: TLSPeer) throws {
        let reply = try control.ask(line)
        guard reply == "OK\r\n" else { throw Trouble("\(line): \(reply)") }
    }

    func problem() -> String? {
        let program = node.node.program
        return program.hasEnded && program.exit != .status(0)
            ? "the node ended: \(String(describing: program.exit))" : nil
    }
}

@Suite(.timeLimit(.minutes(10)))
struct TLSConversationTests {
    private let certificates: TestCertificates

    init() throws { certificates = try TestCertificates() }

    private static let transcripts = [
        "pipelining", "half-close", "value-sizes", "quit", "values-in-flight", "partial-upload",
        "multi-get-187k", "meta-copied-and-pinned", "binary-large-values", "binary-quiet",
        "watch-items", "endless-line", "reqs-per-event",
    ]

    @Test(
        "What is answered over TLS is byte for byte what is answered in clear text",
        arguments: transcripts, [2, 3])
    func transcript(name: String, version: Int) throws {
        let transcript = try TranscriptFiles.read(name + ".txt")
        let clock = transcript.needsClockStopped ? ["-o", "debugtime"] : []
        let node = try TLSNode(
            certificates, options: "ssl_min_version=2",
            flags: clock + transcript.flags + transcript.ownFlags)
        defer { node.node.program.end() }
        try TranscriptRun.hold(
            transcript,
            with: SecuredNode(node: node, version: version, isBytewise: name == "pipelining"),
            as: .own)
    }

    private static func value(_ count: Int) -> String {
        String(
            decoding: (0..<count).map { UInt8(ascii: "a") + UInt8(truncatingIfNeeded: $0 % 23) },
            as: UTF8.self)
    }

    @Test("Values of megabytes arrive and are sent unchanged", arguments: [2, 3])
    func largeValues(version: Int) throws {
        let node = try TLSNode(
            certificates, options: "ssl_min_version=2", flags: ["-I", "4m", "-m", "64"])
        let peer = try node.connect { $0.versions = version...version }
        #expect(peer.version == (version == 2 ? "TLSv1.2" : "TLSv1.3"))
        for count in [16_383, 16_384, 16_385, 100_000, 1_000_000, 3_500_000] {
            let value = Self.value(count)
            #expect(try peer.ask("set k 0 0 \(count)\r\n\(value)") == "STORED\r\n")
            #expect(
                try peer.ask("get k", until: "END\r\n")
                    == "VALUE k 0 \(count)\r\n\(value)\r\nEND\r\n")
        }
    }

    @Test("Small records are used where ssl_wbuf_size says so")
    func smallRecords() throws {
        let node = try TLSNode(certificates, options: "ssl_wbuf_size=1")
        let peer = try node.connect()
        let value = Self.value(100_000)
        #expect(try peer.ask("set k 0 0 100000\r\n\(value)") == "STORED\r\n")
        #expect(
            try peer.ask("get k", until: "END\r\n") == "VALUE k 0 100000\r\n\(value)\r\nEND\r\n")
        #expect(
            try peer.ask("stats settings", until: "END\r\n")
                .contains("STAT ssl_wbuf_size 1024\r\n"))
    }

    @Test("Commands that came in one go are all answered, however many fit a record or a buffer")
    func manyAtOnce() throws {
        let node = try TLSNode(certificates)
        let peer = try node.connect()
        #expect(try peer.ask("set k 0 0 5\r\nvalue") == "STORED\r\n")
        let count = 30_000
        try peer.send(String(repeating: "get k\r\n", count: count) + "mn\r\n")
        let replies = try peer.receive(until: "MN\r\n")
        #expect(
            replies == String(repeating: "VALUE k 0 5\r\nvalue\r\nEND\r\n", count: count) + "MN\r\n"
        )
        // Each by a record of its own, read in one go.
        for _ in 0..<200 { try peer.send("mn\r\n") }
        var left = 200
        while left > 0 { left -= try peer.receive(until: "MN\r\n").utf8.count / 4 }
        #expect(left == 0)
    }

    @Test("A peer that does not read holds nobody up, and gets all when it does")
    func slowReader() throws {
        let node = try TLSNode(certificates, flags: ["-t", "1", "-m", "64"])
        let slow = try node.connect()
        let value = Self.value(1_000_000)
        #expect(try slow.ask("set k 0 0 1000000\r\n\(value)") == "STORED\r\n")
        let count = 8
        try slow.send(String(repeating: "get k\r\n", count: count) + "quit\r\n")
        let other = try node.connect()
        for _ in 0..<100 { #expect(try other.ask("mn") == "MN\r\n") }
        let one = "VALUE k 0 1000000\r\n\(value)\r\nEND\r\n"
        let all = try slow.receiveUntilEnd()
        #expect(all.utf8.count == one.utf8.count * count)
        #expect(all == String(repeating: one, count: count))
        #expect(slow.hasGoodbye)
        try wait(for: "values to come free") { try node.counter("pinned_bytes") == 0 }
    }

    @Test("Who has said goodbye gets what is owed, and a goodbye", arguments: [2, 3])
    func halfClose(version: Int) throws {
        let node = try TLSNode(certificates, options: "ssl_min_version=2")
        let peer = try node.connect { $0.versions = version...version }
        #expect(try peer.ask("set k 0 0 1\r\nx") == "STORED\r\n")
        try peer.send(String(repeating: "get k\r\n", count: 100))
        try peer.endSending()
        #expect(
            try peer.receiveUntilEnd()
                == String(repeating: "VALUE k 0 1\r\nx\r\nEND\r\n", count: 100))
        #expect(peer.hasGoodbye)
        #expect(try node.counter("ssl_cut_off_connections") == 0)
        #expect(try node.counter("ssl_proto_errors") == 0)
    }

    @Test("A connection that is cut off is closed and counted; what it had asked is answered")
    func cutOff() throws {
        let node = try TLSNode(certificates)
        let peer = try node.connect()
        try peer.send("set k 0 0 1\r\nx\r\nget k\r\nset k 0 0 5\r\nha")
        peer.wire.endSending()
        #expect(try peer.receiveUntilEnd() == "STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
        try node.expect("ssl_cut_off_connections", 1)
        // It stays: its end would be counted.
        let other = try node.connect()
        #expect(try other.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\nx\r\nEND\r\n")
        // In the middle of a record.
        let torn = try node.connect()
        try torn.wire.send([23, 3, 3, 0, 100, 1, 2, 3])
        torn.wire.endSending()
        #expect(try torn.receiveUntilEnd() == "")
        try node.expect("ssl_cut_off_connections", 2)
        #expect(try other.ask("mn") == "MN\r\n")
    }

    @Test("A record that was tampered with ends the connection, and is counted")
    func tamperedRecord() throws {
        let node = try TLSNode(certificates)
        let peer = try node.connect()
        #expect(try peer.ask("mn") == "MN\r\n")
        try peer.wire.send([23, 3, 3, 0, 32] + [UInt8](repeating: 7, count: 32))
        #expect(try peer.receiveUntilEnd() == "")
        try node.expect("ssl_proto_errors", 1)
        #expect(try node.connect().ask("mn") == "MN\r\n")
    }

    @Test("Keys may be changed at any time, in the middle of a large reply, too")
    func keyUpdate() throws {
        let node = try TLSNode(certificates)
        let peer = try node.connect()
        let value = Self.value(1_000_000)
        #expect(try peer.ask("set k 0 0 1000000\r\n\(value)") == "STORED\r\n")
        for _ in 0..<3 {
            try peer.send("get k\r\nget k\r\n")
            try peer.updateKeys()
            try peer.send("mn\r\n")
            let replies = try peer.receive(until: "MN\r\n")
            #expect(
                replies == String(repeating: "VALUE k 0 1000000\r\n\(value)\r\nEND\r\n", count: 2)
                    + "MN\r\n")
        }
    }

    @Test("stats conns tells of a connection, and of a handshake")
    func connections() throws {
        let node = try TLSNode(certificates)
        let peer = try node.connect()
        let silent = try node.connectBare()
        try wait(for: "the silent one to be shown") {
            try peer.ask("stats conns", until: "END\r\n").contains(":state conn_handshake\r\n")
        }
        silent.close()
        try wait(for: "the silent one to go") {
            try !peer.ask("stats conns", until: "END\r\n").contains("conn_handshake")
        }
    }
}
