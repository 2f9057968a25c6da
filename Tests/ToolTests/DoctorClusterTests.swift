import ClusterFile
import HashRing
import Testing

@testable import sojourn

/// What `sojourn doctor` sees of nodes beside one another, with readings that are made up.
@Suite(.timeLimit(.minutes(10)))
struct DoctorClusterTests {
    private func cluster(_ head: String = "", hosts: [String] = ["10.0.0.1", "10.0.0.2"]) throws
        -> ClusterReading
    {
        let lines = zip(["a", "b", "c"], hosts).map { "- {name: \($0), host: \($1), memory: 64}\n" }
        let definition = try ClusterDefinition(
            yaml: "\(head)\nnodes:\n\(lines.joined())", file: "made.yaml")
        let nodes = definition.nodes.map { node in
            var reading = NodeReading(
                node: node,
                statistics: NodeStatistics([
                    "sojourn_version": "0.1.0", "limit_maxbytes": "\(64 << 20)",
                ]), settings: NodeStatistics(["eviction": "probation", "idle": "0"]))
            reading.clockAhead = 0
            reading.definition = definition
            return reading
        }
        return ClusterReading(definition: definition, isDefined: true, nodes: nodes)
    }

    private func findings(_ cluster: ClusterReading) -> [String: [Finding]] {
        var found: [String: [Finding]] = [:]
        for check in ClusterCheck.all {
            let findings = check.look(cluster)
            if !findings.isEmpty { found[check.name] = findings }
        }
        return found
    }

    @Test("Of nodes that agree only the number of copies is told")
    func agreement() throws {
        #expect(findings(try cluster()).keys.sorted() == ["one-copy"])
        #expect(findings(try cluster("copies: 2")).isEmpty)
    }

    @Test("Another version, setting, memory or clock is told with who has which")
    func differences() throws {
        var made = try cluster("copies: 2")
        made.nodes[1].statistics = NodeStatistics([
            "sojourn_version": "0.2.0", "limit_maxbytes": "\(32 << 20)",
        ])
        made.nodes[1].settings = NodeStatistics(["eviction": "lru", "idle": "0"])
        made.nodes[0].clockAhead = -1
        made.nodes[1].clockAhead = 1
        let found = findings(made)
        #expect(found.keys.sorted() == ["clocks", "memory", "settings", "versions"])
        #expect(
            found["versions"]?.first?.found == "nodes have different versions: 0.1.0 (a), 0.2.0 (b)"
        )
        #expect(
            found["settings"]?.first?.found == "nodes differ in eviction: lru (b), probation (a)")
        #expect(
            found["memory"]?.first?.found.hasPrefix("b has 32 MB, and the definition says 64 MB")
                == true)
        #expect(found["clocks"]?.first?.found == "the clock of b is 2 s ahead of that of a")
        // A second may be between two questions.
        made.nodes[1].clockAhead = 0
        #expect(findings(made)["clocks"] == nil)
    }

    @Test("A node with another definition is a danger, one without any is none")
    func definitions() throws {
        var made = try cluster("copies: 2")
        made.nodes[1].definition = nil
        #expect(findings(made).isEmpty)
        made.nodes[1].definition?.name = "other"
        made.nodes[1].definition = try cluster("copies: 2", hosts: ["10.0.0.1", "10.0.0.3"])
            .definition
        let found = try #require(findings(made)["definitions"]?.first)
        #expect(found.severity == .danger)
        #expect(found.found.contains("a, the file have another one than b"), "\(found.found)")
    }

    @Test("Who does not answer, and who is no node of ours, is told")
    func strangers() throws {
        var made = try cluster("copies: 2")
        made.nodes[1].statistics = NodeStatistics([
            "version": "1.6.18", "limit_maxbytes": "67108864",
        ])
        made.nodes[1].settings = NodeStatistics([:])
        made.silent = [("c", "Connection refused")]
        let found = findings(made)
        #expect(found.keys.sorted() == ["silent", "stranger"])
        #expect(found["silent"]?.first?.severity == .danger)
        #expect(found["stranger"]?.first?.found.hasPrefix("b is memcached 1.6.18") == true)
    }

    @Test("Copies on one machine, and places by a modulus, are told", arguments: [1, 2])
    func placement(nodes: Int) throws {
        let hosts = Array(repeating: "10.0.0.1", count: nodes)
        let lines = hosts.indices.map { "- {name: n\($0), host: 10.0.0.1, port: \($0 + 11_211)}\n" }
        let definition = try ClusterDefinition(
            yaml: "placement: {strategy: modula}\ncopies: \(nodes)\nnodes:\n" + lines.joined(),
            file: "made.yaml")
        let found = findings(ClusterReading(definition: definition, isDefined: true, nodes: []))
        #expect(found.keys.sorted() == (nodes == 1 ? [] : ["modulo", "one-machine"]))
        // Addresses that were typed say nothing about clients.
        #expect(
            findings(ClusterReading(definition: definition, isDefined: false, nodes: [])).isEmpty)
    }

    @Test("The worst finding is first, and is the status")
    func order() throws {
        var made = try cluster()
        #expect(Examination.status([]) == 0)
        #expect(Examination.status(Examination(made).diagnoses) == 2)
        made.nodes = []
        let notes = Examination(made).diagnoses
        #expect(notes.map(\.check) == ["one-copy"] && Examination.status(notes) == 0)
        made.silent = [("a", "gone")]
        let all = Examination(made).diagnoses
        #expect(all.map(\.check) == ["silent", "one-copy"])
        #expect(Examination.status(all) == 2)
        #expect(
            Examination(made).text(all).hasPrefix(
                "danger: a does not answer: gone [silent]\n    do: "))
        #expect(
            Examination(made).json(all).contains(
                #""status": 2, "findings": [{"severity": "danger""#))
    }
}
