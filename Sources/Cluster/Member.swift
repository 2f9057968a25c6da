/// A member as one state machine: what it answers clients, what it sends its peers, and when.
///
/// Knows no sockets, no clock and no bytes. It is told what has come, and what time it is; what is to be done is
/// taken from it after each time. Its requests are carried out by its store, and by nobody else.
///
/// What it holds, while at most one member at a time fails, in whatever way:
///
/// - A request is carried out once, or its client is told nothing.
/// - What was acknowledged is at both owners, or at one whose peer has been given up.
/// - A read shows what was acknowledged before it was asked for, whichever member is asked.
/// - Who asks is answered, or hung up on, within `budget`.
package struct Member<Store: ReplicaStore> {
    /// Who asks, for whoever runs this member.
    package typealias Client = UInt64

    package enum Effect: Equatable, Sendable {
        case reply(Client, Outcome)
        /// Nobody knows what has come of it: the only answer that no client misunderstands.
        case hangUp(Client)
        case send(peer: Int, PeerFrame)
        case state(peer: Int, Statement)
    }

    /// How long a client waits at most: some give up after half a second.
    package static var budget: UInt64 { 450_000 }
    private static var hopCountMax: UInt8 { 3 }

    package let me: Int
    package var store: Store
    private var effects: [Effect] = []
    private var pairs: [Int: Pair] = [:]
    private var exchanges: [Int: Exchange] = [:]
    private let times: PairTimes
    /// The first owner of a key, and the second one, if there is one.
    private let owners: ([UInt8]) -> (first: Int, second: Int?)
    private var applied: AppliedOperations
    /// Under way here, by number.
    private var operations: [OperationNumber: Operation] = [:]
    private var countOfOperations: UInt64 = 0
    private var sequences: [Int: UInt32] = [:]
    private var statedAt: UInt64 = 0

    private struct Operation {
        enum Origin: Equatable {
            case client(Client)
            case peer(Int)
        }

        enum Progress: Equatable {
            /// Until it is known who decides.
            case parked
            case forwarded(to: Int)
            /// Carried out here; the peer has to have it, too.
            case replicating(peer: Int, sequence: UInt32, Outcome, KeyState?)
        }

        var request: Request
        var origin: Origin
        var hops: UInt8
        var deadline: UInt64
        var progress = Progress.parked
        var sentAt: UInt64 = 0
        /// What it made of the key when it was carried out here, if that is not at both owners.
        var made: (outcome: Outcome, state: KeyState)?
    }

    /// - Parameters:
    ///   - process: a random number that is not 0.
    ///   - away: members that an earlier process of this one has outlived.
    package init(
        me: Int, memberCount: Int, process: UInt64, store: Store, times: PairTimes = PairTimes(),
        away: MemberSet = [], appliedCountMax: Int = 65_536, now: UInt64,
        owners: @escaping ([UInt8]) -> (first: Int, second: Int?)
    ) {
        self.me = me
        self.store = store
        self.times = times
        self.owners = owners
        applied = AppliedOperations(countMax: appliedCountMax)
        for peer in 0..<memberCount where peer != me {
            pairs[peer] = Pair(
                me: me, peer: peer, process: process, times: times,
                standing: away.contains(peer) ? .alone : .unknown, now: now)
            exchanges[peer] = Exchange(drives: me < peer)
        }
        // So that no process of this member gives a number that an earlier one has given.
        countOfOperations = process << 16 & 0xFFFF_FFFF_0000
    }

    /// What is to be done, in this order.
    package mutating func takeEffects() -> [Effect] {
        defer { effects.removeAll(keepingCapacity: true) }
        return effects
    }

    /// The first that is to go over a new link, before anything has come by it.
    package mutating func sayHello(to peer: Int, now: UInt64) { state(to: peer, now: now) }

    /// What it is to a peer.
    package func standing(to peer: Int) -> Standing { pairs[peer]?.standing ?? .unknown }

    // MARK: Clients

    /// What a client asks for.
    package mutating func ask(
        _ client: Client, _ verb: Request.Verb, key: [UInt8], value: [UInt8] = [],
        comparison: UInt64 = 0, delta: UInt64 = 0, now: UInt64
    ) {
        countOfOperations += 1
        let request = Request(
            verb, key: key,
            number: OperationNumber(member: UInt8(me), worker: 0, count: countOfOperations),
            value: value, comparison: comparison, delta: delta)
        begin(
            Operation(
                request: request, origin: .client(client), hops: 0, deadline: now + Self.budget),
            now: now)
    }

    private mutating func begin(_ operation: Operation, now: UInt64) {
        let number = operation.request.number
        if let outcome = applied[number] {
            // It has come another way, too. It may wait for the peer still, and answers then.
            if case .replicating? = operations[number]?.progress {
                operations[number]?.origin = operation.origin
            } else {
                answer(operation.origin, number, outcome)
            }
            return
        }
        // It has come in a circle, as long as nobody knows who decides.
        guard operations[number] == nil else { return }
        operations[number] = operation
        proceed(number, now: now)
    }

    // MARK: Who decides

    private mutating func proceed(_ number: OperationNumber, now: UInt64) {
        guard let operation = operations[number] else { return }
        // Who was asked to carry it out has, and the change has come.
        if let outcome = applied[number] { return finish(number, outcome) }
        let (first, second) = owners(operation.request.key)
        guard first == me || second == me else {
            return pass(number, to: [first, second].compactMap(\.self), now: now)
        }
        guard let other = first == me ? second : first, let pair = pairs[other] else {
            return perform(number, peer: nil, waits: false)
        }
        switch pair.charge(isFirst: first == me, now: now) {
        case .mine(let waits): perform(number, peer: other, waits: waits, now: now)
        case .peers(true)
        where operation.request.verb.isRead && !isUnsettled(operation.request.key):
            perform(number, peer: other, waits: false)
        case .peers: pass(number, to: [other], now: now)
        case .undecided: operations[number]?.progress = .parked
        }
    }

    /// Sends a request on its way to one of these, the first that can be reached, or by way of somebody who can.
    private mutating func pass(_ number: OperationNumber, to targets: [Int], now: UInt64) {
        guard let operation = operations[number], operation.hops < Self.hopCountMax else {
            operations[number]?.progress = .parked
            return
        }
        var origin: Int?
        if case .peer(let peer) = operation.origin { origin = peer }
        let heard = targets.filter { pairs[$0]?.hears(at: now) == true }
        let next =
            heard.isEmpty
            ? pairs.keys.sorted().first { peer in
                peer != origin && pairs[peer]?.hears(at: now) == true
                    && targets.contains { pairs[peer]?.peerHears($0) == true }
            } : heard.first { $0 != origin }
        guard let next else {
            if let origin, heard == [origin] { return decline(number, to: origin) }
            operations[number]?.progress = .parked
            return
        }
        operations[number]?.progress = .forwarded(to: next)
        operations[number]?.sentAt = now
        effects.append(.send(peer: next, .forward(operation.request, hops: operation.hops + 1)))
    }

    /// Who has sent it decides, as far as is known here: it goes back, and is forgotten.
    private mutating func decline(_ number: OperationNumber, to peer: Int) {
        operations[number] = nil
        effects.append(.send(peer: peer, .decline(number)))
    }

    /// Whether a change of this key is not at the peer yet: a read would show what may still be lost.
    private func isUnsettled(_ key: [UInt8]) -> Bool {
        operations.values.contains {
            guard case .replicating(_, _, _, let state?) = $0.progress else { return false }
            return state.key == key
        }
    }

    private mutating func perform(
        _ number: OperationNumber, peer: Int?, waits: Bool, now: UInt64 = 0
    ) {
        guard let operation = operations[number] else { return }
        if waits, isUnsettled(operation.request.key) {
            // Behind what is under way: what it would see may still be lost.
            operations[number]?.progress = .parked
            return
        }
        let (outcome, changed) = carryOut(operation)
        if !operation.request.verb.isRead { applied.remember(number, outcome) }
        guard let peer, let changed else { return finish(number, outcome) }
        if waits {
            let sequence = nextSequence(peer)
            operations[number]?.progress = .replicating(
                peer: peer, sequence: sequence, outcome, changed)
            operations[number]?.sentAt = now
            effects.append(
                .send(
                    peer: peer, .replicate(sequence: sequence, number, outcome, changed)))
        } else {
            if pairs[peer]?.tellsPeer == true {
                effects.append(.send(peer: peer, .inform(number, outcome, changed)))
            }
            finish(number, outcome)
        }
    }

    private mutating func carryOut(
        _ operation: Operation
    ) -> (outcome: Outcome, changed: KeyState?) {
        guard let made = operation.made, store.stamp(of: operation.request.key) == made.state.stamp
        else { return store.perform(operation.request) }
        // It was, and nothing has come since.
        return (made.outcome, made.state)
    }

    private mutating func nextSequence(_ peer: Int) -> UInt32 {
        sequences[peer, default: 0] &+= 1
        return sequences[peer, default: 0]
    }

    private mutating func finish(_ number: OperationNumber, _ outcome: Outcome) {
        guard let operation = operations.removeValue(forKey: number) else { return }
        answer(operation.origin, number, outcome)
    }

    private mutating func answer(
        _ origin: Operation.Origin, _ number: OperationNumber, _ outcome: Outcome
    ) {
        switch origin {
        case .client(let client): effects.append(.reply(client, outcome))
        case .peer(let peer): effects.append(.send(peer: peer, .outcome(number, outcome)))
        }
    }

    // MARK: Peers

    /// A link is there, and the peer's first statement has come by it.
    package mutating func linked(_ peer: Int, _ statement: Statement, now: UInt64) {
        guard let consequences = pairs[peer]?.linked(statement, now: now) else { return }
        if standing(to: peer) == .together { sendAgain(peer) }
        follow(statement)
        carryOut(consequences, peer, now: now)
    }

    package mutating func unlinked(_ peer: Int, now: UInt64) {
        guard let consequences = pairs[peer]?.unlinked(now: now) else { return }
        exchanges[peer]?.stop()
        carryOut(consequences, peer, now: now)
    }

    package mutating func heard(_ peer: Int, _ statement: Statement, now: UInt64) {
        guard let consequences = pairs[peer]?.hear(statement, now: now) else { return }
        follow(statement)
        carryOut(consequences, peer, now: now)
    }

    private mutating func follow(_ statement: Statement) { store.follow(clock: statement.clock) }

    /// What was not acknowledged before the link broke may not have come.
    private mutating func sendAgain(_ peer: Int) {
        let open = operations.compactMap { number, operation -> (UInt32, PeerFrame)? in
            guard
                case .replicating(peer, let sequence, let outcome, let state?) = operation.progress
            else { return nil }
            return (sequence, .replicate(sequence: sequence, number, outcome, state))
        }
        for (_, frame) in open.sorted(by: { $0.0 < $1.0 }) {
            effects.append(.send(peer: peer, frame))
        }
    }

    package mutating func receive(_ frame: PeerFrame, from peer: Int, now: UInt64) {
        switch frame {
        case .forward(let request, let hops):
            begin(
                Operation(
                    request: request, origin: .peer(peer), hops: hops, deadline: now + Self.budget),
                now: now)
        case .outcome(let number, let outcome): finish(number, outcome)
        case .decline(let number):
            // Until the next tick: by then the two may be of one mind.
            guard operations[number]?.progress == .forwarded(to: peer) else { return }
            operations[number]?.progress = .parked
        case .replicate(let sequence, let number, let outcome, let state):
            if let later = store.apply(state) {
                effects.append(.send(peer: peer, .refuse(sequence: sequence, later)))
            } else {
                applied.remember(number, outcome)
                effects.append(.send(peer: peer, .acknowledge(sequence: sequence)))
            }
        case .inform(let number, let outcome, let state):
            if store.apply(state) == nil, let number, let outcome {
                applied.remember(number, outcome)
            }
        case .acknowledge(let sequence): acknowledged(sequence, by: peer, now: now)
        case .refuse(let sequence, let stamp): refused(sequence, by: peer, stamp)
        case .barrier(let since):
            guard let consequences = pairs[peer]?.barrierCame(since, now: now) else { return }
            carryOut(consequences, peer, now: now)
        case .compare, .digests, .list, .want, .exchanged: compare(frame, with: peer, now: now)
        }
    }

    private mutating func acknowledged(_ sequence: UInt32, by peer: Int, now: UInt64) {
        for (number, operation) in operations {
            guard case .replicating(peer, sequence, let outcome, let state) = operation.progress
            else { continue }
            finish(number, outcome)
            if let key = state?.key { settled(key, now: now) }
            return
        }
    }

    private mutating func refused(_ sequence: UInt32, by peer: Int, _ stamp: Stamp) {
        for (number, operation) in operations {
            guard case .replicating(peer, sequence, let outcome, let state?) = operation.progress
            else { continue }
            guard let raised = store.raise(state.key, above: stamp) else { return }
            let sequence = nextSequence(peer)
            operations[number]?.progress = .replicating(
                peer: peer, sequence: sequence, outcome, raised)
            effects.append(
                .send(peer: peer, .replicate(sequence: sequence, number, outcome, raised)))
            return
        }
    }

    /// What waited for a change of this key goes on, in the order in which it came.
    private mutating func settled(_ key: [UInt8], now: UInt64) {
        let waiting = operations.filter {
            $0.value.progress == .parked && $0.value.request.key == key
        }
        .sorted { ($0.value.deadline, $0.key.bits) < ($1.value.deadline, $1.key.bits) }
        for (number, _) in waiting { proceed(number, now: now) }
    }

    private mutating func compare(_ frame: PeerFrame, with peer: Int, now: UInt64) {
        guard exchanges[peer] != nil, pairs[peer]?.isLinked == true else { return }
        if case .compare = frame, exchanges[peer]?.isOn == false {
            // The peer begins anew, whatever is known here.
            startExchange(peer)
        }
        guard let (frames, isOver) = exchanges[peer]?.take(frame, store, peer: peer) else { return }
        for frame in frames { effects.append(.send(peer: peer, frame)) }
        if isOver, let consequences = pairs[peer]?.compared(now: now) {
            carryOut(consequences, peer, now: now)
        }
    }

    private mutating func startExchange(_ peer: Int) {
        guard let frame = exchanges[peer]?.begin() else { return }
        effects.append(.send(peer: peer, frame))
    }

    // MARK: What follows

    private mutating func carryOut(_ consequences: Pair.Consequences, _ peer: Int, now: UInt64) {
        if consequences.contains(.releases), let pair = pairs[peer] {
            // What it may have made without our knowing was made before.
            store.follow(clock: pair.peerClockMax(at: now))
            release(peer)
        }
        if consequences.contains(.compares) { startExchange(peer) }
        if consequences.contains(.sendsBarrier), let since = pairs[peer]?.waitsSince {
            effects.append(.send(peer: peer, .barrier(since: since)))
        }
        if consequences.contains(.states) { state(to: peer, now: now) }
        if consequences.contains(.rethinks) { rethink(now: now) }
    }

    /// A peer has been given up: what waits for it alone is done.
    private mutating func release(_ peer: Int) {
        for (number, operation) in operations {
            guard case .replicating(peer, _, let outcome, _) = operation.progress else { continue }
            finish(number, outcome)
        }
    }

    private mutating func rethink(now: UInt64) {
        for number in operations.keys.sorted(by: { $0.bits < $1.bits }) {
            switch operations[number]?.progress {
            case .parked: proceed(number, now: now)
            case .forwarded(let target):
                // As long as it is heard it may carry the request out, or has.
                if pairs[target]?.hears(at: now) != true { proceed(number, now: now) }
            case .replicating(let peer, _, let outcome, let state):
                // The peer is in charge now, and this change may be lost: it decides once more.
                guard standing(to: peer) == .behind || standing(to: peer) == .unknown else {
                    continue
                }
                applied.forget(number)
                operations[number]?.progress = .parked
                operations[number]?.made = state.map { (outcome, $0) }
                proceed(number, now: now)
            case nil: continue
            }
        }
    }

    private var heardMembers: MemberSet = []

    private mutating func state(to peer: Int, now: UInt64) {
        guard
            let statement = pairs[peer]?.statement(
                hears: heardMembers, clock: store.clock, now: now)
        else { return }
        effects.append(.state(peer: peer, statement))
    }

    /// To be called every few milliseconds.
    package mutating func tick(now: UInt64) {
        heardMembers = []
        for (peer, pair) in pairs where pair.hears(at: now) { heardMembers.insert(peer) }
        for peer in pairs.keys.sorted() {
            let others = pairs.contains { other, pair in
                other != peer && pair.hears(at: now) && pair.peerHears(peer)
            }
            if let consequences = pairs[peer]?.tick(othersHear: others, now: now) {
                carryOut(consequences, peer, now: now)
            }
        }
        if now >= statedAt + times.statement {
            statedAt = now
            for peer in pairs.keys.sorted() { state(to: peer, now: now) }
        }
        attendOperations(now: now)
        rethink(now: now)
    }

    private mutating func attendOperations(now: UInt64) {
        for (number, operation) in operations {
            if case .replicating(let peer, _, _, _) = operation.progress,
                now > operation.sentAt + times.slowness
            {
                pairs[peer]?.noteSlow()
            }
            guard now > operation.deadline else { continue }
            // The store has it, and the peer may: it must not be carried out again.
            operations[number] = nil
            if case .client(let client) = operation.origin { effects.append(.hangUp(client)) }
        }
    }
}
