/// A node that is to be in a definition, as its line says it: what is not said is as the definition's defaults are.
public struct NewNode: Hashable, Sendable {
    public var name: String
    public var host: String
    public var port: Int?
    public var weight: Int?
    /// Such as `512m` or `2g`.
    public var memory: String?
    public var memoryFile: String?
    public var flags: [String]?
    public var peerHost: String?
    public var peerPort: Int?
    /// Whose place on the ring it takes.
    public var inPlaceOf: (host: String, port: Int)? {
        get { placeHost.map { ($0, placePort) } }
        set { (placeHost, placePort) = (newValue?.host, newValue?.port ?? 0) }
    }
    private var placeHost: String?
    private var placePort = 0

    public init(name: String, host: String) {
        self.name = name
        self.host = host
    }

    /// Its fields, for one line in braces.
    func fields(id: Int, since: Int) -> String {
        var fields = ["id: \(id)", "since: \(since)", "name: \(Self.text(name))"]
        fields.append("host: \(Self.text(host))")
        if let port { fields.append("port: \(port)") }
        if let weight { fields.append("weight: \(weight)") }
        if let memory { fields.append("memory: \(Self.text(memory))") }
        if let memoryFile { fields.append("memory_file: \(Self.text(memoryFile))") }
        if let flags { fields.append("flags: [\(flags.map(Self.text).joined(separator: ", "))]") }
        if let peerHost { fields.append("peer_host: \(Self.text(peerHost))") }
        if let peerPort { fields.append("peer_port: \(peerPort)") }
        if let place = inPlaceOf {
            fields.append("in_place_of: {host: \(Self.text(place.host)), port: \(place.port)}")
        }
        return fields.joined(separator: ", ")
    }

    /// In quotes, unless it cannot be anything else without them.
    private static func text(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "/"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard !isPlain || text.utf8.first.map({ $0 == UInt8(ascii: "-") }) ?? true else {
            return text
        }
        return ClusterDefinition.quoted(text)
    }
}
