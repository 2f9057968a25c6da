/// Who has a copy of a key beside its owners: two at most.
struct Keepers {
    private(set) var first: Int?
    private(set) var second: Int?

    mutating func add(_ member: Int) {
        if first == nil { first = member } else { second = member }
    }

    var all: [Int] { [first, second].compactMap(\.self) }
}

/// Copies beyond those of a key's two owners: at the third member of the ring, where there are three, and at the next ones while
/// somebody is away who is to have one.
///
/// What such a member has is as new as what the owners have, as a change is answered for once it is there. It decides once it
/// has given up all that come before it on the ring, and whoever of these comes back is behind it, and compares. As long as one
/// of them is there it asks that one, reads too: what has come to it, and not to the other owner, may still be lost.
extension Member {
    /// Whether somebody may have decided on keys that this member owns, though it had given up their other owner.
    var mayHaveStandIns: Bool {
        !generations.isChanging
            && (generations.acted.copies > 2 || generations.acted.hasStandIns)
    }

    /// Somebody who has decided for others, maybe for this member, and has what this one does not have yet.
    var presentStandIn: Int? {
        pairs.keys.first { peer in
            switch standing(to: peer) {
            case .together, .alone, .divided: return false
            case .behind, .unknown: break
            }
            guard generations.acted.members.contains(peer) else { return false }
            return pairs[peer]?.stated?.isStandingIn == true
        }
    }

    /// Whether somebody has stood in for this member and a peer whom nobody has heard of yet, and has given everything to this one.
    func isStoodIn(for peer: Int) -> Bool {
        !generations.isChanging
            && pairs.contains { other, pair in
                pair.standing == .together && pair.stated?.isStandingIn == true
                    && pair.stated?.hears.contains(peer) == false
            }
    }

    /// Until when nobody stands in for this member and the other owner of a key, which it has given up: the first who would do so
    /// has said that it does not go on without this member.
    func heldUntil(_ key: [UInt8], besides other: Int) -> UInt64 {
        guard mayHaveStandIns else { return .max }
        let next = generations.acted.order(key).first {
            $0 != me && $0 != other && pairs[$0]?.isInCharge == false
        }
        return next.map { heldUntil(by: $0) } ?? .max
    }

    /// The same of all keys that a peer would stand in for. One that is in charge of what the two own has said whether it does.
    func heldUntil(by peer: Int) -> UInt64 {
        standing(to: peer) == .behind ? .max : pairs[peer]?.readableUntil(isFirst: true) ?? 0
    }

    /// Whether somebody is gone on without who comes before this member on the ring: it is not there, or has said that it does not
    /// know what this one does.
    private func isOut(_ member: Int, for operation: Operation, now: UInt64) -> Bool {
        guard standing(to: member) == .alone else { return false }
        return operation.origin == .peer(member) || operation.decliners.contains(member)
            || !hears(member, at: now) && !isHeardOf(member)
    }

    /// Whether a copy of a key at some member is one more than it is to have.
    func isGuest(_ key: [UInt8], at peer: Int) -> Bool {
        generations.acted.hasStandIns && !generations.isChanging
            && !generations.acted.holds(key, peer)
    }

    /// Whether this member is not to have a copy of a key, and keeps one at most.
    func isOthers(_ key: [UInt8]) -> Bool {
        // Where nobody keeps others' keys, or all may be becoming others', nothing is looked up.
        generations.acted.hasStandIns && !generations.isChanging
            && generations.acted.members.contains(me) && !generations.acted.holds(key, me)
    }

    /// Who else is to have a change of a key before it is answered for.
    ///
    /// - Parameter other: who owns it, too; nil for one that this member owns alone, or does not own.
    func keepers(of key: [UInt8], besides other: Int?) -> Keepers {
        var keepers = Keepers()
        var count = generations.acted.copies - 1
        if let other, standing(to: other) == .together { count -= 1 }
        guard count > 0, generations.acted.members.count > 2 else { return keepers }
        let mayBeGuests = generations.acted.hasStandIns && !generations.isChanging
        for (place, member) in generations.acted.order(key).enumerated() {
            guard count > 0, mayBeGuests || place < generations.acted.copies else { break }
            guard member != me, member != other, standing(to: member) == .together,
                pairs[member]?.stated?.canKeep == true
            else { continue }
            keepers.add(member)
            count -= 1
        }
        return keepers
    }

    /// A key that others own: they decide, or whoever stands in for them.
    func decideForOthers(_ operation: Operation, _ first: Int, _ second: Int?, now: UInt64) {
        let owners = [first, second].compactMap(\.self)
        guard generations.acted.members.count > 2, !generations.isChanging else {
            return pass(operation, to: owners, now: now)
        }
        let key = operation.request.key
        guard !isFront, generations.acted.members.contains(me) else {
            let isNear = owners.contains { owner in
                hears(owner, at: now)
                    || pairs.contains { $0.value.hears(at: now) && $0.value.peerHears(owner) }
            }
            guard !isNear else { return pass(operation, to: owners, now: now) }
            let others = generations.acted.order(key).dropFirst(2).filter { hears($0, at: now) }
            return pass(operation, to: others.isEmpty ? owners : [others[0]], now: now)
        }
        let present = owners.filter { !isOut($0, for: operation, now: now) }
        guard present.isEmpty else { return pass(operation, to: present, now: now) }
        let next = generations.acted.order(key).first {
            $0 == me || !isOut($0, for: operation, now: now)
        }
        guard let next else { return park(operation) }
        guard next == me else { return pass(operation, to: [next], now: now) }
        standIn(operation, besides: owners, now: now)
    }

    private func standIn(_ operation: Operation, besides owners: [Int], now: UInt64) {
        let request = operation.request
        if let outcome = appliedByOthers[request.number] { return finish(operation, outcome) }
        guard request.isRead || owners.allSatisfy({ mayGoOn(without: $0, at: now) }) else {
            return refuse(operation, now: now)
        }
        let holders = generations.acted.holders(of: request.key)
        let stamp = store.stamp(of: request.key)
        let isKnown =
            stamp != .none
            && (operation.hasFetched || holders.contains(me)
                || guests.areValid(stamp, request.key, holders))
        if !isKnown {
            if stamp != .none { store.discard(request.key) }
            if store.lacks(whatIsNeededBy: request), !holders.contains(me) {
                // Who has come back, and not everything yet, may have it.
                guard !operation.hasFetched,
                    let owner = holders.first(where: { hears($0, at: now) })
                else { return park(operation) }
                counts.fetches += 1
                operations.move(operation, to: .fetching(from: owner))
                operation.sentAt = now
                return effects.append(
                    .send(peer: owner, .fetch(request.number, key: request.key)))
            }
        }
        counts.standIns += 1
        isStandingIn = true
        store.isStandIn = true
        perform(operation, besides: nil, waits: false, now: now)
        store.isStandIn = false
    }

    /// Whether a key is this member's and a peer's.
    func owns(_ key: [UInt8], besides peer: Int) -> Bool {
        let (first, second) = generations.acted.owners(key)
        return first == me && second == peer || first == peer && second == me
    }

    /// The owners of a key beside this member.
    ///
    /// - Parameter other: the only one, if it is known.
    func otherOwners(of key: [UInt8], _ other: Int?) -> [Int] {
        if let other { return [other] }
        let (first, second) = generations.acted.owners(key)
        return [first, second].compactMap(\.self).filter { $0 != me }
    }

    /// Lets those have a change that are to have a copy and do not have everything yet: nobody waits for them.
    func tellOthers(
        _ changed: KeyState, of operation: Operation, _ outcome: Outcome, but first: Int? = nil,
        _ second: Int? = nil
    ) {
        for holder in generations.acted.holders(of: changed.key)
        where holder != me && holder != first && holder != second {
            if operation.made != nil { store.released(changed) }
            tell(holder, changed, of: operation, outcome)
        }
        guard second == nil, !operation.request.isRead else { return }
        // Who has not everything yet, and may have to stand in afterwards, must not miss this.
        for member in formerKeepers(of: changed.key) {
            effects.append(.send(peer: member, .inform(nil, nil, changed)))
        }
    }

    /// Those who would keep a key, and do not have everything in common with this member, after a moment in which it did not hear
    /// them.
    private func formerKeepers(of key: [UInt8]) -> [Int] {
        guard generations.acted.hasStandIns, !generations.isChanging else { return [] }
        return generations.acted.order(key).dropFirst(generations.acted.copies).filter {
            $0 != me && standing(to: $0) != .together && pairs[$0]?.isLinked == true
        }
    }

    /// Somebody gives what it has kept, which was changed since: that is to be what it has.
    func answerForKeeping(_ state: KeyState, by peer: Int) {
        guard generations.acted.hasStandIns, !generations.isChanging,
            generations.acted.holds(state.key, me), !generations.acted.holds(state.key, peer)
        else { return }
        let present =
            store.state(of: state.key) ?? .tombstone(of: state.key, store.stamp(of: state.key))
        guard present.stamp > state.stamp else { return }
        effects.append(.send(peer: peer, .inform(nil, nil, present)))
    }

    /// Who has stood in gives each owner what it has made, and does not count what is older than their having met: so whoever
    /// gets something first tells the others.
    func tellWhatWasKept(_ state: KeyState, by peer: Int) {
        guard pairs[peer]?.stated?.isStandingIn == true, !generations.isChanging else { return }
        let holders = generations.acted.holders(of: state.key)
        guard holders.contains(me), !holders.contains(peer) else { return }
        for holder in holders where holder != me && pairs[holder]?.isLinked == true {
            effects.append(.send(peer: holder, .inform(nil, nil, state)))
        }
    }

    // MARK: Guests

    /// A peer has given what it has of a key that was read or renewed there.
    func confirm(_ key: [UInt8], by peer: Int) {
        // Who catches up may have missed something.
        guard standing(to: peer) == .together, isOthers(key), let stated = pairs[peer]?.stated
        else { return }
        guests.confirm(key, clock: stated.clock)
    }

    /// Whether this member may have copies of keys though it is not one of those that are to have them.
    var mayKeep: Bool {
        !isFront && !generations.isOutdated && generations.previous == nil
            && generations.acted.members.contains(me)
    }

    /// A peer has spoken with which this member has everything in common.
    func noteCompany(of peer: Int) {
        guard standing(to: peer) == .together, let stated = pairs[peer]?.stated else { return }
        guests.note(peer, isWith: stated.isWith, clock: stated.clock)
    }

    /// With whom this member has everything in common.
    var company: MemberSet { MemberSet(pairs.keys.filter { standing(to: $0) == .together }) }

    /// Once all have everything in common with all, what is kept for others is not needed any more.
    func attendGuests(now: UInt64) {
        let members = generations.acted.members
        if isStandingIn,
            pairs.keys.allSatisfy({ !members.contains($0) || standing(to: $0) == .together })
        {
            isStandingIn = false
        }
        let isComplete =
            !generations.isChanging && !isDropping && members.contains(me)
            && company.union([me]).contains(all: members)
            && pairs.keys.allSatisfy { peer in
                guard members.contains(peer) else { return true }
                return pairs[peer]?.stated?.isWith.union([me, peer]).contains(all: members) == true
            }
        guard isComplete else {
            completeSince = 0
            return
        }
        if completeSince == 0 { completeSince = now }
        guests.forgetConfirmed()
        // What is on its way has come by then.
        guard now >= completeSince + 4 * times.silence, store.mayHaveGuests else { return }
        dropForeign()
    }
}
