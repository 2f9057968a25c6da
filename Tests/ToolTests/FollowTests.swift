import Glibc
import SessionClient
import TestSupport
import Testing

@testable import sojourn

/// `sojourn follow` with a real etcd.
@Suite(.timeLimit(.minutes(10)))
struct FollowTests {
    private static let key = "/sojourn/shop/definition"

    /// A follower of one key, and the file that it writes.
    private final class RunningFollower {
        let directory: TemporaryDirectory
        let path: String
        let program: Program

        init(
            _ urls: [String], _ arguments: [String] = [], environment: [String: String] = [:]
        ) throws {
            directory = try TemporaryDirectory()
            path = directory.path + "/cluster.yaml"
            program = try Program(
                try RunningNode.builtProgram("sojourn"),
                FollowTests.arguments(urls, to: path) + arguments, environment: environment)
        }

        /// Waits until the file has exactly this.
        func expect(_ text: String) throws {
            do {
                try wait(for: "the file") { contents(of: path) == text }
            } catch {
                throw Trouble("the file does not become '\(text)'; \(program.errors)")
            }
        }
    }

    private static func arguments(_ urls: [String], to path: String) -> [String] {
        ["follow"] + urls.flatMap { ["--etcd", $0] } + ["--key", key, "--to", path]
    }

    private func definition(_ number: Int) -> String {
        "nodes:\n- {name: a, host: 10.0.0.\(number), port: 11211}\n"
    }

    private func once(
        _ urls: [String], to path: String, _ arguments: [String] = [],
        environment: [String: String] = [:]
    ) throws -> (exit: Program.Exit, output: String, errors: String) {
        try Program.run(
            try RunningNode.builtProgram("sojourn"),
            Self.arguments(urls, to: path) + ["--once"] + arguments, environment: environment)
    }

    @Test("The file follows the key; what is no definition, and a deletion, leave it as it is")
    func follows() throws {
        let etcd = try EtcdServer()
        // The watch has to tell, as the key is not read anew before an hour is over.
        let following = try RunningFollower([etcd.url], ["--interval", "3600"])
        try following.program.waitToSay("there is no /sojourn/shop/definition in etcd")
        #expect(contents(of: following.path) == nil)
        for number in 1...3 {
            try etcd.put(definition(number), at: Self.key)
            try following.expect(definition(number))
        }
        try etcd.put("nodes: [{host: 10.0.0.9, port: 0}]", at: Self.key)
        try following.program.waitToSay(
            "stays out: revision 5 of /sojourn/shop/definition:1: nodes[0].port: expected")
        try etcd.put("{", at: Self.key)
        try following.program.waitToSay("stays out: revision 6")
        try etcd.delete(Self.key)
        try following.program.waitToSay("/sojourn/shop/definition was deleted in etcd (revision 7)")
        #expect(contents(of: following.path) == definition(3))
        // Of other keys nothing is said.
        try etcd.put(definition(9), at: Self.key + "/other")
        try etcd.put(definition(4), at: Self.key)
        try following.expect(definition(4))
        following.program.send(SIGTERM)
        #expect(try following.program.waitForExit() == .status(0))
        #expect(following.program.errors.contains("sojourn follow: ends\n"))
        #expect(following.directory.names == ["cluster.yaml"])
    }

    @Test("A node takes the new definition from the file that is followed")
    func node() throws {
        let etcd = try EtcdServer()
        let port = try freePorts(1)[0]
        func definition(_ count: Int) -> String {
            let others = (1..<count).map { ", {name: n\($0), host: 10.0.0.\($0)}" }.joined()
            return "nodes: [{name: a, host: 127.0.0.1, port: \(port)}\(others)]\n"
        }
        try etcd.put(definition(1), at: Self.key)
        let following = try RunningFollower([etcd.url])
        try following.expect(definition(1))
        let node = try RunningNode.sojournd(["-o", "cluster_file=\(following.path)"])
        let peer = try node.connect()
        #expect(try !peer.ask("config get cluster", until: "END\r\n").contains("10.0.0.1"))
        try etcd.put(definition(2), at: Self.key)
        try wait(for: "the node to tell of the new one") {
            try peer.ask("config get cluster", until: "END\r\n").contains("10.0.0.1|10.0.0.1|11211")
        }
    }

    @Test(
        "A killed etcd changes nothing; when it is back it is followed, whatever it has forgotten")
    func restarts() throws {
        let etcd = try EtcdServer()
        try etcd.put(definition(1), at: Self.key)
        let following = try RunningFollower([etcd.url])
        try following.expect(definition(1))
        etcd.kill()
        try following.program.waitToSay("Connection refused. \(following.path) stays as it is")
        #expect(contents(of: following.path) == definition(1))
        try etcd.restart()
        try following.program.waitToSay("\(etcd.url) answers")
        try etcd.put(definition(2), at: Self.key)
        try following.expect(definition(2))
        // Stopped, it notices nothing, and its watch is to go on from what etcd has forgotten then.
        try following.program.suspend()
        etcd.kill()
        try etcd.restart()
        for number in 3...6 { try etcd.put(definition(number), at: Self.key) }
        try etcd.compact()
        following.program.send(SIGCONT)
        try following.expect(definition(6))
        try etcd.put(definition(7), at: Self.key)
        try following.expect(definition(7))
        following.program.send(SIGINT)
        #expect(try following.program.waitForExit() == .status(0))
    }

    @Test("A watch from what etcd has forgotten is told that, and one from what it has is told all")
    func forgotten() async throws {
        let etcd = try EtcdServer()
        for number in 1...3 { try etcd.put(definition(number), at: Self.key) }
        let client = EtcdClient(
            endpoints: [try #require(EtcdEndpoint(etcd.url))], key: Self.key, access: .open)
        var news: [EtcdNews] = []
        await #expect(throws: EtcdTrouble.tooLong) {
            try await client.watch(from: 3, at: 0, token: nil, seconds: 60) {
                told throws(EtcdTrouble) in
                news.append(told)
                // Some end.
                if case .put(let value) = told, value.revision == 4 { throw .tooLong }
            }
        }
        let value = EtcdValue(bytes: Array(definition(3).utf8), revision: 4)
        #expect(news.first == .nothing && news.last == .put(value))
        try etcd.compact()
        await #expect(throws: EtcdTrouble.compacted(4)) {
            try await client.watch(from: 2, at: 0, token: nil, seconds: 60) { _ in }
        }
    }

    @Test("Of several endpoints one that answers is enough, and the watch moves on when it dies")
    func endpoints() throws {
        let (first, second) = (try EtcdServer(), try EtcdServer())
        try first.put(definition(1), at: Self.key)
        try second.put(definition(2), at: Self.key)
        let nobody = "http://127.0.0.1:\(try freePorts(1)[0])"
        let following = try RunningFollower(["\(nobody),\(first.url)", second.url])
        try following.expect(definition(1))
        first.kill()
        try following.expect(definition(2))
        try second.put(definition(3), at: Self.key)
        try following.expect(definition(3))
        #expect(following.program.errors.contains("\(nobody): Connection refused"))
    }

    @Test("An etcd that hangs is noticed, and is read again when it goes on")
    func hangs() throws {
        let etcd = try EtcdServer()
        try etcd.put(definition(1), at: Self.key)
        let following = try RunningFollower([etcd.url], ["--interval", "0.2"])
        try following.expect(definition(1))
        try etcd.program.suspend()
        try following.program.waitToSay("no answer within 5 s")
        etcd.program.send(SIGCONT)
        try etcd.put(definition(2), at: Self.key)
        try following.expect(definition(2))
    }

    @Test("With users a login lets it in, also after a token has expired; a wrong password is told")
    func users() throws {
        let etcd = try EtcdServer()
        try etcd.put(definition(1), at: Self.key)
        let following = try RunningFollower([etcd.url], ["--interval", "0.2"])
        try following.expect(definition(1))
        try etcd.enableUsers(password: "s3cret-word")
        try following.program.waitToSay("refuses: etcdserver: user name is empty")
        following.program.end()
        let login = ["--user", "root"]
        let wrong = try once(
            [etcd.url, etcd.url], to: following.path, login,
            environment: ["SOJOURN_PASSWORD": "wrong-word"])
        #expect(wrong.exit == .status(1))
        #expect(wrong.errors.contains("authentication failed, invalid user ID or password"))
        #expect(!wrong.errors.contains("wrong-word"))
        unlink(following.path)
        let known = try RunningFollower(
            [etcd.url], ["--interval", "0.2"] + login,
            environment: ["SOJOURN_PASSWORD": "s3cret-word"])
        try known.expect(definition(1))
        // Tokens of the simple kind go with the process.
        etcd.kill()
        try etcd.restart()
        try known.program.waitToSay("\(etcd.url) answers")
        unlink(known.path)
        try known.expect(definition(1))
        #expect(!known.program.errors.contains("refuses"), "\(known.program.errors)")
        let password = try known.directory.write("s3cret-word\n", to: "password")
        chmod(password, 0o600)
        let named = try once(
            [etcd.url], to: known.path, login + ["--password-file", password])
        #expect(named.exit == .status(0), "\(named.errors)")
    }

    @Test("Over TLS it shows a certificate, and believes none but those of the authority")
    func secured() throws {
        let certificates = try TestCertificates()
        try certificates.makeAuthority("stranger")
        let etcd = try EtcdServer(certificates)
        let port = etcd.port
        let own = [
            "--cert", certificates.path("node.pem"), "--key-file", certificates.path("node.key"),
        ]
        let authority = ["--ca", certificates.path("ca.pem")]
        try etcd.put(definition(1), at: Self.key)
        let following = try RunningFollower(["https://localhost:\(port)"], own + authority)
        try following.expect(definition(1))
        try etcd.put(definition(2), at: Self.key)
        try following.expect(definition(2))
        for (arguments, reason) in [
            (own + ["--ca", certificates.path("stranger.pem")], "not signed by those who are"),
            (authority, "client's certificate"),
        ] {
            let refused = try once(["https://localhost:\(port)"], to: following.path, arguments)
            #expect(refused.exit == .status(1))
            #expect(refused.errors.contains(reason), "\(refused.errors)")
        }
        let clear = try once(["http://localhost:\(port)"], to: following.path)
        #expect(clear.exit == .status(1))
        #expect(contents(of: following.path) == definition(2))
    }

    @Test("Once, it ends with what became of it")
    func onlyOnce() throws {
        let etcd = try EtcdServer()
        let directory = try TemporaryDirectory()
        let path = directory.path + "/cluster.yaml"
        let missing = try once([etcd.url], to: path)
        #expect(missing.exit == .status(1))
        #expect(missing.errors.contains("there is no /sojourn/shop/definition in etcd"))
        try etcd.put(definition(1), at: Self.key)
        let nobody = "http://127.0.0.1:\(try freePorts(1)[0])"
        let written = try once([nobody, etcd.url], to: path)
        #expect(written.exit == .status(0), "\(written.errors)")
        #expect(written.errors.contains("\(path) is written: revision 2 of"), "\(written.errors)")
        #expect(contents(of: path) == definition(1))
        let same = try once([etcd.url], to: path)
        #expect(same.exit == .status(0))
        #expect(same.errors.contains("\(path) is what it should be: revision 2 of"))
        try etcd.put("nonsense", at: Self.key)
        let refused = try once([etcd.url], to: path)
        #expect(refused.exit == .status(1))
        #expect(refused.errors.contains("stays out: revision 3"), "\(refused.errors)")
        let down = try once([nobody], to: path)
        #expect(down.exit == .status(1))
        #expect(down.errors.contains("\(nobody): Connection refused"), "\(down.errors)")
        #expect(contents(of: path) == definition(1))
    }

    @Test("What is no etcd is told, and changes nothing")
    func strangers() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(definition(1), to: "cluster.yaml")
        let node = try RunningNode.sojournd()
        let port = try freePorts(1)[0]
        let server = try Program(
            "/usr/bin/python3", ["-m", "http.server", "--bind", "127.0.0.1", "\(port)"])
        try wait(for: "a web server") { (try? SocketPeer(.tcp(port: UInt16(port)))) != nil }
        for port in [try node.port, port] {
            let told = try once(["http://127.0.0.1:\(port)"], to: path)
            #expect(told.exit == .status(1))
            #expect(told.errors.hasPrefix("sojourn follow: http://127.0.0.1:\(port): "))
            #expect(told.errors.hasSuffix(". \(path) stays as it is\n"), "\(told.errors)")
        }
        server.end()
        #expect(contents(of: path) == definition(1))
    }

    @Test(
        "A wrong command line is refused with the reason",
        arguments: [
            (
                ["--etcd", "a:1"],
                "--etcd must be http://HOST[:PORT] or https://HOST[:PORT], not 'a:1'"
            ),
            ([], "give --etcd URL, at most 16 of them"),
            (["--etcd", "http://a", "--ca", "x"], "--ca needs an https:// URL"),
            (["--etcd", "http://a", "--user", "u"], "--user needs a password"),
            (["--etcd", "http://a", "--password-file", "x"], "--password-file needs --user"),
            (
                ["--etcd", "http://a", "--interval", "0"],
                "--interval must be 0.1 to 3600.0, not 0.0"
            ),
            (["--etcd", "http://a", "--to", "/nowhere/x"], "--to: cannot write in /nowhere"),
        ] as [([String], String)])
    func refusals(arguments: [String], reason: String) throws {
        var all = ["follow", "--key", "k"] + arguments
        if !arguments.contains("--to") { all += ["--to", "/tmp/never-written"] }
        let result = try Program.run(try RunningNode.builtProgram("sojourn"), all)
        #expect(result.exit == .status(64))
        #expect(result.errors.contains(reason), "\(result.errors)")
    }
}
