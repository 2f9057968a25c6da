/// Words: by which members know that they may decide and read by a later generation.
extension Member {
    // MARK: Who may decide

    /// Whether a key that this member owns is decided and read about by the generation that is acted by: all its earlier
    /// owners have stopped, and what they had decided on is here.
    func isCovered(_ key: [UInt8]) -> Bool {
        guard let previous = generations.previous, !generations.isCovered else { return true }
        let (old, new) = (previous.owners(key), generations.acted.owners(key))
        if old == new { return true }
        let otherNew = new.first == me ? new.second : new.first
        return isCovered(old.first, besides: old.second, at: otherNew)
            && (old.second.map { isCovered($0, besides: old.first, at: otherNew) } ?? true)
    }

    /// - Parameters:
    ///   - owner: an earlier owner of a key.
    ///   - other: the other one.
    ///   - new: the later owner beside this member.
    private func isCovered(_ owner: Int, besides other: Int?, at new: Int?) -> Bool {
        if owner == me { return hasGivenAll(to: new) }
        if word(of: owner)?.isWhole == true { return true }
        if other == me, standing(to: owner) == .alone, agrees(new, without: owner) { return true }
        if let other, word(of: other)?.coversAsBefore(owner) == true { return true }
        if let new, word(of: new)?.covers(owner) == true { return true }
        return areLost([owner] + (other.map { [$0] } ?? []), to: new)
    }

    /// Whether the other later owner of a key has what this member had, which may have made something that nobody else has, and
    /// that is to be gone, or at both.
    private func hasGivenAll(to new: Int?) -> Bool {
        guard let new, standing(to: new) != .alone else { return true }
        return transfers[new]?.isTold == true
    }

    /// Whether the other later owner of a key has given up an earlier one, too, or has its word, and what it had decided on has
    /// come by way of it.
    private func agrees(_ new: Int?, without owner: Int) -> Bool {
        guard let new, new != owner, standing(to: new) != .alone else { return true }
        guard let word = word(of: new) else { return false }
        return word.covers(owner) || word.without.contains(owner)
    }

    /// Whether nobody is left who could say more of what some had decided on.
    private func areLost(_ owners: [Int], to new: Int?) -> Bool {
        // One that catches up with this member may be in charge of what it owns together with others.
        guard owners.allSatisfy({ standing(to: $0) == .alone && !isHeardOf($0) }) else {
            return false
        }
        guard let new, standing(to: new) != .alone else { return true }
        guard let word = word(of: new) else { return false }
        return owners.allSatisfy(word.without.contains)
    }

    /// Whether this member hears another one, or somebody whom it hears does.
    func isHeardOf(_ member: Int) -> Bool {
        heardMembers.contains(member)
            || heardMembers.numbers.contains { pairs[$0]?.peerHears(member) == true }
    }

    func word(of peer: Int) -> Word? {
        guard let word = transfers[peer]?.word, word.generation >= generations.acted.number else {
            return nil
        }
        return word
    }

    /// Whether nothing is waited for of a peer: it was given up, or has become a front, or was gone before this member came.
    func isGone(_ peer: Int) -> Bool {
        guard let pair = pairs[peer], pair.standing != .alone else { return true }
        guard let later = generations.later, !later.members.contains(peer) else { return false }
        if let stated = pair.stated, stated.phase.isSettled, stated.generation >= later.number {
            return true
        }
        return isNew && pair.standing == .unknown && !pair.isLinked
    }

    /// Whether this member had no say before the change.
    var isNew: Bool { !generations.earlier.members.contains(me) }

    /// Whether that is so of every key that this member may own.
    var areAllCovered: Bool {
        guard let previous = generations.previous, generations.acted.members.contains(me) else {
            return true
        }
        // Whoever may be the other owner, of those before, and of those now.
        let before = previous.members.numbers
        let later = generations.acted.members.numbers.filter { $0 != me }
        let news: [Int?] = later.isEmpty ? [nil] : later
        return before.allSatisfy { owner in
            if owner != me, word(of: owner)?.isWhole == true { return true }
            let others: [Int?] = before.count == 1 ? [nil] : before.filter { $0 != owner }
            return news.allSatisfy { new in
                others.allSatisfy { isCovered(owner, besides: $0, at: new) }
            }
        }
    }

    /// Who may know that a change was carried out by those who have owned its key before: who decided on it has died, or does not
    /// reach this member, and its number is at the other one alone. To be asked before it is carried out here, as long as somebody
    /// may wait for what was asked for then.
    func witness(of operation: Operation, besides other: Int, now: UInt64) -> Int? {
        let request = operation.request
        guard !request.isRead, !operation.hasAsked, let former = generations.former,
            now < actedSince + 2 * Self.budget
        else { return nil }
        let (old, new) = (former.owners(request.key), generations.acted.owners(request.key))
        guard old != new else { return nil }
        // Who has sent it before may have been told since what came of it.
        let isOld = operation.beganAt <= actedSince
        // Nobody knows of it yet.
        if case .client = operation.origin, !isOld, operation.sentAt == 0 { return nil }
        return [old.first, old.second, isOld ? other : nil].compactMap(\.self).first {
            $0 != me && (isOld || operation.origin != .peer($0)) && hears($0, at: now)
        }
    }

    // MARK: What is said

    var presentWord: Word {
        switch generations.phase {
        case .moving, .moved:
            Word(
                generation: generations.acted.number, hasAll: generations.isCovered,
                has: MemberSet(transfers.keys.filter { word(of: $0)?.isWhole == true }),
                without: givenUp)
        case .settled, .transferring, .transferred:
            Word(generation: generations.target, without: givenUp)
        }
    }

    private var givenUp: MemberSet {
        MemberSet(pairs.keys.filter { standing(to: $0) == .alone || isNew && isGone($0) })
    }

    /// Once nothing is under way that was decided on by the earlier generation.
    func giveWords() {
        guard generations.previous != nil else { return }
        let acted = generations.acted.number
        var isDrained: Bool?
        for peer in transfers.keys {
            guard let transfer = transfers[peer], transfer.isDone, !transfer.isTold,
                pairs[peer]?.isLinked == true, var word = transfer.ownWord,
                word.generation == acted
            else { continue }
            isDrained = isDrained ?? !operations.areUnsettled(before: acted)
            guard isDrained == true else { return }
            transfers[peer]?.isTold = true
            word.forgotten = max(word.forgotten, store.forgotten)
            effects.append(.send(peer: peer, .moved(word)))
        }
    }

    /// To one who was away while all others changed to the generation that is acted by.
    func giveLateWord(to peer: Int) {
        let acted = generations.acted.number
        guard generations.previous == nil, let transfer = transfers[peer],
            transfer.settledAtStart == acted,
            !transfer.isVoid, let stated = pairs[peer]?.stated,
            stated.generation < acted
                || stated.generation == acted && !stated.phase.isSettled
        else { return }
        let word = Word(
            generation: acted, isWhole: false, hasAll: true, forgotten: store.forgotten)
        effects.append(.send(peer: peer, .moved(word)))
    }

    func take(_ word: Word, of peer: Int, now: UInt64) {
        guard let transfer = transfers[peer], word.generation >= generations.acted.number else {
            return
        }
        transfers[peer]?.word = word.merged(with: transfer.word)
        transfers[peer]?.agreed = word.generation
        if word.forgotten > store.forgotten { store.noteForgotten(until: word.forgotten) }
        follow(word.generation, of: peer, now: now)
        attendChange(now: now)
        proceedParked(now: now)
    }
}
