import EventLoop
import Logging
import Synchronization

/// Who a visitor of the operator's port is, and what follows from that.
///
/// Confined to the port's thread, but for `refresh`, which another one requests.
final class AdminAccess {
    enum Visitor: Equatable {
        /// There are no passwords: whoever can come is an operator who looks. Nobody can end anything.
        case local
        /// By HTTP's Basic login: may look.
        case program(user: String)
        /// By the page's form: may look, and end sessions.
        case person(Logins.Login)
        case nobody

        var mayLook: Bool { self != .nobody }
        var person: Logins.Login? { if case .person(let login) = self { login } else { nil } }
    }

    let authentication: NodeAuthentication?
    private let isSecured: Bool
    /// Cookies are a host's, whatever the port: nodes on one machine have one each.
    private let cookieSuffix: String
    private var logins = Logins()
    /// What was right since the passwords were read, so that others' failures do not delay a monitor.
    private var known: [String: String] = [:]

    private static let knownCountMax = 64
    private static let formSeconds = 600

    init(_ authentication: NodeAuthentication?, isSecured: Bool, port: Int?) {
        self.authentication = authentication
        self.isSecured = isSecured
        cookieSuffix = port.map { "_\($0)" } ?? ""
    }

    var hasPasswords: Bool { authentication != nil }
    var loginCount: Int { logins.count }

    /// The passwords are other ones.
    func forgetAll() {
        logins.endAll()
        known.removeAll()
    }

    // MARK: Visitors

    enum Finding: Equatable {
        case visitor(Visitor)
        /// Too soon after a failure from there.
        case putOff(seconds: Int)
        case wrongPassword
    }

    /// - Parameters:
    ///   - now: seconds of a clock that nobody sets.
    ///   - nanoseconds: the same clock, for the throttle.
    func visitor(of request: AdminRequest, now: Int, nanoseconds: UInt64) -> Finding {
        guard hasPasswords else { return .visitor(.local) }
        if let token = request.cookie(loginCookie), let login = logins.login(by: token, now: now) {
            return .visitor(.person(login))
        }
        guard let header = request.header("authorization") else { return .visitor(.nobody) }
        if let user = known[header] { return .visitor(.program(user: user)) }
        guard let (user, password) = request.credentials else { return .wrongPassword }
        switch check(user, password, from: request.peer, nanoseconds) {
        case .right:
            let user = String(decoding: user, as: UTF8.self)
            if known.count < Self.knownCountMax { known[header] = user }
            return .visitor(.program(user: user))
        case .wrong: return .wrongPassword
        case .putOff(let seconds): return .putOff(seconds: seconds)
        }
    }

    enum Check: Equatable {
        case right
        case wrong
        case putOff(seconds: Int)
    }

    /// Looks at a password, unless it is too soon after a wrong one from the same address.
    func check(
        _ user: [UInt8], _ password: [UInt8], from peer: SocketAddress, _ nanoseconds: UInt64
    ) -> Check {
        guard let authentication else { return .wrong }
        let address = LoginThrottle.Peer(peer)
        if case .at(let turn) = authentication.throttle.takeTurn(address, at: nanoseconds) {
            return .putOff(seconds: Int((turn - nanoseconds) / 1_000_000_000) + 1)
        }
        guard user.count + password.count < Passwords.entryByteCountMax,
            authentication.accept(user: user.span, password: password.span)
        else {
            _ = authentication.throttle.noteFailure(address, at: nanoseconds)
            return .wrong
        }
        authentication.throttle.noteSuccess(address)
        return .right
    }

    // MARK: The form

    private var prefix: String { isSecured ? "__Host-" : "" }
    var loginCookie: String { "\(prefix)sojourn_login\(cookieSuffix)" }
    var formCookie: String { "\(prefix)sojourn_form\(cookieSuffix)" }

    func cookie(_ name: String, _ value: String, seconds: Int) -> (name: String, value: String) {
        (
            "Set-Cookie",
            "\(name)=\(value); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Strict"
                + (isSecured ? "; Secure" : "")
        )
    }

    /// What the form of a login has with it: the same as its cookie.
    func beginForm() -> (token: String, header: (name: String, value: String)) {
        let token = Logins.secret()
        return (token, cookie(formCookie, token, seconds: Self.formSeconds))
    }

    /// Whether a form for a login is one that this port has given this browser.
    func isOwnForm(_ request: AdminRequest, _ fields: FormFields) -> Bool {
        guard !request.isFromElsewhere, let cookie = request.cookie(formCookie),
            let token = fields.text("form")
        else { return false }
        return Logins.areEqual(cookie, token)
    }

    /// Whether a form is the page's, of this login.
    func isOwnForm(
        _ request: AdminRequest, _ fields: FormFields, of login: Logins.Login
    ) -> Bool {
        guard !request.isFromElsewhere, let token = fields.text("form") else { return false }
        return Logins.areEqual(login.formToken, token)
    }

    func begin(user: String, now: Int) -> (name: String, value: String) {
        let (token, _) = logins.begin(user: user, now: now)
        return cookie(loginCookie, token, seconds: Logins.lifeSeconds)
    }

    func end(_ request: AdminRequest) -> (name: String, value: String) {
        if let token = request.cookie(loginCookie) { logins.end(token) }
        return cookie(loginCookie, "", seconds: 0)
    }
}
