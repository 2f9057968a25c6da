/// Why nodes do not make a ring. Every case is the configuration's mistake.
public enum RingError: Error, Hashable, Sendable {
    /// The list is empty.
    case noNodes
    /// Every node was left out.
    case noNodesLeft
    /// More than `Ring.nodeCountMax`.
    case tooManyNodes(count: Int, limit: Int)
    /// The node has no name.
    case emptyName(host: String, port: Int)
    /// The host is empty, or has a space or a control byte in it.
    case invalidHost(node: String, host: String)
    /// Not 1 to 65,535.
    case invalidPort(node: String, port: Int)
    /// Not 1 to `Node.weightMax`.
    case invalidWeight(node: String, weight: Int)
    /// Two nodes have the same name.
    case duplicateName(String)
    /// Two nodes with the same host and port.
    case duplicateNode(String, String)
    /// Two nodes of which the strategy makes the same text, and so the same points.
    case samePoints(String, String, strategy: Ring.Strategy, text: String)
    /// The strategy hashes keys in its own way.
    case keyHashNotTaken(strategy: Ring.Strategy, keyHash: Ring.KeyHash)
    /// The strategy's client makes points from a text that depends on a look-up of the host.
    case ringNameNeeded(node: String)
    /// Weights so large, in a strategy that makes points in proportion, that the ring would not fit.
    case tooManyPoints(limit: Int)
}

extension RingError: CustomStringConvertible {
    /// In words, for whoever has written the list of nodes.
    public var description: String {
        switch self {
        case .noNodes: "a ring needs at least one node"
        case .noNodesLeft: "every node of the ring is left out"
        case .tooManyNodes(let count, let limit): "\(count) nodes; a ring takes at most \(limit)"
        case .emptyName(let host, let port): "the node at \(host):\(port) has an empty name"
        case .invalidHost(let node, let host):
            "node \(node): expected a host name or address, not '\(host)'"
        case .invalidPort(let node, let port):
            "node \(node): the port must be 1 to 65535, not \(port)"
        case .invalidWeight(let node, let weight):
            "node \(node): the weight must be 1 to \(Node.weightMax), not \(weight)"
        case .duplicateName(let name): "two nodes are called \(name)"
        case .duplicateNode(let first, let second):
            "nodes \(first) and \(second) have the same host and port"
        case .samePoints(let first, let second, let strategy, let text):
            "nodes \(first) and \(second) have the same points: to \(strategy.rawValue) both are "
                + "'\(text.replacing("\0", with: ":"))'"
        case .keyHashNotTaken(let strategy, let keyHash):
            "the strategy \(strategy.rawValue) has a hash of its own, not \(keyHash.rawValue)"
        case .ringNameNeeded(let node):
            "node \(node): give the name that spymemcached makes, host/address:port"
        case .tooManyPoints(let limit):
            "the weights make more than \(limit) points; divide them all by the same number"
        }
    }
}
