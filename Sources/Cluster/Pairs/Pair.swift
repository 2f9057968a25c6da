/// One member's side of a pair: whether its peer is alive, and who of the two is in charge of the keys that both
/// own.
///
/// Knows no socket and no clock: it is told what has come and what time it is, and says what to do. Times are
/// microseconds of this member's own clock, which is never set, and goes on while the process is stopped. Nobody
/// needs to have the same time as anybody else.
///
/// What it holds, as long as clocks run within a quarter of each other's speed:
///
/// - A member that serves a key from its memory has a lease from its peer, or has given the peer up.
/// - Who gives a peer up waits until the lease that the peer has of it is over. So of two that do not hear each
///   other the one that is not in charge has stopped before the other goes on without it.
/// - Who catches up serves only when the peer waits for it, and everything from before has come.
package struct Pair: Sendable {
    package let me: Int
    package let peer: Int
    package let times: PairTimes
    private let process: UInt64

    private(set) package var standing: Standing
    /// When the present standing began.
    private var since: UInt64
    /// Whether the peer was given up though its process may live: then both take their time before they come
    /// together again, as it may not do better at once.
    private var isOnProbation = false
    /// The peer's process, once it was heard.
    private var peerProcess: UInt64 = 0
    private(set) package var isLinked = false
    /// The last link ended while the peer was there: its process has ended, and this member is not what was cut off.
    private var hasGone = false
    /// This member is what was cut off, and the peer may have gone on without it.
    private var isCutOff = false
    /// Of what is cut off, that it was this process's own stop, so long that the peer may have given it up: what others hear of
    /// the peer says that it has.
    private var wasStopped = false
    /// When anything was heard of the peer. It may have been under way for long.
    private(set) package var heardAt: UInt64 = 0
    /// By what time, on this member's clock, the peer has heard it last and answered as one that waits for it: so late it
    /// was there, and reached this member.
    private(set) package var answeredAt: UInt64 = 0
    /// The last statement of the peer's process.
    private(set) var stated: Statement?
    /// Until then the peer will not take over from this member.
    private var leaseEnd: UInt64 = 0
    /// Until then this member will not take over from its peer.
    private var promiseEnd: UInt64 = 0
    private(set) var agreement: Agreement
    /// It has not acknowledged for too long.
    private var isSlow = false
    /// Whether all was compared since the link is there.
    private var isCompared = false
    /// The time at which the peer began to wait for this member, by the barriers on the links that changes come by.
    private var barrier: UInt64 = 0
    /// Since when this member waits for the peer; 0 if it does not.
    private(set) package var waitsSince: UInt64 = 0
    private var tickedAt: UInt64

    /// - Parameters:
    ///   - process: a random number, another one for each process.
    ///   - standing: what an earlier process has known last, `alone` or `unknown`.
    package init(
        me: Int, peer: Int, process: UInt64, times: PairTimes, standing: Standing = .unknown,
        now: UInt64
    ) {
        precondition(me != peer && process != 0)
        self.me = me
        self.peer = peer
        self.process = process
        agreement = Agreement(me: me, peer: peer)
        self.times = times
        self.standing = standing
        since = now
        tickedAt = now
    }

    // MARK: What to do

    /// What follows from what has happened.
    package struct Consequences: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The peer should hear of the new standing at once.
        package static let states = Consequences(rawValue: 1)
        /// All that both own is to be compared, from the start.
        package static let compares = Consequences(rawValue: 2)
        /// A barrier is to be sent on every link that changes go by, now.
        package static let sendsBarrier = Consequences(rawValue: 4)
        /// Nothing that waits for the peer needs to wait any more.
        package static let releases = Consequences(rawValue: 8)
        /// Who is in charge may be another now: what is parked is looked at again.
        package static let rethinks = Consequences(rawValue: 16)
    }

    /// Who decides about a key of this pair.
    package enum Charge: Equatable, Sendable {
        /// This member. Whoever changes something waits for the peer, or does not.
        case mine(waits: Bool)
        /// The peer, directly or by way of others. This member may answer reads from its own memory, or not.
        case peers(readsHere: Bool)
        /// Nobody knows, or a lease is over: it will be known soon.
        case undecided
    }

    /// - Parameter isFirst: whether this member is the first of the key's owners.
    package func charge(isFirst: Bool, now: UInt64) -> Charge {
        switch standing {
        case .unknown: return .undecided
        case .behind: return .peers(readsHere: false)
        case .alone: return .mine(waits: false)
        case .divided: return isFirst ? .mine(waits: false) : .peers(readsHere: false)
        case .together:
            guard now < leaseEnd else { return .undecided }
            if isFirst { return .mine(waits: true) }
            return .peers(readsHere: isWaitedFor)
        }
    }

    /// Until when this member may answer reads from its own memory, whoever is in charge; 0 for not at all.
    package func readableUntil(isFirst: Bool) -> UInt64 {
        switch standing {
        case .unknown, .behind: 0
        case .alone: .max
        case .divided: isFirst ? .max : 0
        case .together: isFirst || isWaitedFor ? leaseEnd : 0
        }
    }

    /// Whether the peer waits for this member, and what it sent before is here.
    private var isWaitedFor: Bool {
        guard let stated, stated.waitsSince != 0 else { return false }
        return barrier >= stated.waitsSince
    }

    /// Since when both serve; 0 if they do not.
    package var togetherSince: UInt64 { standing == .together ? since : 0 }

    /// Whether changes go to the peer though nobody waits for it.
    package var tellsPeer: Bool { isLinked && (standing == .alone || standing == .divided) }

    package func hears(at now: UInt64) -> Bool { isLinked && now < heardAt + times.silence }

    /// What others are told of it: they give up whom they do not hear themselves only if nobody else hears it, and should not
    /// have to wait for somebody who has heard it a moment later than they have.
    package func hearsWell(at now: UInt64) -> Bool {
        isLinked && now < heardAt + times.silence * 3 / 4
    }

    /// Whether the peer serves, as far as is known.
    package var isCountedOn: Bool { standing == .together && !hasGone }

    /// Whether the peer says that it hears another member.
    package func peerHears(_ member: Int) -> Bool { stated?.hears.contains(member) ?? false }

    /// Whether the peer says that it serves, to this member or, where that owns nothing, at all: who has just started,
    /// or catches up, would ask others.
    package func peerServes(isFront: Bool) -> Bool {
        guard let stated else { return false }
        return isFront ? stated.isReady : stated.standing != .unknown && stated.standing != .behind
    }

    /// Whether the peer says that it hears anybody but this member: if not, it may be cut off from all others, or
    /// has been until now.
    package var peerHearsOthers: Bool {
        guard let hears = stated?.hears else { return false }
        return (0..<MemberSet.memberCountMax).contains { $0 != me && hears.contains($0) }
    }

    // MARK: Links

    /// A link is there, and the peer has been heard on it.
    package mutating func linked(_ statement: Statement, now: UInt64) -> Consequences {
        isLinked = true
        hasGone = false
        isCompared = false
        isSlow = false
        // What is under way on an earlier link does not come any more.
        barrier = 0
        var consequences: Consequences = [.states, .rethinks]
        consequences.formUnion(hear(statement, now: now))
        // Nobody has given the other up yet: nothing is lost but what is on its way, and that is sent again.
        consequences.insert(standing == .together ? .sendsBarrier : .compares)
        return consequences
    }

    /// The link has gone: the peer's process ended, or the network took it.
    package mutating func unlinked(now: UInt64) -> Consequences {
        // Not when it was heard: a connection that outlives a cut brings what was said before it.
        if isLinked { hasGone = now <= answeredAt + times.silence }
        if hasGone { (isCutOff, wasStopped) = (false, false) }
        isLinked = false
        isCompared = false
        return [.rethinks]
    }

    /// The peer has said that its process ends: it serves nothing any more.
    package mutating func peerEnds(now: UInt64) -> Consequences {
        isLinked = false
        isCompared = false
        return giveUp(now: now)
    }

    /// Everything that both own has been compared.
    package mutating func compared(now: UInt64) -> Consequences {
        isCompared = true
        return Consequences.states.union(settle(now: now))
    }

    /// A barrier has come by every link.
    package mutating func barrierCame(_ time: UInt64, now: UInt64) -> Consequences {
        barrier = max(barrier, time)
        return settle(now: now)
    }

    /// The peer is there, though there is no link: it may serve, so this member must not begin to.
    package mutating func notePresent(now: UInt64) { if standing == .unknown { since = now } }

    /// Whether the links to it are of no use, though they are there.
    package func isDead(at now: UInt64) -> Bool {
        isLinked && (isSlow || now > heardAt + 2 * times.silence)
    }

    /// The peer has not acknowledged for too long, though it talks. True if that is new.
    package mutating func noteSlow() -> Bool {
        defer { isSlow = true }
        return !isSlow
    }

    /// Whether it is given up as soon as that is allowed: nothing is promised to it any more.
    private func isSuspected(at now: UInt64) -> Bool {
        !isLinked || isSlow || now > heardAt + times.silence
    }

    /// Whether a statement or two have not come: who is only slow is not silent.
    private func isSilent(at now: UInt64) -> Bool { now > heardAt + 2 * times.statement }

    // MARK: Statements

    /// What to tell the peer now. Promises not to take over for a lease, unless the peer is suspected.
    ///
    /// - Parameters:
    ///   - hears: whom this member hears.
    ///   - clock: its versions' clock.
    ///   - flushed: everything before it is gone.
    ///   - agreed: up to when the peer has every change of this member.
    package mutating func statement(
        hears: MemberSet, clock: UInt64, flushed: Stamp = .none, agreed: UInt64 = 0, now: UInt64
    ) -> Statement {
        var echo: UInt64 = 0
        if !isSuspected(at: now), let stated, !isInCharge {
            echo = stated.time
            // The lease that this makes is counted from when the peer has sent what is echoed, which was before.
            promiseEnd = max(promiseEnd, heardAt + times.lease + times.margin)
        }
        return Statement(
            process: process, time: now, echo: echo, standing: standing,
            isReady: isCompared, waitsSince: waitsSince, hears: hears, clock: clock,
            flushed: flushed, agreed: agreed)
    }

    /// Whether this member acts without its peer already: a promise not to would be none.
    package var isInCharge: Bool { standing == .alone || standing == .divided }

    /// Whether it is said by another process than the one that was heard before, which has died then.
    package func isOfAnotherProcess(_ statement: Statement) -> Bool {
        peerProcess != 0 && peerProcess != statement.process
    }

    /// What the peer has said. Older than what is known, or of an earlier process: nothing follows.
    package mutating func hear(_ statement: Statement, now: UInt64) -> Consequences {
        var consequences: Consequences = []
        if statement.process != peerProcess {
            if isOfAnotherProcess(statement) { consequences.formUnion(peerProcessDied(now: now)) }
            peerProcess = statement.process
            answeredAt = 0
            stated = nil
            barrier = 0
        }
        guard stated == nil || statement.time > stated?.time ?? 0 else { return consequences }
        stated = statement
        // It waits for an answer as this member does.
        if isSilent(at: now) { consequences.insert(.states) }
        heardAt = now
        if statement.echo != 0 {
            answeredAt = max(answeredAt, statement.echo)
            leaseEnd = max(leaseEnd, statement.echo + times.lease)
        }
        if now < leaseEnd { (isCutOff, wasStopped) = (false, false) }
        return consequences.union(settle(now: now))
    }

    /// The process that was heard before cannot serve any more, whatever it was promised.
    private mutating func peerProcessDied(now: UInt64) -> Consequences {
        promiseEnd = 0
        leaseEnd = 0
        isOnProbation = false
        switch standing {
        case .together, .divided: return change(to: .alone, now: now)
        case .behind: return change(to: .unknown, now: now)
        case .unknown, .alone: return []
        }
    }

    /// What follows from what both say of themselves.
    private mutating func settle(now: UInt64) -> Consequences {
        guard let stated else { return [] }
        let consequences = adjust(to: stated, now: now)
        return consequences.union(join(stated, now: now))
    }

    /// A standing that does not go with the peer's is given up.
    private mutating func adjust(to peer: Statement, now: UInt64) -> Consequences {
        switch (standing, peer.standing) {
        case (.unknown, .alone), (.divided, .alone): return change(to: .behind, now: now)
        case (.behind, .unknown), (.behind, .behind): return change(to: .unknown, now: now)
        // It has stopped waiting for this member.
        case (.together, .alone) where !peer.isReady: return change(to: .behind, now: now)
        // What it has said may be old by now, and it in charge of all: this member has done nothing without it, and
        // begins nothing before both have compared.
        case (.together, .divided) where !peer.isReady: return change(to: .behind, now: now)
        // It has given up what was agreed on, and serves nothing. While it is ready it only has not heard yet.
        case (.together, .unknown) where !peer.isReady: return change(to: .alone, now: now)
        case (.together, .behind) where !peer.isReady: return change(to: .alone, now: now)
        case (.divided, .behind), (.divided, .unknown): return change(to: .alone, now: now)
        default: return []
        }
    }

    /// Both come together once all was compared: who is in charge begins to wait, then the other serves.
    private mutating func join(_ peer: Statement, now: UInt64) -> Consequences {
        guard isLinked, isCompared, peer.isReady else { return [] }
        // Once one has begun the other must not wait.
        if isOnProbation, peer.standing != .together, now < since + times.silence { return [] }
        switch standing {
        case .alone, .divided: return begin(now: now)
        case .unknown:
            // Of two that know nothing both begin; one may have begun already.
            guard peer.standing == .unknown || peer.standing == .together else { return [] }
            return begin(now: now)
        case .behind: return isWaitedFor ? begin(now: now) : []
        case .together: return []
        }
    }

    private mutating func begin(now: UInt64) -> Consequences {
        var consequences = change(to: .together, now: now)
        isSlow = false
        waitsSince = now
        consequences.insert(.sendsBarrier)
        return consequences
    }

    // MARK: Time

    /// To be called every few milliseconds.
    ///
    /// - Parameters:
    ///   - others: whether a member that is heard says that it hears the peer.
    ///   - isIsolated: whether this member may be cut off from all, rather than the peer; nil if nothing tells.
    ///   - isExpected: whether the peer may have something that this member has not, as far as nobody has said that it has not.
    package mutating func tick(
        othersHear others: Bool = false, isIsolated: Bool? = false, isExpected: Bool = true,
        now: UInt64
    ) -> Consequences {
        let gap = now - min(now, tickedAt)
        tickedAt = now
        // This process was stopped: that its peers were silent meanwhile says nothing about them.
        if gap > times.lease / 2 { heardAt = max(heardAt, min(now, heardAt + gap)) }
        // For so long that the peer may have gone on without it. The links may have ended meanwhile, and that says nothing
        // about the peer either.
        if gap > times.lease, standing == .together, !hasGone { isCutOff = true }
        if gap > times.silence - 2 * times.statement { wasStopped = isCutOff }
        switch standing {
        case .together:
            guard isSuspected(at: now), now >= promiseEnd else { return [] }
            // All have fallen silent at once: this member is cut off, and the others go on without it. Who asks it as
            // soon as it is reached again must not see what it had before. That holds until the peer is heard again: the
            // others may be there long before.
            switch isIsolated {
            case true?: isCutOff = isCutOff || !hasGone && isSilent(at: now)
            case false?: isCutOff = isCutOff && wasStopped && others
            case nil: break
            }
            if isCutOff {
                // What those say who are not heard any more either is not believed.
                if others, now > heardAt + 2 * times.silence {
                    return change(to: .behind, now: now)
                }
                if now <= heardAt + times.solitude { return [] }
            }
            // What others say of the peer is as old as what this member has not heard of it: if it has stopped, they will
            // say so in a moment.
            if others, isLinked, !isSlow, now < heardAt + times.silence + 2 * times.statement {
                return []
            }
            isOnProbation = isLinked
            return others ? change(to: .divided, now: now) : giveUp(now: now)
        case .divided:
            let isGone = !isLinked || now > heardAt + times.silence
            guard !others, isGone, now > since + 2 * times.statement else { return [] }
            return giveUp(now: now)
        case .behind:
            guard !others, now > heardAt + times.silence else { return [] }
            return change(to: .unknown, now: now)
        case .unknown:
            guard !isLinked else { return [] }
            let patience = isExpected ? times.solitude : 2 * times.silence
            guard now > since + patience else { return [] }
            return giveUp(now: now)
        case .alone: return []
        }
    }

    private mutating func giveUp(now: UInt64) -> Consequences {
        switch standing {
        case .together, .divided, .unknown: change(to: .alone, now: now)
        case .behind: change(to: .unknown, now: now)
        case .alone: []
        }
    }

    private mutating func change(to new: Standing, now: UInt64) -> Consequences {
        guard standing != new else { return [] }
        var consequences: Consequences = [.states, .rethinks]
        if new != .together {
            if waitsSince != 0, new == .alone || new == .divided { consequences.insert(.releases) }
            waitsSince = 0
            // What was agreed on before is over: all is compared again.
            if isLinked {
                isCompared = false
                consequences.insert(.compares)
            }
        }
        standing = new
        (isCutOff, wasStopped) = (false, false)
        since = now
        leaseEnd = new == .together ? leaseEnd : 0
        return consequences
    }

    /// To be called every few milliseconds, with the time on the clock of versions up to which the peer has all changes of this
    /// member.
    package mutating func noteAgreed(_ clock: UInt64, now: UInt64) {
        // Not for as long as it takes to give it up: it may go on alone by then. Nor while what it has done before is on its
        // way.
        guard standing == .together, isWaitedFor, now < leaseEnd, let stated else { return }
        agreement.note(until: min(clock, stated.agreed))
    }

    /// To be called when the peer is gone on without, with a clock above all that it can have made.
    package mutating func noteParted(_ clock: UInt64) { agreement.noteParted(clock) }
    /// To be called after that, once another process of the peer is there.
    package mutating func noteDied() { agreement.noteDied() }

    /// To be called with each change of the peer's that is taken over.
    package mutating func noteAcknowledged(_ version: UInt64) {
        agreement.noteAcknowledged(version)
    }

    /// Microseconds since 2025 that no version of the peer can be above, unless its clock was set.
    package func peerClockMax(at now: UInt64) -> UInt64 {
        guard let stated else { return 0 }
        return stated.clock + (now - min(now, heardAt)) + times.silence
    }

    /// For an operator: whether copies are being compared.
    package var isCatchingUp: Bool { isLinked && !isCompared && standing != .together }
}
