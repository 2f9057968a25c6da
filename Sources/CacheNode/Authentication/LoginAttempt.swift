import Logging
import MemcacheProtocol

/// A user and a password that a peer has sent. Waits for its turn, and a refusal for its time: see
/// `LoginThrottle`.
final class LoginAttempt: AwaitingCommand {
    /// In whose words it is answered.
    enum Form {
        case text
        case binary(BinaryRequest)
    }

    private let login: Login
    private let peer: LoginThrottle.Peer
    private let user: [UInt8]
    private let password: [UInt8]
    private let form: Form
    private var isRefused = false

    init(
        of login: Login, _ peer: LoginThrottle.Peer, user: [UInt8], password: [UInt8], _ form: Form
    ) {
        self.login = login
        self.peer = peer
        self.user = user
        self.password = password
        self.form = form
    }

    /// Who has gone learns nothing.
    var needsPeer: Bool { true }

    func finish(
        _ ending: WaitEnding, _ output: inout OutputBuffer, _ executor: borrowing Executor,
        now: Moment
    ) -> AwaitingStep {
        if isRefused {
            refuse(&output)
        } else if ending == .ready {
            return look(&output, executor)
        } else {
            putOff(&output)
        }
        return .answered
    }

    func cancel() {}

    /// Looks whether it is right, if it is its turn.
    func look(_ output: inout OutputBuffer, _ executor: borrowing Executor) -> AwaitingStep {
        let throttle = login.authentication.throttle
        let nanoseconds = NodeClock.nanoseconds()
        if case .at(let turn) = throttle.takeTurn(peer, at: nanoseconds) {
            return .waits(lookingAt: turn)
        }
        let (user, password) = (user, password)
        let isRight = login.authentication.accept(user: user.span, password: password.span)
        executor.noteLogin(isRight: isRight)
        guard isRight else {
            isRefused = true
            executor.context.noteFailedLogin(from: peer)
            return .waits(lookingAt: throttle.noteFailure(peer, at: nanoseconds))
        }
        throttle.noteSuccess(peer)
        login.noteSuccess()
        switch form {
        case .text: output.append(.stored)
        case .binary(let request): output.appendAuthenticated(to: request)
        }
        return .answered
    }

    /// It was not looked at: whether it is right is not said.
    private func putOff(_ output: inout OutputBuffer) {
        switch form {
        case .text: output.append(.loginPutOff)
        case .binary(let request): output.append(BinaryReply(to: request, .temporaryFailure))
        }
    }

    private func refuse(_ output: inout OutputBuffer) {
        switch form {
        case .text: output.append(.authenticationFailure)
        case .binary(let request): output.append(BinaryReply(to: request, .notAllowed))
        }
    }
}

extension NodeContext {
    /// Tells the operator. Not by which user: people type a password where that belongs.
    fileprivate func noteFailedLogin(from peer: LoginThrottle.Peer) {
        logger.warning("a login from \(peer) failed: its user or its password is not that of -Y")
    }
}
