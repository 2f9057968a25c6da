import Glibc
import HashRing
import Logging
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import SessionClient

private let secret = "pa:ss-4711"

private func configuration(
    password: String = secret, _ change: (inout CacheClientConfiguration) -> Void = { _ in }
) -> CacheClientConfiguration {
    quickConfiguration {
        $0.credentials = Credentials(user: "shop", password: password)
        $0.connectionCountPerNode = 1
        change(&$0)
    }
}

/// memcached with a file of users.
private final class GuardedServer {
    let directory: TemporaryDirectory
    let path: String
    let server: RunningNode

    init(_ lines: String, flags: [String] = []) throws {
        directory = try TemporaryDirectory()
        path = try directory.write(lines, to: "users")
        server = try RunningNode.memcached(["-Y", path] + flags)
    }

    var node: Node { get throws { try server.ringNode } }
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct AuthenticationTests {
    @Test(
        "A client logs in, and then does what it likes; also under TLS", arguments: [false, true])
    func login(hasTLS: Bool) async throws {
        let certificates = try TestCertificates()
        let guarded = try GuardedServer(
            "other:x\nshop:4711\n", flags: hasTLS ? certificates.flags() : [])
        let configuration = configuration(password: "4711") {
            guard hasTLS else { return }
            $0.tls = CacheClientConfiguration.TLS(authorityFile: certificates.path("ca.pem"))
        }
        try await withClient([guarded.node], configuration) { cache in
            _ = try await cache.set("k", to: .text("ours"))
            #expect(try await cache.get("k")?.text == "ours")
            #expect(try await cache.get("auth") == nil)
        }
    }

    @Test("A wrong password, no password and an unknown user are told as what they are")
    func refused() async throws {
        let guarded = try GuardedServer("shop:4711\n")
        for credentials in [
            nil, Credentials(user: "shop", password: "0815"),
            Credentials(user: "bot", password: "4711"),
        ] {
            let configuration = configuration { $0.credentials = credentials }
            try await withClient([guarded.node], configuration) { cache async throws in
                for _ in 0..<2 {
                    do throws(CacheError) {
                        _ = try await cache.get("k")
                        Issue.record("let in as \(String(describing: credentials))")
                    } catch {
                        #expect(error.code == .authenticationFailed)
                        #expect(error.reason?.hasPrefix("CLIENT_ERROR") == true, "\(error)")
                    }
                }
            }
        }
    }

    @Test("A client that was refused comes back by itself when the node has learned the password")
    func learned() async throws {
        let guarded = try GuardedServer("shop:0815\n")
        try await withClient([guarded.node], configuration(password: "4711")) {
            cache async throws in
            #expect(await code { _ = try await cache.get("k") } == .authenticationFailed)
            _ = try guarded.directory.write("shop:4711\n", to: "users")
            guarded.server.program.send(SIGHUP)
            try await eventually("a login") {
                await code { _ = try await cache.get("k") } == nil
            }
        }
    }

    @Test("The login is the first on every connection, and the greeting waits for its answer")
    func order() async throws {
        let server = try await FaultServer { line in
            switch line {
            case "set auth 0 -1 15": .nothing
            case "shop " + secret: .bytes("STORED\r\n")
            case "mn": .bytes("MN\r\n")
            default: .bytes("EN\r\n")
            }
        }
        let configuration = configuration { $0.connectionCountPerNode = 2 }
        try await withClient([server.node], configuration) { cache async throws in
            _ = await code { _ = try await cache.get("k") }
        }
        #expect(server.received.prefix(3) == ["set auth 0 -1 15", "shop " + secret, "mn"])
        #expect(server.received.dropFirst(3).first?.hasPrefix("mg k ") == true)
    }

    @Test("A node that refuses is not asked again and again")
    func patience() async throws {
        let server = try await FaultServer { line in
            line.hasPrefix("set") ? .nothing : .bytes("CLIENT_ERROR authentication failure\r\n")
        }
        let configuration = configuration {
            $0.ejectionMin = .seconds(3_600)
            $0.ejectionMax = .seconds(3_600)
        }
        try await withClient([server.node], configuration) { cache async throws in
            for _ in 0..<50 {
                #expect(await code { _ = try await cache.get("k") } == .authenticationFailed)
            }
        }
        #expect(server.connectionCount == 1)
        #expect(server.received == ["set auth 0 -1 15", "shop " + secret])
    }

    @Test(
        "A node that answers a login with anything else is none",
        arguments: [
            "ERROR Too many open connections\r\n", "SERVER_ERROR busy\r\n", "MN\r\n", "HD\r\n",
            "HTTP/1.1 400\r\n", "NOT_STORED\r\n",
        ])
    func otherAnswers(text: String) async throws {
        let server = try await FaultServer { $0.hasPrefix("set") ? .nothing : .bytes(text) }
        try await withClient([server.node], configuration()) { cache async throws in
            #expect(await code { _ = try await cache.get("k") } == .protocolViolation)
        }
        #expect(!server.received.contains { $0.hasPrefix("mg") })
        let closing = try await FaultServer { $0.hasPrefix("set") ? .nothing : .close }
        try await withClient([closing.node], configuration()) { cache async throws in
            #expect(await code { _ = try await cache.get("k") } == .nodeUnavailable)
        }
    }

    @Test("A node that knows no users keeps no password", arguments: ServerKind.allCases)
    func notAsked(kind: ServerKind) async throws {
        let server = try kind.start()
        try await withClient([server.ringNode], configuration()) { cache in
            _ = try await cache.set("k", to: .text("ours"))
            #expect(try await cache.get("k")?.text == "ours")
            #expect(try await cache.get("auth") == nil)
        }
    }

    @Test("Who asks nodes for their cluster logs in, too")
    func membership() async throws {
        let body = "1\na||1 b||2\n"
        let server = try await FaultServer { line in
            switch line {
            case "set auth 0 -1 15": .nothing
            case "shop " + secret: .bytes("STORED\r\n")
            case "config get cluster":
                .bytes("CONFIG cluster 0 \(body.utf8.count)\r\n\(body)\r\nEND\r\n")
            default: .bytesAndClose("CLIENT_ERROR authentication failure\r\n")
            }
        }
        func nodes(_ password: String) async throws -> [Node]? {
            var reader = MembershipReader(
                .clusterConfiguration(seeds: [server.node]),
                group: MultiThreadedEventLoopGroup.singleton,
                access: try NodeAccess(
                    tls: nil, credentials: Credentials(user: "shop", password: password)),
                queryTimeout: .seconds(20))
            return try await reader.changedNodes()
        }
        #expect(try await nodes(secret) == [Node(host: "a", port: 1), Node(host: "b", port: 2)])
        do {
            _ = try await nodes("wrong-4711")
            Issue.record("let in")
        } catch {
            #expect("\(error)".contains("CLIENT_ERROR authentication failure"), "\(error)")
            #expect(!"\(error)".contains("4711"))
        }
    }

    @Test("No description, error or log has the password in it")
    func secrecy() async throws {
        let log = Mutex("")
        let configuration = configuration()
        let server = try await FaultServer { line in
            line.hasPrefix("set") ? .nothing : .bytes("CLIENT_ERROR authentication failure\r\n")
        }
        let logger = Logger(label: "test") { _ in
            LineLog { line in log.withLock { $0 += line + "\n" } }
        }
        let cache = try CacheClient(
            nodes: [server.node], configuration: configuration, logger: logger)
        var texts = ["\(configuration)", String(reflecting: configuration)]
        var dumped = ""
        dump(configuration, to: &dumped)
        texts.append(dumped)
        do { _ = try await cache.get("k") } catch { texts.append(String(reflecting: error)) }
        cache.shutDown()
        texts.append(log.withLock { $0 })
        #expect(texts[0].contains("user shop"))
        #expect(texts[3].contains("authenticationFailed"))
        #expect(texts[4].contains("node ejected"))
        for text in texts { #expect(!text.contains("4711"), "\(text)") }
    }
}

/// Hands lines of the log to a function.
private struct LineLog: LogHandler {
    let write: @Sendable (String) -> Void
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(_ write: @escaping @Sendable (String) -> Void) { self.write = write }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        write("\(event.message) \(metadata) \(event.metadata ?? [:])")
    }
}

@Suite(.timeLimit(.minutes(10)))
struct CredentialsTests {
    private func read(
        _ text: String, user: String? = nil, mode: mode_t = 0o600
    ) throws -> (Credentials?, String) {
        let directory = try TemporaryDirectory()
        let path = try directory.write(text, to: "users")
        chmod(path, mode)
        do throws(ConfigurationError) {
            return (try Credentials(contentsOf: path, user: user), "")
        } catch {
            return (nil, error.description.replacing(path, with: "FILE"))
        }
    }

    @Test("A file of users is read as nodes read it")
    func file() throws {
        let text = "shop:4711\r\n\r\nbot:a:b\n"
        #expect(try read(text).0 == Credentials(user: "shop", password: "4711"))
        #expect(try read(text, user: "bot").0 == Credentials(user: "bot", password: "a:b"))
        #expect(try read("x:y").0 == Credentials(user: "x", password: "y"))
    }

    @Test("What is wrong with a file of users is told without a word of it")
    func mistakes() throws {
        let file = "the credentials file FILE"
        #expect(try read("shop:4711\n", user: "bot").1 == "\(file) has no user bot")
        #expect(try read("\n").1 == "\(file) has no users")
        #expect(try read("\n4711\n").1 == "\(file), line 2: not user:password")
        #expect(
            try read("shop:\n").1 == "\(file), line 1: a password has 1 to 250 bytes, not 0")
        #expect(
            try read(":4711\n").1 == "\(file), line 1: a user's name has 1 to 250 bytes, not 0")
        #expect(
            try read("shop:47 11\n").1
                == "\(file), line 1: a password has no spaces and no control characters")
        #expect(
            try read("shop:4711\n", mode: 0o644).1
                == "\(file) can be read by others: its mode is 0644, and should be 0600")
        #expect(throws: ConfigurationError.self) { try Credentials(contentsOf: "/nowhere/users") }
    }

    @Test("Names and passwords have bounds, which the client checks", arguments: [249, 250, 251])
    func bounds(byteCount: Int) throws {
        let word = String(repeating: "x", count: byteCount)
        for credentials in [
            Credentials(user: word, password: "x"), Credentials(user: "x", password: word),
        ] {
            let configuration = quickConfiguration { $0.credentials = credentials }
            if byteCount <= 250 {
                try CacheClient(nodes: [Node(host: "a")], configuration: configuration).shutDown()
            } else {
                #expect(throws: ConfigurationError.self) {
                    try CacheClient(nodes: [Node(host: "a")], configuration: configuration)
                }
            }
        }
        for user in ["a:b", "a b", "a\n", ""] {
            #expect(Credentials(user: user, password: "x").problem != nil)
        }
    }
}
