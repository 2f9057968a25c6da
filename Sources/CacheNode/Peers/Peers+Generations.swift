import Cluster
import EventLoop
import Logging
import SessionMap
import Synchronization

/// From one generation of the cluster's definition to the next: where definitions come from, and what follows here from the
/// member's acting by another one.
extension Peers {
    // MARK: Who is who

    /// A closure by itself would be wrapped once more with each look at it.
    func owners(of key: [UInt8]) -> (first: Int, second: Int?) {
        rule.withLock { $0 }.owners(key)
    }

    /// Where all are that this node may speak to.
    var members: [Int: PeerDefinition.Member] {
        lock.withLock { _ in definitions?.members ?? configuration.definition.members }
    }

    var definitionHash: UInt64 {
        lock.withLock { _ in (definitions?.acted ?? configuration.definition).hash }
    }

    func isStranger(_ peer: Int) -> Bool { lock.withLock { _ in strangers.contains(peer) } }

    /// For messages. With the lock held.
    func name(of peer: Int) -> String {
        definitions?.members[peer].map { "member \($0.name)" } ?? "a front"
    }

    // MARK: Definitions

    /// Where it is written down by which one this node acts; none where its items do not outlive it either.
    func definitionFile(of space: Space, _ context: NodeContext) -> DefinitionFile? {
        guard !isFront, let path = space.configuration.memoryFile else { return nil }
        do {
            return try DefinitionFile(
                path + ".definition", cluster: configuration.clusterHash,
                memory: space.map.arenaID.reduce(0, ^))
        } catch {
            context.logger.error(
                "by which generation of the definition this node acts is not written down: \(error)"
            )
            return nil
        }
    }

    /// What the operator has put into the file, read again. Nil if it is taken, or known; else why it is not.
    func offer(_ definition: PeerDefinition) -> String? {
        lock.withLock { _ in
            defer { finish() }
            return take(definition, from: "the file")
        }
    }

    private func take(_ definition: PeerDefinition, from source: String) -> String? {
        switch definitions?.take(definition) {
        case .refused(let reason): return reason
        case .new:
            context?.logger.notice(
                "generation \(definition.generation) of the definition, from \(source): \(definition.names)"
            )
            offerNewest()
            // Others may have no file that changes.
            for peer in member?.peers ?? [] {
                guard let notice = definitions?.notice(of: definition, withText: false) else {
                    break
                }
                _ = links.send(.definition(notice), to: peer)
            }
            noteOwing()
            return nil
        case .known, nil: return nil
        }
    }

    /// Lets the member change to the newest definition, if it can now. To be called again and again: it may have to wait
    /// for another change, or until what others own now was dropped.
    func offerNewest() {
        guard let member, let newest = definitions?.newest, newest.generation > member.generation
        else { return }
        if let peer = member.peers.first(where: { links.version(of: $0) == .two }) {
            return complain(
                "generation \(newest.generation) of the definition has to wait: \(name(of: peer)) is of an earlier version; restart all nodes with the new one first"
            )
        }
        change(to: newest)
    }

    private func change(to definition: PeerDefinition) {
        guard member?.change(to: definition.rule, now: now) == true else { return }
        // What is here may be a copy that others decide about.
        ownsAllItems.clear()
        gates.beginEpoch()
    }

    /// What a node says of a definition. False if the two do not belong together.
    func take(_ notice: DefinitionNotice, by link: PeerLink) -> Bool {
        guard let definitions else { return true }
        if let reason = definitions.objection(to: notice) {
            member?.notePresent(link.peer, now: now)
            if !link.isFronts { strangers.insert(link.peer) }
            complain("closed the link to \(name(of: link.peer)): \(reason)")
            return false
        }
        strangers.remove(link.peer)
        if !notice.text.isEmpty {
            read(notice, from: name(of: link.peer))
        } else if notice.generation > definitions.newest.generation {
            link.append(.ask(generation: notice.generation))
            noteOwing(link)
            // What comes from now on may be copies that others decide about.
            ownsAllItems.clear()
            gates.beginEpoch()
            wantsItemSurvey = true
        }
        return true
    }

    private func read(_ notice: DefinitionNotice, from source: String) {
        guard let definition = definition(of: notice, from: source) else { return }
        defer {
            // The member may know a later one, and must know by which others act all the same.
            if notice.use != .known, let known = definitions?[notice.generation] {
                change(to: known)
            }
        }
        if let reason = take(definition, from: source) {
            complain(
                "refused generation \(notice.generation) of the definition, from \(source): \(reason)"
            )
        }
    }

    private func definition(of notice: DefinitionNotice, from source: String) -> PeerDefinition? {
        do {
            let text = String(decoding: notice.text, as: UTF8.self)
            let definition = try configuration.read(
                text, "generation \(notice.generation) of the definition, from \(source)")
            guard definition.generation == notice.generation, definition.hash == notice.hash else {
                complain("\(source) sends another definition than it has announced")
                return nil
            }
            return definition
        } catch {
            complain("\(error)")
            return nil
        }
    }

    private func complain(_ complaint: String) {
        if complaints.count > 100 { complaints = [] }
        if complaints.insert(complaint).inserted { context?.logger.error("\(complaint)") }
    }

    /// Lets a node that asks have the text of a definition.
    func tell(_ generation: UInt64, by link: PeerLink) {
        guard let definitions, let definition = definitions[generation] else { return }
        link.append(.definition(definitions.notice(of: definition, withText: true)))
        noteOwing(link)
    }

    /// What is answered to who only asks which definition is gone by.
    func noticesToTell() -> [DefinitionNotice] {
        lock.withLock { _ in definitions?.notices(withTexts: true) ?? [] }
    }

    /// What somebody has answered whom this node has asked.
    func learn(_ notice: DefinitionNotice) {
        lock.withLock { _ in
            guard let definitions, !notice.text.isEmpty else { return }
            let source = "another node"
            if let reason = definitions.objection(to: notice) {
                return complain("\(source): \(reason)")
            }
            defer { finish() }
            guard definitions.acted == nil else {
                if definitions[notice.generation] == nil { read(notice, from: source) }
                if notice.use == .settled, let known = self.definitions?[notice.generation] {
                    member?.leave(by: known.rule, now: now)
                }
                return
            }
            guard notice.use != .known, let acted = definition(of: notice, from: source) else {
                return
            }
            if let me = configuration.me, let own = acted.members[me],
                own.name != configuration.ownName
            {
                return complain(
                    "this node's id, \(me), is \(own.name)'s by generation \(acted.generation)")
            }
            self.definitions?.learn(acted)
            begin()
        }
    }

    /// Whether others have to tell by which definition they act, and this node says nothing before.
    var isLearning: Bool { lock.withLock { _ in definitions?.acted == nil } }

    /// Nobody has told anything: unless it is a newcomer, this node acts by its own definition, as all do that start
    /// together.
    func stopLearning() {
        lock.withLock { _ in
            guard let known = definitions, known.acted == nil, !known.isNewcomer else { return }
            definitions?.learn(configuration.definition)
            begin()
            finish()
        }
    }

    // MARK: What follows

    /// Members are gone on without, or with again.
    func outlive(_ members: MemberSet) {
        if definitions?.outlive(members) == false {
            complain(
                "cannot write down whom this node has gone on without: a restart may wait for them")
        }
    }

    /// The member acts by another generation. Until everything is where it is to be there is one before.
    func act(by generation: UInt64, after previous: UInt64?) {
        defer {
            ownsAllItems.clear()
            gates.beginEpoch()
        }
        if definitions?.act(by: generation, after: previous) == false {
            context?.logger.error(
                "cannot write down by which generation of the definition this node acts: a restart may find it behind the others"
            )
        }
        guard let acted = definitions?.acted else { return }
        rule.withLock { $0 = acted.rule }
        if previous != nil || isFront {
            context?.logger.notice(
                "goes by generation \(generation) of the definition: \(acted.names)")
            tellClients(of: acted)
        }
        guard previous == nil else { return }
        if !isFront, acted.members[me] == nil {
            isRemoved.set()
            context?.logger.notice(
                "is no member any more: it passes everything on, and may be stopped")
        } else {
            wantsItemSurvey = true
        }
        attention.withLock { $0?.wake() }
    }

    /// `config get` tells what is gone by.
    func tellClients(of definition: PeerDefinition) {
        guard let told = definition.told else { return }
        if let context { space?.tellClients(of: told, logger: context.logger) }
    }

    /// Drops what others own now, and finds out whether this node owns all that it has. Takes long: on a thread of its own.
    ///
    /// - Parameter isToEnd: whether the process is about to end: the next one drops the rest.
    func dropOthersItems(isToEnd: () -> Bool) {
        let isForeign = lock.withLock { _ -> (([UInt8]) -> Bool)? in
            defer { drop = nil }
            isDropping = drop != nil
            wantsItemSurvey = false
            return drop
        }
        if let isForeign, let map, let space {
            // The member may go over to another generation meanwhile.
            var (epoch, present) = (gates.epoch, rule.withLock { $0 })
            func isToGo(_ key: [UInt8]) -> Bool {
                if gates.epoch != epoch { (epoch, present) = (gates.epoch, rule.withLock { $0 }) }
                return isForeign(key) && !present.holds(key, me)
            }
            var walk = ItemWalk()
            var goesOn = true
            var keys: [[UInt8]] = []
            while goesOn, !isToEnd() {
                let now = space.clock.now().seconds
                keys.removeAll(keepingCapacity: true)
                goesOn = map.step(&walk, now: now) { hit in
                    keys.append(hit.withKey { Array($0) })
                }
                for key in keys where isToGo(key) { _ = map.delete(key.span, now: now) }
            }
            let deleted = lock.withLock { _ in store?.deletions.all.map(\.key) ?? [] }
            let foreign = deleted.filter(isToGo)
            for start in stride(from: 0, to: foreign.count, by: Self.droppedCountMax) {
                let some = foreign[start..<min(foreign.count, start + Self.droppedCountMax)]
                lock.withLock { _ in store?.dropDeletions(of: some) }
            }
            lock.withLock { _ in
                isDropping = false
                if drop == nil { member?.dropped(now: now) }
                finish()
            }
        }
        surveyItems()
    }

    /// So many are dropped at a time: others want the lock, too.
    private static let droppedCountMax = 1_000

    /// Whether there is something for `dropOthersItems` to do.
    var hasItemsToLookAt: Bool {
        lock.withLock { _ in (drop != nil || wantsItemSurvey) && !isDropping }
    }

    // MARK: For operators

    /// With the lock held.
    var change: PeersView.Change {
        let newest = definitions?.newest.generation ?? configuration.definition.generation
        return PeersView.Change(
            generation: definitions?.acted?.generation ?? 0, next: newest,
            phase: member?.phase ?? .settled, isLearning: definitions?.acted == nil,
            isRemoved: isRemoved.isSet, isDropping: isDropping || drop != nil)
    }
}

extension PeerDefinition {
    /// For the log.
    fileprivate var names: String {
        members.sorted { $0.key < $1.key }.map(\.value.name).joined(separator: ", ")
    }
}
