/// What goes to whom while the generation changes, and what is taken of whom.
extension Member {
    /// Who owns a key by the later generation and not by the earlier one, if this member does by that.
    func receivers(of key: [UInt8]) -> [Int] {
        guard let later = generations.later, generations.earlier.owns(key, me) else { return [] }
        return later.holders(of: key).filter { $0 != me && !generations.earlier.holds(key, $0) }
    }

    /// Lets those have it who are to own a key after the change: this member has decided on it by the earlier generation.
    func tellReceivers(
        _ state: KeyState, _ number: OperationNumber? = nil, _ outcome: Outcome? = nil,
        except sender: Int? = nil
    ) {
        guard generations.isChanging else { return }
        for peer in receivers(of: state.key)
        where peer != sender && pairs[peer]?.isLinked == true {
            effects.append(.send(peer: peer, .inform(number, outcome, state)))
        }
    }

    func noteReceivers(_ key: [UInt8]) {
        guard generations.previous == nil, generations.isChanging else { return }
        for peer in receivers(of: key) { note(key, for: peer) }
    }

    /// Whether a state is of a key that this member is to have, from somebody who knows of it.
    func mayTake(_ key: [UInt8], of peer: Int) -> Bool {
        guard pairs[peer] != nil else { return false }
        // Both go by the same one, by this very link: what is sent is what is shared.
        if !generations.isChanging, transfers[peer]?.agreed == generations.acted.number {
            return true
        }
        let isMine = generations.acted.holds(key, me)
        let isPeers = generations.acted.holds(key, peer)
        if let previous = generations.previous {
            if isMine { return isPeers || previous.holds(key, peer) }
            return previous.holds(key, me) && previous.holds(key, peer)
        }
        if isMine { return isPeers }
        return isPeers && generations.next?.holds(key, me) == true
    }

    /// The same of a change that a peer has decided on.
    func mayTakeChange(_ key: [UInt8], of peer: Int) -> Bool {
        if mayTake(key, of: peer) { return true }
        guard pairs[peer] != nil, let next = generations.next else { return false }
        return next.holds(key, me) && next.holds(key, peer)
    }

    /// Whether a state that was found by comparing is to be given to a peer: not what may still be lost, or is not known to
    /// be the latest, to one that has no say yet.
    func mayGive(_ key: [UInt8], to peer: Int) -> Bool {
        // What was surveyed before a change was over may be others' by now.
        guard generations.isChanging else { return generations.acted.holds(key, peer) }
        // By the later generation everything is decided on without it.
        if generations.previous != nil, !generations.acted.holds(key, peer) { return false }
        guard !generations.earlier.holds(key, peer) else { return true }
        if generations.previous != nil,
            generations.acted.holds(key, me) || !generations.earlier.owns(key, me)
        {
            // Both decide on it from now on, and have to have the same.
            return !operations.isUnsettled(Operation.hash(of: key))
        }
        guard generations.earlier.owns(key, me) else { return false }
        let (first, second) = generations.earlier.owners(key)
        guard !operations.isUnsettled(Operation.hash(of: key)) else { return false }
        guard let other = first == me ? second : first else { return true }
        // One of the two is enough. Should it be lost before everything is there, all is compared anew.
        if generations.previous == nil, other == first, standing(to: other) == .together {
            return false
        }
        return ![.unknown, .behind].contains(standing(to: other))
    }

    /// Whether what this member could not bring to the other owner was compared with who owns its key beside it now.
    func hasCompared(_ entry: Disowned.Entry, with peer: Int) -> Bool {
        let key = entry.made.state.key
        guard generations.previous != nil else { return entry.peer == peer }
        return generations.acted.owns(key, me) && generations.acted.owns(key, peer)
    }

    /// Takes over what a peer has found by comparing, or has decided on.
    func take(
        _ state: KeyState, of peer: Int, _ number: OperationNumber? = nil,
        _ outcome: Outcome? = nil
    ) -> Stamp? {
        let before = store.stamp(of: state.key)
        if let later = isOthers(state.key) ? store.keep(state) : store.apply(state) { return later }
        guard state.stamp > before else { return nil }
        if number == nil { abandonWhatMayBe(in: state.key) }
        tellReceivers(state, number, outcome, except: peer)
        tellWhatWasKept(state, by: peer)
        return nil
    }

    /// Somebody brings a later state of a key, and not the number of what has made it: what was sent to somebody who has died or
    /// was cut off since may be in it already.
    private func abandonWhatMayBe(in key: [UInt8]) {
        guard !operations.isEmpty else { return }
        for operation in operations.doubtful(of: key) { abandon(operation) }
    }

    /// Whether a change that this member waits with for a peer will never be there: that has changed to a later generation
    /// without this member, and everything it owned is decided on by others.
    func isLeftBehind(_ operation: Operation, by peer: Int) -> Bool {
        guard let stated = pairs[peer]?.stated else { return false }
        return stated.generation > operation.generation && stated.phase.isSettled
    }
}
