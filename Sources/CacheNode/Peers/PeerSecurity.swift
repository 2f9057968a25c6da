import EventLoop
import Glibc
import Synchronization

/// What members show each other, and whom they believe: both sides of a connection have a certificate.
package struct PeerTLSSettings: Equatable, Sendable {
    /// PEM: who signs members' certificates.
    package var authorityFile: String
    /// PEM: this node's certificate, then that of its issuer, and so on. Good for servers and for clients.
    package var chainFile: String
    /// Where it is nothing, the key is in `chainFile`.
    package var keyFile: String?
    /// The name in every member's certificate; nothing is the host at which each is reached.
    package var serverName: String?

    package init(authorityFile: String, chainFile: String) {
        self.authorityFile = authorityFile
        self.chainFile = chainFile
    }
}

/// TLS between members, with files that can be read again while the node runs. Links that are there go on with what they
/// began with.
final class PeerSecurity: Sendable {
    let settings: PeerTLSSettings
    private let current: Mutex<Contexts>

    private struct Contexts {
        let server: TLSContext
        let client: TLSClientContext

        init(_ settings: PeerTLSSettings) throws(TLSError) {
            var own = TLSSettings(chainFile: settings.chainFile)
            own.keyFile = settings.keyFile
            own.authorityFile = settings.authorityFile
            own.verification = .require
            own.isForClientsToo = true
            server = try TLSContext(own, now: time(nil))
            var others = TLSClientSettings()
            others.authorityFile = settings.authorityFile
            others.chainFile = settings.chainFile
            others.keyFile = settings.keyFile
            others.serverName = settings.serverName
            others.minimumVersion = .tls13
            client = try TLSClientContext(others)
        }
    }

    init(_ settings: PeerTLSSettings) throws(TLSError) {
        self.settings = settings
        current = Mutex(try Contexts(settings))
    }

    /// Reads the files again. If there is anything wrong with them, what is there stays.
    func refresh() throws(TLSError) {
        let new = try Contexts(settings)
        current.withLock { $0 = new }
    }

    /// Until the certificate expires.
    var secondsLeft: Int { current.withLock { $0.server }.expirySeconds - time(nil) }

    var summary: String {
        let server = current.withLock { $0.server }
        return "members speak TLS 1.3, certificate \(server.subject), valid until \(server.expiry)"
    }

    /// The stream of a connection that was accepted; nothing, and the socket closed, for want of memory.
    func accepted(_ socket: consuming EventLoop.Stream) -> TLSStream? {
        current.withLock { $0.server }.makeStream(socket, verification: .require)
    }

    /// - Parameter host: what was dialled.
    func dialled(_ socket: consuming EventLoop.Stream, host: String) throws(TLSError) -> TLSStream {
        try current.withLock { $0.client }.makeStream(socket, host: host)
    }
}
