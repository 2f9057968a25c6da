/// Why nodes do not make a ring: the configuration's mistake, always.
public struct RingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, for programs to compare. There may be further codes later: a `switch` has a `default`.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name, as in logs.
        public let description: String

        private init(_ name: String) { description = name }

        /// The list is empty.
        public static let noNodes = Code("noNodes")
        /// Every node was left out.
        public static let noNodesLeft = Code("noNodesLeft")
        /// More than `Ring.nodeCountMax`.
        public static let tooManyNodes = Code("tooManyNodes")
        /// The node has no name.
        public static let emptyName = Code("emptyName")
        /// The host is empty, or has a space or a control byte in it.
        public static let invalidHost = Code("invalidHost")
        /// Not 1 to 65,535.
        public static let invalidPort = Code("invalidPort")
        /// Not 1 to `Node.weightMax`.
        public static let invalidWeight = Code("invalidWeight")
        /// Two nodes have the same name.
        public static let duplicateName = Code("duplicateName")
        /// Two nodes with the same host and port.
        public static let duplicateNode = Code("duplicateNode")
        /// Two nodes of which the strategy makes the same text, and so the same points.
        public static let samePoints = Code("samePoints")
        /// The strategy hashes keys in its own way.
        public static let keyHashNotTaken = Code("keyHashNotTaken")
        /// The strategy's client makes points from a text that depends on a look-up of the host.
        public static let ringNameNeeded = Code("ringNameNeeded")
        /// Weights so large, in a strategy that makes points in proportion, that the ring would not fit.
        public static let tooManyPoints = Code("tooManyPoints")
    }

    /// What is wrong.
    public let code: Code
    /// The names of the nodes that are to blame, in the list's order; none where no single one is.
    public let nodes: [String]
    /// In words, for whoever has written the list of nodes.
    public let description: String

    private init(_ code: Code, _ nodes: String..., text: String) {
        self.code = code
        self.nodes = nodes
        description = text
    }
}

extension RingError {
    package static let noNodes = RingError(.noNodes, text: "a ring needs at least one node")
    package static let noNodesLeft = RingError(
        .noNodesLeft, text: "every node of the ring is left out")

    package static func tooManyNodes(count: Int, limit: Int) -> RingError {
        RingError(.tooManyNodes, text: "\(count) nodes; a ring takes at most \(limit)")
    }

    package static func emptyName(host: String, port: Int) -> RingError {
        RingError(.emptyName, "", text: "the node at \(host):\(port) has an empty name")
    }

    package static func invalidHost(node: String, host: String) -> RingError {
        RingError(
            .invalidHost, node,
            text: "node \(node): expected a host name or address, not '\(host)'")
    }

    package static func invalidPort(node: String, port: Int) -> RingError {
        RingError(
            .invalidPort, node, text: "node \(node): the port must be 1 to 65535, not \(port)")
    }

    package static func invalidWeight(node: String, weight: Int) -> RingError {
        RingError(
            .invalidWeight, node,
            text: "node \(node): the weight must be 1 to \(Node.weightMax), not \(weight)")
    }

    package static func duplicateName(_ name: String) -> RingError {
        RingError(.duplicateName, name, name, text: "two nodes are called \(name)")
    }

    package static func duplicateNode(_ first: String, _ second: String) -> RingError {
        RingError(
            .duplicateNode, first, second,
            text: "nodes \(first) and \(second) have the same host and port")
    }

    package static func samePoints(
        _ first: String, _ second: String, strategy: Ring.Strategy, text: String
    ) -> RingError {
        RingError(
            .samePoints, first, second,
            text: "nodes \(first) and \(second) have the same points: to \(strategy.rawValue) both "
                + "are '\(text.replacing("\0", with: ":"))'")
    }

    package static func keyHashNotTaken(
        strategy: Ring.Strategy, keyHash: Ring.KeyHash
    ) -> RingError {
        RingError(
            .keyHashNotTaken,
            text: "the strategy \(strategy.rawValue) has a hash of its own, not \(keyHash.rawValue)"
        )
    }

    package static func ringNameNeeded(node: String) -> RingError {
        RingError(
            .ringNameNeeded, node,
            text: "node \(node): give the name that spymemcached makes, host/address:port")
    }

    package static func tooManyPoints(limit: Int) -> RingError {
        RingError(
            .tooManyPoints,
            text: "the weights make more than \(limit) points; divide them all by the same number")
    }
}
