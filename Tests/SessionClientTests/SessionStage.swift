import Crypto
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import SessionClient

struct StagedVisit: Codable, Equatable, Sendable {
    var user: String?
    var pages = 0
}

/// Where an application's sessions may be.
enum StageKind: String, CaseIterable, Sendable {
    case memcached, sojournd, inMemory

    fileprivate var server: ServerKind? { ServerKind(rawValue: rawValue) }
}

/// Sessions, and what happens around them. A test that has it does not see where they are.
struct SessionStage {
    let store: any SessionStoring<StagedVisit>
    /// Lets time pass for the absolute timeout. What is in memory has been idle for that time, too.
    let advance: (Duration) -> Void
    /// Lets time pass in which nobody uses a session.
    let waitIdly: (Duration) async throws -> Void
    /// Puts a session into another state without changing its value, as another process would.
    let interfere: (SessionID) throws -> Void
    /// From now on nobody answers.
    let lose: () -> Void

    static func with(
        _ kind: StageKind, _ change: (inout SessionStoreConfiguration) -> Void = { _ in },
        _ body: (SessionStage) async throws -> Void
    ) async throws {
        var configuration = SessionStoreConfiguration()
        change(&configuration)
        guard let server = kind.server else { return try await body(inMemory(configuration)) }
        let node = try server.start()
        let clock = MovedClock()
        try await withClient([try node.ringNode]) { cache in
            let stage = SessionStage(
                store: try SessionStore<StagedVisit>(cache: cache, configuration: configuration) {
                    clock.milliseconds.withLock { $0 }
                },
                advance: { clock.advance($0) },
                waitIdly: { try await Task.sleep(for: $0) },
                // JSON with a space after it is the same.
                interfere: { id in
                    let reply = try node.connect().ask("append session:\(id.text) 0 0 1\r\n ")
                    #expect(reply == "STORED\r\n")
                },
                lose: { node.program.end() })
            try await body(stage)
        }
    }

    private static func inMemory(
        _ configuration: SessionStoreConfiguration
    ) throws -> SessionStage {
        let store = try InMemorySessionStore<StagedVisit>(configuration: configuration)
        return SessionStage(
            store: store, advance: { store.advance(by: $0) },
            waitIdly: { store.advance(by: $0) },
            interfere: { id in
                let key = try CacheKey("session:\(id.text)")
                let item = try #require(try store.items.get(key, touching: nil))
                let outcome = try store.items.compareAndSet(
                    key, to: item.value, expected: item.casUnique, expiry: .never, clientFlags: 0)
                guard case .stored = outcome else { throw Trouble("\(outcome)") }
            },
            lose: { store.fail(with: CacheError(.nodeUnavailable)) })
    }
}
