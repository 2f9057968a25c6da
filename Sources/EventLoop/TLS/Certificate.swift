internal import COpenSSL
import Glibc

/// A certificate of X.509.
final class Certificate {
    let handle: OpaquePointer

    /// Takes over a reference.
    init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { X509_free(handle) }

    /// Whose it is: the last part of its name as a rule, such as `CN=cache-1`.
    var subject: String {
        guard let text = X509_NAME_oneline(X509_get_subject_name(handle), nil, 0) else {
            return "?"
        }
        defer { CRYPTO_free(text, nil, 0) }
        let whole = String(cString: text)
        return whole.split(separator: "/").last.map { String($0) } ?? "without a name"
    }

    /// Unix times; nothing if they cannot be read.
    var start: Int? { Self.seconds(X509_get0_notBefore(handle)) }
    var end: Int? { Self.seconds(X509_get0_notAfter(handle)) }

    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int? {
        var parts = tm()
        guard let time, ASN1_TIME_to_tm(time, &parts) == 1 else { return nil }
        return timegm(&parts)
    }

    static func text(_ seconds: Int) -> String {
        var time = time_t(seconds)
        var parts = tm()
        gmtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S UTC", &parts)
        return String(decoding: text.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func isIssued(by issuer: Certificate) -> Bool {
        X509_check_issued(issuer.handle, handle) == X509_V_OK
    }

    /// Whether it may be a server's.
    var isForServers: Bool { X509_check_purpose(handle, X509_PURPOSE_SSL_SERVER, 0) == 1 }

    /// Whether it may be a client's.
    var isForClients: Bool { X509_check_purpose(handle, X509_PURPOSE_SSL_CLIENT, 0) == 1 }

    func fits(_ key: PrivateKey) -> Bool {
        defer { ERR_clear_error() }
        return X509_check_private_key(handle, key.handle) == 1
    }
}

/// The certificates of a file, and the lists of revoked ones.
struct CertificateList {
    var certificates: [Certificate] = []
    var revocations: [RevocationList] = []

    init(_ file: borrowing TLSFile) throws(TLSError) {
        let name = file.name
        let infos = try file.read { bio throws(TLSError) -> OpaquePointer in
            // Keys in the file are not looked at here, and so not decrypted.
            guard let infos = PEM_X509_INFO_read_bio(bio, nil, { _, _, _, _ in 0 }, nil) else {
                throw TLSError("\(name) is not PEM: \(TLSFailure.take())")
            }
            ERR_clear_error()
            return infos
        }
        defer { tls_free_infos(infos) }
        for place in 0..<tls_info_count(infos) {
            if let handle = tls_info_certificate(infos, place) {
                X509_up_ref(handle)
                certificates.append(Certificate(handle))
            }
            if let handle = tls_info_crl(infos, place) {
                X509_CRL_up_ref(handle)
                revocations.append(RevocationList(handle))
            }
        }
        guard !certificates.isEmpty else {
            throw TLSError("\(name) has no certificate (PEM: -----BEGIN CERTIFICATE-----)")
        }
    }
}

/// Certificates that their issuer has taken back.
final class RevocationList {
    let handle: OpaquePointer

    /// Takes over a reference.
    init(_ handle: OpaquePointer) { self.handle = handle }

    deinit { X509_CRL_free(handle) }

    /// When the next one should be there, in Unix time; nothing if it does not say.
    var end: Int? { Certificate.seconds(X509_CRL_get0_nextUpdate(handle)) }
}

/// A private key.
final class PrivateKey {
    let handle: OpaquePointer

    deinit { EVP_PKEY_free(handle) }

    init(_ file: borrowing TLSFile, _ format: TLSSettings.KeyFormat) throws(TLSError) {
        let name = file.name
        handle = try file.read { bio throws(TLSError) -> OpaquePointer in
            // Called for an encrypted one only.
            var isEncrypted = false
            let handle = withUnsafeMutablePointer(to: &isEncrypted) { isEncrypted in
                switch format {
                case .pem:
                    PEM_read_bio_PrivateKey(
                        bio, nil,
                        { _, _, _, context in
                            context?.assumingMemoryBound(to: Bool.self).pointee = true
                            return -1
                        }, isEncrypted)
                case .der: d2i_PrivateKey_bio(bio, nil)
                }
            }
            let reason = TLSFailure.take()
            if let handle { return handle }
            if isEncrypted {
                throw TLSError("\(name) is encrypted: a node has nobody to ask for its passphrase")
            }
            throw TLSError("\(name) has no key that can be read: \(reason)")
        }
    }
}
