import ServiceLifecycle
import TestSupport
import Testing

@testable import SessionClient

@Suite(.ownThread, .timeLimit(.minutes(10)))
struct ServiceTests {
    @Test("A service group runs the client, and shuts it down")
    func serviceGroup() async throws {
        let node = try ServerKind.sojournd.start()
        let client = try CacheClient(nodes: [try node.ringNode])
        let group = ServiceGroup(services: [client], logger: client.core.logger)
        let run = Task { try await group.run() }
        try await client.set("k", to: .text("v"))
        await group.triggerGracefulShutdown()
        try await run.value
        #expect(await code { _ = try await client.get("k") } == .shutDown)
        try await eventually("closed connections") { try node.counter("curr_connections") == 1 }
    }
}
