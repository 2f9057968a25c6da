import Crypto
import Logging
import Metrics

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Sessions of a web application, in a cache cluster.
///
/// An application's tests have `InMemorySessionStore` in its place: what takes sessions takes
/// `any SessionStoring<Visit>`.
///
/// Goals: an ID cannot be guessed or chosen by anybody; what comes from a browser and is no session is no
/// session, whatever it is, and no error; two requests never undo each other's changes unseen; a session
/// that was destroyed does not come back.
/// Not goals: finding a user's sessions; locking.
///
/// ```swift
/// let sessions = try SessionStore<Visit>(cache: cache)
/// if let id = sessions.id(fromCookie: request.cookie) {
///     // Made again where another request was faster: nobody's change is lost.
///     let session = try await sessions.update(id) { $0.pageCount += 1 }
/// }
/// ```
public struct SessionStore<Value: Codable & Sendable>: SessionStoring {
    private let items: any SessionItems
    private let configuration: SessionStoreConfiguration
    private let signer: CookieSigner
    private let envelope: SessionEnvelope
    private let metrics: SessionMetrics
    /// Unix time.
    private let milliseconds: @Sendable () -> Int64

    /// - Throws: `ConfigurationError` for a setting that is out of its range, and, where there are
    ///   several copies, if sessions live longer than deletions are remembered.
    public init(
        cache: CacheClient, configuration: SessionStoreConfiguration = SessionStoreConfiguration()
    ) throws(ConfigurationError) {
        try self.init(cache: cache, configuration: configuration) {
            Int64(Date().timeIntervalSince1970 * 1_000)
        }
    }

    init(
        cache: CacheClient, configuration: SessionStoreConfiguration,
        milliseconds: @escaping @Sendable () -> Int64
    ) throws(ConfigurationError) {
        try self.init(items: cache, configuration: configuration, milliseconds: milliseconds)
        let copies = cache.core.configuration.copies
        guard copies.count == 1 || configuration.idleTimeout <= copies.tombstoneLifetime else {
            throw ConfigurationError("idleTimeout must not be above tombstoneLifetime")
        }
    }

    init(
        items: any SessionItems, configuration: SessionStoreConfiguration,
        milliseconds: @escaping @Sendable () -> Int64
    ) throws(ConfigurationError) {
        try configuration.validate()
        self.items = items
        self.configuration = configuration
        self.milliseconds = milliseconds
        signer = CookieSigner(
            keys: configuration.signingKeys, cookieName: configuration.cookieName)
        envelope = SessionEnvelope(keys: configuration.encryptionKeys)
        metrics = SessionMetrics()
    }

    /// As the configuration has it.
    public var updateAttemptCountMax: Int { configuration.updateAttemptCountMax }

    // MARK: Cookies

    public func cookieValue(for id: SessionID) -> String { signer.sign(id) }

    public func id(fromCookie cookie: String?) -> SessionID? {
        guard let cookie else { return nil }
        let id = signer.verify(cookie)
        if id == nil { metrics.rejectedCookies.increment() }
        return id
    }

    // MARK: Life

    /// Creates a session under a new ID, in one round trip.
    public func create(_ value: Value) async throws(SessionError) -> Session<Value> {
        try await create(value, createdMilliseconds: milliseconds())
    }

    private func create(
        _ value: Value, createdMilliseconds: Int64
    ) async throws(SessionError) -> Session<Value> {
        // A second attempt is for a generator that repeats itself; a third does not help there.
        for _ in 0..<2 {
            let id = SessionID()
            let stored = try seal(value, createdMilliseconds, for: id)
            let expiry = expiry(createdMilliseconds)
            let outcome = try await attempt { () async throws(CacheError) in
                try await items.addFresh(key(of: id), stored, expiry: expiry)
            }
            guard let casUnique = outcome else { continue }
            metrics.created.increment()
            return Session(
                id: id, value: value, createdMilliseconds: createdMilliseconds,
                casUnique: casUnique)
        }
        throw .cache(CacheError(.contended, reason: "the random IDs are in use"))
    }

    /// Loads a session, and lets its idle timeout begin anew, in one round trip; with several copies in two.
    ///
    /// - Returns: nil if there is none, if it has expired, or if what is stored cannot be read: it was
    ///   encrypted with a key that is no longer there, or its value is of an incompatible type.
    public func load(_ id: SessionID) async throws(SessionError) -> Session<Value>? {
        let key = key(of: id)
        let item = try await attempt { () async throws(CacheError) in
            try await items.get(key, touching: .after(configuration.idleTimeout))
        }
        guard let item else { return nil }
        guard let content = envelope.open(item.value, of: key),
            let value = try? JSONDecoder().decode(Value.self, from: Data(content.value))
        else {
            metrics.unreadable.increment()
            items.logger.warning("a stored session cannot be read")
            return nil
        }
        guard lifeLeft(content.createdMilliseconds) > .zero else {
            try await destroy(id)
            return nil
        }
        return Session(
            id: id, value: value, createdMilliseconds: content.createdMilliseconds,
            casUnique: item.casUnique)
    }

    /// Saves a session, if nobody else has since it was loaded. The idle timeout begins anew.
    ///
    /// - Returns: to be looked at, as only `.saved` has saved anything. `update` makes a change again
    ///   after a conflict.
    public func save(
        _ session: Session<Value>
    ) async throws(SessionError) -> SaveOutcome<Value> {
        guard lifeLeft(session.createdMilliseconds) > .zero else {
            try await destroy(session.id)
            return .gone
        }
        let stored = try seal(session.value, session.createdMilliseconds, for: session.id)
        let outcome = try await attempt { () async throws(CacheError) in
            try await items.compareAndSet(
                key(of: session.id), to: stored, expected: session.casUnique,
                expiry: expiry(session.createdMilliseconds), clientFlags: 0)
        }
        switch outcome {
        case .stored(let casUnique):
            return .saved(
                Session(
                    id: session.id, value: session.value,
                    createdMilliseconds: session.createdMilliseconds, casUnique: casUnique))
        case .conflict:
            metrics.conflicts.increment()
            return .conflict
        case .notFound: return .gone
        }
    }

    /// Gives a session another ID, if nobody else has changed it since it was loaded: at login, so that
    /// nobody has the ID from before. Its value is saved under the new ID only; the old one is destroyed.
    ///
    /// With `restartsLife` the absolute timeout begins anew, if it is not over yet.
    ///
    /// - Returns: `.saved` with the session under its new ID. After `.conflict` the session is as another
    ///   request has saved it, under its old ID; load it again, or let `regenerate(_:merge:)` do so. What
    ///   was destroyed meanwhile, or is too old, is `.gone`: nobody is to be logged in.
    /// - Throws: if the old session could not be destroyed; then there is no new one either.
    public func regenerate(
        _ session: Session<Value>, restartsLife: Bool
    ) async throws(SessionError) -> SaveOutcome<Value> {
        guard lifeLeft(session.createdMilliseconds) > .zero else {
            try await destroy(session.id)
            return .gone
        }
        let created = restartsLife ? milliseconds() : session.createdMilliseconds
        // First, so that at no moment there is none. Its ID is nobody's until the old one is destroyed.
        let next = try await create(session.value, createdMilliseconds: created)
        let outcome: CompareAndDeleteOutcome
        do throws(SessionError) {
            outcome = try await attempt { () async throws(CacheError) in
                try await items.compareAndDelete(
                    key(of: session.id), expected: session.casUnique)
            }
        } catch {
            try? await destroy(next.id)
            throw error
        }
        switch outcome {
        case .deleted: return .saved(next)
        case .conflict:
            metrics.conflicts.increment()
            try? await destroy(next.id)
            return .conflict
        case .notFound:
            try? await destroy(next.id)
            return .gone
        }
    }

    /// Ends a session. That there was none is no error.
    public func destroy(_ id: SessionID) async throws(SessionError) {
        _ = try await attempt { () async throws(CacheError) in
            try await items.delete(key(of: id))
        }
    }

    // MARK: Parts

    private func key(of id: SessionID) -> CacheKey {
        // Both are known to be parts of keys.
        CacheKey(uncheckedBytes: configuration.keyPrefix.utf8 + Array(id.text.utf8))
    }

    private func seal(
        _ value: Value, _ createdMilliseconds: Int64, for id: SessionID
    ) throws(SessionError) -> [UInt8] {
        do {
            let content = SessionEnvelope.Content(
                createdMilliseconds: createdMilliseconds,
                value: Array(try JSONEncoder().encode(value)))
            return try envelope.seal(content, for: key(of: id))
        } catch {
            throw .unencodable(reason: "\(error)")
        }
    }

    /// Until the absolute timeout.
    private func lifeLeft(_ createdMilliseconds: Int64) -> Duration {
        guard let absoluteTimeout = configuration.absoluteTimeout else {
            return .seconds(Int64.max)
        }
        return absoluteTimeout - .milliseconds(milliseconds() - createdMilliseconds)
    }

    private func expiry(_ createdMilliseconds: Int64) -> Expiry {
        .after(min(configuration.idleTimeout, lifeLeft(createdMilliseconds)))
    }

    private func attempt<Outcome>(
        _ body: () async throws(CacheError) -> Outcome
    ) async throws(SessionError) -> Outcome {
        do throws(CacheError) {
            return try await body()
        } catch {
            throw .cache(error)
        }
    }
}
