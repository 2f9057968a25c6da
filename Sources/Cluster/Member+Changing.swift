/// From one generation of the definition to the next, without losing anything that was acknowledged, or bringing back
/// what was deleted.
///
/// 1. Transferring: the earlier generation decides. Whoever owns something by it compares with those who are to own it, which
///    take everything and decide nothing; what is changed meanwhile goes to them, too, once it is settled.
/// 2. Whoever hears that all who are there have compared acts by the later generation; so does, at once, whoever hears of
///    somebody that does. It decides and reads nothing any more by the earlier one.
/// 3. Moving: once all that a member has decided on by the earlier generation is settled, it gives each other member its word,
///    on the link by which changes come. A key is decided and read about by the later generation when each of its earlier
///    owners has given its word, or was given up: then those who were not say so.
/// 4. Moved: nothing waits. When all who are there are as far, copies at those who own them no more are dropped.
///
/// Nothing but the words counts for what may be decided: the other steps only see to it that nobody waits for long.
extension Member {
    private static var patience: UInt64 { 30_000 }
    private static var retryInterval: UInt64 { 100_000 }
    private static var wantInterval: UInt64 { 200_000 }

    // MARK: What the outside says and asks

    /// A later generation of the definition; with members that it adds there are to be new links afterwards. Nothing happens if it is known, or not later, or has to wait for a change that is
    /// under way: false then. It may be told again.
    @discardableResult
    package func change(to new: Generation, now: UInt64) -> Bool {
        let isActedBy = pairs.contains { $0.value.stated?.generation == new.number }
        let before = generations.target
        guard generations.add(new, isActedBy: isActedBy) else { return false }
        addPeers(now: now)
        if generations.target != before { restartTransfers(now: now) }
        if isActedBy { act(by: new.number, now: now) }
        for peer in pairs.keys { state(to: peer, now: now) }
        attendChange(now: now)
        proceedAwakened(now: now)
        return true
    }

    /// Somebody with whom there is no link says that all others act by a generation that has no place for this member, and that
    /// everything is where it is to be by it: so nothing that is here counts any more.
    package func leave(by new: Generation, now: UInt64) {
        guard !isFront, new.number > generations.acted.number, !new.members.contains(me) else {
            return
        }
        _ = generations.add(new, isActedBy: true)
        addPeers(now: now)
        act(by: new.number, now: now)
        if generations.previous != nil { settleChange(now: now) }
        proceedAwakened(now: now)
    }

    /// The number of the generation that is acted by.
    package var generation: UInt64 { generations.acted.number }
    package var phase: ChangePhase { generations.phase }
    /// What is shared with whom, for surveys that are asked for now.
    package var sharing: Sharing { generations.sharing(guests) }

    /// Whether everybody who may have an older copy of something is there: deletions need not be remembered for long.
    package var isEverybodyHere: Bool {
        !generations.isChanging && concerned.allSatisfy { standing(to: $0) == .together }
    }

    /// Until when a key may be read here without asking; 0 for not now.
    package func readableUntil(_ key: [UInt8]) -> UInt64 {
        guard !isFront, !generations.isOutdated else { return 0 }
        let (first, second) = generations.acted.owners(key)
        guard first == me || second == me, isCovered(key) else { return 0 }
        guard let other = first == me ? second : first else { return .max }
        let time = pairs[other]?.readableUntil(isFirst: first == me) ?? .max
        guard presentStandIn == nil else { return 0 }
        guard standing(to: other) == .alone else { return time }
        return min(time, heldUntil(key, besides: other))
    }

    /// For whom there are links to be had, while the change is under way: this member's peers.
    package var peers: [Int] { pairs.keys }

    // MARK: Peers

    func addPeers(now: UInt64) {
        for peer in generations.knownMembers.numbers where peer != me && pairs[peer] == nil {
            pairs[peer] = Pair(
                me: me, peer: peer, process: process, times: times, now: now)
            exchanges[peer] = Exchange(drives: me < peer)
            transfers[peer] = Transfer()
            fronts.remove(peer)
        }
    }

    /// Those who are no members any more are not counted on. They may go on passing on to this one.
    private func removePeers(now: UInt64) {
        for peer in pairs.keys where !generations.knownMembers.contains(peer) {
            if pairs[peer]?.isLinked == true {
                if isFront { continue }
                fronts.insert(peer)
            }
            pairs[peer] = nil
            exchanges[peer] = nil
            transfers[peer] = nil
            notes[peer] = nil
            agreedUntil[peer] = nil
        }
    }

    /// What was compared so far was of other keys.
    private func restartTransfers(now: UInt64) {
        for peer in transfers.keys {
            transfers[peer]?.need(now: now)
            if exchanges[peer]?.isOn == true { startExchange(peer, now: now) }
        }
    }

    // MARK: What peers say

    /// To be called with each statement of a peer.
    func noteGeneration(of peer: Int, now: UInt64) {
        guard let statement = pairs[peer]?.stated else { return }
        follow(statement.generation, of: peer, now: now)
        learn(of: statement.next, from: peer, now: now)
        attendChange(now: now)
    }

    /// Somebody knows of a generation, who may be no member yet.
    func learn(of number: UInt64, from peer: Int, now: UInt64) {
        let known = generations.candidates.last?.number ?? generations.acted.number
        if number > known { want(number, of: peer, now: now) }
    }

    /// Somebody acts by a generation: so does this member, at once.
    func follow(_ number: UInt64, of peer: Int, now: UInt64) {
        guard number > generations.acted.number else { return }
        guard generations.candidate(number) != nil else {
            generations.noteOutdated()
            return want(number, of: peer, now: now)
        }
        act(by: number, now: now)
    }

    private func want(_ number: UInt64, of peer: Int, now: UInt64) {
        guard number != wanted?.number || now >= (wanted?.at ?? 0) + Self.wantInterval else {
            return
        }
        wanted = (number, now)
        effects.append(.wants(generation: number, from: peer))
    }

    private func act(by number: UInt64, now: UInt64) {
        generations.act(by: number)
        actedSince = now
        for peer in transfers.keys { transfers[peer]?.isTold = false }
        if isFront { generations.settle() }
        effects.append(.acts(by: number, after: generations.previous?.number))
        for peer in pairs.keys { state(to: peer, now: now) }
        attendChange(now: now)
        proceedParked(now: now)
    }

    // MARK: Comparing

    /// Whether this member knows of all that it owns by the earlier generation what the others know.
    private var knowsAll: Bool {
        pairs.allSatisfy { peer, pair in
            !generations.earlier.members.contains(peer) || isGone(peer)
                || pair.standing != .unknown && pair.standing != .behind
        }
    }

    /// To be called when a comparison begins, before anything is sent for it.
    func noteExchange(with peer: Int, now: UInt64) {
        let (mayCount, word) = (knowsAll, presentWord)
        let isSettled = generations.previous == nil
        let isNew =
            transfers[peer]?.start(
                generations.span, mayCount: mayCount, word: word, isSettled: isSettled, now: now)
            ?? false
        if isNew { effects.append(.send(peer: peer, .sharing(generations.span))) }
    }

    /// A comparison is over. Whether it was of all that the two share.
    func noteCompared(with peer: Int, now: UInt64) -> Bool {
        guard let agrees = transfers[peer]?.end(generations.span) else { return true }
        giveLateWord(to: peer)
        return agrees
    }

    // MARK: What follows

    /// To be called after whatever may have brought a change further.
    func attendChange(now: UInt64) {
        guard !isFront else {
            if generations.previous == nil { removePeers(now: now) }
            return
        }
        if generations.isChanging {
            noteWhoIsThere(now: now)
        }
        giveWords()
        compareAgain(now: now)
        guard generations.isChanging else { return }
        if generations.previous == nil { attendTransfer(now: now) } else { attendMove(now: now) }
    }

    /// What a member that was lost has decided on last may be at one of those who are to have it, and not at the other. And for
    /// one that has come back nobody else has the last word any more.
    private func noteWhoIsThere(now: UInt64) {
        let present = MemberSet(
            generations.earlier.members.numbers.filter {
                $0 != me && standing(to: $0) == .together
            })
        guard present != countedOn else { return }
        countedOn = present
        for peer in transfers.keys { transfers[peer]?.need(now: now) }
    }

    private func compareAgain(now: UInt64) {
        for peer in transfers.keys {
            guard pairs[peer]?.isLinked == true, exchanges[peer]?.isOn == false,
                let transfer = transfers[peer], let stated = pairs[peer]?.stated,
                stated.next == generations.target || stated.generation == generations.target
            else { continue }
            if transfer.isVoid {
                startExchange(peer, now: now)
                continue
            }
            guard generations.isChanging else { continue }
            // The words of some may never come, or not soon: then others are asked, again and again, whether they have them.
            let isStuck =
                // Whoever waits for this member's own word must not wait for a comparison more.
                generations.phase == .moving && transfer.isDone
                && (transfer.isTold || transfer.ownWord?.generation != generations.acted.number)
                && now >= max(transfer.startedAt, actedSince) + Self.retryInterval
                && word(of: peer)?.hasAll != true
            if isStuck { transfers[peer]?.need(now: now) }
            guard isStuck || !transfer.isDone && knowsAll,
                me < peer || isStuck || now >= transfer.neededSince + Self.patience,
                now >= transfer.startedAt + Self.patience
            else { continue }
            startExchange(peer, now: now)
        }
    }

    private func attendTransfer(now: UInt64) {
        let isTransferred = isTransferred
        if isTransferred != generations.isTransferred {
            generations.isTransferred = isTransferred
            for peer in pairs.keys { state(to: peer, now: now) }
        }
        guard isTransferred, let target = generations.next?.number else { return }
        let areAllReady = concerned.allSatisfy { peer in
            guard !isGone(peer) else { return true }
            guard hears(peer, at: now), let stated = pairs[peer]?.stated else { return false }
            return stated.next == target && stated.phase == .transferred
        }
        if areAllReady { act(by: target, now: now) }
    }

    /// Those that the change under way is about. There may be others, of one that was taken back.
    private var concerned: [Int] {
        let members = generations.members
        return pairs.keys.filter(members.contains)
    }

    /// Whether anybody is there of those who are members after the change, or has made it. Whoever is cut off from all does not
    /// change by itself.
    private var hasCompany: Bool {
        guard let later = generations.later else { return true }
        let others = later.members.numbers.filter { $0 != me }
        return others.isEmpty
            || others.contains { peer in
                if standing(to: peer) != .alone { return true }
                guard let stated = pairs[peer]?.stated else { return false }
                return stated.phase.isSettled && stated.generation >= later.number
            }
    }

    /// Whether nothing has to be compared with anybody who is there, and all who are to join are.
    private var isTransferred: Bool {
        !isDropping && hasCompany
            && concerned.allSatisfy { peer in
                switch standing(to: peer) {
                case .together: pairs[peer]?.isLinked == true && transfers[peer]?.isDone == true
                case .alone: generations.acted.members.contains(peer)
                case .unknown: isGone(peer)
                case .behind, .divided: false
                }
            }
    }

    private func attendMove(now: UInt64) {
        if !generations.isCovered, areAllCovered {
            generations.isCovered = true
            for peer in pairs.keys { state(to: peer, now: now) }
            proceedParked(now: now)
        }
        let acted = generations.acted.number
        guard generations.isCovered, hasCompany, !operations.areUnsettled(before: acted) else {
            return
        }
        let areAllMoved = concerned.allSatisfy { peer in
            guard !isGone(peer) else { return true }
            guard let stated = pairs[peer]?.stated else { return false }
            return stated.generation > acted
                || stated.generation == acted && stated.phase != .moving
        }
        if areAllMoved { settleChange(now: now) }
    }

    private func settleChange(now: UInt64) {
        generations.settle()
        effects.append(.acts(by: generations.acted.number, after: nil))
        removePeers(now: now)
        for peer in pairs.keys + fronts.sorted() { state(to: peer, now: now) }
        dropForeign()
        if !generations.acted.members.contains(me) { isFront = true }
        if generations.isChanging { restartTransfers(now: now) }
        proceedParked(now: now)
    }

    /// What others owned has been dropped. What was given meanwhile may have gone with it.
    package func dropped(now: UInt64) {
        isDropping = false
        if generations.isChanging { restartTransfers(now: now) }
    }

    /// What others own now.
    func dropForeign() {
        for peer in transfers.keys { transfers[peer]?.noteDropped() }
        let (acted, me) = (generations.acted, me)
        isDropping = !store.drop { !acted.holds($0, me) }
    }
}
