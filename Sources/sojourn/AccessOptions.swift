import ArgumentParser
import ClusterFile
import EventLoop
import Glibc
import LoadGenerator
import MemcacheProtocol
import SessionClient

/// How nodes are reached that do not take everybody: TLS, and a user. A password is never an argument,
/// which everybody on the machine can read.
struct AccessOptions: ParsableArguments {
    static let passwordVariable = "SOJOURN_PASSWORD"

    @Flag(help: "Speak TLS with the nodes.") var tls = false
    @Option(
        help: ArgumentHelp(
            "Who signs the nodes' certificates, in PEM format (default: those whom the system believes).",
            valueName: "file"))
    var ca: String?
    @Option(
        help: ArgumentHelp("A certificate to show, and its issuers behind it.", valueName: "file"))
    var cert: String?
    @Option(
        help: ArgumentHelp("Its key, if it is not in the same file.", valueName: "file"))
    var key: String?
    @Option(
        help: ArgumentHelp(
            "The name in the nodes' certificates (default: each node's own host).",
            valueName: "name"))
    var serverName: String?
    @Option(
        help: ArgumentHelp(
            "Log in, with the password of --password-file, or of \(Self.passwordVariable) in the "
                + "environment.", valueName: "name"))
    var user: String?
    @Option(
        help: ArgumentHelp("A file whose first line is the password.", valueName: "file"))
    var passwordFile: String?

    func validate() throws {
        guard passwordFile == nil || user != nil else {
            throw ValidationError("--password-file needs --user")
        }
    }

    /// What the options say, and, where they say nothing, the definition.
    func tls(_ definition: ClusterDefinition?) throws -> CacheClientConfiguration.TLS? {
        let own = definition?.tls.map { CacheClientConfiguration.TLS($0) }
        guard var settings = tls ? own ?? CacheClientConfiguration.TLS() : own else {
            let options = [("ca", ca), ("cert", cert), ("key", key), ("server-name", serverName)]
            if let (name, _) = options.first(where: { $0.1 != nil }) {
                throw ValidationError("--\(name) needs --tls")
            }
            return nil
        }
        if let ca { settings.authorityFile = ca }
        if let cert {
            settings.certificateFile = cert
            settings.keyFile = nil
        }
        if let key { settings.keyFile = key }
        if let serverName { settings.serverName = serverName }
        return settings
    }

    func credentials(_ definition: ClusterDefinition?) throws -> Credentials? {
        guard let user else {
            return try definition?.credentialsFile.map { try Credentials(contentsOf: $0) }
        }
        let hasPassword = passwordFile != nil || getenv(Self.passwordVariable) != nil
        if !hasPassword, let path = definition?.credentialsFile {
            return try Credentials(contentsOf: path, user: user)
        }
        return try Self.credentials(of: user, passwordFile: passwordFile)
    }

    /// A user with the password of a file or, without one, of the environment.
    static func credentials(of user: String, passwordFile: String?) throws -> Credentials {
        if let passwordFile { return try Credentials(user: user, passwordFile: passwordFile) }
        guard let password = getenv(passwordVariable) else {
            throw ValidationError(
                "--user needs a password: --password-file FILE, or \(passwordVariable) in the "
                    + "environment")
        }
        let credentials = Credentials(user: user, password: String(cString: password))
        guard let problem = credentials.problem else { return credentials }
        throw ValidationError("--user, or \(passwordVariable): \(problem)")
    }

    /// For the client library.
    func apply(
        to configuration: inout CacheClientConfiguration, _ definition: ClusterDefinition
    ) throws {
        configuration.tls = try tls(definition)
        configuration.credentials = try credentials(definition)
    }

    /// For questions to single nodes.
    func access(_ definition: ClusterDefinition) throws -> NodeAccess {
        try NodeAccess(tls: tls(definition), credentials: credentials(definition))
    }

    /// For a load, which has TLS of its own.
    func apply(to plan: inout LoadPlan, _ definition: ClusterDefinition?) throws {
        plan.tls = try context(definition)
        plan.login = try login(definition)
    }

    /// For items that are moved.
    func items(_ definition: ClusterDefinition?, _ timeoutSeconds: Int) throws -> ItemAccess {
        ItemAccess(
            tls: try context(definition), login: try login(definition),
            timeoutSeconds: timeoutSeconds)
    }

    private func context(_ definition: ClusterDefinition?) throws -> TLSClientContext? {
        try tls(definition).map { settings in
            var own = TLSClientSettings()
            own.authorityFile = settings.authorityFile
            own.chainFile = settings.certificateFile
            own.keyFile = settings.keyFile
            own.serverName = settings.serverName
            return try TLSClientContext(own)
        }
    }

    private func login(_ definition: ClusterDefinition?) throws -> [UInt8]? {
        try credentials(definition).map {
            LoginRequest.bytes(user: $0.user, password: $0.password)
        }
    }
}
