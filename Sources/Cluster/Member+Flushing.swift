/// `flush_all`: everything that anybody has goes, wherever it is.
///
/// A flush is a stamp: what has an earlier one is gone, as if each key had been deleted with it. Nobody has to list
/// keys, and members that are away learn of it by the first statement that they hear.
///
/// The stamp must be above all that was answered before the flush was asked for, so whoever was asked looks for the
/// latest clock first. It must not be above what is answered afterwards, so nobody is told before all have it, and
/// make later ones. What is changed while a flush is under way may stay.
struct Flush {
    /// Whom it is for: a client, a member that does not hear everybody whom this one hears, or nobody.
    let origin: Operation.Origin
    let deadline: UInt64
    /// Those whom somebody else asks.
    var asked: MemberSet = []
    /// Members that have not answered; nil until all are heard who may live.
    var unanswered: Set<Int>?
    /// The latest that anybody's clock has come to.
    var clock: UInt64 = 0
    /// Once it is known, or somebody else's.
    var stamp: Stamp?

    /// So much later than all clocks is the stamp, in microseconds: as a rule nobody has made anything above it when
    /// it comes, and needs not look at each item.
    static let distance: UInt64 = 5_000
}

extension Member {
    /// - Parameter delay: in seconds; the latest word counts, and a member that dies has forgotten it.
    package func flushAll(_ client: Client, after delay: UInt32 = 0, now: UInt64) {
        flushesAt = nil
        guard isFront || hasMajority(at: now) else {
            counts.refusals += 1
            return effects.append(.hangUp(client))
        }
        guard delay > 0 else { return beginFlush(for: .client(client), now: now) }
        flushesAt = now + UInt64(delay) * 1_000_000
        effects.append(.reply(client, Outcome([])))
    }

    private func beginFlush(for origin: Operation.Origin, now: UInt64) {
        ask(nextNumber(), Flush(origin: origin, deadline: now + Self.budget), now: now)
    }

    /// Asks for the clocks, or to let go, as soon as it is known whom.
    private func ask(_ number: OperationNumber, _ flush: Flush, now: UInt64) {
        var flush = flush
        flush.unanswered = addressees(notIn: flush.asked, now: now)
        flushes[number] = flush
        guard let peers = flush.unanswered else { return }
        var asked = flush.asked.union(MemberSet(peers))
        if !isFront { asked.insert(me) }
        for peer in peers.sorted() {
            effects.append(.send(peer: peer, .flush(number, flush.stamp ?? .none, asked: asked)))
        }
        goOn(number, now: now)
    }

    /// Those who are heard; nil as long as somebody is not who has not been given up. A front gives nobody up, and asks
    /// whom it reaches to ask the others.
    private func addressees(notIn asked: MemberSet, now: UInt64) -> Set<Int>? {
        var heard: Set<Int> = []
        for (peer, pair) in pairs where !asked.contains(peer) {
            if pair.hears(at: now) {
                heard.insert(peer)
            } else if !isFront, !pair.isInCharge,
                pair.standing != .unknown || generations.acted.members.contains(peer)
            {
                // Who is to join, and was not there yet, hears of it first of all.
                return nil
            }
        }
        return isFront && heard.isEmpty ? nil : heard
    }

    private func goOn(_ number: OperationNumber, now: UInt64) {
        guard var flush = flushes[number], flush.unanswered?.isEmpty == true, now <= flush.deadline
        else { return }
        flushes[number] = nil
        if case .peer(let peer) = flush.origin { return answer(peer, number, flush.clock) }
        guard flush.stamp == nil else {
            if case .client(let client) = flush.origin {
                effects.append(.reply(client, Outcome([])))
            }
            return
        }
        let stamp = Stamp(endOf: max(flush.clock, store.clock) + Flush.distance)
        flush.stamp = stamp
        self.flush(stamp)
        ask(nextNumber(), flush, now: now)
    }

    private func answer(_ peer: Int, _ number: OperationNumber, _ clock: UInt64) {
        effects.append(.send(peer: peer, .flushed(number, clock: max(clock, store.clock))))
    }

    /// A peer asks; and this member asks those whom the peer has not.
    func flush(
        _ number: OperationNumber, _ stamp: Stamp, by peer: Int, asked: MemberSet, now: UInt64
    ) {
        flush(stamp)
        guard flushes[number] == nil else { return answer(peer, number, 0) }
        var asked = asked
        if pairs[peer] != nil { asked.insert(peer) }
        ask(
            number,
            Flush(
                origin: .peer(peer), deadline: now + Self.budget, asked: asked, stamp: stamp),
            now: now)
    }

    /// A member has answered.
    func flushed(_ number: OperationNumber, by peer: Int, _ clock: UInt64, now: UInt64) {
        guard var flush = flushes[number] else { return }
        flush.unanswered?.remove(peer)
        flush.clock = max(clock, flush.clock)
        flushes[number] = flush
        goOn(number, now: now)
    }

    /// Lets everything go that has an earlier stamp, unless nothing could be later.
    func flush(_ stamp: Stamp) {
        guard stamp > store.flushed, VersionClock.isPossible(stamp.version) else { return }
        store.follow(clock: VersionClock.microseconds(of: stamp.version))
        store.flush(stamp)
    }

    func attendFlushes(now: UInt64) {
        if let time = flushesAt, now >= time {
            flushesAt = nil
            beginFlush(for: .nobody, now: now)
        }
        for number in flushes.keys.sorted(by: { $0.bits < $1.bits }) {
            guard let flush = flushes[number] else { continue }
            guard now <= flush.deadline else {
                flushes[number] = nil
                if case .client(let client) = flush.origin { effects.append(.hangUp(client)) }
                continue
            }
            // Others may hear who is not heard any more. Who has died hears of it when it comes back.
            guard flush.unanswered?.allSatisfy({ hears($0, at: now) }) != true else { continue }
            flushes[number] = nil
            if case .peer = flush.origin {
                ask(number, flush, now: now)
            } else {
                ask(nextNumber(), flush, now: now)
            }
        }
    }
}
