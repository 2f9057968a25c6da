import ClusterFile
import HashRing
import NIOCore

/// What is asked of a node that may know its cluster: `config get ...`
enum ClusterQuestion: String, Sendable {
    /// Sojourn's: all that a definition says to clients.
    case definition
    /// ElastiCache's: hosts and ports.
    case cluster

    /// The largest answer without its frame.
    var byteCountMax: Int {
        switch self {
        case .definition: ClusterDefinition.fileByteCountMax
        case .cluster: 1 << 20
        }
    }
}

/// What a node answers, in the frame of ElastiCache's auto-discovery:
///
///     CONFIG cluster 0 <byte count>              CONFIG definition 0 <byte count>
///     <version>                                  <version>
///     <host>|<address>|<port> <host>| ...        <a definition, in YAML>
///     <empty line>                               <empty line>
///     END                                        END
struct ClusterConfiguration: Equatable, Sendable {
    /// Grows with each change.
    var version: Int
    var nodes: [Node]
    /// Nil where only hosts and ports are told.
    var rule: PlacementRule?

    /// What a node sends although it is none.
    struct Mistake: Error, Equatable, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// - Parameter body: what stands between `CONFIG` and `END`.
    init(_ question: ClusterQuestion, body: String) throws(Mistake) {
        switch question {
        case .cluster: try self.init(body: body)
        case .definition: try self.init(definition: body)
        }
    }

    private init(definition body: String) throws(Mistake) {
        let line = body.prefix { $0 != "\n" }
        guard let version = Int(line), version >= 0 else { throw Mistake("no version number") }
        self.version = version
        do {
            let yaml = String(body.dropFirst(line.count + 1))
            let definition = try ClusterDefinition(yaml: yaml, file: "the node's definition")
            nodes = definition.nodes
            rule = PlacementRule(definition)
        } catch {
            throw Mistake("\(error)")
        }
    }

    /// - Parameter body: the lines of ElastiCache's format.
    init(body: String) throws(Mistake) {
        let lines = body.split(whereSeparator: \.isNewline)
        guard let first = lines.first, let version = Int(first), version >= 0 else {
            throw Mistake("no version number")
        }
        self.version = version
        nodes = []
        for word in lines.dropFirst().joined(separator: " ").split(separator: " ") {
            nodes.append(try Self.node(word))
        }
        guard !nodes.isEmpty else { throw Mistake("no nodes") }
    }

    /// The ring's points come from the host name, as with other clients of this format; where there is
    /// none, from the address.
    private static func node(_ word: Substring) throws(Mistake) -> Node {
        let parts = word.split(separator: "|", omittingEmptySubsequences: false)
        guard parts.count == 3, let port = Int(parts[2]) else {
            throw Mistake("'\(word)' is not host|address|port")
        }
        let host = parts[0].isEmpty ? parts[1] : parts[0]
        guard !host.isEmpty else { throw Mistake("'\(word)' has neither host nor address") }
        return Node(host: String(host), port: port)
    }
}

/// Reads that answer from bytes that arrive in parts.
struct ClusterConfigurationDecoder: NIOSingleStepByteToMessageDecoder {
    typealias InboundOut = ClusterConfiguration

    var question = ClusterQuestion.cluster

    mutating func decode(buffer: inout ByteBuffer) throws -> ClusterConfiguration? {
        let view = buffer.readableBytesView
        guard let newline = view.firstIndex(of: UInt8(ascii: "\n")) else {
            guard view.count <= 256 else { throw ClusterConfiguration.Mistake("an endless line") }
            return nil
        }
        var line = String(decoding: view[..<newline], as: UTF8.self)
        if line.last == "\r" { line.removeLast() }
        let head = "CONFIG \(question.rawValue) 0 "
        guard line.hasPrefix(head) else {
            throw ClusterConfiguration.Mistake("answers '\(line.prefix(60))'")
        }
        guard let count = Int(line.dropFirst(head.count)),
            (0...question.byteCountMax).contains(count)
        else { throw ClusterConfiguration.Mistake("no length in '\(line.prefix(60))'") }
        // The data block's end, and the last line.
        let end = "\r\nEND\r\n"
        let lineByteCount = newline - view.startIndex + 1
        guard view.count >= lineByteCount + count + end.utf8.count else { return nil }
        buffer.moveReaderIndex(forwardBy: lineByteCount)
        let body = buffer.readString(length: count) ?? ""
        guard buffer.readString(length: end.utf8.count) == end else {
            throw ClusterConfiguration.Mistake("a configuration without its end")
        }
        return try ClusterConfiguration(question, body: body)
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
