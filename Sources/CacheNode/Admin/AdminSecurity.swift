import EventLoop
import Glibc
import Logging
import Synchronization

/// What keeps the operator's port: its users, its certificate, and whom it believes of the other members. Read at the
/// start, and again on SIGHUP.
final class AdminSecurity: Sendable {
    let rules: AdminRules
    let authentication: NodeAuthentication?
    private let server: Mutex<TLSContext?>
    private let client: Mutex<TLSClientContext?>
    /// How often the passwords were read.
    let generation = Mutex(0)

    init(_ rules: AdminRules) throws(NodeError) {
        self.rules = rules
        do {
            authentication = try rules.passwordFile.map { path in
                var access = AuthenticationRules()
                access.passwordFile = path
                return try NodeAuthentication(access)
            }
            server = Mutex(try Self.makeServer(rules))
            client = Mutex(try Self.makeClient(rules))
        } catch let error as AuthenticationError {
            throw Self.misconfigured("admin_auth_file: \(error)")
        } catch {
            throw Self.misconfigured("--admin: TLS: \(error)")
        }
    }

    private static func misconfigured(_ message: String) -> NodeError {
        var error = NodeError(message: message)
        error.isMisconfigured = true
        return error
    }

    private static func makeServer(_ rules: AdminRules) throws(TLSError) -> TLSContext? {
        guard let chainFile = rules.chainFile else { return nil }
        var settings = TLSSettings(chainFile: chainFile)
        settings.keyFile = rules.keyFile
        // Browsers and monitors of some years ago.
        settings.minimumVersion = .tls12
        return try TLSContext(settings, now: time(nil))
    }

    private static func makeClient(_ rules: AdminRules) throws(TLSError) -> TLSClientContext? {
        guard rules.chainFile != nil, !rules.members.isEmpty else { return nil }
        var settings = TLSClientSettings()
        settings.authorityFile = rules.authorityFile
        return try TLSClientContext(settings)
    }

    var serverContext: TLSContext? { server.withLock { $0 } }
    var clientContext: TLSClientContext? { client.withLock { $0 } }

    var hasFiles: Bool { rules.passwordFile != nil || rules.chainFile != nil }

    /// What is wrong with a file leaves all of it as it was.
    func refresh(_ logger: Logger) {
        do {
            let (server, client) = (try Self.makeServer(rules), try Self.makeClient(rules))
            try authentication?.refresh()
            self.server.withLock { $0 = server }
            self.client.withLock { $0 = client }
            generation.withLock { $0 += 1 }
            logger.notice("the operator's port: users and certificate read again")
        } catch {
            logger.error("the operator's port: users and certificate stay as they were: \(error)")
        }
    }
}
