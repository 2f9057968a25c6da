import HashRing
import MemcacheProtocol
import NIOCore

/// Asks one node for its cluster.
enum ClusterQuery {
    /// Asks for the definition, and who does not know what that is for the nodes.
    static func ask(
        _ node: Node, on group: any EventLoopGroup, timeout: TimeAmount
    ) async throws -> ClusterConfiguration {
        func ask(_ subject: ConfigSubject) async throws -> ClusterConfiguration {
            try await NodeQuestion.ask(
                node, subject.request, decoder: ClusterConfigurationDecoder(subject: subject),
                on: group, timeout: timeout)
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
            throw MembershipReader.Trouble(
                "\(node.name) " + (trouble == .late ? "does not answer" : "hung up"))
        }
    }
}
