import EventLoop
import Logging
import SessionMap
import Synchronization

/// SIGHUP, where the configuration is a file: what can be changed without logging anybody out is, and of the rest it is
/// said that it takes a restart.
extension Node {
    func reconfigure() {
        guard let readAgain = configuration.readAgain else { return }
        let logger = context.logger
        let new: NodeConfiguration
        do {
            new = try readAgain()
        } catch {
            // Whoever has written it says which file it is.
            return logger.error("the configuration stays as it was: \(error)")
        }
        let words = configuration.rules.wordsThatDiffer(from: new.rules)
        if !words.isEmpty { tellRestart(words, of: "the node") }
        for space in context.spaces.all where !new.spaces.contains(where: { $0.name == space.name })
        {
            logger.warning(
                "space \(space.name) is not in the configuration any more: it goes on until the node is restarted"
            )
        }
        for wanted in new.spaces {
            if let space = context.spaces[wanted.name] {
                change(space, to: wanted)
            } else if !newcomers.contains(where: { $0.name == wanted.name && !$0.isOver }) {
                begin(wanted, new)
            }
        }
        logger.notice("the configuration was read again: \(new.spaces.count) spaces")
    }

    private func tellRestart(_ words: [String], of whom: String) {
        context.logger.warning(
            "\(whom): what changed of \(words.joined(separator: ", ")) takes a restart of the node")
    }

    // MARK: A space that is there

    private func change(_ space: Space, to wanted: SpaceConfiguration) {
        var decided = space.configuration
        let words = decided.wordsThatStay(beside: wanted)
        if !words.isEmpty { tellRestart(words, of: "space \(space.name)") }
        changeMemory(of: space, to: wanted.memoryByteCount)
        decided.connectionLimitRule = wanted.connectionLimitRule
        if decided.connectionCountMax != wanted.connectionCountMax {
            decided.connectionCountMax = wanted.connectionCountMax
            space.acceptance.placeCount.store(wanted.connectionCountMax, ordering: .relaxed)
            tell(space, "at most \(wanted.connectionCountMax) connections from now on")
        }
        changeTimes(of: space, from: &decided, to: wanted)
        changeUsers(of: space, from: &decided, to: wanted)
        let hasOtherRules = decided.listener != wanted.listener
        decided.listener = wanted.listener
        if hasOtherRules { tell(space, "other rules for who connects from now on") }
        changePlaces(of: space, from: &decided, to: wanted)
        if decided.userRule != wanted.userRule {
            decided.userRule = wanted.userRule
            tell(space, "operators find users by another rule from now on")
        }
        changePredecessor(of: space, from: &decided, to: wanted)
        space.decide(decided)
    }

    /// It can be taken out, and nothing else: what was done here without it is not known to it.
    private func changePredecessor(
        of space: Space, from decided: inout SpaceConfiguration, to wanted: SpaceConfiguration
    ) {
        switch (decided.predecessor, wanted.predecessor) {
        case (nil, nil): break
        case (.some, nil):
            decided.predecessor = nil
            space.predecessor?.finish()
            tell(space, "its predecessor is not asked any more")
        case (let old?, let new?) where old.matches(new): break
        default: tellRestart(["predecessor, predecessor_..."], of: "space \(space.name)")
        }
    }

    private func tell(_ space: Space, _ sentence: String) {
        context.logger.notice("space \(space.name): \(sentence)")
    }

    private func changeMemory(of space: Space, to new: Int) {
        let old = space.configuration.memoryByteCount
        guard old != new else { return }
        // With a file it takes a while, on another thread.
        let logger = context.logger
        space.memory.set(byteCount: new, logger: logger) { outcome in
            guard outcome == .changed else {
                return logger.error(
                    """
                    space \(space.name): memory_limit stays \(old >> 20) MB: it cannot become \
                    \(new >> 20) MB while the node runs
                    """)
            }
            space.decide(memoryByteCount: new)
            logger.notice(
                "space \(space.name): \(new >> 20) MB of memory instead of \(old >> 20)")
        }
    }

    private func changeTimes(
        of space: Space, from decided: inout SpaceConfiguration, to wanted: SpaceConfiguration
    ) {
        var rules = wanted.timeouts
        if rules.absoluteSeconds != 0, !space.map.keepsBirths {
            tellRestart(["absolute"], of: "space \(space.name)")
            rules.absoluteSeconds = 0
        }
        if decided.timeouts != rules, space.map.setTimeouts(rules) {
            decided.timeouts = rules
            tell(space, "other timeouts, for what is stored, touched or read from now on")
        }
        guard decided.fence != wanted.fence else { return }
        // What is written down, and what members of a cluster tell each other, begins with the space.
        guard decided.fence.seconds > 0, wanted.fence.seconds > 0, wanted.peers == nil else {
            return tellRestart(["fence"], of: "space \(space.name)")
        }
        decided.fence = wanted.fence
        space.fence.decide(wanted.fence)
        tell(space, "another fence, for what is deleted from now on")
    }

    private func changeUsers(
        of space: Space, from decided: inout SpaceConfiguration, to wanted: SpaceConfiguration
    ) {
        guard decided.authentication != wanted.authentication else { return }
        do throws(NodeError) {
            space.authentication = try SpaceMaker.makeAuthentication(wanted.authentication)
            decided.authentication = wanted.authentication
            tell(
                space,
                wanted.authentication == nil
                    ? "nobody has to log in any more" : "who connects from now on has to log in")
        } catch {
            context.logger.error("space \(space.name): its users stay as they were: \(error)")
        }
    }

    private func changePlaces(
        of space: Space, from decided: inout SpaceConfiguration, to wanted: SpaceConfiguration
    ) {
        let (old, new) = (decided.places, wanted.places)
        var kept = old.filter { new.contains($0) }
        for place in new where !old.contains(place) {
            do {
                let sockets = try configuration.makeSockets(at: place)
                try acceptor.listen(for: space, on: sockets) {
                    ListenerIdentity(space: space, wanted, $0)
                }
                kept.append(place)
                if let exposure = Exposure(of: sockets, space).sentence {
                    context.logger.warning("\(exposure)")
                }
                tell(space, "listens on \(place), too")
            } catch {
                context.logger.error("space \(space.name): \(error)")
            }
        }
        acceptor.close(of: space, allBut: kept) { $0.with(wanted.listener) }
        for place in old where !kept.contains(place) {
            tell(space, "listens on \(place) no more; who came by it stays")
        }
        decided.listening = kept
    }

    // MARK: A space that is new

    private func begin(_ wanted: SpaceConfiguration, _ node: NodeConfiguration) {
        let logger = context.logger
        guard wanted.peers == nil else {
            return logger.error(
                "space \(wanted.name): a space of a cluster that keeps copies takes a restart of the node"
            )
        }
        do {
            newcomers.append(
                try Newcomer(wanted, of: configuration, loop: loop) { [unowned self] in
                    admit($0, $1)
                })
        } catch {
            logger.error("space \(wanted.name): \(error)")
        }
    }

    private func admit(_ newcomer: Newcomer, _ result: Result<Space, NodeError>) {
        newcomer.join()
        do {
            let space = try result.get()
            let places = try admit(space)
            let listing = places.map(\.description).joined(separator: ", ")
            tell(space, "is there, and listens on \(listing)")
        } catch {
            context.logger.error("space \(newcomer.name): \(error)")
        }
    }
}

extension NodeRules {
    /// What differs, in the words of a configuration file.
    fileprivate func wordsThatDiffer(from other: NodeRules) -> [String] {
        [
            ("threads", threadCount != other.threadCount),
            ("max_reqs_per_event", commandsPerTurn != other.commandsPerTurn),
            ("idle_timeout", idleTimeoutSeconds != other.idleTimeoutSeconds),
            ("output_timeout", outputTimeoutSeconds != other.outputTimeoutSeconds),
            ("listen_backlog", backlog != other.backlog),
            ("ssl_handshakes", handshakeCountMax != other.handshakeCountMax),
            ("ssl_handshake_timeout", handshakeTimeoutSeconds != other.handshakeTimeoutSeconds),
            ("sandbox", isSandboxed != other.isSandboxed),
            ("operator", operatorSocket != other.operatorSocket),
            ("top_sample", topSampleInterval != other.topSampleInterval),
            ("id_key_file", idKeyFile != other.idKeyFile),
            ("admin, admin_...", admin != other.admin),
        ].filter(\.1).map(\.0)
    }
}

extension SpaceConfiguration {
    /// What differs and cannot be changed while the space is there, in the words of a configuration file.
    fileprivate func wordsThatStay(beside other: SpaceConfiguration) -> [String] {
        [
            ("memory_file", memoryFile != other.memoryFile),
            ("max_item_size", itemByteCountMax != other.itemByteCountMax),
            ("disable_evictions", evicts != other.evicts),
            ("eviction, probation, proof_age", eviction != other.eviction),
            ("checksums", checksums != other.checksums),
            ("disable_cas", assignsCASUniques != other.assignsCASUniques),
            ("lock_memory", locksPages != other.locksPages),
            ("track_sizes", tracksSizes != other.tracksSizes),
            ("stat_key_prefix", prefixDelimiter != other.prefixDelimiter),
            ("lock_keys, lock_wait, lock_waiters, lock_waiters_all", locks != other.locks),
            ("classic_exptime", exptimeRule != other.exptimeRule),
            ("enable_ssl, ssl_...", tls != other.tls),
            ("cluster", cluster?.path != other.cluster?.path),
            ("node, front", peers?.me != other.peers?.me),
        ].filter(\.1).map(\.0)
    }
}
