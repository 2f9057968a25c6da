import HashRing
import Testing

@testable import SessionClient

/// Between two looks of a client at its membership.
let interval = Duration.milliseconds(10)

/// Runs a test with a client that follows its membership.
func withClient(
    _ membership: Membership, _ body: (CacheClient) async throws -> Void
) async throws {
    let client = try CacheClient(membership: membership, configuration: quickConfiguration())
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await client.run() }
        try await body(client)
        tasks.cancelAll()
        try await tasks.waitForAll()
    }
    #expect(await code { _ = try await client.get("k") } == .shutDown)
}

func hosts(of client: CacheClient) async throws -> [String] {
    try await client.topology().ring.nodes.map(\.host)
}
