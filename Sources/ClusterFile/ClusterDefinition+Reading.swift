import HashRing
import Yams

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension ClusterDefinition {
    /// The largest definition file: 10,000 nodes take a tenth of it.
    public static let fileByteCountMax = 4 << 20

    /// Reads a definition file.
    public init(contentsOf path: String) throws(DefinitionError) {
        try self.init(yaml: try Self.text(of: path), file: path)
    }

    /// What stands in a definition file, for who looks whether it has changed.
    public static func text(of path: String) throws(DefinitionError) -> String {
        func error(_ problem: String) -> DefinitionError {
            DefinitionError(file: path, line: nil, field: "", problem: problem)
        }
        guard let stream = fopen(path, "re") else {
            throw error("cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { fclose(stream) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 {
            bytes += buffer[..<count]
            guard bytes.count <= fileByteCountMax else {
                throw error("larger than \(fileByteCountMax) bytes")
            }
        }
        guard ferror(stream) == 0 else { throw error("cannot be read") }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw error("not UTF-8") }
        return text
    }

    /// - Parameter file: what errors call the text.
    public init(yaml: String, file: String) throws(DefinitionError) {
        var fields = try Fields(
            try Self.compose(yaml, file: file, as: "a cluster's definition"), path: "", file: file)
        let name = try fields.name("name") ?? "sojourn"
        let generation = try fields.number("generation", in: Self.generationRange) ?? 1
        var placement = try fields.fields("placement")
        let strategy =
            try placement?.named("strategy", Ring.Strategy.allCases) ?? .ketamaWeighted
        let keyHash = try placement?.named("hash", Ring.KeyHash.allCases)
        let hashTag = try placement?.value("hash_tag", "two characters, such as \"{}\"") {
            Ring.HashTag($0)
        }
        try placement?.refuseOthers()
        if let keyHash, let placement, !strategy.takesKeyHash {
            let problem = RingError.keyHashNotTaken(strategy: strategy, keyHash: keyHash)
            throw placement.error("hash", "\(problem)")
        }
        var defaults = try fields.fields("defaults")
        let peers = try PeerFields(&fields)
        let common = try MemberDefaults(&defaults, peers)
        guard var list = try fields.list("nodes"), !list.isEmpty else {
            throw fields.error("nodes", "expected a list of at least one node")
        }
        var members: [Member] = []
        for index in list.indices {
            members.append(try common.member(&list[index], generation: generation))
        }
        let copyCount = try Self.copyCount(
            &fields, nodeCount: members.count, hasPeers: peers != nil)
        let tls = try Self.tls(&fields)
        let credentialsFile = try fields.path("credentials_file")
        try fields.refuseOthers()
        self.init(
            name: name, generation: generation, members: members, strategy: strategy,
            keyHash: keyHash, hashTag: hashTag,
            copyCount: copyCount, tls: tls, credentialsFile: credentialsFile, peers: peers?.peers)
        try checkRing(list, fields)
        try peers?.check(self.members, list, fields)
    }

    private static func copyCount(
        _ fields: inout Fields, nodeCount: Int, hasPeers: Bool
    ) throws(DefinitionError) -> Int {
        let count = try fields.number("copies", in: 1...nodeCount)
        guard hasPeers else { return count ?? 1 }
        guard let count else { return min(Peers.copyCountDefault, nodeCount) }
        guard count <= Peers.copyCountMax else {
            throw fields.error("copies", "nodes keep at most \(Peers.copyCountMax) copies")
        }
        return count
    }

    private static func tls(_ fields: inout Fields) throws(DefinitionError) -> TLS? {
        guard var fields = try fields.fields("tls") else { return nil }
        var tls = TLS()
        tls.authorityFile = try fields.path("ca")
        tls.certificateFile = try fields.path("cert")
        tls.keyFile = try fields.path("key")
        tls.clientCertificateFile = try fields.path("client_cert")
        tls.clientKeyFile = try fields.path("client_key")
        tls.serverName = try fields.text("server_name", "a host name")
        try fields.refuseOthers()
        for (key, certificate) in [("key", "cert"), ("client_key", "client_cert")]
        where fields.has(key) && !fields.has(certificate) {
            throw fields.error(key, "is nothing without \(certificate)")
        }
        if fields.has("client_cert"), !fields.has("ca") {
            throw fields.error("client_cert", "needs ca, by which nodes verify it")
        }
        return tls
    }

    /// - Parameter kind: what the text should be, for errors.
    static func compose(
        _ yaml: String, file: String, as kind: String
    ) throws(DefinitionError) -> Yams.Node {
        func error(_ line: Int?, _ problem: String) -> DefinitionError {
            DefinitionError(file: file, line: line, field: "", problem: problem)
        }
        let node: Yams.Node?
        do {
            node = try Yams.compose(yaml: yaml)
        } catch let YamlError.scanner(_, problem, mark, _), let YamlError.parser(
            _, problem, mark, _),
            let YamlError.composer(_, problem, mark, _)
        {
            throw error(mark.line, "not YAML: \(problem)")
        } catch YamlError.duplicatedKeysInMapping(let duplicates, let context) {
            throw error(context.mark.line, "a field twice: \(duplicates.joined(separator: ", "))")
        } catch {
            throw DefinitionError(file: file, line: nil, field: "", problem: "not YAML: \(error)")
        }
        guard let node else { throw error(1, "expected \(kind), not an empty file") }
        return node
    }

    /// Refuses nodes that make no ring, at the line of the node that is to blame.
    private func checkRing(_ list: [Fields], _ fields: Fields) throws(DefinitionError) {
        if !strategy.usesAddresses, let moved = list.first(where: { $0.has(placeField) }) {
            throw moved.error(
                placeField,
                "\(strategy.rawValue) places keys by the order of the nodes alone: list this node "
                    + "where the other one was")
        }
        do {
            _ = try ring()
        } catch {
            // Of two nodes that are too much alike, the one that comes second is the one too many.
            guard let last = error.nodes.last.map(index) else {
                throw fields.error("nodes", "\(error)")
            }
            switch error.code {
            case .samePoints:
                let both = [list[last]] + error.nodes.prefix(1).map { list[index(of: $0)] }
                guard let moved = both.first(where: { $0.has(placeField) }) else {
                    throw both[0].error("host", "\(error)")
                }
                throw moved.error(placeField, "\(error)")
            case .ringNameNeeded:
                throw list[last].error(
                    placeField,
                    "missing; spymemcached hashes the address of a host name, too: expected "
                        + "{host: \(nodes[last].host)/ADDRESS, port: \(nodes[last].port)}")
            default: throw list[last].error("host", "\(error)")
            }
        }
    }

    /// Of two nodes with one name the second, which is the one too many.
    private func index(of name: String) -> Int {
        members.lastIndex { $0.node.name == name } ?? members.startIndex
    }
}

private let placeField = "in_place_of"
private let hostWithoutSpaces = "a host name or address without spaces"

/// What a node has that says nothing else.
private struct MemberDefaults {
    var port: Int?
    var weight: Int?
    var memoryMegabytes: Int?
    var flags: [String]?
    var peers: PeerFields?

    init(_ fields: inout Fields?, _ peers: PeerFields?) throws(DefinitionError) {
        self.peers = peers
        port = try fields?.number("port", in: 1...65_535)
        weight = try fields?.number("weight", in: 1...HashRing.Node.weightMax)
        memoryMegabytes = try fields?.megabytes("memory")
        flags = try fields?.texts("flags", "arguments")
        try fields?.refuseOthers()
    }

    func member(
        _ fields: inout Fields, generation: Int
    ) throws(DefinitionError) -> ClusterDefinition.Member {
        let name = try fields.name("name")
        guard let host = try fields.text("host", "a host name or address") else {
            throw fields.error("host", "missing; expected a host name or address")
        }
        let port = try fields.number("port", in: 1...65_535) ?? port ?? 11_211
        let weight =
            try fields.number("weight", in: 1...HashRing.Node.weightMax) ?? weight ?? 1
        let memory = try fields.megabytes("memory") ?? memoryMegabytes ?? 64
        let memoryFile = try fields.text("memory_file", "a path")
        let place = try place(&fields)
        let flags = try fields.texts("flags", "arguments") ?? flags ?? []
        let peerHost = try fields.host(PeerFields.hostField)
        var peerPort = try fields.number(PeerFields.portField, in: 1...65_535)
        let id = try fields.number(PeerFields.idField, in: ClusterDefinition.Peers.idRange)
        let since = try fields.number(PeerFields.sinceField, in: 1...generation) ?? 1
        let admin = try fields.value("admin", "HOST:PORT", Self.adminPlace)
        try fields.refuseOthers()
        if peers == nil { try PeerFields.refuseThoseOfNode(fields) }
        if peerPort == nil { peerPort = try peers?.port(fields, ofNodeAt: port) }
        return ClusterDefinition.Member(
            node: HashRing.Node(
                name: name, host: host, port: port, weight: weight, ringName: place),
            memoryMegabytes: memory, memoryFile: memoryFile, flags: flags, peerHost: peerHost,
            peerPort: peerPort, id: id, since: since, admin: admin)
    }

    /// Where other nodes ask, so an address and a port.
    private static func adminPlace(_ text: String) -> ClusterDefinition.Member.AdminPlace? {
        guard let parts = HostText(text), !parts.host.isEmpty, parts.host != "*",
            parts.rest.count == 1, let port = Int(parts.rest[0]), (1...65_535).contains(port)
        else { return nil }
        return ClusterDefinition.Member.AdminPlace(host: String(parts.host), port: port)
    }

    /// The place on the ring that a node takes instead of its own, as every strategy understands it.
    private func place(_ fields: inout Fields) throws(DefinitionError) -> String? {
        try fields.refuseOld("ring_name") { name in
            let (host, port) = HashRing.Node(host: "-", ringName: name).inPlaceOf ?? (name, 11_211)
            return "is written in_place_of: {host: \(host), port: \(port)} now"
        }
        guard var place = try fields.fields(placeField) else { return nil }
        guard let host = try place.host("host") else {
            throw place.error("host", "missing; expected \(hostWithoutSpaces)")
        }
        let port = try place.number("port", in: 1...65_535) ?? port ?? 11_211
        try place.refuseOthers()
        return "\(host):\(port)"
    }
}

extension Fields {
    /// One of the values of an enumeration, by its name.
    fileprivate mutating func named<Value: RawRepresentable<String>>(
        _ field: String, _ values: [Value]
    ) throws(DefinitionError) -> Value? {
        let names = values.map(\.rawValue).joined(separator: ", ")
        return try value(field, "one of \(names)") { Value(rawValue: $0) }
    }

    /// A name that can be typed, and be that of a file.
    fileprivate mutating func name(_ field: String) throws(DefinitionError) -> String? {
        try value(field, "a name of letters, digits, and . _ - after the first of them") { text in
            let isPlain = text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                    UInt8(ascii: "-"):
                    true
                default: false
                }
            }
            let begins = text.utf8.first.map { $0 > UInt8(ascii: ".") && $0 != UInt8(ascii: "_") }
            return isPlain && begins == true && text.utf8.count <= 200 ? text : nil
        }
    }

    /// A host as a ring takes it.
    fileprivate mutating func host(_ field: String) throws(DefinitionError) -> String? {
        try value(field, hostWithoutSpaces) { text in
            text.utf8.allSatisfy { $0 > UInt8(ascii: " ") && $0 != 0x7f } ? text : nil
        }
    }

    /// A path as it can stand in `-o`.
    mutating func path(_ field: String) throws(DefinitionError) -> String? {
        try value(field, "a path without commas") { $0.contains(",") ? nil : $0 }
    }

    /// Megabytes, or a number with `m` or `g`.
    fileprivate mutating func megabytes(_ field: String) throws(DefinitionError) -> Int? {
        let range = 1...(1 << 24)
        return try value(field, "megabytes (64), or a number with m or g (512m, 2g)") { text in
            let unit = text.last == "g" ? 1_024 : 1
            let digits = text.last == "g" || text.last == "m" ? text.dropLast() : text[...]
            return Int(digits).flatMap { range.contains($0) ? $0 * unit : nil }
        }
    }
}
