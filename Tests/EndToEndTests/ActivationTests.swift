import Glibc
import TestSupport
import Testing

/// Sockets that the service manager holds, and what it is told: systemd's protocols.
@Suite(.timeLimit(.minutes(10)))
struct ActivationTests {
    private static let user = getuid() == 0 ? ["-u", "root"] : []

    /// systemd's own program for trying out socket activation.
    private func activate(_ places: [String], _ flags: [String] = []) throws -> Program {
        let path = "/usr/bin/systemd-socket-activate"
        guard access(path, X_OK) == 0 else {
            throw Trouble("\(path) is not installed (Debian package systemd)")
        }
        return try Program(
            path,
            places.flatMap { ["-l", $0] } + [try RunningNode.sojourndPath()] + Self.user + flags)
    }

    @Test("systemd's sockets are served, and keys are shown on the Unix socket only")
    func activated() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/socket"
        let port = try freePorts(1)[0]
        let node = try activate(["127.0.0.1:\(port)", path])
        var peer: SocketPeer?
        try wait(for: "systemd-socket-activate") {
            peer = try? SocketPeer(.tcp(port: UInt16(port)))
            return peer != nil
        }
        let tcp = try #require(peer)
        #expect(try tcp.ask("set session 0 0 2\r\nhi", until: "\r\n") == "STORED\r\n")
        let settings = try tcp.ask("stats settings", until: "END\r\n")
        #expect(settings.contains("STAT tcpport \(port)\r\n"))
        #expect(settings.contains("STAT domain_socket \(path)\r\n"))
        #expect(try tcp.ask("lru_crawler metadump all") == "ERROR metadump not allowed\r\n")
        let unix = try SocketPeer(.unix(path: path))
        let dump = try unix.ask("lru_crawler metadump all", until: "END\r\n")
        #expect(dump.contains("key=session "), "\(dump)")
        node.send(SIGTERM)
        #expect(try node.waitForExit() == .status(0))
        // It is systemd's, for the next one.
        #expect(access(path, F_OK) == 0)
    }

    @Test("With auth_uids who comes by TCP to systemd's sockets is refused, or has to log in")
    func userIDs() throws {
        let directory = try TemporaryDirectory()
        let users = try directory.write("app:secret\n", to: "users")
        chmod(users, 0o600)
        for flags in [[], ["-Y", users]] {
            let path = directory.path + "/socket\(flags.count)"
            let port = try freePorts(1)[0]
            let node = try activate(
                ["127.0.0.1:\(port)", path], flags + ["-o", "auth_uids=\(getuid())"])
            // It makes one socket after the other.
            var local: SocketPeer?
            try wait(for: "systemd-socket-activate") {
                local = try? SocketPeer(.unix(path: path))
                return local != nil && (try? SocketPeer(.tcp(port: UInt16(port)))) != nil
            }
            let unix = try #require(local)
            #expect(try unix.ask("set session 0 0 2\r\nhi") == "STORED\r\n")
            let tcp = try SocketPeer(.tcp(port: UInt16(port)))
            try tcp.send(Array("get session\r\n".utf8))
            try wait(for: "a reply or the end") {
                _ = tcp.receive(milliseconds: 20)
                return tcp.hasEnded || tcp.received.count > 10
            }
            let reply = String(decoding: tcp.received, as: UTF8.self)
            #expect(reply == (flags.isEmpty ? "" : "CLIENT_ERROR unauthenticated\r\n"))
            if !flags.isEmpty {
                tcp.received.removeAll()
                #expect(try tcp.ask("set auth 0 0 10\r\napp secret") == "STORED\r\n")
                #expect(try tcp.ask("get session", until: "END\r\n").contains("hi"))
            }
            node.send(SIGTERM)
            #expect(try node.waitForExit() == .status(0))
        }
    }

    /// Starts a node with one descriptor handed over, which a line of Python makes.
    private func handOver(
        _ socket: String, _ flags: [String], count: String = "1",
        to process: String = "os.getpid()", names: String = ""
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        let script = """
            import os, socket, sys
            from socket import AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM
            s = \(socket)
            os.dup2(s.fileno(), 3)
            os.set_inheritable(3, True)
            os.environ.update(LISTEN_FDS="\(count)", LISTEN_PID=str(\(process)))
            os.environ.update(LISTEN_FDNAMES="\(names)")
            os.execv(sys.argv[1], sys.argv[1:])
            """
        return try Program.run(
            "/usr/bin/env",
            ["python3", "-c", script, try RunningNode.sojourndPath()] + Self.user + flags,
            seconds: 20)
    }

    private static let listening = "socket.create_server((\"127.0.0.1\", 0))"

    @Test(
        "An address on the command line beside systemd's sockets is refused",
        arguments: [
            ["-p", "11211"], ["-l", "127.0.0.1"], ["-s", "/tmp/no.sock"], ["-a", "700"],
            ["-b", "5"],
        ])
    func contradiction(flags: [String]) throws {
        let result = try handOver(Self.listening, flags)
        #expect(result.exit == .status(64))
        #expect(
            result.errors
                == "\(flags[0]) has no meaning where the listening sockets are handed over "
                + "(LISTEN_FDS): leave it out, or say it in systemd's socket unit\n")
    }

    @Test(
        "A descriptor that cannot be listened on is named, with the reason",
        arguments: [
            ("socket.socket(AF_INET, SOCK_DGRAM)", "is not a stream socket"),
            ("socket.socket(AF_INET, SOCK_STREAM)", "does not listen"),
            ("open('/dev/null')", "is not a socket"),
        ])
    func unsuitable(socket: String, reason: String) throws {
        let result = try handOver(socket, [])
        #expect(result.exit == .status(64))
        #expect(
            result.errors
                == "descriptor 3, handed over by LISTEN_FDS, \(reason); "
                + "a systemd socket unit needs ListenStream= and Accept=no\n")
        let closed = try handOver(Self.listening, [], count: "2")
        #expect(closed.errors.hasPrefix("descriptor 4, handed over by LISTEN_FDS, is not open;"))
    }

    @Test("With a configuration file a descriptor's name says whose it is, and must be a space's")
    func spaces() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("spaces: [{name: a}, {name: b, port: 1}]", to: "node.yaml")
        let check = ["--config", path, "--check-config"]
        for names in ["a", "a.notls"] {
            let result = try handOver(Self.listening, check, names: names)
            #expect(result.exit == .status(0), "\(result.errors)")
            #expect(
                result.output.contains(
                    "a: 64 MB, no memory file, 1024 connections, on descriptor 3"))
        }
        for names in ["", "notls", "c", "b"] {
            let result = try handOver(Self.listening, check, names: names)
            #expect(result.exit == .status(64))
            #expect(
                result.errors.hasPrefix(
                    names == "b"
                        ? "\(path):1: spaces[0]: listens nowhere"
                        : "descriptor 3, handed over by LISTEN_FDS, has the name \"\(names)\"; with "
                            + "--config that must be the name of a space (FileDescriptorName=a), or"
                ))
        }
    }

    @Test("Sockets that were meant for another process are left alone")
    func otherProcess() throws {
        // Served, they would make -p a contradiction.
        let result = try handOver(Self.listening, ["-p", "99999"], to: "1")
        #expect(result.errors == "ERROR: Invalid port number 99999.\n")
        let node = try handOver(Self.listening, ["-p", "-1", "-e", "/dev/zero"], to: "1")
        #expect(node.exit == .status(71))
    }

    // MARK: Telling

    /// A datagram socket as systemd has one for `Type=notify`.
    private final class NotifySocket {
        let descriptor: Int32

        /// - Parameter address: a path, or an abstract address that begins with `@`.
        init(_ address: String) throws {
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            var bytes = Array(address.utf8)
            if bytes[0] == UInt8(ascii: "@") { bytes[0] = 0 }
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
            let result = withUnsafePointer(to: &name) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, length)
                }
            }
            guard result == 0 else { throw Trouble("cannot bind \(address)") }
            var patience = timeval(tv_sec: 60, tv_usec: 0)
            setsockopt(
                descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience,
                socklen_t(MemoryLayout<timeval>.size))
        }

        deinit { close(descriptor) }

        func next() throws -> [Substring] {
            var bytes = [UInt8](repeating: 0, count: 4_096)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            guard count > 0 else { throw Trouble("nothing was told") }
            return String(decoding: bytes.prefix(count), as: UTF8.self).split(separator: "\n")
        }

        /// What has been told so far is forgotten.
        func hearAll() {
            var byte: UInt8 = 0
            while recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT)) >= 0 {}
        }

        /// Whether a message that begins so comes within a time.
        func hears(_ beginning: String, withinSeconds seconds: Int) -> Bool {
            let end = ContinuousClock.now + .seconds(seconds)
            var bytes = [UInt8](repeating: 0, count: 4_096)
            while ContinuousClock.now < end {
                let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
                let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
                if text.hasPrefix(beginning) { return true }
                if count < 0 { usleep(5_000) }
            }
            return false
        }

        /// The next message with a line that begins so.
        func next(_ beginning: String) throws -> [Substring] {
            while true {
                let lines = try next()
                if lines.contains(where: { $0.hasPrefix(beginning) }) { return lines }
            }
        }
    }

    @Test(
        "systemd is told when the node is ready, reads again, and ends",
        arguments: [false, true], [[], ["--supervise"]])
    func notifies(isAbstract: Bool, flags: [String]) throws {
        let directory = try TemporaryDirectory()
        let address =
            (isAbstract ? "@" : "") + directory.path + "/notify"
        let definition = try directory.write(
            "nodes: [{name: a, host: 127.0.0.1}]", to: "cluster.yaml")
        let socket = try NotifySocket(address)
        let node = try Program(
            try RunningNode.sojourndPath(),
            Self.user + ["-p", "-1", "-o", "cluster_file=\(definition)"] + flags,
            environment: ["NOTIFY_SOCKET": address])
        #expect(try socket.next() == ["STATUS=Starting, 64 MB"])
        let ready = try socket.next("READY=1")
        #expect(ready.last?.hasPrefix("STATUS=Listens on tcp:127.0.0.1:") == true)
        node.send(SIGHUP)
        let reloading = try socket.next("RELOADING=1")
        #expect(reloading.last?.hasPrefix("MONOTONIC_USEC=") == true)
        #expect(try socket.next() == ["READY=1"])
        node.send(SIGTERM)
        #expect(try socket.next() == ["STOPPING=1"])
        #expect(try node.waitForExit() == .status(0))
    }

    @Test("systemd is not told that the service stops when a supervisor only replaces the node")
    func replacingTellsNothing() throws {
        let directory = try TemporaryDirectory()
        let socket = try NotifySocket(directory.path + "/notify")
        let node = try Program(
            try RunningNode.sojourndPath(), Self.user + ["-p", "-1", "--supervise"],
            environment: ["NOTIFY_SOCKET": directory.path + "/notify"])
        _ = try socket.next("READY=1")
        node.send(SIGUSR2)
        #expect(try socket.next() == ["STATUS=Starting, 64 MB"])
        _ = try socket.next("READY=1")
        node.send(SIGTERM)
        #expect(try socket.next() == ["STOPPING=1"])
    }

    @Test("systemd's watchdog is fed while every thread gets somewhere, and not when one hangs")
    func watchdog() throws {
        let directory = try TemporaryDirectory()
        let library = try PreloadedLibrary.make(of: "hanging")
        let socket = try NotifySocket(directory.path + "/notify")
        let portFile = directory.path + "/ports"
        let node = try Program(
            try RunningNode.sojourndPath(), Self.user + ["-p", "-1", "-t", "2", "-o", "sandbox"],
            environment: [
                "NOTIFY_SOCKET": directory.path + "/notify", "WATCHDOG_USEC": "1000000",
                "LD_PRELOAD": library, "MEMCACHED_PORT_FILENAME": portFile,
            ])
        for _ in 0..<8 { _ = try socket.next("WATCHDOG=1") }
        // Not only a thread that hangs, but a process that does.
        try node.suspend()
        socket.hearAll()
        #expect(!socket.hears("WATCHDOG=1", withinSeconds: 2))
        node.send(SIGCONT)
        _ = try socket.next("WATCHDOG=1")
        let words = try #require(contents(of: portFile)).split(whereSeparator: \.isWhitespace)
        let port = try #require(words.last.flatMap { UInt16($0) })
        let (one, other) = (try SocketPeer(.tcp(port: port)), try SocketPeer(.tcp(port: port)))
        #expect(try one.ask("mn") == "MN\r\n" && other.ask("mn") == "MN\r\n")
        try one.send("hang here\r\n")
        #expect(try other.ask("mn") == "MN\r\n")
        // One may have been on its way.
        usleep(500_000)
        socket.hearAll()
        #expect(!socket.hears("WATCHDOG=1", withinSeconds: 2))
    }

    @Test("A supervisor feeds systemd's watchdog itself; that of another process is not fed")
    func watchdogs() throws {
        let directory = try TemporaryDirectory()
        for (process, isFed) in [(nil, true), ("1", false)] {
            for flags in [[], ["--supervise"]] {
                let name = "/notify\(flags.count)\(process ?? "")"
                let socket = try NotifySocket(directory.path + name)
                var environment = [
                    "NOTIFY_SOCKET": directory.path + name, "WATCHDOG_USEC": "400000",
                ]
                environment["WATCHDOG_PID"] = process
                let node = try Program(
                    try RunningNode.sojourndPath(), Self.user + ["-p", "-1"] + flags,
                    environment: environment)
                _ = try socket.next("READY=1")
                #expect(socket.hears("WATCHDOG=1", withinSeconds: isFed ? 20 : 1) == isFed)
                node.send(SIGTERM)
                #expect(try node.waitForExit() == .status(0))
            }
        }
    }

    @Test(
        "A member is ready when it answers, and its status and the probe tell when it is current")
    func standing() throws {
        let directory = try TemporaryDirectory()
        let host = "127.\(Int.random(in: 1...254)).\(Int.random(in: 1...254)).3"
        let definition = try directory.write(
            "peers: {}\nnodes:\n"
                + ["a", "b"].enumerated().map {
                    "- {name: \($0.1), host: \(host), port: \(21_001 + $0.0)}\n"
                }.joined(), to: "cluster.yaml")
        let socket = try NotifySocket(directory.path + "/notify")
        func start(_ name: String, _ flags: [String] = []) throws -> Program {
            try Program(
                try RunningNode.sojourndPath(),
                Self.user + ["--cluster", definition, "--name", name] + flags,
                environment: name == "a" ? ["NOTIFY_SOCKET": directory.path + "/notify"] : [:])
        }
        func probe(_ program: String) throws -> Program.Exit {
            let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            return try Program.run(
                "/\(folder)/cluster/container/\(program)", [host, "21001"]
            ).exit
        }
        func status(_ seconds: String) throws -> Program.Exit {
            try Program.run(
                try RunningNode.builtProgram("sojourn"),
                ["status", "--cluster", definition, "--until-current", seconds]
            ).exit
        }
        let one = try start("a", ["--supervise"])
        _ = try socket.next("READY=1")
        #expect(
            try socket.next("STATUS=catching").last
                == "STATUS=catching up with b, and passing commands on meanwhile")
        #expect(try probe("answers") == .status(0))
        #expect(try probe("current") == .status(1))
        #expect(try status("0") == .status(1))
        let other = try start("b")
        #expect(try socket.next("STATUS=current").last == "STATUS=current")
        #expect(try probe("current") == .status(0))
        #expect(try status("60") == .status(0))
        let front = try RunningNode.sojournd(
            ["--cluster", definition, "--front", "-l", "127.0.0.1"])
        try wait(for: "the front") {
            try front.connect().ask("stats", until: "END\r\n").contains("cluster_state current")
        }
        other.end()
        #expect(try socket.next("STATUS=current, without").last == "STATUS=current, without b")
        // It has what there is; but it must not go now.
        #expect(try probe("current") == .status(0))
        #expect(try status("0.5") == .status(1))
        try wait(for: "the front's line") {
            front.program.errors.contains("front: not there: b")
        }
        one.send(SIGTERM)
        #expect(try one.waitForExit() == .status(0))
    }

    @Test("A service manager that has gone ends no node")
    func nobodyThere() throws {
        let node = try Program(
            try RunningNode.sojourndPath(), Self.user + ["-p", "-1"],
            environment: ["NOTIFY_SOCKET": "/nonexistent/notify"])
        try wait(for: "the node's line") {
            node.errors.contains("is ready: No such file or directory")
        }
        node.send(SIGTERM)
        #expect(try node.waitForExit() == .status(0))
    }
}
