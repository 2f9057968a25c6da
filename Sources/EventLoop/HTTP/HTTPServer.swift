internal import CLibevent
internal import CLibeventHTTP
internal import COpenSSL
import Glibc

/// Answers requests that come by HTTP/1.1 to one listening socket: libevent's evhttp, with bounds around it.
///
/// Goals: whatever peers send or leave out costs bounded memory and bounded time, and who waits for the others' sake is the
/// one that has waited the longest without asking for anything. Not goals: speed, streams, files.
///
/// Confined to its loop's thread.
package final class HTTPServer {
    private let loop: Loop
    private let socket: ListeningSocket
    private let limits: HTTPLimits
    private let tls: (() -> TLSContext?)?
    private let answer: (HTTPRequest) -> Void
    private let http: OpaquePointer
    private var sweep: Timer?
    private var arrival: Timer?

    private struct Connection {
        var since = ContinuousClock.now
        /// It has asked for something, and has been answered.
        var isKnown = false
        var isAnswering = false
        var isClosing = false
    }

    /// By evhttp's own.
    private var connections: [OpaquePointer: Connection] = [:]
    /// Those that have just come; kept until they are looked at.
    private var arrivals: [OpaquePointer] = []
    private var pending: [WeakRequest] = []
    private let listener: OpaquePointer

    private struct WeakRequest { weak var request: HTTPRequest? }

    private static let sweepMilliseconds = 1_000

    /// - Parameters:
    ///   - tls: for connections that begin now; nothing is clear text.
    ///   - answer: is given each request, to be answered now or later.
    package init(
        loop: Loop, socket: ListeningSocket, limits: HTTPLimits, tls: (() -> TLSContext?)?,
        answer: @escaping (HTTPRequest) -> Void
    ) throws(EventLoopError) {
        guard let http = evhttp_new(loop.base) else { throw .noMemory }
        // The socket stays its owner's.
        guard
            let listener = evconnlistener_new(
                loop.base, nil, nil, LEV_OPT_CLOSE_ON_EXEC, 0, socket.descriptor)
        else {
            evhttp_free(http)
            throw .refused(errno: errno)
        }
        (self.loop, self.socket, self.limits, self.tls) = (loop, socket, limits, tls)
        (self.http, self.listener, self.answer) = (http, listener, answer)
        guard evhttp_bind_listener(http, listener) != nil else {
            evconnlistener_free(listener)
            evhttp_free(http)
            throw .noMemory
        }
        configure()
        let sweep = try Timer(loop: loop) { [unowned self] in lookAround() }
        self.sweep = sweep
        try sweep.start(afterMilliseconds: Self.sweepMilliseconds)
        arrival = try Timer(loop: loop) { [unowned self] in takeArrivals() }
    }

    private func configure() {
        evhttp_set_max_headers_size(http, limits.headByteCount)
        evhttp_set_max_body_size(http, limits.bodyByteCount)
        evhttp_set_timeout(http, Int32(limits.nextRequestSeconds))
        // All that it knows: which of them goes where is for whoever answers to say.
        evhttp_set_allowed_methods(http, UInt16.max)
        let own = Unmanaged.passUnretained(self).toOpaque()
        evhttp_set_bevcb(
            http,
            { _, own in
                own.flatMap { Unmanaged<HTTPServer>.fromOpaque($0).takeUnretainedValue().accept() }
            }, own)
        evhttp_set_gencb(
            http,
            { request, own in
                guard let request, let own else { return }
                Unmanaged<HTTPServer>.fromOpaque(own).takeUnretainedValue().take(request)
            }, own)
    }

    /// Whoever waits for an answer is told that there will be none.
    deinit {
        for waiting in pending {
            waiting.request?.answer(HTTPAnswer(status: 503, text: "the node stops\n"))
        }
        sweep = nil
        arrival = nil
        for buffer in arrivals { bufferevent_decref(buffer) }
        for connection in connections.keys { evhttp_connection_set_closecb(connection, nil, nil) }
        evhttp_free(http)
    }

    package var connectionCount: Int { connections.count }

    // MARK: Connections

    /// What a new connection reads and writes by. evhttp takes nothing for clear text.
    private func accept() -> OpaquePointer? {
        let options = Int32(BEV_OPT_CLOSE_ON_FREE.rawValue)
        let buffer: OpaquePointer?
        if let tls {
            buffer = tls()?.makeSession().flatMap { session in
                let buffer = bufferevent_openssl_socket_new(
                    loop.base, -1, session, BUFFEREVENT_SSL_ACCEPTING, options)
                if buffer == nil { SSL_free(session) }
                return buffer
            }
        } else {
            buffer = bufferevent_socket_new(loop.base, -1, options)
        }
        guard let buffer else { return nil }
        if tls != nil { bufferevent_openssl_set_allow_dirty_shutdown(buffer, 1) }
        // Its connection is known by evhttp as soon as this has returned, and may be gone before it is looked at.
        bufferevent_incref(buffer)
        arrivals.append(buffer)
        try? arrival?.start(afterMilliseconds: 0)
        return buffer
    }

    private func takeArrivals() {
        let buffers = arrivals
        arrivals.removeAll()
        for buffer in buffers {
            // evhttp is called with its connection, by a buffer that is in use.
            var connection: UnsafeMutableRawPointer?
            bufferevent_getcb(buffer, nil, nil, nil, &connection)
            if let connection { attend(to: OpaquePointer(connection)) }
            bufferevent_decref(buffer)
        }
    }

    private func attend(to connection: OpaquePointer) {
        guard connections[connection] == nil else { return }
        connections[connection] = Connection()
        evhttp_connection_set_closecb(
            connection,
            { connection, own in
                guard let connection, let own else { return }
                Unmanaged<HTTPServer>.fromOpaque(own).takeUnretainedValue()
                    .connections[connection] = nil
            }, Unmanaged.passUnretained(self).toOpaque())
        let open = connections.filter { !$0.value.isClosing }
        guard open.count > limits.connectionCount else { return }
        let idle = open.filter { !$0.value.isAnswering }
        // Its own place, if all others are being answered.
        close(idle.min { $0.value.since < $1.value.since }?.key ?? connection)
    }

    /// evhttp sees that its peer has gone, and lets go of all that belongs to it.
    private func close(_ connection: OpaquePointer) {
        connections[connection]?.isClosing = true
        shutdown(Self.descriptor(of: connection), Int32(SHUT_RDWR))
    }

    private static func descriptor(of connection: OpaquePointer) -> Int32 {
        evhttp_connection_get_bufferevent(connection).map { bufferevent_getfd($0) } ?? -1
    }

    private func lookAround() {
        let now = ContinuousClock.now
        for (connection, state) in connections where !state.isAnswering && !state.isClosing {
            let patience = state.isKnown ? limits.nextRequestSeconds : limits.firstRequestSeconds
            if now - state.since > .seconds(patience) { close(connection) }
        }
        pending.removeAll { $0.request == nil }
        try? sweep?.start(afterMilliseconds: Self.sweepMilliseconds)
    }

    // MARK: Requests

    private func take(_ request: OpaquePointer) {
        guard let connection = evhttp_request_get_connection(request) else { return }
        attend(to: connection)
        let descriptor = Self.descriptor(of: connection)
        // For want of memory evhttp has made a connection by itself, in clear text.
        let buffer = evhttp_connection_get_bufferevent(connection)
        guard tls == nil || buffer.flatMap({ bufferevent_openssl_get_ssl($0) }) != nil else {
            evhttp_send_error(request, 503, nil)
            return
        }
        connections[connection]?.isAnswering = true
        let wrapped = HTTPRequest(
            request, peer: .peer(of: descriptor), peerUserID: socketUserID(of: descriptor)
        ) { [weak self] in self?.noteAnswer(on: connection) }
        answer(wrapped)
        if !wrapped.isAnswered { pending.append(WeakRequest(request: wrapped)) }
    }

    /// By a peer that has gone, and whose connection was another's by now, nothing is noted that matters.
    private func noteAnswer(on connection: OpaquePointer) {
        connections[connection]?.isAnswering = false
        connections[connection]?.isKnown = true
        connections[connection]?.since = .now
    }
}
