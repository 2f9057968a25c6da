import Glibc
import TestSupport
import Testing

/// Members that speak TLS to each other.
@Suite(.timeLimit(.minutes(10)))
struct MemberTLSTests {
    private let everywhere = [0, 1, 2]
    private let certificates: TestCertificates

    init() throws { certificates = try TestCertificates() }

    /// The definition's line.
    private func peers(
        _ name: String = "member", ca: String = "ca", key: String? = nil,
        serverName: String = "members"
    ) -> String {
        """
        peers: {tls: {ca: \(certificates.path(ca + ".pem")), cert: \(certificates.path(name + ".pem")), \
        key: \(certificates.path((key ?? name) + ".key")), server_name: \(serverName)}}
        """
    }

    private func makeMember(_ name: String = "member", signedBy issuer: String = "ca") throws {
        try certificates.make(name, signedBy: issuer, places: "DNS:members")
    }

    private func errors(_ cluster: MemberCluster, _ number: Int) -> String {
        cluster.programs[number]?.errors ?? ""
    }

    /// What `openssl s_client` finds at a member's port for members.
    private func openssl(_ cluster: MemberCluster, _ arguments: [String]) throws -> String {
        let result = try Program.run(
            "/usr/bin/openssl",
            [
                "s_client", "-connect", "\(cluster.host):\(cluster.ports[0] + 10_000)", "-CAfile",
                certificates.path("ca.pem"), "-verify_hostname", "members", "-ign_eof",
            ] + arguments, seconds: 20)
        return result.output + result.errors
    }

    @Test(
        "Sessions are kept by members that speak TLS, small ones and large ones, whoever is killed")
    func service() throws {
        try makeMember()
        let cluster = try MemberCluster(peers: peers())
        for number in everywhere {
            #expect(try cluster.counter("members_tls", of: number) == "yes")
            let left = Int(try cluster.counter("members_cert_seconds_left", of: number) ?? "") ?? 0
            #expect((40_000...200_000).contains(left))
        }
        // Of several records, and of less than one.
        let values = [1, 1_000, 16_384, 16_385, 100_000, 900_000].map {
            String(repeating: "v", count: $0)
        }
        for (place, value) in values.enumerated() {
            let key = try cluster.key(first: 0, second: 1, prefix: "session\(place)")
            #expect(try cluster.set(key, value, at: 2) == "STORED", "\(value.count)")
            #expect(try cluster.values(of: key, at: everywhere) == [value, value, value])
            #expect(try cluster.set(key, value + ".", at: place % 3) == "STORED")
        }
        cluster.kill(0, losesFile: true)
        for (place, value) in values.enumerated() {
            let key = try cluster.key(first: 0, second: 1, prefix: "session\(place)")
            for number in [1, 2] {
                #expect(try cluster.value(of: key, at: number) == value + ".", "\(value.count)")
            }
        }
        try cluster.start(0)
        try cluster.waitUntilAllIsWell()
        cluster.kill(1)
        for (place, value) in values.enumerated() {
            let key = try cluster.key(first: 0, second: 1, prefix: "session\(place)")
            #expect(try cluster.value(of: key, at: 0) == value + ".", "\(value.count)")
        }
        let front = try cluster.startFront()
        let key = try cluster.key(first: 0, second: 1, prefix: "session1")
        try wait(for: "the front to be linked") {
            (try? front.connect().ask("get \(key)", until: "END\r\n"))?.contains(values[1] + ".")
                == true
        }
    }

    @Test("OpenSSL's own client is asked for a certificate, and finds TLS 1.3 alone")
    func oracle() throws {
        try makeMember()
        let cluster = try MemberCluster(count: 2, peers: peers())
        let shown = [
            "-cert", certificates.path("member.pem"), "-key", certificates.path("member.key"),
        ]
        let good = try openssl(cluster, shown)
        #expect(good.contains("Verify return code: 0 (ok)") && good.contains("TLSv1.3"), "\(good)")
        #expect(try openssl(cluster, []).contains("certificate required"))
        #expect(try openssl(cluster, shown + ["-tls1_2"]).contains("alert protocol version"))
        #expect(try cluster.set("key", "value", at: 0) == "STORED")
    }

    @Test(
        "Who speaks clear text, or shows a certificate of somebody else's, is refused, and says so")
    func strangers() throws {
        try makeMember()
        try certificates.makeAuthority("other")
        try makeMember("stranger", signedBy: "other")
        let cluster = try MemberCluster(count: 2, peers: peers())
        let impostor = try PeerImpostor(to: 0, of: cluster)
        #expect(impostor.welcome == .hungUp)
        try #require(cluster.programs[0]).waitToSay(
            "refused a connection to the members' port: TLS")
        let text = contents(of: cluster.definition) ?? ""
        // It trusts the others, and they do not trust it; it does not trust them; they are somebody else.
        let lines = [
            peers("stranger"), peers("member", ca: "other"), peers("member", serverName: "nobody"),
            "peers: {}",
        ]
        for (line, sentence) in zip(
            lines,
            [
                "member a: TLS: it does not take this node's certificate",
                "member a: TLS: certificate verify failed",
                "member a: TLS: certificate verify failed: hostname mismatch",
                "member a: the connection has ended",
            ])
        {
            cluster.kill(1)
            let other = try cluster.directory.write(
                text.replacing(peers(), with: line), to: "other.yaml")
            try cluster.start(1, definition: other)
            try #require(cluster.programs[1]).waitToSay(sentence)
            #expect(!errors(cluster, 1).contains("linked with member a"))
        }
        cluster.kill(1)
        try cluster.start(1)
        try cluster.waitUntilAllIsWell()
        #expect(try cluster.set("key", "value", at: 1) == "STORED")
        #expect(try cluster.value(of: "key", at: 0) == "value")
    }

    @Test("Certificates are read again without a link lost, and wrong ones are not taken")
    func reload() throws {
        try makeMember()
        let cluster = try MemberCluster(count: 2, peers: peers())
        let before = errors(cluster, 0).ranges(of: "linked with").count
        // The same names, of a new authority: only both together are of use.
        try certificates.makeAuthority("ca")
        for number in [0, 1] {
            cluster.send(SIGHUP, to: number)
            try #require(cluster.programs[number]).waitToSay("certificates read again")
        }
        try makeMember()
        for number in [0, 1] {
            #expect(try cluster.ask(number, "refresh_certs") == "OK")
        }
        #expect(errors(cluster, 0).ranges(of: "linked with").count == before)
        #expect(try cluster.counter("takeovers", of: 0) == "0")
        // A new process shows the new one, and is believed.
        cluster.kill(1)
        try cluster.start(1)
        try cluster.waitUntilAllIsWell()
        _ = try certificates.write("nothing", to: "member.pem")
        let refusal = try cluster.ask(0, "refresh_certs") ?? ""
        #expect(refusal.hasPrefix("Error ") && refusal.contains("member.pem"), "\(refusal)")
        try #require(cluster.programs[0]).waitToSay("the certificates stay as they were")
        #expect(try cluster.set("key", "value", at: 0) == "STORED")
        #expect(try cluster.value(of: "key", at: 1) == "value")
    }

    @Test("What is wrong with a file is said at the start")
    func refused() throws {
        try makeMember()
        try certificates.make("other")
        try certificates.make(
            "server", places: "DNS:members", extensions: "extendedKeyUsage=serverAuth")
        try certificates.make("late", days: -1, places: "DNS:members")
        let directory = try TemporaryDirectory()
        for (line, sentence) in [
            (peers("absent"), "absent.pem"), (peers(key: "other"), "does not belong"),
            (peers("server"), "for servers alone"), (peers("late"), "expired"),
            (peers(ca: "absent"), "absent.pem"),
        ] {
            let definition = try directory.write(
                "\(line)\nnodes: [{host: 127.0.0.1}, {host: 127.0.0.2}]", to: "cluster.yaml")
            let result = try Program.run(
                try RunningNode.sojourndPath(),
                ["--cluster", definition, "--front", "-l", "127.0.0.1", "-p", "21099"]
                    + (getuid() == 0 ? ["-u", "root"] : []), seconds: 20)
            #expect(result.exit != .status(0))
            #expect(
                result.errors.contains("peers.tls: ") && result.errors.contains(sentence),
                "\(sentence): \(result.errors)")
        }
    }
}
