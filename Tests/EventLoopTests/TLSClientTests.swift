import Glibc
import TestSupport
import Testing

@testable import EventLoop

/// Both ends of a connection, each of our own.
private struct Ends: ~Copyable {
    let server: TLSStream
    let client: TLSStream

    init(
        _ certificates: TestCertificates, node: String = "node", host: String,
        verification: TLSSettings.Verification = .none,
        _ change: (inout TLSClientSettings) -> Void = { _ in }
    ) throws {
        var settings = TLSSettings(chainFile: certificates.path(node + ".pem"))
        settings.keyFile = certificates.path(node + ".key")
        settings.authorityFile = certificates.path("ca.pem")
        settings.verification = verification
        let context = try TLSContext(settings, now: time(nil))
        var own = TLSClientSettings()
        own.authorityFile = certificates.path("ca.pem")
        change(&own)
        var descriptors: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, type, 0, &descriptors) == 0)
        let socket = EventLoop.Stream(descriptor: descriptors[0])
        let client = try TLSClientContext(own).makeStream(
            EventLoop.Stream(descriptor: descriptors[1]), host: host)
        guard let server = context.makeStream(socket, verification: verification) else {
            throw Trouble("no stream")
        }
        self.init(server: server, client: client)
    }

    private init(server: consuming TLSStream, client: consuming TLSStream) {
        self.server = server
        self.client = client
    }

    /// What the client's handshake ends with; the server's if that fails first.
    func shakeHands() -> TLSStream.Step {
        for _ in 0..<10 {
            let step = client.shakeHands()
            if case .waits = step {} else { return step }
            if case .failed(let reason) = server.shakeHands() {
                return .failed(reason: "server: " + reason)
            }
        }
        return .failed(reason: "no end")
    }
}

@Suite(.timeLimit(.minutes(10)))
struct TLSClientTests {
    @Test("A client and a server of ours understand each other, and bytes go both ways")
    func conversation() throws {
        let certificates = try TestCertificates()
        let ends = try Ends(certificates, host: "127.0.0.1")
        #expect(ends.shakeHands() == .done)
        #expect(ends.server.shakeHands() == .done)
        #expect(ends.client.version == "TLSv1.3")
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0) }
        var sentCount = 0
        var received: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 1 << 15)
        for _ in 0..<1_000 where received.count < bytes.count {
            let step = bytes[sentCount...].withUnsafeBytes { ends.client.write($0) }
            if case .bytes(let count) = step { sentCount += count }
            let read = room.withUnsafeMutableBytes { ends.server.read(into: $0) }
            if case .bytes(let count) = read { received += room[..<count] }
        }
        #expect(received == bytes)
        #expect([1, 2, 3].withUnsafeBytes { ends.server.write($0) } == .bytes(24))
        #expect(room.withUnsafeMutableBytes { ends.client.read(into: $0) } == .bytes(24))
    }

    @Test("A server's certificate has to be for the name or address that is meant")
    func names() throws {
        let certificates = try TestCertificates()
        try certificates.make("named", places: "DNS:sessions.example")
        func step(
            _ node: String, _ host: String, _ change: (inout TLSClientSettings) -> Void = { _ in }
        ) throws -> TLSStream.Step {
            try Ends(certificates, node: node, host: host, change).shakeHands()
        }
        for host in ["127.0.0.1", "localhost"] { #expect(try step("node", host) == .done) }
        #expect(try step("named", "127.0.0.1") { $0.serverName = "sessions.example" } == .done)
        #expect(try step("named", "localhost") { $0.verifiesServerName = false } == .done)
        for (node, host) in [
            ("node", "127.0.0.2"), ("node", "::1"), ("node", "elsewhere.example"),
            ("named", "127.0.0.1"), ("named", "localhost"),
        ] {
            guard case .failed(let reason) = try step(node, host) else {
                Issue.record("\(host) is taken for \(node)")
                continue
            }
            #expect(reason.contains("mismatch"), "\(reason)")
        }
    }

    @Test("A server of another authority is not believed, and a client's certificate is shown")
    func trust() throws {
        let certificates = try TestCertificates()
        try certificates.makeAuthority("other")
        try certificates.make("client")
        let stranger = try Ends(certificates, host: "localhost") {
            $0.authorityFile = certificates.path("other.pem")
        }
        guard case .failed(let reason) = stranger.shakeHands() else {
            Issue.record("it is believed")
            return
        }
        #expect(reason.contains("certificate verify failed"), "\(reason)")
        let known = try Ends(certificates, host: "localhost", verification: .require) {
            $0.chainFile = certificates.path("client.pem")
            $0.keyFile = certificates.path("client.key")
        }
        #expect(known.shakeHands() == .done)
        #expect(known.server.shakeHands() == .done)
        let bare = try Ends(certificates, host: "localhost", verification: .require)
        // In TLS 1.3 the client's handshake ends before the server has seen that nothing was shown.
        #expect(bare.shakeHands() == .done)
        guard case .failed(let reason) = bare.server.shakeHands() else {
            Issue.record("it is let in")
            return
        }
        #expect(reason.contains("did not return a certificate"), "\(reason)")
    }

    @Test("Files of a client that are wrong are told")
    func files() throws {
        let certificates = try TestCertificates()
        try certificates.make("other")
        let exposed = try certificates.write(
            certificates.text("node.key"), to: "exposed.key", mode: 0o644)
        func message(_ change: (inout TLSClientSettings) -> Void) -> String {
            var settings = TLSClientSettings()
            settings.authorityFile = certificates.path("ca.pem")
            settings.chainFile = certificates.path("node.pem")
            settings.keyFile = certificates.path("node.key")
            change(&settings)
            do throws(TLSError) {
                _ = try TLSClientContext(settings)
                return "none"
            } catch {
                return error.description
            }
        }
        #expect(message { _ in } == "none")
        #expect(message { $0.authorityFile = "/nowhere" }.contains("cannot read the CA file"))
        #expect(
            message { $0.keyFile = certificates.path("other.key") }.contains("does not belong to"))
        #expect(message { $0.keyFile = exposed }.contains("can be read by others"))
        #expect(message { $0.chainFile = nil }.contains("is nothing without a certificate"))
    }
}
