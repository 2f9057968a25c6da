import CacheNode
import ClusterFile
import HashRing
import MemcacheProtocol

extension ClusterSource {
    /// A cluster's definition.
    static func definition(at path: String) -> ClusterSource {
        ClusterSource(path: path) { path in
            let text = try ClusterDefinition.text(of: path)
            let definition = try ClusterDefinition(yaml: text, file: path)
            return Found(
                told: ToldCluster(definition),
                peers: definition.peers == nil ? nil : try PeerDefinition(definition, text: text))
        }
    }
}

extension ToldCluster {
    init(_ definition: ClusterDefinition) {
        guard let text = definition.yamlForClients else {
            preconditionFailure("a definition that was read cannot be written")
        }
        self.init(
            places: definition.nodes.map { ListedNode(host: $0.host, port: $0.port) },
            isListable: definition.isPlacedByAddressAlone, definition: text)
    }
}

extension PeerDefinition {
    /// - Parameter text: what the definition was read from.
    init(_ definition: ClusterDefinition, text: String) throws {
        guard text.utf8.count <= Self.textByteCountMax else {
            throw Refusal(
                "the definition has \(text.utf8.count) bytes; with peers at most \(Self.textByteCountMax) are possible"
            )
        }
        let ring = try definition.ring()
        let ids = definition.memberIDs
        let copyCount = definition.copyCount
        let members = zip(ids, definition.members).map { id, member in
            (
                id,
                Member(
                    name: member.node.name, host: member.peerHost, port: member.peerPort,
                    since: UInt64(member.since))
            )
        }
        self.init(
            generation: UInt64(definition.generation),
            members: Dictionary(uniqueKeysWithValues: members), hash: definition.placementHash,
            copies: copyCount,
            owners: { key in
                let owners = ring.firstTwoIndices(for: key.span.bytes)
                return (ids[owners.first], copyCount > 1 ? owners.second.map { ids[$0] } : nil)
            },
            order: { key in
                ring.indices(for: key.span.bytes, count: ids.count).map { ids[$0] }
            })
        rulesHash = definition.rulesHash
        self.text = text
        told = ToldCluster(definition)
    }

    /// One that another node has sent, or that was kept.
    static func read(_ text: String, name: String) throws -> PeerDefinition {
        let definition = try ClusterDefinition(yaml: text, file: name)
        guard definition.peers != nil else { throw Refusal("\(name): its nodes have no peers") }
        return try PeerDefinition(definition, text: text)
    }
}
