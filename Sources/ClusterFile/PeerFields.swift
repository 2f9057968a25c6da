import HashRing

/// The field `peers` of a definition, and what nodes say of themselves for it.
struct PeerFields {
    typealias Peers = ClusterDefinition.Peers

    static let hostField = "peer_host"
    static let portField = "peer_port"
    static let idField = "id"
    static let sinceField = "since"

    let peers: Peers
    /// That of each node that names none.
    private let port: Int?
    private let fields: Fields

    /// Nil if the definition has none.
    init?(_ definition: inout Fields) throws(DefinitionError) {
        guard var fields = try definition.fields("peers") else { return nil }
        let secretFile = try fields.path("secret_file")
        let port = try fields.number("port", in: 1...65_535)
        let timeout = try fields.number("timeout", in: Peers.timeoutMillisecondsRange)
        let tls = try Self.tls(&fields)
        let partition = try fields.value("partition", "both or majority") {
            Peers.Partition(rawValue: $0)
        }
        try fields.refuseOthers()
        var peers = Peers(secretFile: secretFile, tls: tls, partition: partition ?? .both)
        if let timeout { peers.timeoutMilliseconds = timeout }
        self.peers = peers
        self.port = port
        self.fields = fields
    }

    private static func tls(_ peers: inout Fields) throws(DefinitionError) -> Peers.TLS? {
        guard var fields = try peers.fields("tls") else { return nil }
        guard let authority = try fields.path("ca") else {
            throw fields.error("ca", "missing; it signs the nodes' certificates")
        }
        guard let certificate = try fields.path("cert") else {
            throw fields.error("cert", "missing; each node shows the others one")
        }
        var tls = Peers.TLS(authorityFile: authority, certificateFile: certificate)
        tls.keyFile = try fields.path("key")
        tls.serverName = try fields.text("server_name", "a host name")
        try fields.refuseOthers()
        return tls
    }

    /// The port for peers of a node that names none.
    func port(_ node: Fields, ofNodeAt nodePort: Int) throws(DefinitionError) -> Int {
        let port = port ?? nodePort + Peers.portDistance
        guard port <= 65_535 else {
            throw node.error(
                Self.portField,
                "missing; the default, the node's port + \(Peers.portDistance), would be \(port), "
                    + "which is no port")
        }
        return port
    }

    /// Refuses what a node says of itself to peers that there are not.
    static func refuseThoseOfNode(_ node: Fields) throws(DefinitionError) {
        for field in [hostField, portField, idField, sinceField] where node.has(field) {
            throw node.error(field, "is nothing without peers")
        }
    }

    /// Refuses nodes that cannot be one another's peers, at the line of the one that is to blame.
    ///
    /// - Parameter list: the fields of `members`, which make a ring.
    func check(
        _ members: [ClusterDefinition.Member], _ list: [Fields], _ definition: Fields
    ) throws(DefinitionError) {
        guard members.count <= Peers.nodeCountMax else {
            throw definition.error(
                "nodes",
                "\(members.count) nodes; with peers there are at most \(Peers.nodeCountMax)")
        }
        guard peers.partition == .both || members.count > 2 else {
            throw fields.error(
                "partition",
                "majority needs three nodes: of \(members.count), none may be away for the others to go on"
            )
        }
        try checkIDs(members, list)
        for (index, member) in members.enumerated() {
            let (name, host, port) = (member.node.name, member.peerHost, member.peerPort)
            if peers.secretFile == nil, !Self.isLoopback(host) {
                throw fields.error(
                    "secret_file",
                    "missing; without it peers are on loopback alone, and \(name) is at \(host)")
            }
            let field =
                list[index].has(Self.hostField) && !list[index].has(Self.portField)
                ? Self.hostField : Self.portField
            let same = members[..<index].first { $0.peerHost == host && $0.peerPort == port }
            if let same {
                throw list[index].error(
                    field,
                    "nodes \(same.node.name) and \(name) have the same host and port for peers")
            }
            if let other = members.first(where: { $0.node.host == host && $0.node.port == port }) {
                throw list[index].error(
                    field, "port \(port) of \(host) is where clients reach \(other.node.name)")
            }
        }
    }

    /// Numbers of some and places of others would be a guess.
    private func checkIDs(
        _ members: [ClusterDefinition.Member], _ list: [Fields]
    ) throws(DefinitionError) {
        let numbered = members.filter { $0.id != nil }
        guard !numbered.isEmpty else { return }
        for (index, member) in members.enumerated() {
            guard let id = member.id else {
                throw list[index].error(
                    Self.idField,
                    "missing; expected one for each node, as \(numbered[0].node.name) has one")
            }
            if let same = members[..<index].first(where: { $0.id == id }) {
                throw list[index].error(
                    Self.idField,
                    "nodes \(same.node.name) and \(member.node.name) have the same one, \(id)")
            }
        }
    }

    /// Whether a host is this machine to everybody, without looking it up.
    private static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host == "::1" { return true }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers[0] == "127"
            && numbers.allSatisfy { "\(UInt8($0) ?? 0)" == $0 }
    }
}
