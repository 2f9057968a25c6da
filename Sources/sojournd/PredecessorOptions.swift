import CacheNode
import ClusterFile
import HashRing

/// What `-o` says of the memcached that a space takes the place of.
struct PredecessorOptions {
    private var nodes: [HashRing.Node] = []
    private var strategy: Ring.Strategy?
    private var definition: (path: String, ring: Ring)?
    private var timeoutMilliseconds: Int?
    private var unknownSeconds: Int?
    private var firstName: String?

    static let prefix = "predecessor"
    private static let names = Ring.Strategy.allCases.map(\.rawValue).joined(separator: ", ")

    mutating func read(
        _ name: String, _ value: String?, option: Substring, path: (String) -> String
    ) throws(Refusal) {
        switch name {
        case "predecessor": nodes.append(try Self.node(value))
        case "predecessor_ring":
            guard let strategy = value.flatMap(Ring.Strategy.init) else {
                throw Refusal(
                    "predecessor_ring must be one of \(Self.names), not \"\(value ?? "")\"")
            }
            self.strategy = strategy
        case "predecessor_cluster":
            guard let value, !value.isEmpty else {
                throw Refusal("predecessor_cluster needs the path of the old cluster's definition")
            }
            let path = path(value)
            do {
                definition = (path, try ClusterDefinition(contentsOf: path).ring())
            } catch {
                throw Refusal("predecessor_cluster: \(error)")
            }
        case "predecessor_timeout":
            timeoutMilliseconds = try ExtendedOptions.number(
                name, value, PredecessorConfiguration.timeoutMillisecondsRange)
        case "predecessor_exptime":
            let seconds = try TimeoutOptions.seconds(
                name, value, max: SpaceConfiguration.timeoutSecondsMax)
            guard seconds > 0 else {
                throw Refusal("predecessor_exptime must be at least 1 second")
            }
            unknownSeconds = seconds
        default: throw Refusal("Illegal suboption \"\(option)\"")
        }
        if name != "predecessor", firstName == nil { firstName = name }
    }

    private static func node(_ value: String?) throws(Refusal) -> HashRing.Node {
        let refusal = Refusal(
            "predecessor must be HOST or HOST:PORT, several times for several servers, not "
                + "\"\(value ?? "")\"")
        guard let value, let text = HostText(value), !text.host.isEmpty, text.rest.count <= 1 else {
            throw refusal
        }
        guard let port = text.rest.first.map({ Int($0) }) ?? 11_211, (1...65_535).contains(port)
        else { throw refusal }
        return HashRing.Node(host: String(text.host), port: port)
    }

    /// Once all are there.
    func apply(to space: inout SpaceConfiguration) throws(Refusal) {
        guard let ring = try ring() else {
            guard let firstName else { return }
            throw Refusal("\(firstName) has no meaning without predecessor")
        }
        guard ring.nodes.count <= PredecessorConfiguration.serverCountMax else {
            throw Refusal(
                "predecessor: at most \(PredecessorConfiguration.serverCountMax) servers, not "
                    + "\(ring.nodes.count)")
        }
        var configuration = PredecessorConfiguration(
            servers: ring.nodes.map { .init(host: $0.host, port: $0.port) },
            placementName: definition?.path ?? ring.strategy.rawValue,
            place: { ring.index(for: $0.span.bytes) })
        if let timeoutMilliseconds { configuration.timeoutMilliseconds = timeoutMilliseconds }
        if let unknownSeconds { configuration.unknownSeconds = unknownSeconds }
        space.predecessor = configuration
    }

    private func ring() throws(Refusal) -> Ring? {
        if let definition {
            guard nodes.isEmpty, strategy == nil else {
                throw Refusal(
                    "predecessor_cluster says which servers there are, and by which ring: leave "
                        + "predecessor and predecessor_ring out")
            }
            return definition.ring
        }
        guard !nodes.isEmpty else { return nil }
        guard nodes.count == 1 || strategy != nil else {
            throw Refusal(
                "several predecessors need predecessor_ring, by which their clients chose among them: "
                    + "\(Self.names); or predecessor_cluster, a definition")
        }
        do {
            return try Ring(nodes: nodes, strategy: strategy ?? .modula)
        } catch {
            throw Refusal("predecessor: \(error)")
        }
    }
}
