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
            reader
                ?? MembershipReader(
                    membership, group: core.group, access: core.access, queryTimeout: timeout))
    }

    /// Takes the nodes that are known without asking anybody.
    func begin() throws {
        let (nodes, rule) = try reader.withLock { (try $0.firstNodes(), $0.rule) }
        if let nodes { try core.setNodes(nodes, rule) }
    }

    /// Follows the membership until its task is cancelled. To be called once.
    func follow() async {
        guard let interval else { return }
        var reader = reader.withLock { $0 }
        var lastTrouble = ""
        while !Task.isCancelled {
            do {
                if let nodes = try await reader.changedNodes() {
                    try core.setNodes(nodes, reader.rule)
                    core.logger.notice("cluster changed", metadata: ["nodes": "\(nodes.count)"])
                    warn(of: reader.rule)
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

    /// How many copies there are is no matter of an instant: those that are missing have to be made.
    private func warn(of rule: PlacementRule?) {
        let copyCount = core.configuration.copies.count
        guard let rule, rule.copyCount != copyCount else { return }
        core.logger.warning(
            "the cluster's definition has another number of copies; this client keeps to its own",
            metadata: ["definition": "\(rule.copyCount)", "own": "\(copyCount)"])
    }
}
