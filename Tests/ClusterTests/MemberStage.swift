import Cluster
import Testing

/// Member 0 of two, and what its peer would send it.
struct MemberStage {
    let member: Member
    let store: ModelStore
    var peer: Pair
    var now: UInt64 = 10_000_000
    let times = PairTimes()
    private(set) var replies: [UInt64] = []
    private(set) var outcomes: [ModelOutcome.Result] = []
    private(set) var hangUps: [UInt64] = []
    private(set) var sent: [PeerFrame] = []

    init(isFirst: Bool = true, needsMajority: Bool = false) {
        let owners: @Sendable ([UInt8]) -> (first: Int, second: Int?) = { _ in
            isFirst ? (0, 1) : (1, 0)
        }
        store = ModelStore(me: 0, memberCount: 2, owners: owners)
        member = Member(
            me: 0, needsMajority: needsMajority, memberCount: 2, process: 11, store: store,
            times: times, now: now, owners: owners)
        peer = Pair(me: 1, peer: 0, process: 22, times: times, now: now)
    }

    mutating func take() {
        while let effect = member.takeEffect() {
            switch effect {
            case .reply(let client, let outcome):
                replies.append(client)
                if let outcome = ModelOutcome(outcome) { outcomes.append(outcome.result) }
            case .hangUp(let client): hangUps.append(client)
            case .send(_, let frame): sent.append(frame)
            case .state(_, let statement):
                if peer.isLinked {
                    _ = peer.hear(statement, now: now)
                } else {
                    _ = peer.linked(statement, now: now)
                }
            case .survey(let peer, let number):
                member.take(Survey([]), for: peer, number: number, now: now)
            case .wants, .acts, .outlives: break
            }
        }
    }

    /// Lets so many microseconds go by, in which the peer says what it is, or nothing.
    mutating func goOn(_ microseconds: UInt64, isHeard: Bool) {
        let end = now + microseconds
        while now < end {
            now += 10_000
            member.tick(now: now)
            take()
            guard isHeard else { continue }
            _ = peer.tick(now: now)
            member.heard(1, peer.statement(hears: [], clock: 0, now: now), now: now)
            take()
        }
    }

    mutating func comeTogether() {
        member.linked(1, peer.statement(hears: [], clock: 0, now: now), now: now)
        take()
        goOn(100_000, isHeard: true)
        // Nothing differs.
        member.receive(
            .digests(round: 1, Array(repeating: 0, count: Survey.rangeCount)), from: 1,
            now: now)
        member.receive(.exchanged(round: 1), from: 1, now: now)
        take()
        _ = peer.compared(now: now)
        goOn(200_000, isHeard: true)
        _ = peer.barrierCame(.max >> 2, now: now)
        member.receive(.barrier(since: .max >> 2), from: 1, now: now)
        goOn(200_000, isHeard: true)
    }

    mutating func ask(
        _ client: UInt64, _ verb: ModelCommand.Verb, key: [UInt8] = [107], value: [UInt8] = [1]
    ) {
        member.ask(
            client, key: key, isRead: verb == .get,
            command: ModelCommand(verb, value: value).bytes, now: now)
        take()
    }

    mutating func receive(_ frame: PeerFrame) {
        member.receive(frame, from: 1, now: now)
        take()
    }

    mutating func acknowledge() {
        guard case .replicate(let sequence, _, _, _)? = sent.last else { return }
        member.receive(.acknowledge(sequence: sequence), from: 1, now: now)
        take()
    }

    /// The link between them ends.
    mutating func unlink() {
        member.unlinked(1, now: now)
        _ = peer.unlinked(now: now)
        take()
    }

    /// And there is another one.
    mutating func link() {
        member.linked(1, peer.statement(hears: [], clock: 0, now: now), now: now)
        take()
    }
}
