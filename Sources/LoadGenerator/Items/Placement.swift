import HashRing

/// Which of the nodes a key is on: a client's ring decides, unless there is but one node.
enum Placement: Sendable {
    case oneNode
    case ring(Ring)

    init(_ servers: [Node], _ ring: Ring? = nil) throws(LoadError) {
        guard servers.count > 1 else {
            self = .oneNode
            return
        }
        if let ring {
            self = .ring(ring)
            return
        }
        do {
            self = .ring(try Ring(nodes: servers))
        } catch {
            throw .system("no ring of these servers: \(error)")
        }
    }

    var nodeCount: Int {
        switch self {
        case .oneNode: 1
        case .ring(let ring): ring.nodes.count
        }
    }

    func node(of key: [UInt8]) -> Int {
        switch self {
        case .oneNode: 0
        case .ring(let ring): ring.index(for: key)
        }
    }
}
