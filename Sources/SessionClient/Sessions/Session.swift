/// A session as it was loaded or saved last.
public struct Session<Value: Codable & Sendable>: Sendable {
    /// What its cookie tells.
    public let id: SessionID
    /// Changes stay here until the session is saved.
    public var value: Value
    /// When it was created: Unix time.
    public let createdMilliseconds: Int64
    /// Which state of the session this is.
    let casUnique: CASUnique
}

/// What became of a session that was to be saved.
public enum SaveOutcome<Value: Codable & Sendable>: Sendable {
    /// As it is now.
    case saved(Session<Value>)
    /// Another request has saved it meanwhile; nothing was changed.
    case conflict
    /// It was destroyed, or has expired; it does not come back.
    case gone
}

/// Why something could not be done with a session. That there is none is no error.
public struct SessionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong, for programs to compare. There may be further codes later: a `switch` has a `default`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, as in logs.
        public let description: String

        private init(_ name: String) { description = name }

        /// The cluster did not do what it was asked; `cacheError` says why.
        public static let cache = Code("cache")
        /// The value could not be encoded.
        public static let unencodable = Code("unencodable")
    }

    /// What went wrong.
    public let code: Code
    /// With `.cache`, what became of the command.
    public let cacheError: CacheError?
    /// Code and reason in one line.
    public let description: String

    /// As a store throws it when a node does not do what it is asked.
    public static func cache(_ error: CacheError) -> SessionError {
        SessionError(code: .cache, cacheError: error, description: "\(Code.cache): \(error)")
    }

    /// As a store throws it for a value that its encoder refuses.
    public static func unencodable(reason: String) -> SessionError {
        SessionError(
            code: .unencodable, cacheError: nil, description: "\(Code.unencodable): \(reason)")
    }
}
