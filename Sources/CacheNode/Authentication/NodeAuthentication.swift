import EventLoop
import Logging
import Synchronization

/// Who may use the node. Its passwords can be read again while it runs: who is logged in stays so.
final class NodeAuthentication: Sendable {
    let rules: AuthenticationRules
    let throttle = LoginThrottle()
    private let passwords: Mutex<Passwords?>

    /// Reads the file that the rules name.
    convenience init(_ rules: AuthenticationRules) throws(AuthenticationError) {
        self.init(rules, try Self.read(rules))
    }

    init(_ rules: AuthenticationRules, _ passwords: Passwords?) {
        self.rules = rules
        self.passwords = Mutex(passwords)
    }

    private static func read(_ rules: AuthenticationRules) throws(AuthenticationError) -> Passwords?
    {
        guard let path = rules.passwordFile else { return nil }
        let file = try file(at: path)
        if let exposure = file.exposure, !rules.mayFileBeShared {
            throw AuthenticationError("\(exposure), unless '-o auth_shared_file' is given")
        }
        return try file.withBytes { bytes throws(AuthenticationError) in
            try Passwords(bytes.bindMemory(to: UInt8.self).span, name: file.name)
        }
    }

    private static func file(at path: String) throws(AuthenticationError) -> SecretFile {
        do throws(SecretFileError) {
            return try SecretFile(
                path, "the password file", byteCountMax: Passwords.fileByteCountMax)
        } catch {
            throw AuthenticationError(error.description)
        }
    }

    /// Reads the file again. If there is anything wrong with it, the passwords stay as they were.
    func refresh() throws(AuthenticationError) {
        let passwords = try Self.read(rules)
        self.passwords.withLock { $0 = passwords }
    }

    var hasPasswords: Bool { rules.passwordFile != nil }

    /// How many users have a password.
    var userCount: Int { passwords.withLock { $0?.count ?? 0 } }

    /// The file's first user and password.
    var first: (user: [UInt8], password: [UInt8])? { passwords.withLock { $0?.first } }

    func accept(user: Span<UInt8>, password: Span<UInt8>) -> Bool {
        // The lock is held for no longer than it takes to refer to them.
        let passwords = passwords.withLock { $0 }
        return passwords?.accept(user: user, password: password) ?? false
    }

    /// What a new connection is, before it has said anything. By TCP, which may be among sockets that are
    /// handed over, nobody is a user of this machine.
    enum Admission {
        case loggedIn
        /// It has to send a password.
        case unknown
        /// It cannot become anything.
        case refused
    }

    func admit(_ stream: borrowing Transport) -> Admission {
        if rules.acceptsCertificates, stream.hasVerifiedPeer { return .loggedIn }
        if !rules.userIDs.isEmpty, let user = stream.socket.peerUserID,
            rules.userIDs.contains(user)
        {
            return .loggedIn
        }
        return hasPasswords ? .unknown : .refused
    }
}

extension NodeContext {
    /// Reads the passwords again, and says in the log what came of it.
    func refreshPasswords(_ authentication: NodeAuthentication) {
        guard authentication.rules.passwordFile != nil else { return }
        do {
            try authentication.refresh()
            logger.notice("passwords read again: \(authentication.userCount) users")
        } catch {
            logger.error("the passwords stay as they were: \(error)")
        }
    }
}
