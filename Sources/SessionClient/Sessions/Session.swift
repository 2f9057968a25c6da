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
public enum SessionError: Error, Hashable, Sendable {
    /// The cluster did not do what it was asked.
    case cache(CacheError)
    /// The value could not be encoded.
    case unencodable(reason: String)
}
