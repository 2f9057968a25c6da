import CacheNode
import ClusterFile
import HashRing
import MemcacheProtocol

extension ClusterSource {
    /// A cluster's definition.
    static func definition(at path: String) -> ClusterSource {
        ClusterSource(path: path) { path in
            let definition = try ClusterDefinition(contentsOf: path)
            guard let text = definition.yamlForClients else {
                preconditionFailure("a definition that was read cannot be written")
            }
            return ToldCluster(
                places: definition.nodes.map { ListedNode(host: $0.host, port: $0.port) },
                isListable: definition.isPlacedByAddressAlone, definition: text)
        }
    }
}
