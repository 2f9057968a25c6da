#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Sessions in this process, for an application's tests: they behave as in a cluster of one node, and need
/// none.
///
/// Goals: the rules are those of `SessionStore` (IDs, cookies, timeouts, conflicts, encryption), carried out
/// by the same code; time passes when the test says so; what an application does without its cluster can be
/// tried.
/// Not goals: being used outside of tests. Nothing of it outlives the process, nothing is ever evicted,
/// and no other process sees it.
///
/// ```swift
/// let sessions = try InMemorySessionStore<Visit>()
/// let app = makeApplication(sessions: sessions)       // takes any SessionStoring<Visit>
/// sessions.advance(by: .seconds(1_800))               // everybody has been idle for too long
/// sessions.fail(with: CacheError(.nodeUnavailable))   // and now the cluster is gone
/// ```
///
/// It is a value to be passed around; all copies of it have the same sessions.
public struct InMemorySessionStore<Value: Codable & Sendable>: SessionStoring {
    /// For tests of the store itself.
    let items: MemoryItems
    private let store: SessionStore<Value>

    /// A store without sessions. Its clock shows the time of its making, and stands still.
    ///
    /// - Throws: `ConfigurationError` for a setting that is out of its range.
    public init(
        configuration: SessionStoreConfiguration = SessionStoreConfiguration()
    ) throws(ConfigurationError) {
        let items = MemoryItems(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
        self.items = items
        store = try SessionStore(items: items, configuration: configuration) { items.milliseconds }
    }

    // MARK: What tests do

    /// Lets time pass, for idle and absolute timeouts alike.
    public func advance(by duration: Duration) { items.advance(by: duration) }

    /// Has every call fail that would ask a node, until it is told otherwise.
    ///
    /// - Parameter error: what they fail with, as `SessionError.cache`; nil to end it.
    public func fail(with error: CacheError?) { items.fail(with: error) }

    /// Sessions that are there: neither destroyed nor expired by the idle timeout.
    public var sessionCount: Int { items.liveCount }

    // MARK: What applications do

    public var updateAttemptCountMax: Int { store.updateAttemptCountMax }

    public func cookieValue(for id: SessionID) -> String { store.cookieValue(for: id) }

    public func id(fromCookie cookie: String?) -> SessionID? { store.id(fromCookie: cookie) }

    public func create(_ value: Value) async throws(SessionError) -> Session<Value> {
        try await store.create(value)
    }

    public func load(_ id: SessionID) async throws(SessionError) -> Session<Value>? {
        try await store.load(id)
    }

    public func save(
        _ session: Session<Value>
    ) async throws(SessionError) -> SaveOutcome<Value> {
        try await store.save(session)
    }

    public func regenerate(
        _ session: Session<Value>, restartsLife: Bool
    ) async throws(SessionError) -> SaveOutcome<Value> {
        try await store.regenerate(session, restartsLife: restartsLife)
    }

    public func destroy(_ id: SessionID) async throws(SessionError) {
        try await store.destroy(id)
    }
}
