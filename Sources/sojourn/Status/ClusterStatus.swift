import ClusterFile
import HashRing
import SessionClient

/// How the nodes of a cluster are doing, from one look at all of them.
struct ClusterStatus: Sendable {
    /// One node, as it was found.
    struct Report: Sendable {
        let node: Node
        /// The node's share of all copies of keys.
        let share: Double
        let outcome: Result<NodeStatistics, NodeInquiry.Trouble>
        /// What it answered at the look before.
        let earlier: NodeStatistics?

        var statistics: NodeStatistics? { try? outcome.get() }

        /// Up and, where nodes keep copies, with all that every other one has.
        var isCurrent: Bool {
            guard let statistics else { return false }
            guard let state = statistics["cluster_state"] else { return true }
            return state == "current" && statistics.number("members_away") == 0
        }

        func perSecond(_ name: String) -> Double? {
            statistics?.perSecond(name, since: earlier)
        }
    }

    let definition: ClusterDefinition
    let reports: [Report]
    private let access: NodeAccess

    var downCount: Int { reports.count { $0.statistics == nil } }

    /// Whether all are up and, where they keep copies, have the same.
    var isCurrent: Bool { reports.allSatisfy(\.isCurrent) }

    /// Asks every node.
    ///
    /// - Parameters:
    ///   - only: the name of the one node that is asked, instead of all.
    ///   - shares: by the ring's indices.
    init(
        of definition: ClusterDefinition, only: String? = nil, shares: [Double],
        access: NodeAccess, seconds: Double
    ) async {
        self.definition = definition
        self.access = access
        let nodes = definition.nodes
        let asked = nodes.indices.filter { only == nil || nodes[$0].name == only }
        let outcomes = await asked.map { nodes[$0] }.concurrentMap {
            await NodeInquiry.ask($0, access, seconds: seconds)
        }
        reports = zip(asked, outcomes).map { index, outcome in
            Report(node: nodes[index], share: shares[index], outcome: outcome, earlier: nil)
        }
    }

    private init(definition: ClusterDefinition, reports: [Report], access: NodeAccess) {
        self.definition = definition
        self.access = access
        self.reports = reports
    }

    /// The next look.
    ///
    /// - Parameter leavesDown: nodes that were down stay so without being asked.
    func next(seconds: Double, leavesDown: Bool = false) async -> ClusterStatus {
        let asked = reports.indices.filter { !leavesDown || reports[$0].statistics != nil }
        let outcomes = await asked.map { reports[$0].node }.concurrentMap { [access] in
            await NodeInquiry.ask($0, access, seconds: seconds)
        }
        var next = reports
        for (index, outcome) in zip(asked, outcomes) {
            next[index] = Report(
                node: reports[index].node, share: reports[index].share, outcome: outcome,
                earlier: reports[index].statistics)
        }
        return ClusterStatus(definition: definition, reports: next, access: access)
    }

    /// What part of all copies of keys each node has, from the places of many sessions.
    static func shares(of definition: ClusterDefinition) throws -> [Double] {
        let ring = try definition.ring()
        var counts = Array(repeating: 0, count: ring.nodes.count)
        for number in 0..<keyCount {
            let key = Simulation.key(number)
            for index in ring.indices(for: key, count: definition.copyCount) {
                counts[index] += 1
            }
        }
        let total = counts.reduce(0, +)
        return counts.map { Double($0) / Double(total) }
    }

    private static let keyCount = 20_000
}
