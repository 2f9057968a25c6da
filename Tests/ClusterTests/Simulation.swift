import Cluster
import TestSupport

/// What happens in a simulation.
struct SimulationProfile {
    var memberCount = 3
    var copies = 2
    /// After the first change, if it is another number.
    var copiesLater: Int?
    /// They own nothing and pass everything on. Nothing happens to them.
    var frontCount = 1
    /// Kills, stops and cuts one at a time, the next one when all is well again.
    var kills = true
    var stops = true
    var cuts = true
    /// Cuts a member off from everybody, clients included.
    var unplugs = true
    var losesFiles = true
    /// How many die at a time, one after the other, each once the one before was given up.
    var deadCount = 1
    var faultCount = 4
    var requestCount = 500
    var keyCount = 15
    /// Cuts a member off from all others: each side goes on by itself.
    var parts = false
    /// Whether of two sides the smaller one refuses changes.
    var needsMajority = false
    /// Whether some clients let everything go.
    var flushes = false
    /// Whether clients' words are to be checked: where each side goes on, they do not fit together.
    var checksHistory = true
    /// Of the cluster's definition, one after the other, each about when a fault happens.
    var changes: [SimulatedChange] = []
}

enum SimulatedChange: CaseIterable {
    case joins, leaves
    /// One leaves, which may have died before, and another one joins.
    case replaces
    /// What was said is taken back, a moment later: the next generation is as the one before.
    case joinsInVain

    var joinCount: Int { self == .leaves ? 0 : 1 }
}

/// Members, clients and what is between them, in one thread and in no time: everything that happens follows from a
/// seed. What it has found happens again with the same seed.
final class Simulation<Store: SimulatedStore> {
    /// A way for frames, and one for statements beside it, from one member to another: ordered, as TCP is.
    private struct Way {
        var session = 0
        var isCut = false
        /// Whether there is a connection, as far as either end can know.
        var isOpen = false
        /// Whether a statement has gone by it: the first one opens it.
        var isBegun = false
        /// It was cut without a word: changes do not come until there is another link, and statements late.
        var isBroken = false
        var held: [Statement] = []
        var lastArrival: UInt64 = 0
        var lastStatementArrival: UInt64 = 0
    }

    private enum Event {
        case tick(Int)
        case frame(from: Int, to: Int, session: Int, PeerFrame)
        case survey(Int, process: UInt64, peer: Int, number: UInt32, Survey)
        case statement(from: Int, to: Int, session: Int, Statement, isFirst: Bool)
        case link(Int, Int)
        /// Both ends have heard nothing for long.
        case death(Int, Int, session: Int)
        case broken(at: Int, peer: Int, session: Int)
        case client(Int)
        case fault
        case heal
        case restart(Int)
        case die(Int)
        case resume(Int)
        case strike
        case change(SimulatedChange, leaver: Int?)
        case takeBack
        /// Somebody is told of a generation.
        case define(Int, UInt64)
        /// A member that was removed is stopped.
        case end(Int)
    }

    private struct Site {
        var member: Member?
        let store: Store
        var isStopped = false
        var isUnplugged = false
        /// What came while it was stopped.
        var waiting: [Event] = []
        var processCount: UInt64 = 0
        var wallOffset: UInt64 = 0
        var losesFile = false
        /// Written down apart from what it has: the generation that it acts by, and the one before.
        var acted: UInt64 = 1
        var previous: UInt64?
        /// The same: whom it has gone on without.
        var outlived: MemberSet = []
        /// Whether it has ever been started, and is not to be for good.
        var isPart = false
        var isOver = false
    }

    let profile: SimulationProfile
    private var generator: SeededGenerator
    private(set) var now: UInt64 = 1_000_000
    private var queue = EventQueue<Event>()
    private var sites: [Site] = []
    private var ways: [[Way]] = []
    private(set) var history: [HistoryEntry] = []
    private var asked: [UInt64: Int] = [:]
    /// Reads of whom the smaller side may have told what it has.
    private var unchecked: Set<Int> = []
    private(set) var trace: [String] = []
    private var faultsLeft: Int
    private var isFaulty = false
    private var healedAt: UInt64 = 0
    private var requestsLeft: Int
    private var clientCount: UInt64 = 0
    /// By members that nothing was wrong with: these who asked were not answered in time.
    private(set) var hangUpCount: UInt64 = 0
    private(set) var longestWait: UInt64 = 0
    /// How many requests were carried out for owners none of whom was there, by members that have not died since.
    var standInCount: UInt64 { sites.reduce(0) { $0 + ($1.member?.counts.standIns ?? 0) } }
    private let wantsTrace: Bool
    /// Who are members, by each generation.
    private var definitions: [[Int]]
    private let memberSites: Range<Int>
    private var changesLeft: [SimulatedChange]
    private var nextMember: Int
    /// Those that die for good before they have left.
    private var isDoomed: Set<Int> = []
    /// Whether a change moves nearly all keys, or those of the member that comes or goes.
    private let movesAll: Bool

    init(seed: UInt64, profile: SimulationProfile, wantsTrace: Bool = false) {
        self.profile = profile
        self.wantsTrace = wantsTrace
        generator = SeededGenerator(seed: seed)
        faultsLeft = profile.faultCount
        requestsLeft = profile.requestCount
        definitions = [Array(0..<profile.memberCount)]
        changesLeft = profile.changes
        nextMember = profile.memberCount
        memberSites = 0..<profile.memberCount + profile.changes.reduce(0) { $0 + $1.joinCount }
        movesAll = profile.changes.isEmpty || seed % 2 == 0
        let siteCount = memberSites.count + profile.frontCount
        let owners = Self.owners(of: definitions[0], movesAll: movesAll)
        for number in 0..<siteCount {
            let store = Store(me: number, memberCount: memberSites.count, owners: owners)
            var site = Site(store: store)
            // Clocks are a day apart.
            site.wallOffset =
                50_000_000_000_000 + UInt64.random(in: 0...86_400_000_000, using: &generator)
            sites.append(site)
        }
        ways = .init(repeating: .init(repeating: Way(), count: siteCount), count: siteCount)
        for number in sites.indices
        where !memberSites.contains(number) || number < profile.memberCount { start(number) }
        for lane in 0..<6 { queue.push(.client(lane), at: now + 2_000_000 + UInt64(lane) * 1_000) }
        queue.push(.fault, at: now + 2_500_000)
    }

    private static func owners(of members: [Int], movesAll: Bool) -> Generation.Owners {
        let count = members.count
        guard movesAll else {
            return { key in
                let ranked = members.sorted { rank($0, key) < rank($1, key) }
                return (ranked[0], count > 1 ? ranked[1] : nil)
            }
        }
        return { key in
            let place = Int(key.last ?? 0)
            let first = place % count
            let second = (first + 1 + place / count % max(1, count - 1)) % count
            return (members[first], second == first ? nil : members[second])
        }
    }

    /// All of them, the owners first.
    private static func order(of members: [Int], movesAll: Bool) -> Generation.Order {
        let owners = owners(of: members, movesAll: movesAll)
        return { key in
            let (first, second) = owners(key)
            let theirs = [first, second].compactMap(\.self)
            return theirs
                + members.filter { !theirs.contains($0) }.sorted { rank($0, key) < rank($1, key) }
        }
    }

    private static func rank(_ member: Int, _ key: [UInt8]) -> UInt64 {
        let mixed = (UInt64(key.last ?? 0) << 8 | UInt64(member)) &* 0x9E37_79B9_7F4A_7C15
        return (mixed ^ mixed >> 29) &* 0xD6E8_FEB8_6659_FD93
    }

    private func generation(_ number: UInt64) -> Generation {
        let members = definitions[Int(number) - 1]
        return Generation(
            number: number, members: MemberSet(members),
            copies: number > 1 ? profile.copiesLater ?? profile.copies : profile.copies,
            owners: Self.owners(of: members, movesAll: movesAll),
            order: Self.order(of: members, movesAll: movesAll))
    }

    private func owners(_ key: [UInt8]) -> (first: Int, second: Int?) {
        generation(UInt64(definitions.count)).owners(key)
    }

    private func note(_ text: @autoclosure () -> String) {
        guard wantsTrace else { return }
        trace.append("\(now): \(text())")
    }

    // MARK: Members

    private func start(_ number: Int) {
        sites[number].processCount += 1
        sites[number].store.wall = now + sites[number].wallOffset
        sites[number].store.restart()
        sites[number].isPart = true
        let member = Member(
            me: number, isFront: !memberSites.contains(number),
            needsMajority: profile.needsMajority,
            generation: generation(sites[number].acted),
            previous: sites[number].previous.map(generation),
            process: UInt64(number + 1) << 32 | sites[number].processCount,
            store: sites[number].store, times: PairTimes(solitude: 3_000_000),
            away: sites[number].outlived, now: now)
        sites[number].member = member
        note("member \(number) starts by \(sites[number].acted)")
        // Somebody may have put the latest definition there.
        if definitions.count > sites[number].acted, Bool.random(using: &generator) {
            queue.push(.define(number, UInt64(definitions.count)), at: now + delay())
        }
        queue.push(.tick(number), at: now)
        for peer in others(of: number) { connect(number, peer) }
    }

    private var members: Range<Int> { memberSites }

    /// Those that something can happen to.
    private var victims: [Int] { members.filter { sites[$0].isPart && !sites[$0].isOver } }

    /// Whom a member or front has links with. Fronts have none with each other.
    private func others(of number: Int) -> [Int] {
        sites.indices.filter {
            $0 != number && (members.contains($0) || members.contains(number))
        }
    }

    /// Both learn of a link once it is there.
    private func connect(_ first: Int, _ second: Int, within most: UInt64 = 20_000) {
        queue.push(
            .link(min(first, second), max(first, second)), at: now + delay(upTo: most))
    }

    private func delay(upTo most: UInt64 = 1_000) -> UInt64 {
        // Most of the time a fraction of a millisecond, now and then much more.
        let isLong = Int.random(in: 0..<200, using: &generator) == 0
        return UInt64.random(in: 20...(isLong ? 60_000 : most), using: &generator)
    }

    private func link(_ first: Int, _ second: Int) {
        guard sites[first].member != nil, sites[second].member != nil,
            !ways[first][second].isCut, !ways[second][first].isCut
        else { return }
        for (from, to) in [(first, second), (second, first)] {
            ways[from][to].session += 1
            ways[from][to].isOpen = true
            ways[from][to].isBegun = false
            ways[from][to].isBroken = false
            ways[from][to].held = []
            ways[from][to].lastArrival = now
            ways[from][to].lastStatementArrival = now
        }
        note("link \(first)-\(second)")
        // A member says nothing to a front before that has said that it is one.
        for (from, to) in [(first, second), (second, first)] where members.contains(to) {
            sites[from].member?.sayHello(to: to, now: now)
            flush(from)
        }
    }

    private func breakLink(_ first: Int, _ second: Int, silently: Bool) {
        for (from, to) in [(first, second), (second, first)] {
            guard !silently else {
                ways[from][to].isBroken = true
                continue
            }
            ways[from][to].session += 1
            ways[from][to].isOpen = false
            ways[from][to].held = []
            guard sites[to].member != nil else { continue }
            queue.push(
                .broken(at: to, peer: from, session: ways[from][to].session), at: now + delay())
        }
    }

    private func flush(_ site: Int) {
        while let effect = sites[site].member?.takeEffect() {
            switch effect {
            case .reply(let client, let outcome): answered(client, outcome)
            case .hangUp(let client):
                if !sites[site].isUnplugged {
                    hangUpCount += 1
                    note("\(site) hangs up on client \(client)")
                }
                answered(client, nil)
            case .send(let peer, let frame):
                note("\(site) -> \(peer): \(brief(frame))")
                let arrival = max(ways[site][peer].lastArrival, now + delay())
                ways[site][peer].lastArrival = arrival
                let way = ways[site][peer]
                guard way.isOpen, !way.isCut, !way.isBroken else { continue }
                queue.push(
                    .frame(
                        from: site, to: peer, session: ways[site][peer].session, frame),
                    at: arrival)
            case .survey(let peer, let number):
                // It takes time, and what is changed meanwhile may or may not be in it.
                guard let sharing = sites[site].member?.sharing else { continue }
                let survey = sites[site].store.survey { sharing.isShared($0, $1, with: peer) }
                queue.push(
                    .survey(
                        site, process: sites[site].processCount, peer: peer, number: number,
                        survey), at: now + delay(upTo: 20_000))
            case .wants(let number, let peer):
                note("\(site) asks \(peer) for generation \(number)")
                queue.push(.define(site, number), at: now + delay(upTo: 30_000))
            case .acts(let number, let previous):
                note("\(site) acts by \(number)\(previous == nil ? ", settled" : "")")
                sites[site].acted = number
                sites[site].previous = previous
            case .outlives(let members): sites[site].outlived = members
            case .state(let peer, let statement):
                let arrival = max(ways[site][peer].lastStatementArrival, now + delay())
                ways[site][peer].lastStatementArrival = arrival
                guard ways[site][peer].isOpen else { continue }
                // A link begins with it.
                let isFirst = !ways[site][peer].isBegun
                ways[site][peer].isBegun = true
                if isFirst { ways[site][peer].lastArrival = arrival }
                guard !ways[site][peer].isCut else {
                    // A connection that outlives a cut brings it afterwards.
                    if ways[site][peer].isBroken { ways[site][peer].held.append(statement) }
                    continue
                }
                queue.push(
                    .statement(
                        from: site, to: peer, session: ways[site][peer].session, statement,
                        isFirst: isFirst), at: arrival)
            }
        }
    }

    private func brief(_ frame: PeerFrame) -> String {
        switch frame {
        case .forward(let request, let hops):
            "forward \(request.command[0]) \(request.key[1]) \(request.number.bits & 0xFFFF), hop \(hops)"
        case .outcome(let number, let outcome):
            "outcome \(number.bits & 0xFFFF) \(outcome.reply[0])"
        case .replicate(let sequence, _, _, let state):
            "replicate \(sequence) \(state.key[1]) \(state.kind) \(state.stamp.version)"
        case .inform(_, _, let state): "inform \(state.key[1]) \(state.kind) \(state.stamp.version)"
        case .digests(let round, _): "digests \(round)"
        case .list(let round, let range, let entries): "list \(round) \(range) \(entries.count)"
        case .want(let round, let range, let hashes): "want \(round) \(range) \(hashes.count)"
        default: "\(frame)"
        }
    }

    // MARK: Events

    /// Runs to the end; nothing is left to happen but ticks.
    func run() {
        var end: UInt64 = .max
        while let (time, event) = queue.pop(), time < end {
            now = max(now, time)
            handle(event)
            if end == .max, requestsLeft == 0, faultsLeft == 0, !isFaulty { end = now + 8_000_000 }
        }
        // Who was not answered never will be.
        for client in asked.keys.sorted() { answered(client, nil) }
    }

    private func handle(_ event: Event) {
        switch event {
        case .tick(let number): attend(number, event) { $0.tick(now: self.now) }
        case .frame(let from, let to, let session, let frame):
            guard ways[from][to].session == session, !ways[from][to].isBroken else { return }
            attend(to, event) { $0.receive(frame, from: from, now: self.now) }
        case .statement(let from, let to, let session, let statement, let isFirst):
            guard ways[from][to].session == session else { return }
            guard !ways[from][to].isCut else {
                if ways[from][to].isBroken { ways[from][to].held.append(statement) }
                return
            }
            attend(to, event) {
                if isFirst, !self.members.contains(from) {
                    $0.linkedFront(from, now: self.now)
                } else if isFirst {
                    $0.linked(from, statement, now: self.now)
                } else {
                    $0.heard(from, statement, now: self.now)
                }
            }
        case .survey(let site, let process, let peer, let number, let survey):
            guard sites[site].processCount == process else { return }
            attend(site, event) { $0.take(survey, for: peer, number: number, now: self.now) }
        case .link(let first, let second): link(first, second)
        case .death(let first, let second, let session):
            guard ways[first][second].session == session,
                ways[first][second].isCut || sites[first].isStopped
            else { return }
            note("both ends close the link \(first)-\(second)")
            breakLink(first, second, silently: false)
        case .broken(let number, let peer, let session):
            // Unless there is another one by now.
            guard ways[peer][number].session == session else { return }
            attend(number, event) { $0.unlinked(peer, now: self.now) }
        case .client(let lane): ask(lane)
        case .strike: strike()
        case .change(let change, let leaver): self.change(change, leaver: leaver)
        case .takeBack: takeBack()
        case .define(let number, let generation):
            let before = sites[number].member?.peers ?? []
            attend(number, event) { $0.change(to: self.generation(generation), now: self.now) }
            // Nobody knew what it is before.
            for peer in sites[number].member?.peers ?? [] where !before.contains(peer) {
                connect(number, peer)
            }
        case .end(let number):
            if let member = sites[number].member,
                member.generation < definitions.count || member.phase != .settled,
                !isDoomed.contains(number)
            {
                // The operator waits until it is not needed any more.
                queue.push(event, at: now + 500_000)
                return
            }
            note("member \(number) is stopped for good")
            kill(number, silently: false)
            sites[number].isOver = true
        case .fault: fault()
        case .heal: heal()
        case .die(let number):
            guard sites[number].member != nil else { return }
            note("member \(number) is killed, too")
            kill(number)
        case .restart(let number):
            guard sites[number].member == nil, !sites[number].isOver else { return }
            if sites[number].losesFile {
                sites[number].store.lose()
                sites[number].outlived = []
                sites[number].losesFile = false
            }
            start(number)
        case .resume(let number): resume(number)
        }
    }

    private func attend(
        _ number: Int, _ event: Event, _ body: (Member) -> Void
    ) {
        guard let member = sites[number].member else { return }
        if sites[number].isStopped {
            if case .tick = event { return }
            return sites[number].waiting.append(event)
        }
        sites[number].store.wall = now + sites[number].wallOffset
        let before = wantsTrace ? members.map(member.standing) : []
        body(member)
        for (peer, standing) in before.enumerated() where member.standing(to: peer) != standing {
            note("\(number) is \(member.standing(to: peer)) to \(peer), was \(standing)")
        }
        flush(number)
        // As the peers' thread does.
        if case .tick = event {
            queue.push(.tick(number), at: now + (member.operationCount > 0 ? 5_000 : 10_000))
        }
    }

    // MARK: Faults

    private func fault() {
        guard faultsLeft > 0 else { return }
        faultsLeft -= 1
        isFaulty = true
        guard let change = changesLeft.first else { return strike() }
        changesLeft.removeFirst()
        let isDead = change == .replaces && Bool.random(using: &generator)
        let leaver =
            change == .leaves || change == .replaces
            ? definitions[definitions.count - 1].randomElement(using: &generator) : nil
        let within = UInt64.random(in: 0...900_000, using: &generator)
        queue.push(.change(change, leaver: leaver), at: now + within)
        if let leaver, isDead {
            // That is what happens.
            isDoomed.insert(leaver)
            queue.push(.end(leaver), at: now + UInt64.random(in: 0...900_000, using: &generator))
            queue.push(.heal, at: now + 2_000_000)
        } else {
            queue.push(.strike, at: now + UInt64.random(in: 0...1_100_000, using: &generator))
        }
    }

    /// The operator tells some, and these the others.
    private func change(_ change: SimulatedChange, leaver: Int?) {
        var definition = definitions[definitions.count - 1]
        if let leaver {
            definition.removeAll { $0 == leaver }
            if !sites[leaver].isOver, Bool.random(using: &generator) {
                queue.push(.end(leaver), at: now + 4_000_000)
            }
        }
        // Who is to join asks the others by which one they act.
        let acted = sites.map(\.acted).max() ?? 1
        if change.joinCount > 0 {
            definition.append(nextMember)
            sites[nextMember].acted = acted
            let delay = UInt64.random(in: 0...200_000, using: &generator)
            queue.push(.restart(nextMember), at: now + delay)
            nextMember += 1
        }
        define(definition)
        if change == .joinsInVain {
            queue.push(
                .takeBack, at: now + UInt64.random(in: 0...400_000, using: &generator))
        }
    }

    private func define(_ definition: [Int]) {
        definitions.append(definition)
        let number = UInt64(definitions.count)
        note("generation \(number): members \(definition)")
        let first = victims.randomElement(using: &generator)
        for site in sites.indices {
            // The others are told by them, or late.
            let isEarly = site == first || Bool.random(using: &generator)
            queue.push(
                .define(site, number),
                at: now + UInt64.random(in: 0...200_000, using: &generator)
                    + (isEarly ? 0 : 2_000_000))
        }
    }

    private func takeBack() {
        guard let last = definitions.last?.last else { return }
        define(Array(definitions[definitions.count - 1].dropLast()))
        queue.push(.end(last), at: now + 4_000_000)
    }

    private func strike() {
        isFaulty = true
        let victims = victims
        let victim = victims[Int.random(in: 0..<victims.count, using: &generator)]
        let asking = asked.keys.sorted().filter { history[asked[$0] ?? 0].member == victim }
        let length = [50_000, 200_000, 700_000, 3_000_000].randomElement(using: &generator)!
        var kinds: [Int] = []
        if profile.kills { kinds += [0, 0] }
        if profile.stops { kinds += [1] }
        // Of two a cut makes two groups.
        let isSmall = !profile.changes.isEmpty && definitions.suffix(2).contains { $0.count < 3 }
        if profile.cuts, !isSmall { kinds += [2] }
        if profile.parts { kinds += [3] }
        if profile.unplugs, !isSmall { kinds += [4] }
        var lastReturn = now + UInt64(length)
        defer { queue.push(.heal, at: lastReturn) }
        guard !kinds.isEmpty else { return }
        switch kinds.randomElement(using: &generator) {
        case 0:
            sites[victim].losesFile = profile.losesFiles && Bool.random(using: &generator)
            note("member \(victim) is killed\(sites[victim].losesFile ? ", its file lost" : "")")
            kill(victim)
            guard profile.deadCount > 1 else {
                queue.push(.restart(victim), at: now + UInt64(length))
                break
            }
            // Some of them come back before others die, or in another order.
            var dead = [victim]
            var death = now
            for _ in 1..<profile.deadCount {
                let others = victims.filter { !dead.contains($0) }
                guard let other = others.randomElement(using: &generator) else { break }
                death += 700_000 + UInt64.random(in: 0...500_000, using: &generator)
                queue.push(.die(other), at: death)
                dead.append(other)
            }
            lastReturn = death
            for number in dead {
                let time =
                    death + 600_000 + UInt64.random(in: 0...2_000_000, using: &generator)
                queue.push(.restart(number), at: time)
                lastReturn = max(lastReturn, time)
            }
        case 1:
            note("member \(victim) stops")
            for client in asking { hungUp(client) }
            sites[victim].isStopped = true
            queue.push(.resume(victim), at: now + UInt64(length))
            // Others close what nothing comes by.
            for peer in others(of: victim) { closeLater(victim, peer) }
        case 2:
            let others = victims.filter { $0 != victim }
            let other = others[Int.random(in: 0..<others.count, using: &generator)]
            note("the link \(victim)-\(other) is cut")
            cut(victim, other)
        case 3:
            note("member \(victim) is cut off")
            for peer in others(of: victim) { cut(victim, peer) }
        default:
            note("member \(victim) is unplugged")
            for client in asking { hungUp(client) }
            sites[victim].isUnplugged = true
            for peer in others(of: victim) { cut(victim, peer, silently: true) }
        }
    }

    private func kill(_ victim: Int, silently: Bool? = nil) {
        for client in asked.keys.sorted() where history[asked[client] ?? 0].member == victim {
            hungUp(client)
        }
        sites[victim].member = nil
        sites[victim].isStopped = false
        sites[victim].waiting = []
        for peer in others(of: victim) {
            breakLink(victim, peer, silently: silently ?? Bool.random(using: &generator))
            ways[victim][peer].isOpen = false
            ways[peer][victim].isOpen = false
        }
    }

    private func cut(_ first: Int, _ second: Int, silently: Bool? = nil) {
        ways[first][second].isCut = true
        ways[second][first].isCut = true
        breakLink(first, second, silently: silently ?? Bool.random(using: &generator))
        closeLater(first, second)
    }

    private func closeLater(_ first: Int, _ second: Int) {
        queue.push(
            .death(first, second, session: ways[first][second].session),
            at: now + 2 * PairTimes().silence + delay(upTo: 50_000))
    }

    private func heal() {
        note("all is well")
        for first in sites.indices {
            for second in sites.indices where first < second && ways[first][second].isCut {
                ways[first][second].isCut = false
                ways[second][first].isCut = false
                bringLate(first, second)
                bringLate(second, first)
                // Somebody has to notice first, and to dial; a machine's first try may have been lost, and the next
                // one comes a second later.
                connect(
                    first, second,
                    within: [300_000, 1_500_000].randomElement(using: &generator) ?? 0)
            }
        }
        for number in sites.indices { sites[number].isUnplugged = false }
        isFaulty = false
        healedAt = now
        guard faultsLeft > 0 else { return }
        // Long enough for all to be together again.
        queue.push(.fault, at: now + 4_500_000)
    }

    /// What was said during a cut, in its order.
    private func bringLate(_ from: Int, _ to: Int) {
        var arrival = now
        for statement in ways[from][to].held {
            arrival += delay(upTo: 200)
            queue.push(
                .statement(
                    from: from, to: to, session: ways[from][to].session, statement, isFirst: false),
                at: arrival)
        }
        ways[from][to].held = []
    }

    private func resume(_ number: Int) {
        guard sites[number].isStopped else { return }
        note("member \(number) goes on")
        sites[number].isStopped = false
        let waiting = sites[number].waiting
        sites[number].waiting = []
        // What has come and its own clock are on different threads.
        let ticksFirst = Bool.random(using: &generator)
        if ticksFirst { handle(.tick(number)) }
        for event in waiting { handle(event) }
        if !ticksFirst { queue.push(.tick(number), at: now) }
        for peer in others(of: number) where !ways[peer][number].isOpen {
            connect(
                number, peer, within: [20_000, 300_000].randomElement(using: &generator) ?? 0)
        }
    }

    // MARK: Clients

    private func ask(_ lane: Int) {
        guard requestsLeft > 0 else { return }
        requestsLeft -= 1
        // Most of them around a fault, where it matters.
        let isBusy = isFaulty || now < healedAt + 1_500_000
        queue.push(
            .client(lane),
            at: now + UInt64.random(in: 500...(isBusy ? 40_000 : 900_000), using: &generator))
        // Not one that is dead or unplugged: nobody would be asked.
        let alive = sites.indices.filter { sites[$0].member != nil && !sites[$0].isUnplugged }
        guard let number = alive.randomElement(using: &generator) else { return }
        clientCount += 1
        let key: [UInt8] = [
            107, UInt8(ascii: "A") + UInt8(Int.random(in: 0..<profile.keyCount, using: &generator)),
        ]
        let verbs: [ModelCommand.Verb] = [
            .get, .get, .get, .renew, .set, .set, .add, .delete, .append,
        ]
        var verb = verbs.randomElement(using: &generator)!
        if profile.flushes, Int.random(in: 0..<60, using: &generator) == 0 { verb = .flush }
        let value = Array("\(clientCount).".utf8)
        asked[clientCount] = history.count
        // The last link may be there a second and a half after the cut's end, and all be compared by it.
        let mayBeApart = isFaulty || now < healedAt + 2_500_000
        if profile.needsMajority, verb.isRead, mayBeApart { unchecked.insert(history.count) }
        history.append(
            HistoryEntry(
                key: key, verb: verb, value: value, member: number, begin: now))
        note("client \(clientCount) asks \(number): \(verb) \(key[1]) \(clientCount)")
        let client = clientCount
        attend(number, .client(lane)) {
            if verb == .flush { return $0.flushAll(client, now: self.now) }
            $0.ask(
                client, key: key, isRead: verb == .get,
                command: Store.command(ModelCommand(verb, value: value), key: key),
                now: self.now)
        }
        if sites[number].isStopped { hungUp(client) }
    }

    /// The member has gone, or does not move: its client gives up.
    private func hungUp(_ client: UInt64) {
        guard asked.removeValue(forKey: client) != nil else { return }
        note("client \(client) gives up")
    }

    private func answered(_ client: UInt64, _ outcome: Outcome?) {
        guard let place = asked.removeValue(forKey: client) else { return }
        history[place].end = now
        history[place].outcome = outcome.flatMap {
            history[place].verb == .flush
                ? ModelOutcome(.stored) : Store.outcome($0, of: history[place].verb)
        }
        let isUnchecked = profile.needsMajority && (isFaulty || unchecked.contains(place))
        if history[place].verb.isRead, isUnchecked { history[place].outcome = nil }
        longestWait = max(longestWait, now - history[place].begin)
        note("client \(client) is told \(outcome.map { "\($0.reply)" } ?? "nothing")")
    }

    // MARK: The end

    /// What is wrong when all has been well for long: members that differ, or do not serve.
    func divergence() -> String? {
        let last = UInt64(definitions.count)
        let present = definitions[definitions.count - 1]
        for number in present {
            guard let member = sites[number].member else { return "member \(number) is not there" }
            for peer in present where peer != number {
                guard member.standing(to: peer) == .together else {
                    return "\(number) is \(member.standing(to: peer)) to \(peer)"
                }
            }
            guard member.generation == last, member.phase == .settled else {
                return "\(number) acts by \(member.generation), and is \(member.phase)"
            }
        }
        let contents = sites.map { $0.member == nil ? [:] : $0.store.contents }
        for number in members {
            for (key, state) in contents[number] {
                let owners = generation(UInt64(definitions.count)).holders(of: key)
                guard owners.contains(number) else {
                    return "\(number) has \(state), which it does not own"
                }
                for owner in owners where owner != number {
                    let other = contents[owner][key]
                    if other != state {
                        return "\(number) has \(state), \(owner) has \(String(describing: other))"
                    }
                }
            }
        }
        return nil
    }
}

/// Events in the order of their times; of those of one time, in the order in which they were made.
private struct EventQueue<Event> {
    private struct Place {
        var time: UInt64
        var order: UInt64
        var slot: Int
    }

    private var heap: [Place] = []
    private var count: UInt64 = 0
    /// Events do not move with their places: they are large.
    private var events: [Event?] = []
    private var free: [Int] = []

    mutating func push(_ event: Event, at time: UInt64) {
        count += 1
        let slot = free.popLast() ?? events.count
        if slot == events.count { events.append(event) } else { events[slot] = event }
        heap.append(Place(time: time, order: count, slot: slot))
        var place = heap.count - 1
        while place > 0, precedes(place, (place - 1) / 2) {
            heap.swapAt(place, (place - 1) / 2)
            place = (place - 1) / 2
        }
    }

    mutating func pop() -> (time: UInt64, event: Event)? {
        guard let first = heap.first, let event = events[first.slot] else { return nil }
        events[first.slot] = nil
        free.append(first.slot)
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var place = 0
        while true {
            var least = place
            for child in 2 * place + 1...2 * place + 2
            where child < heap.count && precedes(child, least) {
                least = child
            }
            guard least != place else { break }
            heap.swapAt(place, least)
            place = least
        }
        return (first.time, event)
    }

    private func precedes(_ first: Int, _ second: Int) -> Bool {
        (heap[first].time, heap[first].order) < (heap[second].time, heap[second].order)
    }
}
