import Cluster

/// The generations of the cluster's definition that a node knows: the one that it acts by, the one before until all is where
/// it is to be, and later ones.
///
/// Reached with the member's lock held.
struct KnownDefinitions {
    private let configuration: PeerConfiguration
    private var byGeneration: [UInt64: PeerDefinition] = [:]
    /// None as long as others have to tell.
    private(set) var acted: PeerDefinition?
    private(set) var previous: PeerDefinition?
    private let file: DefinitionFile?
    /// Whom this node, or an earlier process of it, has gone on without.
    private(set) var outlived: MemberSet = []

    enum Verdict {
        case known
        case new
        /// For this reason.
        case refused(String)
    }

    /// - Parameter file: none where items do not outlive the process.
    init(_ configuration: PeerConfiguration, file: DefinitionFile?) {
        self.configuration = configuration
        self.file = file
        let own = configuration.definition
        byGeneration[own.generation] = own
        if let (acted, previous, outlived) = restored() {
            byGeneration[acted.generation] = acted
            self.outlived = outlived
            self.acted = acted
            self.previous = previous
        } else if own.generation == 1 || configuration.me == nil {
            // Nobody has acted by another one before; and what a front goes by is nobody else's matter.
            acted = own
        }
    }

    /// What an earlier process has acted by, unless the file has another one of the same generation: all nodes were stopped
    /// then, and it was changed meanwhile.
    private func restored() -> (PeerDefinition, previous: PeerDefinition?, outlived: MemberSet)? {
        guard let content = file?.load(),
            let acted = try? configuration.read(content.acted, "the definition of last time"),
            let me = configuration.me, acted.members[me]?.name == configuration.ownName
        else { return nil }
        let own = configuration.definition
        guard acted.generation != own.generation || acted.hash == own.hash else { return nil }
        guard acted.rulesHash == own.rulesHash else { return nil }
        // What placement does not depend on is as the file has it.
        let present = acted.generation == own.generation ? own : acted
        let previous = content.previous.flatMap {
            try? configuration.read($0, "the definition before")
        }
        return (present, previous, content.outlived)
    }

    /// Whether this node has nothing to say before others act by the definition that has it.
    var isNewcomer: Bool {
        guard let me = configuration.me, let own = configuration.definition.members[me] else {
            return false
        }
        return own.since > 1 && own.since == configuration.definition.generation
            && configuration.definition.members.count > 1
    }

    subscript(generation: UInt64) -> PeerDefinition? { byGeneration[generation] }

    /// The highest that is known.
    var newest: PeerDefinition {
        byGeneration.values.max { $0.generation < $1.generation } ?? configuration.definition
    }

    /// Those that a peer may have to be told of.
    var present: [PeerDefinition] {
        var all = [acted].compactMap(\.self)
        if newest.generation != acted?.generation { all.append(newest) }
        return all
    }

    func notices(withTexts: Bool) -> [DefinitionNotice] {
        present.map { notice(of: $0, withText: withTexts) }
    }

    func notice(of definition: PeerDefinition, withText: Bool) -> DefinitionNotice {
        DefinitionNotice(
            generation: definition.generation, hash: definition.hash,
            rulesHash: definition.rulesHash,
            use: definition.generation != acted?.generation
                ? .known : previous == nil ? .settled : .acted,
            text: withText ? Array(definition.text.utf8) : [])
    }

    /// Why nodes that have said this do not belong together with this one; nil if they may.
    func objection(to notice: DefinitionNotice) -> String? {
        guard notice.rulesHash == configuration.definition.rulesHash else {
            return
                "its definition has another name, peers.timeout or peers.partition: these are the same at all nodes"
        }
        guard let known = byGeneration[notice.generation], known.hash != notice.hash else {
            return nil
        }
        return
            "its definition of generation \(notice.generation) is another one: give the right one a higher generation"
    }

    /// Takes a definition's text, or the file's again.
    mutating func take(_ new: PeerDefinition) -> Verdict {
        if let known = byGeneration[new.generation] {
            return known.hash == new.hash
                ? .known
                : .refused(
                    "it is not what generation \(new.generation) was: a change needs a higher generation"
                )
        }
        if let acted {
            guard new.generation > acted.generation else {
                return .refused(
                    "generation \(new.generation) is over: the nodes go by \(acted.generation)")
            }
            if let reason = new.objection(after: acted) { return .refused(reason) }
        }
        if let me = configuration.me, let own = new.members[me], own.name != configuration.ownName {
            return .refused("this node's id, \(me), is \(own.name)'s there")
        }
        byGeneration[new.generation] = new
        return .new
    }

    /// What others act by, where this node did not know.
    mutating func learn(_ definition: PeerDefinition) {
        guard acted == nil else { return }
        let own = configuration.definition
        let isOwn = definition.generation == own.generation && definition.hash == own.hash
        acted = isOwn ? own : definition
        byGeneration[definition.generation] = acted
        _ = write()
    }

    /// False if it could not be written down.
    mutating func act(by generation: UInt64, after previous: UInt64?) -> Bool {
        guard let new = byGeneration[generation] ?? (acted?.generation == generation ? acted : nil)
        else { return true }
        let before = previous.flatMap { byGeneration[$0] } ?? acted
        self.previous = previous == nil ? nil : before
        acted = new
        byGeneration = byGeneration.filter { $0.key >= generation || $0.key == previous }
        return write()
    }

    /// What this node had is gone: who was gone on without may have more.
    mutating func forgetOutlived() { outlived = [] }

    /// False if it could not be written down.
    mutating func outlive(_ members: MemberSet) -> Bool {
        outlived = members
        return write()
    }

    private func write() -> Bool {
        guard let file, let acted else { return true }
        return file.store(
            .init(acted: acted.text, previous: previous?.text, outlived: outlived))
    }

    /// Where all are that this node may have to speak to, the latest word first.
    var members: [Int: PeerDefinition.Member] {
        var all = acted?.members ?? [:]
        all.merge(previous?.members ?? [:]) { own, _ in own }
        all.merge(newest.members) { _, new in new }
        return all
    }
}
