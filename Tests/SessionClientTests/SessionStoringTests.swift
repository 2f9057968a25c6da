import Crypto
import NIOCore
import TestSupport
import Testing

@testable import SessionClient

private typealias Visit = StagedVisit

private func key(_ byte: UInt8) -> SymmetricKey {
    SymmetricKey(data: [UInt8](repeating: byte, count: 32))
}

extension SaveOutcome {
    /// What was saved.
    fileprivate var saved: Session<Value>? {
        if case .saved(let session) = self { session } else { nil }
    }
    fileprivate var isConflict: Bool { if case .conflict = self { true } else { false } }
    fileprivate var isGone: Bool { if case .gone = self { true } else { false } }
}

/// What an application may count on, wherever its sessions are.
@Suite(.ownThread, .timeLimit(.minutes(10)))
struct SessionStoringTests {
    @Test("A session is created, loaded, saved and destroyed", arguments: StageKind.allCases)
    func life(kind: StageKind) async throws {
        for keys in [[], [key(1)]] {
            try await SessionStage.with(kind) {
                $0.signingKeys = keys
                $0.encryptionKeys = keys
            } _: { stage in
                let store = stage.store
                let created = try await store.create(Visit(user: "ann"))
                let cookie = store.cookieValue(for: created.id)
                var session = try #require(try await store.load(cookie: cookie))
                #expect(session.id == created.id)
                #expect(session.value == Visit(user: "ann"))
                #expect(session.createdMilliseconds == created.createdMilliseconds)
                session.value.pages = 7
                var saved = try #require(try await store.save(session).saved, "not saved")
                saved.value.pages = 8
                #expect(try await store.save(saved).saved != nil, "not saved again")
                #expect(try await store.load(session.id)?.value.pages == 8)
                try await store.destroy(session.id)
                #expect(try await store.load(cookie: cookie) == nil)
                try await store.destroy(session.id)
                #expect(try await store.save(saved).isGone, "it came back")
                #expect(try await store.load(cookie: cookie) == nil)
            }
        }
    }

    @Test("A cookie of another key, or of nobody, is no session", arguments: StageKind.allCases)
    func cookies(kind: StageKind) async throws {
        try await SessionStage.with(kind) {
            $0.signingKeys = [key(1)]
        } _: { stage in
            let store = stage.store
            let id = try await store.create(Visit()).id
            let cookie = store.cookieValue(for: id)
            #expect(store.id(fromCookie: cookie) == id)
            for wrong in [nil, "", "x", id.text, cookie + "A", String(cookie.dropLast())] {
                #expect(store.id(fromCookie: wrong) == nil)
                #expect(try await store.load(cookie: wrong) == nil)
            }
            #expect(try await store.load(SessionID()) == nil)
        }
    }

    @Test(
        "What was saved in between is a conflict, and nothing is changed",
        arguments: StageKind.allCases)
    func conflict(kind: StageKind) async throws {
        try await SessionStage.with(kind) { stage in
            let store = stage.store
            let created = try await store.create(Visit())
            var first = try #require(try await store.load(created.id))
            var second = try #require(try await store.load(created.id))
            first.value.user = "first"
            second.value.user = "second"
            #expect(try await store.save(first).saved != nil)
            #expect(try await store.save(second).isConflict)
            #expect(try await store.load(created.id)?.value.user == "first")
            #expect(try await store.regenerate(second).isConflict)
            #expect(try await store.load(created.id)?.value.user == "first")
        }
    }

    @Test("Updates of many requests are all there", arguments: StageKind.allCases)
    func update(kind: StageKind) async throws {
        try await SessionStage.with(kind) {
            $0.updateAttemptCountMax = 100
        } _: { stage in
            let store = stage.store
            let id = try await store.create(Visit()).id
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                for _ in 0..<20 {
                    tasks.addTask { _ = try await store.update(id) { $0.pages += 1 } }
                }
                try await tasks.waitForAll()
            }
            #expect(try await store.load(id)?.value.pages == 20)
            try await store.destroy(id)
            #expect(try await store.update(id) { $0.pages += 1 } == nil)
        }
    }

    @Test(
        "An update is tried as often as it is configured, and then given up",
        arguments: StageKind.allCases)
    func updateGivesUp(kind: StageKind) async throws {
        try await SessionStage.with(kind) {
            $0.updateAttemptCountMax = 3
        } _: { stage in
            let store = stage.store
            #expect(store.updateAttemptCountMax == 3)
            for conflictCount in 2...3 {
                let id = try await store.create(Visit()).id
                var count = 0
                func update() async throws -> Session<Visit>? {
                    try await store.update(id) { visit in
                        count += 1
                        visit.pages += 1
                        guard count <= conflictCount else { return }
                        #expect(throws: Never.self) { try stage.interfere(id) }
                    }
                }
                if conflictCount == 2 {
                    #expect(try await update()?.value.pages == 1)
                } else {
                    await #expect(throws: SessionError.cache(CacheError(.contended))) {
                        _ = try await update()
                    }
                }
                #expect(count == 3)
            }
        }
    }

    @Test(
        "A new ID at login: the old one is refused, and has not seen the new value",
        arguments: StageKind.allCases)
    func regenerate(kind: StageKind) async throws {
        try await SessionStage.with(kind) { stage in
            let store = stage.store
            var session = try await store.create(Visit(pages: 3))
            session.value.user = "ann"
            let next = try #require(try await store.regenerate(session).saved, "no new ID")
            #expect(next.id != session.id)
            #expect(try await store.load(session.id) == nil)
            #expect(try await store.load(next.id)?.value == Visit(user: "ann", pages: 3))
            #expect(try await store.save(session).isGone, "the old session came back")
            // It can be saved at once.
            var again = next
            again.value.pages = 4
            #expect(try await store.save(again).saved != nil, "not saved")
            let last = try await store.regenerate(next.id) { $0.user = nil }
            #expect(last?.value == Visit(pages: 4))
            #expect(try await store.load(next.id) == nil)
        }
    }

    @Test("A login does not bring back what was logged out", arguments: StageKind.allCases)
    func destroyedMeanwhile(kind: StageKind) async throws {
        try await SessionStage.with(kind) { stage in
            let session = try await stage.store.create(Visit())
            #expect(try await stage.store.load(session.id) != nil)
            try await stage.store.destroy(session.id)
            #expect(try await stage.store.regenerate(session).isGone)
            #expect(try await stage.store.regenerate(session.id) { $0.pages = 1 } == nil)
        }
    }

    @Test("A session has an end, however busy it is", arguments: StageKind.allCases)
    func absoluteTimeout(kind: StageKind) async throws {
        try await SessionStage.with(kind) {
            $0.idleTimeout = .seconds(1_000)
            $0.absoluteTimeout = .seconds(2_500)
        } _: { stage in
            let store = stage.store
            var session = try await store.create(Visit())
            for _ in 0..<2 {
                stage.advance(.seconds(900))
                session = try #require(try await store.save(session).saved)
            }
            stage.advance(.seconds(300))
            // Without a new life it ends when the old one would have.
            let kept = try #require(
                try await store.regenerate(session, restartsLife: false).saved)
            #expect(kept.createdMilliseconds == session.createdMilliseconds)
            let renewed = try await store.create(Visit())
            stage.advance(.seconds(399))
            #expect(try await store.load(kept.id) != nil)
            stage.advance(.seconds(1))
            #expect(try await store.save(kept).isGone)
            #expect(try await store.regenerate(kept).isGone)
            #expect(try await store.load(kept.id) == nil)
            let next = try #require(try await store.regenerate(renewed).saved)
            #expect(next.createdMilliseconds == renewed.createdMilliseconds + 400_000)
        }
    }

    @Test("A session that nobody uses goes by itself", arguments: StageKind.allCases)
    func idleTimeout(kind: StageKind) async throws {
        try await SessionStage.with(kind) {
            $0.idleTimeout = .seconds(1)
        } _: { stage in
            let id = try await stage.store.create(Visit()).id
            try await stage.waitIdly(.milliseconds(2_100))
            #expect(try await stage.store.load(id) == nil)
        }
    }

    @Test("No answer is an error, not a missing session", arguments: StageKind.allCases)
    func noAnswer(kind: StageKind) async throws {
        try await SessionStage.with(kind) { stage in
            let store = stage.store
            let session = try await store.create(Visit())
            #expect(try await store.load(session.id) != nil)
            stage.lose()
            for _ in 0..<5 {
                await #expect(throws: SessionError.self) { try await store.load(session.id) }
                await #expect(throws: SessionError.self) { _ = try await store.save(session) }
                await #expect(throws: SessionError.self) { try await store.destroy(session.id) }
                await #expect(throws: SessionError.self) { try await store.create(Visit()) }
                await #expect(throws: SessionError.self) { _ = try await store.regenerate(session) }
            }
        }
    }

    @Test(
        "A value that is too large is refused, and the session is as it was",
        arguments: StageKind.allCases)
    func tooLarge(kind: StageKind) async throws {
        try await SessionStage.with(kind) { stage in
            var session = try await stage.store.create(Visit(user: "ann"))
            session.value.user = String(repeating: "x", count: 1_048_064)
            let error = await #expect(throws: SessionError.self) {
                _ = try await stage.store.save(session)
            }
            #expect(error?.code == .cache)
            #expect(error?.cacheError?.code == .valueTooLarge)
            #expect(try await stage.store.load(session.id)?.value == Visit(user: "ann"))
        }
    }

    @Test("In a cancelled task nothing is done", arguments: StageKind.allCases)
    func cancelled(kind: StageKind) async throws {
        try await SessionStage.with(kind) { stage in
            let store = stage.store
            let id = try await store.create(Visit()).id
            let task = ownTask {
                withUnsafeCurrentTask { $0?.cancel() }
                try await store.destroy(id)
            }
            let result = await task.result
            let error = #expect(throws: SessionError.self) { try result.get() }
            #expect(error?.cacheError?.code == .cancelled)
            #expect(try await store.load(id) != nil)
        }
    }
}

@Suite(.timeLimit(.minutes(10)))
struct InMemorySessionStoreTests {
    @Test("All copies of a store have the same sessions, which are counted")
    func shared() async throws {
        let store = try InMemorySessionStore<Visit>()
        let copy = store
        let id = try await store.create(Visit()).id
        #expect(copy.sessionCount == 1)
        #expect(try await copy.load(id) != nil)
        copy.advance(by: .seconds(1_799))
        #expect(store.sessionCount == 1)
        copy.advance(by: .seconds(1))
        #expect(store.sessionCount == 0)
    }

    @Test("A session that is loaded or saved in time stays")
    func sliding() async throws {
        let store = try InMemorySessionStore<Visit>()
        let session = try await store.create(Visit())
        store.advance(by: .seconds(1_799))
        #expect(try await store.save(session).saved != nil)
        store.advance(by: .seconds(1_799))
        #expect(try await store.load(session.id) != nil)
        store.advance(by: .seconds(1_799))
        #expect(try await store.load(session.id) != nil)
        store.advance(by: .seconds(1_800))
        #expect(try await store.load(session.id) == nil)
    }

    @Test("A failure ends when the test says so, and has changed nothing")
    func failure() async throws {
        let store = try InMemorySessionStore<Visit>()
        let id = try await store.create(Visit()).id
        let error = CacheError(.deadlineExceeded, reason: "of the test")
        store.fail(with: error)
        await #expect(throws: SessionError.cache(error)) { try await store.destroy(id) }
        store.fail(with: nil)
        #expect(try await store.load(id) != nil)
    }

    @Test("What has expired is given back")
    func sweeping() async throws {
        let store = try InMemorySessionStore<Visit>()
        for _ in 0..<1_024 { _ = try await store.create(Visit()) }
        #expect(store.items.heldCount == 1_024)
        store.advance(by: .seconds(1_800))
        #expect(store.items.heldCount == 1_024)
        _ = try await store.create(Visit())
        #expect(store.items.heldCount == 1)
    }

    @Test("Settings are those of the other store")
    func settings() {
        var configuration = SessionStoreConfiguration()
        configuration.idleTimeout = .zero
        #expect(throws: ConfigurationError.self) {
            try InMemorySessionStore<Visit>(configuration: configuration)
        }
    }

    @Test("A value that cannot be encoded is told")
    func unencodable() async throws {
        let store = try InMemorySessionStore<Double>()
        await #expect(throws: SessionError.self) { try await store.create(.infinity) }
    }
}
