/// What peers send.
extension Member {
    /// The first that is to go over a new link, before anything has come by it.
    package func sayHello(to peer: Int, now: UInt64) { state(to: peer, now: now) }

    /// A link is there, and the peer's first statement has come by it.
    package func linked(_ peer: Int, _ statement: Statement, now: UInt64) {
        // It is no member any more.
        guard pairs[peer] != nil else {
            linkedFront(peer, now: now)
            return learn(of: statement.next, from: peer, now: now)
        }
        flush(statement.flushed)
        // The end of the link before it may not have been told.
        endLink(peer)
        transfers[peer]?.noteLink(statement, now: now)
        let hasDied = pairs[peer]?.isOfAnotherProcess(statement) == true
        guard let consequences = pairs[peer]?.linked(statement, now: now) else { return }
        askAgain(peer, hasDied: hasDied, now: now)
        // It has nothing to compare.
        guard !isFront else {
            noteGeneration(of: peer, now: now)
            return proceedParked(now: now)
        }
        if standing(to: peer) == .together { sendAgain(peer, now: now) }
        store.follow(clock: statement.clock)
        noteGeneration(of: peer, now: now)
        carryOut(consequences, peer, now: now)
        noteCompany(of: peer)
        if hasDied { pairs[peer]?.noteDied() }
        proceedAwakened(now: now)
    }

    package func unlinked(_ peer: Int, now: UInt64) {
        if fronts.remove(peer) != nil { return }
        guard let consequences = pairs[peer]?.unlinked(now: now) else { return }
        noteMinority(at: now)
        endLink(peer)
        transfers[peer]?.need(now: now)
        carryOut(consequences, peer, now: now)
        attendChange(now: now)
        proceedAwakened(now: now)
    }

    /// What was on its way may not have come, and does not come any more.
    private func endLink(_ peer: Int) {
        exchanges[peer]?.stop()
        notes[peer]?.takeBack()
    }

    package func heard(_ peer: Int, _ statement: Statement, now: UInt64) {
        flush(statement.flushed)
        // The table grows by a look at a place for writing.
        guard pairs[peer] != nil, let consequences = pairs[peer]?.hear(statement, now: now) else {
            return learn(of: statement.next, from: peer, now: now)
        }
        guard !isFront else { return noteGeneration(of: peer, now: now) }
        store.follow(clock: statement.clock)
        // First of all: by which one it acts decides what may be believed of it.
        noteGeneration(of: peer, now: now)
        carryOut(consequences, peer, now: now)
        noteCompany(of: peer)
        proceedAwakened(now: now)
    }

    /// Somebody is there who owns nothing and passes on to this member.
    package func linkedFront(_ front: Int, now: UInt64) {
        fronts.insert(front)
        state(to: front, now: now)
    }

    /// A peer answers, and refuses a link.
    package func notePresent(_ peer: Int, now: UInt64) {
        pairs[peer]?.notePresent(now: now)
    }

    /// Whether the links to a peer are to be made anew.
    package func isDead(_ peer: Int, at now: UInt64) -> Bool {
        pairs[peer]?.isDead(at: now) ?? false
    }

    /// What was asked for by an earlier link may not have come, nor the answer. Whoever has carried it out remembers that.
    /// But not if that has died: of its changes the other owner knows, which is asked first.
    private func askAgain(_ peer: Int, hasDied: Bool, now: UInt64) {
        for number in operations.numbers {
            guard let operation = operations[number] else { continue }
            switch operation.progress {
            case .forwarded(peer) where hasDied && !operation.request.isRead:
                operation.declinedBy = peer
                operation.mayBeMade = true
                park(operation)
            case .forwarded(peer):
                let hops = operation.hops + 1
                effects.append(.send(peer: peer, .forward(operation.request, hops: hops)))
            case .fetching(peer), .refused(peer):
                effects.append(.send(peer: peer, .fetch(number, key: operation.request.key)))
            default: continue
            }
        }
    }

    /// What was not acknowledged before the link broke may not have come.
    private func sendAgain(_ peer: Int, now: UInt64) {
        for (sequence, operation, made) in operations.replications(to: peer) {
            operation.sentAt = now
            send(.init(peer: peer, sequence: sequence), operation, made.outcome, made.state)
        }
    }

    package func receive(_ frame: PeerFrame, from peer: Int, now: UInt64) {
        if pairs[peer] != nil { framesHeardAt[peer] = now }
        switch frame {
        case .forward(let request, let hops):
            begin(
                Operation(
                    request, from: .peer(peer), hops: hops,
                    budget: Self.budget(byteCount: request.command.count), now: now), now: now)
        case .outcome(let number, let outcome):
            guard let operation = operations[number] else { break }
            // Refused there, and made here before, or by somebody else: it may come to be known.
            if needsMajority, operation.made != nil || operation.mayBeMade,
                outcome == store.refusal(of: operation.request)
            {
                abandon(operation)
            } else {
                finish(operation, outcome)
            }
        case .decline(let number):
            // Until the next tick: by then the two may be of one mind.
            guard let operation = operations[number],
                operation.progress == .forwarded(to: peer)
            else { return }
            guard !operation.isAsking else {
                operation.isAsking = false
                return proceed(operation, now: now)
            }
            operation.declinedBy = peer
            if pairs[peer] != nil { operation.decliners.insert(peer) }
            park(operation)
        case .fetch(let number, let key):
            let state = store.state(of: key)
            if let state, let (made, outcome) = known(of: state) {
                // It becomes what all have, and then was made.
                effects.append(.send(peer: peer, .inform(made, outcome, state)))
            }
            effects.append(.send(peer: peer, .fetched(number, state)))
        case .fetched(let number, let state):
            let isNew =
                state.map { mayTake($0.key, of: peer) && take($0, of: peer) == nil } ?? false
            let operation = operations[number]
            switch operation?.progress {
            case .fetching(peer):
                if isNew { counts.faultedIn += 1 }
                operation?.hasFetched = true
                if let operation { proceed(operation, now: now) }
            case .refused(peer):
                guard let operation, let refusal = operation.refusal else { return }
                // Everything was let go there: what this was made of has gone, and so has what was made of it.
                if state == nil, VersionClock.isPossible(refusal.version) {
                    _ = store.apply(.tombstone(of: operation.request.key, refusal))
                }
                makeAnew(operation, now: now)
            default:
                // Because of a note; or too late, and then it does no harm.
                if let state, state.kind == .item { confirm(state.key, by: peer) }
                if isNew { counts.notesRepaired += 1 }
            }
        case .notes(let notes): take(notes, of: peer)
        case .replicate(_, _, _, let state) where !mayTakeChange(state.key, of: peer): break
        case .replicate(let sequence, let number, let outcome, let state):
            noteReplicated(
                sequence, number, outcome, state, isGuest: false, store.apply(state), by: peer)
        // It is somebody's by a generation that is not known here, or is somebody else's by now.
        case .keep where !mayKeep: break
        case .keep(let sequence, let number, let outcome, let state):
            noteReplicated(
                sequence, number, outcome, state, isGuest: true, store.keep(state), by: peer)
        case .inform(_, _, let state) where !mayTake(state.key, of: peer): break
        case .inform(_, _, let state) where mayHaveBeenDeleted(state, of: peer):
            let end = store.end(state)
            effects.append(.send(peer: peer, .inform(nil, nil, end)))
            tellReceivers(end, except: peer)
        case .inform(let number, let outcome, let state):
            let isLoss = givesWay(to: state, of: peer)
            let isTaken = take(state, of: peer, number, outcome) == nil
            // Whoever is to own a key may have got a later state of it before: by comparing.
            if let number, isTaken || !generations.earlier.owns(state.key, me) {
                if generations.acted.copies > 2, !generations.acted.owns(state.key, me) {
                    appliedByOthers.remember(number, outcome, state)
                } else {
                    applied.remember(number, outcome)
                }
            }
            guard isTaken else {
                if number == nil { answerForKeeping(state, by: peer) }
                break
            }
            if isLoss { counts.lostChanges += 1 }
            // What was here was proven, and so is what has taken its place.
            if state.kind == .item, let kept = store.note(of: state.key), kept.marks != state.marks
            {
                note(state.key, for: peer)
            }
        case .acknowledge(let sequence):
            guard let operation = operations.replicated(sequence, by: peer),
                let outcome = operation.made?.outcome
            else { return }
            counts.acknowledgements.note(microseconds: now - min(now, operation.sentAt))
            if operations.acknowledged(operation, by: peer) { finish(operation, outcome) }
        case .refuse(let sequence, let stamp): refused(sequence, by: peer, stamp, now: now)
        case .flush(let number, let stamp, let asked):
            flush(number, stamp, by: peer, asked: asked, now: now)
        case .flushed(let number, let clock): flushed(number, by: peer, clock, now: now)
        case .barrier(let since):
            guard let consequences = pairs[peer]?.barrierCame(since, now: now) else { return }
            carryOut(consequences, peer, now: now)
        case .compare, .digests, .list, .want, .exchanged: compare(frame, with: peer, now: now)
        case .sharing(let span):
            if transfers[peer] != nil { transfers[peer]?.theirSpan = span }
        case .moved(let word): take(word, of: peer, now: now)
        // Between nodes.
        case .definition, .ask: return
        }
        if frame.mayBringChangeFurther, generations.isChanging { attendChange(now: now) }
        proceedAwakened(now: now)
    }

    /// - Parameter later: what is here instead; nil if it was taken over.
    private func noteReplicated(
        _ sequence: UInt32, _ number: OperationNumber, _ outcome: Outcome?, _ state: KeyState,
        isGuest: Bool, _ later: Stamp?, by peer: Int
    ) {
        if let later {
            // It was carried out here, too, while the two did not hear each other, and other changes have come since.
            if let known = applied[number] {
                effects.append(.send(peer: peer, .outcome(number, known)))
            } else {
                effects.append(.send(peer: peer, .refuse(sequence: sequence, later)))
            }
        } else {
            // Where its owners go on without it they make it once more, and it is not for this member to say that it was made.
            if generations.acted.copies > 2 || isGuest, !generations.acted.owns(state.key, me) {
                appliedByOthers.remember(number, outcome, state)
            } else {
                applied.remember(number, outcome)
                // Whoever is to own the key has to know it, too, should the sender die.
                if generations.isChanging { appliedByOthers.remember(number, outcome, state) }
            }
            pairs[peer]?.noteAcknowledged(state.stamp.version)
            effects.append(.send(peer: peer, .acknowledge(sequence: sequence)))
        }
    }

    /// Whether a state of a peer that has been away is not known here, because it was deleted meanwhile, and the deletion
    /// forgotten: for want of room, or after a day. What is new since the two parted was never here.
    private func mayHaveBeenDeleted(_ state: KeyState, of peer: Int) -> Bool {
        let (forgotten, version) = (store.forgotten, state.stamp.version)
        guard forgotten != 0, state.kind == .item, let pair = pairs[peer], pair.isInCharge,
            forgotten > pair.agreement.until
        else { return false }
        return VersionClock.microseconds(of: version) <= forgotten
            && pair.agreement.hasHad(version, forgotten: forgotten)
            && store.stamp(of: state.key) == .none
    }

    /// Whether what is here was made after the two had parted, and so was what the peer has.
    private func givesWay(to state: KeyState, of peer: Int) -> Bool {
        guard let pair = pairs[peer], pair.standing != .together, pair.agreement.until != 0 else {
            return false
        }
        let known = store.stamp(of: state.key)
        return known < state.stamp
            && min(known, state.stamp).version > VersionClock.last(of: pair.agreement.until)
            && VersionClock.member(of: known.version) == me
    }

    /// The peer knows something later. It may have gone on without this member, which has made its change of what was there
    /// before: so the change is made anew, of what the peer has. Should that be refused, too, it goes above it.
    private func refused(
        _ sequence: UInt32, by peer: Int, _ stamp: Stamp, now: UInt64
    ) {
        guard let (operation, made) = operations.replication(sequence, by: peer) else { return }
        // Nobody waits for it any more: it has never been, and what came instead was acknowledged.
        guard operation.origin != .nobody else { return finish(operation, made.outcome) }
        if operation.refusal == nil {
            operation.refusal = stamp
            // What was made stays known: it is not made once more, should the peer not answer any more.
            operations.move(operation, to: .refused(by: peer))
            operation.sentAt = now
            return effects.append(
                .send(peer: peer, .fetch(operation.request.number, key: operation.request.key)))
        }
        guard let raised = store.raise(made.state.key, above: stamp), raised.stamp > stamp,
            VersionClock.isPossible(raised.stamp.version)
        else {
            // Nothing is left of it here, or nothing can be above: what the peer has is the later state. It would
            // refuse again and again.
            return finish(operation, made.outcome)
        }
        let (first, second) = generations.acted.owners(made.state.key)
        let other = first == me ? second : second == me ? first : nil
        let waits = other.map { standing(to: $0) == .together } ?? false
        let keepers = keepers(of: made.state.key, besides: other)
        guard let one = waits ? other : keepers.first else {
            return finish(operation, made.outcome)
        }
        replicate(
            operation, to: one, and: waits ? keepers.first : keepers.second, made.outcome, raised,
            now: now)
    }

    /// What has made a state that this member has, and others may not: it was sent by somebody who has died since, or could not be
    /// brought to who owns the key, too.
    private func known(of state: KeyState) -> (number: OperationNumber, outcome: Outcome?)? {
        if let entry = disowned[state.key], entry.made.state.stamp == state.stamp {
            return (entry.number, carried(entry.made.outcome))
        }
        if let operation = operations.maker(of: state), let made = operation.made,
            !operation.request.isRead
        {
            return (operation.request.number, carried(made.outcome))
        }
        guard let number = appliedByOthers.number(ofWhatHasMade: state) else { return nil }
        return appliedByOthers[number].map { (number, $0) }
    }

    /// Carries out once more what was refused, of what is here now. Unless something later has come, that is what it was.
    func makeAnew(_ operation: Operation, now: UInt64) {
        applied.forget(operation.request.number)
        if let peer = operation.peer, let made = operation.made, !operation.request.isRead {
            disowned.insert(.init(number: operation.request.number, made: made, peer: peer))
        }
        settle(operation)
        operations.move(operation, to: .parked)
        proceed(operation, now: now)
    }

    // MARK: Comparing

    private func compare(_ frame: PeerFrame, with peer: Int, now: UInt64) {
        guard pairs[peer]?.isLinked == true else { return }
        if case .compare = frame {
            store.isComparing = true
            noteExchange(with: peer, now: now)
        }
        follow(exchanges[peer]?.take(frame, store) ?? [], peer, now: now)
    }

    func startExchange(_ peer: Int, now: UInt64) {
        store.isComparing = true
        noteExchange(with: peer, now: now)
        follow(exchanges[peer]?.begin() ?? [], peer, now: now)
    }

    /// Whether it would send more if time went by.
    package var isPaced: Bool { exchanges.contains { $0.value.isPaced } }

    func goOnComparing(now: UInt64) {
        let microseconds = now - min(now, comparedAt)
        comparedAt = now
        let rate =
            generations.isChanging
            ? max(1, Exchange.statesPerMillisecondOfChange / max(1, exchanges.keys.count))
            : Exchange.statesPerMillisecond
        for peer in exchanges.keys {
            let steps = exchanges[peer]?.goOn(microseconds: microseconds, rate: rate, store) ?? []
            if !steps.isEmpty { follow(steps, peer, now: now) }
        }
    }

    /// What was surveyed for an exchange with a peer.
    package func take(_ survey: Survey, for peer: Int, number: UInt32, now: UInt64) {
        follow(exchanges[peer]?.take(survey, number: number) ?? [], peer, now: now)
        proceedAwakened(now: now)
    }

    private func follow(_ steps: [Exchange.Step], _ peer: Int, now: UInt64) {
        for step in steps {
            switch step {
            case .send(.inform(_, _, let state)) where !mayGive(state.key, to: peer): continue
            case .send(.inform(_, _, let state)):
                let known = known(of: state)
                effects.append(.send(peer: peer, .inform(known?.number, known?.outcome, state)))
            case .send(let frame): effects.append(.send(peer: peer, frame))
            case .survey(let number): effects.append(.survey(peer: peer, number: number))
            case .isOver:
                guard noteCompared(with: peer, now: now) else { continue }
                for entry in disowned.take(where: { hasCompared($0, with: peer) })
                where store.stamp(of: entry.made.state.key) == entry.made.state.stamp {
                    applied.remember(entry.number, entry.made.outcome)
                }
                guard let consequences = pairs[peer]?.compared(now: now) else { continue }
                carryOut(consequences, peer, now: now)
            }
        }
    }
}

extension PeerFrame {
    /// Whether it is of a comparison, or a word. What others bring about is seen to at the next tick: there are many of them.
    fileprivate var mayBringChangeFurther: Bool {
        switch self {
        case .barrier, .exchanged, .sharing, .moved, .compare, .digests: true
        default: false
        }
    }
}
