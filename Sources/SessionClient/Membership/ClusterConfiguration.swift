import ClusterFile
import HashRing
import MemcacheProtocol
import NIOCore

/// What a node says about its cluster.
struct ClusterConfiguration: Equatable, Sendable {
    typealias Mistake = ConfigBlock.Mistake

    /// Grows with each change.
    var version: Int
    var nodes: [Node]
    /// Nil where only hosts and ports are told.
    var rule: PlacementRule?

    init(_ block: ConfigBlock) throws(Mistake) {
        version = block.version
        switch block.subject {
        case .cluster: nodes = try Self.nodes(listedIn: block.text)
        case .definition:
            do {
                let definition = try ClusterDefinition(
                    yaml: block.text, file: "the node's definition")
                nodes = definition.nodes
                rule = PlacementRule(definition)
            } catch {
                throw Mistake("\(error)")
            }
        }
    }

    /// The ring's points come from the host name, as with other clients of this format; where there is
    /// none, from the address.
    private static func nodes(listedIn text: String) throws(Mistake) -> [Node] {
        var nodes: [Node] = []
        for word in text.split(whereSeparator: { $0.isNewline || $0 == " " }) {
            guard let listed = ListedNode(word) else {
                throw Mistake("'\(word)' is not host|address|port")
            }
            let host = listed.host.isEmpty ? listed.address : listed.host
            guard !host.isEmpty else { throw Mistake("'\(word)' has neither host nor address") }
            nodes.append(Node(host: host, port: listed.port))
        }
        guard !nodes.isEmpty else { throw Mistake("no nodes") }
        return nodes
    }
}

/// Reads that answer from bytes that arrive in parts.
struct ClusterConfigurationDecoder: NIOSingleStepByteToMessageDecoder {
    typealias InboundOut = ClusterConfiguration

    var subject = ConfigSubject.cluster

    mutating func decode(buffer: inout ByteBuffer) throws -> ClusterConfiguration? {
        guard
            let (block, next) = try ConfigBlock.read(subject, from: buffer.readableBytesUInt8Span)
        else { return nil }
        buffer.moveReaderIndex(forwardBy: next)
        return try ClusterConfiguration(block)
    }

    mutating func decodeLast(
        buffer: inout ByteBuffer, seenEOF: Bool
    ) throws -> ClusterConfiguration? {
        if let configuration = try decode(buffer: &buffer) { return configuration }
        guard buffer.readableBytes == 0 else {
            throw ClusterConfiguration.Mistake("an end inside the configuration")
        }
        return nil
    }
}
