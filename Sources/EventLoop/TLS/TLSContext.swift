internal import COpenSSL
import Glibc

/// A certificate with its key, and how TLS is spoken with them. Streams keep the one with which they
/// began, whatever is read later.
///
/// `@unchecked Sendable`: what is in it is not changed once it is made, but for OpenSSL's own counts and
/// its session cache, which OpenSSL locks.
package final class TLSContext: @unchecked Sendable {
    private let handle: OpaquePointer
    private let usesKernel: Bool
    private let recordByteCount: Int
    /// Whose certificate it is.
    package let subject: String
    /// When the first certificate of the chain expires, in Unix time.
    package let expirySeconds: Int

    /// Sessions that are kept for clients of TLS 1.2 that know no tickets; some 2 kB each.
    private static let cachedSessionCount = 4_096

    /// The same in words.
    package var expiry: String { Certificate.text(expirySeconds) }

    package static var libraryVersion: String { String(cString: OpenSSL_version(OPENSSL_VERSION)) }

    /// Reads and checks the files.
    ///
    /// - Parameters:
    ///   - needsAuthority: whether a listener asks for clients' certificates, whatever is in `settings`.
    ///   - now: Unix time, by which certificates are good.
    package init(
        _ settings: TLSSettings, needsAuthority: Bool = false, now: Int
    ) throws(TLSError) {
        let chain = try Chain(settings, now: now)
        guard let handle = SSL_CTX_new(TLS_server_method()) else {
            throw TLSError("no TLS: \(TLSFailure.take())")
        }
        self.handle = handle
        usesKernel = settings.usesKernel
        recordByteCount = settings.recordByteCount
        subject = chain.certificates[0].subject
        expirySeconds = chain.expirySeconds
        try apply(settings)
        try use(chain)
        if let path = settings.authorityFile {
            try trust(try CertificateList(try TLSFile(path, "the CA file")), path, now: now)
        } else if needsAuthority || settings.verification.needsAuthority {
            throw TLSError("clients' certificates cannot be verified without ssl_ca_cert")
        }
    }

    deinit { SSL_CTX_free(handle) }

    private func apply(_ settings: TLSSettings) throws(TLSError) {
        let version = settings.minimumVersion == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION
        _ = tls_set_minimum_version(handle, version)
        tls_set_options(handle, settings.usesKernel ? 1 : 0, 1)
        tls_set_modes(handle)
        tls_set_session_cache(
            handle, settings.cachesSessions ? 1 : 0, Self.cachedSessionCount)
        // A client that wants more connections at a time shares it.
        SSL_CTX_set_num_tickets(handle, 1)
        // The fastest of the good ones first. A name that is not known is told below.
        SSL_CTX_set_ciphersuites(
            handle, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256")
        guard let ciphers = settings.ciphers else { return }
        let names = ciphers.split(separator: ":")
        let ofTLS13 = names.filter { $0.hasPrefix("TLS_") }.joined(separator: ":")
        let others = names.filter { !$0.hasPrefix("TLS_") }.joined(separator: ":")
        guard ofTLS13.isEmpty || SSL_CTX_set_ciphersuites(handle, ofTLS13) == 1,
            others.isEmpty || SSL_CTX_set_cipher_list(handle, others) == 1
        else {
            throw TLSError("ssl_ciphers=\(ciphers) cannot be used: \(TLSFailure.take())")
        }
    }

    private func use(_ chain: Chain) throws(TLSError) {
        guard SSL_CTX_use_certificate(handle, chain.certificates[0].handle) == 1,
            SSL_CTX_use_PrivateKey(handle, chain.key.handle) == 1
        else { throw TLSError("\(chain.name) cannot be used: \(TLSFailure.take())") }
        for certificate in chain.certificates.dropFirst() {
            guard tls_add_chain_certificate(handle, certificate.handle) == 1 else {
                throw TLSError("\(chain.name) cannot be used: \(TLSFailure.take())")
            }
        }
    }

    /// Takes the word of these for clients' certificates.
    private func trust(_ list: CertificateList, _ path: String, now: Int) throws(TLSError) {
        guard let store = SSL_CTX_get_cert_store(handle) else { throw TLSError("no memory") }
        for certificate in list.certificates {
            guard X509_STORE_add_cert(store, certificate.handle) == 1,
                SSL_CTX_add_client_CA(handle, certificate.handle) == 1
            else { throw TLSError("the CA file \(path) cannot be used: \(TLSFailure.take())") }
        }
        for revocations in list.revocations {
            if let end = revocations.end, end <= now {
                throw TLSError(
                    "a list of revoked certificates in the CA file \(path) is out of date since "
                        + Certificate.text(end))
            }
            guard X509_STORE_add_crl(store, revocations.handle) == 1 else {
                throw TLSError("the CA file \(path) cannot be used: \(TLSFailure.take())")
            }
            X509_STORE_set_flags(store, UInt(X509_V_FLAG_CRL_CHECK))
        }
    }

    /// A stream over a connected socket, which begins with a handshake; nothing, and the socket closed,
    /// for want of memory.
    package func makeStream(
        _ socket: consuming Stream, verification: TLSSettings.Verification
    ) -> TLSStream? {
        let descriptor = socket.descriptor
        return makeStream(socket, verification: verification) { attach($0, to: descriptor) }
    }

    /// - Parameter attaching: has the session read and write somewhere.
    func makeStream(
        _ socket: consuming Stream, verification: TLSSettings.Verification,
        attaching: (OpaquePointer) -> Bool
    ) -> TLSStream? {
        guard let session = SSL_new(handle) else {
            ERR_clear_error()
            return nil
        }
        guard attaching(session) else {
            ERR_clear_error()
            SSL_free(session)
            return nil
        }
        SSL_set_verify(session, Int32(verification.flags), nil)
        // A session that began where no certificate was asked for must not be resumed where one is.
        var name: [UInt8] = Array("sojourn".utf8) + [UInt8(verification.rawValue)]
        SSL_set_session_id_context(session, &name, UInt32(name.count))
        SSL_set_accept_state(session)
        return TLSStream(socket, session: session, recordByteCount: recordByteCount)
    }

    /// A server's session without a socket, for who brings it to one and frees it; nothing for want of memory.
    func makeSession() -> OpaquePointer? {
        guard let session = SSL_new(handle) else {
            ERR_clear_error()
            return nil
        }
        // libevent asks how much is pending, which does not count what was read ahead.
        SSL_set_read_ahead(session, 0)
        var name: [UInt8] = Array("sojourn-http".utf8)
        SSL_set_session_id_context(session, &name, UInt32(name.count))
        return session
    }

    private func attach(_ session: OpaquePointer, to descriptor: Int32) -> Bool {
        // The kernel encrypts for OpenSSL's own way to a socket only.
        if usesKernel { return SSL_set_fd(session, descriptor) == 1 }
        return SocketBIO.attach(session, to: descriptor)
    }
}

/// A node's certificate with its issuers', and its key; checked.
private struct Chain {
    let name: String
    let certificates: [Certificate]
    let key: PrivateKey
    /// The earliest.
    var expirySeconds: Int { certificates.compactMap(\.end).min() ?? 0 }

    init(_ settings: TLSSettings, now: Int) throws(TLSError) {
        let file = try TLSFile(settings.chainFile, "the certificate chain")
        name = file.name
        certificates = try CertificateList(file).certificates
        key = try Self.key(settings)
        guard certificates[0].fits(key) else {
            throw TLSError(
                "the key \(settings.keyFile ?? settings.chainFile) does not belong to the first "
                    + "certificate of \(settings.chainFile) (\(certificates[0].subject))")
        }
        try checkOrder()
        try checkTimes(now: now)
        guard certificates[0].isForServers else {
            throw TLSError("\(name): its first certificate is not for servers")
        }
        guard !settings.isForClientsToo || certificates[0].isForClients else {
            throw TLSError(
                "\(name): its first certificate is for servers alone, and is to be shown to servers, too"
            )
        }
    }

    private static func key(_ settings: TLSSettings) throws(TLSError) -> PrivateKey {
        let file = try TLSFile(settings.keyFile ?? settings.chainFile, "the key")
        if let exposure = file.exposure { throw TLSError(exposure) }
        return try PrivateKey(file, settings.keyFormat)
    }

    private func checkOrder() throws(TLSError) {
        for place in 1..<max(1, certificates.count)
        where !certificates[place - 1].isIssued(by: certificates[place]) {
            throw TLSError(
                "\(name): certificate \(place + 1) (\(certificates[place].subject)) has not "
                    + "issued certificate \(place) (\(certificates[place - 1].subject)); first comes "
                    + "the node's, then each one's issuer")
        }
    }

    private func checkTimes(now: Int) throws(TLSError) {
        for (place, certificate) in certificates.enumerated() {
            let which = "\(name): certificate \(place + 1) (\(certificate.subject))"
            guard let start = certificate.start, let end = certificate.end else {
                throw TLSError("\(which) has no times that can be read")
            }
            guard end > now else { throw TLSError("\(which) expired on \(Certificate.text(end))") }
            guard start <= now else {
                throw TLSError("\(which) is not valid before \(Certificate.text(start))")
            }
        }
    }
}
