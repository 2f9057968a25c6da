import EventLoop
import Glibc
import Logging
import Synchronization

/// The operator's port: a thread of its own that answers HTTP, with libevent's evhttp.
///
/// It reads counters, and takes the locks of a snapshot, each for microseconds; all others' threads come before it. What
/// it keeps and takes of visitors is bounded.
///
/// `@unchecked Sendable`: other threads call `stop` and `refresh` alone, which touch flags and the loop's wake-up; all else
/// is confined to the thread that runs it, or happens before that.
final class AdminThread: @unchecked Sendable {
    private let security: AdminSecurity
    private let context: NodeContext
    private let ending: SessionEnding
    private let loop: Loop
    private let isStopping = Flag()
    private let hasOtherPasswords = Flag()
    private let jobIsDone = Flag()
    private var site: AdminSite?
    private var cluster: ClusterView?
    private var sockets: [ListeningSocket] = []
    private var servers: [HTTPServer] = []
    private var wakeUp: WakeUp?
    private var tick: Timer?
    private var job: (job: SessionJob, request: HTTPRequest)?

    private static let backlog: Int32 = 64
    private static let mode: UInt32 = 0o600
    private static let tickMilliseconds = 1_000

    init(
        _ security: AdminSecurity, context: NodeContext, ending: SessionEnding
    ) throws(EventLoopError) {
        (self.security, self.context, self.ending) = (security, context, ending)
        loop = try Loop()
        wakeUp = try WakeUp(loop: loop) { [unowned self] in attend() }
        tick = try Timer(loop: loop) { [unowned self] in keepUp() }
    }

    /// Before the thread runs.
    ///
    /// - Parameter pulses: of the threads that have to come around.
    func listen(watching pulses: [(name: String, pulse: Pulse)]) throws(NodeError) {
        do {
            switch security.rules.place {
            case .unix(let path):
                sockets = [
                    try ListeningSocket.unix(path: path, mode: Self.mode, backlog: Self.backlog)
                ]
            case .tcp(let host, let port):
                sockets = try ListeningSocket.tcp(host: host, port: port, backlog: Self.backlog)
            }
            try serve(pulses)
        } catch let error as SocketError {
            throw NodeError(message: "--admin: \(NodeError(error).message)")
        } catch {
            throw NodeError(message: "--admin: cannot listen: \(error)")
        }
        let scheme = security.serverContext == nil ? "http" : "https"
        for address in sockets.map(\.address) {
            let place =
                switch address {
                case .tcp(let host, let port): "\(scheme)://\(host):\(port)/"
                case .tcp6(let host, let port): "\(scheme)://[\(host)]:\(port)/"
                case .unix(let path): path
                case .unknown: "\(address)"
                }
            context.logger.notice("the operator's page is at \(place)")
        }
    }

    private func serve(_ pulses: [(name: String, pulse: Pulse)]) throws {
        let isSecured = security.rules.chainFile != nil
        let access = AdminAccess(
            security.authentication, isSecured: isSecured,
            port: sockets.first?.address.port)
        let cluster = security.rules.members.isEmpty ? nil : ClusterView(loop, security)
        self.cluster = cluster
        site = AdminSite(
            context, access, cluster: cluster, rules: security.rules, pulses: pulses)
        let security = security
        // What was read at the start is never taken away, only replaced.
        let tls: (() -> TLSContext?)? = isSecured ? { security.serverContext } : nil
        for socket in sockets {
            servers.append(
                try HTTPServer(loop: loop, socket: socket, limits: HTTPLimits(), tls: tls) {
                    [unowned self] in take($0)
                })
        }
        try tick?.start(afterMilliseconds: Self.tickMilliseconds)
    }

    func run() {
        loop.run()
        job?.job.join()
        job = nil
        servers = []
        sockets = []
        site = nil
        cluster = nil
        tick = nil
        wakeUp = nil
    }

    func stop() {
        isStopping.set()
        wakeUp?.wake()
    }

    /// SIGHUP.
    func refresh() {
        guard security.hasFiles else { return }
        security.refresh(context.logger)
        hasOtherPasswords.set()
        wakeUp?.wake()
    }

    var hasFiles: Bool { security.hasFiles }

    private func attend() {
        if isStopping.isSet { return loop.stop() }
        if hasOtherPasswords.isSet {
            hasOtherPasswords.clear()
            site?.access.forgetAll()
        }
        if jobIsDone.isSet {
            jobIsDone.clear()
            finishJob()
        }
    }

    private func keepUp() {
        site?.tick()
        cluster?.tick()
        do {
            try tick?.start(afterMilliseconds: Self.tickMilliseconds)
        } catch {
            context.logger.critical("the operator's port: its timer failed: \(error)")
        }
    }

    // MARK: Requests

    private func take(_ request: HTTPRequest) {
        guard let site else { return }
        // The file's mode says the same; but it may be changed.
        if let user = request.peerUserID, user != 0, user != geteuid(), request.peer.isUnix,
            !site.access.hasPasswords
        {
            return request.answer(
                Self.guarded(HTTPAnswer(status: 403, text: "this is the node's user's port\n")))
        }
        let own = AdminRequest(
            method: request.method, path: request.path, query: request.query, body: request.body,
            headers: AdminRequest.headerNames.flatMap { name in
                request.headers(name).map { (name, $0) }
            }, peer: request.peer)
        switch site.answer(own) {
        case .answer(let answer): request.answer(Self.guarded(answer))
        case .sessions(let query, let space, let who): begin(query, space, who, request)
        }
    }

    private func begin(
        _ query: SessionQuery, _ space: Space, _ who: String, _ request: HTTPRequest
    ) {
        guard job == nil else {
            return request.answer(
                Self.guarded(
                    HTTPAnswer.mistake(
                        "somebody else's search is under way: try again", status: 409)))
        }
        let (jobIsDone, wakeUp) = (jobIsDone, wakeUp)
        do {
            let job = try SessionJob(
                query, space, context: context, ending: ending, who: who, isStopping: isStopping
            ) {
                jobIsDone.set()
                wakeUp?.wake()
            }
            self.job = (job, request)
        } catch {
            request.answer(Self.guarded(HTTPAnswer.mistake(error.message, status: 503)))
        }
    }

    private func finishJob() {
        guard let (job, request) = job, let (status, text) = job.takeAnswer() else { return }
        job.join()
        self.job = nil
        request.answer(Self.guarded(HTTPAnswer.json(text, status: status)))
    }

    /// Nothing of this port is kept, shown within another page, or fetches anything from elsewhere.
    private static func guarded(_ answer: HTTPAnswer) -> HTTPAnswer {
        var answer = answer
        answer.headers += [
            (
                "Content-Security-Policy",
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                    + "connect-src 'self'; form-action 'self'; base-uri 'none'; "
                    + "frame-ancestors 'none'"
            ),
            ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ]
        return answer
    }
}
