import Glibc
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(10)))
struct NodeLoginTests {
    private func end(of peer: SocketPeer) throws {
        try wait(for: "the end of a connection") {
            _ = peer.receive(milliseconds: 20)
            return peer.hasEnded
        }
    }

    @Test(
        "What is answered before a login, and to it, is what memcached answers",
        arguments: [
            "get a\r\n", "version\r\n", "mg a v\r\n", "flush_all\r\n", "set auth 0 0\r\n",
            "set auth 0 0 10\r\napp secret\r\n", "set auth 0 0 9\r\napp wrong\r\n",
            "set auth 0 0 9\r\nabc secre\r\n", "set auth 0 0 3\r\nabc\r\n",
            "set any 9 -1 10\r\napp secret\r\n",
        ])
    func oracle(input: String) throws {
        let ours = try AuthenticatedNode()
        let oracle = try RunningNode.memcached(["-Y", ours.passwordFile])
        var replies: [String] = []
        for node in [ours.node, oracle] {
            let peer = try node.connect()
            try peer.send(Array(input.utf8))
            try wait(for: "a reply") {
                _ = peer.receive(milliseconds: 20)
                return peer.received.last == UInt8(ascii: "\n")
            }
            replies.append(String(decoding: peer.received, as: UTF8.self))
        }
        #expect(replies[0] == replies[1])
    }

    @Test("Logins and failures are counted; who is logged in does everything else")
    func counted() throws {
        let node = try AuthenticatedNode()
        let peer = try node.logIn()
        #expect(try peer.ask("set k 0 0 1\r\nv") == "STORED\r\n")
        let guess = try node.connect()
        #expect(
            try guess.ask("set auth 0 0 9\r\napp wrong")
                == "CLIENT_ERROR authentication failure\r\n")
        #expect(try guess.ask("get k") == "CLIENT_ERROR unauthenticated\r\n")
        #expect(try node.counter("auth_cmds") == 3)
        #expect(try node.counter("auth_errors") == 1)
        let settings = try peer.ask("stats settings", until: "END\r\n")
        #expect(settings.contains("STAT auth_enabled_ascii \(node.passwordFile)\r\n"))
        #expect(settings.contains("STAT auth_enabled_sasl yes\r\n"))
        #expect(settings.contains("STAT auth_timeout 10\r\n"))
    }

    @Test("A failure is told late, later each time, and the log has neither user nor password")
    func slowed() throws {
        let node = try AuthenticatedNode(["-vv"])
        let peer = try node.connect()
        for milliseconds in [100, 200, 400] {
            let start = ContinuousClock.now
            #expect(
                try peer.ask("set auth 0 0 18\r\nsomebody swordfish")
                    == "CLIENT_ERROR authentication failure\r\n")
            #expect(ContinuousClock.now - start >= .milliseconds(milliseconds))
        }
        let log = node.node.program.errors
        #expect(log.contains("a login from 127.0.0.1 failed"))
        #expect(!log.contains("swordfish") && !log.contains("somebody"))
    }

    @Test(
        "SIGHUP reads the passwords again; who is logged in stays, and a wrong file changes nothing"
    )
    func readAgain() throws {
        let node = try AuthenticatedNode()
        let peer = try node.logIn()
        try node.change("app:new\n")
        try wait(for: "the new password") { (try? node.logIn("app new")) != nil }
        #expect(try peer.ask("mn") == "MN\r\n")
        #expect(throws: Trouble.self) { try node.logIn("app secret") }
        try node.change("app\n")
        try wait(for: "the mistake's line") {
            node.node.program.errors.contains(
                "the passwords stay as they were: the password file \(node.passwordFile), "
                    + "line 1: no colon; expected user:password")
        }
        _ = try node.logIn("app new")
    }

    @Test("Who does not log in in time is dropped, whatever it sends; who has stays")
    func timeout() throws {
        let node = try AuthenticatedNode(["-o", "auth_timeout=1"])
        let peer = try node.logIn()
        let silent = try node.connect()
        let halfway = try node.connect()
        try halfway.send(Array("set auth 0 0 10\r\napp".utf8))
        let busy = try node.connect()
        try wait(for: "the end of who asks all the time") {
            // It may be gone by now.
            try? busy.send(Array("get a\r\n".utf8))
            _ = busy.receive(milliseconds: 20)
            return busy.hasEnded
        }
        try end(of: silent)
        try end(of: halfway)
        #expect(try peer.ask("mn") == "MN\r\n")
        #expect(try node.counter("auth_timeouts") == 3)
    }

    @Test("With -S a text client is hung up on, SASL logs in")
    func saslOnly() throws {
        let node = try AuthenticatedNode(["-S"])
        let text = try node.connect()
        try text.send(Array("get a\r\n".utf8))
        try end(of: text)
        let peer = try node.connect()
        let login = BinaryPacket(0x21, key: "PLAIN", value: Array("\u{0}app\u{0}secret".utf8))
        try peer.send(login.bytes)
        try wait(for: "a reply") {
            _ = peer.receive(milliseconds: 20)
            return peer.received.count >= 24 + 13
        }
        #expect(BinaryReplyPacket.all(in: peer.received)?.first?.status == 0)
    }

    @Test("On a Unix socket users of the machine are logged in by who they are, and others refused")
    func userIDs() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        func isServed(_ flags: [String]) throws -> Bool {
            let node = try RunningNode.sojournd(["-s", path] + flags)
            let peer = try node.connect()
            try peer.send(Array("mn\r\n".utf8))
            try wait(for: "a reply or the end") {
                _ = peer.receive(milliseconds: 20)
                return peer.hasEnded || peer.received.count >= 4
            }
            return String(decoding: peer.received, as: UTF8.self) == "MN\r\n"
        }
        #expect(try isServed(["-o", "auth_uids=\(getuid())"]))
        #expect(try isServed(["-o", "auth_uids=4000000000:\(getuid())"]))
        #expect(try !isServed(["-o", "auth_uids=4000000000"]))
        let node = try AuthenticatedNode(["-s", path, "-o", "auth_uids=4000000000"])
        #expect(try node.logIn().ask("mn") == "MN\r\n")
        #expect(try node.connect().ask("get k") == "CLIENT_ERROR unauthenticated\r\n")
    }

    @Test("A certificate that was verified is a login where that is said, and in resumed sessions")
    func certificates() throws {
        let certificates = try TestCertificates()
        try certificates.make("client")
        let file = try certificates.write("app:secret\n", to: "passwords")
        let node = try TLSNode(
            certificates,
            options: "ssl_verify_mode=1,ssl_ca_cert=\(certificates.path("ca.pem")),auth_mtls",
            flags: ["-Y", file])
        func peer(_ session: TLSPeer.Session? = nil, shows: Bool) throws -> TLSPeer {
            try node.connect {
                $0.resumes = session
                guard shows else { return }
                $0.certificate = (certificates.path("client.pem"), certificates.path("client.key"))
            }
        }
        let first = try peer(shows: true)
        #expect(try first.ask("set k 0 0 1\r\nv") == "STORED\r\n")
        let resumed = try peer(try first.takeSession(), shows: false)
        #expect(try resumed.ask("get k", until: "END\r\n") == "VALUE k 0 1\r\nv\r\nEND\r\n")
        let unknown = try peer(shows: false)
        #expect(try unknown.ask("get k") == "CLIENT_ERROR unauthenticated\r\n")
        #expect(try unknown.ask("set auth 0 0 10\r\napp secret") == "STORED\r\n")
        let clear = try node.node.connect()
        #expect(try clear.ask("get k") == "CLIENT_ERROR unauthenticated\r\n")
    }

    @Test(
        "What does not go together is refused at the start, and says what to do",
        arguments: [
            (["-S"], "-S needs users and passwords: give -Y FILE"),
            (["-Y", ""], "-Y needs a path"),
            (["-Y", "/nonexistent"], "cannot read the password file /nonexistent"),
            (["-Y", "/"], "the password file / is not a file"),
            (["-o", "auth_timeout=5"], "auth_timeout has no meaning without -Y"),
            (["-Y", "FILE", "-o", "auth_timeout=0"], "auth_timeout must be 1 to 3600, not \"0\""),
            (["-Y", "FILE", "-o", "auth_mtls"], "auth_mtls has no meaning without -Z"),
            (["-Y", "FILE", "-o", "auth_uids=0"], "auth_uids has no meaning without -s"),
            (
                ["-s", "S", "-o", "auth_uids=no-such-user"],
                "auth_uids must be users of this machine"
            ),
            (["-Y", "FILE", "-S", "-B", "ascii"], "You cannot allow the ASCII protocol"),
            (["-Y", "SHARED"], "can be read by others: its mode is 0644, and should be 0600"),
            (["-Y", "FILE", "-o", "auth_nonsense"], "Illegal suboption \"auth_nonsense\""),
        ])
    func refused(flags: [String], problem: String) throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("app:secret\n", to: "passwords")
        chmod(file, 0o600)
        let shared = try directory.write("app:secret\n", to: "shared")
        chmod(shared, 0o644)
        let names = ["FILE": file, "SHARED": shared, "S": directory.path + "/socket"]
        let result = try Program.run(
            RunningNode.sojourndPath(), ["-p", "-1"] + flags.map { names[$0] ?? $0 })
        #expect(result.exit == .status(64))
        #expect(result.errors.contains(problem), "\(result.errors)")
        #expect(!result.errors.contains("secret"))
    }

    @Test("A file that others can read is taken where that is said")
    func sharedFile() throws {
        let directory = try TemporaryDirectory()
        let file = try directory.write("app:secret\n", to: "shared")
        chmod(file, 0o644)
        let node = try RunningNode.sojournd(["-Y", file, "-o", "auth_shared_file"])
        #expect(try node.connect().ask("set auth 0 0 10\r\napp secret") == "STORED\r\n")
    }

    @Test(
        "Listening where others can come is said aloud, as long as they need no login or see it all"
    )
    func exposure() throws {
        let open = "can read, change and remove every session"
        let clear = "sessions can be read on their way"
        func log(_ flags: [String]) throws -> String {
            let node = try RunningNode.sojournd(flags)
            try wait(for: "the log") { node.program.errors.contains("listens on") }
            return node.program.errors
        }
        let bare = try log(["-l", "0.0.0.0"])
        #expect(bare.contains(open) && bare.contains(clear) && bare.contains("-Y FILE"))
        let local = try log(["-l", "127.0.0.1"])
        #expect(!local.contains(open) && !local.contains(clear))
        let certificates = try TestCertificates()
        let file = try certificates.write("app:secret\n", to: "passwords")
        let known = try log(["-l", "0.0.0.0", "-Y", file])
        #expect(!known.contains(open) && known.contains(clear))
        let both = try log(certificates.flags() + ["-l", "0.0.0.0", "-Y", file])
        #expect(!both.contains(open) && !both.contains(clear))
        let secured = try log(certificates.flags() + ["-l", "0.0.0.0"])
        #expect(secured.contains(open) && !secured.contains(clear))
    }

    // MARK: Real clients

    @Test(
        "python-binary-memcached and pylibmc log in by SASL", arguments: ["bmemcached", "pylibmc"])
    func python(client: String) throws {
        let node = try AuthenticatedNode()
        let python = client == "pylibmc" ? try Script.debianPython() : try Script.python()
        try Script.run(
            python, "sasl_checks.py", arguments: [client, "127.0.0.1:\(try node.node.port)"])
        #expect(try node.counter("auth_errors") ?? 0 > 0)
    }

    @Test("PHP's Memcached logs in by SASL, and is refused with a wrong password")
    func php() throws {
        let node = try AuthenticatedNode()
        let port = try node.node.port
        func page(_ password: String) throws -> String {
            try Program.run(
                "/usr/bin/php",
                [
                    "-r",
                    """
                    $m = new Memcached();
                    $m->setOption(Memcached::OPT_BINARY_PROTOCOL, true);
                    $m->setSaslAuthData("app", "\(password)");
                    $m->addServer("127.0.0.1", \(port));
                    echo var_export($m->set("k", "v"), true), $m->get("k");
                    """,
                ]
            ).output
        }
        #expect(try page("secret") == "truev")
        #expect(try page("wrong") == "false")
    }
}
