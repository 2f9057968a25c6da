import Crypto
import Glibc
import HashRing
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import SessionClient

private struct Visit: Codable, Equatable, Sendable {
    var user: String?
    var pages = 0
}

private func key(_ byte: UInt8) -> SymmetricKey {
    SymmetricKey(data: [UInt8](repeating: byte, count: 32))
}

/// Time that a test moves.
final class MovedClock: Sendable {
    let milliseconds = Mutex<Int64>(1_795_000_000_000)
    func advance(_ duration: Duration) {
        milliseconds.withLock { $0 += duration.components.seconds * 1_000 }
    }
}

private func withStore(
    _ kind: ServerKind = .sojournd, clock: MovedClock = MovedClock(),
    _ change: (inout SessionStoreConfiguration) -> Void = { _ in },
    _ body: (SessionStore<Visit>, CacheClient, RunningNode) async throws -> Void
) async throws {
    let node = try kind.start()
    try await withClient([try node.ringNode]) { cache in
        var configuration = SessionStoreConfiguration()
        change(&configuration)
        let store = try SessionStore<Visit>(cache: cache, configuration: configuration) {
            clock.milliseconds.withLock { $0 }
        }
        try await body(store, cache, node)
    }
}

private func itemKey(_ id: SessionID) throws -> CacheKey { try CacheKey("session:\(id.text)") }

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct SessionStoreTests {
    @Test("Loading is one round trip, and lets the idle timeout begin anew")
    func sliding() async throws {
        try await withStore {
            $0.idleTimeout = .seconds(600)
        } _: { store, cache, node in
            let session = try await store.create(Visit())
            let item = try itemKey(session.id)
            #expect(try #require(try await cache.get(item)?.timeLeft) <= .seconds(600))
            _ = try await cache.touch(item, expiry: .after(.seconds(5)))
            let names = ["cmd_get", "cmd_touch", "cmd_set", "cmd_meta"]
            let before = try names.map { try #require(try node.counter($0)) }
            #expect(try await store.load(session.id) != nil)
            let after = try names.map { try #require(try node.counter($0)) }
            #expect(zip(before, after).map { $1 - $0 } == [0, 1, 0, 0])
            #expect(try #require(try await cache.get(item)?.timeLeft) > .seconds(500))
        }
    }

    @Test("If the old session cannot be destroyed, there is no new one")
    func regenerateFails() async throws {
        let nodes = try (0..<2).map { _ in try ServerKind.sojournd.start() }
        try await withClient(try nodes.map { try $0.ringNode }) { cache in
            let store = try SessionStore<Visit>(cache: cache)
            let topology = try await cache.topology()
            var session = try await store.create(Visit())
            while topology.ring.index(for: try itemKey(session.id).bytes) != 0 {
                session = try await store.create(Visit())
            }
            nodes[0].program.end()
            let before = try #require(try nodes[1].counter("curr_items"))
            for _ in 0..<10 {
                await #expect(throws: SessionError.self) {
                    _ = try await store.regenerate(session)
                }
            }
            #expect(try nodes[1].counter("curr_items") == before)
        }
    }

    @Test("A session has an end, however busy it is")
    func absoluteTimeout() async throws {
        let clock = MovedClock()
        try await withStore(clock: clock) {
            $0.idleTimeout = .seconds(1_000)
            $0.absoluteTimeout = .seconds(2_500)
        } _: { store, cache, _ in
            var session = try await store.create(Visit())
            clock.advance(.seconds(2_000))
            // The item lives no longer than the session.
            guard case .saved(let saved) = try await store.save(session) else {
                Issue.record("not saved")
                return
            }
            #expect(
                try #require(try await cache.get(try itemKey(session.id))?.timeLeft)
                    <= .seconds(500))
            session = saved
            clock.advance(.seconds(499))
            #expect(try await store.load(session.id) != nil)
            guard case .saved(let renewed) = try await store.regenerate(session) else {
                Issue.record("no new ID")
                return
            }
            clock.advance(.seconds(600))
            // Another ID alone is no other life.
            guard case .saved(let kept) = try await store.regenerate(renewed, restartsLife: false)
            else {
                Issue.record("no other ID")
                return
            }
            #expect(kept.createdMilliseconds == renewed.createdMilliseconds)
            clock.advance(.seconds(1_899))
            #expect(try await store.load(kept.id) != nil)
            clock.advance(.seconds(1))
            guard case .gone = try await store.save(kept) else {
                Issue.record("saved after its end")
                return
            }
            #expect(try await cache.get(try itemKey(kept.id)) == nil)
            let last = try await store.create(Visit())
            clock.advance(.seconds(2_500))
            #expect(try await store.load(last.id) == nil)
            #expect(try await cache.get(try itemKey(last.id)) == nil)
        }
    }

    @Test("What no store has given out is no session, and never reaches a node")
    func hostileCookies() async throws {
        try await withStore {
            $0.signingKeys = [key(1)]
        } _: { store, _, node in
            _ = try await store.create(Visit())
            let names = ["cmd_get", "cmd_touch", "bytes_read"]
            let before = try names.map { try #require(try node.counter($0)) }
            let id = SessionID()
            for cookie in [
                nil, "", id.text, id.text + ".", "x", String(repeating: "A", count: 1_000_000),
                "\r\nflush_all\r\n", "session:\(id.text)", "\u{0}", "é", id.text + "." + id.text,
            ] {
                #expect(try await store.load(cookie: cookie) == nil)
            }
            let after = try names.map { try #require(try node.counter($0)) }
            #expect(after[0] == before[0] && after[1] == before[1])
            // The counters themselves were asked for: `stats` three times.
            #expect(after[2] - before[2] <= 3 * 7)
        }
    }

    @Test("Without signatures what cannot be an ID never reaches a node, either")
    func hostileIDs() async throws {
        try await withStore { store, _, node in
            _ = try await store.create(Visit())
            let before = try #require(try node.counter("cmd_touch"))
            for cookie in ["", "x", "a b", "\r\n", String(repeating: "A", count: 44)] {
                #expect(try await store.load(cookie: cookie) == nil)
            }
            #expect(try node.counter("cmd_touch") == before)
            // One that was never issued is a miss.
            #expect(try await store.load(cookie: SessionID().text) == nil)
            #expect(try node.counter("cmd_touch") == before)
            #expect(try #require(try node.counter("get_misses")) == 1)
        }
    }

    @Test("A stored value that cannot be read is no session")
    func unreadable() async throws {
        struct Other: Codable, Sendable { var number: Int }
        try await withStore { store, cache, _ in
            let id = try await store.create(Visit(user: "ann")).id
            let other = try SessionStore<Other>(cache: cache)
            #expect(try await other.load(id) == nil)
            var configuration = SessionStoreConfiguration()
            configuration.encryptionKeys = [key(1)]
            let encrypted = try SessionStore<Visit>(cache: cache, configuration: configuration)
            #expect(try await encrypted.load(id) == nil)
            #expect(try await store.load(id) != nil)
            try await cache.set(try itemKey(id), to: .text("garbage"))
            #expect(try await store.load(id) == nil)
            try await cache.set(try itemKey(id), to: .text(""))
            #expect(try await store.load(id) == nil)
        }
    }

    @Test("A value that cannot be encoded is told")
    func unencodable() async throws {
        try await withStore { _, cache, _ in
            let store = try SessionStore<Double>(cache: cache)
            let error = await #expect(throws: SessionError.self) {
                try await store.create(.infinity)
            }
            #expect(error?.code == .unencodable)
        }
    }

    @Test("Settings have their ranges")
    func configuration() throws {
        let cache = try CacheClient(nodes: [Node(host: "127.0.0.1")])
        let wrong: [(inout SessionStoreConfiguration) -> Void] = [
            { $0.keyPrefix = "a b" }, { $0.keyPrefix = String(repeating: "x", count: 201) },
            { $0.cookieName = "a\u{0}" }, { $0.cookieName = String(repeating: "x", count: 201) },
            { $0.idleTimeout = .milliseconds(999) }, { $0.idleTimeout = .seconds(31_536_001) },
            { $0.absoluteTimeout = .zero }, { $0.absoluteTimeout = .seconds(315_360_001) },
            { $0.signingKeys = [SymmetricKey(size: .bits192)] },
            { $0.signingKeys = (0..<9).map { key($0) } },
            { $0.encryptionKeys = [SymmetricKey(size: .init(bitCount: 512))] },
            { $0.encryptionKeys = (0..<9).map { key($0) } }, { $0.updateAttemptCountMax = 0 },
            { $0.updateAttemptCountMax = 101 },
        ]
        for change in wrong {
            var configuration = SessionStoreConfiguration()
            change(&configuration)
            #expect(throws: ConfigurationError.self) {
                try SessionStore<Visit>(cache: cache, configuration: configuration)
            }
        }
        let right: [(inout SessionStoreConfiguration) -> Void] = [
            { $0.keyPrefix = "" }, { $0.keyPrefix = String(repeating: "x", count: 200) },
            { $0.idleTimeout = .seconds(1) }, { $0.absoluteTimeout = nil },
            { $0.signingKeys = (0..<8).map { key($0) } },
            { $0.encryptionKeys = (0..<8).map { key($0) } }, { $0.updateAttemptCountMax = 100 },
        ]
        for change in right {
            var configuration = SessionStoreConfiguration()
            change(&configuration)
            _ = try SessionStore<Visit>(cache: cache, configuration: configuration)
        }
        cache.shutDown()
    }

    @Test("Where there are several copies, deletions are remembered for as long as sessions live")
    func tombstones() throws {
        var configuration = CacheClientConfiguration()
        configuration.copies = Copies(
            count: 2, tombstoneLifetime: .seconds(3_600))
        let cache = try CacheClient(
            nodes: [Node(host: "127.0.0.1")], configuration: configuration)
        defer { cache.shutDown() }
        for (idle, isRight) in [(3_600, true), (3_601, false)] {
            var configuration = SessionStoreConfiguration()
            configuration.idleTimeout = .seconds(idle)
            let store = try? SessionStore<Visit>(cache: cache, configuration: configuration)
            #expect((store != nil) == isRight)
        }
    }
}
