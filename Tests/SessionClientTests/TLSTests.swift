import Glibc
import HashRing
import NIOCore
import TestSupport
import Testing

@testable import SessionClient

/// A configuration that believes `ca`.
private func configuration(
    _ certificates: TestCertificates,
    _ change: (inout CacheClientConfiguration.TLS) -> Void = { _ in }
) -> CacheClientConfiguration {
    quickConfiguration {
        var tls = CacheClientConfiguration.TLS(authorityFile: certificates.path("ca.pem"))
        change(&tls)
        $0.tls = tls
    }
}

/// The error that a retrieval ends with; nil if it ends well.
private func failure(
    of node: Node, _ configuration: CacheClientConfiguration
) async throws -> CacheError? {
    try await withClient([node], configuration) { cache in
        do throws(CacheError) {
            _ = try await cache.get("k")
            return nil
        } catch {
            return error
        }
    }
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct TLSTests {
    @Test("Items go to a node and back under TLS, large ones, too", arguments: ServerKind.allCases)
    func items(kind: ServerKind) async throws {
        let certificates = try TestCertificates()
        let server = try kind.start(certificates.flags())
        try await withClient([server.ringNode], configuration(certificates)) { cache in
            let large = String(repeating: "0123456789", count: 90_000)
            for (name, text) in [("small", "ours"), ("large", large)] {
                let key = try CacheKey(name)
                #expect(try await cache.get(key) == nil)
                _ = try await cache.set(key, to: .text(text))
                #expect(try await cache.get(key)?.text == text)
            }
            var keys: [CacheKey] = []
            for number in 0..<500 {
                keys.append(try CacheKey("k\(number)"))
                _ = try await cache.set(keys[number], to: .text("\(number)"))
            }
            let found = await cache.get(keys)
            #expect(keys.allSatisfy { "k" + (found[$0]?.text ?? "") == "\($0)" })
        }
    }

    @Test("A client that speaks TLS 1.3 only is understood", arguments: ServerKind.allCases)
    func newest(kind: ServerKind) async throws {
        let certificates = try TestCertificates()
        let server = try kind.start(certificates.flags())
        let configuration = configuration(certificates) { $0.minimumVersion = .tls13 }
        #expect(try await failure(of: server.ringNode, configuration) == nil)
    }

    @Test("Nothing is sent to a node whose certificate another authority has signed")
    func otherAuthority() async throws {
        let certificates = try TestCertificates()
        try certificates.makeAuthority("other")
        let node = try RunningNode.sojournd(
            certificates.flags() + ["-l", "notls:127.0.0.1,127.0.0.1"])
        guard case .tcp(let port) = node.places[1] else { throw Trouble("no port") }
        let ringNode = Node(host: "127.0.0.1", port: Int(port))
        #expect(try await failure(of: ringNode, configuration(certificates)) == nil)
        let configuration = configuration(certificates) {
            $0.authorityFile = certificates.path("other.pem")
        }
        let error = try await failure(of: ringNode, configuration)
        #expect(error?.code == .nodeUnavailable)
        #expect(error?.reason?.contains("not signed by those who are believed") == true, "\(error)")
        #expect(try node.counter("cmd_get") == 1)
        // The system's authorities do not know it either.
        let system = try await failure(
            of: ringNode, quickConfiguration { $0.tls = CacheClientConfiguration.TLS() })
        #expect(system?.code == .nodeUnavailable)
    }

    @Test("A node's certificate has to be for its name, if that is wanted")
    func name() async throws {
        let certificates = try TestCertificates()
        try certificates.make("named", places: "DNS:sessions.example,DNS:*.cache.example")
        let server = try RunningNode.sojournd(certificates.flags("named"))
        let node = try server.ringNode
        func failure(
            _ change: (inout CacheClientConfiguration.TLS) -> Void
        ) async throws -> CacheError? {
            try await SessionClientTests.failure(of: node, configuration(certificates, change))
        }
        for name in ["sessions.example", "SESSIONS.example", "a.cache.example"] {
            #expect(try await failure { $0.serverName = name } == nil, "\(name)")
        }
        for name in [nil, "localhost", "elsewhere.example", "cache.example", "a.b.cache.example"] {
            let error = try await failure { $0.serverName = name }
            #expect(error?.code == .nodeUnavailable, "\(String(describing: name))")
            #expect(error?.reason?.contains("for another name") == true, "\(error)")
        }
        let careless = try await failure {
            $0.serverName = "elsewhere.example"
            $0.verifiesServerName = false
        }
        #expect(careless == nil)
        // Its own host, a name or an address, is what it is without another one.
        let local = try RunningNode.sojournd(certificates.flags())
        for host in ["localhost", "127.0.0.1"] {
            let node = Node(host: host, port: try local.port)
            #expect(
                try await SessionClientTests.failure(of: node, configuration(certificates)) == nil)
        }
    }

    @Test("A node that asks for certificates gets the client's")
    func clientCertificate() async throws {
        let certificates = try TestCertificates()
        try certificates.make("client")
        try certificates.makeAuthority("other")
        try certificates.make("stranger", signedBy: "other")
        let server = try RunningNode.sojournd(
            certificates.flags(
                "node", "ssl_ca_cert=\(certificates.path("ca.pem")),ssl_verify_mode=2"))
        func failure(_ name: String?) async throws -> CacheError? {
            let configuration = configuration(certificates) {
                $0.certificateFile = name.map { certificates.path($0 + ".pem") }
                $0.keyFile = name.map { certificates.path($0 + ".key") }
            }
            return try await SessionClientTests.failure(of: server.ringNode, configuration)
        }
        #expect(try await failure("client") == nil)
        let bare = try await failure(nil)
        #expect(bare?.code == .nodeUnavailable)
        #expect(bare?.reason?.contains("asks for a certificate") == true, "\(bare)")
        let stranger = try await failure("stranger")
        #expect(stranger?.code == .nodeUnavailable)
        #expect(stranger?.reason?.contains("refuses this client's") == true, "\(stranger)")
    }

    @Test("A node that speaks clear text, or hangs up, cannot be reached")
    func clearText() async throws {
        let certificates = try TestCertificates()
        let plain = try RunningNode.sojournd()
        var configuration = configuration(certificates)
        configuration.connectTimeout = .milliseconds(200)
        let error = try await failure(of: plain.ringNode, configuration)
        #expect(error?.code == .nodeUnavailable, "\(error)")
        let gone = try RunningNode.sojournd(certificates.flags())
        let node = try gone.ringNode
        gone.program.end()
        #expect(try await failure(of: node, configuration)?.code == .nodeUnavailable)
    }

    @Test("A definition says how nodes are reached, unless the configuration does")
    func definition() async throws {
        let certificates = try TestCertificates()
        let users = try certificates.write("shop:4711\nbot:0815\n", to: "users")
        let server = try RunningNode.memcached(certificates.flags() + ["-Y", users])
        let path = try certificates.write(
            """
            tls: {ca: \(certificates.path("ca.pem")), server_name: localhost}
            credentials_file: \(users)
            nodes: [{host: 127.0.0.1, port: \(server.port)}]
            """, to: "cluster.yaml")
        func failure(
            _ change: (inout CacheClientConfiguration) -> Void
        ) async throws -> CacheError.Code? {
            let client = try CacheClient(
                membership: .definition(path: path), configuration: quickConfiguration(change))
            defer { client.shutDown() }
            return await code { _ = try await client.get("k") }
        }
        #expect(try await failure { _ in } == nil)
        #expect(
            try await failure { $0.credentials = Credentials(user: "bot", password: "4711") }
                == .authenticationFailed)
        #expect(try await failure { $0.tls = CacheClientConfiguration.TLS() } == .nodeUnavailable)
        chmod(users, 0o644)
        await #expect(throws: ConfigurationError.self) { _ = try await failure { _ in } }
    }

    @Test("Files that cannot be used are told with their names when the client is made")
    func files() throws {
        let certificates = try TestCertificates()
        try certificates.make("other")
        try certificates.run([
            "pkey", "-in", certificates.path("node.key"), "-aes256", "-passout", "pass:secret",
            "-out", certificates.path("encrypted.key"),
        ])
        let exposed = try certificates.write(
            certificates.text("node.key"), to: "exposed.key", mode: 0o644)
        let empty = try certificates.write("nothing\n", to: "empty")
        let missing = certificates.path("missing")
        func message(_ change: (inout CacheClientConfiguration.TLS) -> Void) -> String {
            let configuration = configuration(certificates) {
                $0.certificateFile = certificates.path("node.pem")
                $0.keyFile = certificates.path("node.key")
                change(&$0)
            }
            do {
                try CacheClient(nodes: [Node(host: "127.0.0.1")], configuration: configuration)
                    .shutDown()
                return "none"
            } catch let error as ConfigurationError {
                return error.description
            } catch {
                return "another kind: \(error)"
            }
        }
        let noFile = "No such file or directory"
        #expect(message { _ in } == "none")
        #expect(
            message { $0.authorityFile = missing }
                == "cannot read the CA file \(missing): \(noFile)")
        #expect(
            message { $0.authorityFile = empty }
                == "the CA file \(empty) has no certificates in PEM format")
        #expect(
            message { $0.certificateFile = missing }
                == "cannot read the certificate \(missing): \(noFile)")
        #expect(
            message { $0.keyFile = missing } == "cannot read the key \(missing): \(noFile)")
        #expect(
            message { $0.keyFile = exposed }
                == "the key \(exposed) can be read by others: its mode is 0644, and should be 0600")
        let encrypted = certificates.path("encrypted.key")
        #expect(
            message { $0.keyFile = encrypted }
                == "the key \(encrypted) has no key in PEM format, or an encrypted one")
        let other = certificates.path("other.key")
        #expect(
            message { $0.keyFile = other }
                == "the key \(other) with the certificate \(certificates.path("node.pem")) cannot be "
                + "used: they do not belong together")
        #expect(message { $0.certificateFile = nil } == "tls.keyFile needs tls.certificateFile")
        #expect(message { $0.serverName = "127.0.0.1" }.contains("tls.serverName"))
        #expect(message { $0.serverName = "" }.contains("tls.serverName"))
    }
}
