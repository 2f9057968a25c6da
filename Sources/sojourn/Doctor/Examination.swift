import ClusterFile
import Glibc
import HashRing
import MemcacheProtocol
import NIOCore
import NIOPosix
import Reports
import SessionClient

/// Asks all nodes, looks at those that are on this machine, and says what was found.
struct Examination {
    let cluster: ClusterReading

    init(
        of definition: ClusterDefinition, isDefined: Bool, access: NodeAccess, seconds: Double
    ) async {
        // Three questions each, and what the machine tells of its own.
        let outcomes = await definition.nodes.concurrentMap(atMost: 64) {
            await Self.read($0, access, seconds: seconds)
        }
        var cluster = ClusterReading(definition: definition, isDefined: isDefined, nodes: [])
        for (node, outcome) in zip(definition.nodes, outcomes) {
            switch outcome {
            case .success(let reading): cluster.nodes.append(reading)
            case .failure(let trouble): cluster.silent.append((node.name, trouble.description))
            }
        }
        self.cluster = cluster
    }

    /// Of what is known already.
    init(_ cluster: ClusterReading) { self.cluster = cluster }

    private static func read(
        _ node: Node, _ access: NodeAccess, seconds: Double
    ) async -> Result<NodeReading, NodeInquiry.Trouble> {
        let answer = await NodeInquiry.ask(node, access, seconds: seconds)
        let now = time(nil)
        guard case .success(let statistics) = answer else {
            return answer.map { NodeReading(node: node, statistics: $0, settings: $0) }
        }
        return await NodeInquiry.ask(node, access, seconds: seconds, page: "stats settings")
            .asyncMap {
                settings in
                var reading = NodeReading(node: node, statistics: statistics, settings: settings)
                reading.clockAhead = statistics.number("time").map { $0 - now }
                reading.definition = await definition(of: node, access, seconds: seconds)
                if let number = statistics.number("pid"), OwnAddresses.has(node.host) {
                    reading.process = ProcessReading(
                        processID: number, memoryFile: reading.memoryFile)
                }
                return reading
            }
    }

    /// Nil also where it has none, and says so in whatever words.
    private static func definition(
        of node: Node, _ access: NodeAccess, seconds: Double
    ) async -> ClusterDefinition? {
        let text = try? await NodeQuestion.ask(
            node, ConfigSubject.definition.request, decoder: DefinitionTextDecoder(),
            access: access, on: MultiThreadedEventLoopGroup.singleton,
            timeout: .nanoseconds(Int64(seconds * 1e9)))
        return text.flatMap { try? ClusterDefinition(yaml: $0, file: node.name) }
    }

    /// The worst first; of one severity in the order of the checks.
    var diagnoses: [Diagnosis] {
        var all: [Diagnosis] = []
        for check in ClusterCheck.all {
            all += check.look(cluster).map {
                Diagnosis(node: nil, check: check.name, finding: $0)
            }
        }
        for node in cluster.nodes {
            for check in Check.all {
                guard let finding = check.look(node) else { continue }
                all.append(Diagnosis(node: node.node.name, check: check.name, finding: finding))
            }
        }
        return [.danger, .warning, .note].flatMap { severity in
            all.filter { $0.finding.severity == severity }
        }
    }
}

extension Examination {
    /// What is typed as status: that of the worst finding.
    static func status(_ diagnoses: [Diagnosis]) -> Int32 {
        Int32(diagnoses.map(\.finding.severity.rawValue).max() ?? 0)
    }

    func text(_ diagnoses: [Diagnosis]) -> String {
        func count(_ severity: Finding.Severity, _ one: String, _ many: String) -> String {
            let count = diagnoses.count { $0.finding.severity == severity }
            return "\(count) \(count == 1 ? one : many)"
        }
        let asked = cluster.nodes.count + cluster.silent.count
        let here = cluster.nodes.count { $0.process != nil }
        return diagnoses.map(\.text).joined()
            + "\(asked) \(asked == 1 ? "node" : "nodes"), \(here) of them on this machine: "
            + "\(count(.danger, "danger", "dangers")), \(count(.warning, "warning", "warnings")), "
            + "\(count(.note, "note", "notes"))\n"
    }

    func json(_ diagnoses: [Diagnosis]) -> String {
        JSON.object([
            ("name", .text(cluster.definition.name)), ("unix_time", .integer(time(nil))),
            ("nodes", .integer(cluster.nodes.count + cluster.silent.count)),
            ("on_this_machine", .integer(cluster.nodes.count { $0.process != nil })),
            ("status", .integer(Int(Self.status(diagnoses)))),
            ("findings", .list(diagnoses.map(\.json))),
        ]).text + "\n"
    }
}

extension Result where Failure == NodeInquiry.Trouble {
    fileprivate func asyncMap<Other>(
        _ transform: (Success) async -> Other
    ) async -> Result<Other, Failure> {
        switch self {
        case .success(let value): .success(await transform(value))
        case .failure(let trouble): .failure(trouble)
        }
    }
}

/// Reads a definition's text from an answer that comes in parts.
private struct DefinitionTextDecoder: NIOSingleStepByteToMessageDecoder, Sendable {
    typealias InboundOut = String

    mutating func decode(buffer: inout ByteBuffer) throws -> String? {
        guard
            let (block, next) = try ConfigBlock.read(
                .definition, from: buffer.readableBytesUInt8Span)
        else { return nil }
        buffer.moveReaderIndex(forwardBy: next)
        return block.text
    }

    mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> String? {
        try decode(buffer: &buffer)
    }
}
