import FoundationEssentials
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

/// Two nodes, and sessions on one or both of them.
private func withStore(
    copyCount: Int, milliseconds: @escaping @Sendable () -> Int64 = { 1_795_000_000_000 },
    _ body: (SessionStore<Visit>, () async throws -> Int) async throws -> Void
) async throws {
    let nodes = try (0..<2).map { _ in try ServerKind.sojournd.start(["-o", "show_keys"]) }
    let configuration = quickConfiguration { $0.copies = Copies(count: copyCount) }
    try await withClient(try nodes.map { try $0.ringNode }, configuration) { cache in
        let store = try SessionStore<Visit>(
            cache: cache, configuration: SessionStoreConfiguration(), milliseconds: milliseconds)
        // Sessions that can be read, however many copies and tombstones there are.
        try await body(store) {
            var ids: Set<String> = []
            for node in nodes {
                let peer = try node.connect()
                let dump = try peer.ask("lru_crawler metadump all", until: "END\r\n")
                for line in dump.split(whereSeparator: \.isNewline) {
                    let word = line.split(separator: " ").first ?? ""
                    guard word.hasPrefix("key=session%3A") || word.hasPrefix("key=session:") else {
                        continue
                    }
                    ids.insert(String(word.suffix(SessionID.characterCount)))
                }
            }
            var count = 0
            for text in ids {
                guard let id = SessionID(text) else { throw Trouble("no ID: \(text)") }
                if try await store.load(id) != nil { count += 1 }
            }
            return count
        }
    }
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct RegenerationTests {
    @Test("A login does not bring back a session that was logged out meanwhile", arguments: [1, 2])
    func destroyedMeanwhile(copyCount: Int) async throws {
        try await withStore(copyCount: copyCount) { store, count in
            let id = try await store.create(Visit()).id
            let loaded = try #require(try await store.load(id))
            #expect(try await count() == 1)
            try await store.destroy(id)
            guard case .gone = try await store.regenerate(loaded) else {
                Issue.record("a logged-out session came back")
                return
            }
            #expect(try await count() == 0)
            #expect(try await store.regenerate(id) { $0.user = "ann" } == nil)
            #expect(try await count() == 0)
        }
    }

    @Test("A login does not lose what another request has saved meanwhile", arguments: [1, 2])
    func savedMeanwhile(copyCount: Int) async throws {
        try await withStore(copyCount: copyCount) { store, count in
            let id = try await store.create(Visit()).id
            let loaded = try #require(try await store.load(id))
            var other = loaded
            other.value.pages = 7
            guard case .saved = try await store.save(other) else {
                Issue.record("not saved")
                return
            }
            guard case .conflict = try await store.regenerate(loaded) else {
                Issue.record("the other request's save is lost")
                return
            }
            #expect(try await store.load(id)?.value == Visit(pages: 7))
            #expect(try await count() == 1)
        }
    }

    @Test("A login by way of a change is made again where another request was faster")
    func again() async throws {
        let node = try ServerKind.sojournd.start()
        try await withClient([try node.ringNode]) { cache in
            let store = try SessionStore<Visit>(cache: cache)
            let session = try await store.create(Visit())
            let id = session.id
            var calls = 0
            func save(_ visit: Visit, as id: SessionID) throws {
                let value = try SessionEnvelope(keys: []).seal(
                    .init(
                        createdMilliseconds: session.createdMilliseconds,
                        value: Array(try JSONEncoder().encode(visit))),
                    for: try CacheKey("session:\(id.text)"))
                let peer = try node.connect()
                let line = "set session:\(id.text) 0 60 \(value.count)\r\n"
                try peer.send(
                    Array(line.utf8) + value + Array("\r\n".utf8))
                _ = try peer.receive(until: "STORED\r\n")
            }
            let next = try #require(
                try await store.regenerate(id) { visit in
                    calls += 1
                    visit.user = "ann"
                    guard calls == 1 else { return }
                    // Another request saves between the load and the login.
                    try? save(Visit(pages: 3), as: id)
                })
            #expect(calls == 2)
            #expect(next.value == Visit(user: "ann", pages: 3))
            #expect(next.id != id)
            #expect(try await store.load(id) == nil)
            #expect(try await store.load(next.id)?.value == Visit(user: "ann", pages: 3))
            #expect(try node.counter("curr_items") == 1)
        }
    }

    @Test("A login gives a session that is too old no new life", arguments: [true, false])
    func tooOld(restartsLife: Bool) async throws {
        let now = Mutex<Int64>(1_795_000_000_000)
        try await withStore(copyCount: 1) {
            now.withLock { $0 }
        } _: { store, count in
            let session = try await store.create(Visit())
            now.withLock { $0 += 7 * 86_400_000 - 1 }
            #expect(try await store.load(session.id) != nil)
            now.withLock { $0 += 1 }
            guard case .gone = try await store.regenerate(session, restartsLife: restartsLife)
            else {
                Issue.record("it lives on")
                return
            }
            now.withLock { $0 = 1_795_000_000_000 }
            #expect(try await count() == 0)
        }
    }

    @Test("With the default, an update succeeds after nine conflicts, and not after ten")
    func updateAttempts() async throws {
        let node = try ServerKind.sojournd.start()
        try await withClient([try node.ringNode]) { cache in
            let store = try SessionStore<Visit>(cache: cache)
            for conflictCount in [9, 10] {
                let id = try await store.create(Visit()).id
                var left = conflictCount
                func update() async throws -> Session<Visit>? {
                    try await store.update(id) { visit in
                        visit.pages += 1
                        guard left > 0 else { return }
                        left -= 1
                        // JSON with a space behind it is the same, and another state.
                        _ = try? node.connect().ask("append session:\(id.text) 0 0 1\r\n ")
                    }
                }
                if conflictCount == 9 {
                    #expect(try await update()?.value.pages == 1)
                } else {
                    await #expect(throws: SessionError.cache(CacheError(.contended))) {
                        _ = try await update()
                    }
                }
                #expect(left == 0)
            }
        }
    }
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct SessionSizeTests {
    @Test(
        "The largest value that the client takes, the node takes, whatever the key",
        arguments: ServerKind.allCases)
    func largest(kind: ServerKind) async throws {
        let node = try kind.start()
        try await withClient([try node.ringNode]) { cache in
            let limit = CacheClientConfiguration().valueByteCountMax
            #expect(limit == 1_048_064)
            let key = try CacheKey(String(repeating: "k", count: 250))
            let value = [UInt8](repeating: 0x78, count: limit)
            try await cache.set(key, to: value, expiry: .after(.seconds(60)), clientFlags: 1)
            #expect(try await cache.get(key)?.value == value)
            let error = await code {
                _ = try await cache.set(key, to: [UInt8](repeating: 0x78, count: limit + 1))
            }
            #expect(error == .valueTooLarge)
            #expect(try await cache.get(key)?.value == value)
            // What others store up to the node's limit can be read.
            let peer = try node.connect()
            let large = String(repeating: "x", count: 1_048_000)
            #expect(try peer.ask("set k 0 0 1048000\r\n\(large)") == "STORED\r\n")
            #expect(try await cache.get("k")?.value.count == 1_048_000)
        }
    }

    @Test("A save that is too large for the node leaves the session as it was", arguments: [1, 2])
    func refusedSave(copyCount: Int) async throws {
        let nodes = try (0..<2).map { _ in try ServerKind.sojournd.start(["-I", "512k"]) }
        let configuration = quickConfiguration {
            $0.copies = Copies(count: copyCount)
        }
        try await withClient(try nodes.map { try $0.ringNode }, configuration) { cache in
            let store = try SessionStore<Visit>(cache: cache)
            let session = try await store.create(Visit(user: "ann"))
            var larger = session
            larger.value.user = String(repeating: "x", count: 600_000)
            let error = await #expect(throws: SessionError.self) {
                _ = try await store.save(larger)
            }
            #expect(error?.code == .cache)
            #expect(error?.cacheError?.code == .valueTooLarge)
            #expect(try await store.load(session.id)?.value == Visit(user: "ann"))
        }
    }
}
