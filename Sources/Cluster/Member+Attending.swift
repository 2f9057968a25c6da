/// What follows from who is there, and as time goes by.
extension Member {
    func carryOut(_ consequences: Pair.Consequences, _ peer: Int, now: UInt64) {
        noteOutlived(peer)
        if consequences.contains(.releases), let pair = pairs[peer] {
            // What it may have made without our knowing was made before.
            store.follow(clock: pair.peerClockMax(at: now))
            pairs[peer]?.noteParted(store.clock)
            release(peer, now: now)
        }
        if consequences.contains(.compares) { startExchange(peer, now: now) }
        if consequences.contains(.sendsBarrier), let since = pairs[peer]?.waitsSince {
            effects.append(.send(peer: peer, .barrier(since: since)))
        }
        if consequences.contains(.states) { state(to: peer, now: now) }
        if consequences.contains(.rethinks) { rethink(now: now) }
    }

    /// A later process has to know it before anything follows from it.
    private func noteOutlived(_ peer: Int) {
        var known = outlived
        switch standing(to: peer) {
        case .alone: known.insert(peer)
        case .together, .behind, .divided: known.remove(peer)
        case .unknown: return
        }
        guard known != outlived else { return }
        outlived = known
        effects.append(.outlives(known))
    }

    /// A peer has been given up: what waits for it alone is done.
    private func release(_ peer: Int, now: UInt64) {
        for (_, operation, made) in operations.replications(to: peer) {
            guard !isLeftBehind(operation, by: peer) else {
                makeAnew(operation, now: now)
                continue
            }
            store.released(made.state)
            // That a read has proven it is no later state, which would be found by comparing.
            note(made.state.key, for: peer)
            // Somebody else is to have it before it is answered for.
            guard operations.acknowledged(operation, by: peer) else { continue }
            if operation.request.isRead || mayGoOn(without: peer, at: now) {
                finish(operation, made.outcome)
            } else {
                abandon(operation)
            }
        }
    }

    private func rethink(now: UInt64) {
        guard !operations.isEmpty else { return }
        for number in operations.numbers {
            guard let operation = operations[number] else { continue }
            switch operation.progress {
            case .parked: proceed(operation, now: now)
            case .forwarded(let target):
                // As long as it is heard it may carry the request out, or has.
                guard !hears(target, at: now) else { continue }
                operation.mayBeMade = true
                proceed(operation, now: now)
            case .fetching(let peer):
                if !hears(peer, at: now) { proceed(operation, now: now) }
            case .replicating(let replications):
                let (first, second) = replications.peers
                if let second { rethink(operation, waitingFor: second, now: now) }
                rethink(operation, waitingFor: first, now: now)
            case .refused(let peer):
                if !hears(peer, at: now) { makeAnew(operation, now: now) }
            case .queued: continue
            }
        }
    }

    private func rethink(_ operation: Operation, waitingFor peer: Int, now: UInt64) {
        let standing = standing(to: peer)
        guard
            standing == .behind || standing == .unknown || isLeftBehind(operation, by: peer),
            case .replicating(let replications) = operation.progress, replications.contains(peer)
        else { return }
        // The peer is in charge now, and this change may be lost: it decides once more.
        if peer == presentStandIn || owns(operation.request.key, besides: peer) {
            return makeAnew(operation, now: now)
        }
        // It is not, and will have it when all is compared.
        if operations.acknowledged(operation, by: peer), let made = operation.made {
            finish(operation, made.outcome)
        }
    }

    /// What waited until it is known who decides.
    func proceedParked(now: UInt64) { rethink(now: now) }

    func state(to peer: Int, now: UInt64) {
        if isFront || fronts.contains(peer) {
            // Nothing is promised by it: it only shows who is there, and whom that one hears.
            var statement = Statement(
                process: process, time: now, standing: .unknown, isReady: isServing,
                hears: heardMembers,
                clock: store.clock, flushed: store.flushed)
            statement.isWith = company
            tellGeneration(in: &statement)
            return effects.append(.state(peer: peer, statement))
        }
        guard
            var statement = pairs[peer]?.statement(
                hears: heardMembers, clock: store.clock, flushed: store.flushed,
                agreed: agreedUntil[peer] ?? 0, now: now)
        else { return }
        statement.isWith = company
        statement.isStandingIn = isStandingIn
        tellGeneration(in: &statement)
        effects.append(.state(peer: peer, statement))
    }

    private func tellGeneration(in statement: inout Statement) {
        statement.generation = generations.acted.number
        statement.next = generations.target
        statement.phase = generations.phase
    }

    /// Whether this member knows of all keys that it owns what the others know.
    private var isServing: Bool {
        !isFront && !generations.isOutdated
            && pairs.allSatisfy { peer, pair in
                !generations.acted.members.contains(peer)
                    || pair.standing != .unknown && pair.standing != .behind
            }
    }

    /// To be called every few milliseconds.
    package func tick(now: UInt64) {
        heardMembers = []
        var countedOn = 0
        var countedOnAndHeard = 0
        for peer in pairs.keys {
            if pairs[peer]?.hearsWell(at: now) == true { heardMembers.insert(peer) }
            guard pairs[peer]?.isCountedOn == true else { continue }
            countedOn += 1
            if hears(peer, at: now) { countedOnAndHeard += 1 }
        }
        if countedOn > 1, countedOnAndHeard == 0 { isolatedUntil = now + times.silence }
        let earliest = operations.earliestChanges
        for peer in pairs.keys where !isFront {
            let others = pairs.keys.contains { other in
                other != peer && hears(other, at: now) && pairs[other]?.peerHears(peer) == true
            }
            // Of what is still on its way nobody knows whether both will have it.
            let agreed = min(store.clock, max(earliest[peer] ?? .max, 1) - 1)
            agreedUntil[peer] = agreed
            pairs[peer]?.noteAgreed(agreed, now: now)
            let wasUnknown = standing(to: peer) == .unknown
            let isIsolated = mayBeIsolated(from: peer, at: now)
            let isExpected = !outlived.contains(peer) && !(wasUnknown && isStoodIn(for: peer))
            if let consequences = pairs[peer]?.tick(
                othersHear: others, isIsolated: isIsolated,
                isExpected: isExpected, now: now)
            {
                if wasUnknown, standing(to: peer) == .alone { counts.servedAlone += 1 }
                carryOut(consequences, peer, now: now)
            }
        }
        noteMinority(at: now)
        if now >= statedAt + times.statement {
            statedAt = now
            for peer in pairs.keys + fronts.sorted() { state(to: peer, now: now) }
        }
        store.isComparing = exchanges.contains { $0.value.isOn }
        goOnComparing(now: now)
        attendOperations(now: now)
        attendFlushes(now: now)
        attendNotes(now: now)
        attendChange(now: now)
        attendGuests(now: now)
        rethink(now: now)
        proceedAwakened(now: now)
    }

    /// Whether this member is cut off rather than a peer that is silent: several are counted on, and none of the others has
    /// answered after that one fell silent. Nil if no other is counted on: those that went on without this member say nothing
    /// of the peer.
    private func mayBeIsolated(from peer: Int, at now: UInt64) -> Bool? {
        guard now >= isolatedUntil, let silent = pairs[peer]?.heardAt else { return true }
        let others = pairs.keys.lazy.filter { [self] in
            $0 != peer && pairs[$0]?.isCountedOn == true
        }
        guard !others.isEmpty else { return nil }
        let answeredLater = silent + times.silence * 5 / 8
        return !others.contains { pairs[$0]?.answeredAt ?? 0 > answeredLater }
    }

    private func attendOperations(now: UInt64) {
        guard !operations.isEmpty else { return }
        for peer in operations.slowPeers(at: now, slowness: times.slowness) {
            if pairs[peer]?.noteSlow() == true { counts.slowPeers += 1 }
        }
        goAround(now: now)
        for number in operations.overdue(at: now) {
            guard let operation = operations[number] else { continue }
            if case .client(let client) = operation.origin { effects.append(.hangUp(client)) }
            // The store has it, and the peer may: the key is not settled until that has acknowledged it, or is
            // given up.
            guard case .replicating = operation.progress else {
                _ = end(operation)
                continue
            }
            operation.origin = .nobody
            operation.deadline = .max
        }
    }
}
