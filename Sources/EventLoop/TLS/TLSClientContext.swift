internal import COpenSSL
import Glibc

/// Whom a client of TLS believes, and what it shows of itself.
package struct TLSClientSettings: Equatable, Sendable {
    /// PEM: who signs servers' certificates; nothing are those whom the system believes.
    package var authorityFile: String?
    /// PEM: the client's certificate, then that of its issuer, and so on.
    package var chainFile: String?
    /// Where it is nothing, the key is in `chainFile`.
    package var keyFile: String?
    /// Whose certificate it has to be; nothing is the host that was connected to.
    package var serverName: String?
    package var verifiesServerName = true
    package var minimumVersion = TLSSettings.Version.tls12

    package init() {}
}

/// TLS as a client speaks it. For measurements: the client library has another.
///
/// `@unchecked Sendable`: what is in it is not changed once it is made, but for OpenSSL's own counts.
package final class TLSClientContext: @unchecked Sendable {
    private let handle: OpaquePointer
    private let settings: TLSClientSettings

    /// Reads and checks the files.
    package init(_ settings: TLSClientSettings) throws(TLSError) {
        guard let handle = SSL_CTX_new(TLS_client_method()) else {
            throw TLSError("no TLS: \(TLSFailure.take())")
        }
        self.handle = handle
        self.settings = settings
        _ = tls_set_minimum_version(
            handle, settings.minimumVersion == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION)
        tls_set_modes(handle)
        SSL_CTX_set_verify(handle, SSL_VERIFY_PEER, nil)
        try trust()
        if let path = settings.chainFile {
            try show(path, keyFile: settings.keyFile ?? path)
        } else if let path = settings.keyFile {
            throw TLSError("the key \(path) is nothing without a certificate")
        }
    }

    deinit { SSL_CTX_free(handle) }

    private func trust() throws(TLSError) {
        guard let path = settings.authorityFile else {
            guard SSL_CTX_set_default_verify_paths(handle) == 1 else {
                throw TLSError("the system's CA files cannot be used: \(TLSFailure.take())")
            }
            return
        }
        let list = try CertificateList(try TLSFile(path, "the CA file"))
        guard let store = SSL_CTX_get_cert_store(handle) else { throw TLSError("no memory") }
        for certificate in list.certificates {
            guard X509_STORE_add_cert(store, certificate.handle) == 1 else {
                throw TLSError("the CA file \(path) cannot be used: \(TLSFailure.take())")
            }
        }
    }

    private func show(_ path: String, keyFile: String) throws(TLSError) {
        let chain = try CertificateList(try TLSFile(path, "the certificate chain")).certificates
        let file = try TLSFile(keyFile, "the key")
        if let exposure = file.exposure { throw TLSError(exposure) }
        let key = try PrivateKey(file, .pem)
        guard chain[0].fits(key) else {
            throw TLSError(
                "the key \(keyFile) does not belong to the first certificate of \(path) "
                    + "(\(chain[0].subject))")
        }
        guard SSL_CTX_use_certificate(handle, chain[0].handle) == 1,
            SSL_CTX_use_PrivateKey(handle, key.handle) == 1,
            chain.dropFirst().allSatisfy({ tls_add_chain_certificate(handle, $0.handle) == 1 })
        else {
            throw TLSError("the certificate chain \(path) cannot be used: \(TLSFailure.take())")
        }
    }

    /// A stream over a connected socket, which begins with a handshake.
    ///
    /// - Parameter host: what was connected to, a name or an address.
    package func makeStream(
        _ socket: consuming Stream, host: String
    ) throws(TLSError) -> TLSStream {
        let descriptor = socket.descriptor
        return try makeStream(socket, host: host) { SocketBIO.attach($0, to: descriptor) }
    }

    /// - Parameter attaching: has the session read and write somewhere.
    func makeStream(
        _ socket: consuming Stream, host: String, attaching: (OpaquePointer) -> Bool
    ) throws(TLSError) -> TLSStream {
        guard let session = SSL_new(handle) else {
            throw TLSError("no TLS: \(TLSFailure.take())")
        }
        guard attaching(session),
            expect(settings.serverName ?? host, of: session)
        else {
            let reason = TLSFailure.take()
            SSL_free(session)
            throw TLSError("no TLS with \(settings.serverName ?? host): \(reason)")
        }
        SSL_set_connect_state(session)
        return TLSStream(
            socket, session: session,
            recordByteCount: TLSSettings.recordByteCountRange.upperBound)
    }

    /// A client's session without a socket, for who brings it to one and frees it.
    func makeSession(host: String) -> OpaquePointer? {
        guard let session = SSL_new(handle), expect(settings.serverName ?? host, of: session) else {
            ERR_clear_error()
            return nil
        }
        SSL_set_read_ahead(session, 0)
        return session
    }

    /// Has the server's certificate be for this name or address, and asks for it by its name.
    private func expect(_ name: String, of session: OpaquePointer) -> Bool {
        guard !HostAddresses.isNumeric(name) else {
            return !settings.verifiesServerName
                || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name) == 1
        }
        guard tls_set_server_name(session, name) == 1 else { return false }
        return !settings.verifiesServerName || SSL_set1_host(session, name) == 1
    }
}

/// OpenSSL's way to a socket that it does not own.
enum SocketBIO {
    // Made once, and only read from then on.
    private nonisolated(unsafe) static let method = socket_bio_method()

    static func attach(_ session: OpaquePointer, to descriptor: Int32) -> Bool {
        guard let method, let bio = socket_bio_new(method, session, descriptor) else {
            return false
        }
        SSL_set_bio(session, bio, bio)
        return true
    }
}
