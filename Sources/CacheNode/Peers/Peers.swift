import Cluster
import EventLoop
import Logging
import MemcacheProtocol
import SessionMap
import Synchronization

/// This node as a member of a cluster that keeps each item on two nodes: the state machine, its store and its links,
/// behind one lock.
///
/// Workers ask, and receive what others send; the peers' thread hears that they are there, and lets time go by. They
/// carry out what follows while they have the lock, which is held for some microseconds. Reads of what may be read here
/// do not take it.
///
/// `@unchecked Sendable`: everything that changes is reached with the lock held alone.
final class Peers: @unchecked Sendable {
    let configuration: PeerConfiguration
    /// This node's number.
    let me: Int
    static let frontNumber = 255
    /// Whether this node was a member, and is none any more: it passes everything on, as a front does.
    let isRemoved = Flag()
    var isFront: Bool { configuration.me == nil || isRemoved.isSet }
    let gates = ReadGates()
    let seed: UInt64
    let process: UInt64
    /// Whether an item was evicted alive since the start.
    let evicted = Flag()
    /// Whether each item of the map is one that this node owns, as far as it was looked at. A memory file may be from
    /// before another definition.
    let ownsAllItems = Flag()
    /// From which age on a read proves an item; without probation none does.
    private var proofAge = UInt32.max
    let lock = Mutex(())
    var member: Member?
    var store: NodeStore?
    var links = PeerLinks()
    /// Made at the start, and changed with the lock held.
    var definitions: KnownDefinitions?
    /// Who owns a key by the generation that is acted by, for who does not have the lock.
    let rule: Mutex<Generation>
    private var early = EarlyRequests()
    /// What is to be dropped, as others own it now, and whether that goes on.
    var drop: (([UInt8]) -> Bool)?
    var isDropping = false
    /// Whether it is to be found out whether this node owns all that it has.
    var wantsItemSurvey = true
    /// Those that go by a definition that does not fit to this node's.
    var strangers: Set<Int> = []
    /// What was said about definitions, which is not said again and again.
    var complaints: Set<String> = []
    private var pending = PendingRequests()
    /// What is being asked for, whose client nobody has to wake up.
    private var asking: Pending?
    /// The worker on whose thread frames are being taken.
    private var serving: WorkerRecord?
    /// Whether there is anything to send, for who does not have the lock.
    private let owes = Atomic<Bool>(false)
    var context: NodeContext?
    private(set) var space: Space?
    private var clock: NodeClock?
    var map: SessionMap?
    private var counts = PeerCounts()
    /// Of `MemberCounts`, what an operator was told.
    private var toldLostChanges: UInt64 = 0
    /// Of the commands that waited for members.
    private var waits = Durations()
    private var clocks: MemberClocks?
    private var standings = PeerStandings()
    /// Wakes the peers' thread up for what only it may do.
    let attention = Mutex<WakeUp?>(nil)
    let notes = RenewalNotes()
    private var surveys: [(peer: Int, number: UInt32, sharing: Sharing)] = []

    init(_ configuration: PeerConfiguration) {
        self.configuration = configuration
        me = configuration.me ?? Self.frontNumber
        rule = Mutex(configuration.definition.rule)
        process = UInt64.random(in: 1 ... .max)
        seed = Self.seed(of: configuration)
    }

    /// Of the hashes by which members compare what they have: nobody else can choose keys that collide.
    private static func seed(of configuration: PeerConfiguration) -> UInt64 {
        let message = Array("sojourn keys \(configuration.clusterName)".utf8)
        let code = MessageAuthentication.code(of: message, secret: configuration.secret ?? [0])
        return code.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Before any thread runs.
    func prepare(_ context: NodeContext, _ space: Space, listener: ListenerIdentity) {
        self.context = context
        self.space = space
        clock = space.clock
        clocks = MemberClocks(space.clock)
        map = space.map
        if case .probation(_, let age) = space.map.configuration.eviction { proofAge = UInt32(age) }
        let isTooOld = space.clock.secondsAway >= Tombstones.secondsMax
        if isTooOld {
            // What was deleted meanwhile is not remembered any more.
            context.logger.notice(
                "starts without its items: they are older than what deletions leave")
            space.map.flush()
        }
        // A worker of its own to count with, behind those that have threads.
        let worker = WorkerRecord(number: space.counters.count - 1)
        let store = NodeStore(
            member: UInt8(truncatingIfNeeded: me), map: space.map, clock: space.clock,
            wall: { [clock = space.clock] in NodeStore.wall(of: clock) },
            performer: Performer(context: context, listener: listener, worker: worker),
            gates: gates, seed: seed,
            tombstoneCountMax: max(
                2_048, space.configuration.memoryByteCount / 20 / Tombstones.byteCount),
            fenceSeconds: space.fence.seconds, log: log(of: space, context),
            logFailed: { [logger = context.logger] in
                logger.error(
                    """
                    cannot write down what is deleted: a restart while another node is away may \
                    bring it back
                    """)
            },
            provesByReading: { [unowned self] in provesByReading($0) },
            hasEvicted: { [evicted] in evicted.value.load(ordering: .relaxed) })
        store.dropsLater = { [unowned self] in drop = $0 }
        store.guestCame = { [unowned self] in
            guard ownsAllItems.isSet else { return }
            ownsAllItems.clear()
            gates.beginEpoch()
            publish()
        }
        self.store = store
        definitions = KnownDefinitions(configuration, file: definitionFile(of: space, context))
        if isTooOld { definitions?.forgetOutlived() }
        if definitions?.acted != nil { begin() }
    }

    /// Becomes a member, or a front, by the generation that is acted by.
    func begin() {
        guard member == nil, let store, let acted = definitions?.acted else { return }
        let silence = UInt64(configuration.silenceMilliseconds) * 1_000
        if let own = configuration.me, acted.members[own] == nil,
            acted.generation >= configuration.definition.generation
        {
            // It was removed while it was away, or by a definition that its file does not have.
            isRemoved.set()
        }
        rule.withLock { $0 = acted.rule }
        ownsAllItems.clear()
        gates.beginEpoch()
        wantsItemSurvey = true
        member = Member(
            me: me, isFront: isFront, needsMajority: configuration.needsMajority,
            generation: acted.rule, previous: definitions?.previous?.rule,
            process: process, store: store, times: PairTimes(silence: silence),
            away: definitions?.outlived ?? [], now: now)
        if isRemoved.isSet { drop = { _ in true } }
        tellClients(of: acted)
        offerNewest()
        for asked in early.takeAll() {
            guard let member else { break }
            switch asked.what {
            case .commands(let commands, let places):
                ask(commands, places, of: member, for: asked.pending, now: now)
            case .flush(let delay):
                flushAll(after: delay, of: member, for: asked.pending, now: now)
            }
        }
        carryOutEffects(now: now)
        publish()
    }

    /// None where items do not outlive the process either.
    private func log(of space: Space, _ context: NodeContext) -> DeletionLog? {
        guard !isFront, let path = space.configuration.memoryFile else { return nil }
        do {
            return try DeletionLog(
                path + ".deletions", cluster: configuration.clusterHash, arenaID: space.map.arenaID,
                halfByteCount: space.configuration.memoryByteCount / 40)
        } catch {
            context.logger.error("what is deleted is not written down: \(error)")
            return nil
        }
    }

    /// Microseconds of the boot-time clock.
    var now: UInt64 { NodeClock.nanoseconds() / 1_000 }

    // MARK: Workers

    /// Until when any item that is here may be read without asking whose it is; 0 for not now. To be asked once what is to
    /// be read for has arrived, and the time to be looked at again once it was read: the thread may have been kept from
    /// going on meanwhile.
    var readsAreOpenUntil: UInt64 {
        guard ownsAllItems.isSet else { return 0 }
        let end = gates.allAreOpenUntil
        return now < end ? end : 0
    }

    /// Whether a change of a key, or of another one like it, is under way, and may still be lost.
    @inline(__always)
    func mayBeUnsettled(_ key: Span<UInt8>) -> Bool {
        guard let map else { return true }
        return gates.mayBeUnsettled(map.keyHash(key))
    }

    /// Until when a read may be answered from this node's memory; 0 for not at all.
    func mayReadUntil(_ key: Span<UInt8>, now moment: Moment) -> UInt64 {
        guard !mayBeUnsettled(key) else { return 0 }
        let head = map?.copyHead(of: key, now: moment.seconds)
        var end = head == nil ? 0 : readsAreOpenUntil
        if end == 0 {
            let (first, second) = owners(of: key.withUnsafeBytes { Array($0) })
            guard first == me || second == me else { return 0 }
            end = .max
            if let other = first == me ? second : first {
                end = gates.isOpenUntil(peer: other, isFirst: first == me)
                guard now < end else { return 0 }
            }
            // What is not here may be at the other owner.
            if head == nil {
                return first == me && !evicted.value.load(ordering: .relaxed) ? end : 0
            }
        }
        // Of what is out of date one client is told to make it anew: whoever is in charge says who.
        guard let head, !head.isStale else { return 0 }
        return head.isProven || !provesByReading(key, now: moment) ? end : 0
    }

    /// An item on probation that is old enough is proven by a read, of which its other owner has to know.
    private func provesByReading(_ key: Span<UInt8>, now moment: Moment) -> Bool {
        var proves = false
        _ = map?.peek(key, now: moment.seconds, fraction: moment.fraction) {
            proves = provesByReading($0)
        }
        return proves
    }

    /// Whether to read an item now is what proves it.
    @inline(__always)
    func provesByReading(_ hit: Hit) -> Bool {
        !hit.isProven && hit.secondsSinceAccess >= proofAge
    }

    /// What a client asks for. Outcomes may be there at once, of all of it or of some.
    ///
    /// - Parameter request: as many as there are commands.
    func ask(_ commands: [ClientCommand], for request: Pending) {
        for start in stride(from: 0, to: commands.count, by: Self.togetherCountMax) {
            let places = start..<min(commands.count, start + Self.togetherCountMax)
            ask(
                for: request,
                { ask(commands, places, of: $0, for: request, now: $1) },
                elseLater: { .init(request, now, .commands(commands, places)) })
        }
    }

    private func ask(
        _ commands: [ClientCommand], _ places: Range<Int>, of member: Member, for request: Pending,
        now: UInt64
    ) {
        for place in places {
            let command = commands[place]
            let client = pending.insert(.init(pending: request, place: place, askedAt: now))
            member.ask(
                client, key: command.key, isRead: command.isRead, command: command.bytes, now: now)
            carryOutEffects(
                now: now, isTooLate: command.isRead && isTooLate(command.key, since: now))
        }
    }

    /// So many take the lock once: others want it, too, and some are long.
    private static let togetherCountMax = 16

    /// Lets go of everything, wherever it is.
    ///
    /// - Parameter delay: in seconds.
    func flushAll(after delay: UInt32, for request: Pending) {
        ask(
            for: request,
            { flushAll(after: delay, of: $0, for: request, now: $1) },
            elseLater: { .init(request, now, .flush(delay)) })
    }

    private func flushAll(
        after delay: UInt32, of member: Member, for request: Pending, now: UInt64
    ) {
        let client = pending.insert(.init(pending: request, place: 0, askedAt: now))
        member.flushAll(client, after: delay, now: now)
        carryOutEffects(now: now)
    }

    @inline(__always)
    private func ask(
        for request: Pending, _ body: (Member, UInt64) -> Void,
        elseLater later: () -> EarlyRequests.Request
    ) {
        lock.withLock { _ in
            guard let member else { return early.append(later()) }
            asking = request
            store?.holdTime()
            body(member, now)
            store?.letTimeGo()
            asking = nil
        }
    }

    /// Whether what was read of a key may have been read when it was allowed no more: the thread was kept from going on,
    /// and the other owner may have gone on without this one.
    private func isTooLate(_ key: [UInt8], since then: UInt64) -> Bool {
        let now = now
        guard now > then + Self.unhurriedMicroseconds, let member else { return false }
        let (first, second) = owners(of: key)
        guard first == me || second == me else { return false }
        return now >= member.readableUntil(key)
    }

    /// Less than what a lease is shorter than the promise it stands for.
    private static let unhurriedMicroseconds: UInt64 = 5_000

    /// Lets go of the item of a key, wherever it is: what was to take its place is refused.
    func forget(_ key: Span<UInt8>, worker: WorkerRecord) {
        let key = key.withUnsafeBytes { Array($0) }
        // A binary deletion: other words cannot have every key.
        var command = [UInt8](repeating: 0, count: 24)
        (command[0], command[1], command[3], command[11]) = (
            BinaryHeader.requestMagic, 0x04, UInt8(truncatingIfNeeded: key.count),
            UInt8(truncatingIfNeeded: key.count)
        )
        let vbucket = BinaryRequest.forgettingVbucket
        (command[6], command[7]) = (
            UInt8(truncatingIfNeeded: vbucket >> 8), UInt8(truncatingIfNeeded: vbucket)
        )
        let ticket = Ticket(worker: worker.number, descriptor: -1, number: 0)
        ask(
            [ClientCommand(key: key, isRead: false, bytes: command + key)],
            for: Pending(count: 1, worker: worker, ticket: ticket))
    }

    /// Sends what workers' requests have led to: to be called at the end of a turn.
    func sendOwed() {
        guard owes.load(ordering: .relaxed) else { return }
        lock.withLock { _ in sendAll() }
    }

    // MARK: Links

    /// A link is there. One that was there before has gone without a word.
    func add(_ link: PeerLink, purpose: Greeting.Purpose) -> PeerLink? {
        lock.withLock { _ in
            let old = links.add(link, purpose)
            // Before anything else: whoever goes by another definition is no peer.
            if link.version > .two {
                for notice in definitions?.notices(withTexts: false) ?? [] {
                    link.append(.definition(notice))
                }
            }
            guard purpose == .frames, !link.isFronts else {
                link.send()
                return old
            }
            member?.sayHello(to: link.peer, now: now)
            // The first message of a link, on the link itself.
            while let effect = member?.takeEffect() {
                if case .state(link.peer, var statement) = effect {
                    clocks?.noteWall(in: &statement)
                    link.append(statement)
                }
            }
            link.send()
            return old
        }
    }

    /// A link has gone.
    func remove(_ link: PeerLink) {
        lock.withLock { _ in
            guard links.remove(link) else { return }
            member?.unlinked(link.peer, now: now)
            finish()
        }
    }

    var frontCount: Int { lock.withLock { _ in links.frontCount } }

    func hasLink(to peer: Int, _ purpose: Greeting.Purpose) -> Bool {
        lock.withLock { _ in links.hasLink(to: peer, purpose) }
    }

    /// Everything that has come by a link; false when it is not to be understood, or of no use.
    ///
    /// - Parameter worker: on whose thread this is, if it is one's: it sends what it led to at the end of its turn.
    func takeReceived(_ link: PeerLink, on worker: WorkerRecord? = nil) -> Bool {
        lock.withLock { _ in
            guard links.has(link), let member else { return true }
            serving = worker
            defer { serving = nil }
            let now = now
            store?.holdTime()
            defer { store?.letTimeGo() }
            var mayChangeStandings = false
            do {
                while let message = try link.next() {
                    switch message {
                    case .statement(var statement):
                        mayChangeStandings = true
                        if link.version == .two, let acted = definitions?.acted {
                            // It is the one that it has greeted with.
                            (statement.generation, statement.next) = (
                                acted.generation, acted.generation
                            )
                        }
                        if !link.isFronts { clocks?.note(statement, of: link.peer) }
                        if !link.isBegun, link.isFronts, links.isForFrames(link) {
                            link.isBegun = true
                            member.linkedFront(link.peer, now: now)
                        } else if !link.isBegun, links.isForFrames(link) {
                            link.isBegun = true
                            member.linked(link.peer, statement, now: now)
                        } else {
                            member.heard(link.peer, statement, now: now)
                        }
                    case .frame(.definition(let notice)):
                        mayChangeStandings = true
                        guard take(notice, by: link) else { return false }
                    case .frame(.ask(let generation)): tell(generation, by: link)
                    case .frame(let frame):
                        guard link.isBegun, frame.isPlausible else { return false }
                        counts.note(received: frame, in: link.version)
                        mayChangeStandings = mayChangeStandings || frame.mayChangeStandings
                        member.receive(frame, from: link.peer, now: now)
                        if case .forward(let request, _) = frame, request.isRead {
                            carryOutEffects(
                                now: now, isTooLate: isTooLate(request.key, since: now))
                        }
                    }
                    carryOutEffects(now: now)
                }
            } catch {
                context?.logger.error("closed the link to \(name(of: link.peer)): \(error)")
                return false
            }
            if mayChangeStandings { publish() }
            if worker == nil { sendAll() }
            return true
        }
    }

    /// A link takes more again.
    func sendMore(_ link: PeerLink) {
        lock.withLock { _ in
            link.send()
            noteOwing(link)
        }
    }

    /// Lets time go by. Returns in how many milliseconds it wants to again: soon while commands are under way, and sooner while
    /// copies are sent at a pace.
    func tick() -> Int {
        lock.withLock { _ in
            counts.hangUps += UInt64(early.giveUp(at: now))
            member?.tick(now: now)
            for key in notes.take() { member?.note(key) }
            finish()
            guard let member else { return Self.idleTickMilliseconds }
            if member.isPaced { return 1 }
            return member.operationCount > 0 ? Self.tickMilliseconds : Self.idleTickMilliseconds
        }
    }

    private static let tickMilliseconds = 5
    private static let idleTickMilliseconds = 10

    /// Every second.
    ///
    /// - Returns: how many changes gave way since the last time; see `MemberCounts`.
    func maintain() -> UInt64 {
        lock.withLock { _ in
            store?.maintain()
            offerNewest()
            let all = member?.counts.lostChanges ?? 0
            defer { toldLostChanges = all }
            return all - toldLostChanges
        }
    }

    func finish() {
        carryOutEffects(now: now)
        publish()
        sendAll()
    }

    /// Those of a server that it has to wait for, or that have ended.
    func linksToSee(_ server: any LinkServer) -> [(link: PeerLink, isBroken: Bool)] {
        lock.withLock { _ in links.toSee(by: server) }
    }

    /// Called by whoever serves a link and has let go of it.
    func noteEnded(_ link: PeerLink, _ reason: String) {
        lock.withLock { _ in links.noteEnded(link, reason) }
        attention.withLock { $0?.wake() }
    }

    func takeEnded() -> [(link: PeerLink, reason: String)] {
        lock.withLock { _ in links.takeEnded() }
    }

    /// Those by which nothing comes any more, or no acknowledgement.
    func deadLinks() -> [PeerLink] {
        lock.withLock { _ in
            let now = now
            let dead = member?.peers.filter { member?.isDead($0, at: now) == true } ?? []
            return dead.flatMap(links.links)
        }
    }

    /// To be called every second; see `PeerLinks`.
    func muteLinks() -> [PeerLink] { lock.withLock { _ in links.mute() } }

    /// A member that answers, and refuses a link.
    func notePresent(_ peer: Int) { lock.withLock { _ in member?.notePresent(peer, now: now) } }

    /// All threads have ended. What the file needs for its end must not be held.
    func end() {
        lock.withLock { _ in
            member = nil
            store = nil
            map = nil
            space = nil
            context = nil
        }
    }

    func takeSurveys() -> [(peer: Int, number: UInt32, sharing: Sharing)] {
        lock.withLock { _ in
            defer { surveys = [] }
            return surveys
        }
    }

    // MARK: Effects

    /// - Parameter isTooLate: whether what was read must not be told: nobody knows whether it is still so.
    private func carryOutEffects(now: UInt64, isTooLate: Bool = false) {
        member?.takeEffects { effect in
            switch effect {
            case .reply(let client, _) where isTooLate: answer(client, .none, now: now)
            case .send(_, .outcome) where isTooLate: counts.hangUps += 1
            default: carryOut(effect, now: now)
            }
        }
    }

    /// A client's request has come to an end.
    private func answer(_ client: Member.Client, _ outcome: Pending.Result, now: UInt64) {
        let isKnown = outcome != Pending.Result.none
        if !isKnown { counts.hangUps += 1 }
        guard let request = pending.remove(client) else { return }
        let isAwaited = request.pending !== asking
        if isAwaited, isKnown { waits.note(microseconds: now - min(now, request.askedAt)) }
        request.pending.end(request.place, outcome, isAwaited: isAwaited, on: serving)
    }

    private func carryOut(_ effect: Member.Effect, now: UInt64) {
        switch effect {
        case .reply(let client, let outcome): answer(client, .reply(outcome.reply), now: now)
        case .hangUp(let client): answer(client, .none, now: now)
        case .send(let peer, let frame):
            guard links.send(frame, to: peer) else { return }
            counts.note(sent: frame)
            owes.store(true, ordering: .relaxed)
        case .state(let peer, var statement):
            clocks?.noteWall(in: &statement)
            links.send(statement, to: peer)
            owes.store(true, ordering: .relaxed)
        case .survey(let peer, let number):
            guard let member else { return }
            surveys.append((peer, number, member.sharing))
            attention.withLock { $0?.wake() }
        case .wants(let generation, let peer):
            guard links.send(.ask(generation: generation), to: peer) else { return }
            owes.store(true, ordering: .relaxed)
        case .acts(let generation, let previous): act(by: generation, after: previous)
        case .outlives(let members): outlive(members)
        }
    }

    func noteOwing() { owes.store(true, ordering: .relaxed) }

    func noteOwing(_ link: PeerLink) {
        links.noteOwing(link)
        owes.store(true, ordering: .relaxed)
    }

    private func sendAll() {
        guard links.owes else { return }
        links.sendAll()
        owes.store(false, ordering: .relaxed)
    }

    /// Lets workers know what they may read.
    func publish() {
        guard let member else { return }
        counts.takeovers += UInt64(
            standings.publish(member, to: gates, now: now) {
                definitions?.acted?.members[$0] != nil
            })
        store?.isEverybodyHere = member.isEverybodyHere
    }

    // MARK: Surveys

    /// Looks at what there is, at first what an earlier process has left: whether this node owns all of it. Takes long: on a
    /// thread of its own.
    func surveyItems() {
        guard !isFront, let map, let clock else { return }
        let (epoch, rule) = (gates.epoch, rule.withLock { $0 })
        let guestCount = lock.withLock { _ in store?.guestCount ?? 0 }
        var walk = ItemWalk()
        var goesOn = true
        var ownsAll = true
        var holdsAll = true
        var version: UInt64 = 0
        var keys: [[UInt8]] = []
        while goesOn {
            keys.removeAll(keepingCapacity: true)
            goesOn = map.step(&walk, now: clock.now().seconds) { hit in
                version = max(version, hit.casUnique)
                if ownsAll || holdsAll { keys.append(hit.withKey { Array($0) }) }
            }
            ownsAll = ownsAll && keys.allSatisfy { rule.owns($0, me) }
            holdsAll = holdsAll && (ownsAll || keys.allSatisfy { rule.holds($0, me) })
        }
        lock.withLock { _ in
            store?.noteVersionAtStart(version)
            // Meanwhile others may have become the owners of some of it.
            guard epoch == gates.epoch, member?.phase ?? .settled == .settled else { return }
            if holdsAll { store?.noteNoGuests(since: guestCount) }
            // Of three copies the third is not read.
            guard ownsAll, rule.copies <= 2, store?.guestCount == guestCount else { return }
            ownsAllItems.set()
        }
    }

    /// Looks at everything that is owned together with a peer. Takes long: on a thread of its own.
    func survey(_ peer: Int, number: UInt32, _ sharing: Sharing) {
        guard let map, let clock else { return }
        let tombstones = lock.withLock { _ in store?.deletions.all ?? [] }
        let survey = NodeStore.survey(
            map, tombstones, seed: seed, now: clock.now().seconds
        ) { sharing.isShared($0, $1, with: peer) }
        lock.withLock { _ in
            member?.take(survey, for: peer, number: number, now: now)
            finish()
        }
    }

    // MARK: For operators

    /// What is known of each other member.
    func view() -> PeersView {
        lock.withLock { _ in
            let now = now
            return PeersView(
                isFront: isFront, change: change,
                peers: (member?.peers ?? []).map { peer in
                    PeersView.Peer(
                        name: definitions?.members[peer]?.name ?? "member \(peer)",
                        standing: member?.standing(to: peer) ?? .unknown,
                        isHeard: member?.hears(peer, at: now) ?? false,
                        isCatchingUp: member?.isCatchingUp(with: peer) ?? false,
                        isMember: definitions?.acted?.members[peer] != nil,
                        clockSkewMilliseconds: clocks?.skewMilliseconds[peer],
                        wireVersion: links.version(of: peer))
                },
                counts: counts, memberCounts: member?.counts ?? .init(),
                waits: waits, catchUpMilliseconds: standings.catchUpMilliseconds,
                storeCounts: store?.counts ?? .init(),
                tombstoneCount: store?.deletions.tombstones.count ?? 0,
                tombstonesDroppedEarly: store?.deletions.tombstones.droppedEarlyCount ?? 0,
                operationCount: member?.operationCount ?? 0,
                hasMajority: member?.hasMajority(at: now) ?? true)
        }
    }
}

extension PeerFrame {
    /// Whether it may be the last that two members waited for, to come together: clients' requests are not.
    fileprivate var mayChangeStandings: Bool {
        switch self {
        case .forward, .outcome, .decline, .replicate, .keep, .acknowledge, .refuse, .inform: false
        case .flush, .flushed, .notes, .fetch, .fetched: false
        case .barrier, .compare, .digests, .list, .want, .exchanged, .sharing, .moved: true
        case .definition, .ask: true
        }
    }
}
