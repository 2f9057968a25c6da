import TestSupport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct TLSClientCertificateTests {
    private let certificates: TestCertificates

    init() throws {
        certificates = try TestCertificates()
        try certificates.make("client")
        try certificates.make("old", days: -1)
        try certificates.make("server-only", extensions: "extendedKeyUsage=serverAuth")
        try certificates.makeAuthority("other-ca")
        try certificates.make("stranger", signedBy: "other-ca")
    }

    private func isServed(_ node: TLSNode, by name: String?, at place: Int = 0) throws -> Bool {
        do {
            let peer = try node.connect(to: place) { options in
                guard let name else { return }
                options.certificate = (
                    certificates.path(name + ".pem"), certificates.path(name + ".key")
                )
            }
            return try peer.ask("mn") == "MN\r\n"
        } catch is Trouble {
            return false
        }
    }

    @Test(
        "A certificate must be signed by the authority, good today, and for clients",
        arguments: [2, 3])
    func required(mode: Int) throws {
        let node = try TLSNode(
            certificates,
            options: "ssl_verify_mode=\(mode),ssl_ca_cert=\(certificates.path("ca.pem"))")
        #expect(try isServed(node, by: "client"))
        for name in [nil, "old", "server-only", "stranger"] {
            #expect(try !isServed(node, by: name), "\(name ?? "none")")
        }
        try node.expect("ssl_handshake_errors", 4)
    }

    @Test("With ssl_verify_mode=1 none is good, and a bad one is not; with 0 nobody is asked")
    func requested() throws {
        let authority = "ssl_ca_cert=\(certificates.path("ca.pem"))"
        let asking = try TLSNode(certificates, options: "ssl_verify_mode=1,\(authority)")
        #expect(try isServed(asking, by: nil))
        #expect(try isServed(asking, by: "client"))
        #expect(try !isServed(asking, by: "stranger"))
        let silent = try TLSNode(certificates, options: authority)
        #expect(try isServed(silent, by: "stranger"))
    }

    @Test("A certificate that its authority has taken back is refused")
    func revoked() throws {
        try certificates.make("thief")
        let both = try certificates.write(
            try certificates.text("ca.pem") + certificates.revocations(of: "thief"),
            to: "both.pem")
        let node = try TLSNode(
            certificates, options: "ssl_verify_mode=2,ssl_ca_cert=\(both)")
        #expect(try isServed(node, by: "client"))
        #expect(try !isServed(node, by: "thief"))
    }

    @Test("Each listener has its own rule: clear text, TLS as the options say, without and with")
    func listeners() throws {
        let node = try TLSNode(
            certificates, options: "ssl_ca_cert=\(certificates.path("ca.pem"))",
            places: ["127.0.0.1", "btls:127.0.0.1", "mtls:127.0.0.1"])
        #expect(try node.node.connect().ask("mn") == "MN\r\n")
        for place in 0..<3 {
            #expect(try isServed(node, by: nil, at: place) == (place < 2))
            #expect(try isServed(node, by: "client", at: place))
        }
    }

    @Test("A session that began without a certificate is not gone on with where one is required")
    func foreignSession() throws {
        let node = try TLSNode(
            certificates, options: "ssl_ca_cert=\(certificates.path("ca.pem"))",
            places: ["btls:127.0.0.1", "mtls:127.0.0.1"])
        let first = try node.connect()
        #expect(try first.ask("mn") == "MN\r\n")
        let session = try first.takeSession()
        let again = try node.connect { $0.resumes = session }
        #expect(try again.ask("mn") == "MN\r\n")
        #expect(again.isResumed)
        let next = try again.takeSession()
        #expect(throws: Trouble.self) {
            try node.connect(to: 1) { $0.resumes = next }.ask("mn")
        }
    }

    @Test(
        "A session is gone on with: by tickets, and in TLS 1.2 without them by the cache",
        arguments: [2, 3], [true, false])
    func resumption(version: Int, isCached: Bool) throws {
        let options = "ssl_min_version=2" + (isCached ? ",ssl_session_cache" : "")
        let node = try TLSNode(certificates, options: options)
        let first = try node.connect { $0.versions = version...version }
        #expect(try first.ask("mn") == "MN\r\n")
        #expect(!first.isResumed)
        let session = try first.takeSession()
        try first.endSending()
        #expect(try first.receiveUntilEnd() == "")
        let second = try node.connect {
            $0.versions = version...version
            $0.resumes = session
        }
        #expect(second.isResumed)
        #expect(try second.ask("mn") == "MN\r\n")
        try node.expect("ssl_resumed_sessions", 1)
        if isCached {
            #expect(try node.counter("ssl_new_sessions") == 1)
        } else {
            #expect(try node.node.counter("ssl_new_sessions") == nil)
        }
    }
}
