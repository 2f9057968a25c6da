import EventLoop

/// How the connections of a TCP listener are secured: memcached's prefixes of `-l`, and the names that a
/// holder of sockets may give to them. Without `-Z` there is no TLS anywhere.
package enum ListenerSecurity: String, Sendable {
    /// TLS, with certificates as `ssl_verify_mode` says.
    case standard = "tls"
    /// Clear text.
    case clear = "notls"
    /// TLS, and clients are not asked for a certificate.
    case basic = "btls"
    /// TLS, and clients must have a certificate.
    case mutual = "mtls"

    /// What is asked of clients; nothing in clear text.
    func verification(_ settings: TLSSettings?) -> TLSSettings.Verification? {
        guard let settings else { return nil }
        switch self {
        case .standard: return settings.verification
        case .clear: return nil
        case .basic: return TLSSettings.Verification.none
        case .mutual: return .require
        }
    }

    /// Whether certificates of clients may come, which needs somebody who has signed them.
    func needsAuthority(_ settings: TLSSettings) -> Bool {
        verification(settings)?.needsAuthority ?? false
    }
}
