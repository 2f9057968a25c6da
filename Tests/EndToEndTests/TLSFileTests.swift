import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct TLSFileTests {
    private let certificates: TestCertificates

    init() throws { certificates = try TestCertificates() }

    private func refusal(_ flags: [String]) throws -> String {
        // Else it says that it runs as root.
        let user = getuid() == 0 ? ["-u", "root"] : []
        let result = try Program.run(RunningNode.sojourndPath(), user + ["-p", "-1"] + flags)
        #expect(result.exit == .status(64), "\(flags): \(result.errors)")
        #expect(result.errors.split(separator: "\n").count == 1, "\(result.errors)")
        return result.errors
    }

    @Test("Files that are wrong are refused at the start, with what is wrong and where")
    func wrongFiles() throws {
        try certificates.make("old", days: -1)
        try certificates.makeEarly("early")
        try certificates.make("client-only", extensions: "extendedKeyUsage=clientAuth")
        try certificates.makeAuthority("middle", signedBy: "ca")
        try certificates.make("leaf", signedBy: "middle")
        try certificates.make("open")
        chmod(certificates.path("open.key"), 0o640)
        try certificates.make("locked")
        try certificates.run([
            "pkcs8", "-topk8", "-in", certificates.path("node.key"), "-passout", "pass:x",
            "-out", certificates.path("locked.key"),
        ])
        chmod(certificates.path("locked.key"), 0o600)
        // root may let a group read it; the rule is one's own otherwise.
        chown(certificates.path("open.key"), getuid() == 0 ? 1 : getuid(), getgid())
        let leaf = try certificates.text("leaf.pem")
        let middle = try certificates.text("middle.pem")
        let root = try certificates.text("ca.pem")
        let wrongOrder = try certificates.write(leaf + root + middle, to: "wrong.pem")
        let junk = try certificates.write("nothing\n", to: "junk.pem")
        let key = certificates.path("leaf.key")
        func files(_ chain: String, _ key: String) -> [String] {
            ["-Z", "-o", "ssl_chain_cert=\(chain),ssl_key=\(key)"]
        }
        let node = (certificates.path("node.pem"), certificates.path("node.key"))
        let expected: [(flags: [String], parts: [String])] = [
            (files("/nowhere.pem", node.1), ["chain /nowhere.pem", "No such file"]),
            (files("/etc", node.1), ["chain /etc", "is not a file"]),
            (files(node.0, "/nowhere.key"), ["key /nowhere.key", "No such file"]),
            (files(junk, node.1), [junk, "no certificate"]),
            (files(node.0, junk), ["key \(junk)", "no key that can be read"]),
            (files(node.0, key), [key, node.0, "CN=node", "does not belong"]),
            (certificates.flags("old"), ["old.pem", "CN=old", "expired on"]),
            (certificates.flags("early"), ["early.pem", "CN=early", "not valid before"]),
            (certificates.flags("client-only"), ["client-only.pem", "not for servers"]),
            (
                files(wrongOrder, key),
                [wrongOrder, "certificate 2 (CN=ca)", "not issued", "CN=leaf"]
            ),
            (certificates.flags("open"), ["open.key", "read by others", "0640"]),
            (
                files(node.0, certificates.path("locked.key")), ["locked.key", "encrypted"]
            ),
            (
                certificates.flags("node", "ssl_ca_cert=\(junk)"),
                ["CA file \(junk)", "no certificate"]
            ),
            (
                certificates.flags("node", "ssl_ca_cert=/nowhere"),
                ["CA file /nowhere", "No such file"]
            ),
            (certificates.flags("node", "ssl_verify_mode=2"), ["ssl_ca_cert"]),
            (certificates.flags() + ["-l", "mtls:127.0.0.1"], ["ssl_ca_cert"]),
        ]
        for (flags, parts) in expected {
            let line = try refusal(flags)
            for part in parts { #expect(line.contains(part), "\(part) is not in: \(line)") }
        }
        // Whatever is wrong was so in these only.
        let right = try certificates.write(leaf + middle, to: "right.pem")
        let running = try RunningNode.sojournd(files(right, key))
        #expect(!running.program.hasEnded)
    }

    @Test("Options that are wrong are refused")
    func wrongOptions() throws {
        let expected: [(flags: [String], line: String)] = [
            (["-Z"], "-Z needs a certificate: -o ssl_chain_cert=FILE,ssl_key=FILE"),
            (["-o", "ssl_key=x"], "ssl_key has no meaning without -Z"),
            (["-l", "notls:127.0.0.1"], "'notls' option is valid only when SSL is enabled"),
            (["-l", "mtls:127.0.0.1"], "'mtls' option is valid only when SSL is enabled"),
            (
                certificates.flags() + ["-s", "/tmp/none"],
                "-Z has no meaning with -s: nothing of a Unix socket is encrypted"
            ),
            (certificates.flags() + ["-l", "btls:"], "-l btls: has no address"),
            (
                certificates.flags("node", "ssl_min_version=1"),
                "ssl_min_version=1 is TLS 1.1, which is not safe and not spoken; 2 is TLS 1.2, 3 is TLS 1.3"
            ),
            (
                certificates.flags("node", "ssl_min_version=4"),
                "ssl_min_version must be 0 to 3, not \"4\""
            ),
            (
                certificates.flags("node", "ssl_verify_mode=x"),
                "ssl_verify_mode must be 0 to 3, not \"x\""
            ),
            (
                certificates.flags("node", "ssl_keyformat=ENGINE"),
                "ssl_keyformat must be PEM or DER (1 or 2), not \"ENGINE\""
            ),
            (
                certificates.flags("node", "ssl_wbuf_size=0"),
                "ssl_wbuf_size must be 1 to 1024, not \"0\""
            ),
            (
                certificates.flags("node", "ssl_handshakes=0"),
                "ssl_handshakes must be 1 to 65536, not \"0\""
            ),
            (certificates.flags("node", "ssl_nonsense"), "Illegal suboption \"ssl_nonsense\""),
        ]
        for (flags, line) in expected { #expect(try refusal(flags) == line + "\n") }
    }

    @Test("A key of DER is read, and one that is in the chain's file")
    func otherKeys() throws {
        try certificates.run([
            "pkcs8", "-topk8", "-nocrypt", "-in", certificates.path("node.key"), "-outform", "DER",
            "-out", certificates.path("node.der"),
        ])
        chmod(certificates.path("node.der"), 0o600)
        let both = try certificates.write(
            try certificates.text("node.pem") + certificates.text("node.key"), to: "both.pem")
        let chain = certificates.path("node.pem")
        let options = [
            "ssl_chain_cert=\(chain),ssl_key=\(certificates.path("node.der")),ssl_keyformat=DER",
            "ssl_chain_cert=\(chain),ssl_key=\(certificates.path("node.der")),ssl_keyformat=2",
            "ssl_chain_cert=\(both)",
        ]
        for options in options {
            let node = try RunningNode.sojournd(["-Z", "-o", options])
            #expect(try TLSPeer(node.places[0]).ask("mn") == "MN\r\n")
        }
    }

    // MARK: Reading again

    /// Puts another certificate in the place of the node's.
    private func replace(_ name: String, by other: String) throws {
        for suffix in [".pem", ".key"] {
            let fresh = try certificates.write(try certificates.text(other + suffix), to: "fresh")
            #expect(rename(fresh, certificates.path(name + suffix)) == 0)
        }
    }

    @Test("refresh_certs and SIGHUP take new files for new connections; old ones go on")
    func refresh() throws {
        try certificates.make("second")
        try certificates.make("third")
        let node = try TLSNode(certificates)
        let old = try node.connect()
        #expect(old.nodeName == "node")
        try replace("node", by: "second")
        #expect(try node.connect().nodeName == "node")
        #expect(try old.ask("refresh_certs") == "OK\r\n")
        let newer = try node.connect()
        #expect(newer.nodeName == "second")
        try replace("node", by: "third")
        node.node.program.send(SIGHUP)
        try wait(for: "the third") { try node.connect().nodeName == "third" }
        for peer in [old, newer] { #expect(try peer.ask("mn") == "MN\r\n") }
        #expect(try node.counter("time_since_server_cert_refresh") < 60)
        #expect(try node.counter("ssl_cert_seconds_left") > 86_400)
    }

    @Test("What is wrong when it is read again is told, and the node goes on with what it has")
    func wrongRefresh() throws {
        try certificates.make("other")
        let node = try TLSNode(certificates)
        let kept = try certificates.text("node.key")
        _ = try certificates.write(try certificates.text("other.key"), to: "node.key")
        let answer = try node.connect().ask("refresh_certs")
        #expect(answer.hasPrefix("Error ") && answer.contains("does not belong"), "\(answer)")
        unlink(certificates.path("node.key"))
        #expect(
            try node.connect().ask("refresh_certs")
                == "Error cannot read the key \(certificates.path("node.key")): No such file or directory\r\n"
        )
        node.node.program.send(SIGHUP)
        try wait(for: "the log") {
            node.node.program.errors.contains("the certificates stay as they were")
        }
        #expect(try node.connect().nodeName == "node")
        _ = try certificates.write(kept, to: "node.key")
        #expect(try node.connect().ask("refresh_certs") == "OK\r\n")
    }

    @Test("Reading again under load breaks no connection and refuses none")
    func refreshUnderLoad() throws {
        try certificates.make("second")
        let node = try TLSNode(certificates)
        let peers = try (0..<8).map { _ in try node.connect() }
        for round in 0..<30 {
            try replace("node", by: "second")
            for peer in peers { try peer.send("set k\(round) 0 0 1\r\nx\r\nget k\(round)\r\n") }
            node.node.program.send(SIGHUP)
            #expect(try node.connect().ask("mn") == "MN\r\n")
            for peer in peers {
                #expect(
                    try peer.receive(until: "END\r\n")
                        == "STORED\r\nVALUE k\(round) 0 1\r\nx\r\nEND\r\n")
            }
        }
        #expect(try node.counter("ssl_handshake_errors") == 0)
    }

    @Test("A supervised node knows which of its listeners are secured, and how")
    func supervised() throws {
        let node = try TLSNode(
            certificates, options: "ssl_ca_cert=\(certificates.path("ca.pem"))",
            places: ["btls:127.0.0.1", "mtls:127.0.0.1"], flags: ["--supervise"])
        #expect(try node.node.connect().ask("mn") == "MN\r\n")
        #expect(try node.connect().ask("mn") == "MN\r\n")
        #expect(throws: Trouble.self) { try node.connect(to: 1).ask("mn") }
    }

    @Test("Names of statistics and settings are memcached's, and more")
    func names() throws {
        func names(_ page: String, _ peer: TLSPeer) throws -> [String] {
            try peer.ask(page, until: "END\r\n").split(separator: "\r\n")
                .map { String($0.split(separator: " ").dropFirst().first ?? "") }
                .filter { $0.hasPrefix("ssl_") || $0.hasPrefix("time_since") }
        }
        let options = "ssl_session_cache"
        let node = try TLSNode(certificates, options: options)
        let oracle = try RunningNode.memcached(certificates.flags("node", options))
        for page in ["stats", "stats settings"] {
            let wanted = try names(page, TLSPeer(oracle.places[0]))
            #expect(wanted.count >= 3)
            let shown = try names(page, node.connect())
            #expect(Set(wanted).subtracting(shown) == [])
        }
    }
}
