import Cluster

/// Of which cluster, that keeps each item on two of its members, this node is a member or a front.
package struct PeerConfiguration: Sendable {
    /// What the node starts with: the file's. Others may know a later one.
    package var definition: PeerDefinition
    /// This node's number; none of a front, which owns nothing and passes everything on.
    package var me: Int?
    package var clusterName: String
    /// What members know and nobody else; none where all are on one machine.
    package var secret: [UInt8]?
    /// None where members speak clear text.
    package var tls: PeerTLSSettings?
    /// Whether of two sides that do not reach each other the smaller one refuses changes.
    package var needsMajority = false
    /// Of what members say to each other. See `hold`.
    private(set) var wireVersions = WireVersions()
    /// How long a peer may be silent before another takes its place.
    package var silenceMilliseconds = 300
    /// Reads a definition's text; the error tells what is wrong with it.
    package var read: @Sendable (_ text: String, _ name: String) throws -> PeerDefinition

    package init(
        _ definition: PeerDefinition, me: Int?, clusterName: String, secret: [UInt8]? = nil,
        read: @escaping @Sendable (_ text: String, _ name: String) throws -> PeerDefinition
    ) {
        self.definition = definition
        self.me = me
        self.clusterName = clusterName
        self.secret = secret
        self.read = read
    }

    /// Of a cluster that is never changed.
    package init(
        _ definition: PeerDefinition, me: Int?, clusterName: String, secret: [UInt8]? = nil
    ) {
        self.init(definition, me: me, clusterName: clusterName, secret: secret) { _, name in
            throw NodeError(message: "\(name): this cluster is never changed")
        }
    }
}

extension PeerConfiguration {
    /// Has the node speak no later version of the members' protocol than this one, as one does that was not upgraded yet.
    /// For tests. Returns whether there is such a version.
    package mutating func hold(atWireVersion number: UInt16) -> Bool {
        let version = WireVersion(rawValue: number)
        guard (WireVersion.two ... .newest).contains(version) else { return false }
        wireVersions = WireVersions(newest: version)
        return true
    }

    /// FNV-1a of the cluster's name.
    var clusterHash: UInt64 {
        clusterName.utf8.reduce(0xCBF2_9CE4_8422_2325) {
            ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3
        }
    }

    /// None of a front.
    var ownName: String? { me.flatMap { definition.members[$0]?.name } }

    /// Those that this node dials at the start: members dial those with lower numbers, and a front dials all.
    package var dialled: [PeerDefinition.Member] {
        definition.members.filter { $0.key < me ?? .max }.sorted { $0.key < $1.key }.map(\.value)
    }
}
