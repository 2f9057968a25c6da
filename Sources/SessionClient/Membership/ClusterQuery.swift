import HashRing
import MemcacheProtocol
import NIOCore

/// Asks one node for its cluster.
enum ClusterQuery {
    /// Asks for the definition, and who does not know what that is for the nodes.
    static func ask(
        _ node: Node, access: NodeAccess, on group: any EventLoopGroup, timeout: TimeAmount
    ) async throws -> ClusterConfiguration {
        func ask(_ subject: ConfigSubject) async throws -> ClusterConfiguration {
            try await NodeQuestion.ask(
                node, subject.request, decoder: ClusterConfigurationDecoder(subject: subject),
                access: access, on: group, timeout: timeout)
        }
        do {
            do {
                return try await ask(.definition)
            } catch is ClusterConfiguration.Mistake {
                return try await ask(.cluster)
            } catch NodeQuestion.Trouble.hungUp {
                return try await ask(.cluster)
            }
        } catch let trouble as NodeQuestion.Trouble {
            let what =
                switch trouble {
                case .late: "does not answer"
                case .hungUp: "hung up"
                case .keptOut(let text): "does not let this client in: \(text)"
                }
            throw MembershipReader.Trouble("\(node.name) \(what)")
        }
    }
}
