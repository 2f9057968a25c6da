import SessionMap
import TestSupport
import Testing

@testable import CacheNode
@testable import NodeStage

/// What the tests of locks do in process: peers that send at once, and take what comes at once.
protocol LockStage {}

extension LockStage {
    func makeNode(
        _ keys: [String] = ["lock."], _ change: (inout NodeConfiguration) -> Void = { _ in }
    ) throws -> InProcessNode {
        var configuration = NodeConfiguration.small
        configuration.locks.keys = keys.compactMap { LockKeys($0) }
        change(&configuration)
        return try InProcessNode(configuration)
    }

    /// Sends, and takes what comes at once.
    func ask(_ peer: InProcessPeer, _ text: String) throws -> String {
        try peer.send(bytes(text))
        return received(peer)
    }

    func received(_ peer: InProcessPeer) -> String {
        do { try peer.receiveAll() } catch { Issue.record(error) }
        defer { peer.received = [] }
        return String(decoding: peer.received, as: UTF8.self)
    }

    func statistics(_ node: InProcessNode) -> [String: Int] {
        var all: [String: Int] = [:]
        for statistic in node.context.statistics(.general, of: node.space, now: node.now)
        where statistic.name.hasPrefix("lock_") {
            all[statistic.name] = Int(statistic.text)
        }
        return all
    }

    func end(_ peer: InProcessPeer, _ ending: WaitEnding, on node: InProcessNode) throws {
        let waiting = try #require(peer.connection.state.waiting)
        try node.resume(waiting.ticket, ending)
    }

    static var add: String { "add lock.a 0 30 1\r\n1\r\n" }
}
