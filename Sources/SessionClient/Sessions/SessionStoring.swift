/// What an application does with sessions: in a cluster (`SessionStore`), and in its tests without one
/// (`InMemorySessionStore`).
///
/// What is built of these calls, such as `update`, is the same for all. An application's own type wraps one
/// of the two: only they make sessions.
public protocol SessionStoring<Value>: Sendable {
    /// What a session holds.
    associatedtype Value: Codable & Sendable

    /// How often `update` tries.
    var updateAttemptCountMax: Int { get }

    /// What to give the browser. Set the cookie `HttpOnly`, `Secure` and `SameSite`.
    func cookieValue(for id: SessionID) -> String

    /// The ID in a cookie.
    ///
    /// - Parameter cookie: what the browser sent.
    /// - Returns: nil for what no such store has given out, as far as that can be told without asking.
    func id(fromCookie cookie: String?) -> SessionID?

    /// Creates a session under a new ID.
    func create(_ value: Value) async throws(SessionError) -> Session<Value>

    /// Loads a session, and lets its idle timeout begin anew.
    ///
    /// - Returns: nil if there is none, if it has expired, or if what is stored cannot be read.
    func load(_ id: SessionID) async throws(SessionError) -> Session<Value>?

    /// Saves a session, if nobody else has since it was loaded. The idle timeout begins anew.
    ///
    /// - Returns: to be looked at, as only `.saved` has saved anything. `update` makes a change again
    ///   after a conflict.
    func save(_ session: Session<Value>) async throws(SessionError) -> SaveOutcome<Value>

    /// Gives a session another ID, if nobody else has changed it since it was loaded.
    ///
    /// With `restartsLife` the absolute timeout begins anew, if it is not over yet.
    func regenerate(
        _ session: Session<Value>, restartsLife: Bool
    ) async throws(SessionError) -> SaveOutcome<Value>

    /// Ends a session. That there was none is no error.
    func destroy(_ id: SessionID) async throws(SessionError)
}

extension SessionStoring {
    /// Loads the session of a cookie, and lets its idle timeout begin anew. In a cluster that is one round
    /// trip; with several copies it is two.
    public func load(cookie: String?) async throws(SessionError) -> Session<Value>? {
        guard let id = id(fromCookie: cookie) else { return nil }
        return try await load(id)
    }

    /// Gives a session another ID, and lets its absolute timeout begin anew: for a login.
    public func regenerate(
        _ session: Session<Value>
    ) async throws(SessionError) -> SaveOutcome<Value> {
        try await regenerate(session, restartsLife: true)
    }

    /// Loads, changes and saves a session, again where others were faster.
    ///
    /// `merge` makes the change in whatever state the session is. It may be called several times; only what
    /// the last call has made is saved.
    ///
    /// - Returns: nil if there is no session.
    /// - Throws: `CacheError` with `.contended` when others were faster every time.
    public func update(
        _ id: SessionID, merge: (inout Value) -> Void
    ) async throws(SessionError) -> Session<Value>? {
        try await change(id, merge) { session async throws(SessionError) in
            try await save(session)
        }
    }

    /// Loads and changes a session and gives it another ID, again where others were faster: for a login.
    ///
    /// With `restartsLife` the absolute timeout begins anew; `merge` is as of `update`.
    ///
    /// - Returns: nil if there is no session.
    /// - Throws: `CacheError` with `.contended` when others were faster every time.
    public func regenerate(
        _ id: SessionID, restartsLife: Bool = true, merge: (inout Value) -> Void
    ) async throws(SessionError) -> Session<Value>? {
        try await change(id, merge) { session async throws(SessionError) in
            try await regenerate(session, restartsLife: restartsLife)
        }
    }

    private func change(
        _ id: SessionID, _ merge: (inout Value) -> Void,
        _ commit: (Session<Value>) async throws(SessionError) -> SaveOutcome<Value>
    ) async throws(SessionError) -> Session<Value>? {
        for attempt in 0..<updateAttemptCountMax {
            guard var session = try await load(id) else { return nil }
            merge(&session.value)
            switch try await commit(session) {
            case .saved(let session): return session
            case .gone: return nil
            case .conflict:
                let milliseconds = Int64.random(in: 0...(1 << min(attempt, 5)))
                try? await Task.sleep(for: .milliseconds(milliseconds))
            }
        }
        throw .cache(CacheError(.contended))
    }
}
