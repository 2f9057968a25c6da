/// A member as one state machine: what it answers clients, what it sends its peers, and when.
///
/// Knows no sockets, no clock and no bytes. It is told what has come, and what time it is; what is to be done is
/// taken from it after each time. Requests are carried out by its store, and by nobody else.
///
/// What it holds, while at most one member at a time fails, in whatever way:
///
/// - A request is carried out once, or its client is told nothing.
/// - What was acknowledged is at both owners, or at one whose peer has been given up.
/// - A read shows what was acknowledged before it was asked for, whichever member is asked.
/// - Who asks is answered, or hung up on, within `budget`.
///
/// Who decides about a request is here; what peers send, and what follows from who is there, has files of its own.
package final class Member {
    /// Who asks, for whoever runs this member.
    package typealias Client = UInt64

    package enum Effect: Equatable, Sendable {
        case reply(Client, Outcome)
        /// Nobody knows what has come of it: the only answer that no client misunderstands.
        case hangUp(Client)
        case send(peer: Int, PeerFrame)
        case state(peer: Int, Statement)
        /// What is owned together with a peer is to be surveyed, from now on, and given to `take`.
        case survey(peer: Int, number: UInt32)
        /// A peer knows of a later generation of the definition: `change` is to be called with it.
        case wants(generation: UInt64, from: Int)
        /// It acts by this generation from now on; until all is where it is to be, after another one. A later process has to know
        /// it: it is to be written down before any effect that comes behind it is carried out.
        case acts(by: UInt64, after: UInt64?)
        /// These have nothing that this member has not, and it goes on without them: the same of these.
        case outlives(MemberSet)
    }

    /// How long a client waits at most: some give up after half a second.
    package static var budget: UInt64 { 450_000 }

    /// The same for a command of so many bytes: what is long takes longer on its way, twice at most.
    static func budget(byteCount: Int) -> UInt64 {
        budget + 2 * Operations.transferTime(byteCount: byteCount)
    }

    private static var hopCountMax: UInt8 { 3 }

    package let me: Int
    /// It owns nothing, and passes everything on: its number is none of a member's.
    /// So does a member that was removed.
    var isFront: Bool
    /// Whether its store still drops what others own now.
    var isDropping = false
    /// Whether what others would have to hear of is refused where this member hears no majority of them.
    let needsMajority: Bool
    let process: UInt64
    /// Those that pass on to this member, by numbers that are no member's.
    var fronts: Set<Int> = []
    package let store: any ReplicaStore
    let times: PairTimes
    var generations: Generations
    /// By peer.
    var transfers = PeerTable<Transfer>()
    /// Those with whom everything was well, while there is a change.
    var countedOn: MemberSet = []
    /// When this process began to act by its generation; 0 if it does from the start.
    var actedSince: UInt64 = 0
    /// The generation that was asked for last, and when.
    var wanted: (number: UInt64, at: UInt64)?
    var effects: [Effect] = []
    /// Those that come before `effects`, the last one first.
    private var taken: [Effect] = []
    var pairs = PeerTable<Pair>()
    var exchanges = PeerTable<Exchange>()
    /// When what is compared went on last.
    var comparedAt: UInt64
    var applied: AppliedOperations
    var appliedByOthers: AppliedByOthers
    var operations = Operations()
    /// Who was gone on without, by this process or an earlier one, and has not been there since.
    var outlived: MemberSet = []
    var disowned = Disowned()
    /// Whether it has decided for owners that were away, and these may not have everything.
    var isStandingIn = false
    var guests: Guests
    /// Since when all have everything in common with all; 0 if they do not.
    var completeSince: UInt64 = 0
    /// What waited for a key that is settled now.
    var awakened: [OperationNumber] = []
    private(set) var countOfOperations: UInt64
    /// By peer.
    var notes = PeerTable<Notes>()
    var notedAt: UInt64 = 0
    var flushes: [OperationNumber: Flush] = [:]
    /// When everything is to go, as a client has said that nobody waits for any more.
    var flushesAt: UInt64?
    package internal(set) var counts = MemberCounts()
    var statedAt: UInt64 = 0
    var heardMembers: MemberSet = []
    /// Up to when, on the clock of versions, each peer has all changes that were made here. At the last tick.
    var agreedUntil = PeerTable<UInt64>()
    /// By peer, when anything has come but statements.
    var framesHeardAt = PeerTable<UInt64>()
    /// Until then nobody is given up: all fell silent at once, and one that is heard again says nothing of the others.
    var isolatedUntil: UInt64 = 0
    /// By peer that is not there: when this member was last on the smaller side.
    var minorityAt = PeerTable<UInt64>()

    /// - Parameters:
    ///   - isFront: whether it owns nothing, and passes everything on.
    ///   - needsMajority: whether, in a partition, one side goes on alone: that with more than half of all members.
    ///   - process: a random number that is not 0.
    ///   - generation: the one that an earlier process has acted by last, or that all start with. Who is to join a cluster
    ///     starts with the one that this acts by, which does not know it.
    ///   - previous: the one before, if not everything was where it is to be yet.
    ///   - away: members that an earlier process of this one has outlived: they are not waited for as long as others.
    package init(
        me: Int, isFront: Bool = false, needsMajority: Bool = false,
        generation: Generation, previous: Generation? = nil,
        process: UInt64, store: any ReplicaStore, times: PairTimes = PairTimes(),
        away: MemberSet = [], appliedCountMax: Int = 65_535, now: UInt64
    ) {
        self.me = me
        self.isFront = isFront
        self.needsMajority = needsMajority
        self.process = process
        self.store = store
        self.times = times
        generations = Generations(
            me: me, acted: generation, previous: isFront ? nil : previous)
        applied = AppliedOperations(countMax: appliedCountMax)
        appliedByOthers = AppliedByOthers(countMax: appliedCountMax)
        comparedAt = now
        guests = Guests(startedAt: store.clock)
        // So that no process of this member gives a number that an earlier one has given.
        countOfOperations = process << 16 & 0xFFFF_FFFF_0000
        outlived = away
        addPeers(now: now)
        // Who is to join has nothing, whatever it had in an earlier life. Others may have died before they had dropped all.
        // Of a cluster that was never changed all that is here was this member's from the start on.
        if !isFront, previous == nil, generation.number > 1 || !generation.members.contains(me) {
            dropForeign()
        }
    }

    /// The same in a cluster that is not to be changed.
    package convenience init(
        me: Int, isFront: Bool = false, needsMajority: Bool = false, memberCount: Int,
        process: UInt64, store: any ReplicaStore, times: PairTimes = PairTimes(),
        away: MemberSet = [], appliedCountMax: Int = 65_536, now: UInt64,
        owners: @escaping Generation.Owners
    ) {
        self.init(
            me: me, isFront: isFront, needsMajority: needsMajority,
            generation: Generation(
                number: GenerationSpan.first.acted, members: MemberSet(0..<memberCount),
                owners: owners),
            process: process, store: store, times: times, away: away,
            appliedCountMax: appliedCountMax, now: now)
    }

    /// What is to be done next; nil once that is all.
    package func takeEffect() -> Effect? {
        if taken.isEmpty, !effects.isEmpty {
            // Moved, as a copy would retain all that is in it.
            swap(&taken, &effects)
            taken.reverse()
        }
        return taken.popLast()
    }

    /// The same for all that is to be done, in turn. `body` must not ask this member for anything.
    package func takeEffects(_ body: (Effect) -> Void) {
        while let effect = taken.popLast() { body(effect) }
        while !effects.isEmpty {
            swap(&taken, &effects)
            for place in taken.indices { body(taken[place]) }
            taken.removeAll(keepingCapacity: true)
        }
    }

    // MARK: For whoever looks at it

    /// What it is to a peer.
    package func standing(to peer: Int) -> Standing { pairs[peer]?.standing ?? .unknown }

    package func isCatchingUp(with peer: Int) -> Bool { pairs[peer]?.isCatchingUp ?? false }

    package func hears(_ peer: Int, at now: UInt64) -> Bool { pairs[peer]?.hears(at: now) ?? false }

    /// Until when keys that are owned together with a peer may be read without asking; see `Pair`.
    package func readableUntil(with peer: Int, isFirst: Bool) -> UInt64 {
        guard !isFront, !generations.isOutdated,
            generations.previous == nil || generations.isCovered
        else { return 0 }
        let time = pairs[peer]?.readableUntil(isFirst: isFirst) ?? 0
        guard presentStandIn == nil else { return 0 }
        guard standing(to: peer) == .alone, mayHaveStandIns else { return time }
        // Whoever it is that would stand in for both.
        return pairs.keys.filter { $0 != peer && generations.acted.members.contains($0) }
            .reduce(time) { min($0, heldUntil(by: $1)) }
    }

    package var operationCount: Int { operations.count }

    // MARK: Clients

    /// What a client asks for.
    package func ask(
        _ client: Client, key: [UInt8], isRead: Bool, command: [UInt8], now: UInt64
    ) {
        let operation = Operation(
            Request(number: nextNumber(), isRead: isRead, key: key, command: command),
            from: .client(client), budget: Self.budget(byteCount: command.count), now: now)
        // Nobody has had this number before.
        operations.insert(operation)
        proceed(operation, now: now)
    }

    func nextNumber() -> OperationNumber {
        countOfOperations += 1
        // Of fronts there are many, and what tells them apart is their process.
        return OperationNumber(
            member: UInt8(truncatingIfNeeded: me),
            worker: isFront ? UInt8(truncatingIfNeeded: process >> 32) : 0,
            count: countOfOperations)
    }

    func begin(_ operation: Operation, now: UInt64) {
        let number = operation.request.number
        if let outcome = applied[number] {
            // What it has come to here may be nothing to the other side.
            guard hasMajority(at: now) else { return }
            // It has come another way, too. It may wait for the peer still, and answers then.
            guard let other = operations[number], other.peer != nil else {
                return answer(operation.origin, number, outcome)
            }
            // A client of this member's own has nobody else to tell it.
            if case .client = other.origin { return }
            other.origin = operation.origin
            return
        }
        if let known = operations[number] { return meet(operation, known) }
        operations.insert(operation)
        proceed(operation, now: now)
    }

    // MARK: Who decides

    /// It has come in a circle, as long as nobody knows who decides, or by two ways. Whoever has sent it must not wait for this
    /// member, which may wait for them: both look again.
    private func meet(_ operation: Operation, _ known: Operation) {
        if case .forwarded = known.progress {
            known.mayBeMade = true
            park(known)
        }
        guard case .peer(let peer) = operation.origin, known.origin != operation.origin else {
            return
        }
        effects.append(.send(peer: peer, .decline(operation.request.number)))
    }

    func proceed(_ operation: Operation, now: UInt64) {
        let request = operation.request
        // Who was asked to carry it out has, and the change has come.
        if let outcome = applied[request.number] { return finish(operation, outcome) }
        let (first, second) = generations.acted.owners(request.key)
        guard isFront || !generations.isOutdated else { return park(operation) }
        guard !isFront, first == me || second == me else {
            return decideForOthers(operation, first, second, now: now)
        }
        guard isCovered(request.key) else { return park(operation) }
        guard let other = first == me ? second : first, let pair = pairs[other] else {
            return perform(operation, besides: nil, waits: false, now: now)
        }
        let charge = pair.charge(isFirst: first == me, now: now)
        if let standIn = presentStandIn {
            guard standing(to: standIn) == .behind else { return park(operation) }
            return pass(operation, to: [standIn], now: now)
        }
        if pair.standing == .alone, now >= heldUntil(request.key, besides: other) {
            return park(operation)
        }
        if case .mine = charge, let witness = witness(of: operation, besides: other, now: now) {
            return inquire(operation, of: witness, now: now)
        }
        switch charge {
        case .mine(true)
        where !request.isRead && operation.beganAt <= pair.togetherSince && !operation.hasAsked
            && operation.origin != .peer(other) && hears(other, at: now):
            // While the peer was in charge it may have come to it another way, and to nothing that would be here.
            inquire(operation, of: other, now: now)
        case .mine(true)
        where !operation.hasFetched && store.mayLack(whatIsNeededBy: request):
            // That it is not here says nothing until the peer has answered, or is given up.
            guard hears(other, at: now) else { return park(operation) }
            counts.fetches += 1
            operations.move(operation, to: .fetching(from: other))
            operation.sentAt = now
            effects.append(.send(peer: other, .fetch(request.number, key: request.key)))
        case .mine(false)
        where !request.isRead && !mayGoOn(without: other, at: now):
            refuse(operation, now: now)
        case .mine(let waits): perform(operation, besides: other, waits: waits, now: now)
        case .peers(true)
        where request.isRead && !operations.isUnsettled(operation.keyHash)
            && !store.changesByReading(request.key)
            // What is not here may be there; unless that is who asks.
            && (operation.origin == .peer(other) || store.stamp(of: request.key) != .none):
            perform(operation, besides: other, waits: false, now: now)
        case .peers: pass(operation, to: [other], now: now)
        case .undecided: park(operation)
        }
    }

    /// Sends a request on its way to one of these, the first that can be reached, or by way of somebody who can.
    func pass(_ operation: Operation, to targets: [Int], now: UInt64) {
        let sender = operation.origin.peer
        guard operation.hops < Self.hopCountMax else {
            return if let sender { decline(operation, to: sender) } else { park(operation) }
        }
        let refuser = operation.declinedBy
        operation.declinedBy = nil
        if let next = nextHop(to: targets, avoiding: [sender, refuser], now: now) {
            return forward(operation, to: next, now: now)
        }
        // Who has sent it decides, or is the only one who reaches who does.
        let heard = targets.filter { $0 != refuser && hears($0, at: now) }
        if let sender, heard.isEmpty ? reaches(sender, targets, now: now) : heard == [sender] {
            return decline(operation, to: sender)
        }
        park(operation)
    }

    private func nextHop(to targets: [Int], avoiding avoided: [Int?], now: UInt64) -> Int? {
        let heard = targets.filter { hears($0, at: now) }
        guard !heard.isEmpty else {
            return pairs.keys.first { !avoided.contains($0) && reaches($0, targets, now: now) }
        }
        // Who hears nobody else has just been cut off, and waits until it knows what it has missed.
        let hearing = heard.filter { pairs[$0]?.peerHearsOthers == true }
        let ordered =
            hearing.filter { pairs[$0]?.peerServes(isFront: isFront) == true } + hearing + heard
        return ordered.first { !avoided.contains($0) }
    }

    /// Whether it has carried a change out already: who has not does not pass it on.
    private func inquire(_ operation: Operation, of peer: Int, now: UInt64) {
        (operation.hasAsked, operation.isAsking) = (true, true)
        operation.hops = max(operation.hops, Self.hopCountMax - 1)
        forward(operation, to: peer, now: now)
    }

    private func forward(_ operation: Operation, to next: Int, now: UInt64) {
        operations.move(operation, to: .forwarded(to: next))
        operation.sentAt = now
        effects.append(.send(peer: next, .forward(operation.request, hops: operation.hops + 1)))
    }

    /// A read that was passed on to a peer that is heard, and of which nothing has come since but that it is there: it may be on
    /// a link that is of no use, and goes another way, too.
    ///
    /// A change does not: what it has come to may be on its way beside it, without its number, and it would meet itself.
    func goAround(now: UInt64) {
        for number in operations.numbers {
            guard let operation = operations[number], operation.request.isRead,
                case .forwarded(let peer) = operation.progress,
                operation.sentAt + times.silence / 4 < now,
                (framesHeardAt[peer] ?? 0) < operation.sentAt
            else { continue }
            let (first, second) = generations.acted.owners(operation.request.key)
            let others = [first, second].compactMap(\.self).filter { $0 != me && $0 != peer }
            let sender = operation.origin.peer
            let next =
                others.first { $0 != sender && hears($0, at: now) }
                ?? pairs.keys.first {
                    $0 != peer && $0 != sender && reaches($0, [peer] + others, now: now)
                }
            guard let next else {
                if let sender, reaches(sender, [peer] + others, now: now) {
                    decline(operation, to: sender)
                }
                continue
            }
            counts.reroutes += 1
            forward(operation, to: next, now: now)
        }
    }

    /// Whether a peer can pass something on to one of these.
    private func reaches(_ peer: Int, _ targets: [Int], now: UInt64) -> Bool {
        hears(peer, at: now) && targets.contains { pairs[peer]?.peerHears($0) == true }
    }

    /// It waits until it is known who decides.
    func park(_ operation: Operation) {
        if !operation.hasParked { counts.parked += 1 }
        operation.hasParked = true
        operations.move(operation, to: .parked)
    }

    /// It goes back to who has sent it, and is forgotten.
    private func decline(_ operation: Operation, to peer: Int) {
        // Whoever has sent it might refuse it, and nobody else may know that it was carried out.
        if needsMajority, operation.mayBeMade, !operation.request.isRead { return park(operation) }
        let number = operation.request.number
        _ = operations.remove(number)
        effects.append(.send(peer: peer, .decline(number)))
    }

    /// Lets the others that have a copy of a key have a note of it, before long.
    package func note(_ key: [UInt8]) {
        noteReceivers(key)
        let (first, second) = generations.acted.owners(key)
        guard first == me || second == me, let other = first == me ? second : first else { return }
        note(key, for: other)
        for keeper in keepers(of: key, besides: other).all { note(key, for: keeper) }
    }

    // MARK: Partitions

    /// Whether this member may go on without whoever it does not hear: more than half of all have heard it so lately that they
    /// tell others of it still, who therefore do not go on without it.
    package func hasMajority(at now: UInt64) -> Bool {
        guard needsMajority else { return true }
        let others = voters
        let hearing = 1 + others.count { now < (pairs[$0]?.answeredAt ?? 0) + times.lease }
        return 2 * hearing > others.count + 1
    }

    /// The other members, by each generation that is acted by or comes next: while one member at a time is added or removed, two
    /// majorities have somebody in common.
    private var voters: [Int] { pairs.keys.filter(generations.members.contains) }

    /// Whether it may make changes that a peer does not hear of. Who was on the smaller side has to meet the peer first: by
    /// somebody who hears both it may reach a majority before that.
    func mayGoOn(without peer: Int, at now: UInt64) -> Bool {
        !needsMajority || hasMajority(at: now) && minorityAt[peer] == nil
    }

    /// To be called every few milliseconds, and when a link ends.
    func noteMinority(at now: UInt64) {
        guard needsMajority else { return }
        // Others learn of the end of a link sooner than of silence.
        let others = voters
        let linked = 1 + others.count { pairs[$0]?.isLinked == true }
        let isMinority = !hasMajority(at: now) || 2 * linked <= others.count + 1
        for peer in pairs.keys {
            if pairs[peer]?.standing == .together, pairs[peer]?.isLinked == true {
                minorityAt[peer] = nil
            } else if isMinority {
                minorityAt[peer] = now
            } else if let last = minorityAt[peer], last + times.silence < now,
                !pairs.contains(where: { $0.value.hears(at: now) && $0.value.peerHears(peer) })
            {
                // It has died since, or does not reach anybody.
                minorityAt[peer] = nil
            }
        }
    }

    /// The other side may go on, and would not know of it.
    func refuse(_ operation: Operation, now: UInt64) {
        if let made = operation.made {
            store.released(made.state)
            return abandon(operation)
        }
        guard let reading = store.reading(of: operation.request) else {
            if operation.mayBeMade { return abandon(operation) }
            counts.refusals += 1
            return finish(operation, store.refusal(of: operation.request))
        }
        // A page view goes on; it just lets nothing live longer.
        _ = operations.remove(operation.request.number)
        let read = Operation(
            reading, from: operation.origin, hops: operation.hops,
            budget: operation.deadline - min(now, operation.deadline), now: now)
        operations.insert(read)
        proceed(read, now: now)
    }

    /// It is here, and may come to be known when the two sides meet, or not.
    func abandon(_ operation: Operation) {
        guard end(operation) else { return }
        if case .client(let client) = operation.origin { effects.append(.hangUp(client)) }
    }

    // MARK: Carrying out

    /// - Parameters:
    ///   - other: who owns the key, too; nil where nobody does, or neither owner is there.
    ///   - waits: whether what changes is to be at that one before it is answered for.
    func perform(_ operation: Operation, besides other: Int?, waits: Bool, now: UInt64) {
        let request = operation.request
        let mayChange = !request.isRead || store.changesByReading(request.key)
        // Behind what is under way: what it would see may still be lost.
        if operations.isUnsettled(operation.keyHash) { return operations.queue(operation) }
        let keepers = mayChange ? keepers(of: request.key, besides: other) : Keepers()
        let first = waits ? other : keepers.first
        let second = waits ? keepers.first : keepers.second
        let mayWait = first != nil && mayChange
        if mayWait { store.unsettle(request.key) }
        operation.generation = generations.acted.number
        own(request.key, by: operation)
        let (outcome, change) = carryOut(operation)
        if !request.isRead { applied.remember(request.number, outcome) }
        if mayWait, let first, case .state(let changed) = change {
            // Where there are two copies, the other one is all.
            if !waits || generations.acted.copies > 2 {
                tellOthers(changed, of: operation, outcome, but: first, second)
            }
            return replicate(operation, to: first, and: second, outcome, changed, now: now)
        }
        if mayWait { store.settle(request.key) }
        switch change {
        case .none: break
        case .note:
            noteReceivers(request.key)
            for owner in otherOwners(of: request.key, other) { note(request.key, for: owner) }
            for keeper in keepers.all { note(request.key, for: keeper) }
        case .state(let changed):
            if generations.previous == nil {
                tellReceivers(changed, request.isRead ? nil : request.number, carried(outcome))
            }
            if !request.isRead, generations.acted.members.count > 1 { counts.singleCopies += 1 }
            tellOthers(changed, of: operation, outcome)
        }
        finish(operation, outcome)
    }

    /// Lets others have a change that is answered for once it is there.
    func replicate(
        _ operation: Operation, to first: Int, and second: Int?, _ outcome: Outcome,
        _ state: KeyState, now: UInt64
    ) {
        operation.made = .init(outcome: outcome, state: state)
        operation.sentAt = now
        var replications = Operation.Replications(
            first: .init(peer: first, sequence: operations.nextSequence(first)))
        send(replications.first, operation, outcome, state)
        if let second {
            let other = Operation.Replication(
                peer: second, sequence: operations.nextSequence(second))
            replications.second = other
            send(other, operation, outcome, state)
        }
        operations.move(operation, to: .replicating(replications))
    }

    func send(
        _ replication: Operation.Replication, _ operation: Operation, _ outcome: Outcome,
        _ state: KeyState
    ) {
        let (number, sequence) = (operation.request.number, replication.sequence)
        let frame: PeerFrame =
            isGuest(state.key, at: replication.peer)
            ? .keep(sequence: sequence, number, carried(outcome), state)
            : .replicate(sequence: sequence, number, carried(outcome), state)
        effects.append(.send(peer: replication.peer, frame))
    }

    /// A change that nobody waits for.
    func tell(
        _ peer: Int, _ changed: KeyState, of operation: Operation, _ outcome: Outcome
    ) {
        if operation.request.isRead {
            // No state of its own, so nothing that would be found by comparing: who is away is told when it is back.
            note(operation.request.key, for: peer)
            guard pairs[peer]?.isLinked == true else { return }
            return effects.append(.send(peer: peer, .inform(nil, nil, changed)))
        }
        guard pairs[peer]?.isLinked == true else { return }
        effects.append(
            .send(peer: peer, .inform(operation.request.number, carried(outcome), changed)))
    }

    /// What is here of a key, and was to be made elsewhere, counts as made: something is made of it, or shown.
    private func own(_ key: [UInt8], by operation: Operation) {
        guard let entry = disowned[key], store.stamp(of: key) == entry.made.state.stamp else {
            return
        }
        if entry.number == operation.request.number {
            operation.made = entry.made
        } else {
            applied.remember(entry.number, entry.made.outcome)
        }
        disowned.remove(key)
    }

    private func carryOut(_ operation: Operation) -> (outcome: Outcome, change: Change) {
        guard let made = operation.made, store.stamp(of: operation.request.key) == made.state.stamp
        else { return store.perform(operation.request) }
        // It was, and nothing has come since.
        return (made.outcome, .state(made.state))
    }

    /// What a peer is told of an outcome: nothing of one that it would not remember.
    func carried(_ outcome: Outcome) -> Outcome? { outcome.isRemembered ? outcome : nil }

    /// Takes it out of what is under way. What waited for its key goes on. False if it was out already.
    func end(_ operation: Operation) -> Bool {
        let wasUnsettled = operation.peer != nil
        guard operations.remove(operation.request.number) != nil else { return false }
        guard wasUnsettled else { return true }
        settle(operation)
        if let made = operation.made,
            generations.previous == nil || operation.generation < generations.acted.number
        {
            let number = operation.request.isRead ? nil : operation.request.number
            tellReceivers(made.state, number, carried(made.outcome))
        }
        return true
    }

    func settle(_ operation: Operation) {
        store.settle(operation.request.key)
        awakened += operations.takeQueue(of: operation.keyHash)
    }

    /// To be called at the end of whatever may have ended operations.
    func proceedAwakened(now: UInt64) {
        while !awakened.isEmpty {
            let numbers = awakened
            awakened = []
            for number in numbers {
                guard let operation = operations[number], operation.progress == .queued else {
                    continue
                }
                proceed(operation, now: now)
            }
        }
    }

    func finish(_ operation: Operation, _ outcome: Outcome) {
        guard end(operation) else { return }
        answer(operation.origin, operation.request.number, outcome)
    }

    private func answer(
        _ origin: Operation.Origin, _ number: OperationNumber, _ outcome: Outcome
    ) {
        switch origin {
        case .client(let client): effects.append(.reply(client, outcome))
        case .peer(let peer): effects.append(.send(peer: peer, .outcome(number, outcome)))
        case .nobody: break
        }
    }
}
