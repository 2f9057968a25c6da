import ArgumentParser
import ClusterFile
import HashRing
import Reports
import SessionClient

/// A change of a cluster: written to its definition, and looked on until all nodes go by that.
struct ClusterChange {
    let text: DefinitionText
    private let options: ChangeOptions
    private let access: NodeAccess

    private static let askSeconds = 1.0
    private static let pause = Duration.milliseconds(250)
    /// A node reads its file within a second of a change.
    private static let unreadSeconds = 5.0
    private static let reminderSeconds = 10.0

    init(_ options: ChangeOptions, _ access: AccessOptions) throws {
        text = try DefinitionText(contentsOf: options.cluster)
        guard text.definition.peers != nil else {
            throw ValidationError(
                "the nodes of \(options.cluster) have no peers: each client's own ring decides there. Change the file, and give it to all of them"
            )
        }
        self.options = options
        self.access = try access.access(text.definition)
    }

    // MARK: Making it

    func remove(_ name: String, mustBeUp: Bool) async throws {
        guard text.definition.members.contains(where: { $0.node.name == name }) else {
            // Taken up again.
            guard text.definition.generation > 1 else {
                _ = try text.removing(name)
                return
            }
            tell(
                "\(options.cluster) has no node \(name) by generation \(text.definition.generation)\n"
            )
            return try await follow()
        }
        if mustBeUp, !options.check {
            let looks = await look(text.definition.nodes.filter { $0.name == name })
            guard looks.first?.statistics != nil else {
                throw Failure(
                    "node \(name) is down (\(looks.first?.trouble ?? "")): it cannot be drained; remove it, and the others make second copies of what they have"
                )
            }
        }
        try await make(
            try text.removing(name),
            leaver: text.definition.nodes.first { $0.name == name }, hint: nil)
    }

    /// Writes the next definition, if no other change is under way.
    func make(_ new: DefinitionText, leaver: Node? = nil, hint: String?) async throws {
        guard !options.check else { return print(new.text, terminator: "") }
        let generation = text.definition.generation
        let looks = await look(text.definition.nodes)
        let known = looks.compactMap { $0.statistics?.number("cluster_next") }.max()
        guard let known else {
            throw Failure(
                "no node of \(options.cluster) tells by which generation of the definition it goes: \(Self.list(looks.map { "\($0.node.name): \($0.trouble ?? "no peers, or an older version")" }))"
            )
        }
        guard known <= generation else {
            throw Failure(
                "\(options.cluster) is generation \(generation), and nodes know \(known) already: take the file of the machine on which that was made"
            )
        }
        if let busy = looks.first(where: { $0.isChanging }) {
            let taken = new.definition.nodes.map(\.name)
            let coming = text.definition.members.filter { $0.since == generation }.map(\.node.name)
            // What was said may be taken back, as long as nobody goes by it.
            let isTakenBack =
                coming.contains { !taken.contains($0) }
                && looks.allSatisfy {
                    ($0.statistics?.number("cluster_generation") ?? 0) < generation
                }
            guard isTakenBack else {
                throw Failure(
                    "one change at a time: node \(busy.node.name) is on its way to generation \(generation) (\(busy.state)); look on with: sojourn cluster follow --cluster \(options.cluster)"
                )
            }
        }
        let target = DefinitionTarget(options.cluster)
        if let obstacle = target.obstacle { throw Failure(obstacle) }
        switch try target.take(Array(new.text.utf8), name: options.cluster) {
        case .refused(let reason): throw Failure(reason)
        case .written, .unchanged: break
        }
        tell("\(options.cluster) is generation \(new.definition.generation) now\n")
        if let hint { tell("\(hint)\n") }
        try await follow(new.definition, leaver: leaver)
    }

    // MARK: Looking on

    /// Of what the file says.
    func follow() async throws {
        guard !options.check else { return print(text.text, terminator: "") }
        try await follow(text.definition, leaver: nil)
    }

    private func follow(_ definition: ClusterDefinition, leaver: Node?) async throws {
        let path = options.cluster
        endAtSignals {
            tell(
                "sojourn cluster: the change goes on by itself; look on with: sojourn cluster follow --cluster \(path)\n"
            )
        }
        let start = ContinuousClock.now
        var told = ""
        var toldAt = start
        var hasReminded = false
        while true {
            let looks = await look(definition.nodes)
            let leaving = await look([leaver].compactMap(\.self))
            let now = ContinuousClock.now
            let seconds = (now - start) / .seconds(1)
            let state = Self.list(looks.map(\.sentence) + leaving.map(\.leavingSentence))
            if state != told || now - toldAt >= .seconds(Self.reminderSeconds) {
                tell("\(Self.shown(seconds)) s  \(state)\n")
                (told, toldAt) = (state, now)
            }
            if looks.allSatisfy({ $0.isSettled(by: definition.generation) }),
                leaving.allSatisfy({ $0.isGone })
            {
                let names = definition.nodes.map(\.name).joined(separator: ", ")
                print(
                    "all nodes go by generation \(definition.generation), after \(Self.shown(seconds)) s: \(names)"
                )
                if leaving.contains(where: { $0.statistics != nil }), let leaver {
                    print("\(leaver.name) has nothing that others have not, and may be stopped")
                }
                return
            }
            if !hasReminded, seconds > Self.unreadSeconds,
                !looks.contains(where: { $0.knows(definition.generation) })
            {
                hasReminded = true
                tell(
                    "no node has taken \(path) yet: it must be the file that a node on this machine was started with; if it is, that node's log says what is wrong with it\n"
                )
            }
            guard seconds < options.timeout else {
                throw Failure(
                    "not over after \(options.timeout.shortest) s; it goes on by itself: sojourn cluster follow --cluster \(path)"
                )
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    private func look(_ nodes: [Node]) async -> [NodeLook] {
        await nodes.concurrentMap { [access] in
            NodeLook(
                node: $0, outcome: await NodeInquiry.ask($0, access, seconds: Self.askSeconds))
        }
    }

    private static func list(_ texts: [String]) -> String { texts.joined(separator: ", ") }

    private static func shown(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }
}

/// How far a node has come.
private struct NodeLook {
    let node: Node
    let outcome: Result<NodeStatistics, NodeInquiry.Trouble>

    var statistics: NodeStatistics? { try? outcome.get() }

    var trouble: String? {
        if case .failure(let trouble) = outcome { trouble.description } else { nil }
    }

    var state: String { statistics?["cluster_change"] ?? "tells nothing of changes" }

    var isChanging: Bool {
        guard let statistics else { return false }
        // Who waits to be told by which one others go holds nobody up.
        guard statistics["cluster_change"] != "learning" else { return false }
        return statistics["cluster_change"] != "settled"
            || statistics.number("cluster_next") != statistics.number("cluster_generation")
    }

    func knows(_ generation: Int) -> Bool {
        (statistics?.number("cluster_next") ?? 0) >= generation
    }

    func isSettled(by generation: Int) -> Bool {
        guard let statistics else { return false }
        return (statistics.number("cluster_generation") ?? 0) >= generation && !isChanging
            && state != "learning"
            && statistics["cluster_state"] == "current" && statistics.number("members_away") == 0
    }

    /// Of one that leaves: it passes everything on, or is not there.
    var isGone: Bool {
        guard let statistics else { return true }
        return statistics["cluster_change"] == "removed"
    }

    var sentence: String {
        guard let statistics else { return "\(node.name) is down" }
        let generation = statistics.number("cluster_generation") ?? 0
        let next = statistics.number("cluster_next") ?? 0
        if state == "settled", next == generation {
            let isCurrent =
                statistics["cluster_state"] == "current" && statistics.number("members_away") == 0
            return "\(node.name) goes by \(generation)\(isCurrent ? "" : ", not current")"
        }
        if state == "removed" { return "\(node.name) was removed before: start it again" }
        let items = statistics.number("curr_items").map { " with \($0) items" } ?? ""
        return "\(node.name) \(state)\(items)"
    }

    var leavingSentence: String {
        isGone ? "\(node.name) has left" : "\(node.name) leaves (\(state))"
    }
}
