import AdminPage
import EventLoop
import Glibc
import Logging
import Synchronization

/// What each path of the operator's port answers, and to whom. No I/O, but for the log.
///
/// Confined to the port's thread.
final class AdminSite {
    enum Outcome {
        case answer(HTTPAnswer)
        /// A walk over sessions, which takes its time.
        case sessions(SessionQuery, Space, who: String)
    }

    let context: NodeContext
    let access: AdminAccess
    private let cluster: ClusterView?
    private let ownName: String?
    private let memberCount: Int
    private(set) var watches: [SpaceWatch] = []
    private var liveness: Liveness

    /// A history takes memory: of further spaces there is none.
    static let watchCountMax = 16

    init(
        _ context: NodeContext, _ access: AdminAccess, cluster: ClusterView?, rules: AdminRules,
        pulses: [(name: String, pulse: Pulse)]
    ) {
        (self.context, self.access, self.cluster) = (context, access, cluster)
        (ownName, memberCount) = (rules.ownName, rules.members.count)
        liveness = Liveness(of: pulses)
        watchNewcomers()
    }

    func noteFailedLogin() { context.admin.failedLogins.add(1, ordering: .relaxed) }

    /// Each second.
    func tick() {
        liveness.look()
        watchNewcomers()
        for watch in watches { watch.look() }
        context.admin.processorMicroseconds.store(
            ProcessorTime.ownMicroseconds, ordering: .relaxed)
    }

    private func watchNewcomers() {
        guard context.spaces.count > watches.count else { return }
        for space in context.spaces.all.dropFirst(watches.count).prefix(
            max(0, Self.watchCountMax - watches.count))
        {
            watches.append(SpaceWatch(space, context))
        }
    }

    var standing: NodeStanding {
        NodeStanding(context, late: liveness.late)
    }

    private var document: StatusDocument { StatusDocument(context: context, ownName: ownName) }

    // MARK: Paths

    enum Path: String {
        case page = "/"
        case style = "/page.css"
        case script = "/page.js"
        case icon = "/icon.svg"
        case login = "/login"
        case logout = "/logout"
        case health = "/healthz"
        case readiness = "/readyz"
        case metrics = "/metrics"
        case status = "/status.json"
        case history = "/history.json"
        case cluster = "/cluster.json"
        case me = "/me.json"
        case brief = "/brief"
        case sessions = "/sessions"
        case ending = "/sessions/end"

        var methods: [HTTPRequest.Method] {
            switch self {
            case .login: [.get, .head, .post]
            case .logout, .sessions, .ending: [.post]
            default: [.get, .head]
            }
        }

        /// Whether it is answered to anybody: what is in it is no secret, or who asks is looked at there.
        var isOpen: Bool {
            switch self {
            case .style, .script, .icon, .login, .health, .readiness: true
            default: false
            }
        }
    }

    func answer(_ request: AdminRequest) -> Outcome {
        context.admin.requests.add(1, ordering: .relaxed)
        guard isOwnHost(request) else {
            return .answer(
                HTTPAnswer(
                    status: 421,
                    text:
                        "without a password this port answers to an address or localhost, not to another name\n"
                ))
        }
        guard let path = Path(rawValue: request.path) else {
            return .answer(HTTPAnswer(status: 404, text: "there is nothing at this path\n"))
        }
        guard path.methods.contains(request.method) else {
            var answer = HTTPAnswer(status: 405, text: "another method is needed here\n")
            answer.headers.append(
                ("Allow", path.methods.map(\.rawValue).joined(separator: ", ")))
            return .answer(answer)
        }
        let nanoseconds = NodeClock.nanoseconds()
        let finding = access.visitor(
            of: request, now: Int(nanoseconds / 1_000_000_000), nanoseconds: nanoseconds)
        var visitor = AdminAccess.Visitor.nobody
        switch finding {
        case .visitor(let known): visitor = known
        case .putOff(let seconds): return .answer(HTTPAnswer.putOff(seconds))
        case .wrongPassword: noteFailure(from: request)
        }
        guard path.isOpen || visitor.mayLook else { return .answer(unknown(request, path)) }
        return answer(path, request, visitor)
    }

    /// Without passwords, another site's name that leads here would let its scripts look.
    private func isOwnHost(_ request: AdminRequest) -> Bool {
        guard !access.hasPasswords, !request.peer.isUnix, let host = request.header("host") else {
            return true
        }
        var name = host[...]
        if name.hasPrefix("[") {
            name = name.dropFirst().prefix { $0 != "]" }
        } else {
            name = name.prefix { $0 != ":" }
        }
        return name == "localhost" || HostAddresses.isNumeric(String(name))
    }

    private func unknown(_ request: AdminRequest, _ path: Path) -> HTTPAnswer {
        if path == .page { return HTTPAnswer.redirect(to: Path.login.rawValue) }
        var answer = HTTPAnswer(status: 401, text: "log in, by a user of admin_auth_file\n")
        if !request.isFromBrowser {
            answer.headers.append(("WWW-Authenticate", "Basic realm=\"sojourn\""))
        }
        return answer
    }

    private func answer(
        _ path: Path, _ request: AdminRequest, _ visitor: AdminAccess.Visitor
    ) -> Outcome {
        switch path {
        case .page: .answer(HTTPAnswer.file(PageFile.page, "text/html; charset=utf-8"))
        case .style: .answer(HTTPAnswer.file(PageFile.style, "text/css; charset=utf-8"))
        case .script: .answer(HTTPAnswer.file(PageFile.script, "text/javascript; charset=utf-8"))
        case .icon: .answer(HTTPAnswer.file(PageFile.icon, "image/svg+xml"))
        case .health: .answer(health(visitor))
        case .readiness: .answer(readiness(visitor))
        case .metrics:
            .answer(
                HTTPAnswer(
                    type: "text/plain; version=0.0.4; charset=utf-8",
                    body: Array(
                        NodeMetrics(context: context, ownName: ownName).text(standing).utf8)
                ))
        case .status:
            .answer(
                HTTPAnswer.json(
                    document.json(watches, standing, memberCount: memberCount).text))
        case .history: .answer(history(request))
        case .cluster: .answer(members())
        case .brief:
            .answer(
                HTTPAnswer(
                    status: 200,
                    text: document.brief(watches, standing).map { "\($0) \($1)\n" }.joined()))
        case .me: .answer(me(visitor))
        case .login: .answer(request.method == .post ? logIn(request) : loginForm(nil))
        case .logout: .answer(logOut(request, visitor))
        case .sessions, .ending: sessions(request, visitor, ends: path == .ending)
        }
    }

    // MARK: Probes

    private func health(_ visitor: AdminAccess.Visitor) -> HTTPAnswer {
        let standing = standing
        if standing.isHealthy { return HTTPAnswer(status: 200, text: "ok\n") }
        return HTTPAnswer(
            status: 503,
            text: visitor.mayLook
                ? "do not come around: \(standing.late.joined(separator: ", "))\n" : "not well\n")
    }

    private func readiness(_ visitor: AdminAccess.Visitor) -> HTTPAnswer {
        let standing = standing
        if standing.isReady { return HTTPAnswer(status: 200, text: "ready\n") }
        let reasons =
            standing.obstacles + standing.late.map { "does not come around: \($0)" }
        return HTTPAnswer(
            status: 503,
            text: visitor.mayLook ? reasons.joined(separator: "\n") + "\n" : "not ready\n")
    }

    // MARK: Documents

    private func history(_ request: AdminRequest) -> HTTPAnswer {
        let name = FormFields(request.query)?.text("space")
        guard let watch = watches.first(where: { name == nil || $0.space.name == name }) else {
            let names = watches.map(\.space.name).joined(separator: ", ")
            return HTTPAnswer(status: 404, text: "there is a history of \(names)\n")
        }
        return HTTPAnswer.json(StatusDocument.history(watch).text)
    }

    private func members() -> HTTPAnswer {
        cluster?.want()
        let own = document.brief(watches, standing)
        return HTTPAnswer.json(
            cluster?.document(ownName, own).text ?? "{\"members\":[]}")
    }

    private func me(_ visitor: AdminAccess.Visitor) -> HTTPAnswer {
        let user: JSON =
            switch visitor {
            case .program(let user): .text(user)
            case .person(let login): .text(login.user)
            case .local, .nobody: .null
            }
        return HTTPAnswer.json(
            JSON.object([
                ("user", user), ("passwords", .flag(access.hasPasswords)),
                ("form", visitor.person.map { .text($0.formToken) } ?? .null),
            ]).text)
    }
}
