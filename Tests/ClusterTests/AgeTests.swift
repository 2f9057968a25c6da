import Cluster
import NodeStage
import SessionMap
import Testing

@testable import CacheNode
@testable import NodeStage

/// How old a member takes sessions for, whatever becomes of its machine's clock.
@Suite(.timeLimit(.minutes(10)))
struct AgeTests {
    private static let key = Array("session".utf8)
    /// What the clock of births is ahead of the node's by, and where the machine's is when they agree.
    private static let lead: Int64 = 60_000_000

    private final class Time {
        var wallSeconds: Int64 = 0
    }

    private func makeStore(_ node: InProcessNode, _ time: Time) -> NodeStore {
        NodeStore(
            member: 1, map: node.map, clock: node.space.clock,
            wall: { UInt64(time.wallSeconds) * 1_000_000 },
            performer: Performer(
                context: node.context, listener: node.listener, worker: node.worker),
            gates: ReadGates(memberCount: 1), seed: 17, tombstoneCountMax: 1_000,
            hasEvicted: { false })
    }

    @Test(
        "A machine's clock that is set makes nobody's session older, and none that begins end at once",
        arguments: [-86_400, -3_600, 0, 3_600, 86_400] as [Int64])
    func moved(seconds: Int64) throws {
        var configuration = NodeConfiguration.small
        configuration.timeouts.absoluteSeconds = 600
        let node = try InProcessNode(configuration)
        node.map.lifetimes.setLead(Self.lead)
        let time = Time()
        time.wallSeconds = Self.lead + Int64(node.now.seconds)
        let store = makeStore(node, time)
        var count: UInt64 = 0
        func perform(_ command: String, _ key: [UInt8] = Self.key) -> Outcome {
            count += 1
            let text = Array((command + "\r\n").utf8)
            return store.perform(
                Request(
                    number: OperationNumber(member: 1, worker: 0, count: count), isRead: false,
                    key: key, command: text)
            ).outcome
        }
        func left(_ key: [UInt8]) -> UInt32? {
            var left: UInt32?
            _ = node.map.peek(key.span, now: node.now.seconds) { left = $0.secondsLeft }
            return left
        }
        _ = perform("set session 0 0 1\r\n1")
        #expect(left(Self.key) == 600)
        // It is set while the node runs.
        time.wallSeconds += seconds
        node.space.clock.advance(seconds: 100)
        time.wallSeconds += 100
        store.maintain()
        _ = perform("touch session 0")
        #expect(left(Self.key) == 500)
        let other = Array("other".utf8)
        _ = perform("set other 0 0 1\r\n1", other)
        let begun = try #require(left(other))
        // Set ahead, the clock lets it live longer; never less.
        #expect(begun == 600 + UInt32(max(0, seconds)))
        node.space.clock.advance(seconds: 499)
        #expect(left(Self.key) == 1)
        node.space.clock.advance(seconds: 1)
        #expect(left(Self.key) == nil)
    }
}
