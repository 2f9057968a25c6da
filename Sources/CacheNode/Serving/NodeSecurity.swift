import EventLoop
import Glibc
import Logging
import Synchronization

/// The node's certificate, which can be read again while it runs. Who is connected keeps the old one.
final class NodeSecurity: Sendable {
    let settings: TLSSettings
    /// Whether a listener asks for clients' certificates.
    private let needsAuthority: Bool
    private let current: Mutex<Current>

    private struct Current {
        let context: TLSContext
        let moment = ContinuousClock.now
    }

    init(_ configuration: SpaceConfiguration, _ settings: TLSSettings) throws(TLSError) {
        self.settings = settings
        let needsAuthority = configuration.asksForCertificates(settings)
        self.needsAuthority = needsAuthority
        current = Mutex(
            Current(
                context: try TLSContext(
                    settings, needsAuthority: needsAuthority, now: Self.wallSeconds())))
    }

    /// Certificates are good for dates of the calendar.
    private static func wallSeconds() -> Int { time(nil) }

    /// For connections that begin now.
    var context: TLSContext { current.withLock { $0.context } }

    /// Since the files were read.
    var age: Duration { current.withLock { ContinuousClock.now - $0.moment } }

    /// Until the certificate expires.
    var secondsLeft: Int { context.expirySeconds - Self.wallSeconds() }

    /// Reads the files again, a few milliseconds. If there is anything wrong with them, the node goes on
    /// with what it has.
    func refresh() throws(TLSError) {
        let context = try TLSContext(
            settings, needsAuthority: needsAuthority, now: Self.wallSeconds())
        current.withLock { $0 = Current(context: context) }
    }

    /// What an operator is told when it was read.
    var summary: String {
        let context = context
        return "\(settings.minimumVersion == .tls13 ? "TLS 1.3" : "TLS 1.2 and 1.3") by "
            + "\(TLSContext.libraryVersion), certificate \(context.subject), "
            + "valid until \(context.expiry)"
    }
}

extension NodeContext {
    var speaksTLS: Bool {
        peerSecurity != nil || spaces.all.contains { $0.security != nil }
    }

    /// Reads certificates and keys again, and says in the log what came of it. What is wrong with the members' leaves the
    /// clients' new ones in place.
    func refreshCertificates() throws(TLSError) {
        do {
            for case let security? in spaces.all.map(\.security) {
                try security.refresh()
                logger.notice("certificates read again: \(security.summary)")
            }
            if let peerSecurity {
                try peerSecurity.refresh()
                logger.notice("certificates read again: \(peerSecurity.summary)")
            }
        } catch {
            logger.error("the certificates stay as they were: \(error)")
            throw error
        }
    }
}
