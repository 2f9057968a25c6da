internal import CLibevent
internal import CLibeventHTTP
internal import COpenSSL

/// One GET of another server, over a connection of its own, with evhttp's client.
///
/// Ends with what came, or with nothing; whoever lets it go before ends it without a word. It is not let go from within
/// `ended`: evhttp is still at work there.
///
/// Confined to its loop's thread.
package final class HTTPFetch {
    package struct Target: Equatable, Sendable {
        package var host: String
        package var port: Int

        package init(host: String, port: Int) { (self.host, self.port) = (host, port) }
    }

    package struct Reply: Sendable {
        package var status: Int
        package var body: [UInt8]
    }

    private var connection: OpaquePointer?
    private var ended: ((Reply?) -> Void)?
    package let begun = ContinuousClock.now

    package static let bodyByteCountMax = 1 << 20
    private static let headByteCountMax = 16_384

    /// - Parameters:
    ///   - tls: nothing is clear text.
    ///   - seconds: for as long at most nothing may come.
    package init(
        loop: Loop, _ target: Target, tls: TLSClientContext?, path: String,
        headers: [(name: String, value: String)], seconds: Int, ended: @escaping (Reply?) -> Void
    ) {
        self.ended = ended
        if !begin(loop, target, tls, path, headers, seconds) { end(nil) }
    }

    private func begin(
        _ loop: Loop, _ target: Target, _ tls: TLSClientContext?, _ path: String,
        _ headers: [(name: String, value: String)], _ seconds: Int
    ) -> Bool {
        guard let buffer = Self.makeBuffer(loop, target, tls) else { return false }
        guard
            let connection = evhttp_connection_base_bufferevent_new(
                loop.base, nil, buffer, target.host, UInt16(clamping: target.port))
        else {
            bufferevent_free(buffer)
            return false
        }
        self.connection = connection
        evhttp_connection_set_timeout(connection, Int32(seconds))
        evhttp_connection_set_max_headers_size(connection, Self.headByteCountMax)
        evhttp_connection_set_max_body_size(connection, Self.bodyByteCountMax)
        let own = Unmanaged.passUnretained(self).toOpaque()
        let request = evhttp_request_new(
            { request, own in
                guard let own else { return }
                Unmanaged<HTTPFetch>.fromOpaque(own).takeUnretainedValue().take(request)
            }, own)
        guard let request else { return false }
        let all =
            [("Host", "\(Self.bracketed(target.host)):\(target.port)"), ("Connection", "close")]
            + headers
        if let output = evhttp_request_get_output_headers(request) {
            for (name, value) in all { evhttp_add_header(output, name, value) }
        }
        // On failure the request is gone.
        return evhttp_make_request(connection, request, EVHTTP_REQ_GET, path) == 0
    }

    deinit {
        // Of a request that is under way nobody is told.
        if let connection { evhttp_connection_free(connection) }
    }

    package var isOver: Bool { ended == nil }

    private static func bracketed(_ host: String) -> String {
        host.contains(":") ? "[\(host)]" : host
    }

    private static func makeBuffer(
        _ loop: Loop, _ target: Target, _ tls: TLSClientContext?
    ) -> OpaquePointer? {
        let options = Int32(BEV_OPT_CLOSE_ON_FREE.rawValue)
        guard let tls else { return bufferevent_socket_new(loop.base, -1, options) }
        guard let session = tls.makeSession(host: target.host) else { return nil }
        let buffer = bufferevent_openssl_socket_new(
            loop.base, -1, session, BUFFEREVENT_SSL_CONNECTING, options)
        guard let buffer else {
            SSL_free(session)
            return nil
        }
        bufferevent_openssl_set_allow_dirty_shutdown(buffer, 1)
        return buffer
    }

    private func take(_ request: OpaquePointer?) {
        guard let request, case let status = Int(evhttp_request_get_response_code(request)),
            status > 0
        else { return end(nil) }
        var bytes: [UInt8] = []
        if let input = evhttp_request_get_input_buffer(request) {
            bytes = [UInt8](repeating: 0, count: evbuffer_get_length(input))
            let count = evbuffer_copyout(input, &bytes, bytes.count)
            bytes.removeLast(bytes.count - max(0, count))
        }
        end(Reply(status: status, body: bytes))
    }

    private func end(_ reply: Reply?) {
        let ended = ended
        self.ended = nil
        ended?(reply)
    }
}
