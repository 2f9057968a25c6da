import CacheNode
import EventLoop

/// What `-Z` and `-o ssl_...` say; memcached's options, and two of our own.
struct TLSOptions {
    private var chainFile: String?
    private var keyFile: String?
    private var authorityFile: String?
    private var ciphers: String?
    private var keyFormat = TLSSettings.KeyFormat.pem
    private var verification = TLSSettings.Verification.none
    private var minimumVersion = TLSSettings.Version.tls13
    private var recordByteCount = TLSSettings.recordByteCountRange.upperBound
    private var cachesSessions = false
    private var usesKernel = false
    private var handshakeCountMax: Int?
    private var handshakeTimeoutSeconds: Int?
    /// The first that was given.
    private var firstName: String?

    static let prefix = "ssl_"
    private static let handshakeCountRange = 1...65_536
    private static let handshakeSecondsRange = 1...3_600

    /// - Parameter path: makes a path one that is meant later, too.
    mutating func read(
        _ name: String, _ value: String?, path: (String) -> String
    ) throws(Refusal) {
        firstName = firstName ?? name
        switch name {
        case "ssl_chain_cert": chainFile = path(try Self.text(name, value))
        case "ssl_key": keyFile = path(try Self.text(name, value))
        case "ssl_ca_cert": authorityFile = path(try Self.text(name, value))
        case "ssl_ciphers": ciphers = try Self.text(name, value)
        case "ssl_session_cache": cachesSessions = true
        case "ssl_kernel_tls": usesKernel = true
        case "ssl_verify_mode":
            let number = try ExtendedOptions.number(name, value, 0...3)
            verification = TLSSettings.Verification(rawValue: number) ?? .require
        case "ssl_min_version":
            let number = try ExtendedOptions.number(name, value, 0...3)
            guard let version = TLSSettings.Version(rawValue: number) else {
                throw Refusal(
                    "ssl_min_version=\(number) is TLS 1.\(number), which is not safe and not spoken; "
                        + "2 is TLS 1.2, 3 is TLS 1.3")
            }
            minimumVersion = version
        case "ssl_keyformat": keyFormat = try Self.keyFormat(value)
        case "ssl_wbuf_size":
            // A record has no room for more than 16 of memcached's kilobytes.
            let kilobytes = try ExtendedOptions.number(name, value, 1...1_024)
            recordByteCount = min(
                kilobytes << 10, TLSSettings.recordByteCountRange.upperBound)
        case "ssl_handshakes":
            handshakeCountMax = try ExtendedOptions.number(name, value, Self.handshakeCountRange)
        case "ssl_handshake_timeout":
            handshakeTimeoutSeconds = try ExtendedOptions.number(
                name, value, Self.handshakeSecondsRange)
        default: throw Refusal("Illegal suboption \"\(name)\"")
        }
    }

    private static func text(_ name: String, _ value: String?) throws(Refusal) -> String {
        guard let value, !value.isEmpty else { throw Refusal("Missing \(name) argument") }
        return value
    }

    /// memcached's numbers, or its help's names.
    private static func keyFormat(_ value: String?) throws(Refusal) -> TLSSettings.KeyFormat {
        switch value {
        case "1", "PEM": return .pem
        case "2", "DER": return .der
        default:
            throw Refusal("ssl_keyformat must be PEM or DER (1 or 2), not \"\(value ?? "")\"")
        }
    }

    /// - Parameter isEnabled: `-Z`.
    func apply(to node: inout NodeConfiguration, isEnabled: Bool) throws(Refusal) {
        guard isEnabled else {
            if let firstName { throw Refusal("\(firstName) has no meaning without -Z") }
            return
        }
        if node.listening.allSatisfy(\.isUnix) {
            throw Refusal("-Z has no meaning with -s: nothing of a Unix socket is encrypted")
        }
        guard let chainFile else {
            throw Refusal("-Z needs a certificate: -o ssl_chain_cert=FILE,ssl_key=FILE")
        }
        var settings = TLSSettings(chainFile: chainFile)
        settings.keyFile = keyFile
        settings.keyFormat = keyFormat
        settings.authorityFile = authorityFile
        settings.verification = verification
        settings.minimumVersion = minimumVersion
        settings.ciphers = ciphers
        settings.cachesSessions = cachesSessions
        settings.usesKernel = usesKernel
        settings.recordByteCount = recordByteCount
        node.tls = settings
        if let handshakeCountMax { node.handshakeCountMax = handshakeCountMax }
        if let handshakeTimeoutSeconds { node.handshakeTimeoutSeconds = handshakeTimeoutSeconds }
    }
}
