import Logging
import NIOCore
import Synchronization

/// Keeps a client's nodes as its membership has them.
final class MembershipFollower: Sendable {
    private let interval: Duration?
    private let core: ClientCore
    /// One at a time reads.
    private let reader: Mutex<MembershipReader>

    /// - Parameter reader: for tests that resolve names themselves.
    init(_ membership: Membership, core: ClientCore, reader: MembershipReader? = nil) {
        interval = membership.interval
        self.core = core
        let timeout = TimeAmount(core.configuration.requestTimeout)
        self.reader = Mutex(
            reader ?? MembershipReader(membership, group: core.group, queryTimeout: timeout))
    }

    /// Takes the nodes that are known without asking anybody.
    func begin() throws {
        if let nodes = try reader.withLock({ try $0.firstNodes() }) { try core.setNodes(nodes) }
    }

    /// Follows the membership until its task is cancelled. To be called once.
    func follow() async {
        guard let interval else { return }
        var reader = reader.withLock { $0 }
        var lastTrouble = ""
        while !Task.isCancelled {
            do {
                if let nodes = try await reader.changedNodes() {
                    try core.setNodes(nodes)
                    core.logger.notice("cluster changed", metadata: ["nodes": "\(nodes.count)"])
                }
                lastTrouble = ""
            } catch {
                // What stays wrong is told once.
                let trouble = "\(error)"
                if trouble != lastTrouble {
                    core.logger.warning("membership unknown", metadata: ["reason": "\(trouble)"])
                }
                lastTrouble = trouble
            }
            // Clients that were started together look at different times.
            let jittered = interval * Double.random(in: 0.9...1)
            try? await Task.sleep(for: jittered)
        }
    }
}
