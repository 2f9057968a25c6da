import Glibc
import TestSupport
import Testing

/// Clients that know no TLS, such as php-memcached, beside a node that speaks nothing else to the network.
@Suite(.timeLimit(.minutes(10)))
struct TunnelTests {
    /// stunnel as a client: clear text on a loopback port, TLS behind it.
    private func tunnel(to node: TLSNode, port: Int) throws -> Program {
        let path = "/usr/bin/stunnel4"
        guard access(path, X_OK) == 0 else {
            throw Trouble("\(path) is not installed (Debian package stunnel4)")
        }
        let configuration = try node.certificates.write(
            """
            client = yes
            foreground = yes
            pid =
            debug = 4
            [sojourn]
            accept = 127.0.0.1:\(port)
            connect = 127.0.0.1:\(try portNumber(of: node.node.places[1]))
            CAfile = \(node.certificates.path("ca.pem"))
            verifyChain = yes
            checkHost = localhost

            """, to: "stunnel.conf")
        let program = try Program(path, [configuration])
        try wait(for: "stunnel") {
            if program.hasEnded { throw Trouble("stunnel does not start: \(program.errors)") }
            return (try? SocketPeer(.tcp(port: UInt16(port)))) != nil
        }
        return program
    }

    private func portNumber(of place: RunningNode.Place) throws -> UInt16 {
        guard case .tcp(let port) = place else { throw Trouble("no port: \(place)") }
        return port
    }

    @Test("PHP's Memcached comes through stunnel, in both protocols, by TLS")
    func php() throws {
        let node = try TLSNode(TestCertificates(), options: "ssl_session_cache")
        let port = try freePorts(1)[0]
        let stunnel = try tunnel(to: node, port: port)
        let before = try node.counter("ssl_new_sessions")
        try Script.run(
            "/usr/bin/php", "memcached_class_checks.php", arguments: ["127.0.0.1:\(port)"])
        #expect(try node.counter("ssl_new_sessions") > before)
        #expect(try node.counter("ssl_plaintext_clients") == 0)
        #expect(!stunnel.hasEnded)
    }

    @Test(
        "PHP's Memcached comes through a port of loopback beside those that speak TLS, or a Unix socket"
    )
    func beside() throws {
        func page(_ server: String) throws -> String {
            let page = try Program.run(
                "/usr/bin/php",
                [
                    "-r",
                    """
                    $m = new Memcached();
                    $m->addServer(\(server));
                    echo var_export($m->set("k", "v"), true), $m->get("k");
                    """,
                ])
            return page.output + page.errors
        }
        let node = try TLSNode(TestCertificates())
        #expect(try page("\"127.0.0.1\", \(try portNumber(of: node.node.places[0]))") == "truev")
        #expect(try page("\"127.0.0.1\", \(try portNumber(of: node.node.places[1]))") == "false")
        #expect(try node.counter("ssl_plaintext_clients") > 0)
        let directory = try TemporaryDirectory()
        let local = try RunningNode.sojournd(["-s", directory.path + "/socket"])
        #expect(try page("\"\(directory.path)/socket\", 0") == "truev")
        _ = local
    }
}
