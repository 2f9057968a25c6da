import MemcacheProtocol

/// As whom a client logs in to its nodes: they were started with `-Y`, as memcached.
///
/// On each new connection they are the first that is sent. Without TLS whoever listens on the way reads
/// them. Only nodes that ask for them should be given them: others take them for an item `auth`, which has
/// expired already when it is stored.
///
/// The password is in no description, no error and no log.
public struct Credentials: Hashable, Sendable {
    /// 1 to 250 bytes, without a colon, spaces and control characters.
    public let user: String
    /// 1 to 250 bytes, without spaces and control characters.
    package let password: String

    /// A user's name and password, 1 to 250 bytes each. The client checks them when it is made.
    public init(user: String, password: String) {
        self.user = user
        self.password = password
    }

    /// Those of a file as nodes read it (`-Y`): a line `user:password` for each user.
    ///
    /// The file is read once. It has to be readable by its owner alone, or by root's group if it is root's,
    /// and has 1 MiB at most.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - user: whose line is taken; nil is that of the first.
    /// - Throws: with the file's path, and what is wrong with it. Never a line of it.
    public init(contentsOf path: String, user: String? = nil) throws(ConfigurationError) {
        let file = try AccessFile(path, "the credentials file", isSecret: true)
        for (number, line) in file.lines.enumerated() where !line.isEmpty {
            guard let colon = line.firstIndex(of: ":") else {
                throw ConfigurationError(
                    "\(file.name), line \(number + 1): not user:password")
            }
            guard user == nil || line[..<colon] == user ?? "" else { continue }
            self.init(
                user: String(line[..<colon]),
                password: String(line[line.index(after: colon)...]))
            if let problem {
                throw ConfigurationError("\(file.name), line \(number + 1): \(problem)")
            }
            return
        }
        throw ConfigurationError(
            user.map { "\(file.name) has no user \($0)" } ?? "\(file.name) has no users")
    }

    /// A user with the password that is a file's first line.
    ///
    /// - Throws: as `init(contentsOf:user:)`.
    package init(user: String, passwordFile path: String) throws(ConfigurationError) {
        let file = try AccessFile(path, "the password file", isSecret: true)
        self.init(user: user, password: file.lines.first ?? "")
        if let problem { throw ConfigurationError("\(file.name): \(problem)") }
    }

    /// What is wrong with them; nil if nothing is.
    package var problem: String? {
        Self.problem("a user's name", user) ?? Self.problem("a password", password)
            ?? (user.contains(":") ? "a user's name has no colon" : nil)
    }

    private static func problem(_ what: String, _ word: String) -> String? {
        let limit = LoginRequest.wordByteCountMax
        guard (1...limit).contains(word.utf8.count) else {
            return "\(what) has 1 to \(limit) bytes, not \(word.utf8.count)"
        }
        guard word.utf8.allSatisfy({ $0 > UInt8(ascii: " ") && $0 != 0x7f }) else {
            return "\(what) has no spaces and no control characters"
        }
        return nil
    }
}

extension Credentials: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The user's name alone.
    public var description: String { "user \(user)" }
    /// The user's name alone.
    public var debugDescription: String { description }
    /// The user's name alone.
    public var customMirror: Mirror { Mirror(self, children: ["user": user]) }
}
