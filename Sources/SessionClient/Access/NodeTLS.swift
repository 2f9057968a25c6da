import HashRing
import NIOCore
import NIOSSL

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// TLS with nodes, from files that were read and checked. The only place that knows NIOSSL.
struct NodeTLS: Sendable {
    private let context: NIOSSLContext
    /// Nil is each node's host.
    private let serverName: String?

    /// Reads the files.
    ///
    /// - Throws: with the file's path, and what is wrong with it.
    init(_ settings: CacheClientConfiguration.TLS) throws(ConfigurationError) {
        if let name = settings.serverName, Self.isAddress(name) || !(1...255 ~= name.utf8.count) {
            throw ConfigurationError(
                "tls.serverName must be a host's name, not '\(name)'; nodes with addresses are known "
                    + "by these without it")
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = settings.minimumVersion == .tls12 ? .tlsv12 : .tlsv13
        configuration.certificateVerification =
            settings.verifiesServerName ? .fullVerification : .noHostnameVerification
        // For a node's goodbye. Nobody waits for it.
        configuration.shutdownTimeout = .seconds(1)
        if let path = settings.authorityFile {
            configuration.trustRoots = .certificates(
                try Self.certificates(try AccessFile(path, "the CA file")))
        }
        var ownName = "TLS"
        if let path = settings.certificateFile {
            let file = try AccessFile(path, "the certificate")
            let chain = try Self.certificates(file)
            configuration.certificateChain = chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(
                try Self.key(try AccessFile(settings.keyFile ?? path, "the key", isSecret: true)))
            ownName = "the key \(settings.keyFile ?? path) with the certificate \(path)"
        } else if settings.keyFile != nil {
            throw ConfigurationError("tls.keyFile needs tls.certificateFile")
        }
        do {
            context = try NIOSSLContext(configuration: configuration)
        } catch {
            // What it says of a key that was read already.
            let isMismatch = (error as? NIOSSLError) == .failedToLoadPrivateKey
            let reason =
                isMismatch ? "they do not belong together" : Self.reason(error) ?? "\(error)"
            throw ConfigurationError("\(ownName) cannot be used: \(reason)")
        }
        serverName = settings.serverName
    }

    private static func certificates(
        _ file: AccessFile
    ) throws(ConfigurationError) -> [NIOSSLCertificate] {
        let certificates = try? NIOSSLCertificate.fromPEMBytes(file.bytes)
        guard let certificates, !certificates.isEmpty else {
            throw ConfigurationError("\(file.name) has no certificates in PEM format")
        }
        return certificates
    }

    private static func key(_ file: AccessFile) throws(ConfigurationError) -> NIOSSLPrivateKey {
        // Without an answer to it the library asks at the terminal.
        let key = try? NIOSSLPrivateKey(bytes: file.bytes, format: .pem) { $0([UInt8]()) }
        guard let key else {
            throw ConfigurationError("\(file.name) has no key in PEM format, or an encrypted one")
        }
        return key
    }

    private static func isAddress(_ host: String) -> Bool {
        (try? SocketAddress(ipAddress: host, port: 0)) != nil
    }

    /// Puts TLS between a socket and what is added to its channel later.
    func begin(on channel: any Channel, with host: String) throws {
        // For an address the certificate has to name that of the socket.
        let name = serverName ?? (Self.isAddress(host) ? nil : host)
        let handler = try NIOSSLClientHandler(context: context, serverHostname: name)
        try channel.pipeline.syncOperations.addHandler(handler)
    }

    // MARK: Troubles

    /// What an error of TLS means, in words; nil for others.
    static func reason(_ error: any Error) -> String? {
        switch error {
        case NIOSSLError.handshakeFailed(let error): reason(error).map { "no TLS: \($0)" }
        case NIOSSLError.uncleanShutdown: "closed by the node"
        case let error as NIOSSLError: "no TLS: \(error)"
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            "no TLS: the node's certificate is for another name"
        case let error as NIOSSLExtraError: "no TLS: \(error)"
        case BoringSSLError.sslError(let stack), BoringSSLError.unknownError(let stack):
            stack.last.map(reason) ?? "no reason is known"
        case is BoringSSLError: "the node has hung up"
        default: nil
        }
    }

    /// The words of BoringSSL, without where in its sources they come from.
    private static func reason(_ error: BoringSSLInternalError) -> String {
        if error == .eofDuringHandshake { return "the node has hung up" }
        let text = error.description.prefix(upTo: " at ").split(separator: ":").last ?? ""
        switch text {
        case "CERTIFICATE_VERIFY_FAILED":
            return
                "the node's certificate was not signed by those who are believed, or is out of date"
        case "WRONG_VERSION_NUMBER": return "the node does not speak it at this port"
        case "UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION":
            return "the node speaks no version of it that is spoken here"
        case "TLSV1_ALERT_CERTIFICATE_REQUIRED", "TLSV13_ALERT_CERTIFICATE_REQUIRED":
            return "the node asks for a certificate"
        case "TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_EXPIRED", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
            "SSLV3_ALERT_CERTIFICATE_UNKNOWN":
            return "the node refuses this client's certificate (\(text))"
        default: return String(text)
        }
    }
}

extension String {
    /// All before the first occurrence of `end`; all of it without one.
    fileprivate func prefix(upTo end: String) -> Substring {
        firstRange(of: end).map { self[..<$0.lowerBound] } ?? self[...]
    }
}
