import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct TLSHandshakeTests {
    private let certificates: TestCertificates

    init() throws { certificates = try TestCertificates() }

    /// Whether a client is served.
    private func isServed(_ connect: () throws -> TLSPeer) throws -> Bool {
        do {
            return try connect().ask("mn") == "MN\r\n"
        } catch let trouble as Trouble {
            // The node hangs up, or says so by an alert.
            _ = trouble
            return false
        }
    }

    @Test("TLS 1.3 alone is spoken, and 1.2 where ssl_min_version says so; never 1.0 and 1.1")
    func versions() throws {
        let strict = try TLSNode(certificates)
        let lenient = try TLSNode(certificates, options: "ssl_min_version=2")
        for version in 0...3 {
            let served = try [strict, lenient].map { node in
                try isServed { try node.connect { $0.versions = version...version } }
            }
            #expect(served == [version == 3, version >= 2], "\(version)")
        }
        try strict.expect("ssl_handshake_errors", 3)
        try lenient.expect("ssl_handshake_errors", 2)
    }

    @Test("Ciphers are those that ssl_ciphers says")
    func ciphers() throws {
        let node = try TLSNode(
            certificates,
            options:
                "ssl_min_version=2,ssl_ciphers=TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
        )
        for version in 2...3 {
            #expect(try isServed { try node.connect { $0.versions = version...version } })
        }
        let wrong = try Program.run(
            RunningNode.sojourndPath(), certificates.flags("node", "ssl_ciphers=nonsense"))
        #expect(wrong.exit == .status(64) && wrong.errors.contains("ssl_ciphers=nonsense"))
    }

    @Test(
        "A client that does not speak TLS is closed at once, and counted",
        arguments: [
            "get k\r\n", "GET / HTTP/1.1\r\n\r\n", "\u{1}", "SSH-2.0-x\r\n",
        ])
    func clearText(bytes: String) throws {
        let node = try TLSNode(certificates)
        let peer = try node.connectBare()
        try peer.send(bytes)
        #expect(try peer.receiveUntilEnd() == "")
        try node.expect("ssl_plaintext_clients", 1)
        #expect(try node.counter("ssl_handshake_errors") == 1)
        // The binary protocol's first byte.
        let binary = try node.connectBare()
        try binary.send([0x80])
        #expect(try binary.receiveUntilEnd() == "")
        try node.expect("ssl_plaintext_clients", 2)
        #expect(try node.connect().ask("mn") == "MN\r\n")
    }

    @Test("Who only looks whether the port is open makes no mistake")
    func probe() throws {
        let node = try TLSNode(certificates)
        for _ in 0..<5 { try node.connectBare().close() }
        try wait(for: "them to be gone") { try node.counter("curr_connections") == 1 }
        #expect(try node.counter("ssl_handshake_errors") == 0)
    }

    @Test("A handshake in pieces of one byte is a handshake")
    func bytewise() throws {
        let node = try TLSNode(certificates, options: "ssl_min_version=2")
        for version in 2...3 {
            let peer = try node.connect {
                $0.versions = version...version
                $0.isBytewise = true
            }
            #expect(try peer.ask("mn") == "MN\r\n")
        }
    }

    @Test("A megabyte of nonsense for a handshake is not read to its end")
    func garbage() throws {
        let node = try TLSNode(certificates)
        // A record that announces a ClientHello of 16 MB; then no handshake at all; then an endless one.
        let heads: [[UInt8]] = [
            [22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff], [22, 3, 1, 0, 4, 9, 9, 9, 9], [22, 22, 22],
        ]
        for head in heads {
            let peer = try node.connectBare()
            try peer.send(head + [UInt8](repeating: 1, count: 1 << 20))
            _ = try peer.receiveUntilEnd()
        }
        try node.expect("ssl_handshake_errors", 3)
        #expect(try node.connect().ask("mn") == "MN\r\n")
    }

    @Test("A handshake that takes too long is closed and counted, whether begun or not")
    func overdue() throws {
        let node = try TLSNode(certificates, options: "ssl_handshake_timeout=1")
        let served = try node.connect()
        let silent = try node.connectBare()
        let stalled = try node.connect(shakesHands: false)
        #expect(try !stalled.stepHandshake())
        let dripping = try node.connectBare()
        for byte: UInt8 in [22, 3, 1, 1] {
            try dripping.send([byte])
            usleep(300_000)
        }
        #expect(try silent.receiveUntilEnd() == "")
        _ = try stalled.wire.receiveUntilEnd()
        #expect(try dripping.receiveUntilEnd() == "")
        try node.expect("ssl_handshake_timeouts", 3)
        #expect(try node.counter("ssl_handshake_errors") == 3)
        #expect(try served.ask("mn") == "MN\r\n")
    }

    @Test("Those that stand still make way when too many are under way")
    func crowd() throws {
        let node = try TLSNode(
            certificates, options: "ssl_handshakes=4,ssl_handshake_timeout=600", flags: ["-t", "1"])
        let stalled = try (0..<8).map { _ in try node.connect(shakesHands: false) }
        for peer in stalled { #expect(try !peer.stepHandshake()) }
        // It waits for a place, and gets one.
        #expect(try node.connect().ask("mn") == "MN\r\n")
        let count = try node.counter("ssl_handshake_timeouts")
        #expect(count >= 4 && count <= 8)
    }

    @Test("Two hundred that come at once are all let in, a few at a time")
    func storm() throws {
        let node = try TLSNode(certificates, options: "ssl_handshakes=8", flags: ["-t", "2"])
        let peers = try (0..<200).map { _ in try node.connect(shakesHands: false) }
        for peer in peers { #expect(try !peer.stepHandshake()) }
        for peer in peers {
            try peer.goOnShakingHands()
            #expect(try peer.ask("mn") == "MN\r\n")
        }
        #expect(try node.counter("ssl_handshake_errors") == 0)
        #expect(try node.counter("curr_connections") >= 200)
    }

    @Test("The node stops in order while handshakes are under way")
    func stopping() throws {
        let node = try TLSNode(certificates)
        let peers = try (0..<10).map { _ in try node.connect(shakesHands: false) }
        for peer in peers.dropFirst(3) { _ = try peer.stepHandshake() }
        node.node.program.send(SIGTERM)
        #expect(try node.node.program.waitForExit() == .status(0))
    }
}
