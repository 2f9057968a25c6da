internal import CLibevent
internal import CLibeventHTTP

/// A request that came by HTTP. It is answered once, now or later, on its loop's thread; one that is let go without is
/// answered as a failure.
package final class HTTPRequest {
    package enum Method: String, Sendable {
        case get = "GET"
        case head = "HEAD"
        case post = "POST"
        case other = "OTHER"
    }

    package let method: Method
    /// As it was sent: percent-encoded.
    package let path: String
    package let query: String
    package let body: [UInt8]
    package let peer: SocketAddress
    /// The same connection's requests have the same one.
    package let peerUserID: UInt32?

    private var request: OpaquePointer?
    private let answered: () -> Void

    /// - Parameter answered: called before the answer goes out.
    init(
        _ request: OpaquePointer, peer: SocketAddress, peerUserID: UInt32?,
        answered: @escaping () -> Void
    ) {
        self.request = request
        self.peer = peer
        self.peerUserID = peerUserID
        self.answered = answered
        method =
            switch evhttp_request_get_command(request) {
            case EVHTTP_REQ_GET: .get
            case EVHTTP_REQ_HEAD: .head
            case EVHTTP_REQ_POST: .post
            default: .other
            }
        let uri = evhttp_request_get_evhttp_uri(request)
        path = uri.flatMap { evhttp_uri_get_path($0) }.map { String(cString: $0) } ?? ""
        query = uri.flatMap { evhttp_uri_get_query($0) }.map { String(cString: $0) } ?? ""
        let input = evhttp_request_get_input_buffer(request)
        var bytes = [UInt8](repeating: 0, count: input.map { evbuffer_get_length($0) } ?? 0)
        if let input, !bytes.isEmpty {
            let count = evbuffer_copyout(input, &bytes, bytes.count)
            bytes.removeLast(bytes.count - max(0, count))
        }
        body = bytes
    }

    deinit { if request != nil { answer(HTTPAnswer(status: 500, text: "no answer\n")) } }

    /// The values of a header, in the order in which they came.
    package func headers(_ name: String) -> [String] {
        guard let request, let all = evhttp_request_get_input_headers(request) else { return [] }
        let wanted = name.lowercased()
        var values: [String] = []
        var next = http_first_header(all)
        while let header = next {
            if String(cString: header.pointee.key).lowercased() == wanted {
                values.append(String(cString: header.pointee.value))
            }
            next = http_next_header(header)
        }
        return values
    }

    package func header(_ name: String) -> String? { headers(name).first }

    package var isAnswered: Bool { request == nil }

    /// Of a peer that has gone it is forgotten.
    package func answer(_ answer: HTTPAnswer) {
        guard let request else { return }
        self.request = nil
        answered()
        if let headers = evhttp_request_get_output_headers(request) {
            for (name, value) in answer.headers { evhttp_add_header(headers, name, value) }
            // Also of a HEAD, whose answer has no body.
            evhttp_add_header(headers, "Content-Length", String(answer.body.count))
        }
        let buffer = evbuffer_new()
        if let buffer, method != .head, !answer.body.isEmpty {
            evbuffer_add(buffer, answer.body, answer.body.count)
        }
        evhttp_send_reply(request, Int32(answer.status), answer.reason, buffer)
        if let buffer { evbuffer_free(buffer) }
    }
}

/// What a request is answered with.
package struct HTTPAnswer: Equatable, Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(
        status: Int = 200, type: String, body: [UInt8],
        headers: [(name: String, value: String)] = []
    ) {
        self.status = status
        self.headers = [("Content-Type", type)] + headers
        self.body = body
    }

    package init(status: Int, text: String) {
        self.init(status: status, type: "text/plain; charset=utf-8", body: Array(text.utf8))
    }

    package static func == (one: HTTPAnswer, other: HTTPAnswer) -> Bool {
        one.status == other.status && one.body == other.body
            && one.headers.elementsEqual(other.headers) { $0 == $1 }
    }

    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

    var reason: String {
        switch status {
        case 200: "OK"
        case 303: "See Other"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 409: "Conflict"
        case 421: "Misdirected Request"
        case 429: "Too Many Requests"
        case 503: "Service Unavailable"
        default: "Internal Server Error"
        }
    }
}
