internal import COpenSSL
import Glibc

/// A client that speaks TLS with a node. OpenSSL is given bytes and gives bytes; what goes over the wire, and
/// in which pieces, is decided here.
package final class TLSPeer: TranscriptPeer {
    package struct Options {
        /// Who signs the node's certificate; nothing believes anybody.
        package var authority: String?
        /// A file with a certificate and one with its key.
        package var certificate: (chain: String, key: String)?
        /// TLS 1.0 is 0, as in memcached's options.
        package var versions = 2...3
        /// Sends each byte by itself.
        package var isBytewise = false
        package var resumes: Session?

        package init() {}
    }

    /// What a later connection goes on with.
    package final class Session {
        fileprivate let handle: OpaquePointer
        fileprivate init(_ handle: OpaquePointer) { self.handle = handle }
        deinit { SSL_SESSION_free(handle) }
    }

    package let wire: SocketPeer
    private let context: OpaquePointer
    private let session: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    package var isBytewise: Bool
    package var received: [UInt8] = []
    package private(set) var hasEnded = false
    /// The node has said that it will send no more.
    package var hasGoodbye: Bool { SSL_get_shutdown(session) & SSL_RECEIVED_SHUTDOWN != 0 }
    /// What OpenSSL had against the node, if anything.
    package private(set) var failure: String?

    /// Connects, and shakes hands unless that is to be done later.
    package convenience init(
        _ place: RunningNode.Place, _ options: Options = Options(), shakesHands: Bool = true
    ) throws {
        try self.init(over: SocketPeer(place), options)
        if shakesHands { try shakeHands() }
    }

    package init(over wire: SocketPeer, _ options: Options = Options()) throws {
        self.wire = wire
        context = SSL_CTX_new(TLS_client_method())
        let versions = [TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION]
        let (least, most) = (
            versions[options.versions.lowerBound], versions[options.versions.upperBound]
        )
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, Int(least), nil)
        SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(most), nil)
        if options.versions.lowerBound < 2 {
            SSL_CTX_set_cipher_list(context, "DEFAULT:@SECLEVEL=0")
        }
        if let authority = options.authority {
            SSL_CTX_load_verify_locations(context, authority, nil)
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        }
        if let certificate = options.certificate {
            SSL_CTX_use_certificate_chain_file(context, certificate.chain)
            SSL_CTX_use_PrivateKey_file(context, certificate.key, SSL_FILETYPE_PEM)
        }
        session = SSL_new(context)
        incoming = BIO_new(BIO_s_mem())
        outgoing = BIO_new(BIO_s_mem())
        SSL_set_bio(session, incoming, outgoing)
        SSL_set_connect_state(session)
        if let earlier = options.resumes { SSL_set_session(session, earlier.handle) }
        isBytewise = options.isBytewise
    }

    deinit {
        SSL_free(session)
        SSL_CTX_free(context)
    }

    // MARK: The wire

    /// Sends what OpenSSL has for the node.
    package func flush() throws {
        while let bytes = takeOutgoing() {
            guard isBytewise else {
                try wire.send(bytes)
                continue
            }
            for byte in bytes { try wire.send([byte]) }
        }
    }

    /// What OpenSSL would send now, instead of it.
    package func takeOutgoing() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = BIO_read(outgoing, &bytes, Int32(bytes.count))
        return count > 0 ? Array(bytes.prefix(Int(count))) : nil
    }

    /// Gives OpenSSL what has come over the wire.
    private func feed() {
        var bytes = wire.received
        wire.received.removeAll()
        BIO_write(incoming, &bytes, Int32(bytes.count))
    }

    /// Goes on with the handshake by one step; true when it is done.
    package func stepHandshake() throws -> Bool {
        let result = SSL_do_handshake(session)
        let error = SSL_get_error(session, result)
        try flush()
        if result == 1 { return true }
        guard error == SSL_ERROR_WANT_READ else { throw note("handshake") }
        return false
    }

    package func shakeHands() throws {
        if try !stepHandshake() { try goOnShakingHands() }
    }

    /// From where a step ended.
    package func goOnShakingHands() throws {
        repeat {
            guard wire.receive(isUnexpected: false) else {
                hasEnded = true
                throw Trouble("the node has hung up in the handshake")
            }
            feed()
        } while try !stepHandshake()
    }

    private func note(_ what: String) -> Trouble {
        let reason = ERR_reason_error_string(ERR_get_error()).map { String(cString: $0) }
        ERR_clear_error()
        failure = reason ?? "no reason"
        return Trouble("\(what): \(failure ?? "")")
    }

    // MARK: Conversations

    package func send(_ bytes: [UInt8]) throws {
        guard !hasEnded, !bytes.isEmpty else { return }
        var bytes = bytes
        guard SSL_write(session, &bytes, Int32(bytes.count)) > 0 else { throw note("writing") }
        try flush()
    }

    /// Says that it will send no more, and receives on.
    package func endSending() throws {
        SSL_shutdown(session)
        ERR_clear_error()
        try flush()
        wire.endSending()
    }

    package func receive(isUnexpected: Bool) -> Bool {
        while !hasEnded {
            if takeReceived() { return true }
            guard !hasEnded else { return false }
            guard wire.receive(isUnexpected: isUnexpected) else {
                hasEnded = wire.hasEnded
                return false
            }
            feed()
        }
        return false
    }

    /// Takes what is there, and waits for nothing.
    package func takeArrived() {
        while !hasEnded, wire.receive(milliseconds: 0) {
            feed()
            _ = takeReceived()
        }
    }

    /// Takes what has come in whole records; false when there is none.
    private func takeReceived() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var hasTaken = false
        while true {
            let count = SSL_read(session, &bytes, Int32(bytes.count))
            guard count > 0 else {
                switch SSL_get_error(session, count) {
                case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: break
                case SSL_ERROR_ZERO_RETURN: hasEnded = true
                default:
                    _ = note("reading")
                    hasEnded = true
                }
                // Answers to what was no data.
                try? flush()
                return hasTaken
            }
            received += bytes.prefix(Int(count))
            hasTaken = true
        }
    }

    /// New keys for what is sent from here on, and the same is asked of the node.
    package func updateKeys() throws {
        guard SSL_key_update(session, SSL_KEY_UPDATE_REQUESTED) == 1,
            SSL_do_handshake(session) == 1
        else { throw note("key update") }
        try flush()
    }

    package func close() { wire.close() }

    // MARK: What was agreed on

    package var isResumed: Bool { SSL_session_reused(session) == 1 }
    package var version: String { String(cString: SSL_get_version(session)) }

    /// To go on with later. In TLS 1.3 it is there once something was received.
    package func takeSession() throws -> Session {
        guard let handle = SSL_get1_session(session) else { throw Trouble("no session") }
        return Session(handle)
    }

    /// Whose certificate the node has shown.
    package var nodeName: String? {
        guard let certificate = SSL_get1_peer_certificate(session) else { return nil }
        defer { X509_free(certificate) }
        var name = [CChar](repeating: 0, count: 256)
        let count = X509_NAME_get_text_by_NID(
            X509_get_subject_name(certificate), NID_commonName, &name, Int32(name.count))
        guard count > 0 else { return nil }
        return String(
            decoding: name.prefix(Int(count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
