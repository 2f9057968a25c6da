import EventLoop
import MemcacheProtocol

/// The part of a conversation in which the peer has to say who it is. Until it has, it can do nothing else,
/// and little is kept of what it sends: lines and tokens that fit `inputByteCount`.
///
///     set KEY FLAGS EXPTIME 13        the text and meta protocols; key, flags and exptime are anything
///     user password
///
/// In the binary protocol it is SASL's PLAIN. Source: memcached's proto_text.c and proto_bin.c.
///
/// Confined to its worker's thread.
final class Login {
    let authentication: NodeAuthentication
    private let descriptor: Int32
    /// On the node's clock.
    let begunSeconds: UInt32
    /// The peer is logged in.
    private(set) var isOver = false
    /// A `set` has come, and a token of so many bytes is to follow.
    private var tokenByteCount: Int?
    /// SASL PLAIN has begun without its message.
    var hasBegunPlain = false

    /// What is received of a peer that is not logged in, without being used.
    static let inputByteCount = 2_048
    /// What such a peer is owed until it is read from again.
    static let outputByteCountMax = 2_048
    /// Of a user, a space and a password. A longer one is nobody's.
    static let tokenByteCountMax = Passwords.entryByteCountMax
    /// From here on memcached says so.
    private static let refusedTokenByteCount = 16_384
    /// A line with its end is not shorter, or it is no command.
    private static let lineByteCountMin = 7

    init(_ authentication: NodeAuthentication, descriptor: Int32, now: Moment) {
        self.authentication = authentication
        self.descriptor = descriptor
        begunSeconds = now.seconds
    }

    // MARK: Attempts

    private var peer: LoginThrottle.Peer { LoginThrottle.Peer(.peer(of: descriptor)) }

    /// Looks at what was sent, now or later, and answers. Returns what the connection does next.
    func attempt(
        user: Span<UInt8>, password: Span<UInt8>, answering form: LoginAttempt.Form,
        _ output: inout OutputBuffer, _ executor: borrowing Executor
    ) -> Connection.Step {
        let attempt = LoginAttempt(
            of: self, peer, user: user.bytes(), password: password.bytes(), form)
        let begun = NodeClock.nanoseconds()
        switch attempt.look(&output, executor) {
        case .answered: return .over
        case .closes: return .leads(.closed(.error))
        case .waits(let look):
            let patience = UInt64(authentication.rules.timeoutSeconds) * 1_000_000_000
            return .waits(
                Waiting(
                    executor.worker.makeTicket(descriptor: descriptor), until: begun + patience,
                    lookingAt: look, attempt))
        }
    }

    func noteSuccess() { isOver = true }

    // MARK: The text protocol

    /// What comes of the line, or the token, at the input's start.
    func nextLine(
        _ input: inout InputBuffer, _ output: inout OutputBuffer, _ executor: borrowing Executor
    ) -> Connection.Step {
        if let tokenByteCount {
            return takeToken(tokenByteCount, &input, &output, executor)
        }
        guard let newline = input.newline() else {
            return input.isFull ? .leads(.closed(.error)) : .ends(.needsInput)
        }
        let next = newline + 1
        guard next >= Self.lineByteCountMin else { return .leads(.closed(.error)) }
        let bytes = input.bytes
        let byteCount = Self.tokenByteCount(announcedBy: bytes.span.extracting(first: newline))
        input.use(next)
        guard let byteCount else {
            output.append(.unauthenticated)
            return .over
        }
        guard byteCount <= Self.refusedTokenByteCount else {
            return .swallows(
                byteCount: DataBlock.byteCount(ofValue: byteCount), then: .line(.authTokenTooLong))
        }
        guard byteCount <= Self.tokenByteCountMax else {
            // Nobody's: there is nothing to look at.
            executor.noteLogin(isRight: false)
            return .swallows(
                byteCount: DataBlock.byteCount(ofValue: byteCount),
                then: .line(.authenticationFailure))
        }
        tokenByteCount = byteCount
        return .over
    }

    /// That of the token, if the line is a `set`.
    private static func tokenByteCount(announcedBy line: Span<UInt8>) -> Int? {
        var line = line
        if !line.isEmpty, line[line.count - 1] == UInt8(ascii: "\r") {
            line = line.extracting(droppingLast: 1)
        }
        let words = Words(line)
        guard let verb = words[0], line.holds("set", at: verb), let count = words[4] else {
            return nil
        }
        return line.unsigned32(at: count).map { Int($0) }
    }

    private func takeToken(
        _ byteCount: Int, _ input: inout InputBuffer, _ output: inout OutputBuffer,
        _ executor: borrowing Executor
    ) -> Connection.Step {
        let block = DataBlock(start: 0, valueByteCount: byteCount)
        guard input.count >= block.next else { return .ends(.needsInput) }
        tokenByteCount = nil
        let bytes = input.bytes
        let span = bytes.span
        defer { input.use(block.next) }
        guard block.isWellEnded(in: span) else {
            output.append(.badAuthTermination)
            return .over
        }
        let token = span.extracting(first: byteCount)
        var space = 0
        while space < token.count, token[space] != UInt8(ascii: " ") { space += 1 }
        guard space < token.count else {
            output.append(.badAuthToken)
            return .over
        }
        return attempt(
            user: token.extracting(first: space), password: token.extracting((space + 1)...),
            answering: .text, &output, executor)
    }
}

extension Executor {
    func noteLogin(isRight: Bool) {
        counters.add(.logins)
        if !isRight { counters.add(.failedLogins) }
    }
}
