import EventLoop
import SessionMap
import Synchronization
import Testing

@testable import CacheNode
@testable import NodeStage

/// Who gets what at the operator's port, without a socket.
@Suite(.timeLimit(.minutes(10)))
struct AdminSiteTests {
    private let node: InProcessNode

    init() throws { node = try InProcessNode(spaceCount: 2) }

    private func site(_ passwords: String? = nil, isSecured: Bool = false) throws -> AdminSite {
        var rules = AuthenticationRules()
        rules.passwordFile = passwords.map { _ in "passwords" }
        let authentication = try passwords.map {
            NodeAuthentication(rules, try Passwords(Array($0.utf8).span, name: "passwords"))
        }
        return AdminSite(
            node.context, AdminAccess(authentication, isSecured: isSecured, port: 8_080),
            cluster: nil, rules: AdminRules(place: .tcp(host: "127.0.0.1", port: 0)),
            pulses: node.context.workers.map { ("worker \($0.number)", $0.pulse) })
    }

    private func request(
        _ path: String, _ method: HTTPRequest.Method = .get, body: String = "",
        _ headers: [(name: String, value: String)] = [], host: String = "192.0.2.7"
    ) -> AdminRequest {
        AdminRequest(
            method: method, path: path, body: Array(body.utf8), headers: headers,
            peer: .tcp(host: host, port: 1))
    }

    private func request(
        _ path: String, _ headers: [(name: String, value: String)], host: String = "192.0.2.7"
    ) -> AdminRequest { request(path, .get, body: "", headers, host: host) }

    private func answer(_ site: AdminSite, _ request: AdminRequest) -> HTTPAnswer {
        guard case .answer(let answer) = site.answer(request) else {
            return HTTPAnswer(status: 299, text: "a walk")
        }
        return answer
    }

    private func text(_ answer: HTTPAnswer) -> String {
        String(decoding: answer.body, as: UTF8.self)
    }

    @Test("Every path answers by its methods, others by 405 with those, and what is no path by 404")
    func paths() throws {
        let site = try site()
        for path in [
            "/", "/page.css", "/page.js", "/icon.svg", "/healthz", "/readyz", "/metrics",
            "/status.json", "/history.json", "/cluster.json", "/me.json", "/brief",
        ] {
            #expect(answer(site, request(path)).status == 200, "\(path)")
            let refused = answer(site, request(path, .post))
            #expect(refused.status == 405 && refused.header("Allow") == "GET, HEAD", "\(path)")
        }
        #expect(answer(site, request("/sessions")).header("Allow") == "POST")
        #expect(answer(site, request("/sessions", .other)).status == 405)
        for path in ["", "/x", "//", "/../", "/metrics/", "/%2e%2e"] {
            #expect(answer(site, request(path)).status == 404, "\(path)")
        }
        #expect(node.context.admin.requests.load(ordering: .relaxed) > 20)
    }

    @Test("Without passwords whoever can come looks, by an address, and ends nothing")
    func withoutPasswords() throws {
        let site = try site()
        for (host, status) in [
            ("localhost", 200), ("localhost:8080", 200), ("127.0.0.1:1", 200), ("[::1]:80", 200),
            ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("[evil]", 421), ("", 421),
        ] {
            #expect(answer(site, request("/metrics", [("host", host)])).status == status, "\(host)")
        }
        #expect(answer(site, request("/sessions", .post, body: "user=a&form=")).status == 403)
        #expect(answer(site, request("/login")).header("Location") == "/")
    }

    @Test("With passwords only probes, the form and its files are there for everybody")
    func withPasswords() throws {
        let site = try site("ann:right\n")
        for path in ["/healthz", "/readyz", "/login", "/page.css"] {
            #expect(answer(site, request(path)).status == 200, "\(path)")
        }
        for path in ["/metrics", "/status.json", "/history.json", "/cluster.json", "/brief"] {
            let refused = answer(site, request(path))
            #expect(refused.status == 401 && refused.header("WWW-Authenticate") != nil, "\(path)")
        }
        // A browser would ask by itself.
        let asked = answer(site, request("/status.json", [("sec-fetch-mode", "cors")]))
        #expect(asked.status == 401 && asked.header("WWW-Authenticate") == nil)
        #expect(answer(site, request("/")).header("Location") == "/login")
        // Their own name is anybody's: nothing is shown without a password.
        #expect(answer(site, request("/healthz", [("host", "node.example")])).status == 200)
    }

    private func basic(_ text: String) -> (name: String, value: String) {
        ("authorization", "Basic \(text)")
    }

    @Test(
        "A program logs in by its header; guessing is put off, for others at the same address, too")
    func program() throws {
        let site = try site("ann:right\n")
        // ann:right, ann:wrong
        let (right, wrong) = ("YW5uOnJpZ2h0", "YW5uOndyb25n")
        #expect(answer(site, request("/metrics", [basic(right)], host: "a")).status == 200)
        #expect(answer(site, request("/metrics", [basic(wrong)], host: "a")).status == 401)
        #expect(node.context.admin.failedLogins.load(ordering: .relaxed) == 1)
        let putOff = answer(site, request("/metrics", [basic(wrong)], host: "a"))
        #expect(putOff.status == 429 && putOff.header("Retry-After") == "1")
        #expect(node.context.admin.failedLogins.load(ordering: .relaxed) == 1)
        // One that was right before is not put off; at another address nobody is.
        #expect(answer(site, request("/metrics", [basic(right)], host: "a")).status == 200)
        #expect(answer(site, request("/metrics", [basic(wrong)], host: "b")).status == 401)
        for text in ["", "=", "YW5u", "%%%%", String(repeating: "QUFB", count: 2_000)] {
            let status = answer(site, request("/metrics", [basic(text)], host: "c\(text)")).status
            #expect(status == 401, "\(text.prefix(9))")
        }
        #expect(answer(site, request("/metrics", [("authorization", "Bearer x")])).status == 401)
        // The passwords are other ones: what was right is looked at again.
        site.access.forgetAll()
        #expect(answer(site, request("/metrics", [basic(right)], host: "d")).status == 200)
        // Programs have no form of the page.
        let ending = request(
            "/sessions/end", .post, body: "user=a&form=", [basic(right)], host: "d")
        #expect(answer(site, ending).status == 403)
    }

    private func cookie(of answer: HTTPAnswer) throws -> String {
        let header = try #require(answer.header("Set-Cookie"))
        return String(header.prefix { $0 != ";" })
    }

    private func form(in answer: HTTPAnswer) throws -> String {
        let parts = text(answer).components("name=\"form\" value=\"")
        return String(try #require(parts.last).prefix { $0 != "\"" })
    }

    private func logIn(_ site: AdminSite, _ password: String = "right") throws -> HTTPAnswer {
        let page = answer(site, request("/login"))
        let body = "user=ann&password=\(password)&form=\(try form(in: page))"
        return answer(
            site, request("/login", .post, body: body, [("cookie", try cookie(of: page))]))
    }

    @Test(
        "A person logs in by the form that the port gave, and gets a cookie that scripts and others do not"
    )
    func person() throws {
        let site = try site("ann:right\n", isSecured: true)
        let done = try logIn(site)
        #expect(done.status == 303 && done.header("Location") == "/")
        let header = try #require(done.header("Set-Cookie"))
        for word in ["__Host-", "HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age="] {
            #expect(header.contains(word))
        }
        let cookie = try cookie(of: done)
        #expect(answer(site, request("/status.json", [("cookie", cookie)])).status == 200)
        #expect(
            answer(site, request("/status.json", [("cookie", "a=b; \(cookie) ;c=d")])).status == 200
        )
        #expect(answer(site, request("/status.json", [("cookie", cookie + "0")])).status == 401)
        #expect(
            answer(site, request("/status.json", [("cookie", "sojourn_login_8080=")])).status == 401
        )
        #expect(site.access.loginCookie == "__Host-sojourn_login_8080")
    }

    @Test("A form of somebody else's logs nobody in, whatever password is in it")
    func foreignForm() throws {
        let site = try site("ann:right\n")
        let page = answer(site, request("/login"))
        let (own, token) = (try cookie(of: page), try form(in: page))
        for (body, cookie) in [
            ("user=ann&password=right", own), ("user=ann&password=right&form=\(token)", "x=y"),
            ("user=ann&password=right&form=\(token)0", own), ("user=ann&password=right&form=", own),
            ("user=ann&password=%zz&form=\(token)", own),
            (String(repeating: "a=b&", count: 33), own),
        ] {
            #expect(
                answer(site, request("/login", .post, body: body, [("cookie", cookie)])).status
                    == 403)
        }
        let elsewhere = request(
            "/login", .post, body: "user=ann&password=right&form=\(token)",
            [("cookie", own), ("sec-fetch-site", "cross-site")])
        #expect(answer(site, elsewhere).status == 403)
        #expect(try logIn(site).status == 303)
        #expect(try logIn(site, "wrong").status == 401)
        #expect(try logIn(site).status == 429)
    }

    @Test("Sessions are looked for and ended with the login's own token alone")
    func sessions() throws {
        let site = try site("ann:right\n")
        let cookie = try cookie(of: try logIn(site))
        let me = text(answer(site, request("/me.json", [("cookie", cookie)])))
        let token = String(
            try #require(me.components("\"form\":\"").last).prefix { $0 != "\"" })
        #expect(me.contains("\"user\":\"ann\"") && token.count == 64)
        func ask(_ path: String, _ body: String) -> AdminSite.Outcome {
            site.answer(request(path, .post, body: body, [("cookie", cookie)]))
        }
        guard
            case .sessions(let query, let space, let who) =
                ask("/sessions", "user=eve+b%26c&older_than=60&form=\(token)&space=space1")
        else {
            Issue.record("no search")
            return
        }
        #expect(query.command == .list && query.user == Array("eve b&c".utf8))
        #expect(query.olderThanSeconds == 60 && space.name == "space1")
        #expect(who == "ann at the page, from 192.0.2.7")
        guard
            case .sessions(let ending, _, _) =
                ask("/sessions/end", "session=00000000000000ff&form=\(token)")
        else {
            Issue.record("no end")
            return
        }
        #expect(ending.command == .revoke && ending.session == 255)
        for (path, body, status) in [
            ("/sessions", "user=eve", 403), ("/sessions/end", "user=eve&form=\(token)0", 403),
            ("/sessions", "space=x&form=\(token)", 400), ("/sessions/end", "form=\(token)", 400),
            ("/sessions", "older_than=x&form=\(token)", 400),
            ("/sessions/end", "session=ff&form=\(token)", 400),
            ("/logout", "form=0", 403), ("/logout", "form=\(token)", 303),
            ("/sessions", "user=eve&form=\(token)", 401),
        ] {
            guard case .answer(let answer) = ask(path, body) else {
                Issue.record("\(path) \(body) is taken")
                continue
            }
            #expect(answer.status == status, "\(path) \(body.prefix(20))")
        }
    }

    @Test("So many are logged in at a time, for so long without a request, and so long in all")
    func logins() {
        var logins = Logins()
        let tokens = (0..<Logins.countMax).map { logins.begin(user: "u\($0)", now: $0).token }
        #expect(Set(tokens).count == Logins.countMax)
        #expect(logins.login(by: tokens[0], now: 100)?.user == "u0")
        // One more: that which was used longest ago is over.
        _ = logins.begin(user: "more", now: 101)
        #expect(logins.count == Logins.countMax)
        #expect(logins.login(by: tokens[1], now: 101) == nil)
        #expect(logins.login(by: tokens[0], now: 101) != nil)
        #expect(logins.login(by: tokens[2], now: 2 + Logins.idleSeconds - 1) != nil)
        #expect(logins.login(by: tokens[3], now: 3 + Logins.idleSeconds) == nil)
        for now in stride(from: 1_800, to: Logins.lifeSeconds, by: 1_000) {
            #expect(logins.login(by: tokens[2], now: now) != nil)
        }
        #expect(logins.login(by: tokens[2], now: 2 + Logins.lifeSeconds) == nil)
        logins.endAll()
        #expect(logins.count == 0)
        #expect(
            !Logins.areEqual("", "") && !Logins.areEqual("a", "b") && !Logins.areEqual("a", "ab"))
        #expect(Logins.areEqual("ab", "ab"))
    }

    @Test("A thread that does not come around is told of by probes, to who may know which")
    func health() throws {
        let site = try site()
        for _ in 0...Liveness.lookCountMax {
            #expect(answer(site, request("/healthz")).status == 200)
            site.tick()
        }
        let ill = answer(site, request("/healthz"))
        #expect(ill.status == 503 && text(ill).contains("worker 0"))
        #expect(answer(site, request("/readyz")).status == 503)
        node.worker.pulse.beat()
        site.tick()
        #expect(answer(site, request("/healthz")).status == 200)
        #expect(answer(site, request("/readyz")).status == 200)
        node.space.acceptance.isAccepting.store(false, ordering: .relaxed)
        let full = answer(site, request("/readyz"))
        #expect(full.status == 503 && text(full).contains("no connection is accepted"))
    }

    @Test("Another page's markup is nothing in ours")
    func escaping() throws {
        let site = try site("<a&\">:right\n")
        let page = answer(site, request("/login"))
        let (own, token) = (try cookie(of: page), try form(in: page))
        let body = "user=%3Ca%26%22%3E&password=right&form=\(token)"
        let done = answer(site, request("/login", .post, body: body, [("cookie", own)]))
        let me = answer(site, request("/me.json", [("cookie", try cookie(of: done))]))
        #expect(text(me).contains("<a&") && done.status == 303)
    }
}

extension String {
    fileprivate func components(_ separator: String) -> [Substring] {
        split(separator: separator, omittingEmptySubsequences: false)
    }
}
