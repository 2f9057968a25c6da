import ArgumentParser
import EventLoop
import Glibc
import NIOPosix
import SessionClient

struct FollowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "follow",
        abstract: "Writes a cluster's definition to a file, as it is in etcd, whenever it changes.",
        discussion: """
            Nodes, fronts and clients on this machine read the file, and none of them needs etcd. A value that is no \
            definition stays out, with the reason on standard error. So does nothing at all: while etcd is down, or \
            the key is deleted, the file stays as it is.

            Examples:
              sojourn follow --etcd http://10.0.0.7:2379 --key /sojourn/shop --to /var/lib/sojourn-follow/cluster.yaml
              sojourn follow --etcd https://etcd-1,https://etcd-2 --ca ca.pem --key /sojourn/shop --to shop.yaml --once

            Status: 0 after SIGTERM or SIGINT, and with --once when the file has what etcd has; 1 with --once \
            when it has not; 64 when the command line is wrong.
            """)

    @Option(
        name: .customLong("etcd"),
        help: ArgumentHelp(
            "A member of etcd, http://HOST[:PORT] or https://; several times, or with commas between them. The "
                + "next one is asked when one does not answer.", valueName: "url"))
    var urls: [String] = []

    @Option(help: ArgumentHelp("Under which the definition is.", valueName: "key"))
    var key: String

    @Option(name: .customLong("to"), help: ArgumentHelp("Where it goes.", valueName: "file"))
    var path: String

    @Flag(help: "Read once, write, and end.") var once = false

    @Option(
        help: ArgumentHelp(
            "The key is read anew after so long, should the watch be silent for a bad reason.",
            valueName: "seconds"))
    var interval = 30.0

    @Option(
        help: ArgumentHelp(
            "Who signs etcd's certificates, in PEM format (default: those whom the system believes).",
            valueName: "file"))
    var ca: String?
    @Option(
        help: ArgumentHelp("A certificate to show, and its issuers behind it.", valueName: "file"))
    var cert: String?
    @Option(
        help: ArgumentHelp("Its key, if it is not in the same file.", valueName: "file"))
    var keyFile: String?
    @Option(
        help: ArgumentHelp(
            "The name in etcd's certificates (default: each URL's own host).", valueName: "name"))
    var serverName: String?
    @Option(
        help: ArgumentHelp(
            "Log in, with the password of --password-file, or of \(AccessOptions.passwordVariable) in the "
                + "environment.", valueName: "name"))
    var user: String?
    @Option(
        help: ArgumentHelp("A file whose first line is the password.", valueName: "file"))
    var passwordFile: String?

    static let endpointCountMax = 16
    static let keyByteCountMax = 1_024

    func validate() throws {
        let endpoints = try endpoints()
        try check("interval", interval, 0.1...3_600)
        guard (1...Self.keyByteCountMax).contains(key.utf8.count) else {
            throw ValidationError("--key must have 1 to \(Self.keyByteCountMax) bytes")
        }
        guard passwordFile == nil || user != nil else {
            throw ValidationError("--password-file needs --user")
        }
        let options = [
            ("ca", ca), ("cert", cert), ("key-file", keyFile), ("server-name", serverName),
        ]
        if let (name, _) = options.first(where: { $0.1 != nil }),
            !endpoints.contains(where: \.isSecure)
        {
            throw ValidationError("--\(name) needs an https:// URL")
        }
    }

    private func endpoints() throws -> [EtcdEndpoint] {
        let texts = urls.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
        guard (1...Self.endpointCountMax).contains(texts.count) else {
            throw ValidationError("give --etcd URL, at most \(Self.endpointCountMax) of them")
        }
        return try texts.map { text in
            guard let endpoint = EtcdEndpoint(String(text)) else {
                throw ValidationError(
                    "--etcd must be http://HOST[:PORT] or https://HOST[:PORT], not '\(text)'")
            }
            return endpoint
        }
    }

    func run() async throws {
        var follower = try follower()
        if once { throw ExitCode(await follower.runOnce() ? 0 : 1) }
        endAtSignals {
            tell("sojourn follow: ends\n")
            DefinitionTarget.exitBetweenFiles(0)
        }
        let places = try endpoints().map(\.description).joined(separator: ", ")
        tell("sojourn follow: follows \(key) at \(places)\n")
        await follower.run()
    }

    private func follower() throws -> Follower {
        let endpoints = try endpoints()
        let target = DefinitionTarget(path)
        if let obstacle = target.obstacle { throw ValidationError("--to: \(obstacle)") }
        var access = NodeAccess.open
        if endpoints.contains(where: \.isSecure) {
            var tls = CacheClientConfiguration.TLS(authorityFile: ca)
            tls.certificateFile = cert
            tls.keyFile = keyFile
            tls.serverName = serverName
            access = try NodeAccess(tls: tls, credentials: nil)
        }
        var credentials: (() throws -> Credentials)?
        if let user {
            let passwordFile = passwordFile
            credentials = { try AccessOptions.credentials(of: user, passwordFile: passwordFile) }
            // What is wrong at the start is told at the start.
            _ = try credentials?()
        }
        return Follower(
            EtcdClient(endpoints: endpoints, key: key, access: access), to: target,
            intervalSeconds: interval, credentials: credentials)
    }
}
