import Glibc
import NIOCore
import TestSupport
import Testing

@testable import SessionClient

private struct Visit: Codable, Sendable {
    var pages = 0
}

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct SessionUpdateTests {
    /// - Parameter conflictCount: how often somebody else is faster.
    /// - Returns: how often the change was made, and what came of it.
    private func update(
        conflictCount: Int, _ change: (inout SessionStoreConfiguration) -> Void = { _ in }
    ) async throws -> (mergeCount: Int, session: Session<Visit>?) {
        let node = try ServerKind.sojournd.start()
        return try await withClient([try node.ringNode]) { cache in
            var configuration = SessionStoreConfiguration()
            change(&configuration)
            let store = try SessionStore<Visit>(cache: cache, configuration: configuration)
            let id = try await store.create(Visit()).id
            let peer = try node.connect()
            var mergeCount = 0
            let session = try? await store.update(id) { visit in
                visit.pages += 1
                mergeCount += 1
                guard mergeCount <= conflictCount else { return }
                // It changes nothing but the CAS unique.
                let reply = try? peer.ask("append session:\(id.text) 0 0 0\r\n")
                #expect(reply == "STORED\r\n")
            }
            return (mergeCount, session)
        }
    }

    /// As `cluster/clients/swift.md` says.
    @Test("A change is tried at most ten times when others are faster")
    func conflicts() async throws {
        let (mergeCount, session) = try await update(conflictCount: 9)
        #expect(mergeCount == 10)
        #expect(session?.value.pages == 1)
    }

    @Test("After the last try nothing is saved")
    func tooManyConflicts() async throws {
        let (mergeCount, session) = try await update(conflictCount: 10)
        #expect(mergeCount == 10)
        #expect(session == nil)
    }

    @Test("How often is a setting", arguments: [1, 2, 100])
    func setting(attemptCount: Int) async throws {
        // A wait of up to 32 ms lies between two.
        let conflictCount = min(attemptCount, 20)
        let (mergeCount, session) = try await update(conflictCount: conflictCount) {
            $0.updateAttemptCountMax = attemptCount
        }
        #expect(mergeCount == min(attemptCount, conflictCount + 1))
        #expect((session == nil) == (conflictCount == attemptCount))
    }
}
