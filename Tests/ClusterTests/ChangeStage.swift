import Cluster

/// Members that reach each other at once, and change from one generation to the next.
final class ChangeStage {
    private enum Message {
        case frame(PeerFrame)
        case statement(Statement)
    }

    private(set) var members: [Int: Member] = [:]
    private(set) var stores: [Int: ModelStore] = [:]
    private(set) var now: UInt64 = 10_000_000
    /// By client.
    private(set) var told: [UInt64: ModelOutcome] = [:]
    private(set) var hungUp: Set<UInt64> = []
    /// Frames by who has sent them, and to whom.
    private(set) var sent: [(from: Int, to: Int, frame: PeerFrame)] = []
    private(set) var wanted: [Int: UInt64] = [:]
    private(set) var acted: [Int: [UInt64]] = [:]
    /// What those who want them get.
    var generations: [UInt64: Generation] = [:]
    /// Those that are on their way until there is another rule.
    var holds: (_ from: Int, _ to: Int, PeerFrame) -> Bool = { _, _, _ in false } {
        didSet { release() }
    }
    private var held: [(from: Int, to: Int, frame: PeerFrame)] = []
    private var queue: [(from: Int, to: Int, message: Message)] = []
    private var linked: Set<[Int]> = []
    private var clientCount: UInt64 = 0
    private var processCount: UInt64 = 0

    static func generation(
        _ number: UInt64, _ members: [Int], _ owners: [Int]
    ) -> Generation {
        Generation(number: number, members: MemberSet(members)) { _ in
            (owners[0], owners.count > 1 ? owners[1] : nil)
        }
    }

    func start(_ number: Int, by generation: Generation) {
        processCount += 1
        let store =
            stores[number] ?? ModelStore(me: number, memberCount: 4, owners: { _ in (0, 1) })
        stores[number] = store
        members[number] = Member(
            me: number, generation: generation, process: processCount, store: store, now: now)
        for peer in members.keys.sorted() where peer != number { link(number, peer) }
    }

    /// The links of a member end, and it with them.
    func stop(_ number: Int) {
        members[number] = nil
        queue.removeAll { $0.from == number || $0.to == number }
        held.removeAll { $0.from == number || $0.to == number }
        for peer in members.keys.sorted() {
            linked.remove([number, peer])
            linked.remove([peer, number])
            members[peer]?.unlinked(number, now: now)
        }
        deliver()
    }

    func link(_ first: Int, _ second: Int) {
        for (from, to) in [(first, second), (second, first)] {
            linked.remove([from, to])
            members[from]?.sayHello(to: to, now: now)
        }
        deliver()
    }

    @discardableResult
    func change(_ number: Int, to generation: Generation) -> Bool {
        let before = members[number]?.peers ?? []
        let isTaken = members[number]?.change(to: generation, now: now) ?? false
        deliver()
        for peer in members[number]?.peers ?? [] where !before.contains(peer) {
            link(number, peer)
        }
        return isTaken
    }

    func goOn(_ milliseconds: Int) {
        for _ in 0..<milliseconds / 10 {
            now += 10_000
            for number in members.keys.sorted() {
                members[number]?.tick(now: now)
                deliver()
            }
        }
    }

    /// What a client is told at once, or later.
    @discardableResult
    func ask(
        _ number: Int, _ verb: ModelCommand.Verb, _ value: UInt8 = 0, key: UInt8 = 7
    ) -> UInt64 {
        clientCount += 1
        members[number]?.ask(
            clientCount, key: [key], isRead: verb == .get,
            command: ModelCommand(verb, value: [value]).bytes, now: now)
        deliver()
        return clientCount
    }

    func receive(_ frame: PeerFrame, from peer: Int, at number: Int) {
        members[number]?.receive(frame, from: peer, now: now)
        deliver()
    }

    func value(_ number: Int, key: UInt8 = 7) -> [UInt8]? {
        stores[number]?.states[[key]].map { $0.kind == .item ? $0.value : [] }
    }

    private func release() {
        let frames = held
        held = []
        for (from, to, frame) in frames { queue.append((from, to, .frame(frame))) }
        deliver()
    }

    private func deliver() {
        repeat {
            for number in members.keys.sorted() { take(number) }
            guard !queue.isEmpty else { return }
            let (from, to, message) = queue.removeFirst()
            switch message {
            case .statement(let statement) where linked.contains([from, to]):
                members[to]?.heard(from, statement, now: now)
            case .statement(let statement):
                linked.insert([from, to])
                members[to]?.linked(from, statement, now: now)
            case .frame(let frame):
                let waits = held.contains { $0.from == from && $0.to == to }
                if waits || holds(from, to, frame) {
                    held.append((from, to, frame))
                } else {
                    members[to]?.receive(frame, from: from, now: now)
                }
            }
        } while true
    }

    private func take(_ number: Int) {
        while let member = members[number], let effect = member.takeEffect() {
            switch effect {
            case .reply(let client, let outcome): told[client] = ModelOutcome(outcome)
            case .hangUp(let client): hungUp.insert(client)
            case .send(let peer, let frame):
                sent.append((number, peer, frame))
                if members[peer] != nil { queue.append((number, peer, .frame(frame))) }
            case .state(let peer, let statement):
                if members[peer] != nil { queue.append((number, peer, .statement(statement))) }
            case .survey(let peer, let surveyNumber):
                let sharing = member.sharing
                guard let survey = stores[number]?.survey({ sharing.isShared($0, $1, with: peer) })
                else { continue }
                member.take(survey, for: peer, number: surveyNumber, now: now)
            case .outlives: break
            case .acts(let generation, _): acted[number, default: []].append(generation)
            case .wants(let wantedNumber, _):
                wanted[number] = wantedNumber
                guard let generation = generations[wantedNumber] else { continue }
                let before = member.peers
                member.change(to: generation, now: now)
                for peer in member.peers where !before.contains(peer) { link(number, peer) }
            }
        }
    }
}
