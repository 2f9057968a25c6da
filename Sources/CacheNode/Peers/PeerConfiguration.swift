import Cluster

/// Which members a cluster has that keeps each item on two of them, and who of them this node is.
package struct PeerConfiguration: Sendable {
    /// Where a member is reached by others.
    package struct Address: Equatable, Sendable {
        package var name: String
        package var host: String
        package var port: Int

        package init(name: String, host: String, port: Int) {
            self.name = name
            self.host = host
            self.port = port
        }
    }

    /// In the order of the definition, at most 64: the places are the members' numbers.
    package var members: [Address]
    /// This node's place among them; none of a front, which owns nothing and passes everything on.
    package var me: Int?
    /// The first owner of a key, who decides about it while all is well, and the second, if there is one.
    package var owners: @Sendable ([UInt8]) -> (first: Int, second: Int?)
    package var clusterName: String
    /// Members whose definitions differ do not talk to each other.
    package var definitionHash: UInt64
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

    package init(
        members: [Address], me: Int?, clusterName: String, definitionHash: UInt64,
        secret: [UInt8]? = nil,
        owners: @escaping @Sendable ([UInt8]) -> (first: Int, second: Int?)
    ) {
        self.members = members
        self.me = me
        self.clusterName = clusterName
        self.definitionHash = definitionHash
        self.secret = secret
        self.owners = owners
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

    /// Those that this node dials: members dial those with lower numbers, and a front dials all.
    package var dialled: ArraySlice<Address> { members.prefix(me ?? members.count) }

    /// For messages.
    func name(of peer: Int) -> String {
        members.indices.contains(peer) ? "member \(members[peer].name)" : "a front"
    }
}
