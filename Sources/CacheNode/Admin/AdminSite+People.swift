import AdminPage
import EventLoop
import Logging

/// The page's forms: who logs in, and what is asked and done about sessions.
extension AdminSite {
    // MARK: Logging in

    func noteFailure(from request: AdminRequest) {
        noteFailedLogin()
        context.logger.warning(
            "a login at the operator's port failed, from \(LoginThrottle.Peer(request.peer))")
    }

    func loginForm(_ problem: String?) -> HTTPAnswer {
        guard access.hasPasswords else { return HTTPAnswer.redirect(to: Path.page.rawValue) }
        let (token, cookie) = access.beginForm()
        var answer = HTTPAnswer.file(
            PageFile.login(formToken: token, problem: problem), "text/html; charset=utf-8")
        if problem != nil { answer.status = 401 }
        answer.headers.append(cookie)
        return answer
    }

    func logIn(_ request: AdminRequest) -> HTTPAnswer {
        guard let fields = FormFields(request.body), access.isOwnForm(request, fields) else {
            return HTTPAnswer.refused(
                "this form is not one of this port, or is too old: load it again\n")
        }
        guard let user = fields["user"], let password = fields["password"] else {
            return loginForm("A user and a password are needed.")
        }
        let nanoseconds = NodeClock.nanoseconds()
        switch access.check(user, password, from: request.peer, nanoseconds) {
        case .putOff(let seconds):
            var answer = loginForm("Too soon after a wrong password: wait \(seconds) s.")
            answer.status = 429
            answer.headers.append(("Retry-After", String(seconds)))
            return answer
        case .wrong:
            noteFailure(from: request)
            return loginForm("The user or the password is wrong.")
        case .right:
            let name = PercentEncoding.encoded(user)
            context.logger.notice(
                "\(name) logged in at the operator's page, from \(LoginThrottle.Peer(request.peer))"
            )
            var answer = HTTPAnswer.redirect(to: Path.page.rawValue)
            answer.headers.append(
                access.begin(user: name, now: Int(nanoseconds / 1_000_000_000)))
            return answer
        }
    }

    func logOut(_ request: AdminRequest, _ visitor: AdminAccess.Visitor) -> HTTPAnswer {
        guard let login = visitor.person, let fields = FormFields(request.body),
            access.isOwnForm(request, fields, of: login)
        else { return HTTPAnswer.refused("this form is not the page's\n") }
        var answer = HTTPAnswer.redirect(to: Path.login.rawValue)
        answer.headers.append(access.end(request))
        return answer
    }

    // MARK: Sessions

    func sessions(
        _ request: AdminRequest, _ visitor: AdminAccess.Visitor, ends: Bool
    ) -> Outcome {
        guard let login = visitor.person else {
            return .answer(
                HTTPAnswer.refused(
                    access.hasPasswords
                        ? "log in at the page for this\n"
                        : "sessions are shown to who has logged in: give -o admin_auth_file=FILE\n")
            )
        }
        guard let fields = FormFields(request.body),
            access.isOwnForm(request, fields, of: login)
        else { return .answer(HTTPAnswer.refused("this form is not the page's\n")) }
        let name = fields.text("space") ?? context.spaces.all.first?.name ?? ""
        guard let space = context.spaces[name] else {
            return .answer(HTTPAnswer.mistake("there is no space \(name)"))
        }
        var line = ends ? "revoke" : "list"
        for word in ["user", "session", "key_prefix", "older_than", "idle_for", "larger_than"] {
            guard let value = fields[word] else { continue }
            line += " \(word)=\(PercentEncoding.encoded(value))"
        }
        do throws(SessionQuery.Mistake) {
            return .sessions(
                try SessionQuery(line.utf8), space,
                who: "\(login.user) at the page, from \(LoginThrottle.Peer(request.peer))")
        } catch {
            return .answer(HTTPAnswer.mistake(error.sentence))
        }
    }
}
