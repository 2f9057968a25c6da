import Glibc
import HashRing
import TestSupport
import Testing

/// What lies in `cluster/`, tried with the programs that it is for.
@Suite(.timeLimit(.minutes(10)))
struct ClusterProgramTests {
    private static let folder =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/cluster"

    private func program(_ path: String, package: String) throws -> String {
        guard access(path, X_OK) == 0 else {
            throw Trouble("\(path) is not installed (Debian package \(package))")
        }
        return path
    }

    @Test("twemproxy takes its configuration")
    func twemproxySyntax() throws {
        let result = try Program.run(
            try program("/usr/sbin/nutcracker", package: "nutcracker"),
            ["--test-conf", "--conf-file", Self.folder + "/clients/twemproxy.yml"])
        #expect(result.exit == .status(0), "\(result.errors)")
        #expect((result.output + result.errors).contains("syntax is ok"))
    }

    @Test("Sessions stored through twemproxy are on the nodes that the ring of libmemcached names")
    func twemproxyInFront() throws {
        let running = try (0..<3).map { _ in try RunningNode.sojournd() }
        let nodes = try running.map { Node(host: "127.0.0.1", port: try $0.port) }
        var text = try #require(contents(of: Self.folder + "/clients/twemproxy.yml"))
        for (number, node) in nodes.enumerated() {
            text = text.replacing(String(11_311 + number), with: String(node.port))
        }
        let proxy = try twemproxy(text.replacing("22121", with: "PORT"))
        let ring = try Ring(nodes: nodes)
        for number in 0..<300 {
            let key = "session:\(number)"
            let stored = try proxy.peer.ask("set \(key) 0 0 2\r\nhi", until: "\r\n")
            #expect(stored == "STORED\r\n")
        }
        var counts = [0, 0, 0]
        for number in 0..<300 {
            let key = "session:\(number)"
            let index = ring.index(for: key)
            counts[index] += 1
            let reply = try running[index].connect().ask("get \(key)", until: "END\r\n")
            #expect(reply == "VALUE \(key) 0 2\r\nhi\r\nEND\r\n")
        }
        #expect(counts.allSatisfy { $0 > 0 })
    }

    /// twemproxy as a process, and a connection to it.
    private struct Twemproxy {
        let program: Program
        let peer: SocketPeer
        let directory: TemporaryDirectory
    }

    /// Starts twemproxy with a configuration, in which PORT stands for the port that it listens at.
    private func twemproxy(_ configuration: String) throws -> Twemproxy {
        let ports = try freePorts(2)
        let directory = try TemporaryDirectory()
        let file = try directory.write(
            configuration.replacing("PORT", with: String(ports[0])), to: "twemproxy.yml")
        let program = try Program(
            try program("/usr/sbin/nutcracker", package: "nutcracker"),
            ["--conf-file", file, "--pid-file", directory.path + "/pid"]
                + ["--output", directory.path + "/log", "--stats-addr", "127.0.0.1"]
                + ["--stats-port", String(ports[1])])
        var peer: SocketPeer?
        try wait(for: "twemproxy") {
            if program.hasEnded { throw Trouble("twemproxy ended: \(program.errors)") }
            peer = try? SocketPeer(.tcp(port: UInt16(ports[0])))
            return peer != nil
        }
        guard let peer else { throw Trouble("no connection") }
        return Twemproxy(program: program, peer: peer, directory: directory)
    }

    @Test(
        "Nodes in the place of twemproxy's names have the keys that twemproxy gives to these",
        arguments: [Ring.Strategy.twemproxyKetama, .twemproxyModula])
    func twemproxyNames(strategy: Ring.Strategy) throws {
        let running = try (0..<4).map { _ in try RunningNode.sojournd() }
        let names = ["zebra", "alpha", nil, "a-longer-name"]
        // A name is a host at memcached's own port: both hash the name alone.
        let nodes = try zip(running, names).enumerated().map { index, pair in
            Node(
                host: "127.0.0.1", port: try pair.0.port, weight: index == 1 ? 3 : 1,
                ringName: pair.1.map { "\($0):11211" })
        }
        let list = zip(nodes, names).map { node, name in
            "127.0.0.1:\(node.port):\(node.weight)" + (name.map { " \($0)" } ?? "")
        }
        let distribution = strategy == .twemproxyKetama ? "ketama" : "modula"
        let proxy = try twemproxy(
            """
            pool:
              listen: 127.0.0.1:PORT
              hash: fnv1a_64
              distribution: \(distribution)
              servers:

            """ + list.map { "   - \($0)\n" }.joined())
        let ring = try Ring(nodes: nodes, strategy: strategy)
        for number in 0..<200 {
            #expect(try proxy.peer.ask("set \(number)-key 0 0 2\r\nhi") == "STORED\r\n")
        }
        let peers = try running.map { try $0.connect() }
        var counts = [0, 0, 0, 0]
        for number in 0..<200 {
            let index = ring.index(for: "\(number)-key")
            counts[index] += 1
            let reply = try peers[index].ask("get \(number)-key", until: "END\r\n")
            #expect(reply == "VALUE \(number)-key 0 2\r\nhi\r\nEND\r\n")
        }
        #expect(counts.allSatisfy { $0 > 0 }, "\(counts)")
    }

    @Test("systemd takes the unit, and finds little that it leaves open")
    func unit() throws {
        let analyze = try program("/usr/bin/systemd-analyze", package: "systemd")
        let directory = try TemporaryDirectory()
        let text = try #require(contents(of: Self.folder + "/systemd/sojournd@.service"))
        // The one thing that is not where it will be.
        let built = text.replacing(
            "/usr/local/bin/sojournd", with: try RunningNode.sojourndPath())
        let unit = try directory.write(built, to: "sojournd@a.service")
        var units = [unit]
        for (file, name) in [
            ("sojournd@.socket", "sojournd@a.socket"), ("run-sojourn.mount", "run-sojourn.mount"),
        ] {
            let text = try #require(contents(of: Self.folder + "/systemd/" + file))
            units.append(try directory.write(text, to: name))
        }
        let verify = try Program.run(analyze, ["verify", "--man=no"] + units)
        #expect(verify.exit == .status(0), "\(verify.errors)")
        #expect(verify.errors.isEmpty, "\(verify.errors)")
        // What is dropped in for TLS comes after the unit's own lines.
        let secured = try #require(contents(of: Self.folder + "/systemd/tls.conf"))
            .replacing("/usr/local/bin/sojournd", with: try RunningNode.sojourndPath())
        units[0] = try directory.write(built + secured, to: "sojournd@a.service")
        let verifyTLS = try Program.run(analyze, ["verify", "--man=no"] + units)
        #expect(verifyTLS.exit == .status(0) && verifyTLS.errors.isEmpty, "\(verifyTLS.errors)")
        // From 0 to 10, in tenths: below 2 is what systemd calls fine.
        let security = try Program.run(
            analyze, ["security", "--offline=true", "--threshold=20", "--no-pager", unit])
        #expect(security.exit == .status(0), "\(security.output.suffix(200))")
    }

    @Test("systemd takes the unit of a front, and finds little that it leaves open")
    func frontUnit() throws {
        let analyze = try program("/usr/bin/systemd-analyze", package: "systemd")
        let directory = try TemporaryDirectory()
        let units = try ["sojourn-front.service", "sojourn-front.socket"].map { name in
            let text = try #require(contents(of: Self.folder + "/systemd/" + name))
            return try directory.write(
                text.replacing("/usr/local/bin/sojournd", with: try RunningNode.sojourndPath()),
                to: name)
        }
        let verify = try Program.run(analyze, ["verify", "--man=no"] + units)
        #expect(verify.exit == .status(0) && verify.errors.isEmpty, "\(verify.errors)")
        let security = try Program.run(
            analyze, ["security", "--offline=true", "--threshold=20", "--no-pager", units[0]])
        #expect(security.exit == .status(0), "\(security.output.suffix(200))")
    }

    @Test("systemd takes the unit of a follower, and finds little that it leaves open")
    func followerUnit() throws {
        let analyze = try program("/usr/bin/systemd-analyze", package: "systemd")
        let directory = try TemporaryDirectory()
        let text = try #require(contents(of: Self.folder + "/systemd/sojourn-follow.service"))
        let unit = try directory.write(
            text.replacing("/usr/local/bin/sojourn", with: try RunningNode.builtProgram("sojourn")),
            to: "sojourn-follow.service")
        let verify = try Program.run(analyze, ["verify", "--man=no", unit])
        #expect(verify.exit == .status(0) && verify.errors.isEmpty, "\(verify.errors)")
        let security = try Program.run(
            analyze, ["security", "--offline=true", "--threshold=20", "--no-pager", unit])
        #expect(security.exit == .status(0), "\(security.output.suffix(200))")
        // What it says to the program is a command line: the file that is missing here is told, and nothing else.
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("ExecStart=") })
        let words = line.split(separator: " ").dropFirst().map { word in
            switch word {
            case "${ETCD}": "https://a:2379,https://b:2379"
            case "${KEY}": "/sojourn/shop/definition"
            case "/var/lib/sojourn-follow/cluster.yaml": directory.path + "/cluster.yaml"
            default: String(word).replacing("/etc/sojourn", with: directory.path)
            }
        }
        let result = try Program.run(try RunningNode.builtProgram("sojourn"), words + ["--once"])
        #expect(result.errors.contains("cannot read the CA file"), "\(result.errors)")
    }

    @Test("The probe that a node is current takes one that keeps no copies, and logs in")
    func probeOfCurrency() throws {
        let current = Self.folder + "/container/current"
        let directory = try TemporaryDirectory()
        let node = try RunningNode.sojournd()
        let place = ["127.0.0.1", String(try node.port)]
        #expect(try Program.run(current, place).exit == .status(0))
        let users = try directory.write("app:se:cret with\u{e9}\r\nother:x\n", to: "users")
        chmod(users, 0o600)
        let asking = try RunningNode.sojournd(["-Y", users])
        let locked = ["127.0.0.1", String(try asking.port)]
        #expect(try Program.run(current, locked + [users]).exit == .status(0))
        #expect(try Program.run(current, locked).exit == .status(1))
        let wrong = try directory.write("app:wrong", to: "wrong")
        #expect(try Program.run(current, locked + [wrong]).exit == .status(1))
        node.program.send(SIGSTOP)
        #expect(try Program.run(current, place).exit != .status(0))
        node.program.end()
        #expect(try Program.run(current, place).exit != .status(0))
    }

    @Test("A container's probe believes a node that is full, which answers that")
    func probeOfFullNode() throws {
        let answers = Self.folder + "/container/answers"
        let node = try RunningNode.sojournd(["-c", "10", "-t", "1"])
        var peers: [SocketPeer] = []
        try wait(for: "a refusal") {
            let peer = try node.connect()
            peers.append(peer)
            return try peer.ask("mn").hasPrefix("ERROR Too many open connections")
        }
        #expect(try Program.run(answers, ["127.0.0.1", String(node.port)]).exit == .status(0))
    }

    @Test("A container's probe believes a node that answers, and nobody else")
    func probe() throws {
        let answers = Self.folder + "/container/answers"
        let node = try RunningNode.sojournd()
        let port = try node.port
        #expect(try Program.run(answers, ["127.0.0.1", String(port)]).exit == .status(0))
        // As the files for TLS have it: a port of clear text for the probe, beside the others.
        let certificates = try TestCertificates()
        let own = try freePorts(1)[0]
        let secured = try RunningNode.sojournd(
            ["-l", "127.0.0.1", "-l", "notls:127.0.0.1:\(own)"] + certificates.flags())
        #expect(try Program.run(answers, ["127.0.0.1", String(own)]).exit == .status(0))
        #expect(try Program.run(answers, ["127.0.0.1", String(secured.port)]).exit != .status(0))
        // Who is asked for a password there finds it well, too.
        let users = try certificates.write("app:secret\n", to: "users")
        let asking = try RunningNode.sojournd(["-Y", users])
        #expect(
            try Program.run(answers, ["127.0.0.1", String(asking.port)]).exit == .status(0))
        // One that hangs: the kernel still accepts for it.
        node.program.send(SIGSTOP)
        #expect(try Program.run(answers, ["127.0.0.1", String(port)]).exit != .status(0))
        node.program.send(SIGCONT)
        #expect(try Program.run(answers, ["127.0.0.1", String(port)]).exit == .status(0))
        node.program.end()
        #expect(try Program.run(answers, ["127.0.0.1", String(port)]).exit != .status(0))
    }
}
