import HashRing
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import SessionClient

private struct Visit: Codable, Sendable {
    var pages = 0
}

/// Three nodes that keep their items, and sessions that are loaded and saved all the time while one of the
/// nodes is killed and comes back.
private final class SessionsUnderLoad {
    let nodes: [RestartableNode]
    private let directory: TemporaryDirectory
    let cache: CacheClient
    let store: SessionStore<Visit>
    private(set) var ids: [SessionID] = []
    private var earlier: [SessionID: History] = [:]
    private let attempts = Attempts()

    /// Of each command. On a busy machine a living node may take long to answer, and is none the
    /// less alive.
    static let deadline = Duration.seconds(10)

    init(copyCount: Int, sessionCount: Int) async throws {
        let directory = try TemporaryDirectory()
        self.directory = directory
        nodes = try (0..<3).map { number in
            try RestartableNode(
                .sojournd, flags: ["-e", "\(directory.path)/\(number)", "-m", "32", "-t", "1"])
        }
        var configuration = CacheClientConfiguration()
        configuration.copies = Copies(count: copyCount)
        configuration.requestTimeout = Self.deadline
        configuration.connectTimeout = Self.deadline
        configuration.silenceTimeout = Self.deadline
        configuration.ejectionMin = .milliseconds(50)
        configuration.ejectionMax = .milliseconds(100)
        cache = try CacheClient(nodes: nodes.map(\.ringNode), configuration: configuration)
        store = try SessionStore(cache: cache)
        for _ in 0..<sessionCount {
            // The first commands also make the connections, on a machine that may be busy.
            try await eventually("a session") {
                guard let session = try? await store.create(Visit()) else { return false }
                ids.append(session.id)
                return true
            }
        }
    }

    deinit { cache.shutDown() }

    /// What one session went through.
    struct History: Sendable {
        var saveCount = 0
        var errorCount = 0
        var lastError: (any Error)?
        var problems: [String] = []
        /// The last state that was acknowledged.
        var pages = 0
        /// Saves since then that failed and may yet have happened.
        var doubtful = 0
        var longest = Duration.zero
    }

    /// How often each session was used so far.
    private final class Attempts: Sendable {
        private let counts = Mutex<[SessionID: Int]>([:])
        func note(_ id: SessionID) { counts.withLock { $0[id, default: 0] += 1 } }
        func all() -> [SessionID: Int] { counts.withLock { $0 } }
    }

    /// Waits until every session has been used so many times more.
    func waitForUses(_ count: Int) async throws {
        let before = attempts.all()
        let ids = ids
        let attempts = attempts
        // A busy machine lets requests to a node that is away take as long as they may.
        try await eventually("\(count) uses of each session", seconds: 240) {
            let now = attempts.all()
            return ids.allSatisfy { now[$0, default: 0] >= before[$0, default: 0] + count }
        }
    }

    /// Waits until the client asks every node again. Its probes may have to wait for other suites.
    func waitForReturn() async throws {
        let pools = try await cache.topology().pools
        try await eventually("the node's return", seconds: 120) {
            pools.allSatisfy { !$0.watch.isEjected }
        }
    }

    /// Loads and saves a session until told to stop, and compares.
    private static func use(
        _ id: SessionID, of store: SessionStore<Visit>, after earlier: History,
        noting attempts: Attempts, until isOver: @Sendable () -> Bool
    ) async -> History {
        var history = History()
        (history.pages, history.doubtful) = (earlier.pages, earlier.doubtful)
        while !isOver() {
            let start = ContinuousClock.now
            do {
                if let session = try await store.load(id) {
                    let pages = session.value.pages
                    if pages < history.pages || pages > history.pages + history.doubtful {
                        history.problems.append(
                            "\(pages) instead of \(history.pages)+\(history.doubtful)")
                    }
                    (history.pages, history.doubtful) = (max(pages, history.pages), 0)
                    var next = session
                    next.value.pages += 1
                    history.doubtful = 1
                    switch try await store.save(next) {
                    case .saved:
                        (history.pages, history.doubtful) = (next.value.pages, 0)
                        history.saveCount += 1
                    case .conflict: history.problems.append("a conflict with nobody")
                    case .gone: history.problems.append("gone")
                    }
                } else {
                    history.problems.append("lost")
                }
            } catch {
                history.errorCount += 1
                history.lastError = error
            }
            history.longest = max(history.longest, ContinuousClock.now - start)
            attempts.note(id)
            try? await Task.sleep(for: .milliseconds(1))
        }
        return history
    }

    /// Uses all sessions at the same time while `body` does something to the nodes.
    func run(_ body: () async throws -> Void) async throws -> [History] {
        let isOver = Flag()
        let store = store
        let attempts = attempts
        let before = ids.map { (id: $0, history: earlier[$0] ?? History()) }
        // As parts of the test's own task they have its thread, which other suites cannot block.
        let after = try await withThrowingTaskGroup(of: (SessionID, History).self) { tasks in
            for (id, history) in before {
                tasks.addTask {
                    let isOver = { @Sendable in isOver.isSet }
                    let after = await Self.use(
                        id, of: store, after: history, noting: attempts, until: isOver)
                    return (id, after)
                }
            }
            do { try await body() } catch {
                isOver.set()
                throw error
            }
            isOver.set()
            return try await tasks.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        earlier = after
        return ids.compactMap { after[$0] }
    }

    private final class Flag: Sendable {
        private let state = Mutex(false)
        var isSet: Bool { state.withLock { $0 } }
        func set() { state.withLock { $0 = true } }
    }
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct ClusterSurvivalTests {
    @Test(
        "With two copies a node that is killed under load and returns loses no session, and no save"
    )
    func twoCopies() async throws {
        let load = try await SessionsUnderLoad(copyCount: 2, sessionCount: 30)
        for node in load.nodes {
            let histories = try await load.run {
                try await load.waitForUses(5)
                node.kill()
                try await load.waitForUses(20)
                try node.start()
                try await load.waitForReturn()
                try await load.waitForUses(20)
            }
            for history in histories {
                #expect(history.problems == [])
                #expect(history.saveCount > 10, "\(String(describing: history.lastError))")
                // A load and a save, and what a busy machine takes to go on.
                #expect(history.longest < SessionsUnderLoad.deadline * 2 + .seconds(10))
            }
        }
    }

    @Test("Without copies a killed node costs its own sessions' requests, and nobody else's")
    func ownKeysOnly() async throws {
        let load = try await SessionsUnderLoad(copyCount: 1, sessionCount: 30)
        let ring = try await load.cache.topology().ring
        let owners = load.ids.map { ring.index(for: Array("session:\($0.text)".utf8)) }
        let histories = try await load.run {
            try await load.waitForUses(5)
            load.nodes[0].kill()
            try await load.waitForUses(20)
            try load.nodes[0].start()
            try await load.waitForReturn()
            try await load.waitForUses(20)
        }
        for (owner, history) in zip(owners, histories) {
            // The node keeps its items: they are there again, and as they were.
            #expect(history.problems == [])
            if owner != 0 { #expect(history.errorCount == 0) }
            #expect(history.longest < SessionsUnderLoad.deadline * 2 + .seconds(10))
        }
        #expect(zip(owners, histories).contains { $0 == 0 && $1.errorCount > 0 })
    }
}
