import Glibc
import TestSupport
import Testing

/// `sojourn` with nodes that do not take everybody.
@Suite(.timeLimit(.minutes(10)))
struct ToolAccessTests {
    private typealias Result = (exit: Program.Exit, output: String, errors: String)

    private func run(
        _ arguments: [String], password: String? = nil
    ) throws -> Result {
        try Program.run(
            try RunningNode.builtProgram("sojourn"), arguments,
            environment: password.map { ["SOJOURN_PASSWORD": $0] } ?? [:])
    }

    private func address(_ node: RunningNode) throws -> String { "127.0.0.1:\(try node.port)" }

    @Test("Items and status come over TLS, with the client's certificate where one is asked for")
    func secured() throws {
        let certificates = try TestCertificates()
        try certificates.make("client")
        try certificates.make("named", places: "DNS:sessions.example")
        let node = try RunningNode.sojournd(
            certificates.flags(
                "named", "ssl_ca_cert=\(certificates.path("ca.pem")),ssl_verify_mode=2"))
        let access = [
            "--node", try address(node), "--tls", "--ca", certificates.path("ca.pem"),
            "--server-name", "sessions.example",
            "--cert", certificates.path("client.pem"), "--key", certificates.path("client.key"),
        ]
        let set = try run(["set", "k", "ours"] + access)
        #expect(set.exit == .status(0), "\(set.errors)")
        #expect(try run(["get", "k"] + access).output == "ours")
        let status = try run(["status", "--once", "--interval", "0.1"] + access)
        #expect(status.exit == .status(0))
        #expect(status.output.contains("1 of 1 nodes up"), "\(status.output)")
        let other = try run(["get", "k"] + access + ["--server-name", "elsewhere.example"])
        #expect(other.exit == .status(1))
        #expect(other.errors.contains("for another name"), "\(other.errors)")
        let bare = try run(["status", "--once", "--interval", "0.1"] + access.prefix(7))
        #expect(bare.exit == .status(1))
        #expect(bare.output.contains("the node asks for a certificate"), "\(bare.output)")
    }

    @Test("A user's password comes from a file or the environment")
    func login() throws {
        let directory = try TemporaryDirectory()
        let node = try RunningNode.memcached(
            ["-Y", directory.write("shop:4711\n", to: "users")])
        let path = try directory.write("4711\n", to: "password")
        chmod(path, 0o600)
        let access = ["--node", try address(node), "--user", "shop"]
        let set = try run(["set", "k", "ours"] + access, password: "4711")
        #expect(set.exit == .status(0), "\(set.errors)")
        #expect(try run(["get", "k", "--password-file", path] + access).output == "ours")
        let status = try run(
            ["status", "--once", "--interval", "0.1"] + access, password: "4711")
        #expect(status.output.contains("1 of 1 nodes up"), "\(status.output)")

        for arguments in [["get", "k"], ["status", "--once", "--interval", "0.1"]] {
            let wrong = try run(arguments + access, password: "0815")
            #expect(wrong.exit == .status(1))
            let told = wrong.output + wrong.errors
            #expect(
                told.contains("does not let us in: CLIENT_ERROR authentication failure"), "\(told)")
            #expect(!told.contains("0815"))
        }
        chmod(path, 0o644)
        let exposed = try run(["get", "k", "--password-file", path] + access)
        #expect(exposed.errors.contains("can be read by others: its mode is 0644"))
    }

    @Test("Options that do not go together, or are incomplete, are refused")
    func misuse() throws {
        for (arguments, message) in [
            (["--ca", "x"], "--ca needs --tls"),
            (["--user", "shop"], "--user needs a password"),
            (["--password-file", "x"], "--password-file needs --user"),
        ] {
            for command in [["get", "k"], ["status", "--once"]] {
                let result = try run(command + ["--node", "127.0.0.1:1"] + arguments)
                #expect(result.exit == .status(64), "\(command) \(arguments)")
                #expect(result.errors.contains(message), "\(result.errors)")
            }
        }
        let missing = try run(["get", "k", "--node", "127.0.0.1:1", "--tls", "--ca", "/nowhere"])
        #expect(missing.exit != .status(0))
        #expect(missing.errors.contains("cannot read the CA file /nowhere"), "\(missing.errors)")
    }

    @Test("A cluster's definition says how its nodes are reached, and the nodes believe it, too")
    func definition() throws {
        let certificates = try TestCertificates()
        try certificates.make("client")
        let port = try freePorts(1)[0]
        let path = try certificates.write(
            """
            tls:
              ca: \(certificates.path("ca.pem"))
              cert: \(certificates.path("node.pem"))
              key: \(certificates.path("node.key"))
              client_cert: \(certificates.path("client.pem"))
              client_key: \(certificates.path("client.key"))
              server_name: localhost
            nodes: [{name: a, host: 127.0.0.1, port: \(port)}]
            """, to: "cluster.yaml")
        let user = getuid() == 0 ? ["-u", "root"] : []
        let node = try Program(
            try RunningNode.sojourndPath(), user + ["--cluster", path, "--name", "a"])
        try wait(for: "the node") { node.errors.contains("listens on") }
        let set = try run(["set", "k", "ours", "--cluster", path])
        #expect(set.exit == .status(0), "\(set.errors)")
        #expect(try run(["get", "k", "--cluster", path]).output == "ours")
        let bare = try run([
            "get", "k", "--node", "127.0.0.1:\(port)", "--tls", "--ca",
            certificates.path("ca.pem"),
        ])
        #expect(bare.errors.contains("asks for a certificate"), "\(bare.errors)")
    }

    @Test("A definition's file of users lets the tool in, as its first user or another")
    func definedUsers() throws {
        let directory = try TemporaryDirectory()
        let users = try directory.write("shop:4711\nadmin:0815\n", to: "users")
        chmod(users, 0o600)
        let node = try RunningNode.memcached(["-Y", users])
        let path = try directory.write(
            "credentials_file: \(users)\nnodes: [{host: 127.0.0.1, port: \(try node.port)}]\n",
            to: "cluster.yaml")
        #expect(try run(["set", "k", "ours", "--cluster", path]).exit == .status(0))
        let cluster = ["get", "k", "--cluster", path]
        #expect(try run(cluster + ["--user", "admin"]).output == "ours")
        #expect(try run(cluster + ["--user", "nobody"]).errors.contains("has no user nobody"))
        #expect(try run(cluster + ["--user", "admin"], password: "4711").exit == .status(1))
    }

    private static func load(_ node: RunningNode, _ arguments: [String]) throws -> [String] {
        [
            "load", "--server", "127.0.0.1:\(try node.port)", "--connections", "8", "--requests",
            "2000", "--warm-up", "0", "--keys", "200", "--mix", "get=80,set=20",
        ] + arguments
    }

    @Test("A load is put over TLS, and every reply is right", arguments: [1, 16])
    func securedLoad(depth: Int) throws {
        let certificates = try TestCertificates()
        let node = try RunningNode.sojournd(certificates.flags())
        let load = try Self.load(
            node, ["--depth", "\(depth)", "--value-bytes", "100-60000", "--tls"])
        let access = ["--ca", certificates.path("ca.pem")]
        let right = try run(load + access)
        #expect(right.exit == .status(0), "\(right.output) \(right.errors)")
        #expect(right.output.contains("protocol text over TLS"), "\(right.output)")
        let stranger = try run(load)
        #expect(stranger.exit == .status(1))
        #expect(stranger.errors.contains("no TLS: certificate verify failed"), "\(stranger.errors)")
        let name = try run(load + access + ["--server-name", "elsewhere.example"])
        #expect(name.exit == .status(1))
        #expect(name.errors.contains("ostname mismatch"), "\(name.errors)")
    }

    // One request at a time: of pipelined ones under TLS memcached leaves some unanswered until more come.
    @Test("A load logs in, under TLS, too", arguments: [false, true])
    func load(hasTLS: Bool) throws {
        let certificates = try TestCertificates()
        let users = try certificates.write("shop:4711\n", to: "users")
        let node = try RunningNode.memcached(
            (hasTLS ? certificates.flags() : []) + ["-Y", users])
        let load =
            try Self.load(node, ["--user", "shop"])
            + (hasTLS ? ["--tls", "--ca", certificates.path("ca.pem")] : [])
        let right = try run(load, password: "4711")
        #expect(right.exit == .status(0), "\(right.output) \(right.errors)")
        let wrong = try run(load, password: "0815")
        #expect(wrong.exit == .status(1))
        #expect(
            wrong.errors.contains("does not let us in: CLIENT_ERROR authentication failure"))
    }
}
